// What is staged and not visible yet, by offset.
#include "store/round.h"

#include <gtest/gtest.h>

namespace baton::store {
namespace {

TEST(StagedEvents, AreFoundByTheirOffsetsUntilTheirRoundHasEnded) {
  StagedEvents staged;
  EXPECT_EQ(staged.find(log::Offset(0)), nullptr);
  staged.add(log::Offset(7), {.version = 1});
  staged.add(log::Offset(9), {.version = 2});  // 8 is a duplicate that was dropped
  EXPECT_EQ(staged.find(log::Offset(6)), nullptr);
  EXPECT_EQ(staged.find(log::Offset(7))->version, 1);
  EXPECT_EQ(staged.find(log::Offset(8))->event, nullptr);
  EXPECT_EQ(staged.find(log::Offset(9))->version, 2);
  staged.drop_below(log::Offset(9));
  EXPECT_EQ(staged.find(log::Offset(8)), nullptr);
  EXPECT_EQ(staged.find(log::Offset(9))->version, 2);
  staged.drop_below(log::Offset(10));
  EXPECT_TRUE(staged.empty());
}

TEST(StagedEvents, StayWhereTheyAreWhenARoundOfNothingButDuplicatesEndsBeforeThem) {
  StagedEvents staged;
  staged.add(log::Offset(10), {.version = 1});
  staged.drop_below(log::Offset(11));
  // A batch with the offsets 11 to 14, all duplicates, is on its way to the disk; another, 15 and 16, is decided; then events.
  staged.add(log::Offset(17), {.version = 2});
  staged.add(log::Offset(18), {.version = 3});
  staged.drop_below(log::Offset(15));
  EXPECT_EQ(staged.find(log::Offset(15)), nullptr);
  EXPECT_EQ(staged.find(log::Offset(16)), nullptr);
  EXPECT_EQ(staged.find(log::Offset(17))->version, 2);
  EXPECT_EQ(staged.find(log::Offset(18))->version, 3);
  staged.drop_below(log::Offset(19));
  EXPECT_TRUE(staged.empty());
}

}  // namespace
}  // namespace baton::store
