// Views on the simulated disk, with the real SQLite: processes are killed and machines lose their power in the middle of anything, and the
// view is at every restart exactly the fold of the events that its checkpoint names (F49).
#include <gtest/gtest.h>
#include <stdlib.h>

#include <map>
#include <regex>

#include "os/sim_env.h"
#include "view/fake_engine_for_test.h"
#include "view/views.h"

namespace baton::view {
namespace {

constexpr char kView[] = R"(
views:
  bikes:
    context: rides
    tables: |
      CREATE TABLE bike (id INTEGER PRIMARY KEY, trips INTEGER NOT NULL, last TEXT) STRICT;
      CREATE TABLE seen (place TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
      CREATE INDEX by_trips ON bike (trips);
      CREATE VIRTUAL TABLE text USING fts5(place);
    on:
      RideStarted:
        - INSERT INTO bike VALUES (:bike, 0, NULL) ON CONFLICT (id) DO NOTHING
        - INSERT INTO text (rowid, place) VALUES (@offset, :place)
      RideEnded:
        - {sql: "UPDATE bike SET trips = trips + 1, last = :place WHERE id = :bike", rows: 1}
        - INSERT INTO seen VALUES (:place, 1) ON CONFLICT (place) DO UPDATE SET n = n + 1
    keep: {every: 20, copies: 2}
)";

struct Fact {
  bool started = false;
  int bike = 0;
  std::string place;
};

std::vector<Fact> facts_of(std::uint64_t seed, std::size_t count) {
  os::SeededRandom random(seed * 77 + 1);
  std::vector<Fact> out;
  std::vector<int> riding;
  for (std::size_t i = 0; i < count; ++i) {
    Fact fact;
    fact.started = riding.empty() || random.below(2) == 0;
    fact.bike = static_cast<int>(random.below(9));
    if (fact.started) {
      riding.push_back(fact.bike);
    } else {
      fact.bike = riding[random.below(riding.size())];
    }
    fact.place = "place" + std::to_string(random.below(12)) + std::string(random.below(300), 'x');
    out.push_back(std::move(fact));
  }
  return out;
}

// The fold, made without SQL.
std::string fold(const std::vector<Fact>& facts, std::size_t count) {
  std::map<int, std::pair<int, std::string>> bikes;
  std::map<std::string, int> seen;
  std::size_t texts = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Fact& fact = facts[i];
    if (fact.started) {
      bikes.try_emplace(fact.bike, 0, "NULL");
      ++texts;
    } else {
      ++bikes[fact.bike].first;
      bikes[fact.bike].second = fact.place;
      ++seen[fact.place];
    }
  }
  std::string out;
  for (const auto& [id, bike] : bikes) out += std::to_string(id) + ":" + std::to_string(bike.first) + ":" + bike.second + "\n";
  for (const auto& [place, n] : seen) out += place + "=" + std::to_string(n) + "\n";
  return out + std::to_string(texts) + " texts\n";
}

os::SimOptions options_of(std::uint64_t seed) {
  os::SimOptions options{.seed = seed};
  // On every second machine a write that is cut spoils what else is in its sector.
  options.crash.powersafe_overwrite = seed % 2 == 0;
  return options;
}

class ViewRun {
 public:
  explicit ViewRun(std::uint64_t seed)
      : world_(options_of(seed)), random_(seed), facts_(facts_of(seed, 40 + random_.below(120))) {}

  // What went wrong; empty when nothing did.
  std::string go() {
    for (int process = 0; process < 6; ++process) {
      const std::string wrong = one_process(true);
      if (!wrong.empty()) return "process " + std::to_string(process) + ": " + wrong;
      if (!world_.disk().powered()) world_.disk().restart();
      world_.disk().faults = {};
    }
    const std::string wrong = one_process(false);
    if (!wrong.empty()) return "the last process: " + wrong;
    if (last_seen_ != facts_.size())
      return "only " + std::to_string(last_seen_) + " of " + std::to_string(facts_.size()) + " events were applied";
    return {};
  }
  [[nodiscard]] int rebuilt() const { return rebuilt_; }
  [[nodiscard]] std::uint64_t trace_hash() const { return world_.trace_hash(); }

