// The whole stack on a simulated machine: the shipped log, store, index and views, against a History.
//
//   BATON_SIM_SECONDS=600 test_simulation                     more random seeds
//   BATON_SIM_SEED=42 test_simulation                         one seed again, with what it does
//   BATON_SIM_FIRST=1000 BATON_SIM_SEEDS=200 test_simulation  these seeds, whatever the time
//   BATON_SIM_GO_ON=1                                         not only to the first seed that fails
//   BATON_SIM_TWICE=1                                         every seed twice, not only every hundredth
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>

#include "run.h"
#include "view/vfs.h"

namespace baton::simulation {
namespace {

std::optional<std::uint64_t> number_from(const char* name) {
  const char* text = ::getenv(name);
  if (text == nullptr) return std::nullopt;
  return std::strtoull(text, nullptr, 10);
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// A seed that ends the process has nobody to print it: the signal does.
volatile sig_atomic_t current_seed = 0;

void tell_seed(int signal) {
  char text[64] = "simulation: the process ends in seed ";
  char digits[24];
  std::size_t count = 0;
  for (auto rest = static_cast<std::uint64_t>(current_seed); count == 0 || rest > 0; rest /= 10) digits[count++] = static_cast<char>('0' + rest % 10);
  std::size_t at = __builtin_strlen(text);
  while (count > 0) text[at++] = digits[--count];
  text[at++] = '\n';
  (void)!::write(STDERR_FILENO, text, at);
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

struct Total {
  std::uint64_t seeds = 0, twice = 0;
  bool talks = false, counts_aloud = false, each_twice = false;
  Run::Counts counts;
  void add(const Run::Counts& more) {
    counts.appended += more.appended;
    counts.refused += more.refused;
    counts.kills += more.kills;
    counts.power_cuts += more.power_cuts;
    counts.failed_recoveries += more.failed_recoveries;
    counts.flips += more.flips;
  }
};

// Runs a seed; a hundredth of them twice, or each.
bool run_seed(std::uint64_t seed, Total& total) {
  current_seed = static_cast<sig_atomic_t>(seed);
  if (total.counts_aloud) std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  Run run(seed);
  if (total.talks) run.talk();
  std::fflush(stdout);
  const std::string wrong = run.go();
  ++total.seeds;
  total.add(run.counts());
  if (!wrong.empty()) {
    ADD_FAILURE() << wrong << "\nseed " << seed << ": " << run.plan().to_string() << "\nagain with: BATON_SIM_SEED=" << seed
                  << " test_simulation --gtest_filter=Simulation.Random*";
    return false;
  }
  if (seed % 100 != 0 && !total.each_twice) return true;
  ++total.twice;
  Run again(seed);
  EXPECT_EQ(again.go(), "");
  EXPECT_EQ(again.trace_hash(), run.trace_hash()) << "seed " << seed << " goes another way the second time";
  return again.trace_hash() == run.trace_hash();
}

class Simulation : public testing::Test {
 protected:
  static void SetUpTestSuite() { view::give_sqlite_zeroed_memory(); }
};

TEST_F(Simulation, RandomMachinesLoseNothingThatWasAcknowledgedAndShowNothingElse) {
  Total total;
  for (const int signal : {SIGSEGV, SIGABRT, SIGBUS}) ::signal(signal, &tell_seed);
  if (const auto seed = number_from("BATON_SIM_SEED")) {
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(*seed), Plan::of(*seed).to_string().c_str());
    total.talks = true;
    run_seed(*seed, total);
    return;
  }
  const auto start = std::chrono::steady_clock::now();
  const double seconds = static_cast<double>(number_from("BATON_SIM_SECONDS").value_or(120));
  const std::uint64_t first = number_from("BATON_SIM_FIRST").value_or(1);
  const auto seeds = number_from("BATON_SIM_SEEDS");
  total.counts_aloud = seeds.has_value();
  total.each_twice = number_from("BATON_SIM_TWICE").has_value();
  const bool go_on = number_from("BATON_SIM_GO_ON").has_value();
  std::uint64_t seed = first;
  for (; seeds ? seed < first + *seeds : seconds_since(start) < seconds; ++seed) {
    if (!run_seed(seed, total) && !go_on) break;
  }
  const double took = seconds_since(start);
  std::printf("seeds %llu to %llu in %.0f s: %.0f a second; %llu appends, %llu refused, %llu kills, %llu power cuts, %llu recoveries that "
              "failed, %llu flipped bits; %llu seeds twice\n",
              static_cast<unsigned long long>(first), static_cast<unsigned long long>(first + total.seeds - 1), took,
              static_cast<double>(total.seeds) / took, static_cast<unsigned long long>(total.counts.appended),
              static_cast<unsigned long long>(total.counts.refused), static_cast<unsigned long long>(total.counts.kills),
              static_cast<unsigned long long>(total.counts.power_cuts), static_cast<unsigned long long>(total.counts.failed_recoveries),
              static_cast<unsigned long long>(total.counts.flips), static_cast<unsigned long long>(total.twice));
}

}  // namespace
}  // namespace baton::simulation
