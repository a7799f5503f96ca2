// What the simulated disk forgets, and what it must never forget.
#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "os/sim_env.h"

namespace baton::os {
namespace {

using base::as_bytes;

std::string text_of(SimDisk& disk, std::string_view path) {
  const auto content = disk.read(path);
  return content ? std::string(base::as_text(*content)) : "(missing)";
}

std::unique_ptr<File> open_new(SimEnv& env, const std::string& path) {
  return std::move(env.fs().open(path, {.write = true, .create = true})).value();
}

// What `look` sees after a power loss at the end of `workload`, over many seeds.
std::set<std::string> outcomes(const std::function<void(SimEnv&)>& workload, const std::function<std::string(SimDisk&)>& look,
                               std::uint64_t seeds = 400) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    SimWorld world({.seed = seed});
    {
      SimEnv env(world);
      workload(env);
      world.disk().cut_power();
    }
    world.disk().restart();
    seen.insert(look(world.disk()));
  }
  return seen;
}

TEST(SimDisk, WhatIsSyncedSurvivesThePowerLoss) {
  const auto seen = outcomes(
      [](SimEnv& env) {
        const auto file = open_new(env, "/f");
        (void)file->write_at(0, as_bytes(std::string(3000, 'a')));
        (void)file->sync_data();
        (void)env.fs().sync_directory("/");
      },
      [](SimDisk& disk) { return text_of(disk, "/f"); });
  EXPECT_EQ(seen, std::set{std::string(3000, 'a')});
}

// F2.
TEST(SimDisk, EachUnsyncedSectorMeetsAFateOfItsOwn) {
  bool lost_one_kept_later = false;
  bool zeroed = false;
  bool torn = false;
  bool garbage = false;
  bool all_kept = false;
  bool all_lost = false;
  for (const std::string& text : outcomes(
           [](SimEnv& env) {
             const auto file = open_new(env, "/f");
             (void)file->write_at(0, as_bytes(std::string(4 * 512, 'a')));
             (void)file->sync_data();
             (void)env.fs().sync_directory("/");
             (void)file->write_at(0, as_bytes(std::string(4 * 512, 'b')));
           },
           [](SimDisk& disk) { return text_of(disk, "/f"); })) {
    ASSERT_EQ(text.size(), 4U * 512);
    const std::string first = text.substr(0, 512);
    lost_one_kept_later |= first == std::string(512, 'a') && text.substr(512, 512) == std::string(512, 'b');
    zeroed |= first == std::string(512, '\0');
    torn |= first.front() == 'b' && first.back() == 'a' && first.find_first_not_of("ab") == std::string::npos;
    garbage |= first.find_first_not_of(std::string("ab\0", 3)) != std::string::npos;
    all_kept |= text == std::string(4 * 512, 'b');
    all_lost |= text == std::string(4 * 512, 'a');
  }
  EXPECT_TRUE(lost_one_kept_later);
  EXPECT_TRUE(zeroed);
  EXPECT_TRUE(torn);
  EXPECT_TRUE(garbage);
  EXPECT_TRUE(all_kept);
  EXPECT_TRUE(all_lost);
}

TEST(SimDisk, BytesBesideAnUnsyncedWriteAreSafeUnlessTheOptionSaysOtherwise) {
  for (const bool safe : {true, false}) {
    bool harmed = false;
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
      SimWorld world({.seed = seed, .crash = {.powersafe_overwrite = safe}});
      world.disk().write("/f", as_bytes(std::string(100, 'a')));
      {
        SimEnv env(world);
        const auto file = open_new(env, "/f");
        (void)file->write_at(100, as_bytes(std::string(100, 'b')));
        world.disk().restart();
      }
      harmed |= !text_of(world.disk(), "/f").starts_with(std::string(100, 'a'));
    }
    EXPECT_EQ(harmed, !safe);
  }
}

TEST(SimDisk, AnUnsyncedSizeIsOneThatTheFileHad) {
  const auto seen = outcomes(
      [](SimEnv& env) {
        const auto file = open_new(env, "/f");
        (void)file->write_at(0, as_bytes(std::string(100, 'a')));
        (void)file->sync_data();
        (void)env.fs().sync_directory("/");
        (void)file->allocate(0, 5000);
        (void)file->truncate(40);
        (void)file->truncate(700);
      },
      [](SimDisk& disk) { return std::to_string(disk.read("/f")->size()); });
  EXPECT_EQ(seen, (std::set<std::string>{"100", "40", "5000", "700"}));
}

