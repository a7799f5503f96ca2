#include "view/view_file.h"

#include <gtest/gtest.h>

#include "view/sql_text.h"
#include "view/statements.h"

namespace baton::view {
namespace {

// A view with one table and these statements for the type Happened.
std::string file_with(const std::string& statement, const std::string& tables = "CREATE TABLE t (a INTEGER PRIMARY KEY, b)") {
  return "views:\n  v:\n    context: rides\n    tables: |\n      " + tables + "\n    on:\n      Happened:\n        - " +
         statement + "\n";
}

// What is wrong with a view file, its SQL included; empty when nothing is.
std::string wrong(const std::string& text) {
  auto views = parse_view_file(text, "v.yaml");
  if (!views) return views.error().detail;
  const auto env = os::make_posix_env();
  const Vfs vfs(*env);
  for (const auto& view : *views) {
    if (auto checked = check_view(vfs, view); !checked) return checked.error().detail;
  }
  return {};
}

TEST(ViewFile, AWorkedExampleIsRead) {
  auto views = parse_view_file(R"(
views:
  bikes:
    context: rides
    tables:
      - CREATE TABLE bike (id INTEGER PRIMARY KEY); CREATE INDEX i ON bike (id);
      - CREATE TABLE other (id)
    on:
      rides.RideEnded: "DELETE FROM bike WHERE id = :bike"
      RideStarted:
        - INSERT INTO bike VALUES (:bike)
        - {sql: UPDATE bike SET id = id, rows: 0..1}
    keep: {every: 5, copies: 2}
)",
                               "v.yaml");
  ASSERT_TRUE(views) << views.error().detail;
  ASSERT_EQ(views->size(), 1U);
  const auto& view = (*views)[0];
  EXPECT_EQ(view.name, "bikes");
  EXPECT_EQ(view.tables.size(), 3U);
  ASSERT_EQ(view.on.size(), 2U);
  EXPECT_EQ(view.on[0].type, "RideEnded");
  EXPECT_EQ(view.on[1].statements[1].rows->to_string(), "0..1");
  EXPECT_EQ(view.on[1].statements[1].where, "v.yaml:12:17");
  EXPECT_EQ(view.keep.every, 5);
  EXPECT_EQ(view.digest.size(), 64U);
}

TEST(ViewFile, TheCanonicalTextIsAViewFileOfTheSameDigest) {
  auto views =
      parse_view_file(file_with("{sql: \"INSERT INTO t VALUES (:a, 'quote \\\" tab \\t end')\", rows: 1..}"), "v.yaml");
  ASSERT_TRUE(views) << views.error().detail;
  auto again = parse_view_file((*views)[0].json, "json");
  ASSERT_TRUE(again) << again.error().detail;
  EXPECT_EQ((*again)[0].json, (*views)[0].json);
  EXPECT_EQ((*again)[0].digest, (*views)[0].digest);
}

TEST(ViewFile, CommentsAndKeepDoNotChangeTheDigestAndSqlDoes) {
  const auto digest = [](const std::string& text) { return parse_view_file(text, "v").value()[0].digest; };
  const std::string base = file_with("DELETE FROM t WHERE a = :a");
  EXPECT_EQ(digest(base), digest("# a comment\n" + base + "    keep: {copies: 0}\n"));
  EXPECT_NE(digest(base), digest(file_with("DELETE FROM t WHERE a = :b")));
}

TEST(ViewFile, ErrorsSayFileLineAndColumn) {
  EXPECT_EQ(wrong("views: ["), "v.yaml:1:1: end of sequence flow not found");
  EXPECT_EQ(wrong("views:\n  v:\n    contxt: rides\n"),
            "v.yaml:3:5: unknown key 'contxt' in view 'v': did you mean 'context'?");
  EXPECT_EQ(wrong("views:\n  v:\n    context: rides\n"), "v.yaml:2:3: view 'v' has no 'tables'");
  EXPECT_EQ(wrong("views:\n  V:\n    context: rides\n"),
            "v.yaml:2:3: 'V' is not a name: lower-case letters, digits, '_' and '-', a letter first, at most 63");
  EXPECT_EQ(wrong("views:\n  v: {context: a, context: b}"), "v.yaml:2:19: the key 'context' is there twice");
  EXPECT_EQ(wrong(file_with("{sql: DELETE FROM t, rows: many}")),
            "v.yaml:8:38: 'rows' must be a number or a range, as in 1, 0..1 or 1..");
  EXPECT_EQ(wrong(file_with("DELETE FROM t WHERE c = :a")), "v.yaml:8:11: view 'v', Happened, statement 1: no such column: c");
  EXPECT_EQ(wrong("nothing"), "v.yaml:1:1: a view file is a map with the key 'views'");
  EXPECT_EQ(wrong(""), "v.yaml: : a view file is a map with the key 'views'");
}

TEST(ViewFile, WhatIsNotAFunctionOfTheEventIsRefused) {
  const auto cause = [](const std::string& statement) {
    const std::string text = wrong(file_with(statement));
    const auto at = text.find("statement 1: ");
    return at == std::string::npos ? text : text.substr(at + 13);
  };
  const std::string impure = "() is not a function of the event: use @time, @recorded or a field of the event";
  EXPECT_EQ(cause("INSERT INTO t VALUES (1, random())"), "random" + impure);
  EXPECT_EQ(cause("INSERT INTO t VALUES (1, randomblob(8))"), "randomblob" + impure);
  EXPECT_EQ(cause("INSERT INTO t VALUES (1, CURRENT_TIMESTAMP)"), "current_timestamp" + impure);
  EXPECT_EQ(cause("UPDATE t SET b = last_insert_rowid()"), "last_insert_rowid" + impure);
  EXPECT_EQ(cause("UPDATE t SET b = changes()"), "changes" + impure);
  EXPECT_EQ(cause("UPDATE t SET b = load_extension('x')"), "load_extension() is not allowed");
  EXPECT_EQ(cause("PRAGMA journal_mode"), "only INSERT, REPLACE, UPDATE and DELETE are allowed, also after WITH");
  EXPECT_EQ(cause("ATTACH 'x' AS y"), "only INSERT, REPLACE, UPDATE and DELETE are allowed, also after WITH");
  EXPECT_EQ(cause("COMMIT"), "only INSERT, REPLACE, UPDATE and DELETE are allowed, also after WITH");
  EXPECT_EQ(cause("DROP TABLE t"), "only INSERT, REPLACE, UPDATE and DELETE are allowed, also after WITH");
  EXPECT_EQ(cause("WITH x AS (SELECT 1) SELECT * FROM x"), "the statement changes nothing");
  EXPECT_EQ(cause("DELETE FROM sqlite_schema"), "table sqlite_master may not be modified");
  EXPECT_EQ(cause("UPDATE t SET b = (SELECT position FROM baton_checkpoint)"), "no such table: baton_checkpoint");
  EXPECT_EQ(cause("UPDATE t SET b = ?"),
            "'?' is not a parameter of views: write :field for the data and @name for the envelope");
  EXPECT_EQ(cause("UPDATE t SET b = $x"),
            "'$x' is not a parameter of views: write :field for the data and @name for the envelope");
  EXPECT_EQ(cause("UPDATE t SET b = @tme"),
            "@tme is not a part of the envelope: did you mean 'time'?; a field of the data is written :field");
  EXPECT_EQ(cause("DELETE FROM t; DELETE FROM t"), "more than one statement: make it a list");
  EXPECT_EQ(cause("DELETE FROM t RETURNING a"), "RETURNING has no use in a view");
  EXPECT_EQ(cause("UPDATE t SET b = \"nothing\""), "no such column: nothing");
}

TEST(ViewFile, TablesMayOnlyMakeWhatAViewOwns) {
  const auto cause = [](const std::string& tables) {
    const std::string text = wrong(file_with("DELETE FROM t", tables));
    const auto at = text.find("tables, statement ");
    return at == std::string::npos ? text : text.substr(at + 21);
  };
  EXPECT_EQ(cause("CREATE TABLE t (a DEFAULT CURRENT_TIMESTAMP)"),
            "CURRENT_TIMESTAMP is not a function of the event: give the column a value in the statements");
  EXPECT_EQ(cause("CREATE TABLE t (a DEFAULT (random()))"),
            "random() is not a function of the event: give the column a value in the statements");
  EXPECT_EQ(cause("CREATE TABLE baton_x (a)"), "the name 'baton_x' is reserved: choose one that does not begin with baton_");
  EXPECT_EQ(cause("CREATE TEMP TABLE t (a)"), "temporary tables, indexes, triggers and views are not allowed");
  EXPECT_EQ(cause("CREATE VIRTUAL TABLE t USING rtree(a, b, c)"), "virtual table module 'rtree' is not allowed: fts5 is");
  EXPECT_EQ(cause("DROP TABLE t"), "only CREATE statements are allowed under `tables`");
  EXPECT_EQ(cause("PRAGMA user_version = 3"), "only CREATE statements are allowed under `tables`");
  EXPECT_EQ(cause("CREATE TABLE t (a); CREATE TRIGGER r AFTER DELETE ON t BEGIN DELETE FROM t WHERE a = 1; END; CREATE VIEW w "
                  "AS SELECT a FROM t"),
            "");
  EXPECT_EQ(cause("CREATE VIRTUAL TABLE t USING fts5(a, tokenize = 'unicode61')"), "");
}

TEST(SqlText, ParametersAreFoundWhereTheyAreAndNowhereElse) {
  const auto numbered = [](std::string_view sql) {
    auto out = number_parameters(sql);
    return out ? out->sql : "error: " + out.error().detail;
  };
  EXPECT_EQ(numbered("SELECT :a, :b, :a"), "SELECT ?1, ?2, ?1");
  EXPECT_EQ(numbered("SELECT ':a', \":b\", [:c], `:d`, 'it''s :e' -- :f\n, /* :g */ :h"),
            "SELECT ':a', \":b\", [:c], `:d`, 'it''s :e' -- :f\n, /* :g */ ?1");
  EXPECT_EQ(numbered("SELECT :a.b.0.c, :a.b.0.c?, :\"first-name\".\"x\"\"y\", @time"), "SELECT ?1, ?2, ?3, ?4");
  EXPECT_EQ(numbered("SELECT :a||:b"), "SELECT ?1||?2");
  EXPECT_EQ(numbered("SELECT :a? FROM t;"), "SELECT ?1 FROM t");
  EXPECT_EQ(numbered("SELECT 'open"), "error: a ' is not closed");
  EXPECT_EQ(numbered("SELECT /* open"), "error: a comment that begins with /* does not end");
  EXPECT_EQ(numbered("SELECT :"),
            "error: a ':' must be followed by a field's name, as in :bike, :address.city or :lines.0.sku");
  EXPECT_EQ(numbered("SELECT :a."),
            "error: a ':' must be followed by a field's name, as in :bike, :address.city or :lines.0.sku");
  EXPECT_EQ(numbered("SELECT 1e5, 0x1e+2, .5, 1.e-3"), "SELECT 1e5, 0x1e+2, .5, 1.e-3");
  auto path = number_parameters("SELECT :\"first-name\".\"x\"\"y\".0?");
  ASSERT_TRUE(path);
  EXPECT_EQ(path->parameters[0].path, (std::vector<std::string>{"first-name", "x\"y", "0"}));
  EXPECT_TRUE(path->parameters[0].optional);
}

TEST(SqlText, StatementsAreSplitOutsideOfTriggerBodiesAndStrings) {
  auto parts = split_statements(
      "CREATE TABLE a (x DEFAULT ';'); ; CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET x = CASE WHEN 1 THEN 2 END; "
      "DELETE FROM a; END;\n"
      "-- the end;\nCREATE TABLE b (y)");
  ASSERT_TRUE(parts);
  ASSERT_EQ(parts->size(), 3U);
  EXPECT_EQ((*parts)[0], "CREATE TABLE a (x DEFAULT ';')");
  EXPECT_TRUE((*parts)[1].ends_with("END"));
  EXPECT_TRUE((*parts)[2].ends_with("CREATE TABLE b (y)"));
}

}  // namespace
}  // namespace baton::view
