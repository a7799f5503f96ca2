#include "base/bytes.h"

#include <gtest/gtest.h>

#include <baton/result.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/strong.h"
#include "base/try.h"

namespace baton::base {
namespace {

TEST(Bytes, LittleAndBigEndianAreWrittenByteForByte) {
  Bytes out;
  put_le<std::uint32_t>(out, 0x01020304);
  put_be<std::uint16_t>(out, 0x0506);
  put_be<std::int64_t>(out, -2);
  const unsigned char expected[] = {4, 3, 2, 1, 5, 6, 255, 255, 255, 255, 255, 255, 255, 254};
  EXPECT_EQ(as_text(out), std::string_view(reinterpret_cast<const char*>(expected), sizeof expected));
  EXPECT_EQ(load_le<std::uint32_t>(out.data()), 0x01020304U);
  EXPECT_EQ(load_be<std::int64_t>(out.data() + 6), -2);
}

TEST(Buffer, KeepsItsBytesWhenItGrowsAndGivesThemAway) {
  Buffer buffer(as_bytes("one"));
  buffer.reserve(8);
  ASSERT_GE(buffer.room().size(), 5U);
  std::memcpy(buffer.room().data(), "two", 3);
  buffer.grow(3);
  buffer.reserve(1000);
  EXPECT_EQ(as_text(buffer.bytes()), "onetwo");
  const Buffer other = std::move(buffer);
  EXPECT_EQ(as_text(other.bytes()), "onetwo");
  EXPECT_EQ(buffer.size(), 0U);  // NOLINT(bugprone-use-after-move): that is what is asked
}

TEST(OwnedBytes, KeepWhatTheyAreAPartOfAndStayInTheirPlaceWhenTheyMove) {
  const auto whole = std::make_shared<Buffer>(as_bytes("head body"));
  const std::weak_ptr<Buffer> seen = whole;
  std::vector<OwnedBytes> all;
  all.emplace_back(whole->bytes().subspan(5), whole);
  all.emplace_back(Bytes(3, std::byte{'x'}));
  const auto* const place = all[1].data();
  for (int i = 0; i < 10; ++i) all.emplace_back(Bytes(1, std::byte{'y'}));
  EXPECT_EQ(as_text(all[0]), "body");
  EXPECT_EQ(all[1].data(), place);
  EXPECT_EQ(as_text(all[1]), "xxx");
  all[0].mutable_bytes()[0] = std::byte{'B'};
  EXPECT_EQ(as_text(whole->bytes()), "head Body");
  EXPECT_EQ(seen.use_count(), 2);
  all.clear();
  EXPECT_EQ(seen.use_count(), 1);
}

struct OffsetTag;
using Offset = Strong<OffsetTag>;

TEST(Strong, OrdersAndCounts) {
  Offset a(3);
  EXPECT_LT(a, Offset(4));
  EXPECT_EQ(++a, Offset(4));
  EXPECT_EQ(a.plus(6).value(), 10);
  EXPECT_EQ(std::hash<Offset>{}(a), std::hash<std::int64_t>{}(4));
}

Result<int> half(int n) {
  if (n % 2 != 0) return Error{Code::invalid_argument, "odd"};
  return n / 2;
}
Result<int> quarter(int n) {
  BATON_TRY_ASSIGN(const int h, half(n));
  BATON_TRY(half(h));
  return half(h);
}

TEST(Result, AnErrorIsHandedUpWithItsDetail) {
  EXPECT_EQ(*quarter(12), 3);
  const auto failed = quarter(6);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().to_string(), "invalid_argument: odd");
  EXPECT_EQ(failed.value_or(7), 7);
}

TEST(ResultDeathTest, TheValueOfAFailureEndsTheProcessAndSaysWhy) {
  EXPECT_DEATH((void)*half(3), "invalid_argument: odd");
  EXPECT_DEATH((void)half(2).error(), "successful Result");
}

TEST(CheckDeathTest, ABrokenInvariantEndsTheProcessAndSaysWhere) {
  BATON_CHECK(1 + 1 == 2, "arithmetic");
  EXPECT_DEATH(BATON_CHECK(1 + 1 == 3, "arithmetic"), "bytes_test.cc:.*1 \\+ 1 == 3: arithmetic");
}

// Stored in index runs, so they may never change.
TEST(Hash, ValuesAreStable) {
  EXPECT_EQ(hash64(std::string_view("")), 0x2D06800538D394C2U);
  EXPECT_EQ(hash64(std::string_view("ride-139545")), hash64(as_bytes("ride-139545"), 0));
  EXPECT_NE(hash64(std::string_view("ride-139545"), 1), hash64(std::string_view("ride-139545"), 2));
}

}  // namespace
}  // namespace baton::base
