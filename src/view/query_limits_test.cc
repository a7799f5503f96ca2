// A query ends with its time, its memory and the stop, whatever it does between two looks of SQLite at its progress handler.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "view/fake_engine_for_test.h"
#include "view/query.h"
#include "view/views.h"

namespace baton::view {
namespace {

constexpr char kView[] = R"yaml(
views:
  notes:
    context: notes
    tables: |
      CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT, whole TEXT) STRICT;
      CREATE INDEX note_text ON note (text);
    on:
      Noted: "INSERT INTO note VALUES (@offset, :text, @data)"
)yaml";

// `count` times `letter`, as SQL.
std::string many(char letter, int count) { return "replace(hex(zeroblob(" + std::to_string(count / 2) + ")), '0', '" + std::string(1, letter) + "')"; }

// A clock that has gone on by a millisecond each time somebody looks: time passes by what is done, and a test does not depend on the machine.
class CountingClock final : public os::Clock {
 public:
  std::int64_t monotonic_ns() const override { return ++looks_ * 1'000'000; }
  std::int64_t wall_ms() const override { return 0; }

 private:
  mutable std::atomic<std::int64_t> looks_ = 0;
};

class QueryLimitsTest : public testing::Test {
 protected:
  QueryLimitsTest() : env_(os::make_posix_env()), vfs_(*env_), db_(std::move(*Database::open_memory(vfs_))) { guard_.attach(db_); }
  Result<QueryResult> ask(const std::string& sql, const QueryLimits& limits = {}) { return run_query(db_, guard_, clock_, sql, limits); }
  Code code_of(const std::string& sql, const QueryLimits& limits = {}) {
    const auto result = ask(sql, limits);
    return result ? Code::internal : result.error().code;
  }

  std::unique_ptr<os::Env> env_;
  Vfs vfs_;
  Guard guard_;  // outlives the connection
  Database db_;
  CountingClock clock_;
};

// Each compares billions of bytes if nothing ends it, in one call.
const std::vector<std::string>& endless_calls() {
  static const std::string text = many('a', 2'000'000);
  static const std::vector<std::string> calls = {
      "SELECT trim(" + text + ", " + many('b', 1'000'000) + " || 'a')",
      "SELECT rtrim(" + text + ", " + many('b', 1'000'000) + " || 'a')",
      "SELECT ltrim(" + text + ", " + many('b', 1'000'000) + " || 'a')",
      "SELECT " + text + " LIKE '%' || " + many('a', 900) + " || 'b'",
      "SELECT " + text + " LIKE '' COLLATE binary || '%' || " + many('a', 900) + " || 'b'",
      "SELECT " + text + " LIKE '%' || " + many('a', 900) + " || 'b' ESCAPE '!'",
      "SELECT " + text + " GLOB '*[' || " + many('b', 800) + " || ']*'",
  };
  return calls;
}

TEST_F(QueryLimitsTest, OneCallOfAFunctionEndsWithTheTime) {
  for (const auto& sql : endless_calls()) EXPECT_EQ(code_of(sql, {.timeout_ms = 50}), Code::timed_out) << sql;
}

TEST_F(QueryLimitsTest, OneCallOfAFunctionEndsWithAStop) {
  // Set once the query is under way: the clock says so.
  struct StoppingClock final : os::Clock {
    explicit StoppingClock(std::atomic<bool>& flag) : stop(flag) {}
    std::int64_t monotonic_ns() const override {
      if (++looks == 20) stop = true;
      return 0;
    }
    std::int64_t wall_ms() const override { return 0; }
    std::atomic<bool>& stop;
    mutable int looks = 0;
  };
  for (const auto& sql : endless_calls()) {
    std::atomic<bool> stop = false;
    StoppingClock clock(stop);
    const auto result = run_query(db_, guard_, clock, sql, {.stop = &stop});
    ASSERT_FALSE(result) << sql;
    EXPECT_EQ(result.error().code, Code::cancelled) << sql;
  }
}

TEST_F(QueryLimitsTest, FindingAndReplacingIsLinear) {
  // SQLite's own functions take minutes for these.
  const std::string needle = many('a', 1'000'000) + " || 'b'";
  for (const std::string& sql : {"SELECT instr(" + many('a', 2'000'000) + ", " + needle + ")", std::string("SELECT instr(zeroblob(2000000), zeroblob(1000000) || x'01')"),
                          "SELECT length(replace(" + many('a', 2'000'000) + ", " + needle + ", 'c')) - 2000000"}) {
    const auto result = ask(sql, {.timeout_ms = 1'000'000});
    ASSERT_TRUE(result) << sql << ": " << result.error().to_string();
    EXPECT_EQ(to_text(result->rows[0][0]), "0") << sql;
  }
}

