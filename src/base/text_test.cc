// Bytes, hashes, times and names as text.
#include <gtest/gtest.h>

#include <limits>

#include "base/hex.h"
#include "base/sha256.h"
#include "base/suggest.h"
#include "base/time.h"

namespace baton::base {
namespace {

TEST(Suggest, TheNearestNameOrAllOfThem) {
  EXPECT_EQ(edit_distance("retention.byte", "retention.bytes"), 1u);
  EXPECT_EQ(edit_distance("Stream", "stream"), 0u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(suggest("colum", {"row", "column", "volume"}), "did you mean 'column'?");
  EXPECT_EQ(suggest("tpye", {"type", "tape"}), "did you mean 'type'?");  // the first of equals
  EXPECT_EQ(suggest("position", {"row", "id"}), "known are row, id");
  EXPECT_EQ(suggest(std::string(1'000, 'x'), {}), "known are ");
}

TEST(Hex, RoundTripsAndRefusesWhatIsNotHex) {
  const Bytes data = {std::byte{0x00}, std::byte{0xAB}, std::byte{0x7F}};
  EXPECT_EQ(to_hex(data), "00ab7f");
  EXPECT_EQ(from_hex("00AB7f"), data);
  EXPECT_EQ(from_hex("0"), std::nullopt);
  EXPECT_EQ(from_hex("0g"), std::nullopt);
}

// RFC 4648, section 10, without the padding.
TEST(Base64Url, GivesTheStandardsExamples) {
  const std::pair<const char*, const char*> examples[] = {
      {"", ""}, {"f", "Zg"}, {"fo", "Zm8"}, {"foo", "Zm9v"}, {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : examples) {
    EXPECT_EQ(to_base64url(as_bytes(plain)), coded);
    EXPECT_EQ(as_text(from_base64url(coded).value()), plain);
  }
  EXPECT_EQ(to_base64url(as_bytes("\xfb\xff")), "-_8");
}

TEST(Base64Url, EachByteSequenceHasOneText) {
  for (const char* text : {"Zg==", "Z", "Zh", "Zm9=", "Z m9v", "Zm8+", "Zm8/"}) {
    EXPECT_EQ(from_base64url(text), std::nullopt) << text;
  }
}

// FIPS 180-4, examples of the validation programme.
TEST(Sha256, GivesThePublishedDigests) {
  EXPECT_EQ(to_hex(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(sha256(as_bytes("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, PiecesAndCopiesGiveTheDigestOfTheWhole) {
  const std::string text(1000, 'x');
  Sha256 hash;
  hash.update(as_bytes(text).first(333));
  Sha256 copy = hash;
  hash.update(as_bytes(text).subspan(333));
  EXPECT_EQ(hash.finish(), sha256(as_bytes(text)));
  EXPECT_EQ(copy.finish(), sha256(as_bytes(text).first(333)));
}

TEST(Rfc3339, ParsesFractionsAndOffsets) {
  EXPECT_EQ(parse_rfc3339_ns("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(parse_rfc3339_ns("1970-01-01t00:00:01.000000001z"), 1'000'000'001);
  EXPECT_EQ(parse_rfc3339_ms("2024-03-01T01:29:59.5+01:30"), 1'709'251'199'500);
  EXPECT_EQ(parse_rfc3339_ms("1969-12-31 23:59:59.9999Z"), -1);
  EXPECT_EQ(parse_rfc3339_ms("2016-12-31T23:59:60Z"), parse_rfc3339_ms("2017-01-01T00:00:00Z"));
}

TEST(Rfc3339, RefusesWhatIsNotATime) {
  for (const char* text : {"", "2024-02-30T00:00:00Z", "2023-02-29T00:00:00Z", "2024-13-01T00:00:00Z", "2024-01-01T24:00:00Z",
                           "2024-01-01T00:60:00Z", "2024-01-01T00:00:61Z", "2024-01-01T00:00:00", "2024-01-01T00:00:00.Z",
                           "2024-01-01T00:00:00.1234567890Z", "2024-01-01T00:00:00+24:00", "2024-01-01T00:00:00+0100",
                           "2024-1-01T00:00:00Z", "2024-01-01T00:00:00Zx", "+024-01-01T00:00:00Z", "2024-01-01"}) {
    EXPECT_EQ(parse_rfc3339_ms(text), std::nullopt) << text;
  }
}

TEST(Rfc3339, NanosecondsReachTheEndsOfTheirRangeAndNotBeyond) {
  const auto lowest = std::numeric_limits<std::int64_t>::min();
  const auto highest = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(format_rfc3339_ns(lowest), "1677-09-21T00:12:43.145224192Z");
  EXPECT_EQ(format_rfc3339_ns(highest), "2262-04-11T23:47:16.854775807Z");
  EXPECT_EQ(parse_rfc3339_ns("1677-09-21T00:12:43.145224192Z"), lowest);
  EXPECT_EQ(parse_rfc3339_ns("1677-09-21T00:12:43.145224191Z"), std::nullopt);
  EXPECT_EQ(parse_rfc3339_ns("2262-04-11T23:47:16.854775807Z"), highest);
  EXPECT_EQ(parse_rfc3339_ns("2262-04-11T23:47:16.854775808Z"), std::nullopt);
  EXPECT_EQ(parse_rfc3339_ms("0000-01-01T00:00:00Z"), kMinUnixMs);
  EXPECT_EQ(parse_rfc3339_ms("0000-01-01T00:00:00+00:01"), std::nullopt);
  EXPECT_EQ(parse_rfc3339_ms("9999-12-31T23:59:59.999Z"), kMaxUnixMs);
}

TEST(Rfc3339, FormatsWithTheDigitsThatAreNeeded) {
  EXPECT_EQ(format_rfc3339_ns(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(format_rfc3339_ns(-1), "1969-12-31T23:59:59.999999999Z");
  EXPECT_EQ(format_rfc3339_ns(1'500'000'000), "1970-01-01T00:00:01.500Z");
  EXPECT_EQ(format_rfc3339_ms(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(format_rfc3339_ms(-1), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(format_rfc3339_ms(std::numeric_limits<std::int64_t>::max()), "9999-12-31T23:59:59.999Z");
}

TEST(Rfc3339, EveryTimeRoundTrips) {
  for (std::int64_t ns = std::numeric_limits<std::int64_t>::min(); ns < 9'200'000'000'000'000'000;
       ns += 12'345'678'912'345'678) {
    ASSERT_EQ(parse_rfc3339_ns(format_rfc3339_ns(ns)), ns);
  }
}

}  // namespace
}  // namespace baton::base
