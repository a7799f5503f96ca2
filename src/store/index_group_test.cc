// Tables of many indexes that are written with one sync.
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "store/index_test_support.h"

namespace baton::store {
namespace {

using testing::compare_all;
using testing::ModelLog;

constexpr int kIndexes = 20;
constexpr std::int64_t kSecondNs = 1'000'000'000;

// A process with many indexes, each with a log of its own.
class IndexGroupTest : public ::testing::Test {
 protected:
  ~IndexGroupTest() override { stop(); }

  void open() {
    env_ = std::make_unique<os::SimEnv>(world_);
    owner_ = env_->make_executor("owner");
    worker_ = env_->make_executor("worker");
    syncer_ = env_->make_executor("syncer");
    ASSERT_TRUE(os::make_directories(env_->fs(), "/data"));
    const auto group = std::make_shared<IndexGroup>(*env_, "/data", *worker_, *syncer_);
    for (int i = 0; i < kIndexes; ++i) {
      if (logs_.size() < kIndexes) logs_.emplace_back(static_cast<std::uint64_t>(i));
      const IndexOptions options{.table_entries = 64,
                                 .merge_fan = 3,
                                 .group = group,
                                 .warn = {},
                                 .on_room = {},
                                 .on_failure = [this](const Error&) { ++failures_; }};
      auto opened = Index::open(*env_, "/data/" + std::to_string(i), options, owner_.get(), worker_.get());
      ASSERT_TRUE(opened);
      indexes_.push_back(*std::move(opened));
    }
  }
  void stop() {
    indexes_.clear();
    syncer_.reset(), worker_.reset(), owner_.reset(), env_.reset();
  }
  void feed(int i, std::int64_t from) {
    ModelLog& log = logs_[static_cast<std::size_t>(i)];
    for (std::int64_t offset = from; offset < log.end(); ++offset) {
      for (const auto& [hash, hit] : log.entries(offset)) indexes_[static_cast<std::size_t>(i)]->add(hash, hit);
    }
    indexes_[static_cast<std::size_t>(i)]->acknowledge(log::Offset(log.end()), ModelLog::epoch_at(log.end()), ModelLog::crc_at(log.end()));
  }
  // Tenths of a second, with a record of three entries for each in everyone: in the 22nd all tables are full, and due 0.275 s later.
  static constexpr int kFull = 22;
  void fill_slowly(int steps = 30) {
    for (int step = 0; step < steps; ++step) {
      world_.run_for(kSecondNs / 10);
      for (int i = 0; i < kIndexes; ++i) {
        const std::int64_t from = logs_[static_cast<std::size_t>(i)].end();
        logs_[static_cast<std::size_t>(i)].append(1);
        feed(i, from);
      }
    }
  }
  [[nodiscard]] std::size_t runs() const {
    std::size_t out = 0;
    for (const auto& index : indexes_) out += index->stats().runs;
    return out;
  }
  void compare() {
    os::SeededRandom random(7);
    for (std::size_t i = 0; i < indexes_.size(); ++i) compare_all(*indexes_[i], logs_[i], logs_[i].end(), random);
  }

