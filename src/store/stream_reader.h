// Reads of one stream through the index: pages, heads, and loading an aggregate. Any thread.
#pragma once

#include <cstdint>
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

// One look at one stream: everything below `to`. unavailable while the index is rebuilt.
class StreamReader {
 public:
  [[nodiscard]] static Result<std::unique_ptr<StreamReader>> open(const ContextView& context, std::string_view stream,
                                                                  log::Offset to);

  [[nodiscard]] const Head& head() const { return head_; }
  // The records of the stream's events with first <= version < last that may be seen, ascending; those that a retention removed are not
  // there. Records of other streams with the same hash are among them: event() tells.
  [[nodiscard]] Result<std::vector<IndexHit>> find(std::int64_t first, std::int64_t last) const;
  // The event at `hit`, valid until the next call; null when it is another stream's, or a system record.
  [[nodiscard]] Result<const EventView*> event(const IndexHit& hit);
  // All records that may be seen as of an event time: of those with ce_time <= `time`, in log order. Sets the head to what it was.
  [[nodiscard]] Result<std::vector<IndexHit>> find_as_of(Time time);

 private:
  StreamReader(const ContextView& context, const PartitionView& partition, std::string_view stream, log::Offset to);
  [[nodiscard]] Result<std::vector<IndexHit>> find_from_start(std::int64_t first, std::int64_t last) const;
  [[nodiscard]] Result<std::vector<IndexHit>> find_from_end(std::int64_t first, std::int64_t last) const;

  std::string_view stream_;
  std::uint64_t hash_;
  log::Offset from_;
  log::Offset to_;
  IndexSnapshot index_;
  PositionContext positions_;
  RecordFetcher fetcher_;
  Head head_;
};

[[nodiscard]] Result<StreamPage> read_stream(const ContextView& context, const ReadStream& request);
[[nodiscard]] Result<Head> stream_head(const ContextView& context, std::string_view stream);
[[nodiscard]] Result<Loaded> load_aggregate(os::Env& env, const ContextView& context, std::string_view stream,
                                            const LoadOptions& options);
[[nodiscard]] Status save_aggregate(os::Env& env, const ContextView& context, std::string_view stream,
                                    const Snapshot& snapshot);

}  // namespace baton::store
