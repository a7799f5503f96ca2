#include "cli/map_value.h"

#include <gtest/gtest.h>

namespace baton::cli {
namespace {

TEST(Decimal, IsANumberOfJson) {
  for (const char* fine : {"0", "-0", "1", "-12.50", "0.001", "1e5", "1E+05", "-1.5e-300", "123456789012345678901234567890.1"}) EXPECT_TRUE(is_decimal(fine)) << fine;
  for (const char* wrong : {"", "-", ".5", "1.", "+1", "01", "-01", "1e", "1e+", "1e1000", "1,5", " 1", "1 ", "0x1", "NaN", "1.2.3"}) EXPECT_FALSE(is_decimal(wrong)) << wrong;
  EXPECT_TRUE(is_decimal(std::string(100, '1')));
  EXPECT_FALSE(is_decimal(std::string(101, '1')));
}

TEST(Decimal, ComparesExactly) {
  const auto compare = [](std::string_view a, std::string_view b) { return compare_numbers(Value::of_decimal(a), Value::of_decimal(b)); };
  EXPECT_EQ(compare("2.50", "2.5"), 0);
  EXPECT_EQ(compare("0.1", "0.10000000000000000000000000000000000001"), -1);
  EXPECT_EQ(compare("9007199254740993", "9007199254740992"), 1);
  EXPECT_EQ(compare("-0", "0.000"), 0);
  EXPECT_EQ(compare("-1", "0"), -1);
  EXPECT_EQ(compare("0", "-1e-999"), 1);
  EXPECT_EQ(compare("1e3", "1000.0"), 0);
  EXPECT_EQ(compare("0.001", "1e-3"), 0);
  EXPECT_EQ(compare("9.99e2", "1e3"), -1);
  EXPECT_EQ(compare("-2", "-10"), 1);
  EXPECT_EQ(compare_numbers(Value::of_integer(INT64_MIN), Value::of_decimal("-9223372036854775808")), 0);
  EXPECT_EQ(compare_numbers(Value::of_integer(INT64_MAX), Value::of_decimal("9223372036854775807.1")), -1);
  EXPECT_EQ(compare_numbers(Value::of_integer(7), Value::of_integer(7)), 0);
}

TEST(Integer, HasSixtyFourBits) {
  std::int64_t n = 0;
  EXPECT_TRUE(parse_integer("-9223372036854775808", n));
  EXPECT_EQ(n, INT64_MIN);
  EXPECT_TRUE(parse_integer("007", n));
  EXPECT_EQ(n, 7);
  for (const char* wrong : {"9223372036854775808", "", "-", "+1", " 1", "1 ", "1.0", "1e3", "one"}) EXPECT_FALSE(parse_integer(wrong, n)) << wrong;
}

TEST(Value, IsWrittenAsTextAndAsJson) {
  const auto both = [](const Value& v) {
    std::string out;
    put_text(out, v);
    out += " ";
    put_json(out, v);
    return out;
  };
  EXPECT_EQ(both(Value::of_integer(INT64_MIN)), "-9223372036854775808 -9223372036854775808");
  EXPECT_EQ(both(Value::of_decimal("2.50")), "2.50 2.50");
  EXPECT_EQ(both(Value::of_boolean(true)), "true true");
  EXPECT_EQ(both(Value::of_string("a\"\n\x01")), "a\"\n\x01 \"a\\\"\\n\\u0001\"");
  EXPECT_EQ(both(Value::of_time(0)), "1970-01-01T00:00:00Z \"1970-01-01T00:00:00Z\"");
  EXPECT_EQ(both({}), " null");
}

}  // namespace
}  // namespace baton::cli
