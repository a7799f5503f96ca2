// One segment of a partition (docs/formats/segment.md) as readers see it: its file, how far it may be read, its index.
//
// Shared by the partition's segment lists, and by readers that are in the middle of it. Files are opened when they are needed; OpenFiles
// bounds how many stay open. Any thread, except for what is marked [owner].
#pragma once

#include <algorithm>
#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <baton/result.h>

#include "base/bytes.h"
#include "log/marks.h"
#include "log/types.h"
#include "os/file.h"

namespace baton::log {

class Segment;

// Closes the files that were opened longest ago, with the marks that were loaded. Shared by all segments of a log. A segment is in it once,
// however often it loads something: it must not close itself.
class OpenFiles {
 public:
  explicit OpenFiles(std::size_t files_max) : files_max_(std::max<std::size_t>(files_max, 1)) {}
  void opened(const std::weak_ptr<const Segment>& segment);

 private:
  const std::size_t files_max_;
  std::mutex mutex_;  // also over Segment::listed_
  std::deque<std::weak_ptr<const Segment>> open_;
};

// Names of the files of a segment, within the partition's directory.
[[nodiscard]] std::string segment_file_name(Offset base, std::string_view extension);

inline constexpr Offset kNoOffset{INT64_MAX};

class Segment : public std::enable_shared_from_this<Segment> {
 public:
  // `name`: the path relative to the data directory without extension, for messages. `root` is the data directory.
  Segment(os::FileSystem& fs, std::shared_ptr<OpenFiles> open_files, std::string root, std::string name, PartitionKey key, Offset base);

  [[nodiscard]] Offset base() const { return base_; }
  [[nodiscard]] const PartitionKey& key() const { return key_; }
  [[nodiscard]] std::string log_path() const { return os::join(root_, name_ + ".log"); }
  [[nodiscard]] std::string marks_path() const { return os::join(root_, name_ + ".marks"); }
  [[nodiscard]] std::string relative_log_path() const { return name_ + ".log"; }
  [[nodiscard]] std::string relative_marks_path() const { return name_ + ".marks"; }

  // [owner] The marks file holds marks up to `saved_end`; the bytes between it and the end need no check (or have no mark to check by).
  void set_saved(std::uint64_t saved_end);
  void add_mark(const Mark& mark);                        // [owner] not in the file yet
  void publish(std::uint64_t end, std::int64_t max_timestamp);  // [owner] readers may go so far
  void seal();                                            // [owner] all marks are in the file: memory is given back
  void set_sealed() { sealed_.store(true, std::memory_order_release); }  // [owner] found sealed at open
  [[nodiscard]] Result<std::shared_ptr<os::File>> open_for_writing();  // [owner] stays open until release()
  void release();                                         // [owner]
  void forget_marks();                                    // [owner] read-only logs: the file has more marks now
  void expect_marks() { set_saved(UINT64_MAX); }          // [owner] read-only logs: the file is not there, or damaged. Who reads is told, if it still is

  // [owner] Read-only logs. next_offset(): by its seal or its marks it has no offset from there on; where the next segment begins later, one is missing. end_offset(): the
  // bytes from that offset on are not this segment's, whatever end() says. The largest offset: not known, as of a segment that its writer may go on with.
  void set_offsets(Offset next, Offset end) {
    next_offset_.store(next.value(), std::memory_order_release);
    end_offset_.store(end.value(), std::memory_order_release);
  }
  [[nodiscard]] Offset next_offset() const { return Offset(next_offset_.load(std::memory_order_acquire)); }
  [[nodiscard]] Offset end_offset() const { return Offset(end_offset_.load(std::memory_order_acquire)); }

  [[nodiscard]] std::uint64_t end() const { return end_.load(std::memory_order_acquire); }
  [[nodiscard]] std::int64_t max_timestamp() const { return max_timestamp_.load(std::memory_order_acquire); }
  // Where a search for `from` starts: a batch boundary at or before it, and the least offset that the batch there can have.
  [[nodiscard]] Result<BatchPlace> place_before(Offset from) const;
  // Whether the byte at `position` is under a mark. Behind the last one a batch's own CRC is all there is, which leaves out its offset and epoch.
  [[nodiscard]] bool is_marked(std::uint64_t position) const;
  // Likewise, such that all records before it have smaller timestamps than `ms`.
  [[nodiscard]] Result<BatchPlace> place_before_time(std::int64_t ms) const;
  // By the store's clock, of the last batch under a mark; 0: none.
  [[nodiscard]] Result<std::int64_t> last_arrival_ms() const;
  [[nodiscard]] Result<std::int64_t> first_arrival_ms() const;  // of the first range; likewise
  // Checks the marks that overlap the range, each once. corrupt names file and position. Returns up to which position the bytes from
  // `position` on are checked: the end of the last of these marks, or of the segment when there is none to check by.
  [[nodiscard]] Result<std::uint64_t> check_range(std::uint64_t position, std::uint64_t length) const;
  // The same, but fewer bytes when the segment is one that its writer may still cut to its end (set_offsets).
  [[nodiscard]] Result<std::size_t> read_some(std::uint64_t position, base::MutableByteView out) const;
  // Exactly out.size() bytes.
  [[nodiscard]] Status read(std::uint64_t position, base::MutableByteView out) const;
  [[nodiscard]] Result<std::shared_ptr<os::File>> file() const;
  // All bytes of a sealed segment up to end(), mapped; null of one that still grows. As unchecked as those of read().
  [[nodiscard]] Result<std::shared_ptr<const os::Mapping>> mapping() const;
  [[nodiscard]] Error corrupt_at(std::uint64_t position, std::string_view what) const;

 private:
  friend class OpenFiles;
  void close_idle() const;
  [[nodiscard]] Status load_marks() const;
  [[nodiscard]] Result<std::vector<Mark>> read_marks(std::uint64_t want) const;

  os::FileSystem& fs_;
  const std::shared_ptr<OpenFiles> open_files_;
  const std::string root_;
  const std::string name_;
  const PartitionKey key_;
  const Offset base_;
  std::atomic<std::uint64_t> end_{0};
  std::atomic<std::int64_t> max_timestamp_{INT64_MIN};
  std::atomic<std::int64_t> end_offset_{kNoOffset.value()};
  std::atomic<std::int64_t> next_offset_{kNoOffset.value()};
  std::atomic<bool> sealed_{false};

  mutable bool listed_ = false;  // among the open files
  mutable std::mutex mutex_;     // never held during I/O
  mutable std::shared_ptr<os::File> file_;
  mutable std::shared_ptr<const os::Mapping> mapping_;  // of file_, when it was asked for
  bool pinned_ = false;
  std::uint64_t saved_end_ = 0;
  mutable bool loaded_ = false;
  mutable std::vector<Mark> saved_;     // as in the file, when loaded_
  mutable std::vector<bool> verified_;  // of the marks in the file; kept when they are unloaded
  std::vector<Mark> fresh_;             // behind saved_end_
};

}  // namespace baton::log
