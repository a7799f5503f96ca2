// Large batches that nobody is about to read go past the page cache (docs/decisions/003), with the same guarantees as all others.
#include <string>

#include "log/log_failures_for_test.h"

namespace baton::log {
namespace {

class LogDirect : public LogFailures {
 protected:
  static LogOptions options() { return {.in_place_bytes = 2000}; }
  void start(TopicKind kind = TopicKind::plain, const Settings& settings = {}) {
    open(options());
    make_topic(settings, kind);
  }
  std::string large() { return std::string(2500, static_cast<char>('a' + appended_++ % 26)); }
  // Whether the next large batch goes past the page cache.
  bool goes_direct() {
    const auto before = world_.disk().counters().direct_writes;
    EXPECT_OK(append(large()));
    return world_.disk().counters().direct_writes > before;
  }
  void expect_kept(std::size_t count) {
    const auto before = values();
    EXPECT_EQ(before.size(), count);
    lose_power();
    open(options());
    EXPECT_EQ(values(), before);
  }

  int appended_ = 0;
};

TEST_F(LogDirect, ARunOfLargeBatchesDoesAndIsThereAfterAPowerLoss) {
  start();
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(goes_direct());
  expect_kept(5);
}

TEST_F(LogDirect, SmallBatchesAndTheFirstLargeOneAfterThemDoNot) {
  start();
  ASSERT_OK(append("small"));
  EXPECT_FALSE(goes_direct());
  EXPECT_TRUE(goes_direct());
  ASSERT_OK(append("small"));
  EXPECT_FALSE(goes_direct());
  EXPECT_TRUE(goes_direct());
  expect_kept(6);
}

TEST_F(LogDirect, OfSeveralBatchesInOneRoundAllOrNoneDo) {
  start();
  EXPECT_TRUE(goes_direct());
  const auto before = world_.disk().counters().direct_writes;
  for (const std::string& value : {large(), std::string("small"), large()}) ASSERT_OK(log_->stage(key_, make_batch(value, log_->append_time_ms())));
  auto job = log_->begin_flush();
  job->run();
  ASSERT_OK(log_->end_flush(std::move(job)));
  EXPECT_EQ(world_.disk().counters().direct_writes, before + 1);
  expect_kept(4);
}

// Of an event topic, whose records stay in the page cache. A round that is in the journal has one sync, one in place has two.
TEST_F(LogDirect, ARoundOfSmallBatchesGoesInPlaceFromFourTimesTheSizeOfALargeBatch) {
  start(TopicKind::event);
  ASSERT_OK(append("first"));
  const auto syncs_of = [&](int batches) {
    for (int i = 0; i < batches; ++i) EXPECT_OK(log_->stage(key_, make_batch(std::string(900, static_cast<char>('a' + i)), log_->append_time_ms())));
    const auto before = world_.disk().counters().syncs;
    auto job = log_->begin_flush();
    job->run();
    const auto syncs = world_.disk().counters().syncs - before;
    EXPECT_OK(log_->end_flush(std::move(job)));
    return syncs;
  };
  EXPECT_EQ(syncs_of(3), 1U);
  EXPECT_EQ(syncs_of(9), 2U);
  EXPECT_EQ(syncs_of(3), 1U);
  ASSERT_OK(append(large()));
  expect_kept(17);
}

// Of a plain topic that nobody reads: small batches that are much together go past the page cache again behind the first such round.
TEST_F(LogDirect, RoundsOfManySmallBatchesGoPastTheCacheAgainAfterASmallOne) {
  start();
  const auto direct = [&](int batches) {
    for (int i = 0; i < batches; ++i) EXPECT_OK(log_->stage(key_, make_batch(std::string(900, static_cast<char>('a' + i)), log_->append_time_ms())));
    const auto before = world_.disk().counters().direct_writes;
    auto job = log_->begin_flush();
    job->run();
    EXPECT_OK(log_->end_flush(std::move(job)));
    return world_.disk().counters().direct_writes > before;
  };
  EXPECT_TRUE(direct(4));
  EXPECT_FALSE(direct(1));
  EXPECT_FALSE(direct(4));
  EXPECT_TRUE(direct(4));
  expect_kept(13);
}

TEST_F(LogDirect, APartitionThatIsReadKeepsItsRecordsInTheCacheUntilTheReaderHasLeft) {
  start(TopicKind::plain, {{"segment.bytes", "8192"}});
  EXPECT_TRUE(goes_direct());
  EXPECT_EQ(values().size(), 1U);
  // The rest of this segment, and the one after it: somebody read in the one before.
  const auto segments = [&] { return world_.disk().files().size(); };
  auto files = segments();
  for (int begun = 0; begun < 2;) {
    const bool direct = goes_direct();
    if (segments() > files) ++begun, files = segments();
    if (begun < 2) EXPECT_FALSE(direct);
    if (begun == 2) EXPECT_TRUE(direct);
  }
  EXPECT_TRUE(goes_direct());
  expect_kept(static_cast<std::size_t>(appended_));
}

TEST_F(LogDirect, AReaderAtTheEndOfThePartitionCountsToo) {
  start();
  EXPECT_TRUE(goes_direct());
  EXPECT_FALSE(log_->reader(key_)->slice(Offset(1), 1000, Offset(10))->has_value());
  EXPECT_FALSE(goes_direct());
}

TEST_F(LogDirect, EventTopicsAndOtherDurabilitiesDoNot) {
  start(TopicKind::event);
  EXPECT_FALSE(goes_direct());
  EXPECT_FALSE(goes_direct());
  const auto id = log_->create_topic("soon", TopicKind::plain, 1, {{"durability", "interval"}});
  ASSERT_OK(id);
  key_ = {*id, PartitionId(0)};
  EXPECT_FALSE(goes_direct());
  EXPECT_FALSE(goes_direct());
}

// A direct write writes its last sector to the end: nothing else may have been put there meanwhile.
TEST_F(LogDirect, WhatIsStagedBesideADirectWriteIsNotOverwritten) {
  start();
  EXPECT_TRUE(goes_direct());
  ASSERT_OK(log_->stage(key_, make_batch(large(), log_->append_time_ms())));
  auto job = log_->begin_flush();
  EXPECT_EQ(values().size(), 1U);  // from now on, batches go through the cache
  ASSERT_OK(log_->stage(key_, make_batch(large(), log_->append_time_ms())));
  job->run();
  ASSERT_OK(log_->end_flush(std::move(job)));
  job = log_->begin_flush();
  job->run();
  ASSERT_OK(log_->end_flush(std::move(job)));
  expect_kept(3);
}

TEST_F(LogDirect, ADiskThatFillsUpRefusesAndNothingEnds) {
  // Each takes a file to its last bytes in another way: an append is refused, and nothing ends.
  for (std::uint64_t room = 70'000; room < 75'000; room += 150) {
    open(options());
    const auto id = log_->create_topic("rides-" + std::to_string(room), TopicKind::plain, 1, {});
    ASSERT_OK(id);
    key_ = {*id, PartitionId(0)};
    world_.disk().faults.capacity_bytes = world_.disk().used_bytes() + room;
    std::size_t kept = 0;
    Status last;
    while ((last = append(large())).ok()) ++kept;
    EXPECT_EQ(last.error().code, Code::no_space) << room << ": " << last.error().to_string();
    EXPECT_FALSE(log_->failed());
    world_.disk().faults = {};
    expect_kept(kept);
    lose_power();
  }
}

TEST_F(LogDirect, AcknowledgedIsThereWheneverThePowerGoes) {
  for (std::uint64_t at = 1; at < 60; ++at) {
    open(options());
    const auto id = log_->create_topic("rides-" + std::to_string(at), TopicKind::plain, 1, {});
    ASSERT_OK(id);
    key_ = {*id, PartitionId(0)};
    world_.disk().faults.power_loss_at = world_.disk().counters().mutations + at;
    std::vector<std::string> acknowledged;
    for (int i = 0; i < 6; ++i) {
      const std::string value = large();
      if (append(value).ok()) acknowledged.push_back(value);
    }
    lose_power();
    open(options());
    auto found = values();
    ASSERT_GE(found.size(), acknowledged.size()) << at;
    for (const auto& value : acknowledged) EXPECT_TRUE(std::ranges::any_of(found, [&](const auto& record) { return record.second == value; })) << at;
    lose_power();
  }
  EXPECT_GT(world_.disk().counters().direct_writes, 60U);
}

}  // namespace
}  // namespace baton::log