TEST(SimDisk, WhatATruncationCutOffNeverComesBackBehindTheNewEnd) {
  const auto seen = outcomes(
      [](SimEnv& env) {
        const auto file = open_new(env, "/f");
        (void)file->write_at(0, as_bytes(std::string(2000, 'a')));
        (void)file->sync_data();
        (void)env.fs().sync_directory("/");
        (void)file->truncate(1000);
        (void)file->truncate(1900);
        (void)file->sync_data();
      },
      [](SimDisk& disk) { return text_of(disk, "/f"); });
  EXPECT_EQ(seen, std::set{std::string(1000, 'a') + std::string(900, '\0')});
}

TEST(SimDisk, AllocatedSpaceReadsAsZerosAfterThePowerLoss) {
  const auto seen = outcomes(
      [](SimEnv& env) {
        const auto file = open_new(env, "/f");
        (void)file->allocate(0, 3 << 20);
        (void)file->sync_data();
        (void)env.fs().sync_directory("/");
      },
      [](SimDisk& disk) {
        const auto content = disk.read("/f");
        return std::to_string(content->size()) + (*content == base::Bytes(3 << 20) ? " zeros" : " something");
      },
      20);
  EXPECT_EQ(seen, std::set<std::string>{"3145728 zeros"});
}

// F17.
TEST(SimDisk, ANewNameIsSafeOnlyOnceItsDirectoryIsSynced) {
  const auto look = [](SimDisk& disk) { return text_of(disk, "/d/f"); };
  const auto make = [](SimEnv& env, bool sync_above) {
    (void)env.fs().make_directory("/d");
    if (sync_above) (void)env.fs().sync_directory("/");
    const auto file = open_new(env, "/d/f");
    (void)file->write_at(0, as_bytes("x"));
    (void)file->sync_data();
  };
  EXPECT_EQ(outcomes([&](SimEnv& env) { make(env, true); }, look), (std::set<std::string>{"(missing)", "x"}));
  EXPECT_EQ(outcomes(
                [&](SimEnv& env) {
                  make(env, true);
                  (void)env.fs().sync_directory("/d");
                },
                look),
            std::set<std::string>{"x"});
  // The names in a directory are no safer than the directory's own.
  EXPECT_EQ(outcomes(
                [&](SimEnv& env) {
                  make(env, false);
                  (void)env.fs().sync_directory("/d");
                },
                look),
            (std::set<std::string>{"(missing)", "x"}));
}

// F18.
TEST(SimDisk, ARenameLeavesTheOldOrTheNewAndNeverNeither) {
  const auto prepare = [](SimEnv& env) {
    (void)replace_file(env.fs(), "/f", as_bytes("old"));
    const auto file = open_new(env, "/g");
    (void)file->write_at(0, as_bytes("new"));
    (void)file->sync_data();
  };
  const auto look = [](SimDisk& disk) { return text_of(disk, "/f"); };
  EXPECT_EQ(outcomes(
                [&](SimEnv& env) {
                  prepare(env);
                  (void)env.fs().rename("/g", "/f");
                },
                look),
            (std::set<std::string>{"new", "old"}));
  EXPECT_EQ(outcomes(
                [&](SimEnv& env) {
                  prepare(env);
                  (void)env.fs().rename("/g", "/f");
                  (void)env.fs().sync_directory("/");
                },
                look),
            std::set<std::string>{"new"});
}

TEST(SimDisk, ARenameBetweenDirectoriesIsWhole) {
  const auto seen = outcomes(
      [](SimEnv& env) {
        (void)env.fs().make_directory("/a");
        (void)env.fs().make_directory("/b");
        (void)env.fs().sync_directory("/");
        (void)replace_file(env.fs(), "/a/f", as_bytes("x"));
        (void)env.fs().rename("/a/f", "/b/f");
        (void)env.fs().sync_directory("/b");
      },
      [](SimDisk& disk) { return text_of(disk, "/a/f") + " " + text_of(disk, "/b/f"); });
  EXPECT_EQ(seen, (std::set<std::string>{"(missing) x", "x (missing)"}));
}

