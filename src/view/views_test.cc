#include "view/views.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <thread>
#include <vector>

#include "view/fake_engine_for_test.h"

namespace baton::view {
namespace {

constexpr char kBikes[] = R"(
views:
  bikes:
    context: rides
    tables: |
      CREATE TABLE bike (id INTEGER PRIMARY KEY, place TEXT, at TEXT, trips INTEGER NOT NULL) STRICT;
      CREATE VIRTUAL TABLE place USING fts5(name);
    on:
      RideStarted:
        - INSERT INTO bike VALUES (:bike, :station, @time, 0) ON CONFLICT (id) DO NOTHING
        - INSERT INTO place (rowid, name) SELECT :number, :station WHERE NOT EXISTS (SELECT 1 FROM place WHERE rowid = :number)
      RideEnded:
        - sql: UPDATE bike SET place = :station, at = @time, trips = trips + 1 WHERE id = :bike
          rows: 1
    keep: {every: 10, copies: 3}
)";

std::string started(int bike, const std::string& station) {
  return R"({"bike":)" + std::to_string(bike) + R"(,"station":")" + station + R"(","number":)" + std::to_string(bike % 7) + "}";
}

std::string minute(int n) {
  char text[32];
  std::snprintf(text, sizeof text, "2024-01-01T%02d:%02d:00Z", n / 60, n % 60);
  return text;
}

class Views : public testing::Test {
 protected:
  Views() : env_(os::make_posix_env()), engine_(*env_) {
    std::string pattern = testing::TempDir() + "baton-view-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    reopen();
  }
  ~Views() override {
    manager_.reset();
    (void)os::remove_tree(env_->fs(), directory_);
  }
  void reopen(ViewOptions options = {.batch_events = 7}) {
    manager_.reset();
    auto opened = ViewManager::open(*env_, &engine_, directory_, std::move(options));
    ASSERT_TRUE(opened) << opened.error().to_string();
    manager_ = std::move(*opened);
  }
  void load(std::string_view text) {
    auto loaded = manager_->load_text(text, "views.yaml");
    ASSERT_TRUE(loaded) << loaded.error().to_string();
  }
  void rides(int from, int to) {
    for (int i = from; i < to; ++i) {
      engine_.add("RideStarted", started(i % 5, "Station " + std::to_string(i)), "ride-" + std::to_string(i), minute(2 * i));
      engine_.add("Noticed", "not even JSON", "x-1", minute(2 * i));
      engine_.add("RideEnded", started(i % 5, "Goal " + std::to_string(i)), "ride-" + std::to_string(i), minute(2 * i + 1));
    }
  }
  static std::string text(const Result<QueryResult>& result) {
    if (!result) return result.error().to_string();
    std::string out;
    for (const auto& row : result->rows) {
      std::string line;
      for (const auto& value : row) line += (line.empty() ? "" : "|") + to_text(value);
      out += (out.empty() ? "" : "\n") + line;
    }
    return out;
  }
  std::string ask(std::string_view sql) { return text(manager_->query("bikes", sql)); }
  // Until the view answers so, or for 20 seconds.
  void wait_for(std::string_view sql, const std::string& answer) {
    const auto end = env_->clock().monotonic_ns() + 20'000'000'000;
    while (ask(sql) != answer && env_->clock().monotonic_ns() < end) (void)env_->make_waiter()->wait(1'000'000);
    EXPECT_EQ(ask(sql), answer);
  }
  std::string ask_as_of(const AsOf& as_of, std::string_view sql) { return text(manager_->query_as_of("bikes", sql, as_of)); }
  std::int64_t catch_up() {
    auto done = manager_->catch_up("bikes");
    EXPECT_TRUE(done) << done.error().to_string();
    return done.value_or(-1);
  }

