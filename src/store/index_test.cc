#include "store/index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>

#include "store/index_manifest.h"
#include "store/index_merge.h"
#include "store/index_run.h"
#include "store/index_table.h"
#include "store/index_test_support.h"

namespace baton::store {
namespace {

using testing::collect;
using testing::compare_all;
using testing::ModelLog;
using testing::Process;

TEST(IndexEntry, HoldsTheGreatestNumbersOfItsFormat) {
  const IndexHit hit{.offset = log::Offset(IndexEntry::kOffsetLimit - 1),
                     .version = StreamVersion(IndexEntry::kVersionLimit - 1),
                     .position = log::FilePosition(IndexEntry::kPositionLimit - 1),
                     .record_delta = IndexEntry::kDeltaLimit - 1};
  const IndexEntry entry = IndexEntry::pack(7, hit);
  EXPECT_EQ(entry.unpack(), hit);
  std::array<std::byte, IndexEntry::kBytes> bytes{};
  entry.save(bytes.data());
  EXPECT_EQ(IndexEntry::load(bytes.data()), entry);
}

TEST(IndexEntry, KeepsEachFieldApart) {
  for (int field = 0; field < 4; ++field) {
    IndexHit hit;
    if (field == 0) hit.offset = log::Offset(0x12345678ab);
    if (field == 1) hit.version = StreamVersion(0x987654321);
    if (field == 2) hit.position = log::FilePosition(0xfedcba98);
    if (field == 3) hit.record_delta = 0xfffff;
    EXPECT_EQ(IndexEntry::pack(1, hit).unpack(), hit);
  }
  EXPECT_LT(IndexEntry::pack(1, {.offset = log::Offset(5), .version = StreamVersion(9)}),
            IndexEntry::pack(1, {.offset = log::Offset(6)}));
}

TEST(IndexEntry, OfARecordFarIntoItsBatchSaysToUnpackTheBatch) {
  EXPECT_EQ(IndexEntry::pack(1, {.record_delta = IndexEntry::kDeltaLimit}).unpack().record_delta, 0u);
}

TEST(IndexEntry, HashesOfKindsDoNotMeet) {
  EXPECT_NE(stream_hash("a"), tag_hash("a"));
  EXPECT_NE(tag_hash("a"), type_hash("a"));
  EXPECT_NE(id_hash("a", "b", "c"), id_hash("ab", "", "c"));
}

TEST(IndexTable, TakesTheMemoryThatItsEntriesNeed) {
  const auto numbered = [](std::size_t i) {
    return IndexEntry::pack(ModelLog::spread(i), {.offset = log::Offset(static_cast<std::int64_t>(i))});
  };
  for (const std::size_t expected : {1u, 64u, 1024u, 4096u, 50'000u}) {
    IndexTable table(expected);
    EXPECT_LE(table.bytes(), 64u << 10) << expected;
    for (std::size_t i = 0; i < expected; ++i) table.add(numbered(i));
    // 28 bytes each, in portions that may be half empty, and the slots: about half of them are used.
    EXPECT_LE(table.bytes(), 4096 + expected * 120) << expected;
    // It holds many times what was expected, at the places that it gave.
    const std::size_t many = expected * 3 + 1000;
    for (std::size_t i = expected; i < many; ++i) table.add(numbered(i));
    ASSERT_EQ(table.size(), many);
    for (std::size_t i = 0; i < many; ++i) {
      ASSERT_EQ(table.at(static_cast<std::uint32_t>(i)).offset(), static_cast<std::int64_t>(i));
      ASSERT_EQ(table.newest(numbered(i).hash), i);
    }
  }
}

TEST(IndexTable, ChainsEntriesByOffsetInWhateverOrderTheyCome) {
  os::SeededRandom random(3);
  IndexTable table(100);
  std::map<std::uint64_t, std::vector<std::int64_t>> expected;
  for (int i = 0; i < 3000; ++i) {
    const std::uint64_t hash = ModelLog::spread(random.next() % 40);
    const auto offset = static_cast<std::int64_t>(random.next() % 100'000) * 10'000 + i;
    table.add(IndexEntry::pack(hash, {.offset = log::Offset(offset)}));
    expected[hash].push_back(offset);
  }
  for (auto& [hash, offsets] : expected) {
    std::ranges::sort(offsets, std::greater{});
    std::vector<std::int64_t> found;
    for (auto n = table.newest(hash); n != IndexTable::kNone; n = table.older(n)) found.push_back(table.at(n).offset());
    EXPECT_EQ(found, offsets);
  }
  EXPECT_EQ(table.newest(12345), IndexTable::kNone);
  std::optional<IndexEntry> last;
  std::size_t count = 0;
  table.sorted(INT64_MAX, [&](const IndexEntry& entry) {
    EXPECT_TRUE(!last || *last < entry);
    last = entry;
    ++count;
    return true;
  });
  EXPECT_EQ(count, 3000u);
}

// The bytes of docs/formats/index.md: a change here is a change of the format.
TEST(IndexFormat, IsWrittenAsDocumented) {
  const auto stored = [](const std::string& name) {
    std::ifstream file(std::string(BATON_SOURCE_DIR) + "/src/store/testdata/index_corpus/" + name, std::ios::binary);
    return std::string{std::istreambuf_iterator<char>(file), {}};
  };
  IndexManifest manifest;
  manifest.covered = {log::Offset(90), log::Epoch(3), 77};
  manifest.next_number = 9;
  manifest.runs = {{.number = 2, .entries = 5, .first = 0, .end = 40, .footer_crc = 1},
                   {.number = 7, .entries = 50, .first = 40, .end = 90, .footer_crc = 2}};
  EXPECT_EQ(base::as_text(manifest.encode()), stored("manifest").substr(1));

  os::SimWorld world;
  world.disk().write("/i/keep", {});
  os::SimEnv env(world);
  auto writer = RunWriter::create(env.fs(), "/i", {.number = 1, .entries = 3, .first = 0, .end = 1000});
  ASSERT_TRUE(writer);
  for (std::int64_t i = 0; i < 3; ++i) {
    (*writer)->add(IndexEntry::pack((static_cast<std::uint64_t>(i) + 1) * 0x9e3779b97f4a7c,
                                    {.offset = log::Offset(i), .version = StreamVersion(i)}));
  }
  ASSERT_TRUE((*writer)->finish(true));
  const base::Bytes run = *world.disk().read("/i/run-1.idx");
  EXPECT_EQ(base::as_text(run), stored("run_3").substr(3));
}

class IndexTest : public ::testing::Test {
 protected:
  os::SimWorld world_{{.seed = 11}};
  os::SeededRandom random_{11};
  ModelLog log_{11};
};

// Of many blocks, so that fences lie between them, with keys that fill many blocks at the ends and in the middle.
TEST_F(IndexTest, ALargeRunFindsTheFirstEntryThatIsNotBelowAKey) {
  std::vector<IndexEntry> entries;
  for (std::int64_t i = 0; i < 60'000; ++i) {
    const std::uint64_t keys[] = {0, UINT64_MAX, std::uint64_t{5} << 60, random_.next(), random_.next(), random_.next()};
    entries.push_back(IndexEntry::pack(keys[random_.next() % 6], {.offset = log::Offset(i), .version = StreamVersion(i), .position = {}}));
  }
  std::ranges::sort(entries);
  os::SimEnv env(world_);
  ASSERT_TRUE(env.fs().make_directory("/i"));
  auto writer = *RunWriter::create(env.fs(), "/i", {.number = 1, .entries = entries.size(), .first = 0, .end = 60'000});
  for (const IndexEntry& entry : entries) writer->add(entry);
  const auto run = *IndexRun::open(env.fs(), "/i", *writer->finish(true));
  const auto check = [&](std::uint64_t hash, std::int64_t offset) {
    const IndexEntry key{hash, static_cast<std::uint64_t>(offset) << 24, 0};
    EXPECT_EQ(*run->lower_bound(hash, offset), static_cast<std::uint64_t>(std::ranges::lower_bound(entries, key) - entries.begin())) << hash << ' ' << offset;
    run->prefetch_directory(hash);
    run->prefetch_block(hash);
  };
  for (std::size_t i = 0; i < 20'000; ++i) {
    const IndexEntry& near = entries[random_.next() % entries.size()];
    check(near.hash, near.offset() + static_cast<std::int64_t>(random_.next() % 3));
    check(near.hash + 1, 0);
    check(random_.next(), static_cast<std::int64_t>(random_.next() % 60'000));
  }
  EXPECT_TRUE(*run->may_contain(entries.front().hash));
}

TEST_F(IndexTest, AnEmptyDirectoryCoversNothingAndGivesNoWarning) {
  Process process(world_);
  ASSERT_TRUE(process.open());
  EXPECT_EQ(process.index->covered(), IndexCovered{});
  world_.run_until_idle();
  EXPECT_TRUE(process.warnings.empty());
  EXPECT_EQ(*process.index->snapshot().newest(5, log::Offset(100)), std::nullopt);
}

TEST_F(IndexTest, AFrozenTableEndsAtWhatIsAcknowledged) {
  Process process(world_);
  ASSERT_TRUE(process.open());
  const std::int64_t first = log_.append(20);
  process.feed(log_, 0, first);
  const std::int64_t second = log_.append(20);  // staged already when the first round ends
  process.feed(log_, first, second);
  process.acknowledge(first);
  world_.run_until_idle();
  EXPECT_EQ(process.index->covered().next, log::Offset(first));
  EXPECT_EQ(process.index->covered().batch_crc, ModelLog::crc_at(first));
  EXPECT_EQ(process.index->covered().epoch, ModelLog::epoch_at(first));
  EXPECT_EQ(process.index->stats().runs, 1u);
  Status status = process.index->verify([&](const IndexEntry& entry) { EXPECT_LT(entry.offset(), first); },
                                        [](const Index::Finding& finding) { ADD_FAILURE() << finding.what; });
  EXPECT_TRUE(status);
  compare_all(*process.index, log_, second, random_);
}

TEST_F(IndexTest, NothingIsWrittenBeforeItIsAcknowledged) {
  Process process(world_);
  ASSERT_TRUE(process.open());
  process.feed(log_, 0, log_.append(60));
  world_.run_until_idle();
  EXPECT_TRUE(process.index->full());
  EXPECT_EQ(process.index->covered(), IndexCovered{});
  EXPECT_EQ(process.index->stats().written_bytes, 0u);
  EXPECT_EQ(process.rooms, 0);
  process.acknowledge(60);
  world_.run_until_idle();
  EXPECT_EQ(process.index->covered().next, log::Offset(60));
  EXPECT_FALSE(process.index->full());
  EXPECT_EQ(process.rooms, 1);
}

TEST_F(IndexTest, IsFullWhenBothTablesAreAndSaysWhenThereIsRoom) {
  Process process(world_);
  ASSERT_TRUE(process.open());
  std::int64_t at = 0;
  while (!process.index->full()) {  // the worker does not run
    const std::int64_t end = log_.append(5);
    process.feed(log_, at, end);
    process.acknowledge(end);
    at = end;
    ASSERT_LT(at, 100);
  }
  EXPECT_GE(process.index->stats().table_entries, 128u);
  compare_all(*process.index, log_, at, random_);
  world_.run_until_idle();
  EXPECT_EQ(process.rooms, 1);
  EXPECT_FALSE(process.index->full());
  EXPECT_EQ(process.index->covered().next, log::Offset(at));
}

TEST_F(IndexTest, AfterAFlushTheNextOpenHasNothingToReadAgain) {
  std::int64_t end = 0;
  {
    Process process(world_);
    ASSERT_TRUE(process.open());
    for (int i = 0; i < 7; ++i) {
      process.feed(log_, end, log_.append(3));
      process.acknowledge(end = log_.end());
    }
    ASSERT_TRUE(process.index->flush());
    EXPECT_EQ(process.index->covered().next, log::Offset(end));
  }
  world_.disk().restart();
  Process process(world_);
  ASSERT_TRUE(process.open());
  EXPECT_EQ(process.index->covered(),
            (IndexCovered{log::Offset(end), ModelLog::epoch_at(end), ModelLog::crc_at(end)}));
  EXPECT_EQ(process.index->stats().table_entries, 0u);
  compare_all(*process.index, log_, end, random_);
}

TEST_F(IndexTest, ResetForgetsEverythingDurablyAndStartsWhereItIsTold) {
  Process process(world_);
  ASSERT_TRUE(process.open());
  process.feed(log_, 0, log_.append(100));
  process.acknowledge(100);
  ASSERT_TRUE(process.index->flush());
  const IndexSnapshot before = process.index->snapshot();
  ASSERT_TRUE(process.index->reset(log::Offset(50)));
  EXPECT_EQ(process.index->covered(), IndexCovered{});
  EXPECT_EQ(*process.index->snapshot().newest(ModelLog::id_key(99), log::Offset(100)), std::nullopt);
  EXPECT_EQ((*before.newest(ModelLog::id_key(99), log::Offset(100)))->offset, log::Offset(99));
  process.feed(log_, 50, 100);
  process.acknowledge(100);
  ASSERT_TRUE(process.index->flush());
  EXPECT_EQ(*process.index->snapshot().newest(ModelLog::id_key(10), log::Offset(100)), std::nullopt);
  EXPECT_EQ((*process.index->snapshot().newest(ModelLog::id_key(70), log::Offset(100)))->offset, log::Offset(70));
  EXPECT_EQ(process.index->covered().next, log::Offset(100));
}

TEST_F(IndexTest, ASnapshotGoesOnReadingRunsThatAMergeHasRemoved) {
  Process process(world_);
  ASSERT_TRUE(process.open());
  process.feed(log_, 0, log_.append(60));
  process.acknowledge(60);
  world_.run_until_idle();
  const IndexSnapshot before = process.index->snapshot();
  const std::uint64_t merges = process.index->stats().merges;
  for (int i = 0; i < 20; ++i) {
    const std::int64_t at = log_.end();
    process.feed(log_, at, log_.append(40));
    process.acknowledge(log_.end());
    world_.run_until_idle();
  }
  EXPECT_GT(process.index->stats().merges, merges + 1);
  for (std::int64_t offset = 0; offset < 60; ++offset) {
    EXPECT_EQ((*before.newest(ModelLog::id_key(offset), log::Offset(60)))->offset, log::Offset(offset));
  }
  compare_all(*process.index, log_, log_.end(), random_);
}

TEST_F(IndexTest, NoCallbackRunsAfterItsEnd) {
  Process process(world_);
  ASSERT_TRUE(process.open());
  process.feed(log_, 0, log_.append(60));
  ASSERT_TRUE(process.index->full());
  process.acknowledge(60);
  process.index.reset();
  world_.run_until_idle();
  EXPECT_EQ(process.rooms, 0);
}

// Every way of looking up, against a multimap, while tables freeze, runs merge, processes die and open again.
TEST(IndexModel, AnswersLikeAMapThroughFreezesMergesAndKills) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    os::SimWorld world({.seed = seed});
    os::SeededRandom random(seed);
    ModelLog log(seed);
    std::int64_t acknowledged = 0;
    for (int life = 0; life < 4; ++life) {
      Process process(world);
      ASSERT_TRUE(process.open({.table_entries = 16 + seed % 3 * 50, .merge_fan = 2 + seed % 4}));
      std::int64_t at = process.index->covered().next.value();
      ASSERT_LE(at, acknowledged);
      process.feed(log, at, acknowledged);
      if (acknowledged > 0) process.acknowledge(acknowledged);
      at = acknowledged;
      for (int i = 0; i < 60; ++i) {
        switch (random.next() % 8) {
          case 0: world.run_until_idle(); break;
          case 1: for (int n = 0; n < 3; ++n) (void)world.step(); break;
          case 2: if (random.next() % 8 == 0) ASSERT_TRUE(process.index->flush()); break;
          case 3: if (at > acknowledged) process.acknowledge(acknowledged = at); break;
          case 4: if (random.next() % 4 == 0) compare_all(*process.index, log, at, random); break;
          default:
            if (process.index->full() && at > acknowledged) process.acknowledge(acknowledged = at);
            if (process.index->full()) world.run_until_idle();
            process.feed(log, at, log.append(1 + random.next() % 12));
            at = log.end();
        }
        if (::testing::Test::HasFailure()) return;
      }
      process.acknowledge(acknowledged = at);
      compare_all(*process.index, log, at, random);
      if (life == 2) ASSERT_TRUE(process.index->flush());
      EXPECT_TRUE(process.failures.empty());
      if (::testing::Test::HasFailure()) return;
    }
  }
}

// A log of whose records the newest 300 are kept.
TEST_F(IndexTest, EntriesBelowTheLogsStartLeaveWithMergesAndRunsOfNothingElseAtOnce) {
  constexpr std::int64_t kKept = 300;
  Process process(world_);
  ASSERT_TRUE(process.open());
  std::int64_t end = 0;
  std::uint64_t most = 0;
  while (end < 12'000) {
    const std::int64_t at = log_.append(20);
    process.feed(log_, end, at);
    process.acknowledge(end = at);
    if (end % 100 == 0) process.index->drop_below(log::Offset(std::max<std::int64_t>(0, end - kKept)));
    world_.run_until_idle();
    most = std::max(most, process.index->stats().run_entries);
    if (end % 1'000 != 0) continue;
    const IndexSnapshot snapshot = process.index->snapshot();
    const std::int64_t start = end - kKept;
    for (const auto& [hash, entries] : log_.keys()) {
      EXPECT_EQ(collect(snapshot.find(hash, log::Offset(start), log::Offset(end), Direction::forward)), log_.range(hash, start, end));
      const auto newest = snapshot.newest(hash, log::Offset(end));
      ASSERT_TRUE(newest);
      const auto expected = log_.range(hash, start, end);
      if (!expected.empty()) EXPECT_EQ(*newest, expected.back());
    }
    EXPECT_TRUE(process.index->verify({}, [](const Index::Finding& finding) { ADD_FAILURE() << finding.file << " " << finding.what; }));
    if (HasFailure()) return;
  }
  EXPECT_TRUE(process.failures.empty());
  EXPECT_GT(process.index->stats().merges, 10u);
  EXPECT_LT(most, 3 * 3 * kKept);  // three entries a record
  std::uint64_t files = 0;
  for (const auto& file : world_.disk().files()) files += file.path.ends_with(".idx") ? 1 : 0;
  EXPECT_EQ(files, process.index->stats().runs);
  // Nothing at all is kept.
  process.index->drop_below(log::Offset(end));
  ASSERT_TRUE(process.index->flush());
  world_.run_until_idle();
  EXPECT_EQ(process.index->stats().run_entries, 0u);
  EXPECT_EQ(process.index->covered().next, log::Offset(end));
  ASSERT_TRUE(process.open());
  world_.run_until_idle();
  EXPECT_TRUE(process.warnings.empty());
  EXPECT_EQ(process.index->covered().next, log::Offset(end));
}

TEST_F(IndexTest, AMergeCountsWhatItLeavesOutInStepsToo) {
  Process process(world_);
  ASSERT_TRUE(process.open({.table_entries = 64, .merge_fan = 64}));
  for (std::int64_t end = 0; end < 1'000;) {
    const std::int64_t at = log_.append(20);
    process.feed(log_, end, at);
    process.acknowledge(end = at);
    world_.run_until_idle();
  }
  ASSERT_TRUE(process.index->flush());
  os::FileSystem& fs = process.env->fs();
  auto manifest = IndexManifest::read(fs, "/index");
  ASSERT_TRUE(manifest);
  std::vector<std::shared_ptr<const IndexRun>> inputs;
  for (const RunInfo& info : manifest->runs) inputs.push_back(IndexRun::open(fs, "/index", info).value());
  ASSERT_GT(inputs.size(), 20u);
  const std::int64_t end = manifest->covered.next.value();
  for (const std::int64_t start : {std::int64_t{0}, std::int64_t{1}, std::int64_t{777}, end - 1, end}) {
    std::size_t wanted = 0;
    for (std::int64_t offset = start; offset < end; ++offset) wanted += log_.entries(offset).size();
    IndexMerge merge(fs, "/index", inputs, 100'000 + static_cast<std::uint64_t>(start), start);
    int steps = 1;
    for (;; ++steps) {
      const auto done = merge.step(100);
      ASSERT_TRUE(done) << done.error().to_string();
      if (*done) break;
    }
    EXPECT_GT(steps, 5);
    EXPECT_EQ(merge.output().entries, wanted);
    if (wanted == 0) continue;
    const auto run = IndexRun::open(fs, "/index", merge.output());
    ASSERT_TRUE(run) << run.error().to_string();
    std::size_t there = 0;
    (*run)->verify([&](const IndexEntry& entry) { there += entry.offset() >= start ? 1 : 0; },
                   [](std::uint64_t, const std::string& what) { ADD_FAILURE() << what; });
    EXPECT_EQ(there, wanted);
  }
}

TEST(IndexMergePolicy, KeepsRunsFewAndWritesEachEntryOncePerClass) {
  for (const std::size_t fan : {2, 3, 8}) {
    std::vector<RunInfo> runs;
    os::SeededRandom random(fan);
    std::uint64_t merged = 0;
    std::uint64_t total = 0;
    std::size_t most = 0;
    for (int i = 0; i < 4000; ++i) {
      // A table ends at the first acknowledgement after it is full; now and then a clean close leaves a small one.
      const std::uint64_t entries = random.next() % 10 == 0 ? 1 + random.next() % 1000 : 1000 + random.next() % 200;
      runs.push_back({.entries = entries});
      total += entries;
      while (const auto first = pick_merge(runs, fan, 1000)) {
        ASSERT_LT(*first + 1, runs.size());
        RunInfo sum;
        for (std::size_t r = *first; r < runs.size(); ++r) sum.entries += runs[r].entries;
        merged += sum.entries;
        runs.resize(*first);
        runs.push_back(sum);
      }
      most = std::max(most, runs.size());
    }
    const double classes = std::log(4000.0) / std::log(static_cast<double>(fan)) + 3;
    EXPECT_LE(static_cast<double>(merged) / static_cast<double>(total), classes) << fan;
    EXPECT_LE(static_cast<double>(most), static_cast<double>(fan) * classes) << fan;
  }
}

}  // namespace
}  // namespace baton::store
