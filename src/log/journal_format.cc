#include "log/journal_format.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/crc32c.h"

namespace baton::log {
namespace {

constexpr char kHeaderMagic[] = "BTNJRNL1";
constexpr std::uint32_t kRecordMagic = 0x31524a42;  // "BJR1"
constexpr std::uint32_t kFormat = 1;

JournalPart decode_part(const std::byte* p) {
  JournalPart part;
  std::memcpy(part.key.topic.bytes.data(), p, 16);
  part.key.partition = PartitionId(base::load_le<std::int32_t>(p + 16));
  part.flags = base::load_le<std::uint32_t>(p + 20);
  part.segment_base = Offset(base::load_le<std::int64_t>(p + 24));
  part.position = base::load_le<std::uint64_t>(p + 32);
  part.length = base::load_le<std::uint32_t>(p + 40);
  part.data_crc = base::load_le<std::uint32_t>(p + 44);
  part.next_offset = Offset(base::load_le<std::int64_t>(p + 48));
  part.edge_bytes = base::load_le<std::uint16_t>(p + 56);
  return part;
}

bool plausible(const JournalPart& part) {
  if ((part.flags & ~(JournalPart::kInPlace | JournalPart::kExtent)) != 0) return false;
  if (part.segment_base.value() < 0 || part.next_offset < part.segment_base) return false;
  if (part.position > (std::uint64_t{1} << 40) || part.edge_bytes >= kSectorBytes) return false;
  const std::uint64_t edge_end = part.extent() ? part.position : part.end();
  return part.edge_bytes <= edge_end;
}

}  // namespace

void encode_journal_header(const JournalHeader& header, base::MutableByteView sector) {
  BATON_CHECK(sector.size() == kSectorBytes, "a journal header is one sector");
  std::ranges::fill(sector, std::byte{0});
  std::byte* p = sector.data();
  std::memcpy(p, kHeaderMagic, 8);
  base::store_le<std::uint32_t>(p + 8, kFormat);
  base::store_le<std::uint32_t>(p + 12, header.salt);
  base::store_le<std::uint64_t>(p + 16, header.generation);
  std::memcpy(p + 24, header.store_id.data(), 16);
  base::store_le<std::uint64_t>(p + 40, header.first_round.value());
  base::store_le<std::uint32_t>(p + 508, base::crc32c(0, sector.first(508)));
}

Result<JournalHeader> parse_journal_header(base::ByteView sector) {
  if (sector.size() < kSectorBytes || std::memcmp(sector.data(), kHeaderMagic, 8) != 0) {
    return Error{Code::corrupt, "position 0: not a journal file"};
  }
  const std::byte* p = sector.data();
  if (base::load_le<std::uint32_t>(p + 508) != base::crc32c(0, sector.first(508))) {
    return Error{Code::corrupt, "position 0: the header's CRC does not match"};
  }
  if (base::load_le<std::uint32_t>(p + 8) != kFormat) {
    return Error{Code::unsupported_format, "position 8: a newer format of the journal"};
  }
  JournalHeader header;
  header.salt = base::load_le<std::uint32_t>(p + 12);
  header.generation = base::load_le<std::uint64_t>(p + 16);
  std::memcpy(header.store_id.data(), p + 24, 16);
  header.first_round = Round(base::load_le<std::uint64_t>(p + 40));
  return header;
}

void encode_part(const JournalPart& part, std::byte* p) {
  std::memcpy(p, part.key.topic.bytes.data(), 16);
  base::store_le<std::int32_t>(p + 16, part.key.partition.value());
  base::store_le<std::uint32_t>(p + 20, part.flags);
  base::store_le<std::int64_t>(p + 24, part.segment_base.value());
  base::store_le<std::uint64_t>(p + 32, part.position);
  base::store_le<std::uint32_t>(p + 40, part.length);
  base::store_le<std::uint32_t>(p + 44, part.data_crc);
  base::store_le<std::int64_t>(p + 48, part.next_offset.value());
  base::store_le<std::uint16_t>(p + 56, part.edge_bytes);
  std::memset(p + 58, 0, 6);
}

std::uint32_t finish_record(RecordFixed fixed, base::MutableByteView record) {
  std::byte* p = record.data();
  base::store_le<std::uint32_t>(p, kRecordMagic);
  base::store_le<std::uint32_t>(p + 8, static_cast<std::uint32_t>(record.size()));
  base::store_le<std::uint32_t>(p + 12, fixed.part_count);
  base::store_le<std::uint64_t>(p + 16, fixed.generation);
  base::store_le<std::uint64_t>(p + 24, fixed.round.value());
  base::store_le<std::uint64_t>(p + 32, fixed.durable_round.value());
  base::store_le<std::int64_t>(p + 40, fixed.append_ms);
  base::store_le<std::int32_t>(p + 48, fixed.epoch.value());
  base::store_le<std::uint32_t>(p + 52, fixed.previous_crc);
  base::store_le<std::uint32_t>(p + 56, fixed.salt);
  base::store_le<std::uint32_t>(p + 60, 0);
  const std::uint32_t crc = base::crc32c(0, record.subspan(8));
  base::store_le<std::uint32_t>(p + 4, crc);
  return crc;
}

std::optional<RecordFixed> peek_record(base::ByteView bytes) {
  if (bytes.size() < kRecordFixedBytes) return std::nullopt;
  const std::byte* p = bytes.data();
  if (base::load_le<std::uint32_t>(p) != kRecordMagic) return std::nullopt;
  RecordFixed fixed;
  fixed.crc = base::load_le<std::uint32_t>(p + 4);
  fixed.total_bytes = base::load_le<std::uint32_t>(p + 8);
  fixed.part_count = base::load_le<std::uint32_t>(p + 12);
  fixed.generation = base::load_le<std::uint64_t>(p + 16);
  fixed.round = Round(base::load_le<std::uint64_t>(p + 24));
  fixed.durable_round = Round(base::load_le<std::uint64_t>(p + 32));
  fixed.append_ms = base::load_le<std::int64_t>(p + 40);
  fixed.epoch = Epoch(base::load_le<std::int32_t>(p + 48));
  fixed.previous_crc = base::load_le<std::uint32_t>(p + 52);
  fixed.salt = base::load_le<std::uint32_t>(p + 56);
  if (fixed.total_bytes < kRecordFixedBytes + std::uint64_t{fixed.part_count} * kPartBytes) return std::nullopt;
  return fixed;
}

Status parse_record(base::ByteView bytes, ParsedRecord& out) {
  const auto fixed = peek_record(bytes);
  if (!fixed || fixed->total_bytes != bytes.size()) return Error{Code::corrupt, "not a journal record"};
  if (base::crc32c(0, bytes.subspan(8)) != fixed->crc) return Error{Code::corrupt, "the record's CRC does not match"};
  out.fixed = *fixed;
  out.parts.clear();
  std::size_t at = kRecordFixedBytes + std::size_t{fixed->part_count} * kPartBytes;
  for (std::uint32_t i = 0; i < fixed->part_count; ++i) {
    ParsedRecord::Part part{decode_part(bytes.data() + kRecordFixedBytes + i * kPartBytes), {}};
    const std::size_t length = part.payload_bytes();
    if (!plausible(part) || length > bytes.size() - at) return Error{Code::corrupt, "a part of the record makes no sense"};
    part.payload = bytes.subspan(at, length);
    at += length;
    out.parts.push_back(part);
  }
  if (at != bytes.size()) return Error{Code::corrupt, "the record is longer than its parts"};
  return {};
}

std::string decimal_name(std::uint64_t n) {
  std::string digits = std::to_string(n);
  return std::string(20 - digits.size(), '0') + digits;
}

std::optional<std::uint64_t> parse_decimal_name(std::string_view name) {
  if (name.size() != 20) return std::nullopt;
  std::uint64_t n = 0;
  for (const char c : name) {
    if (c < '0' || c > '9') return std::nullopt;
    if (n > (UINT64_MAX - static_cast<unsigned>(c - '0')) / 10) return std::nullopt;
    n = n * 10 + static_cast<unsigned>(c - '0');
  }
  return n;
}

}  // namespace baton::log
