#include "log/segment.h"

#include <algorithm>
#include <optional>

#include "base/crc32c.h"
#include "base/try.h"
#include "log/journal_format.h"

namespace baton::log {
namespace {


Error missing(const std::string& name) { return {Code::not_found, name + ", position 0: the file is missing"}; }

}  // namespace

std::string segment_file_name(Offset base, std::string_view extension) {
  return decimal_name(static_cast<std::uint64_t>(base.value())) + std::string(extension);
}

void OpenFiles::opened(const std::weak_ptr<const Segment>& segment) {
  const auto opened = segment.lock();
  std::shared_ptr<const Segment> oldest;
  {
    const std::lock_guard guard(mutex_);
    if (opened == nullptr || opened->listed_) return;
    opened->listed_ = true;
    open_.push_back(segment);
    if (open_.size() <= files_max_) return;
    oldest = open_.front().lock();
    open_.pop_front();
    if (oldest) oldest->listed_ = false;
  }
  if (oldest) oldest->close_idle();
}

Segment::Segment(os::FileSystem& fs, std::shared_ptr<OpenFiles> open_files, std::string root, std::string name, PartitionKey key,
                 Offset base)
    : fs_(fs), open_files_(std::move(open_files)), root_(std::move(root)), name_(std::move(name)), key_(key), base_(base) {}

Error Segment::corrupt_at(std::uint64_t position, std::string_view what) const {
  return {Code::corrupt, relative_log_path() + ", position " + std::to_string(position) + ": " + std::string(what)};
}

void Segment::set_saved(std::uint64_t saved_end) {
  const std::lock_guard guard(mutex_);
  saved_end_ = saved_end;
}

void Segment::add_mark(const Mark& mark) {
  const std::lock_guard guard(mutex_);
  fresh_.push_back(mark);
}

void Segment::publish(std::uint64_t end, std::int64_t max_timestamp) {
  max_timestamp_.store(std::max(max_timestamp, max_timestamp_.load(std::memory_order_relaxed)), std::memory_order_release);
  end_.store(end, std::memory_order_release);
}

void Segment::seal() {
  const std::lock_guard guard(mutex_);
  if (!fresh_.empty()) saved_end_ = fresh_.back().end_position;
  fresh_ = {};
  saved_ = {};
  loaded_ = false;
  pinned_ = false;
  set_sealed();
}

void Segment::forget_marks() {
  const std::lock_guard guard(mutex_);
  saved_ = {};
  loaded_ = false;
}

Result<std::shared_ptr<os::File>> Segment::open_for_writing() {
  {
    const std::lock_guard guard(mutex_);
    if (pinned_ && file_) return file_;
  }
  BATON_TRY_ASSIGN(auto opened, fs_.open(log_path(), {.write = true}));
  const std::lock_guard guard(mutex_);
  file_ = std::move(opened);
  pinned_ = true;
  return file_;
}

void Segment::release() {
  {
    const std::lock_guard guard(mutex_);
    pinned_ = false;
  }
  open_files_->opened(weak_from_this());
}

void Segment::close_idle() const {
  std::shared_ptr<os::File> closed;  // outside the lock
  std::shared_ptr<const os::Mapping> unmapped;
  const std::lock_guard guard(mutex_);
  if (pinned_) return;
  unmapped = std::move(mapping_);
  closed = std::move(file_);
  file_ = nullptr;
  saved_ = {};
  loaded_ = false;
}

Result<std::shared_ptr<os::File>> Segment::file() const {
  {
    const std::lock_guard guard(mutex_);
    if (file_) return file_;
  }
  auto opened = fs_.open(log_path(), {});
  if (!opened) return opened.error().code == Code::not_found ? missing(relative_log_path()) : std::move(opened).error();
  std::shared_ptr<os::File> file = *std::move(opened);
  {
    const std::lock_guard guard(mutex_);
    if (file_) return file_;
    file_ = file;
  }
  open_files_->opened(weak_from_this());
  return file;
}

Result<std::shared_ptr<const os::Mapping>> Segment::mapping() const {
  if (!sealed_.load(std::memory_order_acquire)) return std::shared_ptr<const os::Mapping>();
  {
    const std::lock_guard guard(mutex_);
    if (mapping_) return mapping_;
  }
  BATON_TRY_ASSIGN(const auto from, file());
  BATON_TRY_ASSIGN(auto mapped, from->map());
  if (mapped->bytes().size() < end()) return corrupt_at(mapped->bytes().size(), "the file ends here, and should be longer");
  std::shared_ptr<const os::Mapping> mapping = std::move(mapped);
  const std::lock_guard guard(mutex_);
  if (!mapping_ && file_) mapping_ = mapping;  // goes with the file
  return mapping;
}

Status Segment::read(std::uint64_t position, base::MutableByteView out) const {
  BATON_TRY_ASSIGN(const auto from, file());
  BATON_TRY_ASSIGN(const std::size_t got, from->read_at(position, out));
  if (got != out.size()) return corrupt_at(position + got, "the file ends here, and should be longer");
  return {};
}

Result<std::size_t> Segment::read_some(std::uint64_t position, base::MutableByteView out) const {
  BATON_TRY_ASSIGN(const auto from, file());
  BATON_TRY_ASSIGN(const std::size_t got, from->read_at(position, out));
  if (got != out.size() && end_offset() == kNoOffset) {
    return corrupt_at(position + got, "the file ends here, and should be longer");
  }
  return got;
}

Result<std::vector<Mark>> Segment::read_marks(std::uint64_t want) const {
  const auto bytes = os::read_state_file(fs_, marks_path(), kMarksFileBytesMax);
  if (!bytes) return bytes.error().code == Code::not_found ? missing(relative_marks_path()) : bytes.error();
  auto content = parse_marks(*bytes, key_, base_);
  if (!content) return Error{content.error().code, relative_marks_path() + ", " + content.error().detail};
  auto& marks = content->marks;
  while (!marks.empty() && marks.back().end_position > want) marks.pop_back();
  return std::move(marks);
}

Status Segment::load_marks() const {
  while (true) {
    std::uint64_t want = 0;
    {
      const std::lock_guard guard(mutex_);
      if (loaded_ || saved_end_ == 0) return {};
      want = saved_end_;
    }
    BATON_TRY_ASSIGN(auto marks, read_marks(want));
    const std::uint64_t got = marks.empty() ? 0 : marks.back().end_position;
    if (got != want && want != UINT64_MAX) {
      return Error{Code::corrupt, relative_marks_path() + ": its marks end before position " + std::to_string(want) + " of the segment"};
    }
    const std::lock_guard guard(mutex_);
    if (saved_end_ != want) continue;
    if (!loaded_) {
      verified_.resize(marks.size());
      saved_ = std::move(marks);
      loaded_ = true;
    }
    break;
  }
  open_files_->opened(weak_from_this());
  return {};
}

Result<BatchPlace> Segment::place_before(Offset from) const {
  const auto before = [&](const std::vector<Mark>& marks) -> std::optional<BatchPlace> {
    const auto next = std::ranges::upper_bound(marks, from, {}, &Mark::next_offset);
    if (next == marks.begin()) return std::nullopt;
    return BatchPlace{std::prev(next)->next_offset, FilePosition(std::prev(next)->end_position)};
  };
  const BatchPlace start{base_, FilePosition(0)};
  while (true) {
    {
      const std::lock_guard guard(mutex_);
      if (const auto found = before(fresh_)) return *found;
      if (saved_end_ == 0) return start;
      if (loaded_) return before(saved_).value_or(start);
    }
    BATON_TRY(load_marks());
  }
}

bool Segment::is_marked(std::uint64_t position) const {
  const std::lock_guard guard(mutex_);
  return position < (fresh_.empty() ? saved_end_ : fresh_.back().end_position);
}

Result<BatchPlace> Segment::place_before_time(std::int64_t ms) const {
  while (true) {
    {
      const std::lock_guard guard(mutex_);
      if (loaded_ || saved_end_ == 0) {
        BatchPlace place{base_, FilePosition(0)};
        for (const std::vector<Mark>* marks : {static_cast<const std::vector<Mark>*>(&saved_), &fresh_}) {
          const auto next = std::ranges::lower_bound(*marks, ms, {}, &Mark::max_timestamp);
          if (next != marks->begin()) place = {std::prev(next)->next_offset, FilePosition(std::prev(next)->end_position)};
        }
        return place;
      }
    }
    BATON_TRY(load_marks());
  }
}

Result<std::int64_t> Segment::last_arrival_ms() const {
  while (true) {
    {
      const std::lock_guard guard(mutex_);
      if (!fresh_.empty()) return fresh_.back().arrival_ms;
      if (saved_end_ == 0) return std::int64_t{0};
      if (loaded_) return saved_.back().arrival_ms;
    }
    BATON_TRY(load_marks());
  }
}

Result<std::int64_t> Segment::first_arrival_ms() const {
  while (true) {
    {
      const std::lock_guard guard(mutex_);
      if (saved_end_ == 0) return fresh_.empty() ? std::int64_t{0} : fresh_.front().arrival_ms;
      if (loaded_) return saved_.front().arrival_ms;
    }
    BATON_TRY(load_marks());
  }
}

Result<std::uint64_t> Segment::check_range(std::uint64_t position, std::uint64_t length) const {
  struct Range {
    std::size_t index;
    std::uint64_t begin;
    Mark mark;
  };
  std::vector<Range> unchecked;
  std::uint64_t checked_to = 0;
  for (bool known = false; !known;) {
    BATON_TRY(load_marks());
    const std::lock_guard guard(mutex_);
    if (position >= saved_end_) return end();
    known = loaded_;  // not when another thread has closed the file since
    if (!known) continue;
    auto mark = std::ranges::upper_bound(saved_, position, {}, &Mark::end_position);
    for (; mark != saved_.end(); ++mark) {
      const auto index = static_cast<std::size_t>(mark - saved_.begin());
      const std::uint64_t begin = index == 0 ? 0 : saved_[index - 1].end_position;
      if (begin >= position + length) break;
      checked_to = mark->end_position;
      if (!verified_[index]) unchecked.push_back({index, begin, *mark});
    }
  }
  base::Bytes bytes;
  for (const auto& range : unchecked) {
    bytes.resize(range.mark.end_position - range.begin);
    BATON_TRY(read(range.begin, bytes));
    if (base::crc32c(0, bytes) != range.mark.range_crc) {
      return corrupt_at(range.begin, "the bytes up to position " + std::to_string(range.mark.end_position) +
                                         " do not match the CRC that was taken when they were written");
    }
    const std::lock_guard guard(mutex_);
    if (range.index < verified_.size()) verified_[range.index] = true;
  }
  return std::max(checked_to, position);
}

}  // namespace baton::log
