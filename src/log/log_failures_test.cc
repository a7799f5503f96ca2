// The failure statements F1 to F12 and F17 to F23, each on a simulated machine; F13, F14, F24 and F27 are in log_space_test.cc, long histories in log_sim_test.cc.
#include <algorithm>
#include <map>

#include "base/crc32c.h"
#include "log/log_failures_for_test.h"

namespace baton::log {
namespace {

TEST_F(LogFailures, F1AKillBeforeOrAfterAnyChangeLosesNothingAcknowledged) {
  for (std::uint64_t at = 1; at < 60; ++at) {
    open();
    if (key_ == PartitionKey{}) make_topic();
    const auto before = values().size();
    env_->kill_in(at);
    std::size_t acknowledged = before;
    for (int i = 0; i < 6; ++i) acknowledged += append("v").ok() && env_->alive() ? 1 : 0;
    (void)log_->close();
    kill();
    open();
    const auto now = values().size();
    EXPECT_GE(now, acknowledged) << at;
    EXPECT_LE(now, before + 6) << at;
    kill();
  }
}

TEST_F(LogFailures, F2APowerLossInAnyChangeLeavesAPrefixWithAllThatWasAcknowledged) {
  for (std::uint64_t at = 1; at < 80; ++at) {
    open();
    if (key_ == PartitionKey{}) make_topic();
    const auto before = values();
    world_.disk().faults.power_loss_at = world_.disk().counters().mutations + at;
    std::size_t acknowledged = before.size();
    for (int i = 0; i < 8; ++i) acknowledged += append("v" + std::to_string(before.size() + i)).ok() && env_->alive() ? 1 : 0;
    (void)log_->close();
    lose_power();
    open();
    const auto now = values();
    ASSERT_GE(now.size(), acknowledged) << at;
    ASSERT_LE(now.size(), before.size() + 8) << at;
    for (std::size_t i = before.size(); i < now.size(); ++i) EXPECT_EQ(now[i].second, "v" + std::to_string(i));
    lose_power();
  }
}

TEST_F(LogFailures, F3AJournalCutAtAnyByteIsCutToItsLastWholeRound) {
  open();
  make_topic();
  for (const char* value : {"a", "b", "c"}) ASSERT_OK(append(value));
  const auto positions = record_positions();  // base, a, b, c, end
  ASSERT_EQ(positions.size(), 5u);
  const auto path = journal();
  lose_power();
  const auto whole = *world_.disk().read(path);
  // Before the last round: what is behind is gone altogether, as after a write that never came.
  for (std::uint64_t cut = positions[3]; cut <= positions[4]; cut += 13) {
    world_.disk().write(path, base::ByteView(whole).first(cut));
    for (const auto& file : world_.disk().files()) {
      if (file.path.starts_with("/data/journal/") && file.path > path) world_.disk().remove(file.path);
    }
    open();
    const auto got = values();
    const bool last_is_there = got.size() == 3;
    EXPECT_GE(got.size(), 2u) << cut;
    EXPECT_EQ(last_is_there, cut >= positions[3] + kRecordFixedBytes + kPartBytes + make_batch("c").size()) << cut;
    lose_power();
  }
}

TEST_F(LogFailures, F4GarbageOrZerosBehindTheEndAreNoRecords) {
  open();
  make_topic();
  ASSERT_OK(append("a"));
  const auto end = record_positions().back();
  const auto path = journal();
  kill();
  auto bytes = *world_.disk().read(path);
  for (std::size_t i = end; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 7919 >> 5);
  world_.disk().write(path, bytes);
  open();
  EXPECT_EQ(values(), (Values{{0, "a"}}));
}

TEST_F(LogFailures, F5ABatchOfSeveralRecordsIsThereWholeOrNotAtAll) {
  for (std::uint64_t at = 1; at < 30; ++at) {
    open();
    if (key_ == PartitionKey{}) make_topic();
    const auto before = values().size();
    world_.disk().faults.power_loss_at = world_.disk().counters().mutations + at;
    (void)append(std::string(700, 'x'), 5);
    lose_power();
    open();
    EXPECT_EQ((values().size() - before) % 5, 0u) << at;
    lose_power();
  }
}

TEST_F(LogFailures, F6ARecoveryThatIsInterruptedThreeTimesEndsTheSame) {
  LogOptions options{.in_place_bytes = 2000};
  open(options);
  make_topic({{"segment.bytes", "4096"}});
  for (int i = 0; i < 12; ++i) ASSERT_OK(append(std::string(i % 3 == 0 ? 2500 : 300, 'x') + std::to_string(i)));
  const auto all = values();
  lose_power();
  for (std::uint64_t at = 1; at < 40; ++at) {
    for (int times = 0; times < 3; ++times) {
      env_ = std::make_unique<os::SimEnv>(world_);
      owner_ = env_->make_executor("owner");
      worker_ = env_->make_executor("worker");
      world_.disk().faults.power_loss_at = world_.disk().counters().mutations + at;
      (void)try_open(options);
      lose_power();
    }
    open(options);
    EXPECT_EQ(values(), all) << at;
    lose_power();
  }
}

TEST_F(LogFailures, F7WhatRecoveryServesSurvivesTheNextPowerLoss) {
  open();
  make_topic();
  ASSERT_OK(append("a"));
  world_.disk().faults.fail_sync_at = world_.disk().counters().syncs + 1;
  EXPECT_FALSE(append("b").ok());  // in the page cache, and perhaps nowhere else for ever
  kill();
  world_.disk().faults = {};
  open();
  const auto served = values();
  lose_power();
  open();
  EXPECT_EQ(values(), served);
}

TEST_F(LogFailures, F8DamageInTheLastUnacknowledgedRoundIsCutAndReported) {
  open();
  make_topic();
  ASSERT_OK(append("a"));
  ASSERT_OK(append("b"));
  const auto positions = record_positions();
  const auto path = journal();
  lose_power();
  flip(path, positions[2] + 70);
  open();
  EXPECT_EQ(values(), (Values{{0, "a"}}));
  ASSERT_FALSE(warnings_.empty());
  EXPECT_NE(warnings_.front().find("position " + std::to_string(positions[2])), std::string::npos) << warnings_.front();
}

TEST_F(LogFailures, F9DamageBelowTheDurableMarkIsRefusedWithFileAndPositionAndNothingIsChanged) {
  open();
  make_topic();
  for (const char* value : {"a", "b", "c"}) ASSERT_OK(append(value));
  mark();
  const auto positions = record_positions();
  ASSERT_EQ(positions.size(), 6u);
  const auto path = journal();
  kill();
  for (std::size_t i = 0; i < 4; ++i) {  // the base record, and the rounds of a, b, c
    flip(path, positions[i] + 20);
    const auto before = world_.disk().read(path);
    const auto refused = try_open();
    ASSERT_FALSE(refused.ok()) << i;
    EXPECT_EQ(refused.error().code, Code::corrupt);
    if (i > 0) EXPECT_NE(refused.error().detail.find("position " + std::to_string(positions[i])), std::string::npos);
    EXPECT_EQ(world_.disk().read(path), before);
    flip(path, positions[i] + 20);
    stop();
  }
  open();
  EXPECT_EQ(values().size(), 3u);
}

TEST_F(LogFailures, F9MarksThatAreDamagedInAClosedStoreAreRefused) {
  open();
  make_topic();
  ASSERT_OK(append("a"));
  ASSERT_OK(log_->close());
  stop();
  flip(segment(".marks"), kSectorBytes + 40);
  const auto refused = try_open();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::corrupt);
  EXPECT_NE(refused.error().detail.find(".marks"), std::string::npos);
}

TEST_F(LogFailures, F9ASegmentThatIsMissingIsRefused) {
  open();
  make_topic();
  ASSERT_OK(append("a"));
  ASSERT_OK(log_->close());
  stop();
  world_.disk().remove(segment());
  EXPECT_EQ(try_open().error().code, Code::corrupt);
  stop();
  world_.disk().remove("/data/journal");
  EXPECT_EQ(try_open().error().code, Code::corrupt);
}

// Before the first checkpoint the journal alone knows what was acknowledged.
TEST_F(LogFailures, F9AJournalThatIsMissingOrEmptyIsRefusedAndNothingIsChanged) {
  const auto all_files = [&] {
    std::map<std::string, base::Bytes> files;
    for (const auto& file : world_.disk().files()) {
      if (!file.path.ends_with("/LOCK")) files[file.path] = *world_.disk().read(file.path);  // says who tried
    }
    return files;
  };
  for (const bool closed : {false, true}) {
    SCOPED_TRACE(closed);
    stop();
    world_.disk().remove("/data");
    open();
    make_topic();
    ASSERT_OK(append("a"));
    if (closed) ASSERT_OK(log_->close());
    const std::string path = journal();
    kill();
    const auto whole = *world_.disk().read(path);
    for (int damage = 0; damage < 3; ++damage) {
      if (damage < 2) world_.disk().write(path, base::ByteView(whole).first(damage == 0 ? 0 : 100));
      else world_.disk().remove("/data/journal");
      const auto before = all_files();
      const auto opened = try_open();
      ASSERT_FALSE(opened.ok());
      EXPECT_EQ(opened.error().code, Code::corrupt) << opened.error().to_string();
      EXPECT_TRUE(all_files() == before);
      stop();
    }
    world_.disk().write(path, whole);
    open();
    EXPECT_EQ(values(), (Values{{0, "a"}}));
    kill();
  }
}

TEST_F(LogFailures, F9ACatalogueThatLacksItsLastRecordsIsRefused) {
  open();
  make_topic();
  const std::size_t with_topic = world_.disk().read("/data/catalogue")->size();
  ASSERT_OK(append("a"));
  const auto other = log_->create_topic("payments", TopicKind::event, 1, {});
  ASSERT_OK(other);
  ASSERT_OK(log_->remove_topic(*other));
  kill();
  const auto whole = *world_.disk().read("/data/catalogue");
  for (std::size_t size = 512; size < with_topic; size += 512) {
    world_.disk().write("/data/catalogue", base::ByteView(whole).first(size));
    const auto opened = try_open();
    ASSERT_FALSE(opened.ok()) << size;
    EXPECT_EQ(opened.error().code, Code::corrupt) << opened.error().to_string();
    EXPECT_TRUE(opened.error().detail.starts_with("catalogue: its end is missing")) << opened.error().detail;
    stop();
  }
  world_.disk().write("/data/catalogue", whole);
  open();
  EXPECT_EQ(values(), (Values{{0, "a"}}));
}

TEST_F(LogFailures, F10AValidRoundBehindABadOneIsNeverReadPastIt) {
  LogOptions options{.durability = Durability::interval};
  open(options);
  make_topic();
  for (const char* value : {"a", "b", "c"}) ASSERT_OK(append(value));  // none of them said to be durable
  const auto positions = record_positions();
  const auto path = journal();
  kill();
  flip(path, positions[2] + 70);
  open(options);
  EXPECT_EQ(values(), (Values{{0, "a"}}));
}

TEST_F(LogFailures, F11DamageThatAReadFindsFailsThatReadAndNoOther) {
  open();
  make_topic();
  ASSERT_OK(append("a"));
  const auto other = log_->create_topic("payments", TopicKind::event, 1, {});
  const PartitionKey second{*other, PartitionId(0)};
  ASSERT_OK(log_->stage(second, make_batch("x")));
  auto job = log_->begin_flush();
  job->run();
  ASSERT_OK(log_->end_flush(std::move(job)));
  ASSERT_OK(log_->close());
  stop();
  flip(segment(), 16);  // the epoch: under the mark's CRC, and not under the batch's
  open();
  base::Bytes bytes;
  const auto got = log_->reader(key_)->read(Offset(0), 1000, bytes);
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().code, Code::corrupt);
  EXPECT_NE(got.error().detail.find(".log, position 0"), std::string::npos) << got.error().detail;
  EXPECT_EQ(log_->reader(key_)->read_at(Offset(0), FilePosition(0), 61, bytes).error().code, Code::corrupt);
  EXPECT_EQ(read_all(*log_->reader(second)).size(), 1u);
}

