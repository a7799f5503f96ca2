// Each error of a map, with its place. What right maps do is in map_doc_test.cc and import_test.cc.
#include "cli/map_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/import_for_test.h"

namespace baton::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::string_view kMap =
    "context: rides\n"                                                             // line 1
    "source: /s\n"                                                                 // 2
    "format: csv\n"                                                                // 3
    "time_zone: UTC\n"                                                             // 4
    "order_by: time\n"                                                             // 5
    "lookups:\n"                                                                   // 6
    "  place: {file: p.csv, key: id, duplicates: first}\n"                         // 7
    "fields:\n"                                                                    // 8
    "  a: {column: a, type: integer}\n"                                            // 9
    "  t: {column: t, type: time, fold: later, gap: shift, format: iso}\n"         // 10
    "  p: {lookup: place, by: a, column: name, missing: \"null\"}\n"               // 11
    "  h: {local: t, format: \"%H\"}\n"                                            // 12
    "  b: {column: b, type: boolean, yes: [y], no: [n]}\n"                         // 13
    "events:\n"                                                                    // 14
    "  - {type: A, stream: \"s-{a}\", id: \"{a}\", time: t, when: a, tags: [\"x:{a}\"], data: {a: a}}\n"  // 15
    "checks:\n"                                                                    // 16
    "  - {name: c, when: \"a > 1\"}\n";                                            // 17

// The error of the map with one part replaced.
std::string error_of(std::string_view part, std::string_view by) {
  std::string text(kMap);
  const auto at = text.find(part);
  EXPECT_NE(at, std::string::npos) << part;
  text.replace(at, part.size(), by);
  const auto map = parse_map(text, "m.yaml");
  return map ? "no error" : map.error().detail;
}

TEST(MapFile, IsFineAsItIs) {
  const auto map = parse_map(kMap, "m.yaml");
  ASSERT_TRUE(map) << map.error().detail;
  EXPECT_EQ(map->context, "rides");
  EXPECT_TRUE(map->by_time);
  EXPECT_EQ(map->fields.size(), 6U);
  EXPECT_THAT(map->columns, ::testing::ElementsAre("a", "t", "b"));
  EXPECT_EQ(map->columns_where[1], "m.yaml:10:15");
}

struct Wrong {
  const char *part, *by, *error;
};

