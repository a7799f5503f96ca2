// Imports into a real store on the simulated machine: order, limits, rejects, duplicates, reports. Killing is in import_crash_test.cc.
#include "cli/import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/import_for_test.h"
#include "store/watched_env_for_test.h"

namespace baton::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::string_view kMap = R"(
context: c
order_by: time
fields:
  n: {column: n, type: integer}
  t: {column: t, type: time, empty: "null"}
  u: {column: u, type: time, empty: "null"}
  s: {column: s}
events:
  - {type: First, stream: "a-{n}", id: "{n}-1", time: t, when: t, data: {n: n, s: s}}
  - {type: Second, stream: "b-{s}", id: "{n}-2", time: u, when: u, data: {n: n}}
checks:
  - {name: big, when: n > 2}
  - {name: never, when: n > 100}
)";

class ImportFile : public for_test::ImportTest {
 protected:
  std::vector<std::string> ids() {
    std::vector<std::string> out;
    (void)store_->scan({.context = "c", .after = {}, .limit = 100'000, .filter = {}, .as_of = {}}, [&](const EventView& e) {
      out.emplace_back(e.id);
      return true;
    });
    return out;
  }
};

TEST_F(ImportFile, OrdersByTimeThenRowThenPlaceInTheMap) {
  const auto report = import(kMap,
                             "n,t,u,s\n"
                             "1,2014-01-03,2014-01-01,x\n"
                             "2,2014-01-02,2014-01-02,y\n"
                             "3,2014-01-02,1960-01-01,x\n"
                             "4,,,x\n");
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_THAT(ids(), ElementsAre("3-2", "1-2", "2-1", "2-2", "3-1", "1-1"));
  EXPECT_EQ(report->rows, 4U);
  EXPECT_EQ(report->events, 6U);
  EXPECT_EQ(report->added, 6U);
  EXPECT_EQ(report->rejected, 0U);
  EXPECT_EQ(report->checks[0].count, 2U);
  EXPECT_EQ(report->checks[1].count, 0U);
  EXPECT_EQ(report->rejects, "");
  EXPECT_FALSE(*env_->fs().exists("/data/tmp/import"));
  const auto checkpoints = env_->fs().list("/data/checkpoints");
  EXPECT_TRUE(!checkpoints || checkpoints->empty());
}

TEST_F(ImportFile, OrByRow) {
  std::string map(kMap);
  map.replace(map.find("order_by: time"), 14, "order_by: row");
  ASSERT_TRUE(import(map, "n,t,u,s\n2,2014-01-03,2014-01-01,x\n1,2014-01-02,,y\n"));
  EXPECT_THAT(ids(), ElementsAre("2-1", "2-2", "1-1"));
}

TEST_F(ImportFile, ASecondImportAddsNothing) {
  ASSERT_TRUE(import(kMap, "n,t,u,s\n1,2014-01-03,2014-01-01,x\n2,2014-01-02,2014-01-02,y\n"));
  const auto before = for_test::lines_of(*store_, "c", true);
  const auto again = import();
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_EQ(again->added, 0U);
  EXPECT_EQ(again->duplicates, 4U);
  EXPECT_EQ(again->skipped, 0U);  // all were compared
  EXPECT_EQ(for_test::lines_of(*store_, "c", true), before);
}

TEST_F(ImportFile, ALongerFileAddsWhatIsNew) {
  ASSERT_TRUE(import(kMap, "n,t,u,s\n1,2014-01-03,,x\n"));
  const auto more = import(kMap, "n,t,u,s\n1,2014-01-03,,x\n2,2014-01-02,2014-01-02,y\n");
  ASSERT_TRUE(more);
  EXPECT_EQ(more->added, 2U);
  EXPECT_EQ(more->duplicates, 1U);
}

