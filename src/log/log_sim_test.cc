// Random histories (log_simulation.h). BATON_SIM_SEED=n runs that one seed; BATON_SIM_RUNS=n so many.
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include <gtest/gtest.h>

#include "log/log_simulation.h"

namespace baton::log {
namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

template <typename Run>
void over_seeds(std::uint64_t runs, Run&& run) {
  const std::uint64_t one = from_environment("BATON_SIM_SEED", 0);
  const std::uint64_t first = one != 0 ? one : 1;
  const std::uint64_t last = one != 0 ? one : from_environment("BATON_SIM_RUNS", runs);
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    if (one == 0 && std::getenv("BATON_SIM_RUNS") != nullptr) {
      std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
      std::fflush(stdout);  // also when a broken invariant ends the process
    }
    const std::string failure = run(seed);
    ASSERT_EQ(failure, "") << "run again: BATON_SIM_SEED=" << seed << " test_log_sim";
  }
}

TEST(LogSimulation, AcknowledgedIsRecoveredAndRecoveredIsAPrefixOfAttempted) {
  over_seeds(1500, [](std::uint64_t seed) { return LogSimulation({.seed = seed}).run(); });
}

TEST(LogSimulation, TheSameHoldsOnADiskThatDestroysWholeSectors) {
  over_seeds(700, [](std::uint64_t seed) { return LogSimulation({.seed = seed, .powersafe_overwrite = false}).run(); });
}

TEST(LogSimulation, DamageIsReportedAndNeverServedOrSkipped) {
  over_seeds(1500, [](std::uint64_t seed) { return LogSimulation({.seed = seed, .lives = 2, .steps = 30}).run_with_damage(); });
}

TEST(LogSimulation, OneSeedIsOneHistory) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    LogSimulation first({.seed = seed});
    LogSimulation second({.seed = seed});
    EXPECT_EQ(first.run(), second.run());
    EXPECT_EQ(first.trace_hash(), second.trace_hash());
  }
}

}  // namespace
}  // namespace baton::log
