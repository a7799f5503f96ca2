// A backup that another process takes while the writer goes on.
#include "store/backup.h"
#include "store/read_only_store.h"
#include "store/store_test_support.h"

namespace baton::store::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

class BackupBeside : public StoreTest {
 protected:
  BackupBeside() {
    options_.segment_bytes = 16 << 10;
    options_.journal_bytes = 32 << 10;
    options_.index_table_entries = 64;
    reopen();
  }
  // Event number i goes to stream i % 10, and its data begins with i.
  void append_numbers(int count) {
    for (; count > 0; --count, ++appended_) {
      const std::string data = std::to_string(appended_) + std::string(300, ' ');
      ASSERT_FALSE(appended("ride-" + std::to_string(appended_ % 10), {event("A", data)}).events.empty());
    }
  }
  Status back_up(const std::function<void()>& meanwhile = {}) {
    os::SimEnv beside(world_);
    const auto progress = [&](std::uint64_t, std::uint64_t) {
      if (meanwhile) meanwhile();
    };
    return backup_store(beside, "/data", "/backup", progress, nullptr);
  }
  // The restored copy holds a prefix: the events from `first` on (at most, when `kept` is false), up to at least `end`.
  void expect_restored(int end, bool all_kept = true) {
    os::SimEnv env(world_);
    const Status restored = restore_store(env, "/backup", "/restored", {});
    ASSERT_TRUE(restored) << restored.error().to_string();
    auto copy = open_store(env, "/restored", options_);
    ASSERT_TRUE(copy) << copy.error().to_string();
    auto page = (*copy)->read_context({.context = "rides", .limit = 1'000'000});
    ASSERT_TRUE(page) << page.error().to_string();
    ASSERT_FALSE(page->events.empty());
    const std::int64_t first = page->events.front().offset;
    if (all_kept) EXPECT_EQ(first, 0);
    for (std::size_t i = 0; i < page->events.size(); ++i) {
      const std::int64_t number = first + static_cast<std::int64_t>(i);
      ASSERT_EQ(page->events[i].offset, number);
      ASSERT_EQ(page->events[i].data, std::to_string(number) + std::string(300, ' '));
      ASSERT_EQ(page->events[i].version, number / 10);
    }
    EXPECT_GE(page->events.back().offset, end - 1);
    EXPECT_LT(page->events.back().offset, appended_);
    // It goes on where it ends, also for streams whose events are all gone.
    const std::int64_t next = page->events.back().offset + 1;
    const auto more = (*copy)->append(append_of("ride-" + std::to_string(next % 10), next < 10 ? Expect::no_stream() : Expect::exact(next / 10 - 1), {event("A")}));
    ASSERT_TRUE(more) << more.error().to_string();
    ASSERT_TRUE((*copy)->close());
    ASSERT_TRUE(os::remove_tree(env.fs(), "/restored"));
    ASSERT_TRUE(os::remove_tree(env.fs(), "/backup"));
    ASSERT_TRUE(env.fs().sync_directory("/"));
  }
  [[nodiscard]] int segments() {
    int count = 0;
    for (const auto& file : world_.disk().files()) {
      count += file.path.find("/data/topics") != std::string::npos && file.path.ends_with(".log") ? 1 : 0;
    }
    return count;
  }

  int appended_ = 0;
};

TEST_F(BackupBeside, HasAllThatWasAcknowledgedThoughTheWriterSealsAndChangesGenerations) {
  append_numbers(150);
  auto subscription = store_->subscribe({.context = "rides"}).value();
  ASSERT_TRUE(subscription->next(100, 0, [](const EventView&) { return true; }));
  ASSERT_TRUE(subscription->save_checkpoint("billing"));
  const int at_least = appended_;
  const Status done = back_up([&] { append_numbers(40); });
  ASSERT_TRUE(done) << done.error().to_string();
  ASSERT_GE(appended_, at_least + 300);
  expect_restored(at_least);
  // Its own writer reads its files as before.
  kill_and_reopen();
  EXPECT_EQ(read({.limit = 1'000'000}).events.size(), static_cast<std::size_t>(appended_));
}

