// Failures of the store, each by its number in the list of what must be survived; store_sim_test.cc mixes them.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <map>
#include <mutex>
#include <thread>

#include <unistd.h>

#include "store/store_test_support.h"

namespace baton::store::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Failure = StoreTest;

TEST_F(Failure, F5AnAppendOfSeveralEventsIsThereWhollyOrNotAtAllWhereverTheProcessDies) {
  for (std::uint64_t at = 1; at < 60; ++at) {
    os::SimWorld world({.seed = at});
    auto env = std::make_unique<os::SimEnv>(world);
    auto store = *open_store(*env, "/data", small_options());
    ASSERT_TRUE(store->append(append_of("ride-0", Expect::any(), {event("A")})));
    world.disk().faults.power_loss_at = world.disk().counters().mutations + at;
    std::optional<Result<Appended>> answer;
    Append several = append_of("ride-1", Expect::any(), {event("A", "1"), event("A", "2")});
    several.streams.push_back({.stream = "ride-2", .events = {event("A", "3")}});
    store->append_async(several, [&](Result<Appended> done) { answer = std::move(done); });
    (void)world.run_until([&] { return answer.has_value() || !env->alive(); });
    const bool acknowledged = answer.has_value() && answer->ok() && env->alive();
    store = nullptr;
    env = nullptr;
    world.disk().faults = {};
    world.disk().restart();
    env = std::make_unique<os::SimEnv>(world);
    store = *open_store(*env, "/data", small_options());
    const auto events = store->read_context({.context = "rides"})->events.size();
    EXPECT_TRUE(events == 4 || (events == 1 && !acknowledged)) << events << " events, power lost at " << at;
    store = nullptr;
    env = nullptr;
  }
}

TEST_F(Failure, F12AFailedSyncEndsTheStoreOnceAndForAll) {
  int fatal = 0;
  options_.on_fatal = [&](const Error& error) {
    ++fatal;
    EXPECT_EQ(error.code, Code::store_failed);
  };
  reopen();
  appended("ride-1", {event("A", "kept")});
  world_.disk().faults.fail_sync_at = world_.disk().counters().syncs + 1;
  std::vector<Code> codes;
  for (int i = 0; i < 3; ++i) {
    store_->append_async(append_of("ride-1", Expect::any(), {event("A", "lost")}), [&](Result<Appended> done) {
      codes.push_back(done ? Code::internal : done.error().code);
    });
  }
  ASSERT_TRUE(world_.run_until([&] { return codes.size() == 3; }));
  EXPECT_THAT(codes, ElementsAre(Code::store_failed, Code::store_failed, Code::store_failed));
  EXPECT_EQ(fatal, 1);
  EXPECT_THAT(append("ride-1", Expect::any(), {event("A")}), FailsWith(Code::store_failed));
  EXPECT_THAT(store_->read_context({.context = "rides"}), FailsWith(Code::store_failed));
  EXPECT_THAT(store_->info(), FailsWith(Code::store_failed));
  EXPECT_THAT(store_->close(), FailsWith(Code::store_failed));
  EXPECT_EQ(fatal, 1);
  store_ = nullptr;
  env_ = nullptr;
  world_.disk().restart();
  start();
  EXPECT_EQ(stream_data("ride-1").front(), "kept");
  EXPECT_TRUE(append("ride-1", Expect::any(), {event("A")}));
}

// Whatever else a timer is set for by then: here it is the mark of an idle log, half a second after the append before.
TEST_F(Failure, WithIntervalAnAppendIsOnTheDiskAfterTheInterval) {
  options_.durability = Durability::interval;
  options_.interval_ms = 50;
  reopen();
  for (int i = 0; i < 8; ++i) {
    appended("ride-1", {event("A", "early")});
    world_.run_for(170'000'000);
    appended("ride-1", {event("A", "late " + std::to_string(i))});
    world_.run_for(60'000'000);
    env_->kill();
    store_ = nullptr;
    env_ = nullptr;
    world_.disk().restart();
    start();
    EXPECT_EQ(stream_data("ride-1").back(), "late " + std::to_string(i));
  }
}

