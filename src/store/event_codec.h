// Between the API's events and Kafka records (docs/formats/event.md).
#pragma once

#include <array>
#include <climits>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <baton/event.h>
#include <baton/result.h>

#include "log/batch.h"
#include "log/types.h"
#include "store/position_codec.h"

namespace baton::store {

inline constexpr std::string_view kDeletedType = "baton.stream.deleted";
inline constexpr std::string_view kTruncatedType = "baton.stream.truncated";

// The type as the API shows it: without the prefix `<context>.`; a type with another prefix is kept.
[[nodiscard]] std::string_view bare_type(std::string_view context, std::string_view type);
// Whether a type names a context already, its own or another's: the part before its first '.' is a context name. Then it goes to the
// wire as it is; otherwise as `<context>.<type>`.
[[nodiscard]] bool has_context_prefix(std::string_view type);

// What the store has decided about an event, and what the request gives to events that do not set their own.
struct EventPlace {
  std::string_view stream;
  std::int64_t version = 0;
  std::int64_t append_ms = 0;
  std::string_view id;              // the event's, or a generated one
  std::string_view correlation_id;  // the request's
  std::string_view causation_id;
  std::string_view tenant;
  std::string_view traceparent;
  std::int32_t offset_delta = -1;   // in its batch; -1: the next one
};

// Writes the records of one context into batches. Keeps its memory from event to event. One thread.
class EventEncoder {
 public:
  explicit EventEncoder(std::string context);
  // The event has passed check_event. A tag that is given twice is stored once.
  void add(log::BatchBuilder& batch, const NewEvent& event, const EventPlace& place);
  // System records (rule 8). Of `place`, version is not used.
  void add_deleted(log::BatchBuilder& batch, const EventPlace& place);
  void add_truncated(log::BatchBuilder& batch, const EventPlace& place, std::int64_t before_version);

 private:
  void put(std::string_view name, std::string_view value);
  void put_envelope(const EventPlace& place, std::string_view source, std::string_view type, Time time);
  void put_version(std::int64_t version);
  void add_system(log::BatchBuilder& batch, const EventPlace& place, std::string_view type, std::string_view what);

  std::string context_;
  std::string source_;       // the context's default
  std::string type_;         // the wire type of the event at hand; starts with "<context>."
  std::string time_text_;
  Time time_{INT64_MIN};     // that time_text_ is of
  std::array<char, 24> version_text_{};
  std::vector<log::HeaderInput> headers_;
};

// Reads the records of one context's partition. The hot path of every scan: one pass over the headers, nothing allocated for an event
// once the buffers have grown. One thread; owned by the reader.
class EventDecoder {
 public:
  // `place` outlives the decoder's views: EventView::position() reads it.
  EventDecoder(std::string context, const PositionContext* place, log::PartitionId partition);

  // Fills `out`, valid until the next call and as long as the batch's bytes. incompatible: the record is not an event that this version
  // understands; the detail names context, partition, offset, stream and what is wrong (F31).
  [[nodiscard]] Status decode(const log::RecordView& record, log::Epoch epoch, EventView& out);

  [[nodiscard]] const std::string& context() const { return context_; }

 private:
  [[nodiscard]] Error refuse(const log::RecordView& record, std::string_view what) const;
  [[nodiscard]] const char* read_headers(std::span<const log::HeaderView> headers, EventView& out);

  std::string context_;
  const PositionContext* place_;
  log::PartitionId partition_;
  std::vector<std::string_view> tags_;
  std::vector<EventView::RawHeader> headers_;
};

// ce_time; the append time when it does not fit a Time.
[[nodiscard]] Time event_time(const EventView& event);
// "truncated:<n>" gives n; nothing for another system record.
[[nodiscard]] std::optional<std::int64_t> truncated_before(std::string_view system);

}  // namespace baton::store
