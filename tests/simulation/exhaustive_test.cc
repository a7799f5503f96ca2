// Short workloads, taken apart: at each operation that changes the disk the power fails, and what was not synced meets every
// combination of fates that a few hundred runs can hold.
#include <gtest/gtest.h>

#include <cstdio>

#include "run.h"

namespace baton::simulation {
namespace {

constexpr int kRunsPerPoint = 150;
constexpr std::uint64_t kPointsMax = 400;

// Few outcomes of many: both ends, and the middle.
class FewChoices final : public os::Choices {
 public:
  std::uint64_t pick(std::uint64_t count) override {
    if (count <= 4) return all_.pick(count);
    const std::uint64_t few[] = {0, 1, count / 2, count - 1};
    return few[all_.pick(4)];
  }
  bool next() { return all_.next(); }

 private:
  os::ExhaustiveChoices all_;
};

void run_everything(const Script& script) {
  std::uint64_t runs = 0;
  std::uint64_t points = 0;
  std::uint64_t whole = 0;
  bool struck = true;
  for (std::uint64_t point = 1; struck && point <= kPointsMax; ++point) {
    FewChoices choices;
    bool more = true;
    for (int i = 0; more && struck && i < kRunsPerPoint; ++i) {
      Plan plan{.segment_bytes = 4096, .journal_bytes = 8192, .index_table_entries = 64, .operations = 4};
      Run run(script.seed, plan);
      const std::string wrong = run.go_short(script, point, choices, struck);
      ASSERT_EQ(wrong, "") << "the power fails in change " << point << ", combination " << i;
      more = choices.next();
      ++runs;
    }
    ++points;
    if (!more) ++whole;
  }
  EXPECT_FALSE(struck) << "the workload is not over after " << kPointsMax << " changes";
  EXPECT_GT(points, 5u);
  std::printf("%llu runs: %llu places, %llu of them with every combination\n", static_cast<unsigned long long>(runs),
              static_cast<unsigned long long>(points), static_cast<unsigned long long>(whole));
}

TEST(SimulationExhaustive, OneAppendIsThereWholeOrNotAtAllWhereverThePowerFails) { run_everything({.seed = 1, .appends = 1}); }

TEST(SimulationExhaustive, ThreeAppendsAreAPrefixWhereverThePowerFails) { run_everything({.seed = 2, .appends = 3}); }

TEST(SimulationExhaustive, ThreeAppendsAndADeleteAtOnceAreAPrefixWhereverThePowerFails) {
  run_everything({.seed = 3, .appends = 3, .waits = false, .removes = true});
}

TEST(SimulationExhaustive, AnAppendAfterARecoveryIsThereWhereverThePowerFailsInBoth) {
  run_everything({.seed = 4, .appends = 2, .recovers = true});
}

TEST(SimulationExhaustive, ACloseIsOverOrNotWhereverThePowerFails) { run_everything({.seed = 5, .appends = 2, .closes = true}); }

}  // namespace
}  // namespace baton::simulation