TEST_F(Failure, F13AFullDiskRefusesAppendsAnswersReadsAndIsForgottenWhenThereIsRoomAgain) {
  appended("ride-1", {event("A", "before")});
  auto& capacity = world_.disk().faults.capacity_bytes;
  const auto enough = capacity;
  capacity = world_.disk().used_bytes();
  std::optional<Code> refused;
  for (int i = 0; i < 2000 && !refused; ++i) {
    const auto done = append("ride-" + std::to_string(i), Expect::any(), {event("A", std::string(1000, 'x'))});
    if (!done) refused = done.error().code;
  }
  ASSERT_EQ(refused, Code::no_space);
  EXPECT_EQ(stream_data("ride-1").front(), "before");
  capacity = enough;
  world_.run_for(3'000'000'000);
  EXPECT_TRUE(append("ride-1", Expect::any(), {event("A")}));
}

TEST_F(Failure, F19ALostIndexIsRebuiltAndReadsAreIdentical) {
  for (int i = 0; i < 500; ++i) {
    appended("ride-" + std::to_string(i % 40), {event(i % 2 == 0 ? "A" : "B", std::to_string(i), "", {"n:" + std::to_string(i % 9)})});
  }
  ASSERT_TRUE(store_->truncate_stream("rides", "ride-3", 5, Expect::any()));
  const auto look = [&] {
    std::vector<std::vector<std::string>> all;
    for (int s = 0; s < 40; ++s) all.push_back(stream_data("ride-" + std::to_string(s)));
    all.push_back(data_of(read({.filter = {.tags = {"n:4"}}}).events));
    all.push_back({std::to_string(*store_->info()->streams)});
    return all;
  };
  const auto before = look();
  ASSERT_TRUE(store_->close());
  store_ = nullptr;
  env_ = nullptr;
  for (const auto& file : world_.disk().files()) {
    if (file.path.find("/index/") != std::string::npos) world_.disk().remove(file.path);
  }
  start();
  EXPECT_EQ(look(), before);
}

TEST_F(Failure, F29F30ARetryAfterACrashBetweenAppendAndReplyIsExact) {
  for (std::uint64_t at = 1; at < 40; ++at) {
    os::SimWorld world({.seed = at});
    auto env = std::make_unique<os::SimEnv>(world);
    auto store = *open_store(*env, "/data", small_options());
    ASSERT_TRUE(store->append(append_of("ride-0", Expect::any(), {event("A")})));
    const Append request = append_of("ride-1", Expect::no_stream(), {event("A", "1", "id-1"), event("A", "2", "id-2")});
    env->kill_in(at);
    store->append_async(request, [](const Result<Appended>&) {});
    (void)world.run_until([&] { return !env->alive(); }, 2000);
    store = nullptr;
    env = nullptr;
    env = std::make_unique<os::SimEnv>(world);
    store = *open_store(*env, "/data", small_options());
    const auto retried = store->append(request);
    ASSERT_TRUE(retried) << retried.error().to_string();
    EXPECT_EQ(retried->events[1].offset, 2);
    EXPECT_EQ(store->read_context({.context = "rides"})->events.size(), 3u);
    Append changed = request;
    changed.streams[0].events[1].data = "other";
    EXPECT_THAT(store->append(changed), FailsWith(Code::duplicate_mismatch));
    store = nullptr;
    env = nullptr;
  }
}

TEST_F(Failure, HeadsAndVersionsSurviveARetentionAndALostIndexAfterIt) {
  options_.segment_bytes = 8192;
  options_.journal_bytes = 16384;
  reopen();
  ASSERT_TRUE(store_->create_context("rides", {.history_deletable = true, .retention_bytes = 30'000}));
  for (int i = 0; i < 30; ++i) appended("old-" + std::to_string(i), {event("A", "0"), event("A", "1")});
  ASSERT_TRUE(store_->delete_stream("rides", "old-7", Expect::any()));
  ASSERT_TRUE(store_->truncate_stream("rides", "old-8", 1, Expect::any()));
  for (int i = 0; i < 400; ++i) appended("new-" + std::to_string(i % 5), {event("A", std::string(300, 'x'))});
  ASSERT_TRUE(store_->apply_retention());
  const auto first = read({.limit = 1}).events.front().offset;
  ASSERT_GT(first, 64);  // the records of the old streams are gone
  for (int restart = 0; restart < 3; ++restart) {
    EXPECT_EQ(store_->info()->streams, 35);
    EXPECT_EQ(store_->stream_head("rides", "old-3")->last_version, 1);
    EXPECT_TRUE(store_->stream_head("rides", "old-7")->deleted);
    EXPECT_THAT(stream_data("old-3"), IsEmpty());
    EXPECT_EQ(store_->streams("rides", "old-", "", 100)->streams.size(), 30u);
    EXPECT_THAT(append("old-3", Expect::no_stream(), {event("A")}), FailsWith(Code::wrong_version));
    ASSERT_TRUE(store_->close());
    store_ = nullptr;
    env_ = nullptr;
    if (restart == 1) {
      for (const auto& file : world_.disk().files()) {
        if (file.path.find("/index/") != std::string::npos) world_.disk().remove(file.path);
      }
    }
    start();
  }
  EXPECT_EQ(appended("old-3", {event("A", "2")}, Expect::exact(1)).events[0].version, 2);
  EXPECT_EQ(appended("old-7", {event("A", "2")}, Expect::no_stream()).events[0].version, 2);
  EXPECT_THAT(stream_data("old-7"), ElementsAre("2"));
  EXPECT_EQ(store_->info()->streams, 35);
}

// On the real machine, with real threads.
class Threads : public ::testing::Test {
 protected:
  Threads() : directory_(std::filesystem::temp_directory_path() / ("baton-store-threads-" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(directory_);
    store_ = *Store::open(directory_.string());
  }
  ~Threads() override {
    store_ = nullptr;
    std::filesystem::remove_all(directory_);
  }
  std::filesystem::path directory_;
  std::unique_ptr<Store> store_;
};

TEST_F(Threads, F28OfConcurrentAppendsWithOneExpectedVersionExactlyOneWins) {
  ASSERT_TRUE(store_->append(append_of("ride-1", Expect::no_stream(), {event("A")})));
  constexpr int kThreads = 8;
  for (std::int64_t version = 0; version < 20; ++version) {
    std::atomic<int> won{0};
    std::atomic<int> lost{0};
    {
      std::vector<std::jthread> threads;
      for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&] {
          const auto done = store_->append(append_of("ride-1", Expect::exact(version), {event("A")}));
          done ? ++won : ++lost;
          if (!done) EXPECT_EQ(done.error().code, Code::wrong_version);
        });
      }
    }
    EXPECT_EQ(won, 1);
    EXPECT_EQ(lost, kThreads - 1);
  }
}

// One register per stream: its version. What an append or a read says must fit an order in which each took effect between its call and its return.
TEST_F(Threads, AppendsAndReadsOfManyThreadsAreLinearizable) {
  struct Operation {
    std::int64_t begin = 0, end = 0;
    std::int64_t version = 0;   // appended, or read; of a refused append the one that it expected
    std::int64_t offset = -1;   // of what was appended
  };
  constexpr std::int64_t kAppends = 250;
  std::atomic<std::int64_t> clock{0};
  std::mutex mutex;
  std::vector<Operation> appends, refusals, reads;
  ASSERT_TRUE(store_->append(append_of("ride-1", Expect::no_stream(), {event("A")})));
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 6; ++t) {
      threads.emplace_back([&, t] {
        std::int64_t known = 0;
        for (std::int64_t i = 0; i < kAppends; ++i) {
          Operation one{.begin = clock++};
          const bool is_read = (i + t) % 3 == 0;
          if (is_read) {
            const auto head = store_->stream_head("rides", "ride-1");
            ASSERT_TRUE(head);
            one.version = known = head->last_version;
          } else {
            const auto done = store_->append(append_of("ride-1", (i + t) % 3 == 1 ? Expect::exact(known) : Expect::any(), {event("A")}));
            one.version = done ? done->events.front().version : known;
            if (done) {
              one.offset = done->events.front().offset;
              known = one.version;
            } else {
              ASSERT_EQ(done.error().code, Code::wrong_version);
            }
          }
          one.end = clock++;
          const std::lock_guard lock(mutex);
          (is_read ? reads : one.offset < 0 ? refusals : appends).push_back(one);
        }
      });
    }
  }
  std::ranges::sort(appends, {}, &Operation::version);
  std::int64_t latest_begin = -1;  // of the appends with lower versions
  for (std::size_t i = 0; i < appends.size(); ++i) {
    ASSERT_EQ(appends[i].version, static_cast<std::int64_t>(i) + 1) << "versions are dense";
    ASSERT_EQ(appends[i].offset, appends[i].version) << "the only stream there is";
    EXPECT_LT(latest_begin, appends[i].end) << "version " << appends[i].version << " was acknowledged before a lower one was asked for";
    latest_begin = std::max(latest_begin, appends[i].begin);
  }
  // The first moment at which the stream may, and the last at which it may not, have come beyond a version.
  const auto may_pass = [&](std::int64_t version) { return version < std::ssize(appends) ? appends[static_cast<std::size_t>(version)].begin : INT64_MAX; };
  const auto has_passed = [&](std::int64_t version) {
    std::int64_t first = INT64_MAX;
    for (auto i = static_cast<std::size_t>(version); i < appends.size(); ++i) first = std::min(first, appends[i].end);
    return first;
  };
  for (const Operation& read : reads) {
    if (read.version > 0) EXPECT_LT(may_pass(read.version - 1), read.end) << "version " << read.version << " was read before it was asked for";
    EXPECT_GT(has_passed(read.version), read.begin) << "version " << read.version << " was read when a higher one had been acknowledged";
  }
  for (const Operation& refused : refusals) EXPECT_LT(may_pass(refused.version), refused.end) << "refused with the right version, " << refused.version;
  EXPECT_GT(refusals.size(), 0u);
}