  std::unique_ptr<os::Env> env_;
  FakeEngine engine_;
  std::string directory_;
  std::unique_ptr<ViewManager> manager_;
};

TEST_F(Views, AViewIsTheFoldOfItsEvents) {
  load(kBikes);
  rides(0, 20);
  EXPECT_EQ(catch_up(), 40);
  EXPECT_EQ(ask("SELECT id, place, at, trips FROM bike WHERE id = 4"), "4|Goal 19|2024-01-01T00:39:00Z|4");
  EXPECT_EQ(ask("SELECT count(*), sum(trips) FROM bike"), "5|20");
  EXPECT_EQ(catch_up(), 0);
  rides(20, 21);
  EXPECT_EQ(catch_up(), 2);
  EXPECT_EQ(ask("SELECT sum(trips) FROM bike"), "21");
}

TEST_F(Views, AViewGoesOnWhereItStoodAfterItWasClosed) {
  load(kBikes);
  rides(0, 10);
  ASSERT_TRUE(manager_->catch_up("bikes", 5));
  reopen();
  EXPECT_EQ(catch_up(), 15);
  EXPECT_EQ(ask("SELECT sum(trips) FROM bike"), "10");
  auto info = manager_->info("bikes");
  ASSERT_TRUE(info);
  EXPECT_EQ(info->events, 20);
  EXPECT_EQ(info->lag, 0);
  EXPECT_EQ(info->position.token, "p30");
}

TEST_F(Views, FullTextIsPartOfAView) {
  load(kBikes);
  rides(0, 7);
  catch_up();
  EXPECT_EQ(ask("SELECT rowid, name FROM place WHERE place MATCH 'station AND 3'"), "3|Station 3");
}

TEST_F(Views, AStatementThatChangesAnotherNumberOfRowsStopsTheViewBeforeItsEvent) {
  load(kBikes);
  rides(0, 3);
  engine_.add("RideStarted", started(77, "Left"), "ride-77");
  engine_.add("RideEnded", started(99, "Nowhere"), "ride-99");
  engine_.add("RideStarted", started(78, "Never seen"), "ride-78");
  auto done = manager_->catch_up("bikes");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::incompatible);
  EXPECT_EQ(done.error().detail,
            "view 'bikes' has stopped at event RideEnded e10 (stream ride-99, version 10, position p11), statement 1: it "
            "changed 0 rows, and "
            "`rows: 1` is declared. Correct the view file, then run: baton view rebuild bikes");
  EXPECT_EQ(ask("SELECT group_concat(id) FROM (SELECT id FROM bike ORDER BY id)"), "0,1,2,77");
  reopen();
  auto again = manager_->catch_up("bikes");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().detail, done.error().detail);
  auto info = manager_->info("bikes");
  ASSERT_TRUE(info);
  EXPECT_EQ(info->state, ViewInfo::State::stopped);
  EXPECT_EQ(info->events, 7);
}

TEST_F(Views, AnEventWithoutAFieldThatIsNotOptionalStopsTheView) {
  load(kBikes);
  engine_.add("RideStarted", R"({"bike": 1, "number": 1})");
  auto done = manager_->catch_up("bikes");
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().detail.find("the event has no field :station (write :station? if it may be missing)"),
            std::string::npos)
      << done.error().detail;
}

TEST_F(Views, DataThatIsNotJsonStopsTheView) {
  load(kBikes);
  engine_.add("RideStarted", R"({"bike": 1, )");
  auto done = manager_->catch_up("bikes");
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().detail.find("the data is not JSON (at byte 12)"), std::string::npos) << done.error().detail;
}

TEST_F(Views, AFailureOfTheLogDoesNotStopTheView) {
  load(kBikes);
  rides(0, 10);
  engine_.fail_in(20);
  auto done = manager_->catch_up("bikes");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::io_error);
  EXPECT_GT(catch_up(), 0);
  EXPECT_EQ(ask("SELECT sum(trips) FROM bike"), "10");
}

TEST_F(Views, SystemRecordsArePassedOver) {
  load(kBikes);
  rides(0, 1);
  engine_.add("RideEnded", "", "ride-0");
  engine_.at(3).system = "deleted";
  catch_up();
  EXPECT_EQ(ask("SELECT trips FROM bike"), "1");
}

TEST_F(Views, ALostPositionSaysWhatToDo) {
  load(kBikes);
  rides(0, 4);
  catch_up();
  engine_.cut(6);
  auto done = manager_->catch_up("bikes");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::position_lost);
  EXPECT_NE(done.error().detail.find("Run: baton view rebuild bikes"), std::string::npos);
  auto report = manager_->rebuild("bikes");
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_EQ(ask("SELECT sum(trips) FROM bike"), "2");
}