TEST_F(ImportFile, AKnownIdWithOtherContentEndsItAndNamesTheRows) {
  ASSERT_TRUE(import(kMap, "n,t,u,s\n1,2014-01-03,,x\n"));
  const auto other = import(kMap, "n,t,u,s\n7,2014-01-03,,x\n1,2014-01-03,,changed\n");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Code::duplicate_mismatch);
  EXPECT_THAT(other.error().detail, HasSubstr("rows 1 to 2: "));
  EXPECT_THAT(ids(), ElementsAre("1-1"));
}

TEST_F(ImportFile, TheSameRowTwiceIsOneEvent) {
  const auto report = import(kMap, "n,t,u,s\n1,2014-01-03,,x\n1,2014-01-03,,x\n");
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_EQ(report->added, 1U);
  EXPECT_EQ(report->duplicates, 1U);
}

TEST_F(ImportFile, RowsThatDoNotFitAreWrittenDownWhole) {
  const std::string rows =
      "n,t,u,s\n"
      "one,2014-01-03,2014-01-01,\"a, \"\"b\"\"\"\n"
      "2,2014-01-02,2014-01-02,y\n"
      "3,2014-13-02,,y\n"
      "4,2014-01-02\n"
      "99999999999999999999,,,y\n"
      "6,,2014-01-02," + std::string(260, 'z') + "\n"
      "7,,2014-01-02,\n"
      "8,,,\xff\n"
      "9,2014-01-02,," + std::string(1100, 'd') + "\n";
  const auto report = import(kMap, rows);
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_EQ(report->rows, 9U);
  EXPECT_EQ(report->rejected, 7U);
  EXPECT_EQ(report->rejects, "/in/rows.csv.rejects.csv");
  EXPECT_THAT(ids(), ElementsAre("2-1", "2-2", "7-2"));
  EXPECT_EQ(report->rejected_by.front().name, "n: not an integer of 64 bits");
  EXPECT_EQ(report->rejected_by.front().count, 2U);
  EXPECT_THAT(report->rejected_by, SizeIs(6));
  EXPECT_EQ(rejects(),
            "row,column,reason,raw\n"
            "1,n,not an integer of 64 bits: one,\"one,2014-01-03,2014-01-01,\"\"a, \"\"\"\"b\"\"\"\"\"\"\"\n"
            "3,t,not a time: 2014-13-02,\"3,2014-13-02,,y\"\n"
            "4,,not a row of the format: 2 fields where the header has 4,\"4,2014-01-02\"\n"
            "5,n,not an integer of 64 bits: 99999999999999999999,\"99999999999999999999,,,y\"\n"
            "6,Second.stream,longer than 255 bytes: b-" + std::string(58, 'z') + "...,\"6,,2014-01-02," + std::string(260, 'z') + "\"\n"
            "8,s,not UTF-8,\"8,,,\xff\"\n"
            "9,First.data,larger than the context's limit of 1024 bytes: 1114 bytes,\"9,2014-01-02,," + std::string(1100, 'd') + "\"\n");
  const auto text = rejects();
  ASSERT_TRUE(import());
  EXPECT_EQ(rejects(), text);
  // An import without rejects removes the file of an earlier one.
  ASSERT_TRUE(import(kMap, "n,t,u,s\n2,2014-01-02,2014-01-02,y\n"));
  EXPECT_FALSE(*env_->fs().exists("/in/rows.csv.rejects.csv"));
}

TEST_F(ImportFile, WhatIsNoRejectFileIsNeverReplaced) {
  options_.rejects = "/in/rows.csv";
  EXPECT_THAT(error_of(kMap, "n,t,u,s\none,,,\n"), HasSubstr("/in/rows.csv is no reject file and will not be replaced"));
  options_.rejects = "/in/other.csv";
  ASSERT_TRUE(import());
  EXPECT_THAT(for_test::read_text(env_->fs(), "/in/other.csv"), HasSubstr("1,n,not an integer"));
}

