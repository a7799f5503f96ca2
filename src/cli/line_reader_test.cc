#include "cli/line_reader.h"

#include <algorithm>
#include <cstring>

#include <gtest/gtest.h>

namespace baton::cli {
namespace {

// Gives `text` in pieces of `step` bytes, then `last`.
LineReader::Source pieces(std::string text, std::size_t step, Result<std::size_t> last = std::size_t{0}) {
  return [text = std::move(text), step, last, at = std::size_t{0}](base::MutableByteView out) mutable -> Result<std::size_t> {
    const auto n = std::min({step, out.size(), text.size() - at});
    if (n == 0) return last;
    std::memcpy(out.data(), text.data() + at, n);
    at += n;
    return n;
  };
}

std::vector<std::string> lines_of(const std::string& text, std::size_t step) {
  LineReader reader(pieces(text, step), "f");
  std::vector<std::string> lines;
  std::string_view line;
  while (*reader.next(line)) lines.emplace_back(line);
  EXPECT_EQ(reader.number(), lines.size());
  return lines;
}

TEST(LineReaderTest, LinesAreTheSameHoweverTheyCome) {
  const std::vector<std::string> expected = {"a", "", "b\r", std::string(70'000, 'x'), "last"};
  std::string text;
  for (const auto& line : expected) text += line + "\n";
  for (const std::size_t step : {1, 3, 1000, 1'000'000}) {
    EXPECT_EQ(lines_of(text, step), expected);
    EXPECT_EQ(lines_of(text.substr(0, text.size() - 1), step), expected) << "without the last line end";
  }
  EXPECT_TRUE(lines_of("", 1).empty());
}

TEST(LineReaderTest, ALineThatHadBegunIsDroppedWhenItsSourceFails) {
  LineReader reader(pieces("one\ntw", 100, Error{Code::cancelled, "stopped"}), "f");
  std::string_view line;
  ASSERT_TRUE(*reader.next(line));
  EXPECT_EQ(line, "one");
  EXPECT_EQ(reader.next(line).error().code, Code::cancelled);
  EXPECT_EQ(reader.number(), 1u);
}

TEST(LineReaderTest, ALineThatIsTooLongIsNamed) {
  LineReader reader(pieces("one\n" + std::string(kLineBytesMax + 100'000, 'x'), 1u << 20), "f");
  std::string_view line;
  ASSERT_TRUE(*reader.next(line));
  const auto next = reader.next(line);
  ASSERT_FALSE(next);
  EXPECT_EQ(next.error().code, Code::too_large);
  EXPECT_EQ(next.error().detail, "f: line 2 is larger than 16 MiB; a line is one record");
  EXPECT_EQ(reader.at_line({Code::invalid_argument, "wrong"}).detail, "f: line 1: wrong");
}

}  // namespace
}  // namespace baton::cli
