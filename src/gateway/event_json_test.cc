// Events over HTTP: what the three modes of CloudEvents and Baton's own form say, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/cloud_event.h"
#include "gateway/event_json.h"
#include "gateway/json.h"

namespace baton::gateway {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Request structured(std::string body, std::string type = "application/cloudevents+json") {
  Request out{.method = "POST", .target = "/", .headers = {{"content-type", std::move(type)}}, .body = std::move(body)};
  return out;
}

std::string refusal(const Request& request) {
  const auto read = read_events(request, mode_of(request));
  return read ? "taken" : read.error().detail;
}

TEST(EventJson, DataKeepsItsBytes) {
  const auto read = read_events(structured(R"({"specversion":"1.0","id":"1","type":"T","source":"s","data": {"b" : 1.50, "a":[ ]} })"), EventMode::structured);
  ASSERT_TRUE(read.ok()) << read.error().to_string();
  EXPECT_EQ(read->front().event.data, R"({"b" : 1.50, "a":[ ]})");
}

TEST(EventJson, WhatIsWrittenComesBackTheSame) {
  Event event;
  event.context = "rides";
  event.stream = "ride-7";
  event.version = 3;
  event.position.token = "p1.x.1.3";
  event.type = "RideEnded";
  event.id = "id \"1\"";
  event.source = "/s";
  event.content_type = "application/json";
  event.data = "{\n  \"a\": \"\\u00e9\"\n}";
  event.tenant = "t";
  event.correlation_id = "c";
  event.subject = "sub";
  event.time = *Time::parse("2024-02-29T23:59:59.123456789Z");
  event.tags = {"bike:7", "odd:a,b%c"};
  event.headers = {{"h", "v"}, {"h", ""}, {"a b,c=d%", std::string("\xff\x00 \n=,%\xc3\xa9", 9)}};
  std::string text;
  put_cloud_event(text, event);
  EXPECT_TRUE(is_json(text));
  const auto read = read_events(structured(text), EventMode::structured);
  ASSERT_TRUE(read.ok()) << read.error().to_string();
  const NewEvent& back = read->front().event;
  EXPECT_EQ(read->front().partition_key, "ride-7");
  EXPECT_EQ(back.type, event.type);
  EXPECT_EQ(back.id, event.id);
  EXPECT_EQ(back.data, event.data);
  EXPECT_EQ(back.tenant, "t");
  EXPECT_EQ(back.correlation_id, "c");
  EXPECT_EQ(back.subject, "sub");
  EXPECT_EQ(back.time->to_string(), "2024-02-29T23:59:59.123456789Z");
  EXPECT_THAT(back.tags, ElementsAre("bike:7", "odd:a,b%c"));
  EXPECT_THAT(text, HasSubstr(R"("batonheaders":"h=v,h=,a%20b%2Cc%3Dd%25=%FF%00%20%0A%3D%2C%25%C3%A9")"));
  ASSERT_EQ(back.headers.size(), event.headers.size());
  for (std::size_t i = 0; i < event.headers.size(); ++i) {
    EXPECT_EQ(back.headers[i].name, event.headers[i].name);
    EXPECT_EQ(back.headers[i].value, event.headers[i].value);
  }
}

TEST(EventJson, HeadersThatAreNotWrittenAsTheyShouldBeAreRefused) {
  for (const std::string_view wrong : {"h", "h,i=j", "h=v,", ",h=v", "h=v=w", "h=%", "h=%4", "h=%4x", "h=v,i"}) {
    const auto read = broker::split_headers(wrong);
    ASSERT_FALSE(read.ok()) << wrong;
    EXPECT_THAT(read.error().detail, HasSubstr("batonheaders")) << wrong;
  }
  EXPECT_EQ(broker::split_headers("=v")->front().name, "");  // the store refuses it
}

TEST(EventJson, BytesThatAreNoJsonGoInBase64) {
  Event event;
  event.stream = "s";
  event.type = "T";
  event.content_type = "application/json";  // says so, and is not
  event.data = std::string("\xff\x00{", 3);
  std::string text;
  put_cloud_event(text, event);
  EXPECT_THAT(text, HasSubstr("\"data_base64\":\"/wB7\""));
  const auto read = read_events(structured(text), EventMode::structured);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->front().event.data, event.data);
}