TEST(SimDisk, AReplacedFileIsOldOrNewAtEveryCrashPoint) {
  std::set<std::string> seen;
  for (std::uint64_t at = 1; at < 12; ++at) {
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
      SimWorld world({.seed = seed});
      world.disk().write("/d/f", as_bytes("old"));
      world.disk().faults.power_loss_at = at;
      bool done = false;
      {
        SimEnv env(world);
        done = replace_file(env.fs(), "/d/f", as_bytes("new")).ok();
      }
      world.disk().restart();
      const std::string text = text_of(world.disk(), "/d/f");
      if (done) {
        ASSERT_EQ(text, "new");
      }
      seen.insert(text);
    }
  }
  EXPECT_EQ(seen, (std::set<std::string>{"new", "old"}));
}

TEST(SimDisk, AFailedSyncForgetsAndLaterSyncsDoNotBringItBack) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    SimWorld world({.seed = seed});
    world.disk().write("/f", as_bytes(std::string(1024, 'a')));
    {
      SimEnv env(world);
      const auto file = open_new(env, "/f");
      (void)file->write_at(0, as_bytes(std::string(1024, 'b')));
      world.disk().faults.fail_sync_at = 1;
      EXPECT_EQ(file->sync_data().error().code, Code::io_error);
      EXPECT_EQ(file->sync_data().error().code, Code::io_error);
      EXPECT_TRUE(env.fs().open("/f", {.write = true}).value()->sync_data().ok());  // the trap: the kernel has marked the pages clean
      EXPECT_EQ(text_of(world.disk(), "/f"), std::string(1024, 'b'));
    }
    world.disk().restart();
    const std::string text = text_of(world.disk(), "/f");
    seen.insert({text[0], text[512]});
  }
  EXPECT_EQ(seen, (std::set<std::string>{"aa", "ab", "ba", "bb"}));
}

TEST(SimDisk, SyncAllCoversEveryFileAndName) {
  const auto seen = outcomes(
      [](SimEnv& env) {
        (void)env.fs().make_directory("/d");
        for (const char* path : {"/d/a", "/d/b", "/c"}) (void)open_new(env, path)->write_at(0, as_bytes(path));
        (void)env.fs().sync_all("/d");
      },
      [](SimDisk& disk) { return text_of(disk, "/d/a") + text_of(disk, "/d/b") + text_of(disk, "/c"); });
  EXPECT_EQ(seen, std::set<std::string>{"/d/a/d/b/c"});
}

// F12. As on Linux: the sync that failed is told of to everyone, whether it was of a file or of all.
TEST(SimDisk, AFailedSyncIsToldToEachHandleOnceAndToEverySyncOfAllThatFollows) {
  SimWorld world;
  SimEnv env(world);
  const auto dirty = open_new(env, "/dirty");
  const auto clean = open_new(env, "/clean");
  ASSERT_TRUE(clean->sync_data().ok());
  const auto second = *env.fs().open("/dirty", {.write = true});
  ASSERT_TRUE(dirty->write_at(0, as_bytes("x")).ok());
  world.disk().faults.fail_sync_at = world.disk().counters().syncs + 1;
  EXPECT_EQ(env.fs().sync_all("/").error().code, Code::io_error);
  const auto syncs = world.disk().counters().syncs;
  EXPECT_EQ(env.fs().sync_all("/").error().code, Code::io_error);
  EXPECT_EQ(world.disk().counters().syncs, syncs) << "it is not repeated";
  EXPECT_EQ(dirty->sync_data().error().code, Code::io_error);
  EXPECT_EQ(dirty->sync_data().error().code, Code::io_error);
  EXPECT_EQ(second->sync_data().error().code, Code::io_error);
  EXPECT_TRUE(clean->sync_data().ok());
  EXPECT_TRUE((*env.fs().open("/dirty", {.write = true}))->sync_data().ok()) << "opened when it was known";
  SimEnv other(world);
  EXPECT_TRUE(other.fs().sync_all("/").ok());
  // The first to hear of it may be a handle that was opened later.
  ASSERT_TRUE(clean->write_at(0, as_bytes("y")).ok());
  world.disk().faults.fail_sync_at = world.disk().counters().syncs + 1;
  EXPECT_FALSE(other.fs().sync_all("/").ok());
  EXPECT_FALSE((*other.fs().open("/clean", {.write = true}))->sync_data().ok());
}

