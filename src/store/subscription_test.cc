#include "store/subscription.h"

#include <gtest/gtest.h>

#include <thread>

#include "os/sim_env.h"
#include "store/context_reads.h"
#include "store/context_scanner.h"
#include "store/fake_partition_for_test.h"
#include "store/replay_pace.h"

namespace baton::store {
namespace {

constexpr std::int64_t kForeverMs = 1'000'000'000;

struct Reader {
  explicit Reader(FakeContext& context) : fake(context) {}
  FakeContext& fake;
  std::unique_ptr<os::Env> env = os::make_posix_env();
  WakeList wake;

  SubscriptionSource source() { return {.env = env.get(), .wake = &wake}; }
  std::unique_ptr<Subscription> open(StartAt start = {}, bool live = true, Filter filter = {}) {
    auto opened = subscribe(source(), fake.view, {.context = "rides", .start = std::move(start), .filter = std::move(filter), .live = live});
    EXPECT_TRUE(opened) << opened.error().to_string();
    return opened ? *std::move(opened) : nullptr;
  }
};

// The ids of what is there now.
std::vector<std::string> drain(Subscription& subscription, std::size_t max = 1000) {
  std::vector<std::string> ids;
  for (;;) {
    const auto count = subscription.next(max, 0, [&](const EventView& e) {
      ids.emplace_back(e.id);
      return true;
    });
    EXPECT_TRUE(count) << count.error().to_string();
    if (!count || *count == 0) return ids;
  }
}
using Ids = std::vector<std::string>;

TEST(Subscription, CatchesUpAndGoesLiveWithoutGapOrDuplicate) {
  constexpr int kEvents = 20'000;
  FakeContext fake;
  Reader reader(fake);
  for (int i = 0; i < kEvents / 2; ++i) fake.append(i);
  std::jthread appender([&] {
    for (int i = kEvents / 2; i < kEvents; ++i) {
      fake.append(i);
      reader.wake.notify();
    }
  });
  const auto subscription = reader.open();
  int expected = 0;
  std::int64_t last_version = -1;
  while (expected < kEvents) {
    const auto count = subscription->next(100, kForeverMs, [&](const EventView& e) {
      EXPECT_EQ(e.id, std::to_string(expected));
      EXPECT_EQ(e.version, last_version + 1);
      last_version = e.version;
      ++expected;
      return true;
    });
    ASSERT_TRUE(count) << count.error().to_string();
    ASSERT_GT(*count, 0u);
    ASSERT_LE(*count, 100u);
  }
  EXPECT_EQ(subscription->next(1, 0, [](const EventView&) { return true; }).value(), 0u);
  EXPECT_TRUE(subscription->live());
  EXPECT_LE(fake.partitions[0]->largest_read(), 256u << 10);
}

// The offsets behind an end that went back are taken again: what comes there then has not been passed over.
TEST(Subscription, AnEndThatGoesBackIsNotPassedOver) {
  FakeContext fake;
  for (int i = 0; i < 4; ++i) fake.append(i);
  auto started = ContextScanner::start(fake.view, {.context = "rides", .after = {}, .filter = {}, .as_of = {}});
  ASSERT_TRUE(started) << started.error().to_string();
  Ids ids;
  const Visit visit = [&](const EventView& event) {
    ids.emplace_back(event.id);
    return true;
  };
  fake.partitions[0]->lose_from(2);
  ASSERT_TRUE((*started)->run(100, visit));
  EXPECT_EQ(ids, (Ids{"0", "1"}));
  EXPECT_TRUE((*started)->at_end());
  for (int i = 10; i < 13; ++i) fake.append(i);
  (*started)->extend();
  ASSERT_TRUE((*started)->run(100, visit));
  EXPECT_EQ(ids, (Ids{"0", "1", "10", "11", "12"}));
}

// As beside a writer that is never at rest: there is more at each look, and none of it matches.
TEST(Subscription, ACallEndsInTimeHoweverMuchIsPassedOver) {
  FakeContext fake;
  Reader reader(fake);
  fake.append(0);
  int appended = 1;
  const SubscriptionSource source{.env = reader.env.get(), .look = [&]() -> Status {
    fake.append(appended++);
    return {};
  }};
  for (const Filter& filter : {Filter{.tenant = "nobody"}, Filter{.types = {"Nothing"}}}) {
    const auto subscription = subscribe(source, fake.view, {.context = "rides", .filter = filter}).value();
    for (const std::int64_t timeout_ms : {0, 1, 20}) {
      const Position before = subscription->position();
      const auto count = subscription->next(10, timeout_ms, [](const EventView&) { return true; });
      ASSERT_TRUE(count) << count.error().to_string();
      EXPECT_EQ(*count, 0u);
      EXPECT_NE(subscription->position(), before);
    }
  }
  // A replay that has to rest for hours before it reads on.
  ReplayPace pace(reader.env->clock(), reader.wake, 1);
  SubscriptionSource slow = reader.source();
  slow.pace = &pace;
  for (int i = 0; i < 40'000; ++i) fake.append(appended++);
  reader.wake.notify();
  const auto subscription = subscribe(slow, fake.view, {.context = "rides", .filter = {.tenant = "nobody"}}).value();
  // The pace lets some pieces pass at once; then short calls get no further than a long one would.
  std::vector<Position> after;
  for (int i = 0; i < 20; ++i) {
    reader.wake.notify();
    const auto count = subscription->next(10, 1, [](const EventView&) { return true; });
    ASSERT_TRUE(count) << count.error().to_string();
    after.push_back(subscription->position());
  }
  EXPECT_FALSE(after.front().is_beginning());
  EXPECT_EQ(after[10], after.back());
  EXPECT_NE(after.back(), position_at(*fake.view, std::nullopt).value());
}

TEST(Subscription, AVisitMayAskForThePositionOfItsEventAndCancel) {
  FakeContext fake;
  Reader reader(fake);
  for (int i = 0; i < 10; ++i) fake.append(i);
  const auto subscription = reader.open();
  int visits = 0;
  const auto count = subscription->next(10, 0, [&](const EventView& event) {
    EXPECT_EQ(subscription->position(), event.position());
    if (++visits == 4) subscription->cancel();
    return true;
  });
  ASSERT_TRUE(count) << count.error().to_string();
  EXPECT_EQ(*count, 4u);
  EXPECT_EQ(visits, 4);
  const auto after = subscription->next(10, 0, [](const EventView&) { return true; });
  ASSERT_FALSE(after.ok());
  EXPECT_EQ(after.error().code, Code::cancelled);
  EXPECT_EQ(drain(*reader.open({.kind = StartAt::Kind::position, .position = subscription->position()})), (Ids{"4", "5", "6", "7", "8", "9"}));
}

TEST(Subscription, StartsAtTheBeginningTheEndAPositionATimeOrACheckpoint) {
  FakeContext fake;
  Reader reader(fake);
  for (int i = 0; i < 10; ++i) fake.append(i);
  const auto from_start = reader.open();
  std::vector<Position> positions;
  ASSERT_TRUE(from_start->next(10, 0, [&](const EventView& e) {
    positions.push_back(e.position());
    return true;
  }));
  const auto after_6 = reader.open({.kind = StartAt::Kind::position, .position = positions[6]});
  EXPECT_EQ(drain(*after_6), (Ids{"7", "8", "9"}));
  EXPECT_EQ(drain(*reader.open({.kind = StartAt::Kind::time, .time = Time{1007 * 1'000'000}})), (Ids{"7", "8", "9"}));
  EXPECT_EQ(drain(*reader.open({.kind = StartAt::Kind::time, .time = Time{1006 * 1'000'000 + 1}})), (Ids{"7", "8", "9"}));
  EXPECT_EQ(drain(*reader.open({.kind = StartAt::Kind::time, .time = Time{0}})).size(), 10u);
  const auto from_end = reader.open({.kind = StartAt::Kind::end});
  const auto from_later = reader.open({.kind = StartAt::Kind::time, .time = Time{5'000'000'000}});
  EXPECT_EQ(drain(*from_end), Ids{});
  fake.append(10);
  EXPECT_EQ(drain(*from_end), Ids{"10"});
  EXPECT_EQ(drain(*from_later), Ids{"10"});
  EXPECT_EQ(drain(*after_6), Ids{"10"});

  os::SimWorld world;
  os::SimEnv env(world);
  CheckpointStore checkpoints(env.fs(), "checkpoints");
  auto source = reader.source();
  source.checkpoints = &checkpoints;
  const SubscribeOptions options{.context = "rides", .start = {.kind = StartAt::Kind::checkpoint, .checkpoint = "c"}};
  auto first = subscribe(source, fake.view, options).value();
  EXPECT_EQ(first->next(4, 0, [](const EventView&) { return true; }).value(), 4u);
  ASSERT_TRUE(first->save_checkpoint("c"));
  EXPECT_EQ(drain(*subscribe(source, fake.view, options).value()).front(), "4");
  source.read_only = true;
  EXPECT_EQ(subscribe(source, fake.view, options).value()->save_checkpoint("c").error().code, Code::read_only);
}

TEST(Subscription, APositionOfALostTailOrAnotherStoreIsRefused) {
  FakeContext fake;
  Reader reader(fake);
  fake.append(0);
  const auto refused = subscribe(reader.source(), fake.view,
                                 {.context = "rides", .start = {.kind = StartAt::Kind::position, .position = {"p1.0102030405060708.1.7"}}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::position_lost);
}

TEST(Subscription, VisitMayStopAndTheNextCallGoesOn) {
  FakeContext fake;
  Reader reader(fake);
  fake.partitions[0]->append({{.type = "A", .id = "0"}, {.type = "A", .id = "1"}, {.type = "A", .id = "2"}}, "s", 1000);
  const auto subscription = reader.open();
  std::string seen;
  const auto stop = [&](const EventView& e) {
    seen += e.id;
    return false;
  };
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(subscription->next(10, 0, stop).value(), 1u);
    EXPECT_EQ(subscription->position().token, "p1.0102030405060708.1." + std::to_string(i));
  }
  EXPECT_EQ(seen, "012");
}

TEST(Subscription, AFilterPassesOverWhatItDoesNotWantAndThePositionMovesOn) {
  FakeContext fake;
  Reader reader(fake);
  for (int i = 0; i < 10; ++i) fake.append(i, 0, i == 3 ? "Rare" : "Common");
  const auto subscription = reader.open({}, true, {.types = {"rides.Rare"}});
  EXPECT_EQ(drain(*subscription), Ids{"3"});
  EXPECT_EQ(subscription->position().token, "p1.0102030405060708.1.9");
}

TEST(Subscription, NotLiveEndsAtWhatWasVisibleAtItsStart) {
  FakeContext fake;
  Reader reader(fake);
  for (int i = 0; i < 3; ++i) fake.append(i);
  const auto subscription = reader.open({}, false);
  fake.append(3);
  EXPECT_FALSE(subscription->at_end());
  EXPECT_EQ(drain(*subscription), (Ids{"0", "1", "2"}));
  EXPECT_TRUE(subscription->at_end());
  EXPECT_EQ(subscription->next(1, kForeverMs, [](const EventView&) { return true; }).value(), 0u);
}

TEST(Subscription, AWaitingOneIsCancelledFromAnotherThread) {
  FakeContext fake;
  Reader reader(fake);
  const auto subscription = reader.open();
  std::jthread canceller([&] { subscription->cancel(); });
  const auto ended = subscription->next(1, kForeverMs, [](const EventView&) { return true; });
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, Code::cancelled);
}

TEST(Subscription, AnEndedStoreEndsIt) {
  FakeContext fake;
  Reader reader(fake);
  auto source = reader.source();
  std::atomic<bool> ended = false;
  source.look = [&]() -> Status { return ended ? Status(Error{Code::store_failed, "ended"}) : Status(); };
  const auto subscription = subscribe(source, fake.view, {.context = "rides"}).value();
  EXPECT_EQ(subscription->next(1, 0, [](const EventView&) { return true; }).value(), 0u);
  std::jthread ender([&] {
    ended = true;
    reader.wake.notify();
  });
  EXPECT_EQ(subscription->next(1, kForeverMs, [](const EventView&) { return true; }).error().code, Code::store_failed);
}

TEST(Subscription, ARecordThatIsNoEventStopsItWithAnErrorThatNamesIt_F31) {
  FakeContext fake;
  Reader reader(fake);
  fake.append(0);
  fake.partitions[0]->append_foreign(1001);
  fake.append(2);
  const auto subscription = reader.open();
  Ids ids;
  const auto visit = [&](const EventView& e) {
    ids.emplace_back(e.id);
    return true;
  };
  for (int i = 0; i < 2; ++i) {  // and again: it is not passed over
    const auto stopped = subscription->next(10, 0, visit);
    ASSERT_FALSE(stopped);
    EXPECT_EQ(stopped.error().code, Code::incompatible);
    EXPECT_NE(stopped.error().detail.find("offset 1"), std::string::npos) << stopped.error().detail;
  }
  EXPECT_EQ(ids, Ids{"0"});
}

TEST(Subscription, ReadsEachPartitionInOrderAndEachEventOnce) {
  constexpr int kPartitions = 3;
  FakeContext fake(kPartitions);
  Reader reader(fake);
  for (int i = 0; i < 30; ++i) fake.append(i, i % kPartitions);
  // Stopped and begun again from its position after each few events.
  Position position;
  std::vector<int> next(kPartitions, 0);
  for (int round = 0, seen = 0; seen < 60; ++round) {
    if (round == 5) {
      for (int i = 30; i < 60; ++i) fake.append(i, i % kPartitions);
    }
    const auto subscription = reader.open({.kind = StartAt::Kind::position, .position = position});
    const auto count = subscription->next(4, 0, [&](const EventView& e) {
      const auto p = static_cast<std::size_t>(e.partition);
      EXPECT_EQ(e.offset, next[p]);
      next[p] = static_cast<int>(e.offset) + 1;
      return true;
    });
    ASSERT_TRUE(count);
    ASSERT_TRUE(*count > 0) << "round " << round;
    seen += static_cast<int>(*count);
    EXPECT_NE(subscription->position(), position);
    position = subscription->position();
  }
  EXPECT_EQ(next, (std::vector<int>{20, 20, 20}));
}

TEST(Subscription, ABusyPartitionDoesNotHoldBackAnother) {
  FakeContext fake(2);
  Reader reader(fake);
  for (int i = 0; i < 5; ++i) fake.append(i, 0);
  fake.append(100, 1);
  const auto subscription = reader.open();
  int since_other = 0;
  bool other = false;
  // Partition 0 gets a new event for each one that is read.
  for (int i = 0; i < 50 && !other; ++i) {
    ASSERT_TRUE(subscription->next(1, 0, [&](const EventView& e) {
      other = e.partition == 1;
      ++since_other;
      return true;
    }));
    fake.append(200 + i, 0);
  }
  EXPECT_TRUE(other);
  EXPECT_LE(since_other, 6);
}

TEST(Subscription, EventsPerSecondAreBounded) {
  FakeContext fake;
  for (int i = 0; i < 500; ++i) fake.append(i);
  os::SimWorld world({.seed = 3, .pause_per_mille = 0});
  os::SimEnv env(world);
  WakeList wake;
  const auto subscription =
      subscribe({.env = &env, .wake = &wake}, fake.view, {.context = "rides", .events_per_second_max = 100}).value();
  const std::int64_t began = world.now_ns();
  std::size_t seen = 0;
  while (seen < 500) seen += subscription->next(500, kForeverMs, [](const EventView&) { return true; }).value();
  const std::int64_t took_ms = (world.now_ns() - began) / 1'000'000;
  EXPECT_GE(took_ms, 4'800);
  EXPECT_LE(took_ms, 5'100);
}

TEST(Subscription, HistoryIsReadAtABoundedRateWhileOthersAppendAndAtOnceWhileNobodyDoes) {
  FakeContext fake;
  constexpr int kEvents = 8'000;
  for (int i = 0; i < kEvents; ++i) {
    fake.partitions[0]->append({{.type = "A", .data = std::string(1'000, 'x'), .id = std::to_string(i)}}, "s", 1000 + i);
  }
  for (const bool busy : {true, false}) {
    os::SimWorld world({.seed = 3, .pause_per_mille = 0});
    os::SimEnv env(world);
    WakeList wake;
    ReplayPace pace(env.clock(), wake, 1u << 20);
    const auto subscription = subscribe({.env = &env, .wake = &wake, .pace = &pace}, fake.view, {.context = "rides"}).value();
    int seen = 0;
    while (seen < kEvents) {
      const auto count = subscription->next(100, kForeverMs, [&](const EventView&) {
        ++seen;
        if (busy) wake.notify();
        return true;
      });
      ASSERT_TRUE(count) << count.error().to_string();
    }
    const std::int64_t took_ms = world.now_ns() / 1'000'000;
    if (busy) {
      EXPECT_GE(took_ms, 7'000);  // about 9.5 MiB at 1 MiB/s, less the burst
      EXPECT_LE(took_ms, 12'000);
    } else {
      EXPECT_LE(took_ms, 10);
    }
  }
}

TEST(ReplayPace, IsUnlimitedWhileNobodyAppendsAndBoundedWhileSomebodyDoes) {
  os::SimWorld world;
  os::SimEnv env(world);
  WakeList rounds;
  constexpr std::uint64_t kRate = 10u << 20;
  ReplayPace pace(env.clock(), rounds, kRate);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(pace.took(256u << 10), 0);
  std::uint64_t bytes = 0;
  const std::int64_t began = world.now_ns();
  while (world.now_ns() - began < 1'000'000'000) {
    rounds.notify();
    bytes += 256u << 10;
    world.advance(1 + pace.took(256u << 10));
  }
  EXPECT_GE(bytes, kRate * 9 / 10);
  EXPECT_LE(bytes, kRate * 11 / 10 + ReplayPace::kBurstBytes);
  world.advance(ReplayPace::kQuietNs);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(pace.took(256u << 10), 0);
}

TEST(Checkpoints, OneThatLiesPastTheRecoveredEndIsLowered) {
  FakeContext fake;
  for (int i = 0; i < 5; ++i) fake.append(i);
  fake.partitions[0]->raise_epoch();  // epoch 1 ends before offset 5
  for (int i = 5; i < 9; ++i) fake.append(i);
  os::SimWorld world;
  os::SimEnv env(world);
  CheckpointStore checkpoints(env.fs(), "checkpoints");
  const auto at = [&](int epoch, int offset) {
    return Position{"p1.0102030405060708." + std::to_string(epoch) + "." + std::to_string(offset)};
  };
  ASSERT_TRUE(checkpoints.save("fine", "rides", at(1, 3)));
  ASSERT_TRUE(checkpoints.save("lost tail", "rides", at(1, 7)));
  ASSERT_TRUE(checkpoints.save("past the end", "rides", at(2, 12)));
  ASSERT_TRUE(checkpoints.save("later epoch", "rides", at(6, 8)));
  ASSERT_TRUE(checkpoints.save("begun", "rides", {}));
  ASSERT_TRUE(checkpoints.save("gone", "payments", at(1, 7)));
  ReadView view;
  view.contexts.push_back(fake.view);
  for (int i = 0; i < 2; ++i) {  // idempotent
    ASSERT_TRUE(lower_checkpoints(checkpoints, view));
    EXPECT_EQ(*checkpoints.load("fine", "rides").value(), at(1, 3));
    EXPECT_EQ(*checkpoints.load("lost tail", "rides").value(), at(1, 4));
    EXPECT_EQ(*checkpoints.load("past the end", "rides").value(), at(2, 8));
    EXPECT_EQ(*checkpoints.load("later epoch", "rides").value(), at(2, 8));
    EXPECT_TRUE(checkpoints.load("begun", "rides").value()->is_beginning());
    EXPECT_EQ(*checkpoints.load("gone", "payments").value(), at(1, 7));
  }
}

}  // namespace
}  // namespace baton::store