TEST_F(BackupBeside, HasTheEndsOfEveryMomentBetweenTwoAppends) {
  for (int i = 0; i < 60; ++i) {
    append_numbers(i % 4 + 1);
    const int at_least = appended_;
    const Status done = back_up();
    ASSERT_TRUE(done) << done.error().to_string();
    expect_restored(at_least);
  }
}

TEST_F(BackupBeside, HoldsWhatARetentionWouldRemoveAndLetsItGoAfterwards) {
  ASSERT_TRUE(store_->create_context("rides", {.history_deletable = true, .retention_bytes = 48 << 10}));
  append_numbers(400);
  ASSERT_TRUE(store_->apply_retention());
  for (int round = 0; round < 3; ++round) {
    const int at_least = appended_;
    const Status done = back_up([&] {
      append_numbers(20);
      ASSERT_TRUE(store_->apply_retention());
    });
    ASSERT_TRUE(done) << done.error().to_string();
    expect_restored(at_least, false);
  }
  const int held = segments();
  ASSERT_TRUE(store_->apply_retention());
  append_numbers(1);
  world_.run_until_idle();  // the worker removes
  EXPECT_LT(segments(), held);
  EXPECT_LT(segments(), 8);
}

TEST_F(BackupBeside, OfAWriterThatWasKilledHasAllThatItHadAcknowledged) {
  append_numbers(100);
  env_->kill();
  store_ = nullptr;
  ASSERT_TRUE(back_up());
  expect_restored(100);
  start();
}

TEST_F(BackupBeside, OfAStoreWhoseNextWriterDiesAnywhereWhileItOpensItHasAllThatWasAcknowledged) {
  append_numbers(100);
  bool survived = false;
  for (std::uint64_t n = 1; n < 500 && !survived; ++n) {
    append_numbers(1);
    env_->kill();
    store_ = nullptr;
    {
      os::SimEnv starter(world_);
      starter.kill_in(n);
      (void)open_store(starter, "/data", options_);
      survived = starter.alive();
    }
    const Status done = back_up();
    ASSERT_TRUE(done) << done.error().to_string() << ", after " << n << " steps";
    expect_restored(appended_);
    start();
  }
  EXPECT_TRUE(survived);
}

TEST_F(BackupBeside, AfterAPowerLossNeedsAWriterThatHasRecoveredAndNotOneThatHasEnded) {
  append_numbers(100);
  const auto epoch = [&] { return log::Catalogue::open(*env_, "/data", true).value()->state().epoch; };
  int refused = 0;
  bool survived = false;
  for (std::uint64_t n = 1; n < 500 && !survived; ++n) {
    append_numbers(1);
    world_.disk().cut_power();
    store_ = nullptr;
    world_.disk().restart();
    env_ = std::make_unique<os::SimEnv>(world_);
    const log::Epoch before = epoch();
    {
      os::SimEnv starter(world_);
      starter.kill_in(n);
      (void)open_store(starter, "/data", options_);
      survived = starter.alive();
    }
    if (const Status done = back_up(); done) {
      expect_restored(appended_);
    } else {
      ++refused;
      EXPECT_THAT(done, FailsWith(Code::unavailable));
      EXPECT_EQ(epoch(), before) << "after " << n << " steps";
    }
    start();
  }
  EXPECT_TRUE(survived);
  EXPECT_GT(refused, 0);
}

TEST_F(BackupBeside, OfAClosedStoreAlsoAfterTheMachineWasStartedAgain) {
  append_numbers(100);
  ASSERT_TRUE(store_->close());
  store_ = nullptr;
  env_ = nullptr;
  ASSERT_TRUE(back_up());
  expect_restored(100);
  world_.disk().cut_power();
  world_.disk().restart();
  ASSERT_TRUE(back_up());
  expect_restored(100);
  start();
}

