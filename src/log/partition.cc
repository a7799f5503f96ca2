#include "log/partition.h"

#include <algorithm>

#include "base/try.h"

namespace baton::log {
namespace {

constexpr std::size_t kReadStepBytes = 64u << 10;

}  // namespace

SegmentList::const_iterator segment_of(const SegmentList& segments, Offset offset) {
  const auto after = std::ranges::upper_bound(segments, offset, {}, [](const auto& segment) { return segment->base(); });
  return after == segments.begin() ? segments.end() : std::prev(after);
}

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
  if (from < start) {
    return Error{Code::invalid_argument, "offset " + std::to_string(from.value()) + " is below the start of the log, " +
                                             std::to_string(start.value())};
  }
  if (const Offset end = visible(); from > end) {
    return Error{Code::invalid_argument,
                 "offset " + std::to_string(from.value()) + " is above the end of the log, " + std::to_string(end.value())};
  }
  return {};
}

Result<std::uint64_t> Partition::start_of(const Segment& segment, Offset from) const {
  if (from <= segment.base()) return std::uint64_t{0};
  {
    const std::lock_guard guard(mutex_);
    for (const auto& hint : hints_) {
      if (hint.segment == &segment && hint.next == from) return hint.position;
    }
  }
  return segment.position_before(from);
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

// Appends batches of `segment` to `out`. Reads in steps: batches before `from` are passed over, and a batch that is larger than the step
// is read again in full.
Status Partition::read_segment(const Segment& segment, Scan& scan, base::Bytes& out) const {
  BATON_TRY_ASSIGN(std::uint64_t position, start_of(segment, scan.from));
  const std::uint64_t end = segment.end();
  const std::size_t begin = out.size();
  std::size_t step = std::max(scan.bytes_max, std::size_t{4096});
  if (scan.from > segment.base()) step = std::max(step, std::min(kReadStepBytes, scan.bytes_max + kMarkRangeBytes));
  Offset expected = segment.base();
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
      if (!size) return segment.corrupt_at(position + at, size.error().detail);
      if (!*size || **size > rest.size()) {  // the rest of it is not here
        if (scan.first) break;
        if (*size && **size > end - position - at) return segment.corrupt_at(position + at, "a batch goes past the segment's end");
        if (at == 0) step = std::max(step, *size ? **size : std::size_t{4096});
        if (at == 0 && (want < asked || want == end - position)) return segment.corrupt_at(position, "the segment ends within a batch");
        break;
      }
      auto header = check_batch(rest.first(**size));
      if (!header) return segment.corrupt_at(position + at, header.error().detail);
      if (header->base_offset < expected) return segment.corrupt_at(position + at, "offsets do not ascend");
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
  return {};
}

Result<PartitionReader::ReadResult> Partition::read(Offset from, std::size_t bytes_max, base::Bytes& out,
                                                    std::optional<Offset> end) const {
  note_read();
  BATON_TRY(check_bounds(from));
  const Offset limit = std::min(end.value_or(visible()), visible());
  Scan scan{.from = from, .limit = limit, .bytes_max = bytes_max, .first = {}, .next = from};
  if (from >= limit) return ReadResult{{}, from};
  const std::size_t before = out.size();
  const auto list = segments();
  auto segment = segment_of(*list, from);
  if (segment == list->end()) segment = list->begin();
  for (; segment != list->end() && !scan.first && (*segment)->base() < limit; ++segment) {
    if (auto status = read_segment(**segment, scan, out); !status) {
      out.resize(before);
      if (status.error().code == Code::not_found) BATON_TRY(check_bounds(from));  // retention was faster
      return status.error();
    }
  }
  return ReadResult{scan.first, scan.next};
}

Status Partition::read_at(Offset within, FilePosition position, std::size_t length, base::Bytes& out) const {
  note_read();
  BATON_TRY(check_bounds(within));
  const auto list = segments();
  const auto segment = segment_of(*list, within);
  if (segment == list->end()) return Error{Code::invalid_argument, "no segment holds offset " + std::to_string(within.value())};
  const std::uint64_t end = (*segment)->end();
  if (position.value() >= end) {
    return Error{Code::invalid_argument, (*segment)->relative_log_path() + ": position " + std::to_string(position.value()) +
                                             " is behind its end, " + std::to_string(end)};
  }
  const std::size_t count = std::min<std::uint64_t>(length, end - position.value());
  BATON_TRY((*segment)->check_range(position.value(), count));
  const std::size_t before = out.size();
  out.resize(before + count);
  const auto got = (*segment)->read_some(position.value(), base::MutableByteView(out).subspan(before));
  out.resize(before + (got ? *got : 0));
  return got ? Status() : Status(got.error());
}

Result<std::optional<PartitionReader::Mapped>> Partition::map(Offset within) const {
  BATON_TRY(check_bounds(within));
  const auto list = segments();
  const auto found = segment_of(*list, within);
  if (found == list->end() || std::next(found) == list->end()) return std::optional<Mapped>();
  BATON_TRY_ASSIGN(auto mapping, (*found)->mapping());
  if (!mapping) return std::optional<Mapped>();
  const base::ByteView bytes = mapping->bytes().first((*found)->end());
  return std::optional(Mapped{*found, std::move(mapping), bytes, (*found)->base(), (*std::next(found))->base()});
}

Result<FilePosition> Partition::check(const Mapped& mapped, FilePosition position, std::size_t length) const {
  BATON_TRY_ASSIGN(const std::uint64_t to, mapped.segment->check_range(position.value(), length));
  return FilePosition(to);
}

Result<std::optional<PartitionReader::TimeResult>> Partition::find_time(std::int64_t ms) const {
  note_read();
  const Offset limit = visible();
  const auto start = Offset(log_start_.load(std::memory_order_acquire));
  const auto list = segments();
  for (const auto& segment : *list) {
    if (segment->base() >= limit) break;
    if (segment->max_timestamp() < ms) continue;
    BATON_TRY_ASSIGN(auto found, find_time_in(*segment, ms, start, limit));
    if (found) return found;
  }
  return std::optional<TimeResult>();
}

Result<std::optional<PartitionReader::TimeResult>> Partition::find_time_in(const Segment& segment, std::int64_t ms,
                                                                          Offset start, Offset limit) const {
  BATON_TRY_ASSIGN(std::uint64_t position, segment.position_before_time(ms));
  const std::uint64_t end = segment.end();
  base::Bytes bytes;
  std::size_t step = kReadStepBytes;
  while (position < end) {
    bytes.resize(std::min<std::uint64_t>(step, end - position));
    BATON_TRY(segment.check_range(position, bytes.size()));
    BATON_TRY_ASSIGN(const std::size_t got, segment.read_some(position, bytes));
    bytes.resize(got);
    if (got == 0) break;
    std::size_t at = 0;
    while (at < bytes.size()) {
      const auto rest = base::ByteView(bytes).subspan(at);
      BATON_TRY_ASSIGN(const auto size, batch_size(rest, batch_bytes_max_));
      if (!size || *size > rest.size()) break;
      auto header = check_batch(rest.first(*size));
      if (!header) return segment.corrupt_at(position + at, header.error().detail);
      if (header->base_offset >= limit || header->base_offset >= segment.end_offset()) return std::optional<TimeResult>();
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
    }
    if (at == 0) {
      if (bytes.size() == end - position) return segment.corrupt_at(position, "the segment ends within a batch");
      step *= 4;
    }
    position += at;
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
