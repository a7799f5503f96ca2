// Client quotas over the protocol, and what a partition remembers of its producers.
#include <gmock/gmock.h>

#include "kafka/session_test_support.h"

namespace baton::kafka {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using wire::ErrorCode;

class QuotasTest : public SessionTest {
 protected:
  using Entity = std::vector<wire::AlterClientQuotasRequest::EntityData>;
  using Ops = std::vector<wire::AlterClientQuotasRequest::OpData>;
  using Filter = std::vector<wire::DescribeClientQuotasRequest::ComponentData>;

  static Ops set(std::string_view key, double value) { return {{.key = key, .value = value, .remove = false}}; }
  static Ops remove(std::string_view key) { return {{.key = key, .value = 0, .remove = true}}; }
  wire::AlterClientQuotasResponse::EntryData alter(Entity entity, Ops ops, bool validate_only = false) {
    wire::AlterClientQuotasRequest request;
    request.entries.push_back({.entity = std::move(entity), .ops = std::move(ops)});
    request.validate_only = validate_only;
    return call<wire::AlterClientQuotasResponse>(request, 1).entries.at(0);
  }
  // "user=alice client-id=<default> producer_byte_rate=1024", one an entity; or the error's text.
  std::vector<std::string> described(Filter filter = {}, bool strict = false) {
    wire::DescribeClientQuotasRequest request;
    request.components = std::move(filter);
    request.strict = strict;
    const auto response = call<wire::DescribeClientQuotasResponse>(request, 1);
    EXPECT_EQ(response.error_code == ErrorCode::none, response.entries.has_value());
    if (response.error_code != ErrorCode::none) return {*response.error_message};
    std::vector<std::string> out;
    for (const auto& entry : *response.entries) {
      std::string& text = out.emplace_back();
      for (const auto& part : entry.entity) text += part.entity_type + "=" + part.entity_name.value_or("<default>") + " ";
      for (const auto& value : entry.values) text += value.key + "=" + std::to_string(static_cast<std::int64_t>(value.value));
    }
    return out;
  }
};

const std::string_view kRate = "producer_byte_rate";

TEST_F(QuotasTest, AreKeptOverARestartAndShownByFilters) {
  EXPECT_THAT(described(), IsEmpty());
  EXPECT_EQ(alter({{.entity_type = "client-id", .entity_name = "c"}}, set(kRate, 1024)).error_code, ErrorCode::none);
  EXPECT_EQ(alter({{.entity_type = "client-id", .entity_name = std::nullopt}}, set(kRate, 2048)).error_code, ErrorCode::none);
  EXPECT_EQ(alter({{.entity_type = "user", .entity_name = "alice"}, {.entity_type = "client-id", .entity_name = "c"}}, set("consumer_byte_rate", 7)).error_code,
            ErrorCode::none);
  EXPECT_EQ(alter({{.entity_type = "user", .entity_name = "bob"}}, set(kRate, 1), true).error_code, ErrorCode::none) << "only asked";
  restart(false);
  EXPECT_THAT(described(), ElementsAre("client-id=<default> producer_byte_rate=2048", "client-id=c producer_byte_rate=1024",
                                       "user=alice client-id=c consumer_byte_rate=7"));
  EXPECT_THAT(described({{.entity_type = "client-id", .match_type = 0, .match = "c"}}),
              ElementsAre("client-id=c producer_byte_rate=1024", "user=alice client-id=c consumer_byte_rate=7"));
  EXPECT_THAT(described({{.entity_type = "client-id", .match_type = 0, .match = "c"}}, true), ElementsAre("client-id=c producer_byte_rate=1024"));
  EXPECT_THAT(described({{.entity_type = "client-id", .match_type = 1, .match = std::nullopt}}), ElementsAre("client-id=<default> producer_byte_rate=2048"));
  EXPECT_THAT(described({{.entity_type = "user", .match_type = 2, .match = std::nullopt}}), ElementsAre("user=alice client-id=c consumer_byte_rate=7"));
  EXPECT_THAT(described({{.entity_type = "ip", .match_type = 2, .match = std::nullopt}}), IsEmpty());
  EXPECT_EQ(alter({{.entity_type = "client-id", .entity_name = "c"}}, remove(kRate)).error_code, ErrorCode::none);
  EXPECT_EQ(alter({{.entity_type = "client-id", .entity_name = "never"}}, remove(kRate)).error_code, ErrorCode::none);
  restart(true);
  EXPECT_THAT(described(), ElementsAre("client-id=<default> producer_byte_rate=2048", "user=alice client-id=c consumer_byte_rate=7"));
}

TEST_F(QuotasTest, WhatIsWrongIsSaidAndChangesNothing) {
  const auto refused = [&](Entity entity, Ops ops) {
    const auto entry = alter(std::move(entity), std::move(ops));
    EXPECT_EQ(entry.error_code, ErrorCode::invalid_request);
    return entry.error_message.value_or("");
  };
  const Entity client = {{.entity_type = "client-id", .entity_name = "c"}};
  EXPECT_THAT(refused({}, set(kRate, 1)), HasSubstr("empty"));
  EXPECT_THAT(refused({{.entity_type = "team", .entity_name = "t"}}, set(kRate, 1)), HasSubstr("team"));
  EXPECT_THAT(refused({{.entity_type = "ip", .entity_name = "127.0.0.1"}}, set("connection_creation_rate", 1)), HasSubstr("limits.connections_per_address"));
  EXPECT_THAT(refused({client[0], client[0]}, set(kRate, 1)), HasSubstr("duplicate"));
  EXPECT_THAT(refused({{.entity_type = "user", .entity_name = ""}}, set(kRate, 1)), HasSubstr("empty"));
  EXPECT_THAT(refused(client, set("rate", 1)), HasSubstr("rate"));
  EXPECT_THAT(refused(client, set("request_percentage", 1)), HasSubstr("producer_byte_rate"));
  EXPECT_THAT(refused(client, set(kRate, 0)), HasSubstr("greater than 0"));
  EXPECT_THAT(refused(client, {set(kRate, 1)[0], set("rate", 1)[0]}), HasSubstr("rate")) << "all or nothing";
  EXPECT_THAT(refused(client, {set(kRate, 1)[0], remove(kRate)[0]}), HasSubstr("Duplicate"));
  EXPECT_THAT(described(), IsEmpty());
  EXPECT_THAT(described({{.entity_type = "", .match_type = 2, .match = std::nullopt}}).at(0), HasSubstr("empty"));
  EXPECT_THAT(described({{.entity_type = "user", .match_type = 7, .match = std::nullopt}}).at(0), HasSubstr("7"));
  EXPECT_THAT(described({{.entity_type = "user", .match_type = 0, .match = std::nullopt}}).at(0), HasSubstr("null"));
  EXPECT_THAT(described({{.entity_type = "user", .match_type = 1, .match = "x"}}).at(0), HasSubstr("match string"));
  EXPECT_THAT(described({{.entity_type = "team", .match_type = 2, .match = std::nullopt}}).at(0), HasSubstr("team"));
}

// The client of these tests is "test".
TEST_F(QuotasTest, WhoProducesMoreThanItsRateIsToldAndItsConnectionPauses) {
  ASSERT_EQ(create_topic("t").error_code, ErrorCode::none);
  const base::Bytes batch = batch_of(std::string(20'000, 'x'));
  const auto request = produce_request("t", batch);
  EXPECT_EQ(call<wire::ProduceResponse>(request, 9).throttle_time_ms, 0);
  ASSERT_EQ(alter({{.entity_type = "client-id", .entity_name = "test"}}, set(kRate, 10'000)).error_code, ErrorCode::none);
  const auto answer = send(request, 9);
  const auto response = body_of<wire::ProduceResponse>(*answer, 9);
  EXPECT_EQ(response.responses[0].partition_responses[0].error_code, ErrorCode::none) << "nobody is refused";
  EXPECT_NEAR(response.throttle_time_ms, 1'000, 50);  // twice the rate came, and a second's worth is free
  EXPECT_EQ((**answer->result)->pause_ms, response.throttle_time_ms);
  // Without an answer, the pause is all that is said.
  const auto silent = send(produce_request("t", batch, 0), 9);
  if (!silent->result) silent->waiter->wait();
  ASSERT_TRUE(silent->result->ok() && (*silent->result)->has_value());
  EXPECT_TRUE((**silent->result)->silent);
  EXPECT_GT((**silent->result)->pause_ms, 2'000);
}

TEST_F(QuotasTest, WhoConsumesMoreThanItsRateIsToldAndGetsItsRecords) {
  ASSERT_EQ(create_topic("t").error_code, ErrorCode::none);
  ASSERT_EQ(produce("t", batch_of(std::string(30'000, 'x'))).error_code, ErrorCode::none);
  ASSERT_EQ(alter({{.entity_type = "client-id", .entity_name = std::nullopt}}, set("consumer_byte_rate", 10'000)).error_code, ErrorCode::none);
  const auto response = call<wire::FetchResponse>(fetch_request("t", 0), 12);
  EXPECT_EQ(values_of(response.responses[0].partitions[0]).size(), 1U);
  EXPECT_NEAR(response.throttle_time_ms, 2'000, 50);
  EXPECT_EQ(call<wire::ProduceResponse>(produce_request("t", batch_of("more")), 9).throttle_time_ms, 0) << "the other rate";
}

TEST_F(QuotasTest, APartitionShowsItsProducers) {
  ASSERT_EQ(create_topic("t", 2).error_code, ErrorCode::none);
  ASSERT_EQ(produce("t", batch_of("a", 7, 0, 3)).error_code, ErrorCode::none);
  ASSERT_EQ(produce("t", batch_of("b", 7, 1, 3)).error_code, ErrorCode::none);
  ASSERT_EQ(produce("t", batch_of("c", 5, 0, 0)).error_code, ErrorCode::none);
  ASSERT_EQ(produce("t", batch_of("without an id")).error_code, ErrorCode::none);
  wire::DescribeProducersRequest request;
  request.topics.push_back({.name = "t", .partition_indexes = {0, 1, 2}});
  request.topics.push_back({.name = "missing", .partition_indexes = {0}});
  const auto check = [&] {
    const auto response = call<wire::DescribeProducersResponse>(request, 0);
    const auto& partitions = response.topics.at(0).partitions;
    ASSERT_EQ(partitions.at(0).active_producers.size(), 2U);
    const auto& second = partitions[0].active_producers[1];
    EXPECT_EQ(partitions[0].active_producers[0].producer_id, 5);
    EXPECT_EQ(second.producer_id, 7);
    EXPECT_EQ(second.producer_epoch, 3);
    EXPECT_EQ(second.last_sequence, 1);
    EXPECT_GT(second.last_timestamp, 0);
    EXPECT_EQ(second.coordinator_epoch, -1);
    EXPECT_EQ(second.current_txn_start_offset, -1);
    EXPECT_THAT(partitions.at(1).active_producers, IsEmpty());
    EXPECT_EQ(partitions[1].error_code, ErrorCode::none);
    EXPECT_EQ(partitions.at(2).error_code, ErrorCode::unknown_topic_or_partition);
    EXPECT_EQ(response.topics.at(1).partitions.at(0).error_code, ErrorCode::unknown_topic_or_partition);
  };
  check();
  restart(false);
  check();
}

}  // namespace
}  // namespace baton::kafka
