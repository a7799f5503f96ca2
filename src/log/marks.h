// The marks file of a segment (docs/formats/segment.md, "Marks"): which of its bytes were made durable, with a CRC over all of them.
// The marks are also the sparse index by offset and by time.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <baton/result.h>

#include "base/bytes.h"
#include "log/types.h"

namespace baton::log {

inline constexpr std::size_t kSectorBytes = 512;
inline constexpr std::uint64_t kMarkRangeBytes = 32u << 10;  // a mark covers about so many bytes, or more
inline constexpr std::uint64_t kMarksFileBytesMax = 64u << 20;  // of a segment of 2 GiB it has 8 MiB

inline constexpr std::uint64_t sector_floor(std::uint64_t n) { return n / kSectorBytes * kSectorBytes; }
inline constexpr std::uint64_t sector_ceil(std::uint64_t n) { return sector_floor(n + kSectorBytes - 1); }

struct Mark {
  static constexpr std::uint32_t kRebuilt = 1;  // attests only what the batch CRCs do
  std::uint64_t end_position = 0;  // the range begins where the mark before ends
  Offset next_offset;
  std::int64_t max_timestamp = 0;  // of the segment up to here
  std::int64_t arrival_ms = 0;
  std::uint32_t range_crc = 0;
  std::uint32_t flags = 0;
  friend bool operator==(const Mark&, const Mark&) = default;
};

// The header sector, and its CRC, from which the chain of sectors starts.
[[nodiscard]] base::Bytes encode_marks_header(const PartitionKey& key, Offset base_offset);
// corrupt: not the header of this segment; unsupported_format: a newer one.
[[nodiscard]] Result<std::uint32_t> parse_marks_header(base::ByteView sector, const PartitionKey& key, Offset base_offset);

// Where the next sector goes, and what it continues.
struct MarksEnd {
  std::uint64_t file_bytes = kSectorBytes;
  std::uint32_t chain = 0;          // CRC of the last sector (or the header)
  std::uint64_t end_position = 0;   // of the last mark
  Offset next_offset;               // of the last mark, or the segment's base offset
  std::int64_t max_timestamp = INT64_MIN;
  std::int64_t arrival_ms = 0;
};

// The end of a marks file that has its header and nothing else.
[[nodiscard]] MarksEnd start_of_marks(const PartitionKey& key, Offset base_offset);

// Sectors for `marks`, to be written at end.file_bytes; moves `end` behind them.
[[nodiscard]] base::Bytes encode_mark_sectors(std::span<const Mark> marks, MarksEnd& end);

struct MarksContent {
  struct Sector {
    std::size_t first_mark = 0;
    MarksEnd after;
  };
  std::vector<Mark> marks;
  std::vector<Sector> sectors;
  MarksEnd start;  // behind the header
  MarksEnd end;
  bool whole = true;  // the file ends with the last valid sector
};

// Parses a whole file; reading ends at the first sector that does not continue the chain.
[[nodiscard]] Result<MarksContent> parse_marks(base::ByteView file, const PartitionKey& key, Offset base_offset);
// Drops the sectors after the first one that reaches `position`. False: none does.
[[nodiscard]] bool cut_marks(MarksContent& content, std::uint64_t position);
// The last two sectors of a file of `file_bytes` (the first of them may be the header), for a start that knows from elsewhere which end
// to expect. Both are checked, and that they follow each other; the chain before them is not.
[[nodiscard]] Result<MarksEnd> parse_last_sectors(base::ByteView sectors, std::uint64_t file_bytes);

// Joins the parts of rounds to marks. Owner only.
class MarkBuilder {
 public:
  // A piece that follows the ones before.
  struct Piece {
    std::uint64_t bytes = 0;
    std::uint32_t crc = 0;
    Offset next_offset;
    std::int64_t max_timestamp = 0;
    std::int64_t arrival_ms = 0;
  };
  explicit MarkBuilder(const MarksEnd& end)
      : position_(end.end_position), next_offset_(end.next_offset), max_timestamp_(end.max_timestamp) {}
  // True when a mark was finished: finished().back().
  bool add(const Piece& piece);
  // Finishes what was collected, if anything.
  bool cut();
  [[nodiscard]] const std::vector<Mark>& finished() const { return finished_; }
  [[nodiscard]] std::vector<Mark> take() { return std::exchange(finished_, {}); }
  [[nodiscard]] bool empty() const { return finished_.empty() && bytes_ == 0; }
  [[nodiscard]] std::int64_t max_timestamp() const { return max_timestamp_; }
  [[nodiscard]] std::int64_t arrival_ms() const { return arrival_ms_; }

 private:
  std::uint64_t position_ = 0;  // where the open range begins
  std::uint64_t bytes_ = 0;
  std::uint32_t crc_ = 0;
  Offset next_offset_;
  std::int64_t max_timestamp_ = 0;
  std::int64_t arrival_ms_ = 0;
  std::vector<Mark> finished_;
};

}  // namespace baton::log