TEST_F(QueryLimitsTest, AValueIsNoLargerThanTwoOfAnEventsData) {
  EXPECT_TRUE(ask("SELECT zeroblob(2 << 20)"));
  for (const char* sql : {"SELECT instr(zeroblob(60000000), zeroblob(29999999) || x'01')", "SELECT printf('%.*c', 1000000000, 'x')", "SELECT printf('%1000000000d', 1)",
                          "SELECT hex(zeroblob(2000000))", "SELECT quote(zeroblob(2000000))", "SELECT replace(hex(zeroblob(1000)), '0', hex(zeroblob(1000)))"}) {
    const auto result = ask(sql);
    ASSERT_FALSE(result) << sql;
    EXPECT_EQ(result.error().code, Code::too_large) << sql << ": " << result.error().detail;
    EXPECT_NE(result.error().detail.find("larger than 2304 KiB"), std::string::npos) << result.error().detail;
  }
}

// What SQLite has held at most more than now while `work` ran, all threads together.
template <typename Work>
std::int64_t memory_of(const Work& work) {
  const std::int64_t before = sqlite3_memory_used();
  (void)sqlite3_memory_highwater(1);
  work();
  return sqlite3_memory_highwater(0) - before;
}

std::string doubling(int depth) {
  std::string sql = "WITH a0 AS (SELECT 1 x)";
  for (int i = 1; i <= depth; ++i) {
    const auto number = [](int n) { return "a" + std::to_string(n); };
    sql += ", " + number(i) + " AS (SELECT p.x FROM " + number(i - 1) + " p, " + number(i - 1) + " q)";
  }
  return sql + " SELECT count(*) FROM a" + std::to_string(depth);
}

const std::vector<std::string>& greedy_queries() {
  static const std::string endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) ";
  static const std::vector<std::string> queries = {
      endless + "SELECT x, zeroblob(1000000) z FROM c ORDER BY z || x",
      endless + "SELECT count(DISTINCT hex(zeroblob(1000)) || x) FROM c",
      endless + "SELECT json_group_array(hex(zeroblob(1000 + x))) OVER (PARTITION BY x) FROM c",
      endless + ", m AS MATERIALIZED (SELECT hex(zeroblob(1000 + x)) FROM c) SELECT count(*) FROM m",
      doubling(20),
      doubling(30),
  };
  return queries;
}

TEST_F(QueryLimitsTest, AQueryHasItsMemoryAndNoMore) {
  for (const auto& sql : greedy_queries()) {
    Code code{};
    const auto held = memory_of([&] { code = code_of(sql, {.timeout_ms = 100'000'000}); });
    EXPECT_EQ(code, Code::too_large) << sql;
    EXPECT_LE(held, 64 << 20) << sql;
    EXPECT_EQ(code_of("SELECT 1", {}), Code::internal) << "the connection goes on";
  }
  EXPECT_NE(ask(greedy_queries()[0], {.timeout_ms = 100'000'000}).error().detail.find("more than 64 MiB of memory"), std::string::npos);
}

TEST_F(QueryLimitsTest, QueriesSideBySideHaveTheirMemoryEach) {
  const auto held = memory_of([&] {
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] {
        Database db = std::move(*Database::open_memory(vfs_));
        Guard guard;
        guard.attach(db);
        const auto result = run_query(db, guard, clock_, greedy_queries()[static_cast<std::size_t>(i)], {.timeout_ms = 100'000'000, .memory_max = 8 << 20});
        EXPECT_EQ(result.error().code, Code::too_large);
      });
    }
    for (auto& thread : threads) thread.join();
  });
  EXPECT_LE(held, 4 * (9 << 20));
}

TEST_F(QueryLimitsTest, AStatementThatIsPreparedEndsWithTheTimeAndAStop) {
  EXPECT_EQ(code_of(doubling(30), {.timeout_ms = 50, .memory_max = 1 << 30}), Code::timed_out);
  std::atomic<bool> stop = true;
  EXPECT_EQ(code_of(doubling(30), {.memory_max = 1 << 30, .stop = &stop}), Code::cancelled);
}

