// Ranges of segments that go to clients as they stand: where batches begin and end is read from their headers, and nothing else of them.
#include <algorithm>

#include "base/try.h"
#include "log/batch.h"
#include "log/partition.h"

namespace baton::log {
namespace {

// How much is read to look at a header: one header where batches are large, and many of them where they are small.
constexpr std::size_t kFewBytes = 64;
constexpr std::size_t kManyBytes = 32u << 10;
constexpr std::size_t kSmallBatch = 4u << 10;
static_assert(kFewBytes >= kBatchHeaderBytes);

// The headers of one segment, in their order.
class Headers {
 public:
  Headers(const Segment& segment, std::uint64_t end, std::size_t batch_bytes_max)
      : segment_(segment), end_(end), batch_bytes_max_(batch_bytes_max) {}

  struct Found {
    BatchHeader header;
    std::size_t size = 0;
  };
  Result<Found> at(std::uint64_t position) {
    if (position < begin_ || position + kBatchHeaderBytes > begin_ + window_.size()) BATON_TRY(load(position));
    const auto bytes = base::ByteView(window_).subspan(position - begin_);
    auto size = batch_size(bytes, batch_bytes_max_);
    if (!size) return segment_.corrupt_at(position, size.error().detail);
    if (!*size || bytes.size() < kBatchHeaderBytes) return segment_.corrupt_at(position, "the segment ends within a batch");
    if (**size > end_ - position) return segment_.corrupt_at(position, "a batch goes past the segment's end");
    auto header = parse_batch_fields(bytes.first(kBatchHeaderBytes));
    if (!header) return segment_.corrupt_at(position, header.error().detail);
    small_ = **size < kSmallBatch;
    return Found{*header, **size};
  }

 private:
  Status load(std::uint64_t position) {
    window_.resize(std::min<std::uint64_t>(small_ ? kManyBytes : kFewBytes, end_ - position));
    BATON_TRY_ASSIGN(const auto got, segment_.read_some(position, window_));
    window_.resize(got);
    begin_ = position;
    return {};
  }

  const Segment& segment_;
  const std::uint64_t end_;
  const std::size_t batch_bytes_max_;
  base::Bytes window_;
  std::uint64_t begin_ = 0;  // of the window, in the segment
  bool small_ = false;       // the last batch was
};

}  // namespace

Result<std::optional<PartitionReader::Slice>> Partition::slice(Offset from, std::size_t bytes_max, Offset end) const {
  note_read();
  while (true) {
    BATON_TRY(check_bounds(from));
    const Offset limit = std::min(end, visible());
    if (from >= limit) return std::optional<Slice>();
    const auto list = segments();
    const auto segment = holder(*list, from);
    auto found = segment ? slice_segment(**segment, from, bytes_max, limit) : Result<std::optional<Slice>>(segment.error());
    if (found) return found;
    if (!has_moved(list.get(), limit)) return judge(from, std::move(found).error());
  }
}

Result<std::optional<PartitionReader::Slice>> Partition::slice_segment(const Segment& segment, Offset from, std::size_t bytes_max,
                                                                       Offset limit) const {
  BATON_TRY_ASSIGN(const BatchPlace start, start_of(segment, from));
  std::uint64_t position = start.position.value();
  const std::uint64_t end = segment.end();
  Headers headers(segment, end, batch_bytes_max_);
  std::optional<Slice> out;
  Offset expected = start.base_offset;
  bool ended = false;  // the next batch is at `limit` or behind it
  while (position < end && expected < limit && (!out || out->length < bytes_max)) {
    BATON_TRY_ASSIGN(const auto found, headers.at(position));
    if (found.header.base_offset < expected) return segment.corrupt_at(position, "offsets do not ascend");
    ended = found.header.base_offset >= limit;
    if (ended) break;
    expected = found.header.next_offset();
    if (expected > from) {
      if (!out) out = Slice{.file = nullptr, .offset = position, .length = 0, .next = from};
      if (out->length > 0 && out->length + found.size > bytes_max) break;
      out->length += found.size;
      out->next = expected;
    }
    position += found.size;
  }
  if (!out && ended) return out;
  if (!out) {
    return segment.corrupt_at(position, "it ends at offset " + std::to_string(expected.value()) + ", and should hold offset " +
                                            std::to_string(from.value()));
  }
  BATON_TRY(segment.check_range(out->offset, out->length));
  BATON_TRY_ASSIGN(out->file, segment.file());
  keep_hint(segment, out->next, position);
  return out;
}

}  // namespace baton::log
