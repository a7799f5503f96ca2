// The bytes of a journal file (docs/formats/journal.md, "Files"). Pure functions: no I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <baton/result.h>

#include "base/bytes.h"
#include "log/catalogue.h"
#include "log/marks.h"
#include "log/types.h"

namespace baton::log {

inline constexpr std::size_t kJournalHeaderBytes = kSectorBytes;
inline constexpr std::size_t kRecordFixedBytes = 64;
inline constexpr std::size_t kPartBytes = 64;

struct JournalHeader {
  std::uint64_t generation = 0;
  StoreId store_id{};
  Round first_round;       // of the first record after the base record
  std::uint32_t salt = 0;  // in every record of this file: bytes that somebody else wrote never look like one
};

struct RecordFixed {
  std::uint32_t crc = 0;
  std::uint32_t total_bytes = 0;  // without the zeros behind
  std::uint32_t part_count = 0;
  std::uint64_t generation = 0;
  Round round;
  Round durable_round;
  std::int64_t append_ms = 0;  // the store's clock
  Epoch epoch;
  std::uint32_t previous_crc = 0;
  std::uint32_t salt = 0;
};

struct JournalPart {
  static constexpr std::uint32_t kInPlace = 1;  // the data is in the segment, durable; the payload is its tail
  static constexpr std::uint32_t kExtent = 2;   // of a base record: the partition ends here; the payload is the lead
  PartitionKey key;
  std::uint32_t flags = 0;
  Offset segment_base;
  std::uint64_t position = 0;
  std::uint32_t length = 0;  // 0 in an extent
  std::uint32_t data_crc = 0;
  Offset next_offset;
  std::uint16_t edge_bytes = 0;  // lead or tail

  [[nodiscard]] bool in_place() const { return (flags & kInPlace) != 0; }
  [[nodiscard]] bool extent() const { return (flags & kExtent) != 0; }
  [[nodiscard]] std::uint64_t end() const { return position + length; }
  [[nodiscard]] std::size_t payload_bytes() const { return (flags & (kInPlace | kExtent)) != 0 ? edge_bytes : length; }
};

void encode_journal_header(const JournalHeader& header, base::MutableByteView sector);
// corrupt: not a header, or damaged; unsupported_format: a newer one.
[[nodiscard]] Result<JournalHeader> parse_journal_header(base::ByteView sector);

// The size that a record takes in the file.
[[nodiscard]] inline std::uint64_t record_file_bytes(std::uint64_t total_bytes) { return sector_ceil(total_bytes); }

void encode_part(const JournalPart& part, std::byte* out);
// Fills in the fixed part of a record whose parts and payload stand behind it, computes the CRC and returns it.
std::uint32_t finish_record(RecordFixed fixed, base::MutableByteView record);

// The fixed part, when the first bytes look like a record's; its CRC is not checked.
[[nodiscard]] std::optional<RecordFixed> peek_record(base::ByteView bytes);

struct ParsedRecord {
  RecordFixed fixed;
  struct Part : JournalPart {
    base::ByteView payload;
  };
  std::vector<Part> parts;
};
// `bytes` holds total_bytes of a record. corrupt: the CRC does not match, or parts and payload do not fill it exactly.
[[nodiscard]] Status parse_record(base::ByteView bytes, ParsedRecord& out);

// "00000000000000000007"
[[nodiscard]] std::string decimal_name(std::uint64_t n);
[[nodiscard]] std::optional<std::uint64_t> parse_decimal_name(std::string_view name);

}  // namespace baton::log
