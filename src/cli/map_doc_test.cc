// The page docs/formats/map.md: each of its examples does what the page says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cli/expression.h"
#include "cli/import_for_test.h"
#include "cli/map_file.h"

namespace baton::cli {
namespace {

using for_test::ImportTest;
using for_test::lines_of;

struct Block {
  std::string kind, argument, text;  // ```kind argument
};

std::vector<Block> blocks_of_the_page() {
  const auto env = os::make_posix_env();
  const std::string page = for_test::read_text(env->fs(), BATON_SOURCE_DIR "/docs/formats/map.md");
  std::vector<Block> out;
  for (std::size_t at = page.find("\n```"); at != std::string::npos; at = page.find("\n```", at + 1)) {
    const auto line = page.find('\n', at + 1), end = page.find("\n```", line);
    const auto head = page.substr(at + 4, line - at - 4);
    const auto space = std::min(head.find(' '), head.size());
    out.push_back({head.substr(0, space), head.substr(std::min(space + 1, head.size())), page.substr(line + 1, end - line)});
    at = end;
  }
  return out;
}

using MapPage = ImportTest;

TEST_F(MapPage, SaysWhatItsMapsDo) {
  int maps = 0;
  std::string rows_file;
  for (const auto& block : blocks_of_the_page()) {
    SCOPED_TRACE(block.kind + " " + block.argument + "\n" + block.text);
    if (block.kind == "yaml") {
      ++maps;
      rows_file.clear();
      write("/in/map.yaml", block.text);
    } else if (block.argument == "events") {
      options_.file = rows_file;
      const auto report = import();
      ASSERT_TRUE(report) << report.error().to_string();
      std::string all;
      for (const auto& line : lines_of(*store_, report->context)) all += line + "\n";
      EXPECT_EQ(all, block.text);
    } else if (block.argument == "rejects") {
      EXPECT_EQ(for_test::read_text(env_->fs(), rows_file + ".rejects.csv"), block.text);
    } else if (block.kind == "csv" || block.kind == "ndjson") {
      if (rows_file.empty()) rows_file = "/in/" + block.argument;
      // The last row of the NDJSON example ends in the middle, as the page has it.
      write("/in/" + block.argument, block.text);
    }
  }
  EXPECT_EQ(maps, 2);
}

TEST(MapPageExpressions, AreWhatThePageSays) {
  const std::vector<std::pair<std::string, FieldType>> fields = {{"n", FieldType::integer},   {"price", FieldType::decimal}, {"paid", FieldType::boolean},
                                                                 {"code", FieldType::string}, {"note", FieldType::string},   {"at", FieldType::time},
                                                                 {"until", FieldType::time}};
  const FieldResolver resolve = [&](std::string_view name) -> std::optional<ExpressionField> {
    for (std::size_t i = 0; i < fields.size(); ++i)
      if (fields[i].first == name) return ExpressionField{i, fields[i].second};
    return std::nullopt;
  };
  const auto at = Time::parse("2014-01-01T08:14:00Z")->ns;
  const std::vector<Value> row = {Value::of_integer(3),      Value::of_decimal("2.50"), Value::of_boolean(true), Value::of_string("AB12"), {},
                                  Value::of_time(at), Value::of_time(at + 7200LL * 1'000'000'000)};
  int lines = 0;
  for (const auto& block : blocks_of_the_page()) {
    if (block.kind != "expressions") continue;
    std::string_view rest = block.text;
    while (!rest.empty()) {
      const auto line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(line.size() + 1, rest.size()));
      const auto wide = line.rfind(' ');
      const std::string text(line.substr(0, line.find_last_not_of(' ', wide) + 1)), expected(line.substr(wide + 1));
      SCOPED_TRACE(text);
      ++lines;
      const auto expression = Expression::parse(text, resolve), opposite = Expression::parse("not (" + text + ")", resolve);
      ASSERT_TRUE(expression) << expression.error().detail;
      ASSERT_TRUE(opposite) << opposite.error().detail;
      const std::string found = expression->holds(row) ? "true" : opposite->holds(row) ? "false" : "unknown";
      EXPECT_EQ(found, expected);
    }
  }
  EXPECT_EQ(lines, 14);
}

}  // namespace
}  // namespace baton::cli
