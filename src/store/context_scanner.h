// ContextScanner: the events of a context in order, forward, from a position on: what scans, pages and subscriptions are made of.
//
// Reads the log in chunks, or, when the filter names tags or types that are rare, only the records that the index names. Events are handed
// out without a copy. One partition after the other when there are several: there is no order between them.
// One thread at a time. Buffers one chunk.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <baton/result.h>
#include <baton/store.h>

#include "base/bytes.h"
#include "log/batch.h"
#include "store/event_codec.h"
#include "store/filter.h"
#include "store/position_codec.h"
#include "store/read_view.h"
#include "store/record_fetcher.h"

namespace baton::store {

using Visit = std::function<bool(const EventView&)>;  // false: stop after this event

class ContextScanner {
 public:
  // `after`, `filter` and `as_of` of the request count. Ends at what is visible now. position_lost; invalid_argument.
  [[nodiscard]] static Result<std::unique_ptr<ContextScanner>> start(std::shared_ptr<const ContextView> context,
                                                                     const ReadContext& request);

  // Hands out at most `max` events; returns how many. Fewer only at the end, or when `visit` said stop.
  // corrupt and incompatible (F31) name the record; the scanner stands before it.
  [[nodiscard]] Result<std::size_t> run(std::size_t max, const Visit& visit);

  // Of the last event that was handed out or passed over, or that a retention has removed.
  [[nodiscard]] Position position() const;
  // How many offsets behind where it started, and not behind position(), a retention had removed before they were read.
  [[nodiscard]] std::int64_t removed() const { return removed_; }
  // Everything up to the end was seen.
  [[nodiscard]] bool at_end() const;
  // Moves the end to what is visible now (a live subscription). Not with as_of.
  void extend();
  // Called with the bytes of each piece of the log that was read, before its events are handed out. False or an error ends run(), which may be
  // called again. It may wait: a replay that lets appends pass, a subscription that is cancelled.
  void set_pace(std::function<Result<bool>(std::size_t bytes)> pace) { pace_ = std::move(pace); }

  // A partition's part of it: the next offset to read, and where to stop.
  struct Range {
    std::int64_t next = 0;
    std::int64_t end = 0;
  };
  // Where a reading of `request` begins and ends, per partition; a position's epoch in `epoch`.
  // `whole`: in that partition, or all, or none, a moment of which a retention has removed a part is `removed`; else it is what is left of it.
  static constexpr std::int32_t kAllPartitions = -1, kNoPartition = -2;
  [[nodiscard]] static Result<std::vector<Range>> ranges(const ContextView& context, const ReadContext& request,
                                                         log::Epoch* epoch, std::int32_t whole = kAllPartitions);

 private:
  ContextScanner(std::shared_ptr<const ContextView> context, const ReadContext& request);
  struct Run {
    std::size_t max = 0;
    std::size_t examined_max = 0;
    std::size_t count = 0;
    std::size_t examined = 0;
    const Visit* visit = nullptr;
    bool stopped = false;
    [[nodiscard]] bool done() const { return stopped || count == max || examined >= examined_max; }
  };

  [[nodiscard]] Status run_partition(Run& run);
  [[nodiscard]] Status check_start(const IndexSnapshot& index) const;
  [[nodiscard]] Status pass_removed(Error removed);
  [[nodiscard]] Status count_removed(std::size_t partition, std::int64_t from, std::int64_t to);
  [[nodiscard]] Status scan(Run& run);
  [[nodiscard]] Status scan_batch(Run& run);
  [[nodiscard]] Status follow_postings(const IndexSnapshot& index, Run& run, bool& too_many);
  void hand_out(Run& run, const EventView& event);
  void enter_partition(std::size_t partition);

  std::shared_ptr<const ContextView> context_;
  EventFilter filter_;
  std::optional<Time> happened_by_;       // as of an event time
  std::size_t examined_max_;
  std::vector<std::string> types_, tags_;  // to look up in the index; bare types
  std::vector<Range> ranges_;
  PositionContext positions_;
  std::int64_t removed_ = 0;
  std::function<Result<bool>(std::size_t)> pace_;
  std::optional<std::int64_t> before_;    // while a partition is walked: where that began, which positions_ knows

  std::size_t partition_ = 0;             // at work
  bool use_index_ = false;                // there, until it turns out to be slower than a scan
  log::Epoch epoch_;                      // of the last event passed in it
  std::unique_ptr<EventDecoder> decoder_;
  std::unique_ptr<RecordFetcher> fetcher_;
  EventView event_;

  // The chunk: batches not yet begun, and the one that cursor_ walks.
  base::Bytes chunk_;
  base::ByteView rest_;
  log::RecordCursor cursor_;
  bool in_batch_ = false;
};

// Events of a context with one partition, backward from before `request.after`. Returns where it stopped: the position of the last event handed
// out or passed over. `at_end`: the beginning was reached.
[[nodiscard]] Result<Position> scan_backward(const ContextView& context, const ReadContext& request, std::size_t max,
                                             const Visit& visit, bool& at_end);

}  // namespace baton::store