// F13.
TEST(SimDisk, AFullDiskRefusesAnAllocationWholeAndAWriteAfterAPart) {
  SimWorld world;
  SimEnv env(world);
  world.disk().faults.capacity_bytes = 3 * 4096;
  const auto file = open_new(env, "/f");
  ASSERT_TRUE(file->allocate(0, 4096).ok());
  EXPECT_EQ(file->allocate(0, 4 * 4096).error().code, Code::no_space);
  EXPECT_EQ(*file->size(), 4096U);
  EXPECT_EQ(file->write_at(0, as_bytes(std::string(5 * 4096, 'x'))).error().code, Code::no_space);
  EXPECT_EQ(*file->size(), 3U * 4096);
  EXPECT_EQ(env.fs().space("/")->available_bytes, 0U);
  ASSERT_TRUE(file->write_at(0, as_bytes(std::string(3 * 4096, 'y'))).ok());
  world.disk().faults.capacity_bytes = 100 * 4096;
  EXPECT_TRUE(file->allocate(0, 4 * 4096).ok());
}

TEST(SimDisk, SpaceComesBackWhenTheLastNameAndHandleAreGone) {
  SimWorld world;
  SimEnv env(world);
  auto file = open_new(env, "/f");
  ASSERT_TRUE(file->allocate(0, 10 * 4096).ok());
  EXPECT_EQ(world.disk().used_bytes(), 10U * 4096);
  ASSERT_TRUE(file->truncate(4096).ok());
  EXPECT_EQ(world.disk().used_bytes(), 4096U);
  ASSERT_TRUE(env.fs().rename("/f", "/g").ok());
  ASSERT_TRUE(env.fs().remove("/g").ok());
  EXPECT_EQ(world.disk().used_bytes(), 4096U);
  file = nullptr;
  EXPECT_EQ(world.disk().used_bytes(), 0U);
}

TEST(SimDisk, ReadsAndWritesFailWhereTheyAreTold) {
  SimWorld world;
  SimEnv env(world);
  world.disk().faults.fail_write_at = 2;
  world.disk().faults.fail_read_at = 2;
  const auto file = open_new(env, "/f");
  base::Bytes out(3);
  ASSERT_TRUE(file->write_at(0, as_bytes("abc")).ok());
  EXPECT_EQ(file->write_at(3, as_bytes("def")).error().code, Code::io_error);
  EXPECT_LT(*file->size(), 6U);
  EXPECT_TRUE(file->read_at(0, out).ok());
  EXPECT_EQ(file->read_at(0, out).error().code, Code::io_error);
  EXPECT_TRUE(file->read_at(0, out).ok());
}

TEST(SimDisk, AFlippedBitIsSeenAtOnceAndAfterTheNextBoot) {
  SimWorld world;
  world.disk().write("/f", as_bytes("abc"));
  world.disk().flip_bit("/f", 1, 0);
  EXPECT_EQ(text_of(world.disk(), "/f"), "acc");
  world.disk().restart();
  EXPECT_EQ(text_of(world.disk(), "/f"), "acc");
}

TEST(SimDisk, ARandomFlipHitsAnEligibleFileInOneBit) {
  SimWorld world;
  world.disk().write("/a/1", base::Bytes(100));
  world.disk().write("/b/1", base::Bytes(100));
  const auto flipped = world.disk().flip_random_bit([](const std::string& path) { return path.starts_with("/b"); });
  ASSERT_TRUE(flipped);
  EXPECT_EQ(*world.disk().read("/a/1"), base::Bytes(100));
  base::Bytes expected(100);
  expected[flipped->offset] = static_cast<std::byte>(1U << flipped->bit);
  EXPECT_EQ(*world.disk().read(flipped->path), expected);
  EXPECT_FALSE(world.disk().flip_random_bit([](const std::string&) { return false; }));
}

// F1 and F22.
TEST(SimDisk, AKillLosesNothingThatWasWrittenAndFreesLocks) {
  SimWorld world;
  auto first = std::make_unique<SimEnv>(world);
  const auto file = open_new(*first, "/f");
  ASSERT_TRUE(*file->try_lock(LockKind::exclusive, 0, 0));
  (void)file->write_at(0, as_bytes("abc"));
  SimEnv second(world);
  const auto other = open_new(second, "/f");
  EXPECT_FALSE(*other->try_lock(LockKind::exclusive, 0, 0));
  first->kill();
  EXPECT_FALSE(first->alive());
  EXPECT_EQ(file->write_at(0, as_bytes("xyz")).error().code, Code::io_error);
  EXPECT_FALSE(first->fs().remove("/f").ok());
  EXPECT_TRUE(*other->try_lock(LockKind::exclusive, 0, 0));
  EXPECT_EQ(text_of(world.disk(), "/f"), "abc");
  EXPECT_EQ(second.boot_id(), first->boot_id());
}