TEST_F(ImportFile, TakesARowWholeOrNotAtAll) {
  // The second event of the row has no stream name that fits; the first would be fine.
  const auto report = import(kMap, "n,t,u,s\n1,2014-01-01,2014-01-02," + std::string(300, 'x') + "\n");
  ASSERT_TRUE(report);
  EXPECT_EQ(report->rejected, 1U);
  EXPECT_TRUE(ids().empty());
  EXPECT_EQ(report->checks[0].count, 0U);
}

TEST_F(ImportFile, ChecksOnlyWhenAskedTo) {
  options_.check_only = true;
  const auto report = import(kMap, "n,t,u,s\n3,2014-01-03,2014-01-01,x\none,,,\n");
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_EQ(report->events, 2U);
  EXPECT_EQ(report->added, 0U);
  EXPECT_EQ(report->rejected, 1U);
  EXPECT_EQ(report->checks[0].count, 1U);
  EXPECT_TRUE(store_->contexts()->empty());
}

TEST_F(ImportFile, StopsWhenAskedToAndGoesOnFromThere) {
  std::string rows = "n,t,u,s\n";
  for (int i = 0; i < 500; ++i) rows += std::to_string(i) + ",2014-01-01,2014-01-02,x\n";
  options_.look_every = 10;
  options_.append_events = 7;
  int asked = 0;
  options_.stop = [&] { return progress_.phase == ImportProgress::Phase::appending && ++asked == 30; };
  const auto stopped = import(kMap, rows);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, Code::cancelled);
  EXPECT_FALSE(*env_->fs().exists("/data/tmp/import"));
  EXPECT_THAT(ids(), SizeIs(300));
  options_.stop = nullptr;
  const auto report = import();
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_EQ(report->skipped, 300U);
  EXPECT_EQ(report->duplicates, 300U);
  EXPECT_EQ(report->added, 700U);
  EXPECT_EQ(progress_.events, 1000U);
  EXPECT_EQ(progress_.events_total, 1000U);
  EXPECT_EQ(progress_.bytes, progress_.bytes_total);
}

TEST_F(ImportFile, TwoOfOneFileSideBySideAreNotInEachOthersWay) {
  std::string rows = "n,t,u,s\n";
  for (int i = 0; i < 40; ++i) rows += std::to_string(i) + ",2014-01-01,2014-01-02,x\n";
  for (const std::string order : {"time", "row"}) {
    store_ = nullptr;
    ASSERT_TRUE(os::remove_tree(env_->fs(), "/data").ok());
    ASSERT_TRUE(open().ok());
    std::string map(kMap);
    write(options_.map, map.replace(map.find("time"), 4, order));
    write(options_.file, rows);
    options_.look_every = 1;
    options_.checkpoint_every_ms = 0;
    // The other one begins and ends while the first is about to write its checkpoint.
    store::testing::WatchedEnv first(world_);
    int others = 0;
    first.opened() = [&](const std::string& path) {
      if (path.find("checkpoint") == std::string::npos || others++ > 0) return;
      const auto report = import();
      EXPECT_TRUE(report) << report.error().to_string();
    };
    const auto report = run_import(first, [this]() -> Result<Store*> { return store_.get(); }, options_, {});
    ASSERT_TRUE(report) << report.error().to_string();
    EXPECT_GT(others, 1);
    EXPECT_EQ(report->added + report->duplicates, 80U);
    EXPECT_THAT(ids(), SizeIs(80));
    EXPECT_THAT(*env_->fs().list("/data/checkpoints"), IsEmpty());
    EXPECT_FALSE(*env_->fs().exists("/data/tmp"));
  }
}

