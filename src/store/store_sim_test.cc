// The store under faults on the simulated machine: random histories, the process killed or the power lost at any operation, syncs that fail, a
// disk that is full, damaged and missing indexes and states of producers; then open, and the invariants of the project's guarantees: what was
// acknowledged is there, what is there was attempted and is a prefix of it over all partitions, appends and producers' batches are whole, versions
// dense, positions never misread, retries exact, and the same after a backup and its restore.
//
//   SEED=17 test_store_sim      runs one seed again
//   SEEDS=5000 test_store_sim   runs more than the default; with SEED from that one on
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>

#include "store/store_harness.h"

namespace baton::store::testing {
namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* given = std::getenv(name);
  return given == nullptr ? otherwise : std::strtoull(given, nullptr, 10);
}

Options options_of(os::SeededRandom& random) {
  Options options;
  options.segment_bytes = 4096u << random.below(4);
  options.journal_bytes = 8192u << random.below(4);
  options.index_table_entries = 16u << random.below(5);
  return options;
}

bool is_derived(const std::string& path) { return path.find("/index/") != std::string::npos || path == "/data/producers"; }

// One seed: a few lives of one store.
class Simulation {
 public:
  explicit Simulation(std::uint64_t seed) : choose_(seed ^ 0x5eed), options_(options_of(choose_)) {
    interval_ = choose_.chance(150);
    if (interval_) options_.durability = Durability::interval;
    harness_ = std::make_unique<StoreHarness>(seed, options_);
  }

  std::string run() {
    for (std::uint64_t life = 2 + choose_.below(4); life > 0 && harness_->problem().empty(); --life) {
      plan_fault();
      if (harness_->open()) live();
      after();
    }
    // The end of all faults: it opens, and all is there.
    clear_faults();
    if (!harness_->problem().empty()) return harness_->problem();
    if (!harness_->open()) return "it does not open though nothing is wrong any more: " + harness_->problem();
    harness_->verify();
    harness_->work(5);
    harness_->verify();
    harness_->close();
    if (choose_.chance(750)) return harness_->problem();
    harness_->move_to_copy();
    if (!harness_->problem().empty()) return harness_->problem();
    if (!harness_->open()) return "what was restored does not open: " + harness_->problem();
    harness_->work(10);
    harness_->verify();
    harness_->close();
    return harness_->problem();
  }

  [[nodiscard]] std::uint64_t trace() const { return harness_->world().trace_hash(); }

 private:
  enum class Fault { none, kill, power, sync, full };

  void plan_fault() {
    auto& disk = harness_->world().disk();
    fault_ = static_cast<Fault>(choose_.below(5));
    const std::uint64_t at = 1 + choose_.below(choose_.chance(500) ? 40 : 400);
    if (fault_ == Fault::power) disk.faults.power_loss_at = disk.counters().mutations + at;
    if (fault_ == Fault::sync) disk.faults.fail_sync_at = disk.counters().syncs + 1 + at / 4;
    kill_after_ = at;
  }

  void clear_faults() {
    auto& faults = harness_->world().disk().faults;
    faults.power_loss_at = faults.fail_sync_at = 0;
    faults.capacity_bytes = std::uint64_t{1} << 40;
  }

  void live() {
    if (choose_.chance(300)) harness_->verify();
    if (fault_ == Fault::kill) harness_->env().kill_in(kill_after_);
    if (fault_ == Fault::full) {
      // The log keeps a reserve free for what must still be written.
      harness_->expect_no_space();
      harness_->world().disk().faults.capacity_bytes = harness_->world().disk().used_bytes() + (32u << 20) + choose_.below(64u << 10);
    }
    harness_->work(5 + choose_.below(40));
    if (fault_ == Fault::full) {
      clear_faults();
      harness_->world().run_for(3'000'000'000);
      harness_->work(5);
    }
    if (harness_->alive() && !harness_->failed() && choose_.chance(500)) harness_->verify();
  }

  void after() {
    auto& world = harness_->world();
    const bool graceful = harness_->alive() && !harness_->failed() && choose_.chance(400);
    graceful ? harness_->close() : harness_->end();
    clear_faults();
    // A failed sync leaves a cache that lies; only a restart of the machine shows what is on the disk.
    const bool restart = !world.disk().powered() || fault_ == Fault::sync || (!graceful && choose_.chance(500));
    if (restart) {
      if (interval_) harness_->allow_loss();
      world.disk().restart();
    }
    damage_derived();
  }

  // F19: indexes are derived, and so is what is known of producers.
  void damage_derived() {
    auto& disk = harness_->world().disk();
    if (choose_.chance(700)) return;
    harness_->expect_damaged_indexes();  // for good: a machine that starts again may bring back what was removed
    if (choose_.chance(500)) {
      (void)disk.flip_random_bit(is_derived);
      return;
    }
    for (const auto& file : disk.files()) {
      if (is_derived(file.path) && choose_.chance(500)) disk.remove(file.path);
    }
  }

  os::SeededRandom choose_;
  Options options_;
  bool interval_ = false;
  std::unique_ptr<StoreHarness> harness_;
  Fault fault_ = Fault::none;
  std::uint64_t kill_after_ = 0;
};

TEST(StoreSimulation, WhateverFailsAcknowledgedIsKeptAndWhatIsKeptIsAPrefixOfWhatWasAttempted) {
  const std::uint64_t first = from_environment("SEED", 1);
  const std::uint64_t count = from_environment("SEEDS", std::getenv("SEED") != nullptr ? 1 : 1500);
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    Simulation simulation(seed);
    ASSERT_EQ(simulation.run(), "") << "SEED=" << seed << " runs it again";
    if (seed % 100 == 0) {
      Simulation again(seed);
      (void)again.run();
      ASSERT_EQ(simulation.trace(), again.trace()) << "SEED=" << seed << " did not go the same way twice";
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::printf("seeds %llu to %llu, %.0f a second\n", static_cast<unsigned long long>(first),
              static_cast<unsigned long long>(first + count - 1), static_cast<double>(count) / took.count());
}

}  // namespace
}  // namespace baton::store::testing
