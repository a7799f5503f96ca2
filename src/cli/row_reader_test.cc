#include "cli/row_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/text_input_for_test.h"

namespace baton::cli {
namespace {

using ::testing::HasSubstr;
using for_test::TextInput;

// The rows as [field|field] with their problems.
std::string read(const std::string& text, bool csv = true) {
  auto rows = csv ? read_csv(std::make_unique<TextInput>(text), "f") : read_ndjson(std::make_unique<TextInput>(text), "f");
  if (!rows) return rows.error().detail;
  std::string out;
  for (Row row;;) {
    const auto next = (*rows)->next(row);
    if (!next) return out + next.error().detail;
    if (!next->have) return out;
    out += std::to_string(row.number) + "[";
    for (std::size_t i = 0; i < row.fields.size(); ++i) out += (i > 0 ? "|" : "") + std::string(row.fields[i]);
    out += "]" + next->problem;
  }
}

TEST(Csv, IsRfc4180) {
  EXPECT_EQ(read("a,b\r\n1,2\r\n\"3,\n4\",\"a \"\"quote\"\"\"\r\n"), "1[1|2]2[3,\n4|a \"quote\"]");
  EXPECT_EQ(read("a,b\n1,\n,2\n\"\",\"\"\n"), "1[1|]2[|2]3[|]");
  EXPECT_EQ(read("a\n1"), "1[1]");  // no line end
  EXPECT_EQ(read("\xef\xbb\xbf" "a\n1\n\n2\n"), "1[1]2[2]");
}

TEST(Csv, AQuoteInsideAnUnquotedFieldIsText) { EXPECT_EQ(read("a,b\n5\" pipe,2\n3,4\"\n5,6\n"), "1[5\" pipe|2]2[3|4\"]3[5|6]"); }

TEST(Csv, ABadRowIsHandedOutWithItsProblem) {
  EXPECT_EQ(read("a,b\n1\n1,2,3\n\"1\"x,2\n3,4\n\"open,1\n"),
            "1[1]1 fields where the header has 22[1|2|3]3 fields where the header has 23[1]text behind the closing quote of field 14[3|4]5[]a quote is not closed");
}

TEST(Csv, RefusesAHeaderThatIsNone) {
  EXPECT_THAT(read(""), HasSubstr("no header line"));
  EXPECT_THAT(read("a,b,a\n"), HasSubstr("column 'a' twice"));
  EXPECT_THAT(read("a,\"b\n"), HasSubstr("a quote is not closed"));
  EXPECT_THAT(read(std::string(5000, ',') + "\n"), HasSubstr("more than 4,096 fields"));
}

TEST(Csv, ARowHasALimit) {
  auto rows = read_csv(std::make_unique<TextInput>("a\n\"" + std::string(kRowBytesMax + 100'000, 'x')), "f");
  Row row;
  const auto next = (*rows)->next(row);
  ASSERT_FALSE(next);
  EXPECT_EQ(next.error().code, Code::too_large);
  EXPECT_THAT(next.error().detail, HasSubstr("row 1 is larger than 4 MiB; is a quote missing"));
}

TEST(Csv, ReadsALongRowInTimeThatGrowsWithIt) {
  std::string text = "a,b\n";
  for (int i = 0; i < 3; ++i) text += "\"" + std::string(3u << 20, 'y') + "\"\"\",2\n";
  auto rows = read_csv(std::make_unique<TextInput>(text), "f");
  Row row;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE((*rows)->next(row)->have);
    EXPECT_EQ(row.fields[0].size(), (3u << 20) + 1);
  }
  EXPECT_FALSE((*rows)->next(row)->have);
}

// The reader's window is 64 KiB: rows, quotes and line ends lie across its edges.
TEST(Csv, ReadsRowsAcrossTheEdgesOfItsWindow) {
  for (std::size_t length = 65'520; length < 65'545; ++length) {
    const std::string text(length, 'x');
    EXPECT_EQ(read("a,b\r\n" + text + ",\"1\"\"\"\r\n2,3\r\n"), "1[" + text + "|1\"]2[2|3]") << length;
  }
}

TEST(Ndjson, ARowHasTheNumberOfItsLineThoughEmptyLinesAreNoRows) {
  auto rows = read_ndjson(std::make_unique<TextInput>("\n{}\n\n \n\n{}"), "f");
  Row row;
  for (const std::uint64_t line : {2, 6}) {
    ASSERT_TRUE((*rows)->next(row)->have);
    EXPECT_EQ(row.line, line);
  }
  EXPECT_EQ(row.number, 2u);
  auto long_line = read_ndjson(std::make_unique<TextInput>("{}\n\n" + std::string(kRowBytesMax + 100'000, 'x')), "f");
  ASSERT_TRUE((*long_line)->next(row));
  EXPECT_THAT((*long_line)->next(row).error().detail, HasSubstr("f: line 3 is larger than 4 MiB"));
}

TEST(Ndjson, IsALineARow) { EXPECT_EQ(read("{\"a\":1}\r\n\n  \n{\"b\":\"\\n\"}", false), "1[{\"a\":1}]2[{\"b\":\"\\n\"}]"); }

}  // namespace
}  // namespace baton::cli