TEST_F(QueryLimitsTest, AStatementIsBoundedAsItIsWrittenAndAsItIsCompiled) {
  EXPECT_EQ(code_of("SELECT '" + std::string(64 << 10, 'x') + "'"), Code::too_large);
  std::string list = "0";
  for (int i = 1; i < 1'500; ++i) list += "," + std::to_string(i);
  EXPECT_TRUE(ask("SELECT 7 IN (" + list + ")"));
  for (int i = 0; i < 5'000; ++i) list += ",1";
  const auto large = ask("SELECT 7 IN (" + list + ")");
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, Code::too_large);
  EXPECT_NE(large.error().detail.find("more than 5,000 operations"), std::string::npos) << large.error().detail;
}

TEST_F(QueryLimitsTest, ARowThatDoesNotFitIsNotTaken) {
  const std::string rows = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 5) SELECT x, zeroblob(1000), zeroblob(1000) FROM c";
  const auto some = ask(rows, {.bytes_max = 5'000});
  ASSERT_TRUE(some);
  EXPECT_EQ(some->rows.size(), 2U);
  EXPECT_TRUE(some->truncated);
  const auto none = ask(rows, {.bytes_max = 2'000});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Code::too_large);
}

TEST_F(QueryLimitsTest, JsonPatchIsRefused) {
  const auto result = ask("SELECT json_patch('{}', '{}')");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::invalid_argument);
  EXPECT_NE(result.error().detail.find("json_patch() is not allowed in a query"), std::string::npos) << result.error().detail;
}

class ViewQueryLimits : public testing::Test {
 protected:
  ViewQueryLimits() : env_(os::make_posix_env()), engine_(*env_) {
    std::string pattern = testing::TempDir() + "baton-query-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    manager_ = std::move(*ViewManager::open(*env_, &engine_, directory_));
    EXPECT_TRUE(manager_->load_text(kView, "views.yaml"));
  }
  ~ViewQueryLimits() override {
    manager_.reset();
    (void)os::remove_tree(env_->fs(), directory_);
  }
  std::unique_ptr<os::Env> env_;
  FakeEngine engine_;
  std::string directory_;
  std::unique_ptr<ViewManager> manager_;
};

TEST_F(ViewQueryLimits, WhatAnEventHoldsAtMostCanBeSortedAndReturned) {
  for (int i = 0; i < 3; ++i) engine_.add("Noted", R"({"text":")" + std::string((1 << 20) - 100, static_cast<char>('a' + i)) + "\"}");
  ASSERT_EQ(manager_->catch_up("notes").value_or(-1), 3);
  const auto result = manager_->query("notes", "SELECT id, text, whole FROM note ORDER BY id % 2, id");
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(result->rows.size(), 3U);
}

TEST_F(ViewQueryLimits, TheyHoldForThePastToo) {
  engine_.add("Noted", R"({"text":"first"})");
  engine_.add("Noted", R"({"text":"second"})");
  ASSERT_EQ(manager_->catch_up("notes").value_or(-1), 2);
  const AsOf past{.position = FakeEngine::position(1)};
  const auto whole = manager_->query_as_of("notes", "SELECT text FROM note", past);
  ASSERT_TRUE(whole) << whole.error().to_string();
  EXPECT_EQ(whole->rows.size(), 1U);
  EXPECT_EQ(manager_->query_as_of("notes", doubling(30), past).error().code, Code::too_large);
  EXPECT_EQ(manager_->query_as_of("notes", "SELECT hex(zeroblob(2000000))", past).error().code, Code::too_large);
}

TEST_F(ViewQueryLimits, AViewsOwnStatementsKeepTheirs) {
  ASSERT_TRUE(manager_->load_text("views:\n  large:\n    context: notes\n    tables: CREATE TABLE t (n INTEGER)\n    on:\n      Noted: INSERT INTO t VALUES (length(zeroblob(60000000)))\n", "v.yaml"));
  engine_.add("Noted", R"({"text":"one"})");
  EXPECT_EQ(manager_->catch_up("large").value_or(-1), 1);
}

TEST_F(ViewQueryLimits, APrefixIsStillFoundInAnIndex) {
  engine_.add("Noted", R"({"text":"first"})");
  ASSERT_EQ(manager_->catch_up("notes").value_or(-1), 1);
  const auto plan = [&](const std::string& condition) {
    const auto result = manager_->query("notes", "EXPLAIN QUERY PLAN SELECT id FROM note WHERE text " + condition);
    return result ? to_text(result->rows[0][3]) : result.error().to_string();
  };
  EXPECT_NE(plan("GLOB 'fi*'").find("(text>? AND text<?)"), std::string::npos) << plan("GLOB 'fi*'");
  // Such a pattern may be anything, and is not left to SQLite.
  for (const char* condition : {"GLOB 'fi*r*'", "GLOB 'fi*' || whole", "GLOB 'fi*' AND \"like\"('%a%a', text)", "GLOB 'fi*' AND text LIKE '%a'"})
    EXPECT_EQ(plan(condition).find("(text>?"), std::string::npos) << condition;
}

}  // namespace
}  // namespace baton::view
