#include "log/marks.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/try.h"

namespace baton::log {
namespace {

constexpr char kHeaderMagic[] = "BTNMARK1";
constexpr std::uint32_t kSectorMagic = 0x314b4d42;  // "BMK1"
constexpr std::uint32_t kFormat = 1;
constexpr std::size_t kSectorHeaderBytes = 32;
constexpr std::size_t kMarkBytes = 40;
constexpr std::size_t kMarksPerSector = (kSectorBytes - kSectorHeaderBytes) / kMarkBytes;
static_assert(kSectorHeaderBytes + kMarksPerSector * kMarkBytes == kSectorBytes);

void encode_mark(const Mark& mark, std::byte* p) {
  base::store_le<std::uint64_t>(p, mark.end_position);
  base::store_le<std::int64_t>(p + 8, mark.next_offset.value());
  base::store_le<std::int64_t>(p + 16, mark.max_timestamp);
  base::store_le<std::int64_t>(p + 24, mark.arrival_ms);
  base::store_le<std::uint32_t>(p + 32, mark.range_crc);
  base::store_le<std::uint32_t>(p + 36, mark.flags);
}

Mark decode_mark(const std::byte* p) {
  return {.end_position = base::load_le<std::uint64_t>(p),
          .next_offset = Offset(base::load_le<std::int64_t>(p + 8)),
          .max_timestamp = base::load_le<std::int64_t>(p + 16),
          .arrival_ms = base::load_le<std::int64_t>(p + 24),
          .range_crc = base::load_le<std::uint32_t>(p + 32),
          .flags = base::load_le<std::uint32_t>(p + 36)};
}

// A sector whose own CRC and count are good: the number of its marks, else 0.
std::size_t valid_marks(base::ByteView sector) {
  const std::byte* p = sector.data();
  if (base::load_le<std::uint32_t>(p) != kSectorMagic) return 0;
  if (base::load_le<std::uint32_t>(p + 4) != base::crc32c(0, sector.subspan(8))) return 0;
  const auto count = base::load_le<std::uint32_t>(p + 12);
  return count > kMarksPerSector ? 0 : count;
}

void advance(MarksEnd& end, const Mark& mark) {
  end.end_position = mark.end_position;
  end.next_offset = mark.next_offset;
  end.max_timestamp = mark.max_timestamp;
  end.arrival_ms = mark.arrival_ms;
}

}  // namespace

base::Bytes encode_marks_header(const PartitionKey& key, Offset base_offset) {
  base::Bytes sector(kSectorBytes);
  std::byte* p = sector.data();
  std::memcpy(p, kHeaderMagic, 8);
  std::memcpy(p + 8, key.topic.bytes.data(), 16);
  base::store_le<std::int32_t>(p + 24, key.partition.value());
  base::store_le<std::uint32_t>(p + 28, kFormat);
  base::store_le<std::int64_t>(p + 32, base_offset.value());
  base::store_le<std::uint32_t>(p + 508, base::crc32c(0, base::ByteView(sector).first(508)));
  return sector;
}

Result<std::uint32_t> parse_marks_header(base::ByteView sector, const PartitionKey& key, Offset base_offset) {
  if (sector.size() < kSectorBytes || std::memcmp(sector.data(), kHeaderMagic, 8) != 0) {
    return Error{Code::corrupt, "position 0: not a marks file"};
  }
  const auto crc = base::load_le<std::uint32_t>(sector.data() + 508);
  if (crc != base::crc32c(0, sector.first(508))) return Error{Code::corrupt, "position 0: the header's CRC does not match"};
  if (base::load_le<std::uint32_t>(sector.data() + 28) != kFormat) {
    return Error{Code::unsupported_format, "position 28: a newer format of marks"};
  }
  const bool same = std::memcmp(sector.data() + 8, key.topic.bytes.data(), 16) == 0 &&
                    base::load_le<std::int32_t>(sector.data() + 24) == key.partition.value() &&
                    base::load_le<std::int64_t>(sector.data() + 32) == base_offset.value();
  if (!same) return Error{Code::corrupt, "position 8: the marks of another segment"};
  return crc;
}

MarksEnd start_of_marks(const PartitionKey& key, Offset base_offset) {
  MarksEnd end;
  end.chain = base::load_le<std::uint32_t>(encode_marks_header(key, base_offset).data() + 508);
  end.next_offset = base_offset;
  return end;
}

base::Bytes encode_mark_sectors(std::span<const Mark> marks, MarksEnd& end) {
  base::Bytes out((marks.size() + kMarksPerSector - 1) / kMarksPerSector * kSectorBytes);
  std::byte* p = out.data();
  while (!marks.empty()) {
    const std::size_t count = std::min(marks.size(), kMarksPerSector);
    base::store_le<std::uint32_t>(p, kSectorMagic);
    base::store_le<std::uint32_t>(p + 8, end.chain);
    base::store_le<std::uint32_t>(p + 12, static_cast<std::uint32_t>(count));
    base::store_le<std::uint64_t>(p + 16, end.end_position);
    base::store_le<std::int64_t>(p + 24, end.next_offset.value());
    for (std::size_t i = 0; i < count; ++i) encode_mark(marks[i], p + kSectorHeaderBytes + i * kMarkBytes);
    end.chain = base::crc32c(0, base::ByteView(p + 8, kSectorBytes - 8));
    base::store_le<std::uint32_t>(p + 4, end.chain);
    end.file_bytes += kSectorBytes;
    advance(end, marks[count - 1]);
    marks = marks.subspan(count);
    p += kSectorBytes;
  }
  return out;
}

Result<MarksContent> parse_marks(base::ByteView file, const PartitionKey& key, Offset base_offset) {
  MarksContent content;
  BATON_TRY_ASSIGN(content.end.chain, parse_marks_header(file, key, base_offset));
  content.end.next_offset = base_offset;
  content.start = content.end;
  std::size_t at = kSectorBytes;
  for (; at + kSectorBytes <= file.size(); at += kSectorBytes) {
    const auto sector = file.subspan(at, kSectorBytes);
    const std::size_t count = valid_marks(sector);
    if (count == 0 || base::load_le<std::uint32_t>(sector.data() + 8) != content.end.chain) break;
    const std::size_t first = content.marks.size();
    MarksEnd after = content.end;
    bool ascending = true;
    for (std::size_t i = 0; i < count; ++i) {
      const Mark mark = decode_mark(sector.data() + kSectorHeaderBytes + i * kMarkBytes);
      ascending = ascending && mark.end_position > after.end_position && mark.next_offset > after.next_offset;
      advance(after, mark);
      content.marks.push_back(mark);
    }
    if (!ascending) {
      content.marks.resize(first);
      break;
    }
    after.chain = base::load_le<std::uint32_t>(sector.data() + 4);
    after.file_bytes = at + kSectorBytes;
    content.end = after;
    content.sectors.push_back({first, after});
  }
  content.whole = at == file.size();
  return content;
}

bool cut_marks(MarksContent& content, std::uint64_t position) {
  if (position == 0) {
    content.whole = content.whole && content.sectors.empty();
    content.end = content.start;
    content.marks.clear();
    content.sectors.clear();
    return true;
  }
  for (std::size_t i = 0; i < content.sectors.size(); ++i) {
    if (content.sectors[i].after.end_position < position) continue;
    content.whole = content.whole && i + 1 == content.sectors.size();
    content.end = content.sectors[i].after;
    if (i + 1 < content.sectors.size()) content.marks.resize(content.sectors[i + 1].first_mark);
    content.sectors.resize(i + 1);
    return true;
  }
  return false;
}

Result<MarksEnd> parse_last_sectors(base::ByteView sectors, std::uint64_t file_bytes) {
  const Error bad{Code::corrupt, "position " + std::to_string(file_bytes - kSectorBytes) + ": not a sector of marks"};
  if (sectors.size() != 2 * kSectorBytes || file_bytes < sectors.size()) return bad;
  const auto sector = sectors.subspan(kSectorBytes);
  const std::size_t count = valid_marks(sector);
  // The CRC of a sector stands at 4, that of the header at 508.
  const std::size_t previous_at = file_bytes == sectors.size() ? 508 : 4;
  if (count == 0 || base::load_le<std::uint32_t>(sector.data() + 8) != base::load_le<std::uint32_t>(sectors.data() + previous_at)) {
    return bad;
  }
  MarksEnd end;
  end.file_bytes = file_bytes;
  end.chain = base::load_le<std::uint32_t>(sector.data() + 4);
  advance(end, decode_mark(sector.data() + kSectorHeaderBytes + (count - 1) * kMarkBytes));
  return end;
}

bool MarkBuilder::add(const Piece& piece) {
  if (piece.bytes == 0) return false;
  crc_ = bytes_ == 0 ? piece.crc : base::crc32c_combine(crc_, piece.crc, piece.bytes);
  bytes_ += piece.bytes;
  next_offset_ = piece.next_offset;
  max_timestamp_ = std::max(max_timestamp_, piece.max_timestamp);
  arrival_ms_ = piece.arrival_ms;
  return bytes_ >= kMarkRangeBytes && cut();
}

bool MarkBuilder::cut() {
  if (bytes_ == 0) return false;
  position_ += bytes_;
  finished_.push_back({.end_position = position_,
                       .next_offset = next_offset_,
                       .max_timestamp = max_timestamp_,
                       .arrival_ms = arrival_ms_,
                       .range_crc = crc_,
                       .flags = 0});
  bytes_ = 0;
  crc_ = 0;
  return true;
}

}  // namespace baton::log