TEST(MapFile, EveryErrorSaysWhereAndWhat) {
  const Wrong wrongs[] = {
      // The map as a whole.
      {"context: rides\n", "context: rides\nsauce: x\n", "m.yaml:2:1: unknown key 'sauce' in the map: did you mean 'source'?"},
      {"context: rides\n", "context: rides\ncontext: x\n", "m.yaml:2:1: the key 'context' is there twice"},
      {"context: rides\n", "", "m.yaml:1:1: the map has no 'context'"},
      {"context: rides", "context: Rides", "m.yaml:1:10: 'Rides' is no context"},
      {"context: rides", "context: [a]", "m.yaml:1:10: 'context' must be a text"},
      {"context: rides", "context: \"\"", "m.yaml:1:10: 'context' is empty"},
      {"source: /s", "source: \"a\\0b\"", "m.yaml:2:9: 'source' is not UTF-8 text"},
      {"format: csv", "format: cvs", "m.yaml:3:9: 'cvs' is no value of 'format': known are csv, ndjson"},
      {"time_zone: UTC", "time_zone: Mars/Base", "m.yaml:4:12: 'Mars/Base' is no time zone"},
      {"order_by: time", "order_by: column", "m.yaml:5:11: 'column' is no value of 'order_by': known are row, time"},
      {"context: rides", "context: *x", "m.yaml:1:10: not YAML"},
      {"context: rides", "context: [", "not YAML"},
      // Look-ups.
      {"place: {file", "1place: {file", "m.yaml:7:3: '1place' is no name"},
      {"place: {file: p.csv, ", "place: {", "m.yaml:7:10: look-up 'place' has no 'file'"},
      {"duplicates: first", "duplicates: newest", "'newest' is no value of 'duplicates': known are refuse, first, last"},
      {"duplicates: first", "duplicate: first", "unknown key 'duplicate' in look-up 'place': did you mean 'duplicates'?"},
      {"type: A,", "type: baton.A,", "m.yaml:15:12: 'type' is baton.A: types that start with baton. belong to the store"},
      // Fields.
      {"a: {column: a, type: integer}", "row: {column: a}", "m.yaml:9:3: 'row' is always there"},
      {"a: {column: a, type: integer}", "and: {column: a}", "m.yaml:9:3: 'and' is no name for a field"},
      {"a: {column: a, type: integer}", "a-b: {column: a}", "m.yaml:9:3: 'a-b' is no name for a field"},
      {"a: {column: a, type: integer}", "a: a", "m.yaml:9:6: field 'a' must be a map"},
      {"{column: a, type: integer}", "{type: integer}", "m.yaml:9:6: field 'a' has no 'column'"},
      {"type: integer}", "type: int}", "m.yaml:9:24: 'int' is no value of 'type': known are string, integer"},
      {"type: integer}", "type: integer, fold: later}", "unknown key 'fold' in field 'a' of type integer"},
      {"type: integer}", "type: integer, empty: keep}", "only a string can be kept empty"},
      {"type: integer}", "type: integer, empty: none}", "'none' is no value of 'empty'"},
      {"fold: later", "fold: last", "'last' is no value of 'fold'"},
      {"gap: shift", "gap: jump", "'jump' is no value of 'gap'"},
      {"format: iso", "format: us", "m.yaml:10:63: the format of a time is iso"},
      {"format: iso", "format: \"%q\"", "'%q' is no conversion"},
      {"format: iso", "time_zone: X", "'X' is no time zone"},
      {"lookup: place", "lookup: plaza", "m.yaml:11:15: 'plaza' is no value of the look-ups: did you mean 'place'?"},
      {"by: a", "by: h", "m.yaml:11:26: 'by': there is no field 'h' (before this place)"},
      {"by: a, ", "", "field 'p' has no 'by'"},
      {"missing: \"null\"", "missing: skip", "'skip' is no value of 'missing': known are reject, null"},
      {"local: t", "local: a", "m.yaml:12:14: 'local' renders a time, and this field is none"},
      {"local: t", "local: zz", "there is no field 'zz'"},
      {"format: \"%H\"", "format: \"%c\"", "'%c' is no conversion"},
      {", format: \"%H\"", "", "field 'h' has no 'format'"},
      {"{local: t,", "{local: t, type: string,", "unknown key 'type' in field 'h'"},
      {", no: [n]", "", "must name 'yes' and 'no' both"},
      {"no: [n]", "no: [y]", "'y' cannot be yes and no"},
      {"no: [n]", "no: []", "'no' must be a text, or a list of 1 to 16 texts"},
      // Events.
      {"type: A, ", "", "m.yaml:15:5: the event has no 'type'"},
      {"type: A", "typo: A", "the event has no 'type'"},
      {"when: a", "where: a", "unknown key 'where' in event 'A': did you mean 'when'?"},
      {"when: a", "when: \"a >\"", "m.yaml:15:58: 'when': character 4: the expression ends too early"},
      {"stream: \"s-{a}\", ", "", "event 'A' has no 'stream'"},
      {"id: \"{a}\", ", "", "event 'A' has no 'id': a text that is the same whenever"},
      {"id: \"{a}\"", "id: \"{c}\"", "m.yaml:15:36: 'id': character 2: there is no field 'c'"},
      {"id: \"{a}\"", "id: \"{a\"", "'id': character 1: a brace has no partner"},
      {"id: \"{a}\"", "id: \"a}\"", "'id': character 2: a brace has no partner"},
      {"time: t, ", "", "event 'A' has no 'time', by which the map orders"},
      {"time: t,", "time: a,", "'time' must be a field of type time"},
      {"[\"x:{a}\"]", "[\"{a}:x\"]", "a tag is a name, a colon and a value"},
      {"[\"x:{a}\"]", "[\":{a}\"]", "a tag is a name, a colon and a value"},
      {"[\"x:{a}\"]", "\"x:{a}\"", "'tags' must be a list"},
      {"data: {a: a}", "data: a", "'data' must be a map from keys to fields"},
      {"data: {a: a}", "data: {a: {b: [a, q]}}", "'data': there is no field 'q'"},
      {"data: {a: a}", "data: {a: [[[[[[[a]]]]]]]}", "data has more than 7 levels in it"},
      {"data: {a: a}", "data: {a: ~}", "is made of names of fields"},
      {", data: {a: a}", "", "event 'A' has no 'data'"},
      {"events:\n", "events: {}\nmore:\n", "unknown key 'more'"},
      // Checks.
      {"name: c, ", "", "m.yaml:17:5: the check has no 'name'"},
      {"when: \"a > 1\"", "when: \"a + 1\"", "an integer is no condition"},
      {"  - {name: c", "  - {name: c, when: a}\n  - {name: c", "the check 'c' is there twice"},
  };
  for (const auto& wrong : wrongs) {
    const auto error = error_of(wrong.part, wrong.by);
    EXPECT_THAT(error, StartsWith("m.yaml:")) << wrong.by;
    EXPECT_THAT(error, HasSubstr(wrong.error)) << wrong.by;
  }
}

