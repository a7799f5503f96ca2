#include "log/verify_segment.h"

#include <algorithm>
#include <cstring>

#include "base/crc32c.h"
#include "base/try.h"
#include "log/batch.h"

namespace baton::log {
namespace {

constexpr std::size_t kReadBytes = 1u << 20;
constexpr std::uint64_t kMarksFileBytesMax = 64u << 20;

class Walk {
 public:
  Walk(const os::File& file, const SegmentToVerify& segment, const std::function<void(Finding)>& found,
       const std::function<void(std::uint64_t)>& progress)
      : file_(file), segment_(segment), found_(found), progress_(progress), expected_(segment.base) {}

  void use_marks(std::vector<Mark> marks) { marks_ = std::move(marks); }
  Result<SegmentVerified> run();

 private:
  // At least `bytes` from position_ on, if the file has them; less at its end.
  [[nodiscard]] Result<base::ByteView> ahead(std::size_t bytes);
  [[nodiscard]] Result<bool> step();
  [[nodiscard]] Result<bool> pass_damage(std::string what);
  void take(base::ByteView bytes);
  void check_mark();
  void found(std::uint64_t position, std::string what) { found_({segment_.log_name, position, std::move(what)}); }
  [[nodiscard]] bool at_end() const {
    return segment_.bytes ? position_ >= *segment_.bytes : expected_ >= segment_.end;
  }

