// A disk that is full, and records that leave: F13, F14, F24, F27.
#include <algorithm>

#include "log/log_failures_for_test.h"

namespace baton::log {
namespace {

TEST_F(LogFailures, F13AFullDiskRefusesAppendsAndGoesOnWhenThereIsRoom) {
  open();
  make_topic();
  ASSERT_OK(append("a"));
  world_.disk().faults.capacity_bytes = world_.disk().used_bytes();
  Status status;
  std::size_t taken = 1;
  for (int i = 0; i < 20'000 && status.ok(); ++i) {
    status = append(std::string(3000, 'x'));
    taken += status.ok() ? 1 : 0;
  }
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Code::no_space);
  EXPECT_FALSE(log_->failed());
  EXPECT_EQ(values().size(), taken);
  world_.disk().faults.capacity_bytes = std::uint64_t{1} << 40;
  ASSERT_OK(append("after"));
  EXPECT_EQ(values().size(), taken + 1);
  kill();
  open();
  EXPECT_EQ(values().size(), taken + 1);
}

TEST_F(LogFailures, F13AFullDiskIsToldOnceAMinuteAndSoIsThatThereIsRoomAgain) {
  open();
  make_topic();
  const auto fill = [&] {
    world_.disk().faults.capacity_bytes = world_.disk().used_bytes();
    Status status;
    for (int i = 0; i < 20'000 && status.ok(); ++i) status = append(std::string(3000, 'x'));
    EXPECT_EQ(append("y" + std::string(3000, 'x')).error().code, Code::no_space);
  };
  const auto room = [&] {
    world_.disk().faults.capacity_bytes = std::uint64_t{1} << 40;
    ASSERT_OK(append(std::string(3000, 'x')));
  };
  ASSERT_OK(append("a"));
  ASSERT_TRUE(warnings_.empty());
  fill();
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_TRUE(warnings_[0].starts_with("appends are refused: ")) << warnings_[0];
  EXPECT_EQ(check_room(env_->fs(), kDirectory).error().code, Code::no_space);
  room();
  ASSERT_OK(check_room(env_->fs(), kDirectory));
  ASSERT_EQ(warnings_.size(), 2U);
  EXPECT_EQ(warnings_[1], "there is room on the disk again: 2 batches were refused");
  fill();
  room();
  EXPECT_EQ(warnings_.size(), 2U) << "within the minute";
  world_.advance(60'000'000'000);
  fill();
  room();
  ASSERT_EQ(warnings_.size(), 4U);
  EXPECT_EQ(warnings_[3], "there is room on the disk again: 4 batches were refused");
}

TEST_F(LogFailures, F14AReserveIsKeptWithWhichAFullStoreClosesAndOpens) {
  reserve_ = 1 << 20;
  open();
  make_topic();
  world_.disk().faults.capacity_bytes = world_.disk().used_bytes() + (4 << 20);
  Status status;
  for (int i = 0; i < 20'000 && status.ok(); ++i) status = append(std::string(3000, 'x'));
  EXPECT_EQ(status.error().code, Code::no_space);
  EXPECT_GE(world_.disk().faults.capacity_bytes - world_.disk().used_bytes(), reserve_);
  ASSERT_OK(log_->create_topic("small", TopicKind::event, 1, {}));
  const auto count = values().size();
  ASSERT_OK(log_->close());
  stop();
  open();
  EXPECT_EQ(values().size(), count);
}

TEST_F(LogFailures, F14WhatTheServerItselfMustWriteComesOutOfTheReserve) {
  reserve_ = 1 << 20;
  open();
  const auto own = log_->create_topic("__baton_groups", TopicKind::plain, 1, {});
  ASSERT_OK(own);
  make_topic();
  world_.disk().faults.capacity_bytes = world_.disk().used_bytes() + (4 << 20);
  Status status;
  for (int i = 0; i < 20'000 && status.ok(); ++i) status = append(std::string(3000, 'x'));
  ASSERT_EQ(status.error().code, Code::no_space);
  const PartitionKey clients = std::exchange(key_, {*own, PartitionId(0)});
  int written = 0;
  for (status = {}; written < 20'000 && status.ok(); ++written) status = append(std::string(500, 'y'));
  EXPECT_EQ(status.error().code, Code::no_space);
  EXPECT_GT(written, 100);
  EXPECT_GE(world_.disk().faults.capacity_bytes - world_.disk().used_bytes(), reserve_ / 2) << "the rest is for the close";
  key_ = clients;
  EXPECT_EQ(append("x").error().code, Code::no_space);
  for (const auto& warning : warnings_) EXPECT_FALSE(warning.starts_with("there is room")) << "not for clients";
  ASSERT_OK(log_->close());
  stop();
  open();
  key_ = {*own, PartitionId(0)};
  EXPECT_EQ(values().size(), static_cast<std::size_t>(written) - 1);
}

TEST_F(LogFailures, ASegmentEndsByItsAgeSoThatWhatItHoldsCanLeave) {
  constexpr std::int64_t kMinuteNs = 60'000'000'000;
  const auto look = [&] {
    ASSERT_OK(log_->apply_retention({}));
    world_.run_until_idle();  // seals
    ASSERT_OK(log_->apply_retention({}));
    world_.run_until_idle();
  };
  const auto start = [&] { return log_->reader(key_)->bounds().log_start; };
  open();
  make_topic({{"retention.ms", "3600000"}}, TopicKind::plain);
  ASSERT_OK(append("a"));
  ASSERT_OK(append("b"));
  world_.advance(30 * kMinuteNs);
  look();
  EXPECT_EQ(log_->stats().at(0).segments, 1U);
  ASSERT_OK(append("c"));
  world_.advance(31 * kMinuteNs);
  look();
  EXPECT_EQ(log_->stats().at(0).segments, 2U) << "a is too old";
  EXPECT_EQ(values().size(), 3U) << "c is not";
  ASSERT_OK(append("d"));
  world_.advance(30 * kMinuteNs);
  look();
  EXPECT_EQ(start(), Offset(3));
  EXPECT_EQ(values(), (Values{{3, "d"}}));
  world_.advance(120 * kMinuteNs);
  look();
  EXPECT_EQ(start(), Offset(4)) << "also the last one";
  for (const bool power : {false, true}) {
    os::SimEnv second(world_);
    auto owner = second.make_executor("owner");
    auto worker = second.make_executor("worker");
    const auto beside = Log::open(second, kDirectory, {.read_only = true}, *owner, *worker);
    ASSERT_OK(beside);
    EXPECT_EQ((*beside)->reader(key_)->bounds().visible, log_->reader(key_)->bounds().visible);
    EXPECT_EQ((*beside)->reader(key_)->bounds().log_start, Offset(4));
    if (power) lose_power();
    else kill();
    open();
    EXPECT_EQ(start(), Offset(4));
    look();
    ASSERT_OK(append("e"));
    EXPECT_EQ(values().back(), (Values::value_type{power ? 5 : 4, "e"}));
  }
}

TEST_F(LogFailures, F24AWallClockThatJumpsMovesNeitherTimeNorRetention) {
  open();
  make_topic({{"segment.bytes", "4096"}, {"retention.ms", "3600000"}}, TopicKind::plain);
  for (int i = 0; i < 20; ++i) ASSERT_OK(append(std::string(1500, 'x')));
  world_.run_until_idle();
  const auto before = log_->append_time_ms();
  world_.step_wall_ms(10LL * 365 * 24 * 3600 * 1000);
  EXPECT_LT(log_->append_time_ms() - before, 1000);
  ASSERT_OK(log_->apply_retention({}));
  EXPECT_EQ(log_->reader(key_)->bounds().log_start, Offset(0));
  ASSERT_OK(log_->close());
  stop();
  // Opened ten years ahead: time goes on from the last record, and nothing is removed until somebody says that the clock is right.
  open();
  EXPECT_LT(log_->append_time_ms() - before, 60'000);
  ASSERT_FALSE(warnings_.empty());
  ASSERT_OK(log_->apply_retention({}));
  EXPECT_EQ(log_->reader(key_)->bounds().log_start, Offset(0));
  ASSERT_OK(log_->confirm_clock());
  ASSERT_OK(log_->apply_retention({}));
  EXPECT_GT(log_->reader(key_)->bounds().log_start, Offset(0));
  ASSERT_OK(log_->close());
  stop();
  // And back by an hour: it does not go back.
  const auto last = world_.wall_ms();
  world_.step_wall_ms(-3'600'000);
  open();
  EXPECT_GE(log_->append_time_ms(), last - 60'000);
}

TEST_F(LogFailures, F27RetentionThatIsKilledAnywhereIsCompletedAndRemovesNothingElse) {
  for (std::uint64_t at = 1; at < 25; ++at) {
    open();
    const auto id = log_->create_topic("t" + std::to_string(at), TopicKind::plain, 1, {{"segment.bytes", "4096"}, {"retention.bytes", "9000"}});
    ASSERT_OK(id);
    key_ = {*id, PartitionId(0)};
    for (int i = 0; i < 16; ++i) ASSERT_OK(append(std::string(1500, 'x') + std::to_string(i)));
    world_.run_until_idle();
    world_.disk().faults.power_loss_at = world_.disk().counters().mutations + at;
    (void)log_->apply_retention({});
    world_.run_until_idle();
    lose_power();
    open();
    const auto got = values();
    ASSERT_FALSE(got.empty());
    EXPECT_EQ(got.back().first, 15);
    EXPECT_GE(log_->reader(key_)->bytes(), 9000u);
    EXPECT_EQ(got.size(), static_cast<std::size_t>(16 - log_->reader(key_)->bounds().log_start.value()));
    ASSERT_OK(log_->close());
    stop();
    const auto report = [&] {
      os::SimEnv env(world_);
      return verify(env, kDirectory, std::nullopt, {});
    }();
    ASSERT_OK(report);
    EXPECT_TRUE(report->findings.empty()) << report->findings.front().file << ": " << report->findings.front().what;
  }
}

}  // namespace
}  // namespace baton::log