TEST(MapFile, HasLimits) {
  EXPECT_EQ(parse_map(std::string(kMapBytesMax + 1, ' '), "m").error().code, Code::too_large);
  EXPECT_THAT(error_of("id: \"{a}\"", "id: \"" + std::string(1001, 'x') + "\""), HasSubstr("more than 1000 bytes"));
  std::string many;
  for (int i = 0; i < 300; ++i) many += "k" + std::to_string(i) + ": a, ";
  EXPECT_THAT(error_of("data: {a: a}", "data: {" + many + "}"), HasSubstr("more than 256 keys"));
  EXPECT_EQ(error_of("data: {a: a}", "data: {a: [[[[[[a]]]]]]}"), "no error");  // 7 levels
  const auto list_of = [](int fields) {
    std::string list = "data: {a: [a";
    for (int i = 1; i < fields; ++i) list += ", a";
    return list + "]}";
  };
  EXPECT_EQ(error_of("data: {a: a}", list_of(254)), "no error");  // and the list
  EXPECT_THAT(error_of("data: {a: a}", list_of(255)), HasSubstr("data has more than 255 values in it"));
  std::string tags;
  for (int i = 0; i < 17; ++i) tags += "\"x:{a}\",";
  EXPECT_THAT(error_of("[\"x:{a}\"]", "[" + tags + "]"), HasSubstr("at most 16 tags"));
  std::string parts;
  for (int i = 0; i < 32; ++i) parts += "{a}";
  EXPECT_THAT(error_of("id: \"{a}\"", "id: \"" + parts + "\""), HasSubstr("more than 31 fields"));
}

TEST(MapFile, AliasesThatMultiplyEndAtTheLimits) {
  std::string data = "data: {a: &x0 [a, a]";
  for (int i = 1; i < 8; ++i) data += ", b" + std::to_string(i) + ": &x" + std::to_string(i) + " [*x" + std::to_string(i - 1) + ", *x" + std::to_string(i - 1) + ", *x" + std::to_string(i - 1) + "]";
  EXPECT_THAT(error_of("data: {a: a}", data + "}"), HasSubstr("data has more than"));
  EXPECT_THAT(parse_map(std::string(200'000, '['), "m").error().detail, HasSubstr("not YAML"));
}

using MapAndFile = for_test::ImportTest;

TEST_F(MapAndFile, MustFit) {
  write("/in/p.csv", "id,name\n1,x\n");
  EXPECT_EQ(error_of(kMap, "a,tt,b\n"), "/in/map.yaml:10:15: /in/rows.csv has no column 't': did you mean 'a'?");
  EXPECT_THAT(error_of(kMap, ""), HasSubstr("/in/rows.csv: no header line"));
  write("/in/p.csv", "id,nome\n1,x\n");
  EXPECT_EQ(error_of(kMap, "a,t,b\n"), "/in/map.yaml:7:3: look-up 'place': /in/p.csv has no column 'name': did you mean 'nome'?");
  (void)env_->fs().remove("/in/p.csv");
  EXPECT_EQ(error_of(kMap, "a,t,b\n"), "/in/map.yaml:7:3: look-up 'place': no file p.csv beside /in/rows.csv or the map");
  options_.map = "/in/none.yaml";
  const auto none = import();
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Code::not_found);
}

}  // namespace
}  // namespace baton::cli