  const os::File& file_;
  const SegmentToVerify& segment_;
  const std::function<void(Finding)>& found_;
  const std::function<void(std::uint64_t)>& progress_;
  std::vector<Mark> marks_;
  std::size_t mark_ = 0;            // the next one to be checked
  bool range_damaged_ = false;      // reported already
  bool damaged_ = false;
  std::uint32_t range_crc_ = 0;
  std::int64_t max_timestamp_ = INT64_MIN;
  Epoch epoch_;
  base::Sha256 hash_;
  SegmentVerified result_;
  std::uint64_t position_ = 0;
  Offset expected_;
  base::Bytes buffer_;
  std::uint64_t buffer_at_ = 0;
};

Result<base::ByteView> Walk::ahead(std::size_t bytes) {
  const std::uint64_t offset = position_ - buffer_at_;
  if (offset + bytes > buffer_.size()) {
    const std::size_t want = std::max(bytes, kReadBytes);
    buffer_.resize(want);
    buffer_at_ = position_;
    BATON_TRY_ASSIGN(const std::size_t got, file_.read_at(position_, buffer_));
    buffer_.resize(got);
    return base::ByteView(buffer_);
  }
  return base::ByteView(buffer_).subspan(offset);
}

void Walk::take(base::ByteView bytes) {
  range_crc_ = base::crc32c(range_crc_, bytes);
  if (segment_.hashed) hash_.update(bytes);
  position_ += bytes.size();
  result_.bytes += bytes.size();
  progress_(bytes.size());
}

void Walk::check_mark() {
  while (mark_ < marks_.size() && position_ >= marks_[mark_].end_position) {
    const Mark& mark = marks_[mark_];
    const std::uint64_t begin = mark_ == 0 ? 0 : marks_[mark_ - 1].end_position;
    if (position_ > mark.end_position) {
      found_({segment_.marks_name, mark.end_position, "the mark that ends at byte " + std::to_string(mark.end_position) + " ends within a batch"});
    } else if (!range_damaged_) {
      if (range_crc_ != mark.range_crc) {
        damaged_ = true;
        found(begin, "the bytes " + std::to_string(begin) + " to " + std::to_string(mark.end_position) +
                         " are not those that were made durable (their mark has another CRC)");
      }
      if (mark.next_offset != expected_) {
        found_({segment_.marks_name, mark.end_position, "the mark says that offset " + std::to_string(mark.next_offset.value()) +
                                                            " follows; the log has " + std::to_string(expected_.value())});
      }
      if (mark.max_timestamp < max_timestamp_) {
        found_({segment_.marks_name, mark.end_position, "the mark's largest time is before that of a record"});
      }
    }
    range_crc_ = 0;
    range_damaged_ = false;
    ++mark_;
  }
}

// Goes on behind the range of the mark that covers the damage; false: no mark does, the rest cannot be told apart.
Result<bool> Walk::pass_damage(std::string what) {
  found(position_, std::move(what));
  damaged_ = range_damaged_ = true;
  if (mark_ >= marks_.size()) return false;
  const Mark& mark = marks_[mark_];
  while (position_ < mark.end_position) {
    BATON_TRY_ASSIGN(auto rest, ahead(1));
    if (rest.empty()) return false;
    take(rest.first(std::min<std::uint64_t>(rest.size(), mark.end_position - position_)));
  }
  expected_ = mark.next_offset;
  max_timestamp_ = std::max(max_timestamp_, mark.max_timestamp);
  check_mark();
  return true;
}

Result<bool> Walk::step() {
  BATON_TRY_ASSIGN(auto rest, ahead(kBatchHeaderBytes));
  if (rest.size() < kBatchHeaderBytes) return pass_damage("the segment ends before offset " + std::to_string(expected_.value()));
  const auto size = batch_size(rest, segment_.batch_bytes_max);
  if (!size) return pass_damage(size.error().detail);
  if (rest.size() < **size) {
    BATON_TRY_ASSIGN(rest, ahead(**size));
    if (rest.size() < **size) return pass_damage("the segment ends within a batch");
  }
  const auto batch = rest.first(**size);
  const auto header = check_batch(batch);
  if (!header) return pass_damage(header.error().detail);
  if (header->base_offset < expected_) {
    return pass_damage("offset " + std::to_string(header->base_offset.value()) + " follows offset " + std::to_string(expected_.value() - 1));
  }
  if (header->next_offset() > segment_.end) return pass_damage("the batch reaches past offset " + std::to_string(segment_.end.value()));
  if (header->epoch < epoch_ || header->epoch > segment_.epoch_max) {
    return pass_damage("the batch is of epoch " + std::to_string(header->epoch.value()) + ", after epoch " + std::to_string(epoch_.value()));
  }
  epoch_ = header->epoch;
  expected_ = header->next_offset();
  max_timestamp_ = std::max(max_timestamp_, header->max_timestamp);
  ++result_.batches;
  result_.records += static_cast<std::uint64_t>(header->record_count);
  take(batch);
  check_mark();
  return true;
}

Result<SegmentVerified> Walk::run() {
  if (segment_.hashed) hash_.update(std::as_bytes(std::span(segment_.previous)));
  bool whole = true;
  while (whole && !at_end()) {
    BATON_TRY_ASSIGN(whole, step());
  }
  if (whole && segment_.bytes && position_ != *segment_.bytes && !damaged_) {
    found(position_, "the segment has another length than when it was sealed");
  }
  if (whole && expected_ != segment_.end && !damaged_) {
    found(position_, "the segment ends with offset " + std::to_string(expected_.value() - 1) + "; offset " + std::to_string(segment_.end.value()) + " should follow");
  }
  if (segment_.hashed) {
    const auto digest = hash_.finish();
    std::memcpy(result_.hash.data(), digest.data(), result_.hash.size());
  }
  return result_;
}

}  // namespace

Result<SegmentVerified> verify_segment(os::FileSystem& fs, const std::string& directory, const SegmentToVerify& segment,
                                       const std::function<void(Finding)>& found,
                                       const std::function<void(std::uint64_t bytes)>& progress) {
  BATON_TRY_ASSIGN(const auto file, fs.open(os::join(directory, segment.log_name), {}));
  Walk walk(*file, segment, found, progress);
  const auto bytes = os::read_file(fs, os::join(directory, segment.marks_name), kMarksFileBytesMax);
  if (!bytes) {
    found({segment.marks_name, 0, bytes.error().detail});
  } else if (auto content = parse_marks(*bytes, segment.key, segment.base); !content) {
    found({segment.marks_name, 0, content.error().detail});
  } else {
    // A sealed segment's marks reach its end; those of an open one may be in the middle of being written.
    if (segment.bytes && content->end.end_position != *segment.bytes) {
      found({segment.marks_name, content->end.file_bytes, "the marks end at byte " + std::to_string(content->end.end_position) +
                                                              " of the segment, which has " + std::to_string(*segment.bytes)});
    }
    walk.use_marks(std::move(content->marks));
  }
  return walk.run();
}

}  // namespace baton::log
