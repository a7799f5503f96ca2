// Any bytes as the records of a batch, read as events; an event that can be read is written again and must be read as the same.
// Any bytes as a position: one that can be read is written as the same text.
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/check.h"
#include "store/event_codec.h"
#include "store/limits.h"

namespace baton::store {
namespace {

constexpr log::TopicId kTopic{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

void same(const Event& a, const Event& b) {
  BATON_CHECK(a.stream == b.stream && a.version == b.version && a.type == b.type && a.id == b.id && a.source == b.source, "identity");
  BATON_CHECK(a.time == b.time && a.has_data == b.has_data && a.data == b.data && a.content_type == b.content_type, "content");
  BATON_CHECK(a.tenant == b.tenant && a.causation_id == b.causation_id && a.traceparent == b.traceparent && a.subject == b.subject, "envelope");
  BATON_CHECK(a.headers.size() == b.headers.size(), "headers");
}

// Writes what the API could have given for this event.
void write_again(const Event& event, EventDecoder& decoder) {
  NewEvent given{.type = event.type, .data = event.data, .has_data = event.has_data, .id = event.id, .source = event.source,
                 .content_type = event.content_type, .time = event.time, .tenant = event.tenant, .correlation_id = event.correlation_id,
                 .causation_id = event.causation_id, .traceparent = event.traceparent, .subject = event.subject, .tags = event.tags,
                 .headers = event.headers};
  if (!check_stream_name(event.stream) || !check_event(given, 0, {.data_bytes_max = 1u << 20})) return;
  log::BatchBuilder builder;
  EventEncoder encoder(event.context);
  encoder.add(builder, given, {.stream = event.stream, .version = event.version, .append_ms = 0, .id = event.id});
  const auto batch = builder.finish(event.recorded.ns / 1'000'000).value();
  log::RecordCursor cursor;
  BATON_CHECK(cursor.start(batch).ok() && cursor.next(), "the batch is read");
  EventView view;
  const auto decoded = decoder.decode(cursor.record(), log::Epoch(0), view);
  BATON_CHECK(decoded.ok(), decoded.ok() ? "" : decoded.error().detail);
  same(event, view.to_event());
}

void read_events(base::ByteView records) {
  log::BatchBuilder builder;
  log::BatchHeader header;
  header.last_offset_delta = 63;
  base::Bytes batch = builder.finish(1000, header).value();
  base::put_bytes(batch, records);
  base::store_be<std::int32_t>(batch.data() + 8, static_cast<std::int32_t>(batch.size() - log::kBatchPrefixBytes));
  base::store_be<std::int32_t>(batch.data() + 57, 1);
  log::RecordCursor cursor;
  if (!cursor.start(batch)) return;
  const PositionContext place(kTopic, 1);
  EventDecoder decoder("rides", &place, log::PartitionId(0));
  EventView view;
  while (cursor.next()) {
    if (!decoder.decode(cursor.record(), cursor.header().epoch, view)) continue;
    const Event event = view.to_event();
    BATON_CHECK(parse_position(event.position).ok(), "an event's position is one");
    if (event.system.empty()) write_again(event, decoder);
  }
}

void read_position(std::string_view text) {
  const auto parts = parse_position({std::string(text)});
  if (!parts || parts->is_beginning()) return;
  PositionContext place({}, static_cast<std::int32_t>(parts->offsets.size()));
  std::vector<std::int64_t> next;
  for (const auto offset : parts->offsets) {
    if (offset == INT64_MAX) return;
    next.push_back(offset + 1);
  }
  place.resume(next, parts->epoch);
  const Position again = place.position();
  if (again.is_beginning()) return;
  BATON_CHECK(again.token.substr(20) == text.substr(20), "a position is written as it was read");
}

}  // namespace
}  // namespace baton::store

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  baton::store::read_events(bytes);
  baton::store::read_position(baton::base::as_text(bytes));
  (void)baton::store::valid_utf8(baton::base::as_text(bytes));
  return 0;
}