TEST(EventJson, BinaryModeTakesAttributesFromHeaders) {
  Request request{.method = "POST", .target = "/", .headers = {}, .body = "hello"};
  request.headers = {{"ce-specversion", "1.0"}, {"ce-type", "T"}, {"ce-id", "a%20b"}, {"ce-batontags", "x:1,y:2"}, {"content-type", "text/plain"}, {"ce-batonversion", "9"}};
  ASSERT_EQ(mode_of(request), EventMode::binary);
  const auto read = read_events(request, EventMode::binary);
  ASSERT_TRUE(read.ok()) << read.error().to_string();
  EXPECT_EQ(read->front().event.id, "a b");
  EXPECT_EQ(read->front().event.content_type, "text/plain");
  EXPECT_EQ(read->front().event.data, "hello");
  EXPECT_THAT(read->front().event.tags, ElementsAre("x:1", "y:2"));
  request.headers.push_back({"ce-colour", "red"});
  EXPECT_THAT(refusal(request), HasSubstr("ce-colour"));
  request.headers.back() = {"ce-id", "twice"};
  EXPECT_THAT(refusal(request), HasSubstr("twice"));
  request.headers = {{"ce-specversion", "1.0"}, {"ce-type", "T"}, {"content-type", "application/json"}};
  EXPECT_THAT(refusal(request), HasSubstr("no JSON"));
}

// HTTP binding 1.0, section 3.1.3.2.
TEST(EventJson, HeadersAreTakenOutOfTheirQuotesAndThenDecoded) {
  const auto subject = [](std::string value) {
    const Request request{.method = "POST", .target = "/", .headers = {{"ce-specversion", "1.0"}, {"ce-type", "T"}, {"ce-subject", std::move(value)}}, .body = ""};
    const auto read = read_events(request, EventMode::binary);
    return read ? read->front().event.subject : read.error().detail;
  };
  EXPECT_EQ(subject("Euro %E2%82%AC"), "Euro \u20ac");
  EXPECT_EQ(subject("\"a \\\"b\\\" %22c%22\""), "a \"b\" \"c\"");
  EXPECT_EQ(subject("100%"), "100%");
  EXPECT_EQ(subject("\""), "\"");
}

TEST(EventJson, OnlyATypeOfJsonMakesAStringOfJsonTheDataItself) {
  const auto data = [](const std::string& type) {
    return read_events(structured(R"({"specversion":"1.0","type":"T","datacontenttype":")" + type + R"(","data":"a"})"), EventMode::structured)->front().event.data;
  };
  for (const char* type : {"application/json", "Application/JSON; charset=utf-8", "text/json", "application/vnd.ride+json"}) EXPECT_EQ(data(type), "\"a\"") << type;
  for (const char* type : {"text/plain", "application/jsonl", "text/x-json-lines"}) EXPECT_EQ(data(type), "a") << type;
}

TEST(EventJson, WhatWouldBeLostIsRefusedByName) {
  EXPECT_THAT(refusal(structured(R"({"specversion":"1.0","type":"T","colour":"red"})")), HasSubstr("'colour'"));
  EXPECT_THAT(refusal(structured(R"({"specversion":"0.3","type":"T"})")), HasSubstr("specversion"));
  EXPECT_THAT(refusal(structured(R"({"type":"T"})")), HasSubstr("specversion"));
  EXPECT_THAT(refusal(structured(R"({"specversion":"1.0","type":"T","tags":["a:b"]})")), HasSubstr("'tags'"));
  EXPECT_THAT(refusal(structured(R"({"specversion":"1.0","type":7})")), HasSubstr("'type' is a string"));
  EXPECT_THAT(refusal(structured("[1]")), HasSubstr("no JSON object"));
  EXPECT_THAT(refusal(structured("{")), HasSubstr("no JSON"));
  EXPECT_THAT(refusal(structured(R"([{"specversion":"1.0","type":"T"},{"specversion":"1.0","x":1}])", "application/cloudevents-batch+json")), HasSubstr("event 1: "));
}