 private:
  std::string one_process(bool faults) {
    os::SimEnv env(world_);
    FakeEngine engine(env);
    for (std::size_t i = 0; i < facts_.size(); ++i) {
      engine.add(facts_[i].started ? "RideStarted" : "RideEnded",
                 R"({"bike":)" + std::to_string(facts_[i].bike) + R"(,"place":")" + facts_[i].place + R"("})", "ride-1",
                 "2024-01-01T00:" + std::to_string(10 + i / 20) + ":00Z");
    }
    if (faults) {
      const std::uint64_t soon = 1 + random_.below(random_.below(3) == 0 ? 400 : 120);
      const std::uint64_t kind = random_.below(7);
      if (kind < 3) {
        env.kill_in(soon);
      } else {
        world_.disk().faults.power_loss_at = world_.disk().counters().mutations + soon;
      }
      if (kind == 0 || kind == 6) world_.disk().faults.fail_sync_at = world_.disk().counters().syncs + 1 + random_.below(30);
      if (kind == 1) world_.disk().faults.capacity_bytes = world_.disk().used_bytes() + random_.below(200'000);
    }
    const std::string wrong = work(env, engine, faults);
    // Whatever a dead process believes is worth nothing, and a failing disk excuses an error once; what is wrong with the content it does not.
    if (!env.alive()) return {};
    const auto& disk = world_.disk();
    const bool excused = disk.faults.capacity_bytes < (std::uint64_t{1} << 40) ||
                         (disk.faults.fail_sync_at != 0 && disk.counters().syncs >= disk.faults.fail_sync_at);
    if (excused && wrong.find("events the view is") == std::string::npos) return {};
    return wrong;
  }

  std::string work(os::SimEnv& env, FakeEngine& engine, bool faults) {
    ViewOptions options{.batch_events = 1 + random_.below(15)};
    options.tuning.wal_pages_max = static_cast<int>(2 + random_.below(30));
    auto opened = ViewManager::open(env, &engine, "/data/views", options);
    if (!opened) return opened.error().to_string();
    ViewManager& views = **opened;
    auto loaded = views.load_text(kView, "views.yaml");
    if (!loaded) return loaded.error().to_string();
    if (const auto wrong = check(env, views); !wrong.empty()) return wrong;
    // A sync failed in an earlier process: its file is not trusted, and a rebuild is the way on.
    if (auto info = views.info("bikes"); info && info->state == ViewInfo::State::stopped) {
      ++rebuilt_;
      if (auto done = views.rebuild("bikes"); !done) return "rebuild: " + done.error().to_string();
    }
    for (int i = 0; i < 6; ++i) {
      switch (faults ? random_.below(6) : 0) {
        case 1: {
          auto done = views.rebuild("bikes");
          if (!done) return "rebuild: " + done.error().to_string();
          if (!done->equal && done->note.empty()) return "a rebuild of the same definition differs";
          break;
        }
        case 2: {
          auto done = views.rollback("bikes");
          if (!done && done.error().code != Code::not_found) return "rollback: " + done.error().to_string();
          // It may have been left because a sync of it failed.
          if (const auto info = views.info("bikes"); done && info && info->state == ViewInfo::State::stopped && !views.rollback("bikes")) return "no way back";
          break;
        }
        case 3: {
          const std::size_t n = 1 + random_.below(facts_.size());
          if (const auto wrong = compare(env, views.query_as_of("bikes", kDump, {.position = FakeEngine::position(n)}), n);
              !wrong.empty()) {
            return "as of: " + wrong;
          }
          break;
        }
        default: {
          auto done = views.catch_up("bikes", faults ? static_cast<std::int64_t>(1 + random_.below(40)) : INT64_MAX);
          if (!done) return "catch_up: " + done.error().to_string();
        }
      }
      if (const auto wrong = check(env, views); !wrong.empty()) return wrong;
    }
    return {};
  }

  static constexpr const char* kDump = R"(
    SELECT coalesce((SELECT group_concat(id || ':' || trips || ':' || coalesce(last, 'NULL') || char(10), '') FROM (SELECT * FROM bike ORDER BY id)), '')
        || coalesce((SELECT group_concat(place || '=' || n || char(10), '') FROM (SELECT * FROM seen ORDER BY place)), '')
        || (SELECT count(*) FROM text WHERE text MATCH 'place*') || ' texts' || char(10))";

