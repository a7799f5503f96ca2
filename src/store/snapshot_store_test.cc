#include "store/snapshot_store.h"

#include <gtest/gtest.h>

#include "os/sim_env.h"
#include "store/checkpoint_store.h"

namespace baton::store {
namespace {

constexpr std::int64_t kAnyVersion = std::int64_t{1} << 40;

struct Machine {
  os::SimWorld world{{.seed = 11}};
  os::SimEnv env{world};
};

SnapshotStore::Confirm yes() {
  return [](std::int64_t, log::Epoch, log::Offset) -> Result<bool> { return true; };
}

struct Snapshots : testing::Test {
  Machine m;
  SnapshotStore store{m.env.fs(), "data/topics/x/0/snapshots"};

  Status save(std::int64_t version, std::string bytes, std::int32_t shape = 1, const std::string& stream = "ride-1") {
    return store.save(stream, {.version = version, .shape = shape, .bytes = std::move(bytes)}, log::Epoch(1), log::Offset(version * 10));
  }
  std::string load(std::int32_t shape = 1, std::int64_t version_max = kAnyVersion) {
    const auto loaded = store.load("ride-1", shape, version_max, yes());
    if (!loaded) return loaded.error().to_string();
    return *loaded ? (*loaded)->bytes : "none";
  }
  void flip(const std::string& path, std::size_t at) {
    auto content = m.world.disk().read(path).value();
    content[at] ^= std::byte{8};
    m.world.disk().write(path, content);
  }
  std::vector<std::string> files() {
    std::vector<std::string> paths;
    for (const auto& file : m.world.disk().files()) paths.push_back(file.path);
    return paths;
  }
};

TEST_F(Snapshots, TheNewestTwoAreKept) {
  EXPECT_EQ(load(), "none");
  for (const auto* bytes : {"a", "b", "c"}) ASSERT_TRUE(save(100 * (bytes[0] - 'a' + 1), bytes));
  EXPECT_EQ(load(), "c");
  EXPECT_EQ(load(1, 299), "b");
  EXPECT_EQ(load(1, 199), "none");
  EXPECT_EQ(files().size(), 2u);
  ASSERT_TRUE(store.remove("ride-1"));
  EXPECT_EQ(load(), "none");
  ASSERT_TRUE(store.remove("ride-1"));
}

TEST_F(Snapshots, OneOfAnotherShapeIsNotUsed) {
  ASSERT_TRUE(save(1, "old shape", 1));
  ASSERT_TRUE(save(2, "new shape", 2));
  EXPECT_EQ(load(1), "old shape");
  EXPECT_EQ(load(2), "new shape");
  EXPECT_EQ(load(3), "none");
}

TEST_F(Snapshots, ADamagedOneGivesWayToTheOlderOneAndThenToReplay_F20) {
  ASSERT_TRUE(save(1, "older"));
  ASSERT_TRUE(save(2, "newer"));
  const auto paths = files();
  ASSERT_EQ(paths.size(), 2u);
  const auto newer = m.world.disk().read(paths[1]).value();
  // Every byte matters: each flip, and each cut, makes it unusable.
  for (std::size_t i = 0; i < newer.size(); ++i) {
    flip(paths[1], i);
    EXPECT_EQ(load(), "older") << "byte " << i;
    m.world.disk().write(paths[1], newer);
    m.world.disk().truncate(paths[1], i);
    EXPECT_EQ(load(), "older") << "cut at " << i;
    m.world.disk().write(paths[1], newer);
  }
  EXPECT_EQ(load(), "newer");
  flip(paths[0], 20);
  flip(paths[1], 20);
  EXPECT_EQ(load(), "none");
  ASSERT_TRUE(save(3, "again"));
  EXPECT_EQ(load(), "again");
}

TEST_F(Snapshots, OneWhoseEventIsElsewhereInTheLogIsNotUsed) {
  ASSERT_TRUE(save(1, "older"));
  ASSERT_TRUE(save(2, "newer"));
  const auto at = [&](std::int64_t version, log::Epoch, log::Offset offset) -> Result<bool> {
    EXPECT_EQ(offset.value(), version * 10);
    return version == 1;
  };
  EXPECT_EQ(store.load("ride-1", 1, kAnyVersion, at).value()->bytes, "older");
  const auto failing = [](std::int64_t, log::Epoch, log::Offset) -> Result<bool> { return Error{Code::io_error, "no"}; };
  EXPECT_EQ(store.load("ride-1", 1, kAnyVersion, failing).error().code, Code::io_error);
}

TEST_F(Snapshots, StreamsDoNotShareTheirs) {
  ASSERT_TRUE(save(1, "one", 1, "ride-1"));
  ASSERT_TRUE(save(1, "two", 1, "ride-2"));
  EXPECT_EQ(load(), "one");
  EXPECT_EQ(save(-1, "x").error().code, Code::invalid_argument);
  EXPECT_EQ(save(1, std::string((16u << 20) + 1, 'x')).error().code, Code::too_large);
}

TEST(SnapshotsAfterACrash, AreWholeOrGone) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    os::SimWorld world{{.seed = seed}};
    {
      os::SimEnv env(world);
      SnapshotStore store(env.fs(), "data/snapshots");
      for (std::int64_t v = 1; v <= 5; ++v) ASSERT_TRUE(store.save("s", {v, 1, std::string(3000, 'x')}, log::Epoch(1), log::Offset(v)));
      world.disk().cut_power();
    }
    world.disk().restart();
    os::SimEnv env(world);
    const auto loaded = SnapshotStore(env.fs(), "data/snapshots").load("s", 1, kAnyVersion, yes());
    ASSERT_TRUE(loaded) << "seed " << seed;
    if (*loaded) EXPECT_EQ((*loaded)->bytes, std::string(3000, 'x')) << "seed " << seed;
  }
}

