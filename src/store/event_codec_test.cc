#include "store/event_codec.h"

#include <gtest/gtest.h>

#include <chrono>

#include "base/bytes.h"
#include "store/filter.h"
#include "store/identity.h"

namespace baton::store {
namespace {

constexpr log::TopicId kTopic{{0x0f, 0x3a, 0x96, 0xb1, 0xc2, 0xd4, 0xe5, 0xf6, 1, 2, 3, 4, 5, 6, 7, 8}};
constexpr std::int64_t kAppendMs = 1'700'000'000'123;

NewEvent full_event() {
  return {.type = "RideStarted",
          .data = R"({"bike":7})",
          .id = "id-1",
          .source = "/stations/9",
          .content_type = "application/json",
          .time = Time{1'388'564'040'000'000'000},
          .tenant = "ffm",
          .correlation_id = "trip-1",
          .causation_id = "cmd-4",
          .traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
          .subject = "bike-7",
          .tags = {"bike:7", "station:9"},
          .headers = {{"x-a", "1"}, {"x-b", ""}, {"x-a", "2"}}};
}

// A batch of one context, built and read.
struct Batch {
  explicit Batch(std::string context = "rides") : encoder(context), place(kTopic, 1), decoder(context, &place, log::PartitionId(0)) {}

  void add(const NewEvent& event, std::int64_t version, const std::string& stream = "ride-1") {
    encoder.add(builder, event, {.stream = stream, .version = version, .append_ms = kAppendMs, .id = event.id});
  }
  void finish() {
    bytes = builder.finish(kAppendMs).value();
    log::stamp_batch(bytes, log::Offset(40), log::Epoch(3));
  }
  // Reads all records; an error ends it.
  Result<std::vector<Event>> read() {
    std::vector<Event> events;
    log::RecordCursor cursor;
    if (auto started = cursor.start(bytes); !started) return started.error();
    EventView view;
    while (cursor.next()) {
      if (auto decoded = decoder.decode(cursor.record(), cursor.header().epoch, view); !decoded) return decoded.error();
      events.push_back(view.to_event());
    }
    if (!cursor.status()) return cursor.status().error();
    return events;
  }

