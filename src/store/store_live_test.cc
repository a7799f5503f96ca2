// Subscriptions, checkpoints and snapshots on whole stores.
#include <atomic>
#include <filesystem>
#include <map>
#include <thread>

#include "store/store_test_support.h"

namespace baton::store::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::int64_t kForeverMs = 1'000'000'000;

class Live : public StoreTest {
 protected:
  std::unique_ptr<Subscription> subscribe(StartAt start = {}, bool live = true) {
    auto opened = store_->subscribe({.context = "rides", .start = std::move(start), .filter = {}, .live = live});
    EXPECT_TRUE(opened) << opened.error().to_string();
    return opened ? *std::move(opened) : nullptr;
  }
  std::vector<std::string> next(Subscription& subscription, std::size_t max, std::int64_t timeout_ms = 0) {
    std::vector<std::string> data;
    const auto count = subscription.next(max, timeout_ms, [&](const EventView& e) {
      data.emplace_back(e.data);
      return true;
    });
    EXPECT_TRUE(count) << count.error().to_string();
    return data;
  }
};

TEST_F(Live, ASubscriptionHandsOnWhatWasThereAndThenWhatIsAppended) {
  appended("ride-1", {event("A", "0"), event("A", "1")});
  const auto subscription = subscribe();
  EXPECT_THAT(next(*subscription, 10), ElementsAre("0", "1"));
  EXPECT_THAT(next(*subscription, 10), IsEmpty());
  EXPECT_TRUE(subscription->live());
  // Asynchronously: the subscription waits while it is appended.
  store_->append_async(append_of("ride-2", Expect::any(), {event("A", "2")}), [](Result<Appended> done) { EXPECT_TRUE(done); });
  EXPECT_THAT(next(*subscription, 10, kForeverMs), ElementsAre("2"));
  EXPECT_EQ(subscription->position(), store_->context("rides")->end);
}

TEST_F(Live, SystemRecordsAreHandedOnInTheirPlace) {
  appended("ride-1", {event("A", "0")});
  ASSERT_TRUE(store_->delete_stream("rides", "ride-1", Expect::any()));
  std::vector<std::string> seen;
  ASSERT_TRUE(subscribe()->next(10, 0, [&](const EventView& e) {
    seen.emplace_back(e.system.empty() ? e.data : e.system);
    return true;
  }));
  EXPECT_THAT(seen, ElementsAre("0", "deleted"));
}

TEST_F(Live, ACheckpointSavedInAVisitIsBehindThatEvent) {
  for (int i = 0; i < 5; ++i) appended("ride-1", {event("A", std::to_string(i))});
  const auto first = subscribe();
  int visits = 0;
  ASSERT_TRUE(first->next(10, 0, [&](const EventView&) {
    if (++visits == 3) EXPECT_TRUE(first->save_checkpoint("billing"));
    return true;
  }));
  EXPECT_THAT(next(*subscribe({.kind = StartAt::Kind::checkpoint, .position = {}, .time = {}, .checkpoint = "billing"}), 10), ElementsAre("3", "4"));
}

TEST_F(Live, ACheckpointSurvivesAKillAndTheSubscriptionGoesOnBehindIt) {
  for (int i = 0; i < 5; ++i) appended("ride-1", {event("A", std::to_string(i))});
  const StartAt start{.kind = StartAt::Kind::checkpoint, .position = {}, .time = {}, .checkpoint = "billing"};
  {
    const auto subscription = subscribe(start);
    EXPECT_THAT(next(*subscription, 3), ElementsAre("0", "1", "2"));
    ASSERT_TRUE(subscription->save_checkpoint("billing"));
    EXPECT_THAT(next(*subscription, 1), ElementsAre("3"));  // not saved: handed on again
  }
  kill_and_reopen();
  EXPECT_THAT(next(*subscribe(start), 10), ElementsAre("3", "4"));
}

TEST_F(Live, ClosingTheStoreEndsASubscriptionThatWaits) {
  appended("ride-1", {event("A", "0")});
  const auto subscription = subscribe();
  EXPECT_THAT(next(*subscription, 10), ElementsAre("0"));
  ASSERT_TRUE(store_->close());
  EXPECT_THAT(subscription->next(1, kForeverMs, [](const EventView&) { return true; }), FailsWith(Code::cancelled));
}

TEST_F(Live, ASubscriptionOfAClosedStoreHandsOutAndSavesNothing) {
  appended("ride-1", {event("A", "0"), event("A", "1")});
  const auto subscription = subscribe();
  EXPECT_THAT(next(*subscription, 1), ElementsAre("0"));
  ASSERT_TRUE(store_->close());
  EXPECT_THAT(subscription->next(1, 0, [](const EventView&) { return true; }), FailsWith(Code::cancelled));
  EXPECT_THAT(subscription->save_checkpoint("late"), FailsWith(Code::cancelled));
}

