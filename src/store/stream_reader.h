// Reads of one stream through the index: pages, heads, and loading an aggregate. Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include <baton/result.h>
#include <baton/store.h>

#include "os/env.h"
#include "store/head_cache.h"
#include "store/index_cursor.h"
#include "store/position_codec.h"
#include "store/read_view.h"
#include "store/record_fetcher.h"

namespace baton::store {

// One look at one stream: everything below `to`. Answers from the index; while that is rebuilt, or when it is found damaged, from a scan of the
// log, which is slow and gives the same.
class StreamReader {
 public:
  [[nodiscard]] static Result<std::unique_ptr<StreamReader>> open(const ContextView& context, std::string_view stream,
                                                                  log::Offset to);

  [[nodiscard]] const Head& head() const { return head_; }
  // Calls `visit` for the events with first <= version < last that may be seen, ascending or descending, until it returns false. Those
  // that a retention removed are not there.
  using Visit = std::function<bool(const EventView& event)>;
  [[nodiscard]] Status read(std::int64_t first, std::int64_t last, Direction direction, const Visit& visit);
  // As of an event time: the events with ce_time <= `time`, in log order. Sets the head to what it was.
  [[nodiscard]] Status read_as_of(Time time, const std::function<void(const IndexHit&)>& keep);
  // The event at `hit`, valid until the next call; null when it is another stream's, or a system record.
  [[nodiscard]] Result<const EventView*> event(const IndexHit& hit);

 private:
  StreamReader(const ContextView& context, const PartitionView& partition, std::string_view stream, log::Offset to);
  [[nodiscard]] Status load_head();
  [[nodiscard]] Result<std::vector<IndexHit>> find(std::int64_t first, std::int64_t last) const;
  [[nodiscard]] Result<std::vector<IndexHit>> find_from_start(std::int64_t first, std::int64_t last) const;
  [[nodiscard]] Result<std::vector<IndexHit>> find_from_end(std::int64_t first, std::int64_t last) const;
  [[nodiscard]] Result<std::vector<IndexHit>> all_hits() const;
  [[nodiscard]] Status try_read(std::int64_t first, std::int64_t last, Direction direction, const Visit& visit, bool& again);
  [[nodiscard]] Status scan_log();

  const ContextView& context_;
  const PartitionView& partition_;
  std::string_view stream_;
  std::uint64_t hash_;
  log::Offset from_;
  log::Offset to_;
  std::optional<IndexSnapshot> index_;            // nothing while it is rebuilt
  PositionContext positions_;
  RecordFetcher fetcher_;
  Head head_;
  bool trust_versions_ = true;                    // false: another stream has the same hash
  std::optional<std::vector<IndexHit>> scanned_;  // all of the stream's records, when the index could not tell
};

[[nodiscard]] Result<StreamPage> read_stream(const ContextView& context, const ReadStream& request);
[[nodiscard]] Result<Head> stream_head(const ContextView& context, std::string_view stream);
[[nodiscard]] Result<Loaded> load_aggregate(os::Env& env, const ContextView& context, std::string_view stream,
                                            const LoadOptions& options);
[[nodiscard]] Status save_aggregate(os::Env& env, const ContextView& context, std::string_view stream,
                                    const Snapshot& snapshot);

}  // namespace baton::store
