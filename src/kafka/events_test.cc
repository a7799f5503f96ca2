// A context as Kafka clients see it: what they produce are events, and events are records.
#include "kafka/session_test_support.h"
#include "store/store_impl.h"
#include "store/stream_reader.h"

namespace baton::kafka {
namespace {

using wire::ErrorCode;

class EventsTest : public SessionTest {
 protected:
  struct Record {
    std::string key;
    std::string value = "{}";
    std::vector<std::pair<std::string, std::string>> headers = {};
  };
  static base::Bytes events_of(const std::vector<Record>& records, std::int64_t producer = -1, std::int32_t sequence = -1,
                               log::Codec codec = log::Codec::none) {
    log::BatchBuilder builder(codec);
    for (const Record& record : records) {
      std::vector<log::HeaderInput> headers = {{"ce_type", base::as_bytes("Happened")}};
      for (const auto& [name, value] : record.headers) headers.push_back({name, base::as_bytes(value)});
      builder.add(1'000, base::as_bytes(record.key), base::as_bytes(record.value), headers);
    }
    log::BatchHeader fields;
    fields.producer_id = producer;
    fields.producer_epoch = producer < 0 ? std::int16_t{-1} : std::int16_t{0};
    fields.base_sequence = sequence;
    return builder.finish(-1, fields).value();
  }
  void make_context(std::int32_t partitions = 1) {
    ContextOptions options;
    options.partitions = partitions;
    ASSERT_TRUE(store_->run([&] { return store_->create_context("rides", options); }));
  }
  // What a fetch gives of a context: offset, stream, version and data of each record.
  std::vector<std::string> stored() {
    std::vector<std::string> out;
    const auto fetched = fetch("rides", 0);
    base::ByteView bytes = fetched.records->bytes;
    while (!bytes.empty()) {
      const auto header = log::check_batch(bytes);
      EXPECT_TRUE(header.ok());
      EXPECT_TRUE(header->log_append_time());
      EXPECT_TRUE(log::for_each_record(bytes.first(header->total_bytes()), {}, [&](const log::RecordView& record) -> Status {
        std::string version;
        for (const auto& h : record.headers) {
          if (h.key == "baton-version") version = base::as_text(*h.value);
        }
        out.push_back(std::to_string(record.offset.value()) + " " + std::string(base::as_text(*record.key)) + "@" + version + " " +
                      std::string(base::as_text(*record.value)));
        return {};
      }));
      bytes = bytes.subspan(header->total_bytes());
    }
    return out;
  }
};

using Stored = std::vector<std::string>;

TEST_F(EventsTest, WhatAClientProducesAreTheNextEventsOfTheirStreams) {
  make_context();
  EXPECT_EQ(produce("rides", events_of({{"a-1", "1"}, {"a-2", "2"}, {"a-1", "3"}})).base_offset, 0);
  const auto second = produce("rides", events_of({{"a-1", "4"}}));
  EXPECT_EQ(second.error_code, ErrorCode::none);
  EXPECT_EQ(second.base_offset, 3);
  EXPECT_GE(second.log_append_time_ms, 0);
  EXPECT_EQ(stored(), (Stored{"0 a-1@0 1", "1 a-2@0 2", "2 a-1@1 3", "3 a-1@2 4"}));
}

// Rule 11: judged as if the batch's earlier records were appended already.
TEST_F(EventsTest, AnExpectedVersionThatDoesNotHoldRefusesTheBatchAndNamesTheRecord) {
  make_context();
  const auto with = [](const std::string& key, const std::string& expected) { return Record{key, "{}", {{"baton-expected-version", expected}}}; };
  ASSERT_EQ(produce("rides", events_of({with("a-1", "no-stream"), with("a-1", "0"), with("a-1", "1")})).error_code, ErrorCode::none);
  const auto refused = produce("rides", events_of({{"a-2"}, with("a-1", "7"), {"a-3"}}));
  EXPECT_EQ(refused.error_code, ErrorCode::invalid_record);
  ASSERT_EQ(refused.record_errors.size(), 1u);
  EXPECT_EQ(refused.record_errors[0].batch_index, 1);
  EXPECT_NE(refused.record_errors[0].batch_index_error_message->find("expected version 7, found version 2"), std::string::npos);
  EXPECT_EQ(produce("rides", events_of({with("a-1", "no-stream")})).error_code, ErrorCode::invalid_record);
  EXPECT_EQ(produce("rides", events_of({with("a-9", "exists")})).error_code, ErrorCode::invalid_record);
  EXPECT_EQ(stored().size(), 3u);
}

// Its events grow by id, time and version: more than an append through the API may have.
TEST_F(EventsTest, AFullBatchOfSmallEventsFits) {
  make_context();
  std::vector<Record> records;
  for (int i = 0; i < 20'000; ++i) records.push_back({"a-" + std::to_string(i % 7), "{\"n\":" + std::to_string(i) + "}"});
  const auto batch = events_of(records);
  ASSERT_GT(batch.size(), 700'000u);
  ASSERT_LT(batch.size(), 1'000'000u);
  EXPECT_EQ(produce("rides", batch).error_code, ErrorCode::none);
  const auto all = stored();
  ASSERT_EQ(all.size(), 20'000u);
  EXPECT_EQ(all.back(), "19999 a-0@2857 {\"n\":19999}");
  EXPECT_EQ(produce("rides", events_of({{"a-0", "{}", {{"baton-expected-version", "2857"}}}})).error_code, ErrorCode::none);
}

TEST_F(EventsTest, OfABatchThatIsTooLargeAClientMaySendLessButNotOfAnEventThatIs) {
  make_context();
  const auto many = produce("rides", events_of(std::vector<Record>(70'000, Record{"a-1", "1"}), -1, -1, log::Codec::lz4));
  EXPECT_EQ(many.error_code, ErrorCode::message_too_large);
  EXPECT_NE(many.error_message->find("65536"), std::string::npos) << *many.error_message;
  const auto large = produce("rides", events_of({{"a-1", "1"}, {"a-1", std::string(5'000, '1')}}));
  EXPECT_EQ(large.error_code, ErrorCode::invalid_record);
  ASSERT_EQ(large.record_errors.size(), 1u);
  EXPECT_EQ(large.record_errors[0].batch_index, 1);
  EXPECT_TRUE(stored().empty());
}

// Rule 4.
// What arrives is bounded as on any topic, however much may be stored.
TEST_F(EventsTest, ABatchOverMaxMessageBytesIsTooLargeBeforeItIsTakenApart) {
  make_context();
  std::vector<Record> records;
  for (int i = 0; i < 1'100; ++i) records.push_back({"a-" + std::to_string(i), "{\"d\":\"" + std::string(1'000, 'x') + "\"}"});
  const base::Bytes batch = events_of(records);
  ASSERT_GT(batch.size(), 1'048'588u);
  const auto refused = produce("rides", batch);
  EXPECT_EQ(refused.error_code, ErrorCode::message_too_large);
  EXPECT_NE(refused.error_message->find("max.message.bytes"), std::string::npos);
}

TEST_F(EventsTest, EventsThatAreKnownAreLeftOutAndTheirOffsetsStayFree) {
  make_context();
  const auto with_id = [](const std::string& id, const std::string& value) { return Record{"a-1", value, {{"ce_id", id}}}; };
  ASSERT_EQ(produce("rides", events_of({with_id("x", "1")})).base_offset, 0);
  const auto mixed = produce("rides", events_of({with_id("w", "0"), with_id("x", "1"), with_id("y", "2")}));
  EXPECT_EQ(mixed.error_code, ErrorCode::none);
  EXPECT_EQ(mixed.base_offset, 1);
  EXPECT_EQ(stored(), (Stored{"0 a-1@0 1", "1 a-1@1 0", "3 a-1@2 2"}));
  // Nothing but duplicates: without a producer id nothing is written,
  EXPECT_EQ(produce("rides", events_of({with_id("x", "1")})).base_offset, 0);
  EXPECT_EQ(fetch("rides", 0).high_watermark, 4);
  // and with one an empty batch, so that its sequence goes on.
  EXPECT_EQ(produce("rides", events_of({with_id("x", "1"), with_id("y", "2")}, 7, 0)).base_offset, 4);
  EXPECT_EQ(fetch("rides", 0).high_watermark, 6);
  EXPECT_EQ(produce("rides", events_of({with_id("z", "3")}, 7, 2)).base_offset, 6);
  EXPECT_EQ(stored().back(), "6 a-1@3 3");
  const auto other = produce("rides", events_of({{"a-5"}, with_id("x", "changed")}));
  EXPECT_EQ(other.error_code, ErrorCode::invalid_record);
  ASSERT_EQ(other.record_errors.size(), 1u);
  EXPECT_EQ(other.record_errors[0].batch_index, 1);
}

// Rule 3: the producer's sequence first, so that a retry does not conflict with itself.
TEST_F(EventsTest, ARetryOfAConditionalBatchIsTheBatchItselfAlsoAfterARestart) {
  make_context();
  const base::Bytes batch = events_of({{"a-1", "1", {{"baton-expected-version", "no-stream"}}}}, 7, 0);
  ASSERT_EQ(produce("rides", batch).base_offset, 0);
  for (const bool close : {true, false}) {
    restart(close);
    const auto again = produce("rides", batch);
    EXPECT_EQ(again.error_code, ErrorCode::none);
    EXPECT_EQ(again.base_offset, 0);
  }
  // A refused batch leaves the producer's state as it was: what was in flight behind it is out of order, and a resend is judged afresh.
  const base::Bytes conflict = events_of({{"a-1", "2", {{"baton-expected-version", "5"}}}}, 7, 1);
  EXPECT_EQ(produce("rides", conflict).error_code, ErrorCode::invalid_record);
  EXPECT_EQ(produce("rides", events_of({{"a-2"}}, 7, 2)).error_code, ErrorCode::out_of_order_sequence_number);
  EXPECT_EQ(produce("rides", events_of({{"a-1", "2", {{"baton-expected-version", "0"}}}}, 7, 1)).base_offset, 1);
}

// Rule 6.
TEST_F(EventsTest, AKeyedRecordInTheWrongPartitionIsRefusedAndTheRightOneIsNamed) {
  make_context(4);
  const auto partition_of = [&](const std::string& stream) { return store_->view()->find("rides")->partition_of(stream).value(); };
  std::string elsewhere = "a-0";
  for (int i = 1; partition_of(elsewhere) == 0; ++i) elsewhere = "a-" + std::to_string(i);
  const auto refused = produce("rides", events_of({{elsewhere}}));
  EXPECT_EQ(refused.error_code, ErrorCode::invalid_record);
  ASSERT_EQ(refused.record_errors.size(), 1u);
  EXPECT_NE(refused.record_errors[0].batch_index_error_message->find("partition " + std::to_string(partition_of(elsewhere))), std::string::npos);
  EXPECT_NE(refused.record_errors[0].batch_index_error_message->find("murmur2"), std::string::npos);
  std::string here = "a-0";
  for (int i = 1; partition_of(here) != 0; ++i) here = "a-" + std::to_string(i);
  EXPECT_EQ(produce("rides", events_of({{here}})).error_code, ErrorCode::none);
}

// Data, key and headers together may be more than what one append of the API may have.
TEST_F(EventsTest, AnEventAsLargeAsItsContextTakesIsReadByItsStreamAndKnownByItsId) {
  ContextOptions options;
  options.data_bytes_max = 1u << 20;
  ASSERT_TRUE(store_->run([&] { return store_->create_context("rides", options); }));
  for (const std::size_t bytes : {1'048'000U, 1'048'400U}) {
    const std::string id = std::to_string(bytes);
    const auto batch = events_of({{"ride-1", std::string(bytes, 'x'), {{"ce_id", id}}}});
    ASSERT_EQ(produce("rides", batch).error_code, ErrorCode::none) << bytes;
    ASSERT_EQ(produce("rides", batch).error_code, ErrorCode::none) << bytes;  // again: it is known
  }
  const auto view = store_->view();
  const auto page = store::read_stream(*view->find("rides"), {.context = "rides", .stream = "ride-1", .limit = 10});
  ASSERT_TRUE(page) << page.error().to_string();
  ASSERT_EQ(page->events.size(), 2u);
  EXPECT_EQ(page->events[1].data.size(), 1'048'400u);
}

TEST_F(EventsTest, WhatTheApiAppendsReachesAFetchAtOnceAndWhatAClientProducesTheApi) {
  make_context();
  const auto waiting = send(fetch_request("rides", 0, 60'000), 12);
  EXPECT_FALSE(waiting->result.has_value());
  const auto waiter = env_->make_waiter();
  auto request = std::make_unique<store::AppendRequest>();
  NewEvent event;
  event.type = "RideStarted";
  event.data = "by the api";
  request->append.context = "rides";
  request->append.streams.push_back({.stream = "ride-1", .condition = Expect::no_stream(), .events = {event}});
  request->done = [&](Result<Appended> result) {
    EXPECT_TRUE(result.ok());
    waiter->wake();
  };
  store_->submit(std::move(request));
  waiter->wait();
  EXPECT_EQ(values_of(body_of<wire::FetchResponse>(*waiting, 12).responses[0].partitions[0]), std::vector<std::string>{"by the api"});
  ASSERT_EQ(produce("rides", events_of({{"ride-1", "by a client", {{"baton-expected-version", "0"}}}})).error_code, ErrorCode::none);
  EXPECT_EQ(stored(), (Stored{"0 ride-1@0 by the api", "1 ride-1@1 by a client"}));
}

}  // namespace
}  // namespace baton::kafka
