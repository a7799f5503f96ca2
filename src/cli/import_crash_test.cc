// An import that is killed anywhere, and run again until it is done, ends like one that was left alone: on the simulated machine, at many
// places; a kill, or a power loss that takes what was not synced with it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "cli/import_checkpoint.h"
#include "cli/import_for_test.h"

namespace baton::cli {
namespace {

std::string map_of(const char* order) {
  return std::string("context: c\norder_by: ") + order + R"(
fields:
  n: {column: n, type: integer}
  t: {column: t, type: time}
  u: {column: u, type: time}
  s: {column: s}
events:
  - {type: First, stream: "a-{s}", id: "{n}-1", time: t, data: {n: n}}
  - {type: Second, stream: "b-{n}", id: "{n}-2", time: u, data: {s: s}, tags: ["s:{s}"]}
checks:
  - {name: big, when: n > 100}
)";
}

std::string rows_of(std::uint64_t seed, int count) {
  std::mt19937_64 random(seed);
  const auto time = [&] {
    return "2014-0" + std::to_string(1 + random() % 9) + "-1" + std::to_string(random() % 10) + "T0" + std::to_string(random() % 10) + ":00:00";
  };
  std::string out = "n,t,u,s\n";
  for (int i = 0; i < count; ++i) {
    if (random() % 20 == 0) out += "odd," + time() + ",,\n";
    out += std::to_string(i) + "," + time() + "," + time() + ",s" + std::to_string(random() % 9) + "\n";
  }
  return out;
}

class Machine {
 public:
  Machine(std::uint64_t seed, const char* order, std::string_view rows) : world_({.seed = seed}) {
    boot();
    (void)env_->fs().make_directory("/in");
    (void)env_->fs().sync_directory("/");
    options_.file = "/in/rows.csv";
    options_.map = "/in/map.yaml";
    options_.data_directory = "/data";
    options_.sort_bytes = 2000;
    options_.sort_fan_in = 3;
    options_.append_events = 5;
    options_.look_every = 4;
    options_.checkpoint_every_ms = 0;
    for_test::write_file(env_->fs(), options_.map, map_of(order));
    for_test::write_file(env_->fs(), options_.file, rows);
  }
  ~Machine() { store_ = nullptr; }

  void boot() {
    store_ = nullptr;
    env_ = nullptr;
    env_ = std::make_unique<os::SimEnv>(world_);
  }
  os::SimEnv& env() { return *env_; }
  os::SimWorld& world() { return world_; }
  ImportOptions& options() { return options_; }
  Store& store() { return *store_; }

  Result<ImportReport> import() {
    if (!store_) {
      auto opened = store::open_store(*env_, "/data", for_test::small_store());
      if (!opened) return opened.error();
      store_ = *std::move(opened);
    }
    return run_import(*env_, [this]() -> Result<Store*> { return store_.get(); }, options_, [](const ImportProgress&) {});
  }
  // Store and rejects, as text.
  std::string outcome() {
    std::string out = for_test::read_text(env_->fs(), "/in/rows.csv.rejects.csv");
    for (const auto& line : for_test::lines_of(*store_, "c", true)) out += line + "\n";
    return out;
  }

 private:
  os::SimWorld world_;
  std::unique_ptr<os::SimEnv> env_;
  std::unique_ptr<Store> store_;
  ImportOptions options_;
};

struct Totals {
  int runs = 0, killed = 0;
  std::uint64_t skipped = 0;
};

// Kills the import up to `kills` times, then lets it end.
void run_with_kills(std::uint64_t seed, const char* order, const std::string& rows, const std::string& expected, std::uint64_t operations, bool power, Totals& totals) {
  SCOPED_TRACE("seed " + std::to_string(seed) + (power ? ", power loss, " : ", kill, ") + order);
  std::mt19937_64 random(seed);
  Machine machine(seed, order, rows);
  const auto kills = 1 + random() % 4;
  for (std::uint64_t i = 0; i < kills; ++i) {
    const auto at = 1 + random() % operations;
    if (power) machine.world().disk().faults.power_loss_at = at;
    else machine.env().kill_in(at);
    const auto report = machine.import();
    if (machine.env().alive()) {
      machine.world().disk().faults.power_loss_at = 0;
      machine.env().kill_in(0);
      ASSERT_TRUE(report) << report.error().to_string();
    } else {
      ++totals.killed;
      machine.boot();
      if (power) {
        machine.world().disk().restart();
        machine.boot();
      }
    }
  }
  const auto report = machine.import();
  ASSERT_TRUE(report) << report.error().to_string();
  ++totals.runs;
  totals.skipped += report->skipped;
  ASSERT_EQ(machine.outcome(), expected);
  EXPECT_EQ(report->added + report->duplicates, report->events);
  EXPECT_FALSE(*machine.env().fs().exists("/data/tmp/import"));
}

TEST(KilledImport, EndsLikeOneThatWasLeftAlone) {
  Totals totals;
  for (const char* order : {"time", "row"}) {
    const auto rows = rows_of(5, 120);
    Machine clean(1, order, rows);
    const auto report = clean.import();
    ASSERT_TRUE(report) << report.error().to_string();
    ASSERT_EQ(report->added, 240U);
    ASSERT_GT(report->rejected, 0U);
    const auto operations = clean.env().mutations();  // that change a file
    const auto expected = clean.outcome();
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
      run_with_kills(seed, order, rows, expected, operations, seed % 2 == 0, totals);
      if (HasFatalFailure()) return;
    }
  }
  std::printf("%d imports, killed %d times, %llu events passed over by checkpoints\n", totals.runs, totals.killed, static_cast<unsigned long long>(totals.skipped));
  EXPECT_GT(totals.killed, 100);
  EXPECT_GT(totals.skipped, 1000U);
}

