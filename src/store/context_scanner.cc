#include "store/context_scanner.h"

#include <algorithm>

#include "base/try.h"
#include "store/limits.h"
#include "store/postings.h"

namespace baton::store {
namespace {

constexpr std::size_t kChunkBytes = 256u << 10;
constexpr std::size_t kFetchBytes = 4096;  // what a record through the index counts for
// A record through the index costs about as much as a dozen in a scan; after some of them it is known what the filter leaves.
constexpr std::int64_t kScanIfDenserThan = 12;
constexpr std::int64_t kHitsBeforeJudging = 64;

constexpr std::int64_t kNsPerMs = 1'000'000;
std::int64_t floor_ms(Time time) { return time.ns / kNsPerMs - (time.ns % kNsPerMs < 0 ? 1 : 0); }

std::vector<std::shared_ptr<const log::PartitionReader>> readers_of(const ContextView& context) {
  std::vector<std::shared_ptr<const log::PartitionReader>> readers;
  readers.reserve(context.partitions.size());
  for (const auto& partition : context.partitions) readers.push_back(partition->shared_reader());
  return readers;
}

Error removed_then(const ContextView& context, std::int64_t log_start) {
  return {Code::removed, "context " + context.name + " cannot be read as it was then: a retention has removed what stood before offset " +
                             std::to_string(log_start) + " since"};
}

}  // namespace

Result<std::vector<ContextScanner::Range>> ContextScanner::ranges(const ContextView& context, const ReadContext& request,
                                                                  log::Epoch* epoch, std::int32_t whole) {
  BATON_TRY(check_filter(request.filter));
  BATON_TRY(check_as_of(request.as_of));
  const auto readers = readers_of(context);
  // What is visible is taken after the position was checked: a position is never beyond the end.
  BATON_TRY_ASSIGN(const auto after, check_position(request.after, context.id, readers));
  if (epoch != nullptr) {
    BATON_TRY_ASSIGN(const PositionParts parts, parse_position(request.after));
    *epoch = parts.epoch;
  }
  std::vector<std::int64_t> until;
  if (request.as_of.position) {
    BATON_TRY_ASSIGN(until, check_position(*request.as_of.position, context.id, readers));
  }
  std::vector<Range> out;
  for (std::size_t p = 0; p < context.partitions.size(); ++p) {
    const PartitionView& partition = *context.partitions[p];
    Range range{.next = after[p], .end = partition.end().value()};
    if (request.backward) {
      // Exclusive: `after` names an event, and what is wanted lies before it. The beginning means: from the end.
      range = {.next = 0, .end = request.after.is_beginning() ? range.end : after[p] - 1};
    }
    const std::int64_t log_start = partition.reader().bounds().log_start.value();
    const bool is_asked = whole == kAllPartitions || whole == static_cast<std::int32_t>(p);
    if (!until.empty()) {
      // The end of a log of which all was removed is no past.
      const bool is_past = until[p] < partition.end().value();
      if (is_asked && is_past && until[p] > 0 && until[p] <= log_start && after[p] < until[p]) return removed_then(context, log_start);
      range.end = std::min(range.end, until[p]);
    }
    if (request.as_of.recorded) {
      BATON_TRY_ASSIGN(const auto later, partition.reader().find_time(floor_ms(*request.as_of.recorded) + 1));
      // What was there then may have been all that was removed, or a part of it: nothing tells.
      if (later && is_asked && log_start > 0 && later->offset.value() <= log_start) return removed_then(context, log_start);
      if (later) range.end = std::min(range.end, later->offset.value());
    }
    range.next = std::max(range.next, log_start);
    out.push_back(range);
  }
  return out;
}

ContextScanner::ContextScanner(std::shared_ptr<const ContextView> context, const ReadContext& request)
    : context_(std::move(context)),
      filter_(context_->name, request.filter),
      happened_by_(request.as_of.time),
      examined_max_(std::max<std::size_t>(request.examined_max, 1)),
      tags_(request.filter.tags),
      positions_(context_->id, static_cast<std::int32_t>(context_->partitions.size())) {
  for (const std::string& type : request.filter.types) types_.emplace_back(bare_type(context_->name, type));
}

Result<std::unique_ptr<ContextScanner>> ContextScanner::start(std::shared_ptr<const ContextView> context,
                                                              const ReadContext& request) {
  if (request.backward) return Error{Code::internal, "a ContextScanner reads forward"};
  log::Epoch epoch;
  BATON_TRY_ASSIGN(auto ranges_of_request, ranges(*context, request, &epoch));
  std::unique_ptr<ContextScanner> scanner(new ContextScanner(std::move(context), request));
  const auto readers = readers_of(*scanner->context_);
  BATON_TRY_ASSIGN(const auto after, check_position(request.after, scanner->context_->id, readers));
  scanner->positions_.resume(after, epoch);
  scanner->epoch_ = epoch;
  scanner->ranges_ = std::move(ranges_of_request);
  for (std::size_t p = 0; p < after.size(); ++p) {
    Range& range = scanner->ranges_[p];
    range.next = std::clamp(range.next, after[p], std::max(range.end, after[p]));
    BATON_TRY(scanner->count_removed(p, after[p], range.next));
  }
  scanner->enter_partition(0);
  return scanner;
}

void ContextScanner::enter_partition(std::size_t partition) {
  partition_ = partition;
  const PartitionView& view = *context_->partitions[partition];
  decoder_ = std::make_unique<EventDecoder>(context_->name, &positions_, view.key().partition);
  use_index_ = !tags_.empty() || !types_.empty();
  fetcher_ = use_index_ ? std::make_unique<RecordFetcher>(*context_, view, &positions_) : nullptr;
  rest_ = {};
  in_batch_ = false;
}

void ContextScanner::extend() {
  for (std::size_t p = 0; p < ranges_.size(); ++p) {
    ranges_[p].end = std::max(ranges_[p].end, context_->partitions[p]->end().value());
  }
}

bool ContextScanner::at_end() const {
  return std::ranges::all_of(ranges_, [](const Range& range) { return range.next >= range.end; });
}

Position ContextScanner::position() const {
  const std::int64_t next = ranges_[partition_].next;
  if (!before_ || next <= *before_) return positions_.position();
  PositionContext now = positions_;  // asked by a visitor
  now.saw(log::PartitionId(static_cast<std::int32_t>(partition_)), next - 1, epoch_);
  return now.position();
}

Result<std::size_t> ContextScanner::run(std::size_t max, const Visit& visit) {
  Run run{.max = max, .examined_max = examined_max_, .visit = &visit};
  while (!run.done() && !at_end()) {
    if (ranges_[partition_].next >= ranges_[partition_].end) {
      const auto waiting = std::ranges::find_if(ranges_, [](const Range& range) { return range.next < range.end; });
      enter_partition(static_cast<std::size_t>(waiting - ranges_.begin()));
    }
    const std::int64_t before = ranges_[partition_].next;
    before_ = before;
    Status outcome = run_partition(run);
    before_.reset();
    if (const std::int64_t next = ranges_[partition_].next; next > before) {
      positions_.saw(log::PartitionId(static_cast<std::int32_t>(partition_)), next - 1, epoch_);
    }
    if (!outcome && outcome.error().code == Code::removed) outcome = pass_removed(std::move(outcome).error());
    if (!outcome) return outcome.error();
  }
  return run.count;
}

// A retention was faster than this reader, which goes on with what is left, as one does that begins now.
Status ContextScanner::pass_removed(Error removed) {
  Range& range = ranges_[partition_];
  BATON_TRY_ASSIGN(const log::Offset start, context_->partitions[partition_]->reader().find_start());
  if (start.value() <= range.next) return removed;
  const std::int64_t to = std::min(start.value(), range.end);  // what is removed behind its end counts when the end has moved
  BATON_TRY(count_removed(partition_, range.next, to));
  range.next = to;
  enter_partition(partition_);
  return {};
}

// What lies between is passed: a position that is asked for from now on does not come before it, so that it is told once.
Status ContextScanner::count_removed(std::size_t partition, std::int64_t from, std::int64_t to) {
  if (to <= from) return {};
  BATON_TRY_ASSIGN(const log::Epoch epoch, epoch_at(context_->partitions[partition]->reader(), log::Offset(to - 1)));
  positions_.saw(log::PartitionId(static_cast<std::int32_t>(partition)), to - 1, epoch);
  removed_ += to - from;
  return {};
}

// An index forgets what a retention has removed, in the log first and then in the index: it would be passed over without being seen.
Status ContextScanner::check_start(const IndexSnapshot& index) const {
  const std::int64_t next = ranges_[partition_].next;
  if (index.first() <= log::Offset(next)) return {};
  const log::PartitionReader& reader = context_->partitions[partition_]->reader();
  log::Offset start = reader.bounds().log_start;
  if (start.value() <= next) {
    BATON_TRY_ASSIGN(start, reader.find_start());  // beside a writer
  }
  if (start.value() <= next) return {};
  return Error{Code::removed, "offset " + std::to_string(next) + " is below the start of the log, " + std::to_string(start.value())};
}

Status ContextScanner::run_partition(Run& run) {
  const auto index = use_index_ ? context_->partitions[partition_]->index_snapshot() : std::nullopt;
  if (index) {
    BATON_TRY(check_start(*index));
    bool too_many = false;
    const Status outcome = follow_postings(*index, run, too_many);
    // A damaged index is no reason to refuse: the log has everything.
    if (outcome ? !too_many : outcome.error().code != Code::corrupt) return outcome;
    use_index_ = false;
  }
  return scan(run);
}

void ContextScanner::hand_out(Run& run, const EventView& event) {
  ++run.examined;
  if (!filter_.matches(event)) return;
  if (happened_by_ && *happened_by_ < event_time(event)) return;
  ++run.count;
  if (!(*run.visit)(event)) run.stopped = true;
}

Status ContextScanner::follow_postings(const IndexSnapshot& index, Run& run, bool& too_many) {
  const PartitionView& partition = *context_->partitions[partition_];
  Range& range = ranges_[partition_];
  Postings postings(index, types_, tags_, log::Offset(range.next), log::Offset(range.end),
                    Direction::forward);
  const std::int64_t first = range.next;
  for (std::int64_t hits = 0; !run.done(); ++hits) {
    if (hits >= kHitsBeforeJudging && range.next - first < hits * kScanIfDenserThan) {
      too_many = true;
      return {};
    }
    BATON_TRY_ASSIGN(const auto hit, postings.next());
    if (!hit) {
      range.next = range.end;
      BATON_TRY_ASSIGN(const auto epoch, partition.reader().epoch_of(log::Offset(range.end - 1)));
      epoch_ = epoch.value_or(epoch_);
      return {};
    }
    if (pace_) {
      BATON_TRY_ASSIGN(const bool go_on, pace_(kFetchBytes));
      run.stopped = !go_on;
      if (!go_on) return {};
    }
    BATON_TRY_ASSIGN(const EventView* const event, fetcher_->fetch(*hit));
    range.next = hit->offset.value() + 1;
    epoch_ = log::Epoch(event->epoch);
    hand_out(run, *event);
  }
  return {};
}

Status ContextScanner::scan(Run& run) {
  const log::PartitionReader& reader = context_->partitions[partition_]->reader();
  Range& range = ranges_[partition_];
  while (!run.done() && range.next < range.end) {
    if (in_batch_) {
      BATON_TRY(scan_batch(run));
      continue;
    }
    if (rest_.empty()) {
      chunk_.clear();
      const auto read = reader.read(log::Offset(range.next), kChunkBytes, chunk_, log::Offset(range.end));
      if (!read) return read.error();
      rest_ = chunk_;
      if (rest_.empty()) {
        // Offsets at the end that no record has; or the end went back, as it does when a writer of another process has failed.
        const std::int64_t visible = reader.bounds().visible.value();
        if (visible < range.end) range.end = std::max(range.next, visible);
        else range.next = range.end;
        return {};
      }
      if (pace_) {
        BATON_TRY_ASSIGN(const bool go_on, pace_(chunk_.size()));
        run.stopped = !go_on;
        if (!go_on) return {};
      }
    }
    BATON_TRY(cursor_.start(rest_));
    in_batch_ = true;
  }
  return {};
}

Status ContextScanner::scan_batch(Run& run) {
  Range& range = ranges_[partition_];
  const log::BatchHeader& header = cursor_.header();
  epoch_ = header.epoch;
  while (!run.done()) {
    if (!cursor_.next()) {
      BATON_TRY(cursor_.status());
      range.next = std::min(std::max(range.next, header.next_offset().value()), range.end);
      rest_ = rest_.subspan(header.total_bytes());
      in_batch_ = false;
      return {};
    }
    const log::RecordView& record = cursor_.record();
    if (record.offset.value() < range.next) continue;
    if (record.offset.value() >= range.end) {  // as of a place within a batch
      range.next = range.end;
      in_batch_ = false;
      rest_ = {};
      return {};
    }
    if (Status decoded = decoder_->decode(record, header.epoch, event_); !decoded) {
      in_batch_ = false;  // whoever goes on meets it again: it is never passed over
      rest_ = {};
      return decoded;
    }
    range.next = record.offset.value() + 1;
    hand_out(run, event_);
  }
  return {};
}

}  // namespace baton::store