TEST(SimDisk, AProcessIsKilledInTheOperationThatIsNamedAndAWriteMayBeCutAnywhere) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SimWorld world({.seed = seed});
    SimEnv env(world);
    const auto file = open_new(env, "/f");
    env.kill_in(2);
    EXPECT_TRUE(file->write_at(0, as_bytes("12")).ok());
    EXPECT_FALSE(file->write_at(2, as_bytes("345")).ok());
    EXPECT_FALSE(file->write_at(5, as_bytes("6")).ok());
    seen.insert(text_of(world.disk(), "/f"));
  }
  EXPECT_EQ(seen, (std::set<std::string>{"12", "123", "1234", "12345"}));
}

TEST(SimDisk, SharedMemorySurvivesAKillButNotWhatTheDeadWriteAfterwards) {
  SimWorld world;
  SimEnv first(world);
  const auto file = open_new(first, "/marks");
  const auto mapping = std::move(file->map_shared(0, 4096)).value();
  mapping->data()[7] = std::byte{'a'};
  first.kill();
  mapping->data()[7] = std::byte{'z'};
  SimEnv second(world);
  const auto again = open_new(second, "/marks");
  EXPECT_EQ(std::move(again->map_shared(0, 4096)).value()->data()[7], std::byte{'a'});
}

TEST(SimDisk, SharedMemoryIsUnsyncedWhenThePowerFails) {
  const auto seen = outcomes(
      [](SimEnv& env) {
        const auto file = open_new(env, "/marks");
        const auto mapping = std::move(file->map_shared(0, 4096)).value();
        (void)file->sync_data();
        (void)env.fs().sync_directory("/");
        mapping->data()[7] = std::byte{'a'};
      },
      [](SimDisk& disk) { return text_of(disk, "/marks").substr(7, 1) == "a" ? "kept" : "lost"; });
  EXPECT_EQ(seen, (std::set<std::string>{"kept", "lost"}));
}

// Mode (a): all crash points, all cuts of the write in progress, all subsets of sectors and names.
TEST(SimDisk, ExhaustiveChoicesReachEveryOutcomeOnce) {
  std::set<std::string> seen;
  int runs = 0;
  ExhaustiveChoices choices;
  do {
    SimWorld world({.crash = {.fates = {.lost = 1, .kept = 1, .torn = 0, .zeroed = 0, .garbage = 0},
                              .styles = false,
                              .directory_subsets = false}});
    world.disk().write("/f", as_bytes(std::string(3 * 512, 'a')));
    world.disk().decide_with(&choices);
    {
      SimEnv env(world);
      const auto file = open_new(env, "/f");
      (void)file->write_at(0, as_bytes(std::string(3 * 512, 'b')));
      world.disk().restart();
    }
    const std::string text = text_of(world.disk(), "/f");
    seen.insert({text[0], text[512], text[1024]});
    ++runs;
  } while (choices.next());
  EXPECT_EQ(seen.size(), 8U);
  EXPECT_EQ(runs, 8);
}

TEST(SimDisk, FilesAreReportedWithWhatIsNotYetDurable) {
  SimWorld world;
  SimEnv env(world);
  (void)env.fs().make_directory("/d");
  (void)open_new(env, "/d/b")->write_at(0, as_bytes(std::string(600, 'x')));
  (void)open_new(env, "/a")->sync_data();
  const auto files = world.disk().files();
  ASSERT_EQ(files.size(), 2U);
  EXPECT_EQ(files[0].path, "/a");
  EXPECT_EQ(files[1].path, "/d/b");
  EXPECT_EQ(files[1].size, 600U);
  EXPECT_EQ(files[1].durable_size, 0U);
  EXPECT_EQ(files[1].dirty_sectors, 2U);
  EXPECT_EQ(world.disk().pending_directory_changes(), 3U);
}

}  // namespace
}  // namespace baton::os