  EventEncoder encoder;
  PositionContext place;
  EventDecoder decoder;
  log::BatchBuilder builder;
  base::Bytes bytes;
};

TEST(EventCodec, AnEventComesBackAsItWent) {
  Batch batch;
  const NewEvent given = full_event();
  batch.add(given, 5);
  batch.finish();
  const auto events = batch.read();
  ASSERT_TRUE(events) << events.error().to_string();
  ASSERT_EQ(events->size(), 1u);
  const Event& e = (*events)[0];
  EXPECT_EQ(e.context, "rides");
  EXPECT_EQ(e.stream, "ride-1");
  EXPECT_EQ(e.version, 5);
  EXPECT_EQ(e.offset, 40);
  EXPECT_EQ(e.position.token, "p1.0f3a96b1c2d4e5f6.3.40");
  EXPECT_EQ(e.recorded.ns, kAppendMs * 1'000'000);
  EXPECT_EQ(e.time, *given.time);
  EXPECT_EQ(e.type, given.type);
  EXPECT_EQ(e.id, given.id);
  EXPECT_EQ(e.source, given.source);
  EXPECT_EQ(e.content_type, given.content_type);
  EXPECT_TRUE(e.has_data);
  EXPECT_EQ(e.data, given.data);
  EXPECT_EQ(e.tenant, given.tenant);
  EXPECT_EQ(e.correlation_id, given.correlation_id);
  EXPECT_EQ(e.causation_id, given.causation_id);
  EXPECT_EQ(e.traceparent, given.traceparent);
  EXPECT_EQ(e.subject, given.subject);
  EXPECT_EQ(e.tags, given.tags);
  ASSERT_EQ(e.headers.size(), 3u);
  EXPECT_EQ(e.headers[2].name, "x-a");
  EXPECT_EQ(e.headers[2].value, "2");
  EXPECT_TRUE(e.system.empty());
}

TEST(EventCodec, TheHeadersOfARecordStandInTheOrderOfTheFormat) {
  Batch batch;
  batch.add(full_event(), 5);
  batch.finish();
  log::RecordCursor cursor;
  ASSERT_TRUE(cursor.start(batch.bytes));
  ASSERT_TRUE(cursor.next());
  std::vector<std::string> names;
  for (const auto& h : cursor.record().headers) names.emplace_back(h.key);
  EXPECT_EQ(names, (std::vector<std::string>{"ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_subject", "ce_tenant",
                                             "ce_correlationid", "ce_causationid", "ce_traceparent", "content-type", "baton-version",
                                             "baton-tag", "baton-tag", "x-a", "x-b", "x-a"}));
  EXPECT_EQ(base::as_text(*cursor.record().headers[3].value), "rides.RideStarted");
  EXPECT_EQ(base::as_text(*cursor.record().headers[4].value), "2014-01-01T08:14:00Z");
  EXPECT_EQ(cursor.record().client_timestamp, 1'388'564'040'000);
  EXPECT_EQ(cursor.record().timestamp, kAppendMs);
}

TEST(EventCodec, WhatIsLeftEmptyIsFilledFromTheRequestThenByTheStore) {
  Batch batch;
  const NewEvent bare{.type = "RideStarted", .has_data = false};
  batch.encoder.add(batch.builder, bare,
                    {.stream = "ride-1", .version = 0, .append_ms = kAppendMs, .id = "made", .correlation_id = "c", .causation_id = "d",
                     .tenant = "t", .traceparent = "tp"});
  batch.encoder.add(batch.builder, bare, {.stream = "ride-1", .version = 1, .append_ms = kAppendMs, .id = "made2"});
  batch.finish();
  const auto events = batch.read();
  ASSERT_TRUE(events) << events.error().to_string();
  const Event& e = (*events)[0];
  EXPECT_EQ(e.id, "made");
  EXPECT_EQ(e.source, "/contexts/rides");
  EXPECT_EQ(e.correlation_id, "c");
  EXPECT_EQ(e.causation_id, "d");
  EXPECT_EQ(e.tenant, "t");
  EXPECT_EQ(e.traceparent, "tp");
  EXPECT_EQ(e.time.ns, kAppendMs * 1'000'000);
  EXPECT_FALSE(e.has_data);
  EXPECT_EQ((*events)[1].correlation_id, "made2");
}

TEST(EventCodec, NoDataAndEmptyDataAreTwoThings) {
  Batch batch;
  batch.add({.type = "A", .has_data = false, .id = "1"}, 0);
  batch.add({.type = "A", .data = "", .id = "2"}, 1);
  batch.finish();
  const auto events = batch.read();
  ASSERT_TRUE(events);
  EXPECT_FALSE((*events)[0].has_data);
  EXPECT_TRUE((*events)[1].has_data);
}

TEST(EventCodec, ATypeIsPrefixedOnTheWireAndBareInTheApi) {
  EXPECT_EQ(bare_type("rides", "rides.RideStarted"), "RideStarted");
  EXPECT_EQ(bare_type("rides", "RideStarted"), "RideStarted");
  EXPECT_EQ(bare_type("rides", "payments.Paid"), "payments.Paid");
  EXPECT_EQ(bare_type("rides", "rides."), "rides.");
  EXPECT_EQ(bare_type("rides", "rides2.X"), "rides2.X");
  EXPECT_TRUE(has_context_prefix("payments.Paid"));
  EXPECT_FALSE(has_context_prefix("RideStarted"));
  EXPECT_FALSE(has_context_prefix("Ride.Started"));
  EXPECT_FALSE(has_context_prefix("rides."));

  Batch batch;
  batch.add({.type = "rides.RideStarted", .id = "1"}, 0);
  batch.add({.type = "payments.Paid", .id = "2"}, 1);
  batch.add({.type = "Ride.Started", .id = "3"}, 2);
  batch.finish();
  const auto events = batch.read();
  ASSERT_TRUE(events);
  EXPECT_EQ((*events)[0].type, "RideStarted");
  EXPECT_EQ((*events)[1].type, "payments.Paid");
  EXPECT_EQ((*events)[2].type, "Ride.Started");
}

TEST(EventCodec, ATagThatIsGivenTwiceIsStoredOnce) {
  Batch batch;
  batch.add({.type = "A", .id = "1", .tags = {"s:1", "s:2", "s:1"}}, 0);
  batch.finish();
  const auto events = batch.read();
  ASSERT_TRUE(events);
  EXPECT_EQ((*events)[0].tags, (std::vector<std::string>{"s:1", "s:2"}));
}

TEST(EventCodec, SystemRecordsHaveNoVersion) {
  Batch batch;
  batch.encoder.add_deleted(batch.builder, {.stream = "ride-1", .append_ms = kAppendMs, .id = "d"});
  batch.encoder.add_truncated(batch.builder, {.stream = "ride-1", .append_ms = kAppendMs, .id = "t"}, 42);
  batch.finish();
  const auto events = batch.read();
  ASSERT_TRUE(events) << events.error().to_string();
  EXPECT_EQ((*events)[0].system, "deleted");
  EXPECT_EQ((*events)[0].type, kDeletedType);
  EXPECT_EQ((*events)[0].version, -1);
  EXPECT_FALSE((*events)[0].has_data);
  EXPECT_EQ((*events)[1].system, "truncated");
  EXPECT_EQ((*events)[1].truncated_before, 42);
  EXPECT_EQ(truncated_before("truncated:42"), 42);
  EXPECT_FALSE(truncated_before("truncated:"));
  EXPECT_FALSE(truncated_before("truncated:-1"));
  EXPECT_FALSE(truncated_before("deleted"));
}

// One record with the given headers.
Result<std::vector<Event>> read_record(std::vector<std::pair<std::string, std::string>> headers, std::optional<std::string> key = "ride-1") {
  Batch batch;
  std::vector<log::HeaderInput> input;
  for (const auto& [name, value] : headers) input.push_back({name, base::as_bytes(value)});
  batch.builder.add(kAppendMs, key ? std::optional(base::as_bytes(*key)) : std::nullopt, std::nullopt, input);
  batch.finish();
  return batch.read();
}

TEST(EventCodec, ARecordThatIsNoEventStopsItsReaderWithAnErrorThatNamesIt_F31) {
  const std::vector<std::pair<std::string, std::string>> good = {
      {"ce_specversion", "1.0"}, {"ce_id", "1"}, {"ce_source", "s"}, {"ce_type", "rides.A"}, {"baton-version", "0"}};
  ASSERT_TRUE(read_record(good));
  const auto expect_refused = [](const Result<std::vector<Event>>& r, std::string_view part) {
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, Code::incompatible);
    EXPECT_NE(r.error().detail.find("context rides, partition 0, offset 40"), std::string::npos) << r.error().detail;
    EXPECT_NE(r.error().detail.find(part), std::string::npos) << r.error().detail;
  };
  expect_refused(read_record(good, std::nullopt), "no key");
  expect_refused(read_record(good, ""), "no key");
  for (const std::size_t missing : {1u, 2u, 3u, 4u}) {
    auto headers = good;
    headers.erase(headers.begin() + static_cast<std::ptrdiff_t>(missing));
    expect_refused(read_record(headers), "stream ride-1");
  }
  for (const auto* version : {"", "x", "-1", "1 ", "99999999999999999999"}) {
    auto headers = good;
    headers[4].second = version;
    expect_refused(read_record(headers), "baton-version");
  }
  auto headers = good;
  headers[0].second = "2.0";
  expect_refused(read_record(headers), "ce_specversion");
  headers = good;
  headers.emplace_back("ce_id", "2");
  expect_refused(read_record(headers), "twice");
  headers = good;
  headers.emplace_back("baton-system", "deleted");
  expect_refused(read_record(headers), "system record");
  headers[4] = {"x", "y"};
  headers[5].second = "renamed";
  expect_refused(read_record(headers), "not known");
}

TEST(EventCodec, AnEventTimeThatNoTimeHoldsIsTheAppendTime) {
  const auto events = read_record({{"ce_id", "1"}, {"ce_source", "s"}, {"ce_type", "A"}, {"baton-version", "0"}, {"ce_time", "9999-01-01T00:00:00Z"}});
  ASSERT_TRUE(events);
  EXPECT_EQ((*events)[0].time, (*events)[0].recorded);
}

TEST(EventCodec, TimesAreRfc3339) {
  EXPECT_EQ(Time::parse("2014-01-01T08:14:00Z").value().ns, 1'388'564'040'000'000'000);
  EXPECT_EQ(Time{1'388'564'040'500'000'000}.to_string(), "2014-01-01T08:14:00.500Z");
  EXPECT_EQ(Time::parse("yesterday").error().code, Code::invalid_argument);
}

TEST(Identity, TheSameIsTypeDataAndSetOfTags) {
  const NewEvent a = full_event();
  NewEvent b = a;
  b.tags = {"station:9", "bike:7", "bike:7"};
  b.type = "rides.RideStarted";
  b.time = Time{1};
  b.tenant = "other";
  b.headers.clear();
  EXPECT_TRUE(same_content("rides", a, b));
  for (auto change : {+[](NewEvent& e) { e.type = "RideEnded"; }, +[](NewEvent& e) { e.data += ' '; },
                      +[](NewEvent& e) { e.tags.pop_back(); }, +[](NewEvent& e) { e.tags.emplace_back("x:1"); },
                      +[](NewEvent& e) { e.has_data = false; }}) {
    NewEvent c = a;
    change(c);
    EXPECT_FALSE(same_content("rides", a, c));
    EXPECT_FALSE(same_content("rides", c, a));
  }
  std::vector<std::string_view> tags{"station:9", "bike:7"};
  EventView stored{.type = "RideStarted", .has_data = true, .data = a.data, .tags = tags.data(), .tag_count = tags.size()};
  EXPECT_TRUE(same_content("rides", stored, a));
  EXPECT_TRUE(same_content("rides", stored, b));
  stored.has_data = false;
  EXPECT_FALSE(same_content("rides", stored, a));
  EXPECT_EQ(default_source("rides"), "/contexts/rides");
}

TEST(Filter, AllGivenFiltersMustMatch) {
  std::vector<std::string_view> tags{"bike:7", "station:9"};
  const EventView event{.context = "rides", .stream = "ride-1", .type = "RideStarted", .tenant = "ffm", .tags = tags.data(), .tag_count = 2};
  const auto matches = [&](Filter f) { return EventFilter("rides", f).matches(event); };
  EXPECT_TRUE(matches({}));
  EXPECT_TRUE(matches({.types = {"RideEnded", "rides.RideStarted"}}));
  EXPECT_FALSE(matches({.types = {"RideEnded"}}));
  EXPECT_TRUE(matches({.tags = {"bike:7", "station:9"}}));
  EXPECT_FALSE(matches({.tags = {"bike:7", "station:1"}}));
  EXPECT_TRUE(matches({.category = "ride"}));
  EXPECT_FALSE(matches({.category = "rid"}));
  EXPECT_TRUE(matches({.stream_prefix = "rid"}));
  EXPECT_FALSE(matches({.stream_prefix = "bike"}));
  EXPECT_TRUE(matches({.tenant = "ffm"}));
  EXPECT_FALSE(matches({.types = {"RideStarted"}, .tenant = "hh"}));
}

TEST(Filter, AQueryOrsItemsAndTypesAndAndsTags) {
  std::vector<std::string_view> tags{"a:1", "b:2"};
  EventView event{.type = "T", .tags = tags.data(), .tag_count = 2};
  const auto matches = [&](std::vector<QueryItem> items) { return EventQuery("rides", {std::move(items)}).matches(event); };
  EXPECT_TRUE(matches({{.types = {"U", "T"}}}));
  EXPECT_TRUE(matches({{.types = {"U"}}, {.tags = {"b:2", "a:1"}}}));
  EXPECT_FALSE(matches({{.types = {"U"}}, {.types = {"T"}, .tags = {"a:1", "c:3"}}}));
  EXPECT_TRUE(EventQuery("rides", {{{.types = {"T"}, .tags = {"a:1"}}}}).matches("rides.T", {"a:1"}));
  EXPECT_FALSE(EventQuery("rides", {{{.types = {"T"}, .tags = {"a:1"}}}}).matches("T", {"a:2"}));
  event.system = "deleted";
  EXPECT_FALSE(matches({{.types = {"T"}}}));
}

}  // namespace
}  // namespace baton::store
