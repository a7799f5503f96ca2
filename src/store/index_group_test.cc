// Tables of many indexes that are written with one sync.
#include <gtest/gtest.h>

#include <memory>
#include <string>
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
    ASSERT_TRUE(os::make_directories(env_->fs(), "/data"));
    const auto group = std::make_shared<IndexGroup>(*env_, "/data", *worker_);
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
    worker_.reset(), owner_.reset(), env_.reset();
  }
  void feed(int i, std::int64_t from) {
    ModelLog& log = logs_[static_cast<std::size_t>(i)];
    for (std::int64_t offset = from; offset < log.end(); ++offset) {
      for (const auto& [hash, hit] : log.entries(offset)) indexes_[static_cast<std::size_t>(i)]->add(hash, hit);
    }
    indexes_[static_cast<std::size_t>(i)]->acknowledge(log::Offset(log.end()), ModelLog::epoch_at(log.end()), ModelLog::crc_at(log.end()));
  }
  // A record for each; until every table has been frozen once.
  void fill_slowly() {
    for (int step = 0; step < 30; ++step) {
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
  std::vector<std::unique_ptr<Index>> indexes_;
  int failures_ = 0;
};

TEST_F(IndexGroupTest, ManyTablesThatAreDueTogetherAreMadeDurableByOneSync) {
  open();
  const std::uint64_t before = world_.disk().counters().syncs;
  fill_slowly();
  world_.run_for(kSecondNs);
  ASSERT_GE(runs(), static_cast<std::size_t>(kIndexes));
  EXPECT_LE(world_.disk().counters().syncs - before, runs()) << "each by itself has three";
  compare();
  // What is covered is there after the power was cut: nothing above was lost with a sync that was not made.
  std::vector<std::int64_t> covered;
  for (const auto& index : indexes_) covered.push_back(index->covered().next.value());
  for (const auto& index : indexes_) ASSERT_TRUE(index->flush());
  world_.disk().cut_power();
  stop();
  world_.disk().restart();
  open();
  for (int i = 0; i < kIndexes; ++i) {
    const auto at = indexes_[static_cast<std::size_t>(i)]->covered().next.value();
    EXPECT_GE(at, covered[static_cast<std::size_t>(i)]);
    EXPECT_EQ(at, logs_[static_cast<std::size_t>(i)].end()) << "flush() names it durably";
  }
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

TEST_F(IndexGroupTest, AFailedSyncEndsTheWritingOfAllWhoseFilesItWasFor) {
  open();
  world_.disk().faults.fail_sync_at = world_.disk().counters().syncs + 1;
  fill_slowly();
  world_.run_for(kSecondNs);
  EXPECT_GE(failures_, 12);
  for (const auto& index : indexes_) {
    if (!index->health()) EXPECT_EQ(index->covered().next.value(), 0) << "not named";
  }
  compare();
}

TEST_F(IndexGroupTest, AnIndexThatIsGoneOrBeginsAnewIsLeftOut) {
  open();
  fill_slowly();
  logs_.erase(logs_.begin());
  indexes_.erase(indexes_.begin());  // a topic that was removed, with a table that is due
  ASSERT_TRUE(indexes_[0]->reset());
  feed(0, 0);
  world_.run_for(kSecondNs);
  EXPECT_EQ(failures_, 0);
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

}  // namespace
}  // namespace baton::store
