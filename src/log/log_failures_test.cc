// The failure statements F1 to F24 and F27, each on a simulated machine; long histories are in log_sim_test.cc.
#include <algorithm>

#include "base/crc32c.h"
#include "log/journal.h"
#include "log/journal_reader.h"
#include "log/log_test_support.h"
#include "os/sim_env.h"

namespace baton::log {
namespace {

using Values = std::vector<std::pair<std::int64_t, std::string>>;
constexpr char kDirectory[] = "/data";

class LogFailures : public testing::Test {
 protected:
  ~LogFailures() override { stop(); }

  Result<std::unique_ptr<Log>> try_open(LogOptions options = {}) {
    if (!env_) {
      env_ = std::make_unique<os::SimEnv>(world_);
      owner_ = env_->make_executor("owner");
      worker_ = env_->make_executor("worker");
    }
    options.warn = [this](const std::string& text) { warnings_.push_back(text); };
    options.reserve_bytes = reserve_;
    return Log::open(*env_, kDirectory, options, *owner_, *worker_);
  }
  void open(LogOptions options = {}) {
    auto opened = try_open(std::move(options));
    ASSERT_OK(opened);
    log_ = std::move(*opened);
  }
  void stop() {
    log_.reset();
    owner_.reset(), worker_.reset(), env_.reset();
  }
  void kill() { env_->kill(), stop(); }
  void lose_power() {
    world_.disk().cut_power();
    stop();
    world_.disk().restart();
    world_.disk().faults = {};
  }
  void make_topic(const Settings& settings = {}, TopicKind kind = TopicKind::event) {
    const auto id = log_->create_topic("rides", kind, 1, settings);
    ASSERT_OK(id);
    key_ = {*id, PartitionId(0)};
  }
  Status append(const std::string& value, int records = 1) {
    if (auto staged = log_->stage(key_, make_batch(value, log_->append_time_ms(), records)); !staged) return staged.error();
    auto job = log_->begin_flush();
    job->run();
    return log_->end_flush(std::move(job));
  }
  void mark() {  // idling puts the last round under a mark
    world_.advance(2'000'000'000);
    (void)log_->tick();
  }
  Values values() { return read_all(*log_->reader(key_)); }
  std::string segment(const char* extension = ".log") {
    return std::string(kDirectory) + "/topics/" + key_.topic.to_hex() + "/0/00000000000000000000" + extension;
  }
  std::string journal() {
    std::string newest;
    for (const auto& file : world_.disk().files()) {
      if (file.path.starts_with("/data/journal/0")) newest = file.path;
    }
    return newest;
  }
  // Where the records of the newest journal file begin; the last entry is where the next one would.
  std::vector<std::uint64_t> record_positions() {
    const auto bytes = *world_.disk().read(journal());
    const auto header = *parse_journal_header(bytes);
    std::vector<std::uint64_t> out;
    std::uint64_t at = kJournalHeaderBytes;
    while (true) {
      const auto fixed = peek_record(base::ByteView(bytes).subspan(at));
      out.push_back(at);
      if (!fixed || fixed->generation != header.generation) return out;
      at += record_file_bytes(fixed->total_bytes);
    }
  }
  void flip(const std::string& path, std::uint64_t at) { world_.disk().flip_bit(path, at, 3); }

  os::SimWorld world_{{.seed = 5}};
  std::unique_ptr<os::SimEnv> env_;
  std::unique_ptr<os::Executor> owner_;
  std::unique_ptr<os::Executor> worker_;
  std::unique_ptr<Log> log_;
  std::vector<std::string> warnings_;
  PartitionKey key_;
  std::uint64_t reserve_ = 0;
};

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
  kill();
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
    kill();
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
  kill();
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