TEST_F(Threads, ReadersBesideWritersSeeEachStreamGrowWithoutAGap) {
  std::atomic<bool> stop{false};
  std::vector<std::jthread> threads;
  for (int w = 0; w < 2; ++w) {
    threads.emplace_back([&, w] {
      for (int i = 0; i < 150; ++i) {
        ASSERT_TRUE(store_->append(append_of("ride-" + std::to_string(w), Expect::exact(i - 1).version < 0 ? Expect::no_stream() : Expect::exact(i - 1),
                                             {event("A", std::to_string(i), "", {"w:" + std::to_string(w)})})));
      }
    });
  }
  threads.emplace_back([&] {
    while (!stop) {
      std::int64_t next = 0;
      std::map<std::string, std::int64_t> versions;
      const auto done = store_->scan({.context = "rides"}, [&](const EventView& e) {
        EXPECT_EQ(e.offset, next++);
        EXPECT_EQ(e.version, versions[std::string(e.stream)]++);
        return true;
      });
      if (!done) EXPECT_EQ(done.error().code, Code::not_found);
    }
  });
  threads.emplace_back([&] {
    while (!stop) {
      const auto page = store_->read_stream({.context = "rides", .stream = "ride-1"});
      if (!page) continue;
      for (std::size_t i = 0; i < page->events.size(); ++i) EXPECT_EQ(page->events[i].data, std::to_string(i));
      const auto tagged = store_->read_context({.context = "rides", .filter = {.tags = {"w:1"}}});
      if (tagged) for (std::size_t i = 0; i < tagged->events.size(); ++i) EXPECT_EQ(tagged->events[i].version, static_cast<std::int64_t>(i));
    }
  });
  threads[0].join();
  threads[1].join();
  stop = true;
}

}  // namespace
}  // namespace baton::store::testing
