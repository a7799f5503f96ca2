#include "log/copy_segment.h"

#include <algorithm>

#include "base/crc32c.h"
#include "base/try.h"
#include "log/batch.h"
#include "log/marks.h"
#include "log/recovery.h"
#include "log/segment.h"

namespace baton::log {
namespace {

constexpr std::size_t kStepBytes = 1u << 20;

class SegmentCopy {
 public:
  SegmentCopy(os::FileSystem& fs, const std::string& from, const std::string& to, const SegmentToCopy& segment,
              std::int64_t now_ms)
      : fs_(fs), from_(from), to_(to), segment_(segment), now_ms_(now_ms), expected_(segment.base) {}

  Result<CopiedSegment> run(const std::function<void(std::uint64_t)>& copied);

 private:
  [[nodiscard]] Status take_marks();
  [[nodiscard]] Result<std::size_t> take_batches(base::ByteView bytes);
  [[nodiscard]] Status check(const BatchHeader& header) const;
  [[nodiscard]] Status pass(const BatchHeader& header, base::ByteView batch);
  void add_mark();
  [[nodiscard]] Status write_marks() const;
  [[nodiscard]] std::uint64_t marked() const { return next_mark_ == 0 ? 0 : marks_[next_mark_ - 1].end_position; }
  [[nodiscard]] std::string name(std::string_view extension) const {
    return os::join(partition_directory(segment_.key), segment_file_name(segment_.base, extension));
  }
  [[nodiscard]] Error corrupt(std::uint64_t position, std::string_view what) const {
    return {Code::corrupt, name(".log") + ", position " + std::to_string(position) + ": " + std::string(what)};
  }

