#include "view/json_fields.h"

#include <gtest/gtest.h>

namespace baton::view {
namespace {

std::string show(const JsonValue& value) {
  switch (value.kind) {
    case JsonValue::Kind::missing: return "missing";
    case JsonValue::Kind::null: return "null";
    case JsonValue::Kind::boolean: return value.integer != 0 ? "true" : "false";
    case JsonValue::Kind::integer: return "integer " + std::to_string(value.integer);
    case JsonValue::Kind::real: return "real " + std::to_string(value.real);
    case JsonValue::Kind::text: return "text " + std::string(value.text);
  }
  return "";
}

std::string pick(std::string_view json, const std::vector<std::string>& path) {
  JsonFields fields;
  const std::size_t number = fields.add(path);
  auto done = fields.extract(json);
  return done ? show(fields[number]) : done.error().detail;
}

TEST(JsonFields, EachKindOfValueKeepsItsKind) {
  constexpr std::string_view json =
      R"( {"s":"text","e":"a\"\\\/\b\f\n\r\té\uD83D\uDE00","i":-9223372036854775808,"big":9223372036854775808,"r":1.5e3,"huge":1e999,
          "t":true,"f":false,"n":null,"o":{"x":[1, {"y":2}]},"a":["p","q"]} )";
  EXPECT_EQ(pick(json, {"s"}), "text text");
  EXPECT_EQ(pick(json, {"e"}), "text a\"\\/\b\f\n\r\té😀");
  EXPECT_EQ(pick(json, {"i"}), "integer -9223372036854775808");
  EXPECT_EQ(pick(json, {"big"}), "text 9223372036854775808");
  EXPECT_EQ(pick(json, {"r"}), "real 1500.000000");
  EXPECT_EQ(pick(json, {"huge"}), "text 1e999");
  EXPECT_EQ(pick(json, {"t"}), "true");
  EXPECT_EQ(pick(json, {"f"}), "false");
  EXPECT_EQ(pick(json, {"n"}), "null");
  EXPECT_EQ(pick(json, {"o"}), R"(text {"x":[1, {"y":2}]})");
  EXPECT_EQ(pick(json, {"o", "x", "1", "y"}), "integer 2");
  EXPECT_EQ(pick(json, {"a", "1"}), "text q");
  EXPECT_EQ(pick(json, {"a", "2"}), "missing");
  EXPECT_EQ(pick(json, {"a", "01"}), "missing");
  EXPECT_EQ(pick(json, {"s", "x"}), "missing");
  EXPECT_EQ(pick(R"(["x"])", {"0"}), "text x");
}

TEST(JsonFields, TheLastOfARepeatedNameCounts) {
  EXPECT_EQ(pick(R"({"a":1,"a":2})", {"a"}), "integer 2");
  EXPECT_EQ(pick(R"({"a":{"b":1},"a":{}})", {"a", "b"}), "missing");
  EXPECT_EQ(pick(R"({"a":1})", {"a"}), "integer 1");
}

TEST(JsonFields, OneScanServesManyEventsWithoutLeavingAnythingBehind) {
  JsonFields fields;
  const auto a = fields.add({"a"});
  const auto b = fields.add({"b", "c"});
  EXPECT_EQ(fields.add({"a"}), a);
  ASSERT_TRUE(fields.extract(R"({"a":"x\ny","b":{"c":"\u0041"}})"));
  EXPECT_EQ(show(fields[a]), "text x\ny");
  EXPECT_EQ(show(fields[b]), "text A");
  ASSERT_TRUE(fields.extract(R"({"b":{"c":2}})"));
  EXPECT_EQ(show(fields[a]), "missing");
  EXPECT_EQ(show(fields[b]), "integer 2");
  EXPECT_FALSE(fields.extract("{"));
  EXPECT_EQ(show(fields[b]), "missing");
}

TEST(JsonFields, WhatIsNotJsonIsRefusedAlsoWhereNobodyLooks) {
  for (const std::string_view bad :
       {"",          "{",           "{\"a\":}",    "{\"a\":1,}", "{a:1}",  "[1,]",      "[1 2]",   "01",
        "1.",        "1e",          "-",           "+1",         "tru",    "nul",       "\"\\x\"", "\"\n\"",
        "\"\\u12\"", "\"\\uD800\"", "\"\\uDC00\"", "{\"a\":1}x", "\"open", "{\"a\" 1}", "'a'",     "NaN"}) {
    JsonFields fields;
    EXPECT_FALSE(fields.extract(bad)) << bad;
  }
  EXPECT_TRUE(JsonFields().extract("[]"));
  EXPECT_TRUE(JsonFields().extract(" 0 "));
  EXPECT_FALSE(JsonFields().extract(std::string(1000, '[') + std::string(1000, ']')));
}

}  // namespace
}  // namespace baton::view
