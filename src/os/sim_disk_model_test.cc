// Random histories on the simulated disk, compared byte by byte with what its contract allows.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "os/sim_env.h"

namespace baton::os {
namespace {

// What a file may hold after a power loss, kept byte by byte beside the disk that is being tested.
struct ExpectedFile {
  base::Bytes synced;
  std::set<std::uint64_t> sizes;  // that it has had since the sync
  std::vector<bool> touched;      // bytes that were written or cut off since then

  void touch(std::uint64_t from, std::uint64_t to) {
    if (touched.size() < to) touched.resize(to);
    for (; from < to; ++from) touched[from] = true;
  }
};

TEST(SimDisk, NoPowerLossHarmsAByteThatWasSyncedAndNotWrittenSince) {
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    SimWorld world({.seed = seed});
    SeededRandom& random = world.random();
    ExpectedFile expected;
    for (int boot = 0; boot < 3; ++boot) {
      world.disk().write("/f", expected.synced);
      expected = {.synced = expected.synced, .sizes = {expected.synced.size()}, .touched = {}};
      {
        SimEnv env(world);
        const auto file = std::move(env.fs().open("/f", {.write = true, .create = true})).value();
        for (std::uint64_t n = random.below(12); n > 0; --n) {
          const std::uint64_t offset = random.below(3000);
          const std::uint64_t size = *file->size();
          switch (random.below(6)) {
            case 0:
            case 1: {
              base::Bytes data(1 + random.below(1500));
              random.fill(data);
              (void)file->write_at(offset, data);
              expected.touch(std::min(offset, size), offset + data.size());
              break;
            }
            case 2:
              (void)file->truncate(offset);
              expected.touch(offset, std::max(size, offset));
              break;
            case 3: (void)file->allocate(0, offset); break;
            default: {
              (void)file->sync_data();
              base::Bytes content(*file->size());
              (void)file->read_at(0, content);
              expected = {.synced = content, .sizes = {}, .touched = {}};
            }
          }
          expected.sizes.insert(*file->size());
        }
        world.disk().restart();
      }
      const base::Bytes found = world.disk().read("/f").value();
      ASSERT_TRUE(expected.sizes.contains(found.size())) << "seed " << seed << ": size " << found.size();
      for (std::uint64_t i = 0; i < std::min(found.size(), expected.synced.size()); ++i) {
        if (i < expected.touched.size() && expected.touched[i]) continue;
        ASSERT_EQ(found[i], expected.synced[i]) << "seed " << seed << " byte " << i;
      }
      expected.synced = found;
    }
  }
}

}  // namespace
}  // namespace baton::os