TEST_F(LogFailures, F12AFailedSyncEndsTheStoreAndIsNotTriedAgain) {
  open();
  make_topic();
  ASSERT_OK(append("a"));
  world_.disk().faults.fail_sync_at = world_.disk().counters().syncs + 1;
  const auto failed = append("b");
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code, Code::store_failed);
  EXPECT_TRUE(log_->failed());
  const auto syncs = world_.disk().counters().syncs;
  EXPECT_EQ(append("c").error().code, Code::store_failed);
  EXPECT_EQ(log_->create_topic("more", TopicKind::event, 1, {}).error().code, Code::store_failed);
  EXPECT_FALSE(log_->close().ok());
  EXPECT_EQ(world_.disk().counters().syncs, syncs);
  EXPECT_EQ(values(), (Values{{0, "a"}}));  // reads go on, up to what is durable
}

TEST_F(LogFailures, F12AFailedSyncOfACheckpointEndsTheStore) {
  open();
  make_topic();
  ASSERT_OK(append("a"));
  Status result;
  log_->checkpoint([&](const Status& status) { result = status; });
  world_.disk().faults.fail_sync_at = world_.disk().counters().syncs + 1;
  world_.run_until_idle();
  EXPECT_EQ(result.error().code, Code::store_failed);
  EXPECT_EQ(append("b").error().code, Code::store_failed);
}

