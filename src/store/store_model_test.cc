// The whole of the store's API against a model, without faults: store_sim_test.cc adds those.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "store/store_harness.h"

namespace baton::store::testing {
namespace {

Options tiny_options() {
  Options options;
  options.segment_bytes = 16u << 10;
  options.journal_bytes = 32u << 10;
  options.index_table_entries = 64;
  return options;
}

TEST(StoreModel, RandomHistoriesWithRestartsGiveWhatTheModelGives) {
  const char* given = std::getenv("SEED");
  const std::uint64_t first = given != nullptr ? std::strtoull(given, nullptr, 10) : 1;
  const std::uint64_t last = given != nullptr ? first : 60;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    StoreHarness harness(seed, tiny_options());
    for (int life = 0; life < 3 && harness.problem().empty(); ++life) {
      ASSERT_TRUE(harness.open()) << "SEED=" << seed << ": " << harness.problem();
      harness.verify();
      harness.work(40);
      harness.verify();
      if (harness.random().chance(500)) {
        harness.close();
      } else {
        harness.end();
      }
      if (harness.random().chance(300)) {
        for (const auto& file : harness.world().disk().files()) {
          if (file.path.find("/index/") != std::string::npos) harness.world().disk().remove(file.path);
        }
      }
    }
    ASSERT_EQ(harness.problem(), "") << "SEED=" << seed << " runs it again";
  }
}

}  // namespace
}  // namespace baton::store::testing
