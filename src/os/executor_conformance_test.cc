// What clocks, randomness, executors and waiters do, on both twins.
#include <atomic>
#include <set>
#include <vector>

#include "os/run_on_for_test.h"
#include "os/twins_for_test.h"

namespace baton::os {
namespace {

constexpr std::int64_t kMs = 1'000'000;

class Executors : public OnBothTwins {};
BATON_ON_BOTH_TWINS(Executors);

TEST_P(Executors, TasksRunInTheOrderOfTheirPosting) {
  std::vector<int> order;
  const auto waiter = env().make_waiter();
  const auto executor = env().make_executor("order");
  for (int i = 0; i < 1000; ++i) executor->post([&order, i] { order.push_back(i); });
  executor->post([&] { waiter->wake(); });
  ASSERT_TRUE(waiter->wait());
  ASSERT_EQ(order.size(), 1000U);
  EXPECT_TRUE(std::ranges::is_sorted(order));
}

TEST_P(Executors, ATaskKnowsThatItIsOnItsExecutor) {
  const auto waiter = env().make_waiter();
  const auto here = env().make_executor("here");
  const auto there = env().make_executor("there");
  bool on_here = false;
  bool on_there = true;
  here->post([&] {
    on_here = here->on_executor();
    on_there = there->on_executor();
    waiter->wake();
  });
  ASSERT_TRUE(waiter->wait());
  EXPECT_TRUE(on_here);
  EXPECT_FALSE(on_there);
  EXPECT_FALSE(here->on_executor());
}

TEST_P(Executors, TheEndOfAnExecutorRunsWhatWasPostedAndDropsTimers) {
  std::atomic<int> ran = 0;
  const auto held = std::make_shared<int>(1);
  auto executor = env().make_executor("end");
  for (int i = 0; i < 100; ++i) executor->post([&] { ++ran; });
  executor->post([&, here = executor.get()] { here->post([&] { ++ran; }); });
  (void)executor->run_at(env().clock().monotonic_ns() + 3'600'000 * kMs, [&, held] { ran = -1; });
  executor = nullptr;
  EXPECT_EQ(ran, 101);
  EXPECT_EQ(held.use_count(), 1);
}

TEST_P(Executors, TimersRunInTheOrderOfTheirTimesAndNotEarly) {
  const auto waiter = env().make_waiter();
  const auto executor = env().make_executor("timers");
  const std::int64_t start = env().clock().monotonic_ns();
  std::vector<int> order;
  std::int64_t first_at = 0;
  (void)executor->run_at(start + 30 * kMs, [&] {
    order.push_back(3);
    waiter->wake();
  });
  (void)executor->run_at(start + 10 * kMs, [&] {
    first_at = env().clock().monotonic_ns();
    order.push_back(1);
  });
  (void)executor->run_at(start + 20 * kMs, [&] { order.push_back(2); });
  (void)executor->run_at(start - kMs, [&] { order.push_back(0); });
  ASSERT_TRUE(waiter->wait());
  EXPECT_EQ(order, (std::vector{0, 1, 2, 3}));
  EXPECT_GE(first_at, start + 10 * kMs);
}

TEST_P(Executors, ACancelledTimerNeverRunsAndOneThatRanCannotBeCancelled) {
  const auto waiter = env().make_waiter();
  const auto executor = env().make_executor("cancel");
  const std::int64_t now = env().clock().monotonic_ns();
  bool ran = false;
  const TimerId kept = executor->run_at(now + 20 * kMs, [&] { waiter->wake(); });
  const TimerId dropped = executor->run_at(now + 10 * kMs, [&] { ran = true; });
  EXPECT_TRUE(executor->cancel(dropped));
  EXPECT_FALSE(executor->cancel(dropped));
  ASSERT_TRUE(waiter->wait());
  EXPECT_FALSE(executor->cancel(kept));
  EXPECT_FALSE(ran);
}

TEST_P(Executors, AWaitEndsAtItsTimeoutAndAWakeBeforeItIsNotLost) {
  const auto waiter = env().make_waiter();
  const std::int64_t start = env().clock().monotonic_ns();
  EXPECT_FALSE(waiter->wait(5 * kMs));
  EXPECT_GE(env().clock().monotonic_ns(), start + 5 * kMs);
  EXPECT_FALSE(waiter->wait(0));
  waiter->wake();
  waiter->wake();
  EXPECT_TRUE(waiter->wait(0));
  EXPECT_FALSE(waiter->wait(0));
}

TEST_P(Executors, TasksGoBackAndForthBetweenTwo) {
  const auto waiter = env().make_waiter();
  const auto a = env().make_executor("ping");
  const auto b = env().make_executor("pong");
  int left = 2000;
  Executor* const sides[] = {a.get(), b.get()};
  std::function<void()> hit = [&] {
    if (--left == 0) return waiter->wake();
    sides[left % 2]->post([&] { hit(); });
  };
  a->post([&] { hit(); });
  ASSERT_TRUE(waiter->wait());
  EXPECT_EQ(left, 0);
}

TEST_P(Executors, AnIdleExecutorLendsItsTurnToAThreadThatWaits) {
  const auto executor = env().make_executor("lends");
  std::vector<int> order;
  bool on_executor = false;
  run_on(env(), *executor, [&] { order.push_back(0); });
  // Its thread may not sleep yet; then it runs the task, as any other.
  const auto waiter = env().make_waiter();
  executor->run_or_post([&] {
    on_executor = executor->on_executor();
    order.push_back(1);
    executor->post([&] { order.push_back(2); });
    (void)executor->run_at(env().clock().monotonic_ns() + kMs, [&] {
      order.push_back(3);
      waiter->wake();
    });
  });
  ASSERT_TRUE(waiter->wait());
  EXPECT_TRUE(on_executor);
  EXPECT_FALSE(executor->on_executor());
  EXPECT_EQ(order, (std::vector{0, 1, 2, 3}));
}

TEST_P(Executors, ATaskOfAThreadThatWaitsKeepsItsPlaceBehindThoseBeforeIt) {
  const auto waiter = env().make_waiter();
  const auto executor = env().make_executor("order");
  std::vector<int> order;
  for (int i = 0; i < 100; ++i) executor->post([&order, i] { order.push_back(i); });
  executor->run_or_post([&] {
    order.push_back(100);
    waiter->wake();
  });
  ASSERT_TRUE(waiter->wait());
  ASSERT_EQ(order.size(), 101U);
  EXPECT_TRUE(std::ranges::is_sorted(order));
}

class Surroundings : public OnBothTwins {};
BATON_ON_BOTH_TWINS(Surroundings);

TEST_P(Surroundings, TheMonotonicClockNeverGoesBack) {
  std::int64_t last = env().clock().monotonic_ns();
  for (int i = 0; i < 1000; ++i) {
    const std::int64_t now = env().clock().monotonic_ns();
    ASSERT_GE(now, last);
    last = now;
  }
  EXPECT_GT(env().clock().wall_ms(), 1'600'000'000'000);
}

TEST_P(Surroundings, RandomBytesDiffer) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    base::Bytes bytes(13);
    env().random().fill(bytes);
    seen.emplace(base::as_text(bytes));
  }
  EXPECT_EQ(seen.size(), 100U);
}

TEST_P(Surroundings, TheBootHasANameThatStays) {
  EXPECT_FALSE(env().boot_id().empty());
  EXPECT_EQ(env().boot_id(), env().boot_id());
  EXPECT_GT(env().process_id(), 0);
}

}  // namespace
}  // namespace baton::os
