#include "server/budget.h"

#include <gtest/gtest.h>

namespace baton::server {
namespace {

constexpr auto kChunk = Budget::kChunk;

class BudgetTest : public testing::Test {
 protected:
  bool ask(std::uint64_t reader) {
    return budget_.ask(reader, now_ns_, [this, reader] { resumed_.push_back(reader); });
  }
  Budget budget_{4 * kChunk, 100};
  std::int64_t now_ns_ = 1000;
  std::uint64_t a_ = budget_.new_reader(), b_ = budget_.new_reader(), c_ = budget_.new_reader();
  std::vector<std::uint64_t> resumed_;
};

TEST_F(BudgetTest, ThoseWhoWaitAreResumedInTheirOrder) {
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(ask(a_));
    budget_.redeem(a_, kChunk);
  }
  budget_.hand_over(a_, 4 * kChunk);
  EXPECT_FALSE(ask(b_));
  EXPECT_FALSE(ask(c_));
  EXPECT_FALSE(ask(a_));
  budget_.release(1);
  EXPECT_EQ(resumed_, (std::vector{b_}));
  budget_.redeem(b_, 1);
  EXPECT_EQ(resumed_, (std::vector{b_}));
  budget_.release(2);
  EXPECT_EQ(resumed_, (std::vector{b_, c_}));
  EXPECT_EQ(budget_.waiting(), 1u);
}

TEST_F(BudgetTest, GrantsThatAreNotRedeemedYetCount) {
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(ask(a_));
  EXPECT_FALSE(ask(b_));
  budget_.redeem(a_, 0);
  EXPECT_EQ(resumed_, (std::vector{b_}));
}

TEST_F(BudgetTest, WhenAllBelongsToPartsOneMayCompleteItsFrame) {
  for (const auto reader : {a_, b_, a_, b_}) {
    ASSERT_TRUE(ask(reader));
    budget_.redeem(reader, kChunk);
  }
  EXPECT_TRUE(ask(b_));  // goes beyond
  EXPECT_FALSE(ask(a_));
  budget_.redeem(b_, kChunk);
  EXPECT_EQ(resumed_, std::vector<std::uint64_t>{});  // while b waits for its client, nobody else goes beyond
  EXPECT_TRUE(ask(b_));
  budget_.redeem(b_, kChunk);
  budget_.hand_over(b_, 4 * kChunk);
  EXPECT_EQ(resumed_, std::vector<std::uint64_t>{});
  budget_.release(4 * kChunk);
  EXPECT_EQ(resumed_, std::vector{a_});
}

TEST_F(BudgetTest, WhoDoesNotGoOnMustGoWhenOthersHaveWaitedForLong) {
  for (const auto reader : {a_, b_, b_, b_}) {
    ASSERT_TRUE(ask(reader));
    budget_.redeem(reader, kChunk);
  }
  EXPECT_FALSE(budget_.must_go(b_, now_ns_ + 1000)) << "nobody waits";
  ASSERT_TRUE(ask(a_));  // beyond the limit,
  budget_.redeem(a_, 1);
  EXPECT_FALSE(ask(b_));
  EXPECT_FALSE(ask(c_));
  EXPECT_FALSE(budget_.must_go(a_, now_ns_ + 100));
  EXPECT_FALSE(budget_.must_go(b_, now_ns_ + 101)) << "it waits itself, though it holds most";
  EXPECT_FALSE(budget_.must_go(a_, now_ns_ + 101)) << "it may be at it";
  EXPECT_TRUE(budget_.must_go(a_, now_ns_ + 300)) << "and is not";
  budget_.leave(a_, kChunk + 1);
  EXPECT_EQ(resumed_, std::vector{b_});
}

TEST_F(BudgetTest, WhoMayGoOnHasTimeForItAndWhoElseHoldsMostMustGo) {
  for (const auto reader : {a_, b_, b_, b_}) {
    ASSERT_TRUE(ask(reader));
    budget_.redeem(reader, kChunk);
  }
  EXPECT_TRUE(ask(a_));
  budget_.redeem(a_, 1);
  EXPECT_FALSE(ask(c_));
  EXPECT_FALSE(budget_.must_go(a_, now_ns_ + 101));
  EXPECT_TRUE(budget_.must_go(b_, now_ns_ + 101));
  budget_.leave(b_, 3 * kChunk);
  EXPECT_EQ(resumed_, std::vector{c_});
}

TEST_F(BudgetTest, NobodyMustGoForRequestsThatAreInHandlers) {
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(ask(a_));
    budget_.redeem(a_, kChunk);
  }
  budget_.hand_over(a_, 3 * kChunk);
  EXPECT_FALSE(ask(c_));
  EXPECT_FALSE(budget_.must_go(a_, now_ns_ + 1000));
}

TEST_F(BudgetTest, WhoLeavesMakesRoom) {
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(ask(a_));
    budget_.redeem(a_, kChunk);
  }
  EXPECT_TRUE(ask(a_));
  EXPECT_FALSE(ask(b_));
  EXPECT_FALSE(ask(c_));
  budget_.leave(b_, 0);
  budget_.redeem(a_, 0);
  EXPECT_EQ(resumed_, std::vector{c_});  // a had nothing to read
  budget_.redeem(c_, kChunk);
  budget_.leave(a_, 4 * kChunk);
  budget_.leave(c_, kChunk);
  EXPECT_EQ(budget_.used(), 0u);
}

}  // namespace
}  // namespace baton::server
