#include "broker/event_batch.h"

#include <gtest/gtest.h>

#include "broker/cloud_event.h"

namespace baton::broker {
namespace {

struct Given {
  std::optional<std::string> key = "ride-1";
  std::optional<std::string> value = "{}";
  std::vector<std::pair<std::string, std::string>> headers = {{"ce_type", "RideStarted"}};
  std::int64_t timestamp = 1'000;
};

base::Bytes batch_of(const std::vector<Given>& records) {
  log::BatchBuilder builder;
  for (const Given& given : records) {
    std::vector<log::HeaderInput> headers;
    for (const auto& [name, value] : given.headers) headers.push_back({name, base::as_bytes(value)});
    builder.add(given.timestamp, given.key ? std::optional(base::as_bytes(*given.key)) : std::nullopt,
                given.value ? std::optional(base::as_bytes(*given.value)) : std::nullopt, headers);
  }
  log::BatchHeader fields;
  fields.producer_id = 7;
  fields.producer_epoch = 2;
  fields.base_sequence = 40;
  return builder.finish(-1, fields).value();
}

BatchVerdict read(const std::vector<Given>& records, EventBatch& out, const ContextOptions& options = {}) {
  EventBatchReader reader;
  return reader.read(batch_of(records), "rides", options, log::PartitionId(0), out);
}

NewEvent event_of(const Given& given) {
  EventBatch out;
  const BatchVerdict verdict = read({given}, out);
  EXPECT_EQ(verdict.error, ProduceError::none) << verdict.message;
  return verdict.error == ProduceError::none ? out.append.streams.at(0).events.at(0) : NewEvent{};
}

std::string error_of(const Given& given, const ContextOptions& options = {}) {
  EventBatch out;
  const BatchVerdict verdict = read({Given{}, given}, out, options);
  EXPECT_EQ(verdict.error, ProduceError::invalid_record);
  EXPECT_EQ(verdict.records.size(), 1u);
  if (verdict.records.empty()) return {};
  EXPECT_EQ(verdict.records[0].record, 1);
  return verdict.records[0].message;
}

TEST(EventBatch, EachRecordIsAnEventOfTheStreamThatItsKeyNames) {
  EventBatch out;
  ASSERT_EQ(read({{.key = "ride-1"}, {.key = "ride-2"}, {.key = "ride-1"}}, out).error, ProduceError::none);
  ASSERT_EQ(out.append.streams.size(), 3u);
  EXPECT_EQ(out.append.streams[1].stream, "ride-2");
  EXPECT_EQ(out.append.streams[2].stream, "ride-1");
  EXPECT_EQ(out.append.duplicates, Append::Duplicates::skip);
  EXPECT_EQ(out.produced.producer_id, 7);
  EXPECT_EQ(out.produced.producer_epoch, 2);
  EXPECT_EQ(out.produced.base_sequence, 40);
}

TEST(EventBatch, TheHeadersOfBinaryModeAreTheAttributes) {
  const NewEvent event = event_of({.value = "{\"a\":1}",
                                   .headers = {{"ce_specversion", "1.0"},
                                               {"ce_id", "e1"},
                                               {"ce_source", "/app"},
                                               {"ce_type", "rides.RideStarted"},
                                               {"ce_time", "2024-02-29T23:59:59.5Z"},
                                               {"ce_subject", "s"},
                                               {"ce_tenant", "nyc"},
                                               {"ce_correlationid", "c"},
                                               {"ce_causationid", "d"},
                                               {"ce_traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
                                               {"content-type", "application/json"},
                                               {"baton-tag", "bike:1"},
                                               {"baton-tag", "city:2"},
                                               {"baton-version", "17"},
                                               {"mine", "kept"}}});
  EXPECT_EQ(event.id, "e1");
  EXPECT_EQ(event.source, "/app");
  EXPECT_EQ(event.type, "rides.RideStarted");
  EXPECT_EQ(event.time->to_string(), "2024-02-29T23:59:59.500Z");
  EXPECT_EQ(event.tenant, "nyc");
  EXPECT_EQ(event.correlation_id, "c");
  EXPECT_EQ(event.causation_id, "d");
  EXPECT_EQ(event.tags, (std::vector<std::string>{"bike:1", "city:2"}));
  ASSERT_EQ(event.headers.size(), 1u);
  EXPECT_EQ(event.headers[0].name, "mine");
  EXPECT_EQ(event.data, "{\"a\":1}");
}

TEST(EventBatch, WithoutATimeAnEventHappenedWhenItsRecordSays) {
  EXPECT_EQ(event_of({.timestamp = 1'234}).time->ns, 1'234'000'000);
}

TEST(EventBatch, ANullValueIsAnEventWithoutData) {
  EXPECT_FALSE(event_of({.value = std::nullopt}).has_data);
  EXPECT_TRUE(event_of({.value = ""}).has_data);
}

TEST(EventBatch, WithoutATypeTheContextsDefaultIsTakenOrTheRecordIsRefused) {
  EXPECT_NE(error_of({.headers = {}}).find("ce_type"), std::string::npos);
  ContextOptions options;
  options.default_type = "Happened";
  EventBatch out;
  ASSERT_EQ(read({{.headers = {}}}, out, options).error, ProduceError::none);
  EXPECT_EQ(out.append.streams[0].events[0].type, "Happened");
}

TEST(EventBatch, WhatBreaksARuleIsNamedWithItsRecord) {
  EXPECT_NE(error_of({.key = std::nullopt}).find("no key"), std::string::npos);
  EXPECT_FALSE(error_of({.key = ""}).empty());
  EXPECT_FALSE(error_of({.key = std::string(256, 'k')}).empty());
  EXPECT_FALSE(error_of({.key = "\xff"}).empty());
  EXPECT_NE(error_of({.headers = {{"ce_type", "A"}, {"ce_type", "B"}}}).find("twice"), std::string::npos);
  EXPECT_NE(error_of({.headers = {{"ce_type", "A"}, {"ce_specversion", "0.3"}}}).find("1.0"), std::string::npos);
  EXPECT_NE(error_of({.headers = {{"ce_type", "A"}, {"ce_time", "yesterday"}}}).find("ce_time"), std::string::npos);
  EXPECT_NE(error_of({.headers = {{"ce_type", "A"}, {"baton-key-id", "k"}}}).find("baton-key-id"), std::string::npos);
  EXPECT_NE(error_of({.headers = {{"ce_type", "A"}, {"baton-system", "deleted"}}}).find("baton-system"), std::string::npos);
  EXPECT_NE(error_of({.headers = {{"ce_type", "A"}, {"baton-tag", "no colon"}}}).find("tag"), std::string::npos);
  EXPECT_NE(error_of({.value = std::string(1'025, 'x')}).find("1024"), std::string::npos);
}

TEST(EventBatch, AnExpectedVersionIsAConditionOfItsRecord) {
  const auto condition = [](const std::string& text) {
    EventBatch out;
    EXPECT_EQ(read({{.headers = {{"ce_type", "A"}, {"baton-expected-version", text}}}}, out).error, ProduceError::none) << text;
    return out.append.streams.at(0).condition;
  };
  EXPECT_EQ(condition("no-stream").kind, Expect::Kind::no_stream);
  EXPECT_EQ(condition("exists").kind, Expect::Kind::exists);
  EXPECT_EQ(condition("12").kind, Expect::Kind::exact);
  EXPECT_EQ(condition("12").version, 12);
  for (const char* text : {"", "-1", "1x", "nostream", "99999999999999999999"}) {
    EXPECT_NE(error_of({.headers = {{"ce_type", "A"}, {"baton-expected-version", text}}}).find("baton-expected-version"), std::string::npos) << text;
  }
}

TEST(EventBatch, AStructuredEventIsStoredAsABinaryOneAndItsDataKeepsItsBytes) {
  const auto structured = [](std::string value) {
    return Given{.value = std::move(value), .headers = {{"content-type", "Application/CloudEvents+json; charset=UTF-8"}}};
  };
  const NewEvent event = event_of(structured(
      "{\"specversion\":\"1.0\", \"id\":\"e1\",\"type\":\"RideStarted\",\"source\":\"/app\",\"datacontenttype\":\"application/json\","
      "\"time\":\"2024-02-29T23:59:59Z\",\"tenant\":\"nyc\",\"data\" : {\"n\": 1.0e0, \"data\": [1, \"}\\\"]\"]} , \"subject\":\"s\"}"));
  EXPECT_EQ(event.id, "e1");
  EXPECT_EQ(event.subject, "s");
  EXPECT_EQ(event.data, "{\"n\": 1.0e0, \"data\": [1, \"}\\\"]\"]}");
  EXPECT_EQ(event_of(structured("{\"specversion\":\"1.0\",\"type\":\"A\",\"data\":12}")).data, "12");
  EXPECT_FALSE(event_of(structured("{\"specversion\":\"1.0\",\"type\":\"A\"}")).has_data);
  EXPECT_NE(error_of(structured("{\"specversion\":\"1.0\",\"type\":\"A\",\"partitionkey\":\"another\"}")).find("is not the key of its record"), std::string::npos);
  EXPECT_EQ(event_of(structured("{\"specversion\":\"1.0\",\"type\":\"A\",\"partitionkey\":\"ride-1\"}")).type, "A");
  EXPECT_EQ(event_of(structured("{\"specversion\":\"1.0\",\"type\":\"A\",\"datacontenttype\":\"text/plain\",\"data\":\"a\\nb\"}")).data, "a\nb");
  EXPECT_EQ(event_of(structured("{\"specversion\":\"1.0\",\"type\":\"A\",\"data_base64\":\"YWJjZA==\"}")).data, "abcd");
  for (const char* bad : {"", "[]", "{", "{\"type\":\"A\"}", "{\"specversion\":\"1.0\",\"type\":7}",
                          "{\"specversion\":\"1.0\",\"type\":\"A\",\"data\":1,\"data_base64\":\"\"}",
                          "{\"specversion\":\"1.0\",\"type\":\"A\",\"data_base64\":\"a\"}",
                          "{\"specversion\":\"1.0\",\"type\":\"A\",\"time\":\"now\"}"}) {
    EXPECT_FALSE(error_of(structured(bad)).empty()) << bad;
  }
}

}  // namespace
}  // namespace baton::broker
