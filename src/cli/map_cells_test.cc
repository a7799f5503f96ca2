#include "cli/map_cells.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "cli/import_for_test.h"
#include "os/twins_for_test.h"

namespace baton::cli {
namespace {

using ::testing::HasSubstr;

std::string show(const Cell& cell) {
  static constexpr const char* kKinds[] = {"missing", "null", "text", "number", "boolean", "compound"};
  return std::string(kKinds[static_cast<std::size_t>(cell.kind)]) + " " + std::string(cell.text);
}

// The cells of one object, or why it is none.
std::string pick(const std::vector<std::string>& paths, std::string_view json) {
  JsonCells cells(paths);
  std::vector<Cell> found;
  // A first object, so that what is left of it would show.
  EXPECT_EQ(cells.extract(R"({"a":"old","b":{"c":"old"},"l":["old","old"]})", found), "");
  const auto problem = cells.extract(json, found);
  if (!problem.empty()) return problem;
  std::string out;
  for (const auto& cell : found) out += show(cell) + ";";
  return out;
}

TEST(JsonCells, PicksByPath) {
  EXPECT_EQ(pick({"a", "b.c", "l.1", "l", "x"}, R"({"b":{"c":"\u00e9\n","d":[1]},"l":[true,null],"a":12.50})"), "number 12.50;text é\n;null ;compound ;missing ;");
  EXPECT_EQ(pick({"a", "a.b"}, R"({"a":{"b":false}})"), "compound ;boolean false;");
  EXPECT_EQ(pick({"a.0", "a.1.b", "a.2"}, R"({"a":[[1,2],{"b":3},[]]})"), "compound ;number 3;compound ;");
  EXPECT_EQ(pick({"a.0"}, R"({"a":{"0":"a name"}})"), "text a name;");
  EXPECT_EQ(pick({"a.00"}, R"({"a":["no index"]})"), "missing ;");
  EXPECT_EQ(pick({"a"}, R"({"b":{"a":1},"c":[{"a":2}]})"), "missing ;");
  EXPECT_EQ(pick({}, "{}"), "");
}

TEST(JsonCells, NumbersKeepTheirDigits) {
  EXPECT_EQ(pick({"a", "b.c", "l.0", "l.1"}, R"({"a":18446744073709551616,"b":{"c":1.10},"l":[-0.0E+05,0.1000000000000000055511151231257827]})"),
            "number 18446744073709551616;number 1.10;number -0.0E+05;number 0.1000000000000000055511151231257827;");
}

TEST(JsonCells, TheLastOfARepeatedNameCounts) {
  EXPECT_EQ(pick({"a", "b.c"}, R"({"a":1,"b":{"c":1},"a":"two","b":{}})"), "text two;missing ;");
}

TEST(JsonCells, RefusesWhatIsNoObject) {
  EXPECT_EQ(pick({"a"}, "[1]"), "not a JSON object");
  EXPECT_EQ(pick({"a"}, "1"), "not a JSON object");
  for (const char* wrong : {"", "{", R"({"a":})", R"({"a":01})", R"({"a":1}})", R"({"a":1} x)", R"({'a':1})", "{\"a\":\"\xff\"}", R"({"a":NaN})", "{\"a\":1,}"})
    EXPECT_THAT(pick({"a"}, wrong), HasSubstr("not JSON from byte")) << wrong;
  std::string deep = R"({"a":)";
  for (int i = 0; i < 100; ++i) deep += '[';
  EXPECT_THAT(pick({"a"}, deep), HasSubstr("not JSON"));
}

class Rows : public os::OnBothTwins {
 protected:
  // All rows with the cells of `columns`, a line each.
  std::string read(const std::string& name, std::string_view text, const std::vector<std::string>& columns, RowFormat format = RowFormat::by_name) {
    for_test::write_file(fs(), path(name), text);
    auto rows = CellReader::open(env(), path(name), format, columns);
    if (!rows) return rows.error().detail.substr(path("").size());
    if (!(*rows)->missing().empty()) return "no column " + columns[(*rows)->missing().front()];
    std::string out;
    for (CellReader::Next row;;) {
      const auto have = (*rows)->next(row);
      if (!have) return out + have.error().detail;
      if (!*have) return out;
      out += std::to_string(row.number) + ":" + row.problem;
      for (const auto& cell : row.cells) out += show(cell) + ";";
      out += "\n";
    }
  }
};

TEST_P(Rows, AreNamedByTheHeaderOfACsvFile) {
  EXPECT_EQ(read("a.csv", "x,y,z\n1,2,3\n4,5\n\"6\",\"\"\"7\",\n", {"z", "x"}), "1:text 3;text 1;\n2:2 fields where the header has 3\n3:text ;text 6;\n");
  EXPECT_EQ(read("a.csv", "x,y\n", {"x", "w"}), "no column w");
  EXPECT_THAT(read("a.csv", "", {"x"}), HasSubstr("no header line"));
}

TEST_P(Rows, AreWhatTheNameOfTheFileSays) {
  for (const char* name : {"a.ndjson", "a.jsonl", "a.json", "a.ndjson.gz"}) EXPECT_EQ(read(name, "{\"x\":1}\n\n[]\n", {"x"}), "1:number 1;\n2:not a JSON object\n") << name;
  EXPECT_EQ(read("a.txt", "x\n1\n", {"x"}), "1:text 1;\n");
  EXPECT_EQ(read("a.txt", "{\"x\":1}", {"x"}, RowFormat::ndjson), "1:number 1;\n");
}

BATON_ON_BOTH_TWINS(Rows);

}  // namespace
}  // namespace baton::cli
