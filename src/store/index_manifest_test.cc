// The file of an index's manifest: changes are appended, and what a crash leaves of one does no harm.
#include "store/index_manifest.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "os/sim_env.h"

namespace baton::store {
namespace {

// The n-th state of an index: each has one run more.
IndexManifest state(int n) {
  IndexManifest out;
  out.covered = {log::Offset(10 * n), log::Epoch(1), static_cast<std::uint32_t>(n), n};
  for (int i = 0; i < n; ++i) {
    const auto number = static_cast<std::uint64_t>(i) + 1;
    out.runs.push_back({.number = number, .entries = 5, .first = 10 * i, .end = 10 * i + 10, .footer_crc = 7});
  }
  out.next_number = static_cast<std::uint64_t>(n) + 1;
  return out;
}

// Without a sync.
void put(IndexManifestFile& file, int n) {
  ASSERT_TRUE(file.prepare(state(n), true));
  ASSERT_TRUE(file.put(state(n)));
}

class ManifestFile : public ::testing::Test {
 protected:
  ManifestFile() { EXPECT_TRUE(os::make_directories(env_.fs(), "/i")); }

  [[nodiscard]] base::Bytes bytes() { return *world_.disk().read("/i/MANIFEST"); }
  // Which state is in force; -1: none.
  [[nodiscard]] int found() {
    const auto read = IndexManifest::read(env_.fs(), "/i");
    if (!read) return -1;
    const int n = static_cast<int>(read->runs.size());
    EXPECT_EQ(*read, state(n));
    return n;
  }

