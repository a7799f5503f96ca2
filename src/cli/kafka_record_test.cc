#include "cli/kafka_record.h"

#include <gtest/gtest.h>

namespace baton::cli {
namespace {

std::string json_of(const KafkaRecord& record, RecordPlace place = {.topic = "t", .partition = 3, .offset = 7}) {
  std::string out;
  put_json_record(out, place, record);
  return out;
}

std::string refusal(std::string_view line) {
  const auto record = parse_json_record(line);
  if (record) return "";
  EXPECT_EQ(record.error().code, Code::invalid_argument);
  return record.error().detail;
}

TEST(KafkaRecordTest, ARecordIsOneObjectWithItsPlace) {
  EXPECT_EQ(
      json_of({.key = "k", .value = "v\n", .headers = {{"h", "1"}, {"none", std::nullopt}}, .timestamp_ms = 1}),
      R"({"topic":"t","partition":3,"offset":7,"timestamp":"1970-01-01T00:00:00.001Z","timestamp_type":"create","key":"k","value":"v\n",)"
      R"("headers":[{"name":"h","value":"1"},{"name":"none","value":null}]})");
  EXPECT_EQ(json_of({}, {.topic = "t", .broker_time = true}),
            R"({"topic":"t","partition":0,"offset":0,"key":null,"value":null,"headers":[]})");
}

TEST(KafkaRecordTest, WhatIsPrintedIsReadBackByteForByte) {
  std::string all;
  for (int c = 0; c < 256; ++c) all.push_back(static_cast<char>(c));
  for (std::size_t n = 0; n < 5; ++n) {
    const KafkaRecord record{.key = all.substr(0, n),
                             .value = all.substr(200, 30 + n),
                             .headers = {{"a", all}, {"a", ""}, {"\xff", std::nullopt}, {"", "x"}},
                             .timestamp_ms = 1'700'000'000'123};
    const auto back = parse_json_record(json_of(record));
    ASSERT_TRUE(back) << back.error().detail;
    EXPECT_EQ(back->key, record.key);
    EXPECT_EQ(back->value, record.value);
    EXPECT_EQ(back->timestamp_ms, record.timestamp_ms);
    EXPECT_EQ(back->partition, 3);
    ASSERT_EQ(back->headers.size(), record.headers.size());
    for (std::size_t i = 0; i < record.headers.size(); ++i) {
      EXPECT_EQ(back->headers[i].name, record.headers[i].name);
      EXPECT_EQ(back->headers[i].value, record.headers[i].value);
    }
  }
}

TEST(KafkaRecordTest, NothingAndEmptyAreTwoThings) {
  EXPECT_EQ(parse_json_record("{}")->value, std::nullopt);
  EXPECT_EQ(parse_json_record(R"({"value":null})")->value, std::nullopt);
  EXPECT_EQ(parse_json_record(R"({"value":""})")->value, "");
  EXPECT_EQ(parse_json_record(R"({"value_base64":""})")->value, "");
}

TEST(KafkaRecordTest, AValueThatIsNoStringIsItsJsonText) {
  EXPECT_EQ(parse_json_record(R"({"value":{"bike": 473}})")->value, R"({"bike":473})");
  EXPECT_EQ(parse_json_record(R"({"key":7,"value":[1, true]})")->key, "7");
}

TEST(KafkaRecordTest, ATimeThatNoTextCanHoldIsANumber) {
  EXPECT_NE(json_of({.timestamp_ms = 9'000'000'000'000'000}).find(R"("timestamp":9000000000000000,)"), std::string::npos);
  EXPECT_EQ(parse_json_record(R"({"timestamp":9000000000000000})")->timestamp_ms, 9'000'000'000'000'000);
}

TEST(KafkaRecordTest, AMistakeNamesTheKey) {
  EXPECT_NE(refusal("{").find("not JSON"), std::string::npos);
  EXPECT_NE(refusal("7").find("not a JSON object"), std::string::npos);
  EXPECT_EQ(refusal(R"({"vlaue":"x"})"), "'vlaue' is no key of a record; did you mean 'value'?");
  EXPECT_EQ(refusal(R"({"value":"x","value_base64":"eA=="})"), "'value' and 'value_base64' exclude each other");
  EXPECT_EQ(refusal(R"({"key_base64":"?"})"), "'key_base64' is not base64");
  EXPECT_EQ(refusal(R"({"key_base64":1})"), "'key_base64' must be a string");
  EXPECT_EQ(refusal(R"({"partition":-1})"), "'partition' must be a whole number from 0 to 2147483647");
  EXPECT_EQ(refusal(R"({"partition":1.5})"), "'partition' must be a whole number from 0 to 2147483647");
  EXPECT_NE(refusal(R"({"timestamp":"yesterday"})").find("RFC 3339"), std::string::npos);
  EXPECT_NE(refusal(R"({"timestamp":0})").find("after 1970"), std::string::npos);
  EXPECT_NE(refusal(R"({"headers":{"a":"b"}})").find("must be an array"), std::string::npos);
  EXPECT_NE(refusal(R"({"headers":[{"value":"b"}]})").find("without a 'name'"), std::string::npos);
  EXPECT_NE(refusal(R"({"headers":[{"key":"b"}]})").find("'key' is unknown in a header"), std::string::npos);
}

TEST(KafkaRecordTest, ALineIsAValueOrAKeyAndAValue) {
  EXPECT_EQ(parse_text_record("a:b", {})->value, "a:b");
  EXPECT_EQ(parse_text_record("a:b", {})->key, std::nullopt);
  EXPECT_EQ(parse_text_record("", {})->value, "");
  const auto split = parse_text_record("a::b::c", {.key_separator = "::"});
  EXPECT_EQ(split->key, "a");
  EXPECT_EQ(split->value, "b::c");
  EXPECT_EQ(parse_text_record("::", {.key_separator = "::"})->key, "");
  EXPECT_EQ(parse_text_record("a\t", {.key_separator = "\t"})->value, "");
  EXPECT_EQ(parse_text_record("ab", {.key_separator = "\t"}).error().detail, R"(no "\t" that ends the key (--key-separator))");
}

TEST(KafkaRecordTest, ATextCanStandForNothing) {
  const LineFormat format{.key_separator = ":", .null_text = "-"};
  EXPECT_EQ(parse_text_record("-:-", format)->key, std::nullopt);
  EXPECT_EQ(parse_text_record("-:-", format)->value, std::nullopt);
  EXPECT_EQ(parse_text_record("a:--", format)->value, "--");
}

TEST(KafkaRecordTest, APairIsSplitAtItsFirstEquals) {
  EXPECT_EQ(*parse_pair("a=b=c", "--header"), std::pair(std::string("a"), std::string("b=c")));
  EXPECT_EQ(*parse_pair("a=", "--header"), std::pair(std::string("a"), std::string()));
  EXPECT_EQ(parse_pair("a", "--header").error().detail, "--header takes NAME=VALUE, not 'a'");
  EXPECT_FALSE(parse_pair("=b", "--header"));
}

TEST(KafkaRecordTest, EscapesAreWhatAShellCanHardlyPass) {
  EXPECT_EQ(*unescape(R"(a\t\n\\\x1f)"), "a\t\n\\\x1f");
  EXPECT_EQ(*unescape(R"(\0)"), std::string(1, '\0'));
  for (const char* wrong : {"\\", "\\q", "\\x", "\\x1", "\\xgg"}) EXPECT_FALSE(unescape(wrong)) << wrong;
}

}  // namespace
}  // namespace baton::cli