// The checkpoint in the directory, whatever its name is.
std::string checkpoint_path(os::Env& env) {
  const auto entries = env.fs().list("/data/checkpoints");
  if (!entries) return "";
  for (const auto& entry : *entries)
    if (entry.name.starts_with("import-")) return "/data/checkpoints/" + entry.name;
  return "";
}

// Stops an import in the middle, so that it leaves a checkpoint.
void import_half(Machine& machine) {
  int asked = 0;
  machine.options().stop = [&] { return ++asked == 80; };
  const auto stopped = machine.import();
  ASSERT_FALSE(stopped);
  ASSERT_EQ(stopped.error().code, Code::cancelled);
  ASSERT_NE(checkpoint_path(machine.env()), "");
  machine.options().stop = nullptr;
}

TEST(ImportCheckpoint, IsWorthNothingWhenItIsWrong) {
  for (const char* order : {"time", "row"}) {
    const auto rows = rows_of(9, 120);
    Machine clean(1, order, rows);
    ASSERT_TRUE(clean.import());
    const auto expected = clean.outcome();
    using Change = std::function<std::string(ImportCheckpoint, std::string)>;
    const std::pair<const char*, Change> changes[] = {
        {"nothing", [](const ImportCheckpoint&, const std::string& text) { return text; }},
        {"cut off", [](const ImportCheckpoint&, const std::string& text) { return text.substr(0, text.size() / 2); }},
        {"a digit", [](const ImportCheckpoint&, std::string text) { return text[24] ^= 1, text; }},
        {"too many", [](ImportCheckpoint c, const std::string&) { return c.events += 3, write_import_checkpoint(c); }},
        {"more than all", [](ImportCheckpoint c, const std::string&) { return c.events = 100'000, write_import_checkpoint(c); }},
        {"another hash", [](ImportCheckpoint c, const std::string&) { return c.hash ^= 1, write_import_checkpoint(c); }},
        {"another position", [](ImportCheckpoint c, const std::string&) { return c.position.token = "nonsense", write_import_checkpoint(c); }},
        {"empty", [](const ImportCheckpoint&, const std::string&) { return std::string(); }},
    };
    for (const auto& [name, change] : changes) {
      SCOPED_TRACE(std::string(name) + ", " + order);
      Machine machine(2, order, rows);
      import_half(machine);
      if (::testing::Test::HasFatalFailure()) return;
      const auto path = checkpoint_path(machine.env());
      const auto text = for_test::read_text(machine.env().fs(), path);
      const auto stored = read_import_checkpoint(text);
      ASSERT_TRUE(stored) << text;
      for_test::write_file(machine.env().fs(), path, change(*stored, text));
      const auto report = machine.import();
      ASSERT_TRUE(report) << report.error().to_string();
      EXPECT_EQ(report->skipped, std::string(name) == "nothing" ? stored->events : 0U);
      EXPECT_EQ(report->added + report->duplicates, 240U);
      EXPECT_GE(report->duplicates, stored->events);
      EXPECT_EQ(machine.outcome(), expected);
      EXPECT_EQ(checkpoint_path(machine.env()), "");
    }
  }
}

TEST(ImportCheckpoint, OfAnotherStoreOrAChangedFileIsWorthNothing) {
  auto rows = rows_of(9, 120);
  Machine machine(2, "time", rows);
  import_half(machine);
  if (HasFatalFailure()) return;
  const auto before = for_test::lines_of(machine.store(), "c").size();
  // As many bytes, and another first event.
  rows.replace(rows.find("s"), 1, "s");
  const auto at = rows.rfind("T0");
  rows.replace(at, 2, rows.substr(at, 2) == "T0" ? "T1" : "T0");
  for_test::write_file(machine.env().fs(), "/in/rows.csv", rows);
  const auto report = machine.import();
  // The id of that row is known with another time and equal content, or it is new: never is anything left out.
  ASSERT_TRUE(report) << report.error().to_string();
  EXPECT_EQ(report->added + report->duplicates, 240U);
  EXPECT_EQ(for_test::lines_of(machine.store(), "c").size(), before + report->added);
  EXPECT_EQ(for_test::lines_of(machine.store(), "c").size(), 240U);
}

TEST(ImportCheckpoint, TextIsReadBackAndNothingElse) {
  const ImportCheckpoint one{.events = 77, .hash = 0xfedcba9876543210, .position = {"p1.x"}};
  const auto text = write_import_checkpoint(one);
  const auto back = read_import_checkpoint(text);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->events, one.events);
  EXPECT_EQ(back->hash, one.hash);
  EXPECT_EQ(back->position, one.position);
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto bad = text;
    bad[i] = static_cast<char>(bad[i] ^ 0x04);
    EXPECT_FALSE(read_import_checkpoint(bad)) << i;
    EXPECT_FALSE(read_import_checkpoint(text.substr(0, i))) << i;
  }
  EXPECT_FALSE(read_import_checkpoint(text + "x"));
}

}  // namespace
}  // namespace baton::cli