  os::FileSystem& fs_;
  const std::string& from_;
  const std::string& to_;
  const SegmentToCopy& segment_;
  const std::int64_t now_ms_;
  std::vector<Mark> marks_;
  std::size_t known_ = 0;      // of them are the writer's
  std::size_t next_mark_ = 0;  // those before it have been passed
  std::uint64_t position_ = 0;
  Offset expected_;
  Epoch epoch_;
  std::uint32_t range_crc_ = 0;
  std::int64_t max_timestamp_ = INT64_MIN;
  std::int64_t arrival_ms_ = 0;
};

// The writer's marks, as far as the copy goes.
Status SegmentCopy::take_marks() {
  const auto bytes = os::read_state_file(fs_, os::join(from_, name(".marks")), kMarksFileBytesMax);
  if (!bytes && bytes.error().code == Code::not_found)
    return Error{Code::corrupt, name(".marks") + ", position 0: the file is missing"};
  if (!bytes) return bytes.error();
  auto content = parse_marks(*bytes, segment_.key, segment_.base);
  if (!content) return Error{content.error().code, name(".marks") + ", " + content.error().detail};
  if (segment_.sealed && content->end.end_position != segment_.bytes) {
    return Error{Code::corrupt, name(".marks") + ", position " + std::to_string(content->end.file_bytes) +
                                    ": the marks end at position " + std::to_string(content->end.end_position) +
                                    " of the segment, which has " + std::to_string(*segment_.bytes) + " bytes"};
  }
  marks_ = std::move(content->marks);
  while (!marks_.empty() && marks_.back().next_offset > segment_.until) marks_.pop_back();
  known_ = marks_.size();
  return {};
}

Result<CopiedSegment> SegmentCopy::run(const std::function<void(std::uint64_t)>& copied) {
  BATON_TRY(take_marks());
  auto in = fs_.open(os::join(from_, name(".log")), {});
  if (!in && in.error().code == Code::not_found) return corrupt(0, "the file is missing");
  if (!in) return in.error();
  BATON_TRY_ASSIGN(const auto out, fs_.open(os::join(to_, name(".log")), {.write = true, .create = true, .exclusive = true}));
  base::Bytes bytes;
  std::size_t step = kStepBytes;
  while (expected_ < segment_.until) {
    const std::uint64_t left = segment_.bytes.value_or(UINT64_MAX) - position_;
    bytes.resize(std::min<std::uint64_t>(step, left));
    BATON_TRY_ASSIGN(const std::size_t got, (*in)->read_at(position_, bytes));
    const std::uint64_t begin = position_;
    BATON_TRY_ASSIGN(const std::size_t moved, take_batches(base::ByteView(bytes).first(got)));
    if (moved == 0 && (got < step || left == step)) {
      return corrupt(begin + got, "the segment ends before offset " + std::to_string(segment_.until.value()));
    }
    if (moved == 0) step *= 2;  // within a batch that is larger
    BATON_TRY(out->write_at(begin, base::ByteView(bytes).first(moved)));
    copied(moved);
  }
  if (segment_.bytes && position_ != *segment_.bytes) {
    return corrupt(position_, "the segment ends here, and at position " + std::to_string(*segment_.bytes) + " for its writer");
  }
  if (next_mark_ != known_) return corrupt(position_, "the segment ends here, and its marks go on");
  if (position_ > marked()) add_mark();
  BATON_TRY(write_marks());
  BATON_TRY(out->sync_data());
  CopiedSegment result{.bytes = position_, .arrival_ms = marks_.empty() ? 0 : marks_.back().arrival_ms, .lead = {}};
  result.lead.resize(position_ % kSectorBytes);
  BATON_TRY_ASSIGN(const std::size_t got, out->read_at(position_ - result.lead.size(), result.lead));
  if (got != result.lead.size())
    return Error{Code::io_error, os::join(to_, name(".log")) + " became shorter while it was written"};
  return result;
}

// The whole batches at the start of `bytes`.
Result<std::size_t> SegmentCopy::take_batches(base::ByteView bytes) {
  const std::uint64_t begin = position_;
  while (expected_ < segment_.until && position_ - begin < bytes.size()) {
    const auto rest = bytes.subspan(position_ - begin);
    const auto size = batch_size(rest, kStoredBatchBytesMax);
    if (!size) return corrupt(position_, size.error().detail);
    if (!*size || **size > rest.size()) break;
    const auto header = check_batch(rest.first(**size));
    if (!header) return corrupt(position_, header.error().detail);
    BATON_TRY(check(*header));
    BATON_TRY(pass(*header, rest.first(**size)));
  }
  return position_ - begin;
}

// What a batch's own CRC does not cover.
Status SegmentCopy::check(const BatchHeader& header) const {
  if (header.base_offset < expected_) return corrupt(position_, "offsets do not ascend");
  if (header.next_offset() > segment_.until) {
    return corrupt(position_,
                   "the batch goes past offset " + std::to_string(segment_.until.value()) + ", where one should end");
  }
  if (header.epoch < epoch_ || header.epoch > segment_.epoch_max) return corrupt(position_, "the epoch does not follow");
  return {};
}

Status SegmentCopy::pass(const BatchHeader& header, base::ByteView batch) {
  range_crc_ = base::crc32c(range_crc_, batch);
  epoch_ = header.epoch;
  expected_ = header.next_offset();
  max_timestamp_ = std::max(max_timestamp_, header.max_timestamp);
  arrival_ms_ = header.log_append_time() ? header.max_timestamp : now_ms_;
  position_ += batch.size();
  if (next_mark_ == known_) {
    if (position_ - marked() >= kMarkRangeBytes) add_mark();
    return {};
  }
  const Mark& mark = marks_[next_mark_];
  if (position_ < mark.end_position) return {};
  if (position_ != mark.end_position || expected_ != mark.next_offset || range_crc_ != mark.range_crc) {
    return corrupt(marked(), "the bytes up to position " + std::to_string(mark.end_position) +
                                 " do not match the CRC that was taken when they were written");
  }
  range_crc_ = 0;
  ++next_mark_;
  return {};
}

void SegmentCopy::add_mark() {
  marks_.push_back({.end_position = position_,
                    .next_offset = expected_,
                    .max_timestamp = max_timestamp_,
                    .arrival_ms = arrival_ms_,
                    .range_crc = range_crc_,
                    .flags = 0});
  range_crc_ = 0;
  next_mark_ = known_ = marks_.size();
}

Status SegmentCopy::write_marks() const {
  BATON_TRY_ASSIGN(const auto file,
                   fs_.open(os::join(to_, name(".marks")), {.write = true, .create = true, .exclusive = true}));
  MarksEnd end = start_of_marks(segment_.key, segment_.base);
  BATON_TRY(file->write_at(0, encode_marks_header(segment_.key, segment_.base)));
  BATON_TRY(file->write_at(kSectorBytes, encode_mark_sectors(marks_, end)));
  return file->sync_data();
}

}  // namespace

Result<CopiedSegment> copy_segment(os::FileSystem& fs, const std::string& from, const std::string& to,
                                   const SegmentToCopy& segment, std::int64_t now_ms,
                                   const std::function<void(std::uint64_t bytes)>& copied) {
  return SegmentCopy(fs, from, to, segment, now_ms).run(copied);
}

}  // namespace baton::log
