#include "log/journal.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "base/crc32c.h"
#include "log/journal_reader.h"
#include "log/log_test_support.h"
#include "os/sim_env.h"

namespace baton::log {
namespace {

// As the worked example of docs/formats/journal.md shows bytes: 16 a line, lines of zeros left out.
std::string dump(base::ByteView bytes) {
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += 16) {
    const auto line = bytes.subspan(at, std::min<std::size_t>(16, bytes.size() - at));
    if (std::ranges::all_of(line, [](std::byte b) { return b == std::byte{0}; })) continue;
    char text[16];
    std::snprintf(text, sizeof text, "    %04zx ", at);
    out += text;
    for (const std::byte b : line) {
      std::snprintf(text, sizeof text, " %02x", static_cast<unsigned>(b));
      out += text;
    }
    out += '\n';
  }
  return out;
}

struct Example {
  Example() {
    for (std::size_t i = 0; i < 16; ++i) {
      header.store_id[i] = static_cast<std::uint8_t>(0xa0 + i);
      part.key.topic.bytes[i] = static_cast<std::uint8_t>(i);
    }
    header.generation = 7;
    header.first_round = Round(41);
    header.salt = 0x5a17;
    data = base::Bytes(base::as_bytes("abcdef").begin(), base::as_bytes("abcdef").end());
    part.length = 6;
    part.data_crc = base::crc32c(0, data);
    part.next_offset = Offset(1);
    fixed = {.part_count = 1,
             .generation = 7,
             .round = Round(41),
             .durable_round = Round(40),
             .append_ms = 1'700'000'000'000,
             .epoch = Epoch(3),
             .previous_crc = 0x11223344,
             .salt = 0x5a17};
    header_bytes.resize(kJournalHeaderBytes);
    encode_journal_header(header, header_bytes);
    record.resize(kRecordFixedBytes + kPartBytes + data.size());
    encode_part(part, record.data() + kRecordFixedBytes);
    std::ranges::copy(data, record.begin() + kRecordFixedBytes + kPartBytes);
    (void)finish_record(fixed, record);
  }
  JournalHeader header;
  JournalPart part;
  RecordFixed fixed;
  base::Bytes data;
  base::Bytes header_bytes;
  base::Bytes record;
};

TEST(Journal, TheWorkedExampleOfTheDocumentIsWhatTheWriterWrites) {
  const Example example;
  const std::string text = "The header:\n\n" + dump(example.header_bytes) + "\nThe record (zeros to 512 follow):\n\n" + dump(example.record);
  std::ifstream file(std::string(BATON_SOURCE_DIR) + "/docs/formats/journal.md");
  std::stringstream document;
  document << file.rdbuf();
  EXPECT_NE(document.str().find(text), std::string::npos) << text;
}

TEST(Journal, ARecordIsParsedBackAndAnyFlippedBitIsFound) {
  Example example;
  ParsedRecord parsed;
  ASSERT_OK(parse_record(example.record, parsed));
  ASSERT_EQ(parsed.parts.size(), 1u);
  EXPECT_TRUE(std::ranges::equal(parsed.parts[0].payload, example.data));
  EXPECT_EQ(parsed.fixed.round, Round(41));
  for (std::size_t bit = 0; bit < example.record.size() * 8; ++bit) {
    example.record[bit / 8] ^= std::byte{static_cast<unsigned char>(1 << bit % 8)};
    EXPECT_FALSE(parse_record(example.record, parsed).ok()) << bit;
    example.record[bit / 8] ^= std::byte{static_cast<unsigned char>(1 << bit % 8)};
  }
}

TEST(Journal, ZerosAreNeitherAHeaderNorARecord) {
  const base::Bytes zeros(4096);
  ParsedRecord parsed;
  EXPECT_FALSE(parse_journal_header(zeros).ok());
  EXPECT_FALSE(peek_record(zeros).has_value());
  EXPECT_FALSE(parse_record(zeros, parsed).ok());
}

TEST(Journal, NamesOfFilesAreTwentyDigits) {
  EXPECT_EQ(decimal_name(7), "00000000000000000007");
  EXPECT_EQ(parse_decimal_name("00000000000000000007"), 7u);
  EXPECT_EQ(parse_decimal_name("18446744073709551615"), UINT64_MAX);
  EXPECT_FALSE(parse_decimal_name("18446744073709551616").has_value());
  EXPECT_FALSE(parse_decimal_name("7").has_value());
  EXPECT_FALSE(parse_decimal_name("0000000000000000000x").has_value());
}

TEST(Marks, AreParsedBackAndAnyFlippedBitEndsThem) {
  const PartitionKey key{{}, PartitionId(3)};
  MarksEnd end = start_of_marks(key, Offset(100));
  std::vector<Mark> marks;
  for (int i = 1; i <= 30; ++i) {
    marks.push_back({.end_position = static_cast<std::uint64_t>(i) * 40'000, .next_offset = Offset(100 + i * 10),
                     .max_timestamp = i, .arrival_ms = i, .range_crc = static_cast<std::uint32_t>(i)});
  }
  base::Bytes file = encode_marks_header(key, Offset(100));
  base::put_bytes(file, encode_mark_sectors(std::span(marks).first(5), end));
  base::put_bytes(file, encode_mark_sectors(std::span(marks).subspan(5), end));
  auto content = parse_marks(file, key, Offset(100));
  ASSERT_OK(content);
  EXPECT_EQ(content->marks, marks);
  EXPECT_TRUE(content->whole);
  EXPECT_EQ(content->end.file_bytes, file.size());
  ASSERT_OK(parse_last_sectors(base::ByteView(file).last(2 * kSectorBytes), file.size()));
  EXPECT_FALSE(parse_marks(file, key, Offset(101)).ok());
  for (std::size_t at = 0; at < file.size(); at += 7) {
    file[at] ^= std::byte{0x10};
    const auto damaged = parse_marks(file, key, Offset(100));
    EXPECT_TRUE(!damaged.ok() || damaged->marks.size() < marks.size()) << at;
    file[at] ^= std::byte{0x10};
  }
  EXPECT_TRUE(cut_marks(*content, 200'000));
  EXPECT_EQ(content->marks.size(), 5u);
  EXPECT_FALSE(cut_marks(*content, 10'000'000));
  EXPECT_TRUE(cut_marks(*content, 0));
  EXPECT_EQ(content->end.chain, content->start.chain);
}

TEST(Marks, AStaleSectorBehindANewOneIsNotRead) {
  const PartitionKey key{{}, PartitionId(0)};
  const auto mark = [](std::uint64_t position) {
    return Mark{.end_position = position, .next_offset = Offset(static_cast<std::int64_t>(position))};
  };
  // A checkpoint that was interrupted wrote two sectors, of which the second one has survived.
  MarksEnd before = start_of_marks(key, Offset(0));
  (void)encode_mark_sectors(std::vector<Mark>{mark(10)}, before);
  const auto stale = encode_mark_sectors(std::vector<Mark>{mark(20)}, before);
  MarksEnd end = start_of_marks(key, Offset(0));
  base::Bytes file = encode_marks_header(key, Offset(0));
  base::put_bytes(file, encode_mark_sectors(std::vector<Mark>{mark(12)}, end));
  base::put_bytes(file, stale);
  const auto content = parse_marks(file, key, Offset(0));
  ASSERT_OK(content);
  EXPECT_EQ(content->marks.size(), 1u);
  EXPECT_FALSE(content->whole);
  EXPECT_FALSE(parse_last_sectors(base::ByteView(file).last(2 * kSectorBytes), file.size()).ok());
}

TEST(Marks, OfPiecesAreTheCrcOfTheirBytes) {
  base::Bytes bytes(200'000);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 31 >> 3);
  MarkBuilder builder(start_of_marks({}, Offset(0)));
  for (std::size_t at = 0, n = 1; at < bytes.size(); ++n) {
    const std::size_t length = std::min(bytes.size() - at, n * 997 % 5000 + 1);
    builder.add({.bytes = length,
                 .crc = base::crc32c(0, base::ByteView(bytes).subspan(at, length)),
                 .next_offset = Offset(static_cast<std::int64_t>(n))});
    at += length;
  }
  (void)builder.cut();
  std::uint64_t begin = 0;
  for (const auto& mark : builder.finished()) {
    EXPECT_EQ(mark.range_crc, base::crc32c(0, base::ByteView(bytes).subspan(begin, mark.end_position - begin)));
    begin = mark.end_position;
  }
  EXPECT_EQ(begin, bytes.size());
}

}  // namespace
}  // namespace baton::log
