#include "cli/kafka_offsets.h"

#include <gtest/gtest.h>

namespace baton::cli {
namespace {

using Kind = OffsetSpec::Kind;
constexpr OffsetSpan kSpan{10, 20};

std::int64_t at(const std::string& text, OffsetSpan span = kSpan, std::optional<std::int64_t> at_time = std::nullopt) {
  return resolve_offset(*parse_offset_spec(text, "--from"), span, at_time).offset;
}

TEST(KafkaOffsetsTest, APlaceHasManySpellings) {
  for (const char* text : {"beginning", "earliest"}) EXPECT_EQ(parse_offset_spec(text, "--from")->kind, Kind::beginning);
  for (const char* text : {"end", "latest"}) EXPECT_EQ(parse_offset_spec(text, "--from")->kind, Kind::end);
  EXPECT_EQ(parse_offset_spec("17", "--from")->value, 17);
  EXPECT_EQ(parse_offset_spec("-3", "--from")->kind, Kind::before_end);
  EXPECT_EQ(parse_offset_spec("-3", "--from")->value, 3);
  EXPECT_EQ(parse_offset_spec("-9223372036854775808", "--from")->value, INT64_MAX);
  EXPECT_EQ(parse_offset_spec("1970-01-01T00:00:02Z", "--from")->value, 2000);
}

TEST(KafkaOffsetsTest, WhatIsNoPlaceIsRefusedByTheNameOfItsOption) {
  for (const char* text : {"", "start", "1.5", "17x", "9223372036854775808", "1969-01-01T00:00:00Z", "2026-01-02"}) {
    const auto spec = parse_offset_spec(text, "--to");
    ASSERT_FALSE(spec) << text;
    EXPECT_TRUE(spec.error().detail.starts_with("--to '" + std::string(text) + "' is none of")) << spec.error().detail;
  }
}

TEST(KafkaOffsetsTest, APlaceIsMovedIntoWhatThereIs) {
  EXPECT_EQ(at("beginning"), 10);
  EXPECT_EQ(at("end"), 20);
  EXPECT_EQ(at("15"), 15);
  EXPECT_EQ(at("20"), 20);
  EXPECT_EQ(at("3"), 10);
  EXPECT_EQ(at("99"), 20);
  EXPECT_EQ(at("-4"), 16);
  EXPECT_EQ(at("-400"), 10);
  EXPECT_EQ(at("-9223372036854775808"), 10);
  EXPECT_TRUE(resolve_offset({Kind::offset, 3}, kSpan, {}).moved);
  EXPECT_FALSE(resolve_offset({Kind::offset, 20}, kSpan, {}).moved);
  EXPECT_FALSE(resolve_offset({Kind::before_end, 400}, kSpan, {}).moved);
}

TEST(KafkaOffsetsTest, ATimeBehindTheLastRecordIsTheEnd) {
  EXPECT_EQ(at("2026-01-01T00:00:00Z", kSpan, 12), 12);
  EXPECT_EQ(at("2026-01-01T00:00:00Z"), 20);
}

TEST(KafkaOffsetsTest, LagCountsWhatCanStillBeRead) {
  EXPECT_EQ(lag_of(std::nullopt, kSpan), std::nullopt);
  EXPECT_EQ(lag_of(20, kSpan), 0);
  EXPECT_EQ(lag_of(13, kSpan), 7);
  EXPECT_EQ(lag_of(2, kSpan), 10);
  EXPECT_EQ(lag_of(25, kSpan), 0);
}

}  // namespace
}  // namespace baton::cli
