// What the language means is in map_doc_test.cc; here is what it refuses, and the edges.
#include "cli/expression.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::cli {
namespace {

using ::testing::HasSubstr;

std::optional<ExpressionField> resolve(std::string_view name) {
  static constexpr std::pair<std::string_view, FieldType> kFields[] = {{"n", FieldType::integer}, {"d", FieldType::decimal}, {"s", FieldType::string},
                                                                       {"b", FieldType::boolean}, {"t", FieldType::time}, {"empty", FieldType::integer}};
  for (std::size_t i = 0; i < std::size(kFields); ++i)
    if (kFields[i].first == name) return ExpressionField{i, kFields[i].second};
  return std::nullopt;
}

std::vector<Value> row() {
  return {Value::of_integer(5), Value::of_decimal("-0.5"), Value::of_string("it's"), Value::of_boolean(false), Value::of_time(1'000'000'000), {}};
}

std::string error_of(std::string_view text) {
  const auto out = Expression::parse(text, resolve);
  return out ? "no error" : out.error().detail;
}

bool holds(std::string_view text) {
  const auto out = Expression::parse(text, resolve);
  EXPECT_TRUE(out) << text << ": " << (out ? "" : out.error().detail);
  return out && out->holds(row());
}

TEST(Expression, RefusesWhatHasNoMeaningAndSaysWhere) {
  EXPECT_THAT(error_of(""), HasSubstr("character 1: the expression ends too early"));
  EXPECT_THAT(error_of("n >"), HasSubstr("ends too early"));
  EXPECT_THAT(error_of("n = x"), HasSubstr("character 5: there is no field 'x'"));
  EXPECT_THAT(error_of("n = s"), HasSubstr("character 3: an integer and a string cannot be compared"));
  EXPECT_THAT(error_of("b < true"), HasSubstr("there is no less"));
  EXPECT_THAT(error_of("n + 1"), HasSubstr("an integer is no condition"));
  EXPECT_THAT(error_of("n + d = 1"), HasSubstr("has no meaning"));
  EXPECT_THAT(error_of("t + t = t"), HasSubstr("a time plus a time has no meaning"));
  EXPECT_THAT(error_of("t * 2 = t"), HasSubstr("has no meaning"));
  EXPECT_THAT(error_of("1s * 1s = 1s"), HasSubstr("has no meaning"));
  EXPECT_THAT(error_of("-s = s"), HasSubstr("no sign to change"));
  EXPECT_THAT(error_of("(n = 1"), HasSubstr("')' is missing"));
  EXPECT_THAT(error_of("n = 1)"), HasSubstr("')' is not expected here"));
  EXPECT_THAT(error_of("n = 1 n"), HasSubstr("character 7: 'n' is not expected"));
  EXPECT_THAT(error_of("n = 1 = 1"), HasSubstr("'=' is not expected"));
  EXPECT_THAT(error_of("s = 'x"), HasSubstr("quote is not closed"));
  EXPECT_THAT(error_of("n is 5"), HasSubstr("'is' is followed by"));
  EXPECT_THAT(error_of("s not like 'x'"), HasSubstr("followed by 'matches'"));
  EXPECT_THAT(error_of("n matches '5'"), HasSubstr("only a string can match"));
  EXPECT_THAT(error_of("s matches s"), HasSubstr("pattern in quotes"));
  EXPECT_THAT(error_of("t > 'yesterday'"), HasSubstr("is no time"));
  EXPECT_THAT(error_of("t > '2014-01-01T00:00:00'"), HasSubstr("is no time"));
  EXPECT_THAT(error_of("n > 5x"), HasSubstr("is no duration"));
  EXPECT_THAT(error_of("t - t > 1.5s"), HasSubstr("is no duration"));
  EXPECT_THAT(error_of("t - t > 999999999d"), HasSubstr("is no duration"));
  EXPECT_THAT(error_of("n > 1.2.3"), HasSubstr("is no number"));
  EXPECT_THAT(error_of("n; n"), HasSubstr("';' is not expected"));
  EXPECT_THAT(error_of("system('ls')"), HasSubstr("there is no field 'system'"));
  EXPECT_THAT(error_of(std::string(1001, ' ')), HasSubstr("at most 1,000"));
  EXPECT_THAT(error_of(std::string(40, '(') + "n" + std::string(40, ')')), HasSubstr("more than 32 levels"));
  EXPECT_THAT(error_of(std::string(40, '-') + "n = 1"), HasSubstr("more than 32 levels"));
}

TEST(Expression, PrecedenceIsNotThenAndThenOr) {
  EXPECT_TRUE(holds("n = 5 or n = 5 and n = 6"));
  EXPECT_FALSE(holds("(n = 5 or n = 5) and n = 6"));
  EXPECT_TRUE(holds("not n = 6 and n = 5"));
  EXPECT_FALSE(holds("not not n = 6"));
  EXPECT_TRUE(holds("not not not b"));
  EXPECT_TRUE(holds("n = 1 + 2 * 2"));
  EXPECT_TRUE(holds("n - 2 - 2 = 1"));
  EXPECT_TRUE(holds("- n = -5 and --n = 5"));
}

TEST(Expression, ValuesCompareByTheirType) {
  EXPECT_TRUE(holds("s = \"it's\""));
  EXPECT_TRUE(holds("s > 'a' and s < 'j' and s != ''"));
  EXPECT_TRUE(holds("d < 0 and d >= -0.50 and d <= -0.5"));
  EXPECT_TRUE(holds("b = false and b != true"));
  EXPECT_TRUE(holds("t = '1970-01-01T00:00:01Z' and '1970-01-01T00:00:02Z' > t"));
  EXPECT_TRUE(holds("t + 1m - t = 60s and 2 * 30s = 1m and 1h = 60m and 1d = 24h and 1000ms = 1s and 1s + t > t"));
}

TEST(Expression, NullIsUnknown) {
  EXPECT_FALSE(holds("empty = 5"));
  EXPECT_FALSE(holds("empty != 5"));
  EXPECT_FALSE(holds("not (empty != 5)"));
  EXPECT_FALSE(holds("empty + 1 = 1 and n = 5"));
  EXPECT_TRUE(holds("empty = 1 or n = 5"));
  EXPECT_TRUE(holds("n = 5 or empty = 1"));
  EXPECT_TRUE(holds("not (empty = 1 and n = 6)"));
  EXPECT_TRUE(holds("empty is null and n is not null and not empty"));
  EXPECT_TRUE(holds("(empty = 1) is null"));
}

TEST(Expression, ALongChainIsNoDeepRecursion) {
  std::string text = "n = 5";
  while (text.size() < 990) text += " and n";
  EXPECT_TRUE(holds(text));
}

TEST(Pattern, MatchesTheWholeText) {
  EXPECT_TRUE(matches_pattern("", ""));
  EXPECT_TRUE(matches_pattern("", "**"));
  EXPECT_FALSE(matches_pattern("", "?"));
  EXPECT_TRUE(matches_pattern("94107", "[0-9][0-9][0-9][0-9][0-9]"));
  EXPECT_FALSE(matches_pattern("94107-2", "[0-9][0-9][0-9][0-9][0-9]"));
  EXPECT_FALSE(matches_pattern("9410x", "[0-9][0-9][0-9][0-9][0-9]"));
  EXPECT_TRUE(matches_pattern("abcbd", "a*b?"));
  EXPECT_FALSE(matches_pattern("abcbdd", "a*b?"));
  EXPECT_TRUE(matches_pattern("x-1", "[^0-9]-[1a]"));
  EXPECT_FALSE(matches_pattern("1-1", "[^0-9]-[1a]"));
  EXPECT_TRUE(matches_pattern("[", "["));
  EXPECT_TRUE(matches_pattern("a-", "a[-x]"));
  // Quadratic at worst.
  EXPECT_FALSE(matches_pattern(std::string(20'000, 'a'), "*a*a*a*a*a*a*a*a*a*b"));
}

}  // namespace
}  // namespace baton::cli