TEST_F(ImportFile, AContextOfSeveralPartitionsKeepsTheOrderInEach) {
  ASSERT_TRUE(open());
  ContextOptions several;
  several.partitions = 3;
  ASSERT_TRUE(store_->create_context("c", several));
  std::string rows = "n,t,u,s\n";
  for (int i = 0; i < 300; ++i) rows += std::to_string(i) + ",2014-01-01T00:" + std::to_string(10 + i % 50) + ":00,2014-01-02,s" + std::to_string(i % 7) + "\n";
  options_.append_events = 11;
  const auto report = import(kMap, rows);
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_EQ(report->added, 600U);
  std::map<std::int32_t, std::pair<std::string, std::int64_t>> last;
  std::size_t seen = 0;
  ASSERT_TRUE(store_->scan({.context = "c", .after = {}, .limit = 100'000, .filter = {}, .as_of = {}}, [&](const EventView& e) {
    auto& [time, offset] = last[e.partition];
    EXPECT_LE(time, std::string(e.time_text));
    time = e.time_text;
    ++seen;
    return true;
  }));
  EXPECT_EQ(seen, 600U);
  EXPECT_THAT(last, SizeIs(3));
  EXPECT_EQ(import()->duplicates, 600U);
}

TEST_F(ImportFile, MapsGiveEveryPartOfAnEvent) {
  const auto report = import(R"(
context: c
source: /mine
fields:
  n: {column: n, type: integer}
  x: {column: x, empty: "null"}
events:
  - type: Seen
    stream: "{{{n}}}"
    id: "{row}"
    tenant: "t{x}"
    correlation: "c{x}"
    causation: "k{x}"
    subject: "s{x}"
    tags: ["x:{x}", "n:{n}"]
    data: {}
)",
                             "n,x\n007,A\n8,\n");
  ASSERT_TRUE(report) << report.error().to_string();
  std::vector<std::string> lines;
  for (auto line : for_test::lines_of(*store_, "c", true)) {
    const auto at = line.find(",\"time\""), end = line.find("Z\"", at);
    lines.push_back(line.erase(at, end + 2 - at));  // the time of the append
  }
  EXPECT_THAT(lines, ElementsAre(R"({"type":"Seen","stream":"{7}","id":"1","tenant":"tA","correlation":"cA","causation":"kA","subject":"sA","tags":["x:A","n:7"],"version":0,"offset":0,"source":"/mine","data":{}})",
                                 R"({"type":"Seen","stream":"{8}","id":"2","tags":["n:8"],"version":0,"offset":1,"source":"/mine","data":{}})"));
}

TEST(ImportReport, IsWrittenForPeopleAndForPrograms) {
  ImportReport report;
  report.rows = 326'339;
  report.events = 652'678;
  report.added = 652'000;
  report.duplicates = 678;
  report.skipped = 600;
  report.rejected = 2;
  report.rejected_by = {{"n: \"odd\"", 2}};
  report.checks = {{"longer than a day", 137}};
  report.folds = 11;
  report.gaps = 1;
  report.rejects = "f.rejects.csv";
  report.context = "rides";
  report.seconds = 4;
  EXPECT_EQ(report_text(report),
            "326,339 rows say 652,678 events of context rides\n"
            "  652,000 added, 678 there before, in 4.0 s (163,000 events/s)\n"
            "2 rows do not fit, and are in f.rejects.csv\n"
            "            2  n: \"odd\"\n"
            "What the map's checks found\n"
            "          137  longer than a day\n"
            "11 local times happen twice, and were read as the map says\n"
            "1 local times never happen, and were shifted");
  EXPECT_EQ(report_json(report),
            R"({"context":"rides","rows":326339,"events":652678,"added":652000,"duplicates":678,"skipped":600,"rejected":2,"rejected_by":{"n: \"odd\"":2},)"
            R"("checks":{"longer than a day":137},"folds":11,"gaps":1,"rejects":"f.rejects.csv","seconds":4.000})");
  EXPECT_THAT(report_json({}), HasSubstr(R"("rejected_by":{},"checks":{},"folds":0,"gaps":0,"rejects":null)"));
}

}  // namespace
}  // namespace baton::cli
