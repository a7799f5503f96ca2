// The index against kills, power cuts, failing and full disks, and damaged files: an answer may be an error, never wrong.
#include <gtest/gtest.h>

#include <algorithm>

#include "store/index_manifest.h"
#include "store/index_run.h"
#include "store/index_test_support.h"

namespace baton::store {
namespace {

using testing::compare_all;
using testing::ModelLog;
using testing::Process;

const IndexOptions kSmall{.table_entries = 32, .merge_fan = 2};

// Appends, freezes, merges, flushes, resets: every kind of write that an index makes. Returns what is acknowledged.
std::int64_t work(os::SimWorld& world, Process& process, ModelLog& log, std::int64_t acknowledged, std::size_t together) {
  if (!process.open(kSmall, together)) return acknowledged;
  std::int64_t at = process.index->covered().next.value();
  EXPECT_LE(at, acknowledged);
  process.feed(log, at, acknowledged);
  at = acknowledged;
  for (int i = 0; i < 24 && process.env->alive(); ++i) {
    if (process.index->full()) world.run_until_idle();
    process.feed(log, at, log.append(4));
    process.acknowledge(acknowledged = at = log.end());
    if (i % 3 == 0) world.run_until_idle();
    if (i % 10 == 9) (void)process.index->flush();
    if (i == 14 && process.index->reset()) process.feed(log, 0, at);
  }
  world.run_until_idle();
  return acknowledged;
}

void check_after(os::SimWorld& world, const ModelLog& log, std::int64_t acknowledged, os::SeededRandom& random) {
  Process process(world);
  ASSERT_TRUE(process.open(kSmall));
  if (const auto manifest = world.disk().read("/index/MANIFEST")) {
    EXPECT_EQ(IndexManifest::whole_bytes(*manifest), manifest->size());
  }
  const IndexCovered covered = process.index->covered();
  ASSERT_LE(covered.next.value(), acknowledged);
  if (covered.next.value() > 0) {
    EXPECT_EQ(covered.batch_crc, ModelLog::crc_at(covered.next.value()));
  }
  EXPECT_TRUE(process.index->verify(
      [&](const IndexEntry& entry) { EXPECT_LT(entry.offset(), covered.next.value()); },
      [](const Index::Finding& finding) { ADD_FAILURE() << finding.file << " " << finding.what; }));
  process.feed(log, covered.next.value(), log.end());
  compare_all(*process.index, log, log.end(), random);
  if (log.end() > 0) process.acknowledge(log.end());
  world.run_until_idle();
  ASSERT_TRUE(process.index->flush());
  compare_all(*process.index, log, log.end(), random);
  EXPECT_TRUE(process.warnings.empty()) << process.warnings.front();
  // What the crash left behind is gone.
  std::size_t runs = 0;
  for (const auto& file : world.disk().files()) runs += file.path.ends_with(".idx") ? 1 : 0;
  while (true) {
    const auto merged = process.index->merge_step();
    ASSERT_TRUE(merged);
    if (!*merged) break;
  }
  EXPECT_LE(runs, process.index->stats().runs + 3);
}

struct Kind {
  bool power = false;
  bool together = false;  // as many partitions write: a sync of the file system, and manifests that are synced later
  bool powersafe_overwrite = true;
};
class IndexCrash : public ::testing::TestWithParam<Kind> {};

TEST_P(IndexCrash, AnywhereLeavesManifestAndRunsThatAgree) {
  const bool power = GetParam().power;
  for (std::uint64_t crash_at = 1;; ++crash_at) {
    SCOPED_TRACE(crash_at);
    os::SimWorld world({.seed = crash_at, .crash = {.powersafe_overwrite = GetParam().powersafe_overwrite}});
    os::SeededRandom random(crash_at);
    ModelLog log(5);
    std::int64_t acknowledged = 0;
    bool crashed = false;
    {
      Process process(world);
      if (power) world.disk().faults.power_loss_at = world.disk().counters().mutations + crash_at;
      if (!power) process.env->kill_in(crash_at);
      acknowledged = work(world, process, log, 0, GetParam().together ? 1 : 0);
      crashed = !process.env->alive();
    }
    if (power) world.disk().faults.power_loss_at = 0;
    if (power) world.disk().restart();
    check_after(world, log, acknowledged, random);
    if (HasFailure()) return;
    if (!crashed) {
      EXPECT_GT(crash_at, 100u);
      return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(OfEitherKind, IndexCrash, ::testing::Values(Kind{false, false}, Kind{true, false}, Kind{false, true}, Kind{true, true}, Kind{true, false, false}, Kind{true, true, false}),
                         [](const auto& info) {
                           return std::string(info.param.power ? "PowerLoss" : "Kill") + (info.param.together ? "Together" : "") +
                                  (info.param.powersafe_overwrite ? "" : "Torn");
                         });

// What a process finds after a kill may be no more than written. Before it removes what the manifest does not name, it makes that durable.
TEST(IndexCrashTwice, AKillAndThenAPowerLossLeaveManifestAndRunsThatAgree) {
  for (const std::size_t together : {std::size_t{0}, std::size_t{1}}) {
    for (const bool powersafe_overwrite : {true, false}) {
      for (std::uint64_t n = 3;; ++n) {
        const std::uint64_t kill_at = n / 3;
        SCOPED_TRACE(n);
        os::SimWorld world({.seed = n, .crash = {.powersafe_overwrite = powersafe_overwrite}});
        os::SeededRandom random(n);
        ModelLog log(5);
        std::int64_t acknowledged = 0;
        bool killed = false;
        {
          Process process(world);
          process.env->kill_in(kill_at);
          acknowledged = work(world, process, log, 0, together);
          killed = !process.env->alive();
        }
        {
          Process process(world);
          ASSERT_TRUE(process.open(kSmall, together));
          if (n % 3 == 0) {
            world.run_until_idle();
            EXPECT_TRUE(process.warnings.empty()) << process.warnings.front();
          }
          if (n % 3 == 1) {  // goes on where the one before was
            process.feed(log, process.index->covered().next.value(), log.end());
            if (log.end() > 0) process.acknowledge(acknowledged = log.end());
          }
          if (n % 3 != 0) {
            for (std::uint64_t steps = random.next() % 8; steps > 0; --steps) (void)world.step();
          }
          world.disk().cut_power();
        }
        world.disk().restart();
        check_after(world, log, acknowledged, random);
        if (HasFailure()) return;
        if (!killed) break;
      }
    }
  }
}

TEST(IndexFaults, AFailedSyncEndsWritingAndIsNotRepeated) {
  for (std::uint64_t n = 3; n < 12; ++n) {
    os::SimWorld world({.seed = n});
    os::SeededRandom random(n);
    ModelLog log(n);
    Process process(world);
    ASSERT_TRUE(process.open(kSmall));
    world.disk().faults.fail_sync_at = world.disk().counters().syncs + n;
    std::int64_t at = 0;
    while (process.failures.empty() && at < 1000) {
      process.feed(log, at, log.append(4));
      process.acknowledge(at = log.end());
      world.run_until_idle();
    }
    ASSERT_EQ(process.failures.size(), 1u);
    EXPECT_FALSE(process.index->health());
    const std::uint64_t mutations = world.disk().counters().mutations;
    for (int i = 0; i < 40; ++i) {
      process.feed(log, at, log.append(4));
      process.acknowledge(at = log.end());
      world.run_until_idle();
    }
    EXPECT_FALSE(process.index->flush());
    EXPECT_TRUE(process.index->full());
    EXPECT_EQ(world.disk().counters().mutations, mutations);
    EXPECT_EQ(process.failures.size(), 1u);
    compare_all(*process.index, log, at, random);
  }
}

TEST(IndexFaults, AFullDiskIsWaitedForAndNothingIsLost) {
  os::SimWorld world({.seed = 4});
  os::SeededRandom random(4);
  ModelLog log(4);
  Process process(world);
  ASSERT_TRUE(process.open(kSmall));
  world.disk().faults.capacity_bytes = world.disk().used_bytes() + 40'000;
  std::int64_t at = 0;
  while (!process.index->full()) {
    process.feed(log, at, log.append(4));
    process.acknowledge(at = log.end());
    world.run_until_idle();
    ASSERT_LT(at, 10'000);
  }
  EXPECT_EQ(process.index->health().error().code, Code::no_space);
  EXPECT_EQ(process.warnings.size(), 1u);
  compare_all(*process.index, log, at, random);
  EXPECT_EQ(process.rooms, 0);
  world.disk().faults.capacity_bytes = std::uint64_t{1} << 40;
  world.run_for(3'000'000'000);
  EXPECT_TRUE(process.index->health());
  EXPECT_EQ(process.rooms, 1);
  EXPECT_FALSE(process.index->full());
  EXPECT_TRUE(process.index->flush());
  EXPECT_TRUE(process.failures.empty());
  compare_all(*process.index, log, at, random);
}

// Files of a small index that has two runs and more, closed in order.
std::int64_t make_index(os::SimWorld& world, const ModelLog& log, bool one_run) {
  Process process(world);
  EXPECT_TRUE(process.open({.table_entries = 64, .merge_fan = 8}));
  std::int64_t at = 0;
  while (at < log.end()) {
    const std::int64_t to = std::min<std::int64_t>(log.end(), at + 100);
    process.feed(log, at, to);
    process.acknowledge(at = to);
    if (!one_run) world.run_until_idle();
  }
  EXPECT_TRUE(process.index->flush());
  return at;
}

std::string only_run(os::SimWorld& world) {
  for (const auto& file : world.disk().files()) {
    if (file.path.ends_with(".idx")) return file.path;
  }
  return {};
}

// Opens an index on what is there: either it is empty, or its answers are right or errors.
void expect_right_or_refused(os::SimWorld& world, const ModelLog& log, std::int64_t end, os::SeededRandom& random,
                             bool read_only) {
  Process process(world);
  ASSERT_TRUE(process.open({.read_only = read_only, .table_entries = 64, .merge_fan = 8}));
  world.run_until_idle();
  if (process.index->covered().next == log::Offset(0)) {
    EXPECT_EQ(process.warnings.size(), 1u);
    EXPECT_EQ(process.index->stats().runs, 0u);
    return;
  }
  ASSERT_EQ(process.index->covered().next, log::Offset(end));
  int errors = 0;
  compare_all(*process.index, log, end, random, &errors);
  int findings = 0;
  EXPECT_TRUE(process.index->verify({}, [&](const Index::Finding&) { ++findings; }));
  if (errors > 0) {
    EXPECT_GT(findings, 0);
    world.run_until_idle();
    EXPECT_EQ(process.failures.size(), 1u);
    EXPECT_EQ(process.index->health().error().code, Code::corrupt);
  }
  EXPECT_GT(findings, 0) << "verify missed it";
}

TEST(IndexDamage, OfAnyByteOfARunIsFoundAndNeverGivesAWrongAnswer) {
  ModelLog log(8);
  log.append(70);
  os::SimWorld world({.seed = 8});
  os::SeededRandom random(8);
  const std::int64_t end = make_index(world, log, true);
  const std::string path = only_run(world);
  const auto size = world.disk().read(path)->size();
  for (std::uint64_t at = 0; at < size; ++at) {
    // Every byte of what has a meaning; of the zeros between, one in 13.
    const bool is_zero = (*world.disk().read(path))[at] == std::byte{0};
    if (is_zero && at % 13 != 0) continue;
    SCOPED_TRACE(at);
    const auto bit = static_cast<unsigned>(random.next() % 8);
    world.disk().flip_bit(path, at, bit);
    expect_right_or_refused(world, log, end, random, true);
    if (HasFailure()) return;
    world.disk().flip_bit(path, at, bit);
  }
}

TEST(IndexDamage, AManifestThatIsLongerThanAnyGivesAnEmptyIndex) {
  ModelLog log(9);
  log.append(300);
  os::SimWorld world({.seed = 9});
  make_index(world, log, false);
  base::Bytes bytes = *world.disk().read("/index/MANIFEST");
  bytes.resize(bytes.size() + 600'000);
  world.disk().write("/index/MANIFEST", bytes);
  Process process(world);
  ASSERT_TRUE(process.open());
  world.run_until_idle();
  EXPECT_EQ(process.index->covered(), IndexCovered{});
}

TEST(IndexDamage, OfAnyByteOfTheManifestGivesAnEmptyIndex) {
  ModelLog log(9);
  log.append(300);
  os::SimWorld world({.seed = 9});
  make_index(world, log, false);
  const auto manifest = IndexManifest::decode(*world.disk().read("/index/MANIFEST"));
  ASSERT_TRUE(manifest);
  const base::Bytes good = manifest->encode();
  EXPECT_EQ(IndexManifest::decode(good).value(), *manifest);
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      base::Bytes bad = good;
      bad[at] ^= std::byte{1} << bit;
      EXPECT_FALSE(IndexManifest::decode(bad)) << at;
    }
    EXPECT_FALSE(IndexManifest::decode(base::ByteView(good).first(at)));
  }
  world.disk().flip_bit("/index/MANIFEST", 20, 3);
  Process process(world);
  ASSERT_TRUE(process.open());
  world.run_until_idle();
  EXPECT_EQ(process.index->covered(), IndexCovered{});
  ASSERT_EQ(process.warnings.size(), 1u);
  EXPECT_NE(process.warnings[0].find("CRC"), std::string::npos) << process.warnings[0];
  EXPECT_EQ(only_run(world), "");
}

TEST(IndexDamage, ARunThatIsMissingShortOrAnotherGivesAnEmptyIndex) {
  for (int what = 0; what < 4; ++what) {
    SCOPED_TRACE(what);
    ModelLog log(9);
    log.append(300);
    os::SimWorld world({.seed = 9});
    os::SeededRandom random(9);
    make_index(world, log, false);
    const std::string path = only_run(world);
    if (what == 0) world.disk().remove(path);
    if (what == 1) world.disk().truncate(path, 5000);
    if (what == 2) world.disk().truncate(path, 0);
    if (what == 3) {  // one of the same shape, with other content
      os::SimWorld other({.seed = 1});
      ModelLog other_log(10);
      other_log.append(300);
      make_index(other, other_log, false);
      world.disk().write(path, *other.disk().read(path));
    }
    Process process(world);
    ASSERT_TRUE(process.open());
    world.run_until_idle();
    EXPECT_EQ(process.index->covered(), IndexCovered{});
    EXPECT_EQ(process.warnings.size(), 1u);
    process.feed(log, 0, log.end());
    process.acknowledge(log.end());
    ASSERT_TRUE(process.index->flush());
    compare_all(*process.index, log, log.end(), random);
  }
}

TEST(IndexDamage, FoundByALookupIsReportedOnceAndAResetHealsIt) {
  ModelLog log(9);
  log.append(300);
  os::SimWorld world({.seed = 9});
  os::SeededRandom random(9);
  const std::int64_t end = make_index(world, log, false);
  world.disk().flip_bit(only_run(world), 100, 1);
  Process process(world);
  ASSERT_TRUE(process.open({.table_entries = 64, .merge_fan = 8}));
  int errors = 0;
  compare_all(*process.index, log, end, random, &errors);
  EXPECT_GT(errors, 0);
  world.run_until_idle();
  ASSERT_EQ(process.failures.size(), 1u);
  EXPECT_EQ(process.failures[0].code, Code::corrupt);
  ASSERT_TRUE(process.index->reset());
  EXPECT_TRUE(process.index->health());
  process.feed(log, 0, end);
  process.acknowledge(end);
  ASSERT_TRUE(process.index->flush());
  compare_all(*process.index, log, end, random);
}

TEST(IndexDamage, FoundByAMergeStopsMergingAndIsReported) {
  ModelLog log(9);
  os::SimWorld world({.seed = 9});
  log.append(300);
  make_index(world, log, false);
  world.disk().flip_bit(only_run(world), 100, 1);
  Process process(world);
  ASSERT_TRUE(process.open({.table_entries = 64, .merge_fan = 2}));
  world.run_until_idle();
  ASSERT_EQ(process.failures.size(), 1u);
  EXPECT_EQ(process.failures[0].code, Code::corrupt);
  EXPECT_EQ(process.index->stats().merges, 0u);
  process.feed(log, 300, log.append(100));
  process.acknowledge(400);
  world.run_until_idle();
  EXPECT_EQ(process.index->covered().next, log::Offset(400));
}

TEST(IndexReader, BesideTheWriterSeesWhatItRefreshesAndChangesNothing) {
  os::SimWorld world({.seed = 21});
  os::SeededRandom random(21);
  ModelLog log(21);
  Process writer(world);
  Process reader(world);
  ASSERT_TRUE(reader.open({.read_only = true, .table_entries = 64}));
  ASSERT_TRUE(writer.open({.table_entries = 64, .merge_fan = 2}));
  std::int64_t at = 0;
  std::int64_t seen = 0;
  for (int i = 0; i < 60; ++i) {
    writer.feed(log, at, log.append(15));
    writer.acknowledge(at = log.end());
    if (random.next() % 3 == 0) world.run_until_idle();
    if (random.next() % 3 == 0) (void)world.step();
    const std::int64_t before = reader.index->covered().next.value();
    const auto refreshed = reader.index->refresh();
    ASSERT_TRUE(refreshed) << refreshed.error().to_string();
    ASSERT_GE(reader.index->covered().next.value(), before);
    seen = std::max(seen, reader.index->covered().next.value());
    // The reader may put what is not covered yet into its own table.
    reader.feed(log, seen, at);
    seen = at;
    compare_all(*reader.index, log, at, random);
    if (HasFailure()) return;
  }
  EXPECT_GT(writer.index->stats().merges, 3u);
  EXPECT_EQ(reader.env->mutations(), 0u);
  EXPECT_FALSE(reader.index->reset());
  EXPECT_TRUE(reader.index->flush());
  EXPECT_EQ(reader.env->mutations(), 0u);
}

TEST(IndexReader, OfADirectoryThatIsNotThereIsEmpty) {
  os::SimWorld world({.seed = 22});
  Process reader(world);
  ASSERT_TRUE(reader.open({.read_only = true}));
  EXPECT_EQ(reader.index->covered(), IndexCovered{});
  EXPECT_EQ(reader.env->mutations(), 0u);
}

}  // namespace
}  // namespace baton::store