TEST_F(Live, SubscriptionsOfManyPartitionsGoOnFromTheirPosition) {
  ASSERT_TRUE(store_->create_context("rides", {.partitions = 4}));
  std::map<std::string, int> expected;
  const auto append_some = [&](int from) {
    for (int i = from; i < from + 40; ++i) {
      appended("ride-" + std::to_string(i), {event("A", std::to_string(i))});
      ++expected[std::to_string(i)];
    }
  };
  append_some(0);
  std::map<std::string, int> seen;
  Position position;
  for (int round = 0; round < 20; ++round) {
    if (round == 7) append_some(40);
    if (round == 11) kill_and_reopen();
    const auto subscription = subscribe({.kind = StartAt::Kind::position, .position = position, .time = {}, .checkpoint = {}});
    for (const auto& data : next(*subscription, 5)) ++seen[data];
    position = subscription->position();
  }
  EXPECT_EQ(seen, expected);
}

// On the real machine, with threads.
TEST(LiveThreads, ManySubscriptionsSeeEveryEventOnceInOrderWhileManyAppend) {
  const std::string directory = ::testing::TempDir() + "baton_live_" + std::to_string(os::make_posix_env()->process_id());
  std::filesystem::remove_all(directory);
  constexpr int kAppenders = 4;
  constexpr int kAppends = 300;
  {
    Options options = small_options();
    auto opened = Store::open(directory, options);
    ASSERT_TRUE(opened) << opened.error().to_string();
    Store& store = **opened;
    ASSERT_TRUE(store.create_context("rides", {}));
    std::vector<std::jthread> threads;
    for (int s = 0; s < 3; ++s) {
      threads.emplace_back([&, s] {
        SubscribeOptions wanted{.context = "rides"};
        if (s == 2) wanted.filter.tags = {"writer:1"};
        auto subscription = store.subscribe(wanted);
        ASSERT_TRUE(subscription);
        const int total = s == 2 ? kAppends * 2 : kAppenders * kAppends * 2;
        std::map<std::string, std::int64_t, std::less<>> versions;
        std::int64_t last_offset = -1;
        for (int seen = 0; seen < total;) {
          const auto count = (*subscription)->next(64, kForeverMs, [&](const EventView& e) {
            EXPECT_GT(e.offset, last_offset);
            last_offset = e.offset;
            auto& version = versions.try_emplace(std::string(e.stream), -1).first->second;
            EXPECT_EQ(e.version, ++version);
            ++seen;
            return true;
          });
          ASSERT_TRUE(count) << count.error().to_string();
        }
        EXPECT_EQ((*subscription)->next(1, 0, [](const EventView&) { return true; }).value(), 0u);
      });
    }
    for (int a = 0; a < kAppenders; ++a) {
      threads.emplace_back([&, a] {
        for (int i = 0; i < kAppends; ++i) {
          const std::vector<std::string> tags{"writer:" + std::to_string(a)};
          auto done = store.append(append_of("ride-" + std::to_string(a * 10 + i % 7), Expect::any(),
                                             {event("A", "{}", {}, tags), event("B", std::string(300, 'x'), {}, tags)}));
          ASSERT_TRUE(done) << done.error().to_string();
        }
      });
    }
    threads.clear();
    ASSERT_TRUE(store.close());
  }
  std::filesystem::remove_all(directory);
}

TEST_F(Live, ASnapshotShortensALoadAndSaysWhenOneIsDue) {
  std::vector<NewEvent> events;
  for (int i = 0; i < 10; ++i) events.push_back(event("A", std::to_string(i)));
  appended("ride-1", events);
  auto loaded = store_->load("rides", "ride-1", {.shape = 1, .snapshot_every = 10}).value();
  EXPECT_FALSE(loaded.snapshot);
  EXPECT_EQ(loaded.events.size(), 10u);
  EXPECT_TRUE(loaded.snapshot_due);
  ASSERT_TRUE(store_->save_snapshot("rides", "ride-1", {.version = 9, .shape = 1, .bytes = "sum"}));
  appended("ride-1", {event("A", "10")});
  loaded = store_->load("rides", "ride-1", {.shape = 1, .snapshot_every = 10}).value();
  ASSERT_TRUE(loaded.snapshot);
  EXPECT_EQ(loaded.snapshot->bytes, "sum");
  EXPECT_THAT(data_of(loaded.events), ElementsAre("10"));
  EXPECT_EQ(loaded.version, 10);
  EXPECT_FALSE(loaded.snapshot_due);
  EXPECT_EQ(store_->load("rides", "ride-1", {.shape = 2}).value().events.size(), 11u);
  kill_and_reopen();
  loaded = store_->load("rides", "ride-1", {.shape = 1}).value();
  EXPECT_TRUE(loaded.snapshot);
}

}  // namespace
}  // namespace baton::store::testing