TEST(Checkpoints, AreKeptByNameAndContext) {
  Machine m;
  CheckpointStore store(m.env.fs(), "data/checkpoints");
  EXPECT_FALSE(store.load("billing", "rides").value());
  ASSERT_TRUE(store.save("billing", "rides", {"p1.0f3a96b1c2d4e5f6.3.41"}));
  ASSERT_TRUE(store.save("../x", "rides", {}));
  EXPECT_EQ(store.load("billing", "rides").value()->token, "p1.0f3a96b1c2d4e5f6.3.41");
  EXPECT_EQ(store.load("billing", "payments").error().code, Code::invalid_argument);
  EXPECT_EQ(store.save("billing", "payments", {}).error().code, Code::invalid_argument);
  EXPECT_EQ(store.save("", "rides", {}).error().code, Code::invalid_argument);
  EXPECT_EQ(store.save(std::string(101, 'x'), "rides", {}).error().code, Code::invalid_argument);
  EXPECT_EQ(store.list().value().size(), 2u);
  ASSERT_TRUE(store.remove("billing"));
  ASSERT_TRUE(store.remove("billing"));
  EXPECT_EQ(store.list().value().size(), 1u);
}

TEST(Checkpoints, SurviveAPowerLossOnceSaved) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    os::SimWorld world{{.seed = seed}};
    {
      os::SimEnv env(world);
      CheckpointStore store(env.fs(), "data/checkpoints");
      for (const auto* p : {"p1.0f3a96b1c2d4e5f6.3.41", "p1.0f3a96b1c2d4e5f6.3.42"}) ASSERT_TRUE(store.save("c", "rides", {p}));
      world.disk().cut_power();
    }
    world.disk().restart();
    os::SimEnv env(world);
    const auto loaded = CheckpointStore(env.fs(), "data/checkpoints").load("c", "rides");
    ASSERT_TRUE(loaded) << loaded.error().to_string();
    ASSERT_TRUE(*loaded) << "seed " << seed;
    EXPECT_EQ((*loaded)->token, "p1.0f3a96b1c2d4e5f6.3.42") << "seed " << seed;
  }
}

TEST(Checkpoints, ADamagedOneIsReportedAndDoesNotHinderTheOthers) {
  Machine m;
  CheckpointStore store(m.env.fs(), "data/checkpoints");
  ASSERT_TRUE(store.save("a", "rides", {"p1.0f3a96b1c2d4e5f6.3.41"}));
  ASSERT_TRUE(store.save("b", "rides", {"p1.0f3a96b1c2d4e5f6.3.41"}));
  m.world.disk().flip_bit("data/checkpoints/61", 12, 0);
  EXPECT_EQ(store.load("a", "rides").error().code, Code::corrupt);
  ASSERT_TRUE(store.lower([](const StoredCheckpoint& c) -> Result<std::optional<Position>> {
    EXPECT_EQ(c.name, "b");
    return std::optional(Position{"p1.0f3a96b1c2d4e5f6.3.12"});
  }));
  EXPECT_EQ(store.load("b", "rides").value()->token, "p1.0f3a96b1c2d4e5f6.3.12");
}

}  // namespace
}  // namespace baton::store