TEST_F(Views, QueriesOnlyReadAndAreBounded) {
  load(kBikes);
  rides(0, 6);
  catch_up();
  for (const char* sql :
       {"DELETE FROM bike", "PRAGMA journal_mode=DELETE", "ATTACH 'x' AS y", "BEGIN", "SELECT 1; SELECT 2", "VACUUM", "",
        "SELECT ?", "SELECT load_extension('x')", "CREATE TEMP TABLE t (a)", "SELECT nothing FROM bike"}) {
    auto result = manager_->query("bikes", sql);
    ASSERT_FALSE(result) << sql;
    EXPECT_EQ(result.error().code, Code::invalid_argument) << sql << ": " << result.error().detail;
  }
  EXPECT_EQ(ask("SELECT count(*) FROM bike;  -- all of them"), "5");
  auto endless = manager_->query(
      "bikes", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n", {.timeout_ms = 30});
  ASSERT_FALSE(endless);
  EXPECT_EQ(endless.error().code, Code::timed_out);
  auto few = manager_->query("bikes", "SELECT id FROM bike", {.rows_max = 2});
  ASSERT_TRUE(few);
  EXPECT_EQ(few->rows.size(), 2U);
  EXPECT_TRUE(few->truncated);
  EXPECT_EQ(manager_->query("cars", "SELECT 1").error().code, Code::not_found);
  EXPECT_EQ(manager_->query("../bikes", "SELECT 1").error().code, Code::not_found);
}

TEST_F(Views, QueriesMayAskForTheTime) {
  load(kBikes);
  EXPECT_GT(ask("SELECT datetime('now')"), "2025");
}

TEST_F(Views, AViewAsOfAPositionAnAppendTimeAndAnEventTime) {
  load(kBikes);
  rides(0, 40);
  engine_.add("RideEnded", started(0, "Late news"), "ride-35", minute(3));  // happened early, appended last
  catch_up();
  EXPECT_GT(manager_->info("bikes")->copies, 0U);
  for (int n = 0; n <= 40; n += 5) {
    const std::string rides_so_far = n == 0 ? "NULL" : std::to_string(n);
    EXPECT_EQ(ask_as_of({.position = FakeEngine::position(static_cast<std::size_t>(n) * 3)}, "SELECT sum(trips) FROM bike"),
              rides_so_far);
    EXPECT_EQ(
        ask_as_of({.recorded = Time{(1'700'000'000'000 + (n * 3 - 1) * 1000) * 1'000'000LL}}, "SELECT sum(trips) FROM bike"),
        rides_so_far);
  }
  // Ride n ends at minute 2n + 1.
  EXPECT_EQ(ask_as_of({.time = *Time::parse("2024-01-01T00:21:00Z")}, "SELECT sum(trips) FROM bike"), "12");
  EXPECT_EQ(ask_as_of({.time = *Time::parse("2024-01-01T00:21:00Z")}, "SELECT place FROM bike WHERE id = 0"), "Late news");
  EXPECT_EQ(ask_as_of({.time = *Time::parse("2023-01-01T00:00:00Z")}, "SELECT count(*) FROM bike"), "0");
  EXPECT_EQ(ask_as_of({.time = *Time::parse("2025-01-01T00:00:00Z")}, "SELECT sum(trips) FROM bike"), "41");
  auto none = manager_->query_as_of("bikes", "SELECT 1", {});
  EXPECT_EQ(none.error().code, Code::invalid_argument);
  for (const auto& entry : *env_->fs().list(directory_ + "/bikes")) EXPECT_FALSE(entry.name.starts_with("tmp-")) << entry.name;
}

TEST_F(Views, CopiesBecomeSparserInsteadOfMore) {
  load(kBikes);
  rides(0, 200);
  catch_up();
  auto info = manager_->info("bikes");
  ASSERT_TRUE(info);
  EXPECT_GE(info->copies, 2U);
  EXPECT_LE(info->copies, 4U);
}

constexpr char kChanged[] = R"(
views:
  bikes:
    context: rides
    tables: CREATE TABLE bike (id INTEGER PRIMARY KEY, place TEXT, at TEXT, trips INTEGER NOT NULL)
    on:
      rides.RideStarted: INSERT INTO bike VALUES (:bike, :station, @time, 100) ON CONFLICT (id) DO NOTHING
)";

