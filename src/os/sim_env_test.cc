#include "os/sim_env.h"

#include <gtest/gtest.h>

#include <set>

namespace baton::os {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

// Three writers that append to files of their own and sync now and then, and a timer.
std::uint64_t hash_of_run(std::uint64_t seed, std::string* order = nullptr) {
  SimWorld world({.seed = seed});
  SimEnv env(world);
  std::vector<std::unique_ptr<Executor>> executors;
  std::vector<std::unique_ptr<File>> files;
  for (int i = 0; i < 3; ++i) {
    executors.push_back(env.make_executor("w"));
    files.push_back(std::move(env.fs().open("/" + std::to_string(i), {.write = true, .create = true})).value());
  }
  for (std::uint64_t n = 0; n < 10; ++n) {
    for (std::size_t i = 0; i < 3; ++i) {
      executors[i]->post([&, i, n] {
        (void)files[i]->write_at(n * 8, base::as_bytes("12345678"));
        if (n % 3 == i) (void)files[i]->sync_data();
        if (order != nullptr) *order += static_cast<char>('a' + i);
      });
    }
  }
  (void)executors[0]->run_at(env.clock().monotonic_ns() + kSecond, [&] { (void)env.fs().remove("/1"); });
  while (world.step()) {}
  return world.trace_hash();
}

TEST(SimWorld, OneSeedAlwaysGivesOneRunAndOthersGiveOthers) {
  std::set<std::uint64_t> hashes;
  std::set<std::string> orders;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    std::string order;
    const std::uint64_t hash = hash_of_run(seed, &order);
    EXPECT_EQ(hash, hash_of_run(seed));
    hashes.insert(hash);
    orders.insert(order);
  }
  EXPECT_EQ(hashes.size(), 50U);
  EXPECT_EQ(orders.size(), 50U);
}

TEST(SimWorld, TimePassesOnlyWhenSomethingHappens) {
  SimWorld world({.pause_per_mille = 0});
  SimEnv env(world);
  const auto executor = env.make_executor("t");
  int fired = 0;
  (void)executor->run_at(env.clock().monotonic_ns() + 3600 * kSecond, [&] { ++fired; });
  EXPECT_EQ(world.run_until_idle(), 0U);
  EXPECT_LT(world.now_ns(), kSecond);
  world.run_for(3599 * kSecond);
  EXPECT_EQ(fired, 0);
  EXPECT_TRUE(world.run_until([&] { return fired == 1; }));
  EXPECT_FALSE(world.step());
  EXPECT_LT(world.now_ns(), 3601 * kSecond);
}

// F24.
TEST(SimWorld, TheWallClockCanBeSetAndTheMonotonicOneDoesNotNotice) {
  SimWorld world;
  SimEnv env(world);
  const std::int64_t monotonic = env.clock().monotonic_ns();
  const std::int64_t wall = env.clock().wall_ms();
  world.step_wall_ms(-3'600'000);
  EXPECT_LE(env.clock().wall_ms(), wall - 3'500'000);
  EXPECT_GE(env.clock().monotonic_ns(), monotonic);
  EXPECT_LT(env.clock().monotonic_ns(), monotonic + kSecond);
}

TEST(SimWorld, ARestartIsANewBootWithAnotherMonotonicClock) {
  SimWorld world;
  SimEnv before(world);
  world.disk().restart();
  SimEnv after(world);
  EXPECT_FALSE(before.alive());
  EXPECT_TRUE(after.alive());
  EXPECT_NE(before.boot_id(), after.boot_id());
  EXPECT_NE(before.process_id(), after.process_id());
  EXPECT_GT(std::abs(before.clock().monotonic_ns() - after.clock().monotonic_ns()), kSecond);
}

TEST(SimWorld, ABlockedExecutorLetsOthersRun) {
  SimWorld world;
  SimEnv env(world);
  const auto outer = env.make_waiter();
  const auto inner = env.make_waiter();
  const auto a = env.make_executor("a");
  const auto b = env.make_executor("b");
  std::string order;
  a->post([&] {
    order += "1";
    b->post([&] {
      order += "2";
      inner->wake();
    });
    (void)inner->wait();
    order += "3";
    EXPECT_TRUE(a->on_executor());
  });
  a->post([&] {
    order += "4";
    outer->wake();
  });
  ASSERT_TRUE(outer->wait());
  EXPECT_EQ(order, "1234");
}

TEST(SimWorldDeathTest, AWaitThatNobodyWillEndNamesTheSeed) {
  SimWorld world({.seed = 77});
  SimEnv env(world);
  const auto waiter = env.make_waiter();
  EXPECT_DEATH((void)waiter->wait(), "seed 77");
}

TEST(SimWorld, DeadProcessesCanBeTakenDownInOrder) {
  SimWorld world;
  auto env = std::make_unique<SimEnv>(world);
  auto executor = env->make_executor("w");
  auto file = std::move(env->fs().open("/f", {.write = true, .create = true})).value();
  auto failed = env->make_waiter();
  world.disk().faults.power_loss_at = world.disk().counters().mutations + 1;
  Status status;
  executor->post([&] {
    status = file->write_at(0, base::as_bytes("x"));
    failed->wake();
  });
  ASSERT_TRUE(failed->wait());
  EXPECT_EQ(status.error().code, Code::io_error);
  EXPECT_FALSE(env->alive());
  world.disk().restart();
  executor = nullptr;
  file = nullptr;
  env = nullptr;
  EXPECT_EQ(world.disk().used_bytes(), world.disk().read("/f") && !world.disk().read("/f")->empty() ? 4096U : 0U);
}

}  // namespace
}  // namespace baton::os