  os::SimWorld world_{{.seed = 1}};
  std::vector<ModelLog> logs_;
  std::unique_ptr<os::SimEnv> env_;
  std::unique_ptr<os::Executor> owner_;
  std::unique_ptr<os::Executor> worker_;
  std::unique_ptr<os::Executor> syncer_;
  std::vector<std::unique_ptr<Index>> indexes_;
  int failures_ = 0;
};

TEST_F(IndexGroupTest, ManyTablesThatAreDueTogetherAreMadeDurableByOneSync) {
  open();
  const std::uint64_t before = world_.disk().counters().syncs;
  fill_slowly();
  ASSERT_EQ(runs(), static_cast<std::size_t>(kIndexes));
  EXPECT_EQ(world_.disk().counters().syncs - before, 1U);
  compare();
  for (const auto& index : indexes_) ASSERT_TRUE(index->flush());
  world_.disk().cut_power();
  stop();
  world_.disk().restart();
  open();
  for (int i = 0; i < kIndexes; ++i) {
    EXPECT_EQ(indexes_[static_cast<std::size_t>(i)]->covered().next.value(), logs_[static_cast<std::size_t>(i)].end()) << "flush() names it durably";
  }
  compare();
}

TEST_F(IndexGroupTest, FewIndexesDoNotWaitForOneAnother) {
  open();
  fill_slowly(kFull - 1);
  indexes_.resize(5);
  logs_.erase(logs_.begin() + 5, logs_.end());
  for (int i = 0; i < 5; ++i) {
    const std::int64_t from = logs_[static_cast<std::size_t>(i)].end();
    logs_[static_cast<std::size_t>(i)].append(1);
    feed(i, from);
  }
  world_.run_until_idle();  // no time passes
  EXPECT_EQ(runs(), 5U);
  compare();
}

TEST_F(IndexGroupTest, WhoWaitsForATableDoesNotWaitForOthers) {
  open();
  fill_slowly();  // tables that took seconds to become full wait for others
  world_.run_for(kSecondNs);
  Index& index = *indexes_[0];
  const auto runs = index.stats().runs;
  while (!index.full()) {
    const std::int64_t from = logs_[0].end();
    logs_[0].append(1);
    feed(0, from);
  }
  world_.run_until_idle();  // no time passes
  EXPECT_FALSE(index.full());
  EXPECT_GT(index.stats().runs + index.stats().merges, runs);
  compare();
}

TEST_F(IndexGroupTest, AFailedSyncEndsTheWritingOfAllWhoseFilesItWasForAndIsNotRepeated) {
  open();
  world_.disk().faults.fail_sync_at = world_.disk().counters().syncs + 1;
  fill_slowly();
  EXPECT_EQ(failures_, kIndexes);
  const auto counters = world_.disk().counters();
  fill_slowly();
  world_.run_for(10 * kSecondNs);
  for (const auto& index : indexes_) {
    EXPECT_EQ(index->health().error().code, Code::io_error);
    EXPECT_FALSE(index->flush());
    EXPECT_EQ(index->covered().next.value(), 0) << "not named";
  }
  EXPECT_EQ(world_.disk().counters().syncs, counters.syncs);
  EXPECT_EQ(world_.disk().counters().mutations, counters.mutations);
  EXPECT_EQ(failures_, kIndexes);
  compare();
}

TEST_F(IndexGroupTest, AnIndexThatIsGoneOrBeginsAnewIsLeftOut) {
  open();
  fill_slowly(kFull);
  ASSERT_EQ(runs(), 0U) << "all are due";
  logs_.erase(logs_.begin());
  indexes_.erase(indexes_.begin());  // as of a topic that was removed
  ASSERT_TRUE(indexes_[0]->reset());
  feed(0, 0);
  world_.run_for(kSecondNs);
  EXPECT_EQ(failures_, 0);
  EXPECT_EQ(runs(), static_cast<std::size_t>(kIndexes - 1));
  compare();
}

TEST_F(IndexGroupTest, WhatHappensWhileTheSyncIsOnItsWayIsSafe) {
  for (const bool fails : {false, true}) {
    SCOPED_TRACE(fails);
    logs_.clear();
    world_.disk().restart();
    ASSERT_TRUE(os::remove_tree(os::SimEnv(world_).fs(), "/data"));
    failures_ = 0;
    open();
    fill_slowly(kFull);
    const auto prepared = [&] {
      int count = 0;
      for (const auto& file : world_.disk().files()) count += file.path.ends_with("/MANIFEST.tmp") ? 1 : 0;
      return count == kIndexes;
    };
    ASSERT_TRUE(world_.run_until(prepared));
    ASSERT_EQ(runs(), 0U) << "written, and not named";
    // The owner does not wait for it: it makes a sync of its own.
    ASSERT_TRUE(indexes_[0]->flush());
    EXPECT_EQ(indexes_[0]->covered().next.value(), logs_[0].end());
    ASSERT_TRUE(indexes_[1]->reset());
    feed(1, 0);
    EXPECT_EQ(indexes_[1]->covered().next.value(), 0);
    ASSERT_TRUE(indexes_[2]->merge_step());
    const std::int64_t from = logs_[3].end();
    logs_[3].append(40);  // the next table is full, too
    feed(3, from);
    indexes_.pop_back();
    logs_.pop_back();
    if (fails) world_.disk().faults.fail_sync_at = world_.disk().counters().syncs + 1;
    world_.run_for(2 * kSecondNs);
    EXPECT_EQ(failures_ > 0, fails);
    if (!fails) {
      EXPECT_GE(runs(), static_cast<std::size_t>(kIndexes - 1));
    }
    compare();
    stop();
    indexes_.clear();
  }
}

TEST_F(IndexGroupTest, AMergeThatFindsNoSpaceDoesNotKeepATableWaiting) {
  open();
  fill_slowly(3 * kFull);
  ASSERT_TRUE(world_.run_until([&] { return runs() == 3U * kIndexes; }));
  // A table has room (and the record of the manifest, in the block that it has), and a merge of three tables, which is larger, has none.
  constexpr std::uint64_t kTable = 12'288;
  world_.disk().faults.capacity_bytes = world_.disk().used_bytes() + kTable;
  for (int step = 0; step < kFull; ++step) {
    world_.run_for(kSecondNs / 10);
    const std::int64_t from = logs_[0].end();
    logs_[0].append(1);
    feed(0, from);
  }
  ASSERT_FALSE(indexes_[0]->health());
  EXPECT_EQ(indexes_[0]->health().error().code, Code::no_space) << "of a merge";
  world_.run_for(3 * kSecondNs);
  EXPECT_EQ(indexes_[0]->stats().merges, 0U);
  EXPECT_EQ(indexes_[0]->stats().runs, 4U) << "a table waits behind a merge";
  EXPECT_EQ(failures_, 0);
  compare();
}

TEST_F(IndexGroupTest, WhoWaitsForATableDoesNotWaitForTheMergesOfOthers) {
  open();
  fill_slowly(3 * kFull);
  ASSERT_TRUE(world_.run_until([&] { return runs() == 3U * kIndexes; }));
  // Everyone has a merge that is due now, and the next table full behind it; the owner waits for the table of the last.
  for (int i = 0; i < kIndexes; ++i) {
    for (int tables = 0; tables < (i == kIndexes - 1 ? 2 : 1); ++tables) {
      const std::int64_t from = logs_[static_cast<std::size_t>(i)].end();
      logs_[static_cast<std::size_t>(i)].append(kFull);
      feed(i, from);
    }
  }
  Index& last = *indexes_.back();
  ASSERT_TRUE(last.full());
  const IndexCovered before = last.covered();
  ASSERT_TRUE(world_.run_until([&] { return last.covered() != before; }));
  std::uint64_t merges = 0;
  for (const auto& index : indexes_) merges += index->stats().merges;
  EXPECT_LE(merges, 2U) << "its own, and the step that was running";
  world_.run_for(2 * kSecondNs);
  for (const auto& index : indexes_) EXPECT_EQ(index->stats().merges, 1U) << "and nobody is forgotten";
  compare();
}

TEST_F(IndexGroupTest, AFullDiskIsWaitedForByEach) {
  open();
  world_.disk().faults.capacity_bytes = world_.disk().used_bytes() + 30'000;
  fill_slowly();
  world_.run_for(2 * kSecondNs);
  EXPECT_LT(runs(), static_cast<std::size_t>(kIndexes));
  compare();
  world_.disk().faults.capacity_bytes = std::uint64_t{1} << 40;
  world_.run_for(10 * kSecondNs);
  EXPECT_GE(runs(), static_cast<std::size_t>(kIndexes));
  EXPECT_EQ(failures_, 0);
  for (const auto& index : indexes_) EXPECT_TRUE(index->health());
  compare();
}

// Writes down when it is called.
class Turns final : public IndexGroup::Member {
 public:
  Turns(std::vector<std::string>& calls, std::string name) : calls_(calls), name_(std::move(name)) {}
  void work(IndexGroup::Turn turn) override {
    calls_.push_back(name_ + (turn == IndexGroup::Turn::table ? " table" : " merge"));
    if (then) std::exchange(then, nullptr)();
  }
  void write_alone() override {}
  bool prepare() override { return false; }
  void complete(const Status&) override {}
  std::function<void()> then;

