// Random histories of groups (groups_simulation.h). BATON_SIM_SEED=n runs that one seed; BATON_SIM_RUNS=n so many, and prints each.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "broker/groups_simulation.h"

namespace baton::broker {
namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

template <typename Make>
void over_seeds(std::uint64_t runs, Make&& options) {
  const std::uint64_t one = from_environment("BATON_SIM_SEED", 0);
  const std::uint64_t first = one != 0 ? one : 1;
  const std::uint64_t last = one != 0 ? one : from_environment("BATON_SIM_RUNS", runs);
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    if (one == 0 && std::getenv("BATON_SIM_RUNS") != nullptr) {
      std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
      std::fflush(stdout);  // also when a broken invariant ends the process
    }
    GroupsSimulation simulation(options(seed));
    const std::string failure = simulation.run();
    if (!failure.empty()) FAIL() << failure << "; run again: BATON_SIM_SEED=" << seed << " test_broker_sim";
    if (one != 0) std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), simulation.summary().c_str());
  }
}

TEST(GroupsSimulation, OneOwnerAPartitionNoGenerationTwiceNoCommitLostAndItSettles_F40_F41_F42) {
  over_seeds(1'500, [](std::uint64_t seed) { return GroupsSimulationOptions{.seed = seed}; });
}

TEST(GroupsSimulation, WithoutFaultsOfTheCoordinatorTheSameHolds) {
  over_seeds(500, [](std::uint64_t seed) { return GroupsSimulationOptions{.seed = seed, .faults = false}; });
}

TEST(GroupsSimulation, AStormOf200MembersSettles_F41) {
  over_seeds(4, [](std::uint64_t seed) {
    return GroupsSimulationOptions{.seed = seed, .members = 200, .partitions = 300, .storm_ms = 180'000, .calm_ms = 180'000};
  });
}

TEST(GroupsSimulation, OneSeedIsOneHistory) {
  for (std::uint64_t seed = 1; seed <= 15; ++seed) {
    GroupsSimulation first({.seed = seed});
    GroupsSimulation second({.seed = seed});
    EXPECT_EQ(first.run(), second.run());
    EXPECT_EQ(first.trace_hash(), second.trace_hash());
  }
}

}  // namespace
}  // namespace baton::broker