// Many files are made durable by one sync of their file system, which need not be that of the store's directory.
TEST_F(LogFailures, ACheckpointOfManyFilesReachesTopicsOnAnotherFileSystem) {
  constexpr int kPartitions = 60;
  world_.disk().crash = {.fates = {.lost = 1, .kept = 0, .torn = 0, .zeroed = 0, .garbage = 0}, .styles = false, .directory_subsets = false};
  world_.disk().mount = std::string(kDirectory) + "/topics";
  open();
  const auto id = log_->create_topic("rides", TopicKind::event, kPartitions, {});
  ASSERT_OK(id);
  const auto append_to_all = [&](const std::string& value) {
    for (int p = 0; p < kPartitions; ++p) ASSERT_OK(log_->stage({*id, PartitionId(p)}, make_batch(value, log_->append_time_ms(), 1)));
    auto job = log_->begin_flush();
    job->run();
    ASSERT_OK(log_->end_flush(std::move(job)));
  };
  append_to_all("first");
  lose_power();
  open();
  append_to_all("second");
  Status done = Error{Code::internal, "not called"};
  log_->checkpoint([&](const Status& status) { done = status; });
  world_.run_until_idle();
  ASSERT_OK(done);
  lose_power();
  open();
  for (int p = 0; p < kPartitions; ++p) EXPECT_EQ(read_all(*log_->reader({*id, PartitionId(p)})), (Values{{0, "first"}, {1, "second"}})) << p;
}