 private:
  std::vector<std::string>& calls_;
  const std::string name_;
};

TEST(IndexTurns, ATableWaitsForNoMoreThanTheStepThatIsRunning) {
  using Turn = IndexGroup::Turn;
  os::SimWorld world({.seed = 1});
  os::SimEnv env(world);
  const auto worker = env.make_executor("worker");
  std::vector<std::string> calls;
  const auto group = std::make_shared<IndexGroup>(env, "/", *worker, *worker);
  const auto a = std::make_shared<Turns>(calls, "a"), b = std::make_shared<Turns>(calls, "b"), c = std::make_shared<Turns>(calls, "c");
  auto gone = std::make_shared<Turns>(calls, "gone");
  for (const auto& member : {a, gone, b, c}) group->post(member, Turn::merge);
  gone.reset();
  a->then = [&] {
    group->post(a, Turn::merge);  // its next step comes after the others'
    group->post(c, Turn::table);
    worker->post([&] { calls.emplace_back("another task of the worker"); });
  };
  world.run_until_idle();
  EXPECT_EQ(calls, (std::vector<std::string>{"a merge", "another task of the worker", "c table", "b merge", "c merge", "a merge"}));
  group->post(b, Turn::merge);
  world.run_until_idle();
  EXPECT_EQ(calls.back(), "b merge") << "begins again after it had nothing to do";
  EXPECT_EQ(calls.size(), 7U);
}

}  // namespace
}  // namespace baton::store