TEST_F(Views, AChangedDefinitionWaitsForARebuildWhichSaysWhatDiffersAndCanBeRolledBack) {
  load(kBikes);
  rides(0, 10);
  catch_up();
  auto loaded = manager_->load_text(kChanged, "views.yaml");
  ASSERT_TRUE(loaded);
  EXPECT_EQ((*loaded)[0].outcome, LoadedView::Outcome::needs_rebuild);
  EXPECT_EQ(manager_->info("bikes")->state, ViewInfo::State::needs_rebuild);
  rides(10, 11);
  catch_up();
  EXPECT_EQ(ask("SELECT sum(trips) FROM bike"), "11");

  int reports = 0;
  auto report = manager_->rebuild("bikes", [&](const FeedProgress& progress) {
    ++reports;
    EXPECT_GE(progress.done, 0.0);
    return true;
  });
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_GT(reports, 0);
  EXPECT_FALSE(report->equal);
  ASSERT_EQ(report->tables.size(), 2U);
  EXPECT_EQ(report->tables[0].table, "bike");
  EXPECT_EQ(report->tables[0].changed, 5);
  EXPECT_EQ(report->tables[0].only_old, 0);
  ASSERT_EQ(report->tables[0].examples.size(), 5U);
  EXPECT_EQ(report->tables[0].examples[0],
            "~ 0, 'Goal 10', '2024-01-01T00:21:00Z', 3 -> 0, 'Station 0', '2024-01-01T00:00:00Z', 100");
  EXPECT_EQ(report->tables[1].note, "only in the old view");
  EXPECT_EQ(ask("SELECT sum(trips) FROM bike"), "500");
  EXPECT_EQ(manager_->info("bikes")->state, ViewInfo::State::ready);

  ASSERT_TRUE(manager_->rollback("bikes"));
  EXPECT_EQ(ask("SELECT sum(trips) FROM bike"), "11");
  rides(11, 12);
  catch_up();
  EXPECT_EQ(ask("SELECT sum(trips) FROM bike"), "12");
  ASSERT_TRUE(manager_->rollback("bikes"));
  reopen();
  EXPECT_EQ(ask("SELECT sum(trips) FROM bike"), "500");
}

TEST_F(Views, ARebuildOfTheSameDefinitionFindsNoDifference) {
  load(kBikes);
  rides(0, 30);
  catch_up();
  auto report = manager_->rebuild("bikes");
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_TRUE(report->equal);
  EXPECT_EQ(report->events, 60);
  for (const auto& table : report->tables) EXPECT_EQ(table.note, "") << table.table;
  EXPECT_EQ(manager_->info("bikes")->generation, 2);
  EXPECT_EQ(manager_->info("bikes")->previous, 1);
  ASSERT_TRUE(manager_->rebuild("bikes"));
  EXPECT_EQ(manager_->info("bikes")->generation, 3);
  EXPECT_EQ(manager_->info("bikes")->previous, 2);
  EXPECT_FALSE(*env_->fs().exists(directory_ + "/bikes/g000001.sqlite"));
}

TEST_F(Views, ARebuildThatMeetsABadEventChangesNothing) {
  load(kBikes);
  rides(0, 5);
  catch_up();
  load(R"(
views:
  bikes:
    context: rides
    tables: CREATE TABLE bike (id INTEGER PRIMARY KEY)
    on: {RideStarted: 'INSERT INTO bike VALUES (:bike)'}
)");
  rides(5, 6);  // bike 0 again
  auto report = manager_->rebuild("bikes");
  ASSERT_FALSE(report);
  EXPECT_NE(report.error().detail.find("UNIQUE constraint failed: bike.id"), std::string::npos) << report.error().detail;
  catch_up();
  EXPECT_EQ(ask("SELECT sum(trips) FROM bike"), "6");
}

TEST_F(Views, AStoppedViewIsHealedByARebuildWithACorrectedDefinition) {
  load(kBikes);
  rides(0, 2);
  engine_.add("RideEnded", started(99, "Nowhere"), "ride-99");
  EXPECT_FALSE(manager_->catch_up("bikes"));
  std::string corrected = kBikes;
  corrected.replace(corrected.find("rows: 1"), 7, "rows: 0..1");
  load(corrected);
  auto report = manager_->rebuild("bikes");
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_NE(report->note.find("the old view had stopped"), std::string::npos);
  EXPECT_EQ(catch_up(), 0);
  EXPECT_EQ(ask("SELECT sum(trips) FROM bike"), "2");
}

TEST_F(Views, ALiveViewFollowsTheLog) {
  load(kBikes);
  ASSERT_TRUE(manager_->start("bikes"));
  EXPECT_EQ(manager_->info("bikes")->state, ViewInfo::State::live);
  rides(0, 50);
  wait_for("SELECT sum(trips) FROM bike", "50");
  ASSERT_TRUE(manager_->rebuild("bikes"));
  rides(50, 60);
  wait_for("SELECT sum(trips) FROM bike", "60");
  EXPECT_EQ(manager_->info("bikes")->generation, 2);
  manager_->stop("bikes");
  EXPECT_EQ(manager_->info("bikes")->state, ViewInfo::State::ready);
}