TEST_F(BackupBeside, OfAStoreWhoseEndNobodyKnowsIsRefused) {
  append_numbers(10);
  world_.disk().cut_power();
  store_ = nullptr;
  env_ = nullptr;
  world_.disk().restart();
  EXPECT_THAT(back_up(), FailsWith(Code::unavailable));
  os::SimEnv beside(world_);
  EXPECT_THAT(backup_store(beside, "/nothing", "/other", {}, nullptr), FailsWith(Code::not_found));
  start();
  EXPECT_THAT(backup_store(beside, "/data", "/data", {}, nullptr), FailsWith(Code::already_exists));
}

TEST_F(BackupBeside, BeginsAgainWhenTheWriterIsFollowedByAnotherThatRemovesWhatItNeeds) {
  ASSERT_TRUE(store_->create_context("rides", {.history_deletable = true, .retention_bytes = 48 << 10}));
  append_numbers(400);
  bool again = false;
  const Status done = back_up([&] {
    if (std::exchange(again, true)) return;
    append_numbers(400);
    ASSERT_TRUE(store_->apply_retention());
    kill_and_reopen();  // which removes what was held
  });
  ASSERT_TRUE(done) << done.error().to_string();
  expect_restored(800, false);
}

TEST_F(BackupBeside, ThatIsKilledAnywhereIsNeverTakenForAStore) {
  append_numbers(120);
  for (std::uint64_t n = 1; n < 2'000; ++n) {
    bool survived = false;
    {
      os::SimEnv beside(world_);
      beside.kill_in(n);
      const Status done = backup_store(beside, "/data", "/backup", {}, nullptr);
      survived = beside.alive();
      EXPECT_TRUE(done.ok() || !survived);
    }
    if (survived) return expect_restored(120);
    if (env_->fs().exists("/backup/catalogue").value()) {
      expect_restored(120);
    } else {
      EXPECT_THAT(restore_store(*env_, "/backup", "/restored", {}), FailsWith(Code::not_found));
    }
    ASSERT_TRUE(os::remove_tree(env_->fs(), "/backup"));
  }
  FAIL() << "no backup came to its end";
}

TEST_F(BackupBeside, SurvivesAPowerLossOnceItHasReturned) {
  append_numbers(120);
  ASSERT_TRUE(back_up());
  world_.disk().cut_power();
  store_ = nullptr;
  env_ = nullptr;
  world_.disk().restart();
  expect_restored(120);
  start();
}

TEST_F(BackupBeside, ReportsDamageWithFileAndPosition) {
  append_numbers(150);
  ASSERT_TRUE(back_up());  // nothing is wrong
  int found = 0;
  for (const auto& file : world_.disk().files()) {
    const bool segment = file.path.ends_with(".log");
    if (file.path.find("/data/") == std::string::npos) continue;
    if (!segment && !file.path.ends_with("catalogue")) continue;
    const auto whole = *world_.disk().read(file.path);
    for (std::size_t at = 3; at < whole.size(); at += 211) {
      auto damaged = whole;
      damaged[at] ^= std::byte{4};
      world_.disk().write(file.path, damaged);
      ASSERT_TRUE(os::remove_tree(env_->fs(), "/backup"));
      const Status done = back_up();
      if (!done) {
        ++found;
        EXPECT_THAT(done, FailsWith(Code::corrupt)) << file.path << " at " << at;
        EXPECT_THAT(done.error().detail, HasSubstr(file.path.substr(file.path.rfind('/') + 1)));
        EXPECT_THAT(done.error().detail, AnyOf(HasSubstr(", position "), HasSubstr(" at byte ")));
        EXPECT_FALSE(env_->fs().exists("/backup/catalogue").value());
      } else if (segment) {
        expect_restored(150);  // behind the end of the open segment
      }
    }
    world_.disk().write(file.path, whole);
  }
  EXPECT_GT(found, 150);
}

}  // namespace
}  // namespace baton::store::testing
