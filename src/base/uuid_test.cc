#include "base/uuid.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>

namespace baton::base {
namespace {

TEST(Uuid, TextIsCanonicalAndParsedInEitherCase) {
  const auto id = parse_uuid("0190163D-8694-739b-AEA5-966c26f8ad91");
  ASSERT_TRUE(id);
  EXPECT_EQ(id->to_string(), "0190163d-8694-739b-aea5-966c26f8ad91");
  EXPECT_FALSE(id->is_nil());
  EXPECT_EQ(Uuid{}.to_string(), "00000000-0000-0000-0000-000000000000");
}

TEST(Uuid, AnyOtherTextIsRefused) {
  for (const char* text :
       {"", "0190163d8694739baea5966c26f8ad91", "{0190163d-8694-739b-aea5-966c26f8ad91}", "0190163d-8694-739b-aea5-966c26f8ad9",
        "0190163d-8694-739b-aea5-966c26f8ad9g", "0190163d-8694-739b-aea5_966c26f8ad91"}) {
    EXPECT_EQ(parse_uuid(text), std::nullopt) << text;
  }
}

// RFC 9562, appendix A.6.
TEST(Uuid, Version7IsLaidOutAsInTheStandardsExample) {
  EXPECT_EQ(uuid_v7(0x017F22E279B0, 0xCC3, 0x18C4DC0C0C07398F).to_string(), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
}

struct CountingRandom {
  int* fills;
  void operator()(MutableByteView out) {
    ++*fills;
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::byte>(i * 37 + static_cast<std::size_t>(*fills));
  }
};

TEST(UuidV7Source, IdsRiseThoughTheClockStandsOrGoesBack) {
  int fills = 0;
  UuidV7Source source(CountingRandom{&fills});
  Uuid last{};
  for (std::int64_t i = 0; i < 10'000; ++i) {
    const std::int64_t ms = 1'700'000'000'000 + (i < 5000 ? i / 100 : -i);
    const Uuid id = source.next(ms);
    ASSERT_LT(last, id) << i;
    ASSERT_EQ(id.to_string()[14], '7');
    last = id;
  }
  EXPECT_LT(fills, 150);
}

TEST(UuidV7Source, AMillisecondThatRunsOverBorrowsFromTheNext) {
  UuidV7Source source([](MutableByteView out) { std::memset(out.data(), 0xFF, out.size()); });
  Uuid last = source.next(5);
  for (int i = 0; i < 1000; ++i) {
    const Uuid id = source.next(5);
    ASSERT_LT(last, id);
    last = id;
  }
}

}  // namespace
}  // namespace baton::base