TEST_F(LogFailures, TheSyncOfIntervalRunsBesideAppendsAndCoversWhatWasThereWhenItBegan) {
  open();
  make_topic({{"durability", "interval"}}, TopicKind::plain);
  const auto durable = [&] { return log_->reader(key_)->bounds().durable.value(); };
  ASSERT_OK(append("a"));
  world_.advance(150'000'000);
  const auto syncs = world_.disk().counters().syncs;
  EXPECT_GT(log_->tick(), world_.now_ns());
  EXPECT_EQ(world_.disk().counters().syncs, syncs);  // not here
  ASSERT_OK(append("b"));
  EXPECT_EQ(durable(), 0);
  world_.run_until_idle();
  EXPECT_EQ(durable(), 1);
  EXPECT_EQ(values().size(), 2u);
  world_.advance(150'000'000);
  (void)log_->tick();
  world_.run_until_idle();
  EXPECT_EQ(durable(), 2);
  ASSERT_OK(append("c"));
  lose_power();
  open();
  EXPECT_GE(values().size(), 2u);
}

TEST_F(LogFailures, F12AFailedSyncOfIntervalIsKnownToTheRoundBesideIt) {
  open();
  make_topic({{"durability", "interval"}}, TopicKind::plain);
  ASSERT_OK(append("a"));
  const auto id = log_->create_topic("payments", TopicKind::event, 1, {});
  ASSERT_OK(id);
  world_.advance(150'000'000);
  (void)log_->tick();
  key_ = {*id, PartitionId(0)};
  ASSERT_OK(log_->stage(key_, make_batch("b")));
  world_.disk().faults.fail_sync_at = world_.disk().counters().syncs + 1;
  ASSERT_TRUE(world_.step());  // the worker's sync; the owner has not heard of it
  ASSERT_FALSE(log_->failed());
  auto job = log_->begin_flush();
  job->run();
  EXPECT_EQ(log_->end_flush(std::move(job)).error().code, Code::store_failed);
  world_.run_until_idle();
}

