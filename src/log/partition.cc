#include "log/partition.h"

#include <algorithm>

#include "base/try.h"

namespace baton::log {
namespace {

constexpr std::size_t kReadStepBytes = 64u << 10;

Offset base_of(const std::shared_ptr<Segment>& segment) { return segment->base(); }

// What has no mark yet is as it was appended; gaps come later, if at all (docs/formats/segment.md).
Status check_follows(const Segment& segment, const BatchHeader& header, std::uint64_t position, Offset expected) {
  if (header.base_offset < expected) return Error{Code::corrupt, "offsets do not ascend"};
  if (header.base_offset > expected && !segment.is_marked(position)) return Error{Code::corrupt, "offsets do not follow"};
  return {};
}

}  // namespace

void Partition::set_segments(SegmentList segments) {
  auto list = std::make_shared<const SegmentList>(std::move(segments));
  const std::lock_guard guard(mutex_);
  segments_.swap(list);
  hints_ = {};
}

void Partition::set_epochs(Epoch current, EpochTable table) {
  epoch_.store(current.value(), std::memory_order_release);
  const std::lock_guard guard(mutex_);
  epochs_ = std::move(table);
}

void Partition::publish(Offset written, Offset durable, Offset visible) {
  written_.store(written.value(), std::memory_order_release);
  durable_.store(durable.value(), std::memory_order_release);
  visible_.store(visible.value(), std::memory_order_release);
}

std::shared_ptr<const SegmentList> Partition::segments() const {
  const std::lock_guard guard(mutex_);
  return segments_;
}

Bounds Partition::bounds() const {
  // The last one first: each later load then returns at least as much.
  const auto visible = visible_.load(std::memory_order_acquire);
  const auto durable = durable_.load(std::memory_order_acquire);
  const auto written = written_.load(std::memory_order_acquire);
  return {.epoch = Epoch(epoch_.load(std::memory_order_acquire)),
          .log_start = Offset(log_start_.load(std::memory_order_acquire)),
          .written = WrittenOffset(written),
          .durable = DurableOffset(durable),
          .visible = VisibleOffset(visible),
          .last_stable = LastStableOffset(visible)};
}

Status Partition::check_bounds(Offset from) const {
  const auto start = Offset(log_start_.load(std::memory_order_acquire));
  if (from < start) return below_start(from, start);
  if (const Offset end = visible(); from > end) {
    return Error{Code::invalid_argument,
                 "offset " + std::to_string(from.value()) + " is above the end of the log, " + std::to_string(end.value())};
  }
  return {};
}

Result<BatchPlace> Partition::start_of(const Segment& segment, Offset from) const {
  if (from <= segment.base()) return BatchPlace{segment.base(), FilePosition(0)};
  {
    const std::lock_guard guard(mutex_);
    for (const auto& hint : hints_) {
      if (hint.segment == &segment && hint.next == from) return BatchPlace{from, FilePosition(hint.position)};
    }
  }
  return segment.place_before(from);
}

void Partition::keep_hint(const Segment& segment, Offset next, std::uint64_t position) const {
  const std::lock_guard guard(mutex_);
  hints_[next_hint_++ % hints_.size()] = {&segment, next, position};
}

// A walk over the batches of one segment.
struct Partition::Scan {
  Offset from;
  Offset limit;
  std::size_t bytes_max = 0;
  std::optional<BatchPlace> first;
  Offset next;
};

// Appends batches of `segment`, which holds `from`, to `out`. Reads in steps: batches before `from` are passed over, and a batch that is larger
// than the step is read again in full.
Status Partition::read_segment(const Segment& segment, Scan& scan, base::Bytes& out) const {
  BATON_TRY_ASSIGN(const BatchPlace start, start_of(segment, scan.from));
  std::uint64_t position = start.position.value();
  const std::uint64_t end = segment.end();
  const std::size_t begin = out.size();
  std::size_t step = std::max(scan.bytes_max, std::size_t{4096});
  if (scan.from > segment.base()) step = std::max(step, std::min(kReadStepBytes, scan.bytes_max + kMarkRangeBytes));
  Offset expected = start.base_offset;
  const Offset end_offset = segment.end_offset();
  bool ended = false;
  while (position < end && !ended) {
    const std::size_t asked = std::min<std::uint64_t>(step, end - position);
    BATON_TRY(segment.check_range(position, asked));
    out.resize(begin + asked);
    BATON_TRY_ASSIGN(const std::size_t want, segment.read_some(position, base::MutableByteView(out).subspan(begin)));
    out.resize(begin + want);
    if (want == 0) break;
    const base::ByteView bytes = base::ByteView(out).subspan(begin);
    std::size_t kept_from = 0;
    std::size_t at = 0;
    while (at < want) {
      const auto rest = bytes.subspan(at);
      auto size = batch_size(rest, batch_bytes_max_);
      if (size && (!*size || **size > rest.size()) && scan.first) break;  // the rest of it is not here
      if (size && (!*size || **size > rest.size())) {
        if (*size && **size > end - position - at) return segment.corrupt_at(position + at, "a batch goes past the segment's end");
        if (at == 0) step = std::max(step, *size ? **size : std::size_t{4096});
        if (at == 0 && (want < asked || want == end - position)) return segment.corrupt_at(position, "the segment ends within a batch");
        break;
      }
      auto header = size ? check_batch(rest.first(**size)) : Result<BatchHeader>(size.error());
      Status good = header ? check_follows(segment, *header, position + at, expected) : Status(header.error());
      if (!good && scan.first) break;  // what is before it is given first
      if (!good) return segment.corrupt_at(position + at, good.error().detail);
      if (header->base_offset >= scan.limit) {
        ended = true;
        break;
      }
      expected = header->next_offset();
      ended = expected >= end_offset;
      if (expected > scan.from) {
        if (!scan.first) {
          kept_from = at;
          scan.first = BatchPlace{header->base_offset, FilePosition(position + at)};
        } else if (at + **size - kept_from > scan.bytes_max) {
          break;
        }
        scan.next = expected;
      }
      at += **size;
      if (ended) break;
    }
    if (!scan.first) {
      position += at;  // or again with a larger step
      continue;
    }
    const auto first = out.begin() + static_cast<std::ptrdiff_t>(begin);
    out.resize(begin + at);
    out.erase(first, first + static_cast<std::ptrdiff_t>(kept_from));
    keep_hint(segment, scan.next, position + at);
    return {};
  }
  out.resize(begin);
  if (ended && expected < end_offset) return {};  // the next batch is at `limit` or behind it
  return segment.corrupt_at(position, "it ends at offset " + std::to_string(expected.value()) + ", and should hold offset " +
                                          std::to_string(scan.from.value()));
}

Result<PartitionReader::ReadResult> Partition::read(Offset from, std::size_t bytes_max, base::Bytes& out,
                                                    std::optional<Offset> end) const {
  note_read();
  const std::size_t before = out.size();
  while (true) {
    BATON_TRY(check_bounds(from));
    const Offset limit = std::min(end.value_or(visible()), visible());
    if (from >= limit) return ReadResult{{}, from};
    Scan scan{.from = from, .limit = limit, .bytes_max = bytes_max, .first = {}, .next = from};
    const auto list = segments();
    const auto segment = holder(*list, from);
    Status outcome = segment ? read_segment(**segment, scan, out) : Status(segment.error());
    if (outcome) return ReadResult{scan.first, scan.next};
    out.resize(before);
    if (!has_moved(list.get(), limit)) return judge(from, std::move(outcome).error());
  }
}

Status Partition::read_at(Offset within, FilePosition position, std::size_t length, base::Bytes& out) const {
  note_read();
  BATON_TRY(check_bounds(within));
  const auto segment = holder(*segments(), within);
  if (!segment) return judge(within, segment.error());
  const std::uint64_t end = (*segment)->end();
  if (position.value() >= end) {
    return Error{Code::invalid_argument, (*segment)->relative_log_path() + ": position " + std::to_string(position.value()) +
                                             " is behind its end, " + std::to_string(end)};
  }
  const std::size_t count = std::min<std::uint64_t>(length, end - position.value());
  if (auto checked = (*segment)->check_range(position.value(), count); !checked) return judge(within, std::move(checked).error());
  const std::size_t before = out.size();
  out.resize(before + count);
  auto got = (*segment)->read_some(position.value(), base::MutableByteView(out).subspan(before));
  out.resize(before + (got ? *got : 0));
  return got ? Status() : Status(judge(within, std::move(got).error()));
}

Result<std::optional<PartitionReader::Mapped>> Partition::map(Offset within) const {
  BATON_TRY(check_bounds(within));
  const auto list = segments();
  const auto segment = holder(*list, within);
  if (!segment) return judge(within, segment.error());
  const auto next = std::ranges::upper_bound(*list, within, {}, &base_of);
  if (next == list->end()) return std::optional<Mapped>();
  auto mapping = (*segment)->mapping();
  if (!mapping) return judge(within, std::move(mapping).error());
  if (!*mapping) return std::optional<Mapped>();
  const base::ByteView bytes = (*mapping)->bytes().first((*segment)->end());
  return std::optional(Mapped{*segment, *std::move(mapping), bytes, (*segment)->base(), (*next)->base()});
}

Result<FilePosition> Partition::check(const Mapped& mapped, FilePosition position, std::size_t length) const {
  auto to = mapped.segment->check_range(position.value(), length);
  if (!to) return judge(mapped.end.plus(-1), std::move(to).error());
  return FilePosition(*to);
}

Result<std::optional<PartitionReader::TimeResult>> Partition::find_time(std::int64_t ms) const {
  note_read();
  Offset learned;
  while (true) {
    const Offset limit = visible();
    const auto start = std::max(learned, Offset(log_start_.load(std::memory_order_acquire)));
    const auto list = segments();
    auto found = find_time_once(ms, start, limit, *list);
    if (found) return found;
    if (has_moved(list.get(), limit) || start.value() < log_start_.load(std::memory_order_acquire)) continue;
    Error error = judge(start, std::move(found).error());
    if (error.code != Code::removed) return error;
    BATON_TRY_ASSIGN(learned, find_start());
    if (learned <= start) return error;
  }
}

Result<std::optional<PartitionReader::TimeResult>> Partition::find_time_once(std::int64_t ms, Offset start, Offset limit,
                                                                            const SegmentList& list) const {
  if (start < limit) BATON_TRY(check_holes(list, start));
  for (std::size_t i = 0; i < list.size() && list[i]->base() < limit; ++i) {
    if (list[i]->max_timestamp() < ms) continue;
    auto found = find_time_in(*list[i], ms, start, limit);
    if (!found) {
      const Offset end = i + 1 < list.size() ? std::min(list[i + 1]->base(), limit) : limit;
      Error error = judge(end.plus(-1), std::move(found).error());
      if (error.code == Code::removed) continue;  // retention was faster, and what it removes is not looked for
      return error;
    }
    if (*found) return found;
  }
  return std::optional<TimeResult>();
}

Result<std::optional<PartitionReader::TimeResult>> Partition::find_time_in(const Segment& segment, std::int64_t ms,
                                                                          Offset start, Offset limit) const {
  BATON_TRY_ASSIGN(const BatchPlace from, segment.place_before_time(ms));
  std::uint64_t position = from.position.value();
  const std::uint64_t end = segment.end();
  base::Bytes bytes;
  std::size_t step = kReadStepBytes;
  Offset expected = from.base_offset;
  while (position < end && expected < segment.end_offset()) {
    bytes.resize(std::min<std::uint64_t>(step, end - position));
    BATON_TRY(segment.check_range(position, bytes.size()));
    BATON_TRY_ASSIGN(const std::size_t got, segment.read_some(position, bytes));
    const bool short_of = got < bytes.size();
    bytes.resize(got);
    if (got == 0) break;
    std::size_t at = 0;
    while (at < bytes.size()) {
      const auto rest = base::ByteView(bytes).subspan(at);
      const auto whole = batch_size(rest, batch_bytes_max_);
      if (!whole) return segment.corrupt_at(position + at, whole.error().detail);
      const auto size = *whole;
      if (!size || *size > rest.size()) break;
      auto header = check_batch(rest.first(*size));
      if (!header) return segment.corrupt_at(position + at, header.error().detail);
      if (const Status follows = check_follows(segment, *header, position + at, expected); !follows) return segment.corrupt_at(position + at, follows.error().detail);
      if (header->base_offset >= limit) return std::optional<TimeResult>();
      expected = header->next_offset();
      const bool matches = header->max_timestamp >= ms && header->next_offset() > start;
      if (matches && header->log_append_time()) {
        return std::optional(TimeResult{std::max(header->base_offset, start), header->max_timestamp});
      }
      if (matches) {
        std::optional<TimeResult> found;
        BATON_TRY(for_each_record(rest.first(*size), {}, [&](const RecordView& record) -> Status {
          if (!found && record.timestamp >= ms && record.offset >= start) found = TimeResult{record.offset, record.timestamp};
          return {};
        }));
        if (found) return found;
      }
      at += *size;
      if (expected >= segment.end_offset()) return std::optional<TimeResult>();
    }
    if (at == 0) {
      if (short_of || bytes.size() == end - position) return segment.corrupt_at(position, "the segment ends within a batch");
      step *= 4;
    }
    position += at;
  }
  const Offset reaches = std::min(limit, segment.end_offset());
  if (segment.end_offset() != kNoOffset && expected < reaches) {
    return segment.corrupt_at(position, "it ends at offset " + std::to_string(expected.value()) + ", and should reach offset " +
                                            std::to_string(reaches.value()));
  }
  return std::optional<TimeResult>();
}

Result<std::optional<Epoch>> Partition::epoch_of(Offset offset) const {
  if (offset >= visible() || offset.value() < log_start_.load(std::memory_order_acquire)) return std::optional<Epoch>();
  const std::lock_guard guard(mutex_);
  const auto after = std::ranges::upper_bound(epochs_, offset, {}, &EpochStart::start);
  if (after == epochs_.begin()) return std::optional<Epoch>();
  return std::optional(std::prev(after)->epoch);
}

std::optional<Offset> Partition::epoch_end(Epoch epoch) const {
  const Offset end = visible();
  const std::lock_guard guard(mutex_);
  if (epochs_.empty() || epoch < epochs_.front().epoch || epoch.value() > epoch_.load(std::memory_order_acquire)) return std::nullopt;
  const auto after = std::ranges::upper_bound(epochs_, epoch, {}, &EpochStart::epoch);
  return after == epochs_.end() ? end : after->start;
}

std::uint64_t Partition::bytes() const {
  std::uint64_t sum = 0;
  for (const auto& segment : *segments()) sum += segment->end();
  return sum;
}

}  // namespace baton::log