TEST(EventJson, AnAppendNamesItsStreamsAndConditions) {
  const auto append = read_append(R"({"streams": [{"stream": "a-1", "expect": "no-stream", "events": [
      {"type": "A", "data": {"x": [1, "]}"]}, "tags": ["x:1"]}, {"type": "B", "datacontenttype": "text/plain", "data": "hi"}]},
      {"stream": "a-2", "expect": 4, "events": []}],
    "unless": {"query": [{"types": ["Z"], "tags": ["x:1"]}], "after": "p1"}, "duplicates": "skip", "tenant": "t"})",
                                  "rides");
  ASSERT_TRUE(append.ok()) << append.error().to_string();
  ASSERT_EQ(append->streams.size(), 2U);
  EXPECT_EQ(append->streams[0].condition.kind, Expect::Kind::no_stream);
  EXPECT_EQ(append->streams[0].events[0].data, R"({"x": [1, "]}"]})");
  EXPECT_EQ(append->streams[0].events[1].data, "hi");
  EXPECT_EQ(append->streams[1].condition.version, 4);
  EXPECT_EQ(append->unless->after.token, "p1");
  EXPECT_THAT(append->unless->query.items[0].types, ElementsAre("Z"));
  EXPECT_EQ(append->duplicates, Append::Duplicates::skip);
  EXPECT_EQ(append->tenant, "t");
}

TEST(EventJson, AnAppendThatIsWrongSaysWhere) {
  const auto wrong = [](std::string_view body) {
    const auto append = read_append(body, "rides");
    return append ? std::string("taken") : append.error().detail;
  };
  EXPECT_THAT(wrong("{}"), HasSubstr("'streams' is missing"));
  EXPECT_THAT(wrong(R"({"streams":[],"unles":{}})"), HasSubstr("'unles'"));
  EXPECT_THAT(wrong(R"({"streams":[{"stream":"a","expect":-1,"events":[]}]})"), HasSubstr("stream 0: 'expect'"));
  EXPECT_THAT(wrong(R"({"streams":[{"stream":"a","events":[{"type":"T"},{"type":1}]}]})"), HasSubstr("stream 0: event 1: "));
  EXPECT_THAT(wrong(R"({"streams":[{"stream":"a","events":[{"type":"T","partitionkey":"b"}]}]})"), HasSubstr("partitionkey"));
  EXPECT_THAT(wrong(R"({"streams":[7]})"), HasSubstr("stream 0"));
  EXPECT_THAT(wrong(R"({"streams":[],"unless":{"query":[{"type":["Z"]}]}})"), HasSubstr("'type'"));
  EXPECT_THAT(wrong(std::string(3000, '[')), HasSubstr("nested too deep"));
}

// The parsed document and the text must mean the same member, or one of them is read where it has nothing.
TEST(EventJson, ANameThatIsWrittenWithEscapesIsTheSameName) {
  const auto append = read_append(R"({"stre\u0061ms":[{"stream":"a","\u0065vents":[{"type":"T","d\u0061ta": [2] }]}]})", "rides");
  ASSERT_TRUE(append.ok()) << append.error().to_string();
  EXPECT_EQ(append->streams.front().events.front().data, "[2]");
}

TEST(EventJson, AMemberThatIsGivenTwiceIsRefused) {
  const auto wrong = [](std::string_view body) {
    const auto append = read_append(body, "rides");
    return append ? std::string("taken") : append.error().detail;
  };
  EXPECT_EQ(wrong(R"({"streams":[{"stream":"a"},{"stream":"b"}],"stre\u0061ms":[]})"), "'streams' is given twice");
  EXPECT_EQ(wrong(R"({"streams":5,"stre\u0061ms":[{"stream":"a"}]})"), "'streams' is given twice");
  EXPECT_EQ(wrong(R"({"streams":[{"stream":"a","expect":3,"expect":"any","events":[]}]})"), "stream 0: 'expect' is given twice");
  EXPECT_EQ(wrong(R"({"streams":[],"unless":{"query":[{"types":["Z"]}],"after":"","after":""}})"), "unless: 'after' is given twice");
  EXPECT_EQ(wrong(R"({"streams":[],"unless":{"query":[{"types":["Z"]},{"types":["Z"],"tags":["a"],"types":["Y"]}]}})"), "unless: query: 'types' is given twice");
  EXPECT_THAT(wrong(R"({"streams":[{"stream":"a","events":[{"type":"T"},{"type":"T","id":"1","id":"2"}]}]})"), HasSubstr("stream 0: event 1: structured CloudEvent: 'id' is given twice"));
  EXPECT_THAT(refusal(structured(R"({"specversion":"1.0","id":"1","type":"T","source":"s","data":1,"d\u0061ta": [2]})")), HasSubstr("'data' is given twice"));
  // What is in the data is the caller's own.
  EXPECT_EQ(wrong(R"({"streams":[{"stream":"a","events":[{"type":"T","data":{"a":1,"a":2}}]}]})"), "taken");
}

}  // namespace
}  // namespace baton::gateway