  std::string compare(os::SimEnv& env, const Result<QueryResult>& dump, std::size_t events) {
    if (!env.alive()) return {};
    if (!dump) return dump.error().to_string();
    const std::string expected = fold(facts_, events);
    const std::string found = to_text(dump->rows.at(0).at(0));
    if (found == expected) return {};
    return "after " + std::to_string(events) + " events the view is\n" + found + "and not\n" + expected;
  }

  // State and checkpoint belong together.
  std::string check(os::SimEnv& env, ViewManager& views) {
    if (!env.alive()) return {};
    auto info = views.info("bikes");
    if (!env.alive()) return {};
    if (!info) return "info: " + info.error().to_string();
    last_seen_ = static_cast<std::size_t>(info->events);
    return compare(env, views.query("bikes", kDump), last_seen_);
  }

  os::SimWorld world_;
  os::SeededRandom random_;
  std::vector<Fact> facts_;
  std::size_t last_seen_ = 0;
  int rebuilt_ = 0;
};

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* text = ::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class ViewSimulation : public testing::Test {
 protected:
  static void SetUpTestSuite() { give_sqlite_zeroed_memory(); }
};

// BATON_SEED=n runs one; BATON_SEEDS=n runs that many.
TEST_F(ViewSimulation, AViewKilledInTheMiddleOfAnythingIsTheFoldOfTheEventsOfItsCheckpoint) {
  if (::getenv("BATON_SEED") != nullptr) {
    EXPECT_EQ(ViewRun(number_from("BATON_SEED", 1)).go(), "");
    return;
  }
  const std::uint64_t seeds = number_from("BATON_SEEDS", 150);
  int rebuilt = 0;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    ViewRun run(seed);
    ASSERT_EQ(run.go(), "") << "reproduce with BATON_SEED=" << seed << " test_view_sim";
    rebuilt += run.rebuilt();
  }
  // Or the failing syncs have tested nothing.
  EXPECT_GT(rebuilt, 0);
}

TEST_F(ViewSimulation, ASyncThatFailsWhenAViewIsClosedIsAnErrorAndStopsTheView) {
  os::SimWorld world(options_of(2));
  os::SimEnv env(world);
  FakeEngine engine(env);
  engine.add("RideStarted", R"({"bike":1,"place":"here"})", "ride-1", "2024-01-01T00:10:00Z");
  auto views = ViewManager::open(env, &engine, "/data/views");
  ASSERT_TRUE(views);
  ASSERT_TRUE((*views)->load_text(kView, "views.yaml"));
  EXPECT_EQ((*views)->catch_up("bikes").value_or(-1), 1);
  world.disk().faults.fail_sync_at = world.disk().counters().syncs + 1;
  EXPECT_FALSE((*views)->close());
  const auto info = (*views)->info("bikes");
  ASSERT_TRUE(info);
  EXPECT_EQ(info->state, ViewInfo::State::stopped) << info->detail;
  EXPECT_TRUE((*views)->close());
}

