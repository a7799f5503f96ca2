// Backup and restore.
#include <atomic>
#include <filesystem>
#include <thread>

#include "store/backup.h"
#include "store/store_test_support.h"

namespace baton::store::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Backup : public StoreTest {
 protected:
  void append_numbers(int from, int to) {
    for (int i = from; i < to; ++i) {
      positions_.push_back(appended("ride-" + std::to_string(i % 3), {event("A", std::to_string(i), std::to_string(i))}).position);
    }
  }
  std::vector<std::string> all(Store& store) {
    auto page = store.read_context({.context = "rides", .limit = 100'000});
    EXPECT_TRUE(page) << page.error().to_string();
    return page ? data_of(page->events) : std::vector<std::string>{};
  }
  static std::vector<std::string> numbers(int to) {
    std::vector<std::string> out;
    for (int i = 0; i < to; ++i) out.push_back(std::to_string(i));
    return out;
  }
  std::unique_ptr<Store> open_at(const std::string& directory) {
    auto opened = open_store(*env_, directory, options_);
    EXPECT_TRUE(opened) << opened.error().to_string();
    return opened ? *std::move(opened) : nullptr;
  }
  Status restore_to(const std::string& target) { return restore_store(*env_, "/backup", target, {}); }

  std::vector<Position> positions_;  // of event number i
};

TEST_F(Backup, ARestoredStoreHoldsWhatWasThereAndGoesOn) {
  append_numbers(0, 50);
  auto subscription = store_->subscribe({.context = "rides"}).value();
  ASSERT_TRUE(subscription->next(20, 0, [](const EventView&) { return true; }));
  ASSERT_TRUE(subscription->save_checkpoint("billing"));
  std::uint64_t last = 0, total = 0;
  ASSERT_TRUE(store_->backup("/backup", [&](std::uint64_t done, std::uint64_t of) {
    EXPECT_GE(done, last);
    last = done;
    total = of;
  }));
  EXPECT_EQ(last, total);
  EXPECT_GT(total, 0u);
  append_numbers(50, 60);  // not in the backup
  const Status restored = restore_to("/restored");
  ASSERT_TRUE(restored) << restored.error().to_string();

  auto copy = open_at("/restored");
  const auto original = store_->info().value();
  auto info = copy->info().value();
  EXPECT_EQ(info.store_id, original.store_id);
  EXPECT_EQ(info.streams, 3);
  EXPECT_EQ(all(*copy), numbers(50));
  EXPECT_EQ(all(*store_), numbers(60));
  // The checkpoint came along, and appends go on where the backup ended.
  auto resumed = copy->subscribe({.context = "rides", .start = {.kind = StartAt::Kind::checkpoint, .checkpoint = "billing"}}).value();
  EXPECT_EQ(resumed->next(1000, 0, [](const EventView&) { return true; }).value(), 30u);
  const auto next = copy->append(append_of("ride-0", Expect::exact(16), {event("A", "new")}));
  ASSERT_TRUE(next) << next.error().to_string();
  EXPECT_EQ(next->events[0].offset, 50);
  // What was known stays known.
  EXPECT_TRUE(copy->append(append_of("ride-1", Expect::any(), {event("A", "1", "1")}))->events[0].duplicate);
}

TEST_F(Backup, PositionsIssuedAfterItAreRefusedAsLostAlsoWhenTheirOffsetsAreTakenAgain) {
  append_numbers(0, 30);
  ASSERT_TRUE(store_->backup("/backup", {}));
  append_numbers(30, 35);
  reopen();  // the original goes on, in later epochs
  append_numbers(35, 40);
  reopen();
  append_numbers(40, 45);
  ASSERT_TRUE(restore_to("/restored"));
  auto copy = open_at("/restored");
  const auto check = [&] {
    for (int i = 0; i < 45; ++i) {
      const auto page = copy->read_context({.context = "rides", .after = positions_[static_cast<std::size_t>(i)]});
      if (i < 30) {
        ASSERT_TRUE(page) << i << ": " << page.error().to_string();
        EXPECT_EQ(page->events.empty() ? 30 : page->events[0].offset, i + 1);
      } else {
        EXPECT_THAT(page, FailsWith(Code::position_lost)) << i;
        EXPECT_THAT(copy->subscribe({.context = "rides", .start = {.kind = StartAt::Kind::position, .position = positions_[static_cast<std::size_t>(i)]}}),
                    FailsWith(Code::position_lost));
      }
    }
  };
  check();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(copy->append(append_of("other", Expect::any(), {event("B")})));
  check();
  ASSERT_TRUE(copy->close());
  copy = open_at("/restored");
  check();
}

TEST_F(Backup, TwoRestoresOfOneBackupDoNotTakeEachOthersPositions) {
  append_numbers(0, 10);
  ASSERT_TRUE(store_->backup("/backup", {}));
  ASSERT_TRUE(restore_to("/a"));
  ASSERT_TRUE(restore_to("/b"));
  auto a = open_at("/a");
  auto b = open_at("/b");
  const Position of_a = a->append(append_of("s", Expect::any(), {event("B")}))->position;
  const Position of_b = b->append(append_of("s", Expect::any(), {event("B")}))->position;
  EXPECT_THAT(a->rank("rides", of_b), FailsWith(Code::position_lost));
  EXPECT_THAT(b->rank("rides", of_a), FailsWith(Code::position_lost));
  EXPECT_EQ(a->rank("rides", of_a).value(), 11);
}

TEST_F(Backup, ATargetThatIsNotEmptyIsRefusedAndLeftAlone) {
  append_numbers(0, 3);
  EXPECT_THAT(store_->backup("/data", {}), FailsWith(Code::already_exists));
  ASSERT_TRUE(store_->backup("/backup", {}));
  EXPECT_THAT(store_->backup("/backup", {}), FailsWith(Code::already_exists));
  EXPECT_THAT(restore_to("/data"), FailsWith(Code::already_exists));
  EXPECT_EQ(all(*store_), numbers(3));
  EXPECT_THAT(restore_store(*env_, "/nothing", "/restored", {}), FailsWith(Code::not_found));
}

TEST_F(Backup, OneThatWasKilledAnywhereIsNeverTakenForAStore) {
  append_numbers(0, 20);
  for (std::uint64_t n = 1; n < 200; ++n) {
    env_->kill_in(n);
    const Status done = store_->backup("/backup", {});
    const bool survived = env_->alive();
    store_ = nullptr;
    env_ = nullptr;
    start();
    const Status restored = restore_to("/restored");
    if (survived) {
      EXPECT_TRUE(done);
      EXPECT_TRUE(restored) << restored.error().to_string();
    }
    if (restored) {
      EXPECT_EQ(all(*open_at("/restored")), numbers(20)) << "killed in operation " << n;
    } else {
      EXPECT_THAT(restored, FailsWith(Code::not_found)) << "killed in operation " << n;
    }
    ASSERT_TRUE(os::remove_tree(env_->fs(), "/backup"));
    ASSERT_TRUE(os::remove_tree(env_->fs(), "/restored"));
    if (survived) return;
  }
  FAIL() << "no backup came to its end";
}

TEST_F(Backup, ARestoreThatWasKilledAnywhereLeavesNoStoreOrAWholeOne) {
  append_numbers(0, 20);
  ASSERT_TRUE(store_->backup("/backup", {}));
  append_numbers(20, 25);
  for (std::uint64_t n = 1; n < 400; ++n) {
    env_->kill_in(n);
    (void)restore_to("/restored");
    const bool survived = env_->alive();
    store_ = nullptr;
    env_ = nullptr;
    start();
    if (env_->fs().exists("/restored/catalogue").value()) {
      const auto copy = open_at("/restored");
      ASSERT_NE(copy, nullptr) << "killed in operation " << n;
      EXPECT_EQ(all(*copy), numbers(20)) << "killed in operation " << n;
      EXPECT_TRUE(copy->rank("rides", positions_[19]));
      EXPECT_THAT(copy->rank("rides", positions_[20]), FailsWith(Code::position_lost)) << "killed in operation " << n;
      // Beyond any that the store comes to which the backup is of: what that appends from now on is refused here, too.
      EXPECT_GT(copy->info()->epoch, store_->info()->epoch + 1'000) << "killed in operation " << n;
    } else {
      EXPECT_FALSE(survived);
    }
    ASSERT_TRUE(os::remove_tree(env_->fs(), "/restored"));
    if (survived) return;
  }
  FAIL() << "no restore came to its end";
}

TEST_F(Backup, ARestoreThatWasKilledAnywhereIsSimplyRepeated) {
  append_numbers(0, 20);
  ASSERT_TRUE(store_->backup("/backup", {}));
  bool left_something = false;
  for (std::uint64_t n = 1; n < 400; ++n) {
    for (int kill = 0; kill < 2; ++kill) {  // the second one may fall into the clearing of what the first has left
      env_->kill_in(n);
      (void)restore_to("/restored");
      store_ = nullptr;
      env_ = nullptr;
      start();
      if (env_->fs().exists("/restored/catalogue").value()) break;
      left_something |= env_->fs().exists("/restored").value() && !env_->fs().list("/restored")->empty();
    }
    const bool whole = env_->fs().exists("/restored/catalogue").value();
    if (!whole) {
      const Status again = restore_to("/restored");
      ASSERT_TRUE(again) << "killed in operation " << n << ": " << again.error().to_string();
    }
    EXPECT_EQ(all(*open_at("/restored")), numbers(20)) << "killed in operation " << n;
    ASSERT_TRUE(os::remove_tree(env_->fs(), "/restored"));
    if (whole) {
      EXPECT_TRUE(left_something);
      return;
    }
  }
  FAIL() << "no restore came to its end";
}

TEST_F(Backup, WhatIsNotOfARestoreIsNeverClearedForOne) {
  append_numbers(0, 5);
  ASSERT_TRUE(store_->backup("/backup", {}));
  auto& fs = env_->fs();
  ASSERT_TRUE(os::make_directories(fs, "/mine/restoring"));
  ASSERT_TRUE(os::replace_file(fs, "/mine/notes", base::as_bytes("of mine")));
  EXPECT_THAT(restore_to("/mine"), FailsWith(Code::already_exists));
  EXPECT_EQ(fs.list("/mine")->size(), 2u);
  // Nor is what looks like it; and what another restore holds is that one's.
  ASSERT_TRUE(os::make_directories(fs, "/looks/restoring/journal"));
  EXPECT_THAT(restore_to("/looks"), FailsWith(Code::already_exists));
  EXPECT_TRUE(fs.exists("/looks/restoring/journal").value());
  os::SimEnv other(world_);
  ASSERT_TRUE(os::make_directories(fs, "/held/restoring"));
  auto mark = other.fs().open("/held/restoring/RESTORE", {.write = true, .create = true}).value();
  ASSERT_TRUE(mark->try_lock(os::LockKind::exclusive, 0, 0).value());
  ASSERT_TRUE(os::make_directories(fs, "/held/topics/1"));
  EXPECT_THAT(restore_to("/held"), FailsWith(Code::locked));
  EXPECT_TRUE(fs.exists("/held/topics/1").value());
  mark.reset();
  ASSERT_TRUE(os::remove_tree(fs, "/held/topics"));
  EXPECT_THAT(open_store(*env_, "/held", options_), FailsWith(Code::unavailable));  // no new store is made over it
  ASSERT_TRUE(restore_to("/held"));
  EXPECT_EQ(all(*open_at("/held")), numbers(5));
  EXPECT_FALSE(fs.exists("/held/restoring").value());
  // A store is not what a restore has left, whatever is beside it.
  ASSERT_TRUE(restore_to("/other"));
  ASSERT_TRUE(os::make_directories(fs, "/other/restoring"));
  EXPECT_THAT(restore_to("/other"), FailsWith(Code::already_exists));
  EXPECT_EQ(all(*open_at("/other")), numbers(5));
}

TEST_F(Backup, OneThatFailsLeavesItsTargetEmptyAndIsRepeated) {
  append_numbers(0, 20);
  auto& disk = world_.disk();
  for (const bool syncs : {false, true}) {
    int failures = 0;
    for (std::uint64_t n = 1;; ++n) {
      ASSERT_LT(n, 200u);
      (syncs ? disk.faults.fail_sync_at : disk.faults.fail_write_at) = (syncs ? disk.counters().syncs : disk.counters().writes) + n;
      const Status failed = store_->backup("/backup", {});
      disk.faults = {};
      if (!failed) {
        ++failures;
        const auto left = env_->fs().list("/backup");
        EXPECT_TRUE(!left || left->empty()) << "failed in " << n << ": " << failed.error().to_string();
        const Status again = store_->backup("/backup", {});
        ASSERT_TRUE(again) << "failed in " << n << ": " << again.error().to_string();
      }
      ASSERT_TRUE(os::remove_tree(env_->fs(), "/backup"));
      if (failed) break;
    }
    EXPECT_GT(failures, 5);
  }
}

TEST_F(Backup, ARestoreSurvivesAPowerLossOnceItHasReturned) {
  append_numbers(0, 20);
  ASSERT_TRUE(store_->backup("/backup", {}));
  ASSERT_TRUE(restore_to("/restored"));
  world_.disk().cut_power();
  store_ = nullptr;
  env_ = nullptr;
  world_.disk().restart();
  start();
  EXPECT_EQ(all(*open_at("/restored")), numbers(20));
  ASSERT_TRUE(restore_to("/again"));
}

TEST_F(Backup, ADamagedOrIncompleteOneIsNotRestored) {
  append_numbers(0, 40);
  ASSERT_TRUE(store_->backup("/backup", {}));
  std::string segment;
  for (const auto& file : world_.disk().files()) {
    if (file.path.find("backup/topics") != std::string::npos && file.path.ends_with(".log")) segment = file.path;
  }
  ASSERT_FALSE(segment.empty());
  const auto whole = *world_.disk().read(segment);
  auto damaged = whole;
  damaged[damaged.size() / 2] ^= std::byte{1};
  world_.disk().write(segment, damaged);
  const Status restored = restore_to("/restored");
  EXPECT_THAT(restored, FailsWith(Code::corrupt));
  EXPECT_THAT(restored.error().detail, HasSubstr(".log"));
  EXPECT_TRUE(env_->fs().list("/restored").value().empty());
  // Cut short: a file of it is missing bytes.
  damaged = whole;
  damaged.resize(damaged.size() / 2);
  world_.disk().write(segment, damaged);
  EXPECT_THAT(restore_to("/restored"), FailsWith(Code::corrupt));
  world_.disk().write(segment, whole);
  ASSERT_TRUE(restore_to("/restored"));
}

TEST(BackupThreads, IsAConsistentPrefixWhileAppendsGoOn) {
  const std::string root = ::testing::TempDir() + "baton_backup_" + std::to_string(os::make_posix_env()->process_id());
  std::filesystem::remove_all(root);
  Options options = small_options();
  {
    auto store = Store::open(root + "/data", options).value();
    std::atomic<int> acknowledged = 0;
    std::atomic<bool> stop = false;
    std::jthread appender([&] {
      for (int i = 0; !stop; ++i) {
        // Two streams in one append: both or none may be in the backup.
        Append append = append_of("a", Expect::any(), {event("A", std::to_string(i))});
        append.streams.push_back({.stream = "b", .condition = {}, .events = {event("A", std::to_string(i) + std::string(500, ' '))}});
        ASSERT_TRUE(store->append(std::move(append)));
        acknowledged = i + 1;
      }
    });
    for (int round = 0; round < 5; ++round) {
      const int before = acknowledged;
      while (acknowledged < before + 50) std::this_thread::yield();
      const int at_least = acknowledged;
      const std::string name = root + "/backup" + std::to_string(round);
      const Status backed_up = store->backup(name, {});
      ASSERT_TRUE(backed_up) << backed_up.error().to_string();
      const int at_most = acknowledged + 1;
      const Status restored = restore(name, name + "-restored", {});
      ASSERT_TRUE(restored) << restored.error().to_string();
      auto copy = Store::open(name + "-restored", options).value();
      const auto a = copy->read_stream({.context = "rides", .stream = "a", .limit = 1'000'000}).value();
      const auto b = copy->read_stream({.context = "rides", .stream = "b", .limit = 1'000'000}).value();
      EXPECT_EQ(a.events.size(), b.events.size());
      EXPECT_GE(static_cast<int>(a.events.size()), at_least);
      EXPECT_LE(static_cast<int>(a.events.size()), at_most);
      for (std::size_t i = 0; i < a.events.size(); ++i) ASSERT_EQ(a.events[i].data, std::to_string(i));
    }
    stop = true;
  }
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace baton::store::testing
