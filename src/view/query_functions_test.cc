// The functions that queries get give what SQLite's own give.
#include "view/query_functions.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "view/vfs.h"

namespace baton::view {
namespace {

class QueryFunctions : public testing::Test {
 protected:
  QueryFunctions() : env_(os::make_posix_env()), vfs_(*env_) {
    sqlite_ = std::move(*Database::open_memory(vfs_));
    ours_ = std::move(*Database::open_memory(vfs_));
    EXPECT_TRUE(give_query_functions(ours_, "LIKE"));
  }
  // Type and bytes of what a call gives, or the error.
  static std::string answer(Database& db, const std::string& sql) {
    auto statement = db.prepare(sql);
    if (!statement) return statement.error().detail;
    auto row = statement->step();
    if (!row) return row.error().detail;
    return statement->text(0) + " " + statement->text(1);
  }
  void expect_same(const std::string& call) {
    const std::string sql = "SELECT typeof(x), hex(x) FROM (SELECT " + call + " AS x)";
    EXPECT_EQ(answer(ours_, sql), answer(sqlite_, sql)) << call;
  }
  std::string one_of(const std::vector<std::string>& values) { return values[random_() % values.size()]; }
  // A literal of a few letters, with characters of several bytes and bytes that are no UTF-8 among them.
  std::string text(std::initializer_list<const char*> letters) {
    const std::vector<std::string> from(letters.begin(), letters.end());
    std::string out = "'";
    for (auto n = random_() % 9; n > 0; --n) out += one_of(from);
    return out + "'";
  }
  std::string value() {
    switch (random_() % 12) {
      case 0: return "NULL";
      case 1: return std::to_string(static_cast<int>(random_() % 300));
      case 2: return "12.5";
      case 3: return one_of({"x'6162'", "x''", "x'00'", "x'6100c3a4'", "x'a4'", "x'6162616263'"});
      case 4: return "'a' || char(0) || 'b'";
      default: return text({"a", "b", "ab", "\xC3\xA4", "\xE2\x82\xAC", "\xA4", "\xE2\x82", "\xFF"});
    }
  }

  std::unique_ptr<os::Env> env_;
  Vfs vfs_;
  Database sqlite_, ours_;
  std::mt19937 random_{1};
};

TEST_F(QueryFunctions, FindReplaceAndTrimAsSqliteDoes) {
  for (int i = 0; i < 20'000; ++i) {
    const std::string two = "(" + value() + ", " + value() + ")";
    expect_same(one_of({"instr", "trim", "ltrim", "rtrim"}) + two);
    expect_same("replace(" + value() + ", " + value() + ", " + value() + ")");
  }
}

TEST_F(QueryFunctions, CompareWithPatternsAsSqliteDoes) {
  const auto like = [&] { return text({"a", "A", "b", "%", "_", "\\", "\xC3\xA4", "\xC3\x84", "%a"}); };
  const auto glob = [&] { return text({"a", "A", "b", "*", "?", "[", "]", "^", "-", "[^a]", "[a-c]", "[]]", "\xC3\xA4", "*b"}); };
  int matches = 0;
  for (int i = 0; i < 10'000; ++i) {
    const std::string subject = random_() % 4 == 0 ? value() : text({"a", "A", "b", "B", "]", "-", "%", "\\", "\xC3\xA4", "\xC3\x84"});
    // Short ones are left to SQLite.
    const std::string pad = i % 4 == 0 ? "" : " || '" + std::string(300, 'z') + "'";
    const auto compare = [&](const char* how, const std::string& pattern) { return "(" + subject + pad + ") " + how + " (" + pattern + pad + ")"; };
    const std::string escape = " ESCAPE " + one_of({"'\\'", "'%'", "'_'", "'\xC3\xA4'", "'ab'", "NULL", "'a'"});
    for (const std::string& call : {compare("LIKE", like()), compare("LIKE", like()) + escape, compare("GLOB", glob()), compare("LIKE", value())}) {
      expect_same(call);
      matches += answer(ours_, "SELECT 1, 1 WHERE " + call) == "1 1" ? 1 : 0;
    }
  }
  EXPECT_GT(matches, 500);  // or it has compared refusals
}

TEST_F(QueryFunctions, FormatAsSqliteDoes) {
  for (int i = 0; i < 10'000; ++i) {
    std::string format = "'";
    for (auto n = random_() % 3 + 1; n > 0; --n) {
      format += one_of({"", "x", "\xC3\xA4"}) + "%" + one_of({"", "", "-", "+", " ", "#", "!", "0", ",", "-0"}) + one_of({"", "", "3", "12", "*"}) +
                one_of({"", "", ".", ".0", ".2", ".10", ".*"}) + one_of({"", "", "l", "ll"}) +
                one_of({"d", "i", "u", "x", "X", "o", "r", "f", "e", "E", "g", "G", "s", "z", "q", "Q", "w", "c", "%", "n", "p", "y", "T", ""});
    }
    std::string call = one_of({"printf", "format"}) + "(" + format + "'";
    for (auto n = random_() % 5; n > 0; --n) call += ", " + (random_() % 3 == 0 ? one_of({"3", "-4", "1234567", "0.1", "1e300", "-2147483648", "NULL", "x'6162'"}) : text({"a", "''", "\xC3\xA4", "\xE2\x82\xAC"}));
    expect_same(call + ")");
  }
  for (const char* call : {"printf()", "printf(NULL)", "printf('%')", "printf('%5')", "printf('')", "printf(12)", "format('%s', x'61')"}) expect_same(call);
}

}  // namespace
}  // namespace baton::view