TEST_F(LogFailures, F17ANewSegmentIsThereAfterThePowerLossThatFollowsItsFirstRound) {
  open();
  make_topic({{"segment.bytes", "4096"}});
  for (int i = 0; i < 30; ++i) {
    ASSERT_OK(append(std::string(1500, 'x') + std::to_string(i)));
    const auto count = values().size();
    lose_power();
    open();
    ASSERT_EQ(values().size(), count) << i;
  }
}

TEST_F(LogFailures, F21ASecondWriterIsRefusedWithinASecond) {
  open();
  os::SimEnv second(world_);
  auto owner = second.make_executor("owner");
  auto worker = second.make_executor("worker");
  const auto begun = world_.now_ns();
  const auto refused = Log::open(second, kDirectory, {}, *owner, *worker);
  EXPECT_EQ(refused.error().code, Code::locked);
  EXPECT_LT(world_.now_ns() - begun, 1'000'000'000);
}

TEST_F(LogFailures, ADirectoryThatHasGoneOrIsAnotherEndsTheStoreBeforeItAcknowledges) {
  for (const bool replaced : {false, true}) {
    open();
    make_topic();
    ASSERT_OK(append("a"));
    world_.advance(2'000'000'000);
    ASSERT_OK(append("b"));
    world_.disk().remove("/data");
    if (replaced) world_.disk().write("/data/LOCK", {});
    world_.advance(2'000'000'000);
    const Status refused = append("c");
    ASSERT_FALSE(refused) << replaced;
    EXPECT_NE(refused.error().detail.find("/data has been removed, moved or replaced"), std::string::npos) << refused.error().detail;
    EXPECT_EQ(append("d").error().code, Code::store_failed);
    stop();
    world_.disk().remove("/data");
  }
}

TEST_F(LogFailures, F22TheLockOfAKilledProcessIsFree) {
  open();
  make_topic();
  ASSERT_OK(append("a"));
  kill();
  open();
  EXPECT_EQ(values().size(), 1u);
}

TEST_F(LogFailures, F23ANewerFormatIsRefusedAndUntouched) {
  open();
  ASSERT_OK(log_->close());
  stop();
  // The header says format 2 and is otherwise right.
  const auto path = journal();
  auto bytes = *world_.disk().read(path);
  base::store_le<std::uint32_t>(bytes.data() + 8, 2);
  base::store_le<std::uint32_t>(bytes.data() + 508, base::crc32c(0, base::ByteView(bytes).first(508)));
  world_.disk().write(path, bytes);
  EXPECT_EQ(try_open().error().code, Code::unsupported_format);
  EXPECT_EQ(*world_.disk().read(path), bytes);
}

// A power cut may take the first of two records of a `memory` topic and leave the second, behind which another process has written since.
TEST_F(LogFailures, WhatAnEarlierProcessHasWrittenBehindTheEndOfAMemoryTopicDoesNotComeBack) {
  open();
  make_topic({{"durability", "memory"}}, TopicKind::plain);
  ASSERT_OK(append("first"));
  ASSERT_OK(append("other"));
  base::Bytes before = *world_.disk().read(segment());
  const auto size = static_cast<std::ptrdiff_t>(parse_batch_header(before)->total_bytes());
  kill();
  std::fill_n(before.begin(), size, std::byte{0});
  world_.disk().write(segment(), before);
  open();
  EXPECT_TRUE(values().empty());
  ASSERT_OK(append("third"));
  kill();
  base::Bytes after = *world_.disk().read(segment());
  after.resize(std::max(after.size(), before.size()));
  std::copy(before.begin() + size, before.end(), after.begin() + size);
  world_.disk().write(segment(), after);
  open();
  EXPECT_EQ(values(), (Values{{0, "third"}}));
  ASSERT_OK(append("fourth"));
  EXPECT_EQ(values(), (Values{{0, "third"}, {1, "fourth"}}));
}

}  // namespace
}  // namespace baton::log