TEST_F(ViewSimulation, AViewWhoseSyncFailedIsNotWrittenByTheNextProcess) {
  os::SimWorld world(options_of(2));
  const auto content = [](os::SimEnv& env) {
    std::string out;
    for (const char* name : {"g000001.sqlite", "g000001.sqlite-wal"}) {
      const auto bytes = os::read_file(env.fs(), "/data/views/bikes/" + std::string(name), 1u << 20);
      out += bytes ? std::string(base::as_text(*bytes)) : "none";
    }
    return out;
  };
  std::string before;
  {
    os::SimEnv env(world);
    FakeEngine engine(env);
    engine.add("RideStarted", R"({"bike":1,"place":"here"})", "ride-1", "2024-01-01T00:10:00Z");
    auto views = ViewManager::open(env, &engine, "/data/views");
    ASSERT_TRUE((*views)->load_text(kView, "views.yaml"));
    ASSERT_TRUE((*views)->catch_up("bikes"));
    world.disk().faults.fail_sync_at = world.disk().counters().syncs + 1;
    ASSERT_FALSE((*views)->close());
    world.disk().faults = {};
    before = content(env);
  }
  os::SimEnv env(world);
  FakeEngine engine(env);
  auto views = ViewManager::open(env, &engine, "/data/views");
  const auto refused = (*views)->catch_up("bikes");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::incompatible);
  EXPECT_TRUE((*views)->close());
  EXPECT_TRUE(content(env) == before);
  // Nor when its file is loaded with another `keep`, which is taken when the view has been rebuilt.
  const std::string other_keep = std::regex_replace(std::string(kView), std::regex("every: 20"), "every: 10");
  ASSERT_NE(other_keep, kView);
  auto loaded = (*views)->load_text(other_keep, "views.yaml");
  ASSERT_TRUE(loaded) << loaded.error().to_string();
  EXPECT_EQ(loaded->front().outcome, LoadedView::Outcome::unchanged);
  EXPECT_NE(loaded->front().detail.find("baton view rebuild bikes"), std::string::npos) << loaded->front().detail;
  EXPECT_TRUE((*views)->close());
  EXPECT_TRUE(content(env) == before);
  ASSERT_TRUE((*views)->rebuild("bikes"));
  loaded = (*views)->load_text(other_keep, "views.yaml");
  ASSERT_TRUE(loaded) << loaded.error().to_string();
  EXPECT_EQ(loaded->front().detail, "");
  EXPECT_TRUE((*views)->close());
  EXPECT_TRUE(content(env) == before);
}

TEST_F(ViewSimulation, ASyncThatFailsWhileAKeepIsTakenStopsTheView) {
  os::SimWorld world(options_of(2));
  os::SimEnv env(world);
  FakeEngine engine(env);
  engine.add("RideStarted", R"({"bike":1,"place":"here"})", "ride-1", "2024-01-01T00:10:00Z");
  auto views = ViewManager::open(env, &engine, "/data/views");
  ASSERT_TRUE((*views)->load_text(kView, "views.yaml"));
  ASSERT_TRUE((*views)->catch_up("bikes"));
  ASSERT_TRUE((*views)->close());
  // The WAL is empty: its first commit syncs its header.
  world.disk().faults.fail_sync_at = world.disk().counters().syncs + 1;
  const std::string other_keep = std::regex_replace(std::string(kView), std::regex("every: 20"), "every: 10");
  ASSERT_FALSE((*views)->load_text(other_keep, "views.yaml"));
  world.disk().faults = {};
  EXPECT_EQ((*views)->info("bikes")->state, ViewInfo::State::stopped);
  EXPECT_FALSE((*views)->catch_up("bikes"));
}

TEST_F(ViewSimulation, ASeedGivesTheSameTraceTwice) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    ViewRun first(seed);
    EXPECT_EQ(first.go(), "");
    ViewRun second(seed);
    EXPECT_EQ(second.go(), "");
    EXPECT_EQ(first.trace_hash(), second.trace_hash()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace baton::view