TEST_F(Views, AViewMayBeStartedAndStoppedFromAnyThread) {
  load(kBikes);
  rides(0, 10);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int j = 0; j < 300; ++j) {
        if (i % 2 == 0) EXPECT_TRUE(manager_->start("bikes").ok());
        else manager_->stop("bikes");
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_TRUE(manager_->start("bikes").ok());
  wait_for("SELECT sum(trips) FROM bike", "10");
}

TEST_F(Views, ALiveViewGoesOnAfterASwapThatFailed) {
  load(kBikes);
  rides(0, 5);
  catch_up();
  ASSERT_TRUE(manager_->rebuild("bikes"));
  ASSERT_TRUE(manager_->start("bikes"));
  // CURRENT cannot be replaced: neither swap can be made.
  const std::string in_the_way = directory_ + "/bikes/CURRENT.tmp";
  ASSERT_TRUE(env_->fs().make_directory(in_the_way));
  EXPECT_FALSE(manager_->rollback("bikes"));
  EXPECT_FALSE(manager_->rebuild("bikes"));
  rides(5, 9);
  wait_for("SELECT sum(trips) FROM bike", "9");
  EXPECT_EQ(manager_->info("bikes")->state, ViewInfo::State::live);
  ASSERT_TRUE(env_->fs().remove(in_the_way));
  ASSERT_TRUE(manager_->rollback("bikes"));
  EXPECT_EQ(manager_->info("bikes")->generation, 1);
  wait_for("SELECT sum(trips) FROM bike", "9");
}

TEST_F(Views, ALiveViewThatStopsSaysWhy) {
  std::mutex mutex;
  std::string warning;
  reopen({.on_warning = [&](const std::string& text) {
    const std::lock_guard guard(mutex);
    warning = text;
  }});
  load(kBikes);
  ASSERT_TRUE(manager_->start("bikes"));
  engine_.add("RideEnded", started(1, "x"), "ride-1");
  const auto end = env_->clock().monotonic_ns() + 20'000'000'000;
  while (manager_->info("bikes")->state != ViewInfo::State::stopped && env_->clock().monotonic_ns() < end) {
    (void)env_->make_waiter()->wait(1'000'000);
  }
  EXPECT_EQ(manager_->info("bikes")->state, ViewInfo::State::stopped);
  manager_->stop("bikes");
  const std::lock_guard guard(mutex);
  EXPECT_NE(warning.find("is no longer live: view 'bikes' has stopped at event RideEnded e0"), std::string::npos) << warning;
}

TEST_F(Views, OneProcessWritesAViewAndAReadOnlyManagerQueriesBesideIt) {
  load(kBikes);
  rides(0, 4);
  catch_up();
  auto other = ViewManager::open(*env_, &engine_, directory_, {});
  ASSERT_TRUE(other);
  EXPECT_EQ((*other)->catch_up("bikes").error().code, Code::locked);
  auto reader = ViewManager::open(*env_, &engine_, directory_, {.read_only = true});
  ASSERT_TRUE(reader);
  EXPECT_EQ(text((*reader)->query("bikes", "SELECT sum(trips) FROM bike")), "4");
  EXPECT_EQ((*reader)->catch_up("bikes").error().code, Code::read_only);
  EXPECT_EQ((*reader)->rebuild("bikes").error().code, Code::read_only);
  EXPECT_EQ(text((*reader)->query_as_of("bikes", "SELECT sum(trips) FROM bike", {.position = FakeEngine::position(6)})), "2");
  auto list = (*reader)->list();
  ASSERT_TRUE(list);
  ASSERT_EQ(list->size(), 1U);
  EXPECT_EQ((*list)[0].name, "bikes");
}

TEST_F(Views, ADroppedViewIsGone) {
  load(kBikes);
  ASSERT_TRUE(manager_->drop("bikes"));
  EXPECT_EQ(manager_->query("bikes", "SELECT 1").error().code, Code::not_found);
  EXPECT_TRUE(manager_->list()->empty());
  load(kBikes);
  rides(0, 1);
  EXPECT_EQ(catch_up(), 2);
}

TEST_F(Views, ADamagedCurrentIsFoundAndSaysWhatToDo) {
  load(kBikes);
  manager_.reset();
  auto file = env_->fs().open(directory_ + "/bikes/CURRENT", {.write = true});
  ASSERT_TRUE((*file)->write_at(18, base::as_bytes("9")));
  reopen();
  auto done = manager_->catch_up("bikes");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::corrupt);
}

}  // namespace
}  // namespace baton::view
