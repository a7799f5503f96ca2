#include "store/position_codec.h"

#include <gtest/gtest.h>

namespace baton::store {
namespace {

constexpr log::TopicId kTopic{{0x0f, 0x3a, 0x96, 0xb1, 0xc2, 0xd4, 0xe5, 0xf6, 1, 2, 3, 4, 5, 6, 7, 8}};
constexpr log::TopicId kOther{{0xff, 0x3a, 0x96, 0xb1, 0xc2, 0xd4, 0xe5, 0xf6, 1, 2, 3, 4, 5, 6, 7, 8}};

EpochEnd always(std::int64_t end) {
  return [end](std::int32_t, log::Epoch) { return end; };
}

TEST(Position, IsWrittenAsTheFormatSaysAndReadBack) {
  EXPECT_EQ(make_position(kTopic, log::Epoch(3), 41).token, "p1.0f3a96b1c2d4e5f6.3.41");
  const std::vector<std::int64_t> offsets{7, kNoOffset, 0};
  const Position position = make_position(kTopic, log::Epoch(12), offsets);
  EXPECT_EQ(position.token, "p1.0f3a96b1c2d4e5f6.12.7,-,0");
  const auto parts = parse_position(position);
  ASSERT_TRUE(parts);
  EXPECT_EQ(parts->topic, "0f3a96b1c2d4e5f6");
  EXPECT_EQ(parts->epoch, log::Epoch(12));
  EXPECT_EQ(parts->offsets, offsets);
  EXPECT_TRUE(parse_position({}).value().is_beginning());
  EXPECT_TRUE(make_position(kTopic, log::Epoch(1), kNoOffset).is_beginning());
}

TEST(Position, PartitionsOfWhichNothingWasSeenAreCounted) {
  PositionContext context(kTopic, 1000);
  const Position position = context.position_of(2, 7, 3);
  EXPECT_EQ(position.token, "p1.0f3a96b1c2d4e5f6.3.-2,7,-997");
  std::vector<std::int64_t> expected(1000, kNoOffset);
  expected[2] = 7;
  EXPECT_EQ(parse_position(position).value().offsets, expected);
  EXPECT_EQ(make_position(kTopic, log::Epoch(3), expected), position);
  EXPECT_EQ(context.position_of(0, 7, 3).token, "p1.0f3a96b1c2d4e5f6.3.7,-999");
  EXPECT_EQ(context.position_of(999, 7, 3).token, "p1.0f3a96b1c2d4e5f6.3.-999,7");
  context.saw(log::PartitionId(998), 5, log::Epoch(3));
  EXPECT_EQ(context.position_of(999, 7, 3).token, "p1.0f3a96b1c2d4e5f6.3.-998,5,7");
  EXPECT_EQ(parse_position({"p1.0f3a96b1c2d4e5f6.3.-2048"}).value().offsets.size(), 2048U);
}

TEST(Position, TextThatIsNotOneIsRefused) {
  for (const auto* text : {"p1", "p1.", "p2.0f3a96b1c2d4e5f6.3.41", "p1.0f3a96b1c2d4e5f6.3.", "p1.0f3a96b1c2d4e5f6.3.41,", "p1.0f3a96b1c2d4e5f6..41",
                           "p1.0F3a96b1c2d4e5f6.3.41", "p1.0f3a96b1c2d4e5f.3.41", "p1.0f3a96b1c2d4e5f6.3", "p1.0f3a96b1c2d4e5f6.3.-1", "p1.0f3a96b1c2d4e5f6.3.-0", "p1.0f3a96b1c2d4e5f6.3.--", "p1.0f3a96b1c2d4e5f6.3.-02,1",
                           "p1.0f3a96b1c2d4e5f6.3.-2049", "p1.0f3a96b1c2d4e5f6.3.-2000,-2000", "p1.0f3a96b1c2d4e5f6.3.-99999999999999999999",
                           "p1.0f3a96b1c2d4e5f6.3.041", "p1.0f3a96b1c2d4e5f6.3.41 ", "p1.0f3a96b1c2d4e5f6.99999999999.41",
                           "p1.0f3a96b1c2d4e5f6.3.99999999999999999999", "41", " "}) {
    const auto parts = parse_position({text});
    ASSERT_FALSE(parts) << text;
    EXPECT_EQ(parts.error().code, Code::invalid_argument);
  }
}

TEST(Position, OneThatAgreesIsWhereToReadOn) {
  EXPECT_EQ(check_position({}, kTopic, 3, log::Epoch(1), always(0)).value(), (std::vector<std::int64_t>{0, 0, 0}));
  EXPECT_EQ(check_position({"p1.0f3a96b1c2d4e5f6.3.41"}, kTopic, 1, log::Epoch(3), always(42)).value(), (std::vector<std::int64_t>{42}));
  EXPECT_EQ(check_position({"p1.0f3a96b1c2d4e5f6.3.-,9"}, kTopic, 2, log::Epoch(3), always(10)).value(), (std::vector<std::int64_t>{0, 10}));
}

TEST(Position, OneOfALostTailOrAnotherStoreIsRefusedNeverMisread) {
  const auto code = [](const Position& p, const log::TopicId& topic, std::int32_t partitions, std::int32_t newest, std::int64_t end) {
    const auto r = check_position(p, topic, partitions, log::Epoch(newest), always(end));
    return r ? Code::internal : r.error().code;
  };
  const Position p{"p1.0f3a96b1c2d4e5f6.3.41"};
  EXPECT_EQ(code(p, kTopic, 1, 3, 41), Code::position_lost);
  EXPECT_EQ(code(p, kOther, 1, 3, 42), Code::position_lost);
  EXPECT_EQ(code(p, kTopic, 2, 3, 42), Code::position_lost);
  EXPECT_EQ(code(p, kTopic, 1, 2, 42), Code::position_lost);
  EXPECT_EQ(code({"p1.zz"}, kTopic, 1, 3, 42), Code::invalid_argument);
}

TEST(Position, AnEpochEndsWhereTheNextListedOneStarts) {
  const std::vector<log::EpochStart> table{{log::Epoch(1), log::Offset(0)}, {log::Epoch(4), log::Offset(10)}, {log::Epoch(5), log::Offset(10)},
                                           {log::Epoch(8), log::Offset(30)}};
  const log::VisibleOffset visible(35);
  EXPECT_EQ(epoch_end(table, log::Epoch(1), visible), 10);
  EXPECT_EQ(epoch_end(table, log::Epoch(3), visible), 10);
  EXPECT_EQ(epoch_end(table, log::Epoch(4), visible), 10);
  EXPECT_EQ(epoch_end(table, log::Epoch(6), visible), 30);
  EXPECT_EQ(epoch_end(table, log::Epoch(8), visible), 35);
  EXPECT_EQ(epoch_end(table, log::Epoch(9), visible), 35);
  EXPECT_EQ(epoch_end({}, log::Epoch(2), visible), 35);
  EXPECT_EQ(epoch_end(table, log::Epoch(6), log::VisibleOffset(20)), 20);
}

TEST(PositionContext, MergesWhatWasSeenInEachPartition) {
  PositionContext place(kTopic, 3);
  EXPECT_TRUE(place.position().is_beginning());
  EXPECT_EQ(place.position_of(1, 5, 2).token, "p1.0f3a96b1c2d4e5f6.2.-,5,-");
  place.saw(log::PartitionId(1), 5, log::Epoch(2));
  EXPECT_EQ(place.position_of(0, 0, 1).token, "p1.0f3a96b1c2d4e5f6.2.0,5,-");
  place.saw(log::PartitionId(0), 3, log::Epoch(4));
  EXPECT_EQ(place.position().token, "p1.0f3a96b1c2d4e5f6.4.3,5,-");

  PositionContext resumed(kTopic, 3);
  resumed.resume(std::vector<std::int64_t>{4, 6, 0}, log::Epoch(4));
  EXPECT_EQ(resumed.position(), place.position());

  PositionContext single(kTopic, 1);
  EXPECT_EQ(single.position_of(0, 41, 3).token, "p1.0f3a96b1c2d4e5f6.3.41");
}

}  // namespace
}  // namespace baton::store