  os::SimWorld world_{{.seed = 3}};
  os::SimEnv env_{world_};
};

TEST_F(ManifestFile, AChangeIsAppendedAndTheLastOneCounts) {
  IndexManifestFile file(env_.fs(), "/i");
  EXPECT_EQ(found(), -1);
  put(file, 0);
  const base::Bytes first = bytes();
  for (int n = 1; n < 9; ++n) {
    put(file, n);
    EXPECT_EQ(found(), n);
  }
  EXPECT_EQ(base::as_text(base::ByteView(bytes()).first(first.size())), base::as_text(first));
  EXPECT_EQ(world_.disk().files().size(), 1U);
}

TEST_F(ManifestFile, WhatIsNotWholeIsAsIfItWereNotThere) {
  IndexManifestFile file(env_.fs(), "/i");
  put(file, 2);
  const std::size_t two = bytes().size();
  put(file, 3);
  const base::Bytes three = bytes();
  for (std::size_t at = 512; at < three.size(); ++at) {
    EXPECT_EQ(IndexManifest::decode(base::ByteView(three).first(at)).value(), state(2)) << at;
    EXPECT_EQ(IndexManifest::whole_bytes(base::ByteView(three).first(at)), two);
    for (unsigned bit = 0; bit < 8; ++bit) {
      base::Bytes bad = three;
      bad[at] ^= std::byte{1} << bit;
      EXPECT_EQ(IndexManifest::decode(bad).value(), state(2)) << at;
    }
  }
  for (std::size_t at = 0; at < two; ++at) EXPECT_FALSE(IndexManifest::decode(base::ByteView(three).first(at))) << at;
  EXPECT_EQ(IndexManifest::decode(three).value(), state(3));
}

// A disk may have written the third record and not the second; another second one of the same length must not bring the third back.
TEST_F(ManifestFile, ARecordCountsOnlyBehindTheOneThatItWasWrittenBehind) {
  const base::Bytes one = state(1).encode(), two = state(2).encode(IndexManifest::crc(one)), three = state(3).encode(IndexManifest::crc(two));
  constexpr std::size_t kSector = 512;
  IndexManifest other = state(2);
  other.covered.streams = 77;
  base::Bytes file = one;
  file.resize(kSector);
  const base::Bytes other_two = other.encode(IndexManifest::crc(one));
  ASSERT_EQ(other_two.size(), two.size());
  base::put_bytes(file, two);
  file.resize(2 * kSector);
  base::put_bytes(file, three);
  ASSERT_EQ(IndexManifest::decode(file).value(), state(3));
  std::ranges::copy(other_two, file.begin() + kSector);
  EXPECT_EQ(IndexManifest::decode(file).value(), other);
}

TEST_F(ManifestFile, IsBegunAnewByTheFirstChangeAfterAnOpen) {
  {
    IndexManifestFile file(env_.fs(), "/i");
    for (int n = 1; n < 4; ++n) put(file, n);
  }
  IndexManifestFile file(env_.fs(), "/i");
  ASSERT_TRUE(file.prepare(state(4), true));
  EXPECT_EQ(found(), 3) << "not in force yet";
  ASSERT_TRUE(file.put(state(4)));
  EXPECT_EQ(base::as_text(bytes()), base::as_text(state(4).encode()));
}

TEST_F(ManifestFile, DoesNotBecomeLong) {
  IndexManifestFile file(env_.fs(), "/i");
  std::size_t longest = 0, begun = 0, before = 0;
  for (int n = 0; n < 500; ++n) {
    put(file, n % 40);
    EXPECT_EQ(found(), n % 40);
    longest = std::max(longest, bytes().size());
    begun += bytes().size() < before ? 1 : 0;
    before = bytes().size();
  }
  EXPECT_LE(longest, IndexManifestFile::kLong);
  EXPECT_GT(begun, 5U);
  EXPECT_LT(begun, 50U);
  put(file, 2000);  // 80 KB: a file for itself
  EXPECT_EQ(found(), 2000);
  put(file, 2001);
  EXPECT_EQ(found(), 2001);
}

TEST_F(ManifestFile, IsDurableWithItsSync) {
  IndexManifestFile file(env_.fs(), "/i");
  ASSERT_TRUE(os::make_directories(env_.fs(), "/i"));
  ASSERT_TRUE(env_.fs().sync_directory("/"));
  put(file, 1);
  put(file, 2);
  ASSERT_TRUE(file.sync());
  put(file, 3);
  const std::uint64_t syncs = world_.disk().counters().syncs;
  world_.disk().cut_power();
  world_.disk().restart();
  os::SimEnv after(world_);
  const auto read = IndexManifest::read(after.fs(), "/i");
  ASSERT_TRUE(read) << read.error().to_string();
  EXPECT_GE(read->runs.size(), 2U);
  EXPECT_EQ(*read, state(static_cast<int>(read->runs.size())));
  // One that was found is synced only by who asks for it.
  IndexManifestFile next(after.fs(), "/i");
  ASSERT_TRUE(next.sync());
  EXPECT_EQ(world_.disk().counters().syncs, syncs);
  next.distrust();
  ASSERT_TRUE(next.sync());
  EXPECT_EQ(world_.disk().counters().syncs, syncs + 2);
}

TEST(ManifestFileTorn, AnAppendDoesNoHarmToWhatWasDurable) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    os::SimWorld world({.seed = seed, .crash = {.powersafe_overwrite = false}});
    {
      os::SimEnv env(world);
      ASSERT_TRUE(os::make_directories(env.fs(), "/i"));
      IndexManifestFile file(env.fs(), "/i");
      for (int n = 1; n <= 12; ++n) put(file, n);
      ASSERT_TRUE(file.sync());
      put(file, 13);
      world.disk().cut_power();
    }
    world.disk().restart();
    os::SimEnv env(world);
    const auto read = IndexManifest::read(env.fs(), "/i");
    ASSERT_TRUE(read) << read.error().to_string();
    EXPECT_GE(read->runs.size(), 12U);
  }
}

TEST_F(ManifestFile, OneThatSomebodyHasRemovedIsBegunAnew) {
  IndexManifestFile file(env_.fs(), "/i");
  put(file, 1);
  put(file, 2);
  ASSERT_TRUE(env_.fs().remove("/i/MANIFEST"));
  EXPECT_TRUE(file.sync());
  put(file, 3);
  EXPECT_EQ(found(), 3);
  EXPECT_TRUE(file.sync());
  put(file, 4);
  EXPECT_EQ(found(), 4);
}

TEST_F(ManifestFile, AFullDiskKeepsTheOneBefore) {
  IndexManifestFile file(env_.fs(), "/i");
  for (int n = 1; n < 60; ++n) put(file, n);
  world_.disk().faults.capacity_bytes = world_.disk().used_bytes();
  int last = 59;
  Status full;
  for (int n = 60; n < 120 && full; ++n) {
    full = file.prepare(state(n), true);
    if (full) full = file.put(state(n));
    if (full) last = n;
  }
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, Code::no_space);
  EXPECT_EQ(found(), last);
  world_.disk().faults.capacity_bytes = std::uint64_t{1} << 40;
  put(file, 121);
  EXPECT_EQ(found(), 121);
}

}  // namespace
}  // namespace baton::store
