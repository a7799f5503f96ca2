#include "kafka/session.h"

#include "kafka/session_test_support.h"

namespace baton::kafka {
namespace {

using wire::ErrorCode;
using Values = std::vector<std::string>;

TEST_F(SessionTest, ApiVersionsSaysWhatTheHandlersServeInEveryVersion) {
  for (std::int16_t version = 0; version <= 4; ++version) {
    const wire::ApiVersionsRequest request{.client_software_name = "a-client", .client_software_version = "1.0"};
    const auto response = call<wire::ApiVersionsResponse>(version < 3 ? wire::ApiVersionsRequest{} : request, version);
    EXPECT_EQ(response.error_code, ErrorCode::none);
    ASSERT_EQ(response.api_keys.size(), handlers().size());
    for (std::size_t i = 0; i < handlers().size(); ++i) {
      EXPECT_EQ(response.api_keys[i].api_key, static_cast<std::int16_t>(handlers()[i].key));
      EXPECT_EQ(response.api_keys[i].max_version, handlers()[i].versions.last);
    }
  }
}

// A field that a version does not have must not keep its answer from being sent, with and without errors. Of groups: in groups_test.cc.
TEST_F(SessionTest, EveryVersionOfEveryApiIsAnswered) {
  ASSERT_EQ(create_topic("t").error_code, ErrorCode::none);
  ASSERT_EQ(produce("t", batch_of("v")).error_code, ErrorCode::none);
  for (const std::string_view name : {std::string_view("t"), std::string_view("missing"), std::string_view("no/slash")}) {
    wire::ListOffsetsRequest offsets;
    offsets.replica_id = -1;
    for (const std::int64_t timestamp : {-1, -2, 0}) offsets.topics.push_back({.name = name, .partitions = {{.partition_index = 0, .timestamp = timestamp}}});
    in_every_version<wire::ListOffsetsResponse>(offsets);
    in_every_version<wire::FetchResponse>(fetch_request(name, 0));
    in_every_version<wire::FetchResponse>(fetch_request(name, 9));
    const base::Bytes batch = batch_of("v");
    in_every_version<wire::ProduceResponse>(produce_request(name, batch));
    const base::Bytes bad = batch_of("v", 7, -1);
    in_every_version<wire::ProduceResponse>(produce_request(name, bad));
    wire::MetadataRequest metadata;
    metadata.topics.emplace().push_back({.topic_id = {}, .name = name});
    in_every_version<wire::MetadataResponse>(metadata);
    wire::CreateTopicsRequest create;
    create.topics.push_back({.name = name, .num_partitions = 1, .replication_factor = 1, .assignments = {}, .configs = {}});
    create.validate_only = true;
    in_every_version<wire::CreateTopicsResponse>(create);
    wire::CreatePartitionsRequest partitions;
    partitions.topics.push_back({.name = name, .count = 2, .assignments = std::nullopt});
    in_every_version<wire::CreatePartitionsResponse>(partitions);
    wire::OffsetForLeaderEpochRequest epoch;
    epoch.topics.push_back({.topic = name, .partitions = {{.partition = 0, .leader_epoch = 1}}});
    in_every_version<wire::OffsetForLeaderEpochResponse>(epoch);
    wire::DeleteRecordsRequest records;
    records.topics.push_back({.name = name, .partitions = {{.partition_index = 0, .offset = 9}}});
    in_every_version<wire::DeleteRecordsResponse>(records);
    wire::DescribeProducersRequest producers;
    producers.topics.push_back({.name = name, .partition_indexes = {0}});
    in_every_version<wire::DescribeProducersResponse>(producers);
    wire::AlterClientQuotasRequest quotas;
    quotas.entries.push_back({.entity = {{.entity_type = "user", .entity_name = name}}, .ops = {{.key = "consumer_byte_rate", .value = name == "t" ? 1e9 : 0}}});
    in_every_version<wire::AlterClientQuotasResponse>(quotas);
    wire::DescribeClientQuotasRequest shown;
    shown.components.push_back({.entity_type = name == "t" ? "user" : "nobody", .match_type = 2, .match = std::nullopt});
    in_every_version<wire::DescribeClientQuotasResponse>(shown);
    wire::DescribeTopicPartitionsRequest pages;
    pages.topics.push_back({.name = name});
    in_every_version<wire::DescribeTopicPartitionsResponse>(pages);
    wire::DescribeLogDirsRequest directories;
    directories.topics.emplace().push_back({.topic = name, .partitions = {0}});
    in_every_version<wire::DescribeLogDirsResponse>(directories);
    for (const std::int8_t type : {std::int8_t{2}, std::int8_t{4}, std::int8_t{32}}) {
      wire::DescribeConfigsRequest configs;
      configs.resources.push_back({.resource_type = type, .resource_name = name, .configuration_keys = std::nullopt});
      configs.resources.push_back({.resource_type = type, .resource_name = "1", .configuration_keys = std::nullopt});
      configs.include_synonyms = true;
      in_every_version<wire::DescribeConfigsResponse>(configs);
      for (const std::string_view key : {std::string_view("retention.ms"), std::string_view("retention.sm")}) {
        wire::AlterConfigsRequest alter;
        alter.resources.push_back({.resource_type = type, .resource_name = name, .configs = {{.name = key, .value = "-1"}}});
        in_every_version<wire::AlterConfigsResponse>(alter);
        wire::IncrementalAlterConfigsRequest change;
        change.resources.push_back({.resource_type = type, .resource_name = name, .configs = {{.name = key, .config_operation = 0, .value = "-1"}}});
        in_every_version<wire::IncrementalAlterConfigsResponse>(change);
      }
    }
  }
  for (const std::int8_t type : {std::int8_t{0}, std::int8_t{1}, std::int8_t{7}}) {
    wire::FindCoordinatorRequest one;
    one.key = "g";
    one.key_type = type;
    in_every_version<wire::FindCoordinatorResponse>(one);
    wire::FindCoordinatorRequest several;
    several.coordinator_keys = {"g", ""};
    several.key_type = type;
    in_every_version<wire::FindCoordinatorResponse>(several);
  }
  for (const char* transactional : {static_cast<const char*>(nullptr), "tx"}) {
    wire::InitProducerIdRequest init;
    init.transactional_id.reset();
    if (transactional != nullptr) init.transactional_id = transactional;
    in_every_version<wire::InitProducerIdResponse>(init);
  }
  wire::DescribeClusterRequest cluster;
  in_every_version<wire::DescribeClusterResponse>(cluster);
  cluster.endpoint_type = 2;
  in_every_version<wire::DescribeClusterResponse>(cluster);
  wire::DeleteTopicsRequest by_name;
  by_name.topic_names = {"missing"};
  in_every_version<wire::DeleteTopicsResponse>(by_name);
  wire::DeleteTopicsRequest by_id;
  by_id.topics = {{.name = "missing", .topic_id = {}}, {.name = std::nullopt, .topic_id = {}}};
  in_every_version<wire::DeleteTopicsResponse>(by_id);
}

// KIP-511.
TEST_F(SessionTest, AnApiVersionsRequestFromTheFutureIsAnsweredInVersionZero) {
  base::Bytes frame = frame_of(wire::ApiVersionsRequest{}, 4);
  frame[3] = std::byte{99};
  const auto answer = send_frame(frame);
  const auto response = body_of<wire::ApiVersionsResponse>(*answer, 0);
  EXPECT_EQ(response.error_code, ErrorCode::unsupported_version);
  EXPECT_EQ(response.api_keys.size(), handlers().size());
}

TEST_F(SessionTest, WhatIsNotServedOrCannotBeReadClosesTheConnection) {
  base::Bytes version = frame_of(wire::MetadataRequest{}, 9);
  version[3] = std::byte{99};
  EXPECT_EQ(error_of(*send_frame(version)).code, Code::invalid_argument);
  base::Bytes api = frame_of(wire::MetadataRequest{}, 9);
  api[1] = std::byte{200};
  EXPECT_FALSE(send_frame(api)->result->ok());
  const base::Bytes whole = frame_of(produce_request("t", batch_of("v")), 9);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    const auto answer = send_frame({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(i)});
    ASSERT_TRUE(answer->result.has_value()) << i;
    EXPECT_FALSE(answer->result->ok()) << i;
  }
}

TEST_F(SessionTest, WhatIsProducedIsFetchedInEveryVersionThatHasBatches) {
  ASSERT_EQ(create_topic("t").error_code, ErrorCode::none);
  std::int64_t offset = 0;
  for (std::int16_t version = 3; version <= 12; ++version, ++offset) {
    const auto produced = produce("t", batch_of("v" + std::to_string(version)), version);
    EXPECT_EQ(produced.error_code, ErrorCode::none) << version;
    EXPECT_EQ(produced.base_offset, offset);
    EXPECT_EQ(produced.log_append_time_ms, -1);
  }
  for (std::int16_t version = 4; version <= 12; ++version) {
    const auto fetched = fetch("t", 8, version);
    EXPECT_EQ(fetched.error_code, ErrorCode::none) << version;
    EXPECT_EQ(fetched.high_watermark, 10);
    EXPECT_EQ(values_of(fetched), (Values{"v11", "v12"})) << version;
  }
}

TEST_F(SessionTest, FromVersion13OnTopicsAreNamedByTheirIds) {
  const auto made = create_topic("t");
  const base::Bytes batch = batch_of("v");
  auto produced = produce_request("", batch);
  produced.topic_data[0].topic_id = made.topic_id;
  EXPECT_EQ(call<wire::ProduceResponse>(produced, 13).responses[0].partition_responses[0].error_code, ErrorCode::none);
  produced.topic_data[0].topic_id = wire::Uuid{};
  EXPECT_EQ(call<wire::ProduceResponse>(produced, 13).responses[0].partition_responses[0].error_code, ErrorCode::unknown_topic_id);
  auto fetched = fetch_request("", 0);
  fetched.topics[0].topic_id = made.topic_id;
  EXPECT_EQ(values_of(call<wire::FetchResponse>(fetched, 17).responses[0].partitions[0]), Values{"v"});
  fetched.topics[0].topic_id.bytes[0] ^= std::byte{1};
  EXPECT_EQ(call<wire::FetchResponse>(fetched, 17).responses[0].partitions[0].error_code, ErrorCode::unknown_topic_id);
}

TEST_F(SessionTest, WhatIsWrongWithAProduceRequestIsSaidPerPartition) {
  ASSERT_EQ(create_topic("t").error_code, ErrorCode::none);
  EXPECT_EQ(produce("missing", batch_of("v")).error_code, ErrorCode::unknown_topic_or_partition);
  base::Bytes bad = batch_of("v");
  bad.back() ^= std::byte{1};
  EXPECT_EQ(produce("t", bad).error_code, ErrorCode::corrupt_message);
  EXPECT_EQ(produce("t", {}).error_code, ErrorCode::invalid_record);
  EXPECT_EQ(produce("t", batch_of("v"), 2).error_code, ErrorCode::unsupported_version);
  const base::Bytes good = batch_of("v");
  EXPECT_EQ(call<wire::ProduceResponse>(produce_request("t", good, 2), 9).responses[0].partition_responses[0].error_code,
            ErrorCode::invalid_required_acks);
  EXPECT_EQ(fetch("t", 0).high_watermark, 0);
}

TEST_F(SessionTest, WithoutAcksThereIsNoAnswerAndAnErrorClosesTheConnection) {
  ASSERT_EQ(create_topic("t").error_code, ErrorCode::none);
  const base::Bytes batch = batch_of("v");
  const auto good = send(produce_request("t", batch, 0), 9);
  if (!good->result) good->waiter->wait();
  ASSERT_TRUE(good->result->ok());
  EXPECT_FALSE((*good->result)->has_value());
  EXPECT_EQ(values_of(fetch("t", 0)), Values{"v"});
  EXPECT_FALSE(send(produce_request("missing", batch, 0), 9)->result->ok());
}

// F32 to F34.
TEST_F(SessionTest, AnIdempotentProducerIsKnownAlsoAfterARestart) {
  ASSERT_EQ(create_topic("t").error_code, ErrorCode::none);
  wire::InitProducerIdRequest init;
  init.transactional_id.reset();
  const auto first = call<wire::InitProducerIdResponse>(init, 4);
  ASSERT_EQ(first.error_code, ErrorCode::none);
  EXPECT_EQ(first.producer_epoch, 0);
  EXPECT_NE(call<wire::InitProducerIdResponse>(init, 4).producer_id, first.producer_id);
  EXPECT_EQ(produce("t", batch_of("a", first.producer_id, 0)).base_offset, 0);
  for (const bool close : {true, false}) {
    restart(close);
    const auto again = produce("t", batch_of("a", first.producer_id, 0));
    EXPECT_EQ(again.error_code, ErrorCode::none);
    EXPECT_EQ(again.base_offset, 0);
    EXPECT_EQ(produce("t", batch_of("c", first.producer_id, 2)).error_code, ErrorCode::out_of_order_sequence_number);
    EXPECT_NE(call<wire::InitProducerIdResponse>(init, 4).producer_id, first.producer_id);
  }
  EXPECT_EQ(produce("t", batch_of("b", first.producer_id, 0, 1)).base_offset, 1);
  EXPECT_EQ(produce("t", batch_of("z", first.producer_id, 1, 0)).error_code, ErrorCode::invalid_producer_epoch);
}

TEST_F(SessionTest, AFetchWaitsForRecordsAndIsWokenByThem) {
  ASSERT_EQ(create_topic("t").error_code, ErrorCode::none);
  const auto waiting = send(fetch_request("t", 0, 60'000), 12);
  EXPECT_FALSE(waiting->result.has_value());
  EXPECT_EQ(broker_->fetch_waiters().size(), 1u);
  const std::int64_t before = env_->clock().monotonic_ns();
  ASSERT_EQ(produce("t", batch_of("v")).error_code, ErrorCode::none);
  EXPECT_EQ(values_of(body_of<wire::FetchResponse>(*waiting, 12).responses[0].partitions[0]), Values{"v"});
  EXPECT_LT(env_->clock().monotonic_ns() - before, std::int64_t{60'000} * 1'000'000);
  EXPECT_EQ(broker_->fetch_waiters().size(), 0u);
}

TEST_F(SessionTest, AFetchThatFindsTooLittleAnswersWithItWhenItsTimeIsUp) {
  ASSERT_EQ(create_topic("t").error_code, ErrorCode::none);
  ASSERT_EQ(produce("t", batch_of("a")).error_code, ErrorCode::none);
  const std::int64_t before = env_->clock().monotonic_ns();
  const auto waiting = send(fetch_request("t", 0, 500, 10'000), 12);
  EXPECT_FALSE(waiting->result.has_value());
  ASSERT_EQ(produce("t", batch_of("b")).error_code, ErrorCode::none);
  EXPECT_EQ(values_of(body_of<wire::FetchResponse>(*waiting, 12).responses[0].partitions[0]), (Values{"a", "b"}));
  EXPECT_GE(env_->clock().monotonic_ns() - before, std::int64_t{500} * 1'000'000);
  EXPECT_EQ(broker_->fetch_waiters().size(), 0u);
}

TEST_F(SessionTest, AFetchThatWaitsEndsWithItsConnection) {
  ASSERT_EQ(create_topic("t").error_code, ErrorCode::none);
  const auto waiting = send(fetch_request("t", 0, 60'000), 12);
  disconnect();
  EXPECT_EQ(broker_->fetch_waiters().size(), 0u);
  ASSERT_TRUE(waiting->result.has_value());  // by whoever dropped it
  EXPECT_FALSE(waiting->result->ok());
  connect();
  EXPECT_EQ(produce("t", batch_of("v")).error_code, ErrorCode::none);
}

TEST_F(SessionTest, AFetchSaysWhatItCannotRead) {
  ASSERT_EQ(create_topic("t").error_code, ErrorCode::none);
  ASSERT_EQ(produce("t", batch_of("v")).error_code, ErrorCode::none);
  EXPECT_EQ(fetch("t", 2).error_code, ErrorCode::offset_out_of_range);
  EXPECT_EQ(fetch("t", -1).error_code, ErrorCode::offset_out_of_range);
  EXPECT_EQ(fetch("missing", 0).error_code, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(fetch("t", 0, 3).error_code, ErrorCode::unsupported_version);
  auto epoch = fetch_request("t", 0);
  epoch.topics[0].partitions[0].current_leader_epoch = broker_->epoch() + 1;
  EXPECT_EQ(call<wire::FetchResponse>(epoch, 12).responses[0].partitions[0].error_code, ErrorCode::unknown_leader_epoch);
  epoch.topics[0].partitions[0].current_leader_epoch = broker_->epoch() - 1;
  EXPECT_EQ(call<wire::FetchResponse>(epoch, 12).responses[0].partitions[0].error_code, ErrorCode::fenced_leader_epoch);
  auto session = fetch_request("t", 0);
  session.session_id = 5;
  session.session_epoch = 3;
  EXPECT_EQ(call<wire::FetchResponse>(session, 12).error_code, ErrorCode::fetch_session_id_not_found);
}

// KIP-74.
TEST_F(SessionTest, TheFirstBatchIsSentWhateverItsSizeAndTheOthersWhileTheyFit) {
  ASSERT_EQ(create_topic("t").error_code, ErrorCode::none);
  for (const char* value : {"a", "b", "c"}) ASSERT_EQ(produce("t", batch_of(value)).error_code, ErrorCode::none);
  const std::size_t size = batch_of("a").size();
  auto request = fetch_request("t", 0);
  request.topics[0].partitions[0].partition_max_bytes = 1;
  EXPECT_EQ(values_of(call<wire::FetchResponse>(request, 12).responses[0].partitions[0]), Values{"a"});
  request.topics[0].partitions[0].partition_max_bytes = static_cast<std::int32_t>(2 * size);
  EXPECT_EQ(values_of(call<wire::FetchResponse>(request, 12).responses[0].partitions[0]), (Values{"a", "b"}));
  request.topics[0].partitions[0].partition_max_bytes = 1 << 20;
  request.max_bytes = static_cast<std::int32_t>(2 * size + 1);
  EXPECT_EQ(values_of(call<wire::FetchResponse>(request, 12).responses[0].partitions[0]), (Values{"a", "b"}));
}

TEST_F(SessionTest, MetadataNamesTheBrokerAndMakesTopicsWhenItMay) {
  wire::MetadataRequest request;
  request.topics.emplace().push_back({.topic_id = {}, .name = "made"});
  request.allow_auto_topic_creation = false;
  EXPECT_EQ(call<wire::MetadataResponse>(request, 9).topics[0].error_code, ErrorCode::unknown_topic_or_partition);
  request.allow_auto_topic_creation = true;
  const auto response = call<wire::MetadataResponse>(request, 9);
  ASSERT_EQ(response.brokers.size(), 1u);
  EXPECT_EQ(response.brokers[0].host, "127.0.0.1");
  EXPECT_EQ(response.brokers[0].port, 9092);
  EXPECT_EQ(response.controller_id, 1);
  EXPECT_EQ(response.cluster_id->size(), 22u);
  EXPECT_EQ(response.topics[0].error_code, ErrorCode::none);
  ASSERT_EQ(response.topics[0].partitions.size(), 1u);
  EXPECT_EQ(response.topics[0].partitions[0].leader_id, 1);
  request.topics->push_back({.topic_id = {}, .name = "no/slash"});
  EXPECT_EQ(call<wire::MetadataResponse>(request, 9).topics[1].error_code, ErrorCode::invalid_topic_exception);
  wire::MetadataRequest all;
  all.topics.reset();
  for (std::int16_t version = 1; version <= 13; ++version) EXPECT_EQ(call<wire::MetadataResponse>(all, version).topics.size(), 1u) << version;
  all.topics.emplace();
  EXPECT_EQ(call<wire::MetadataResponse>(all, 0).topics.size(), 1u);
  EXPECT_EQ(call<wire::MetadataResponse>(all, 9).topics.size(), 0u);
  wire::MetadataRequest by_id;
  by_id.topics.emplace().push_back({.topic_id = {}, .name = std::nullopt});
  EXPECT_EQ(call<wire::MetadataResponse>(by_id, 12).topics[0].error_code, ErrorCode::unknown_topic_id);
}

TEST_F(SessionTest, TopicsAreMadeAndDeletedAndWhatIsWrongIsSaid) {
  EXPECT_EQ(create_topic("t", 3).num_partitions, 3);
  EXPECT_EQ(create_topic("t").error_code, ErrorCode::topic_already_exists);
  EXPECT_EQ(create_topic("").error_code, ErrorCode::invalid_topic_exception);
  wire::CreateTopicsRequest request;
  request.topics.push_back({.name = "u", .num_partitions = 1, .replication_factor = 3, .assignments = {}, .configs = {}});
  request.topics.push_back({.name = "v", .num_partitions = 1, .replication_factor = 1, .assignments = {}, .configs = {{.name = "retention.sm", .value = "1"}}});
  request.topics.push_back({.name = "w", .num_partitions = 1, .replication_factor = 1, .assignments = {}, .configs = {}});
  request.topics.push_back({.name = "w", .num_partitions = 2, .replication_factor = 1, .assignments = {}, .configs = {}});
  request.topics.push_back({.name = "x", .num_partitions = -1, .replication_factor = -1, .assignments = {{.partition_index = 0, .broker_ids = {1}}}, .configs = {}});
  const auto made = call<wire::CreateTopicsResponse>(request, 5);
  EXPECT_EQ(made.topics[0].error_code, ErrorCode::invalid_replication_factor);
  EXPECT_EQ(made.topics[1].error_code, ErrorCode::invalid_config);
  EXPECT_EQ(made.topics[2].error_code, ErrorCode::invalid_request);
  EXPECT_EQ(made.topics[3].error_code, ErrorCode::none);
  EXPECT_EQ(made.topics.size(), 4u) << "what is named twice is answered once";
  wire::DeleteTopicsRequest drop;
  drop.topic_names = {"t", "t"};
  const auto kept = call<wire::DeleteTopicsResponse>(drop, 4);
  ASSERT_EQ(kept.responses.size(), 1u);
  EXPECT_EQ(kept.responses[0].error_code, ErrorCode::invalid_request);
  drop.topic_names = {"t", "missing"};
  const auto dropped = call<wire::DeleteTopicsResponse>(drop, 4);
  EXPECT_EQ(dropped.responses[0].error_code, ErrorCode::none);
  EXPECT_EQ(dropped.responses[1].error_code, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(broker_->view()->find_topic("t"), nullptr);
}

TEST_F(SessionTest, ManyTopicsInARequestThatAreAllRefusedAreAnsweredOneAfterTheOther) {
  constexpr int kTopics = 60'000;
  std::vector<std::string> names;
  for (int i = 0; i < kTopics; ++i) names.push_back("no/" + std::to_string(i));
  wire::CreateTopicsRequest request;
  for (const auto& name : names) {
    request.topics.push_back({.name = name, .num_partitions = 1, .replication_factor = -1, .assignments = {}, .configs = {}});
  }
  const auto response = call<wire::CreateTopicsResponse>(request, 7);
  ASSERT_EQ(response.topics.size(), names.size());
  EXPECT_EQ(response.topics.back().error_code, ErrorCode::invalid_topic_exception);
}

TEST_F(SessionTest, OffsetsAreFoundByTimeAndRecordsAreDeleted) {
  ASSERT_EQ(create_topic("t").error_code, ErrorCode::none);
  for (const std::int64_t time : {1'000, 3'000, 2'000, 5'000}) {
    log::BatchBuilder builder;
    builder.add(time, std::nullopt, base::as_bytes("v"), {});
    ASSERT_EQ(produce("t", builder.finish(-1).value()).error_code, ErrorCode::none);
  }
  const auto offset_at = [&](std::int64_t timestamp) {
    wire::ListOffsetsRequest request;
    request.replica_id = -1;
    request.topics.push_back({.name = "t", .partitions = {{.partition_index = 0, .timestamp = timestamp}}});
    return call<wire::ListOffsetsResponse>(request, 7).topics[0].partitions[0];
  };
  EXPECT_EQ(offset_at(-2).offset, 0);
  EXPECT_EQ(offset_at(-1).offset, 4);
  EXPECT_EQ(offset_at(1'001).offset, 1);
  EXPECT_EQ(offset_at(1'001).timestamp, 3'000);
  EXPECT_EQ(offset_at(4'000).offset, 3);
  EXPECT_EQ(offset_at(6'000).offset, -1);
  EXPECT_EQ(offset_at(-3).offset, 3);
  EXPECT_EQ(offset_at(-3).timestamp, 5'000);
  wire::DeleteRecordsRequest request;
  request.topics.push_back({.name = "t", .partitions = {{.partition_index = 0, .offset = 2}, {.partition_index = 7, .offset = 2}}});
  const auto deleted = call<wire::DeleteRecordsResponse>(request, 2);
  EXPECT_EQ(deleted.topics[0].partitions[0].low_watermark, 2);
  EXPECT_EQ(deleted.topics[0].partitions[1].error_code, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(offset_at(-2).offset, 2);
  EXPECT_EQ(fetch("t", 1).error_code, ErrorCode::offset_out_of_range);
}

TEST_F(SessionTest, AnEpochEndsWhereTheNextOneBegan) {
  ASSERT_EQ(create_topic("t").error_code, ErrorCode::none);
  ASSERT_EQ(produce("t", batch_of("a")).error_code, ErrorCode::none);
  const std::int32_t before = broker_->epoch();
  restart(true);
  ASSERT_EQ(produce("t", batch_of("b")).error_code, ErrorCode::none);
  wire::OffsetForLeaderEpochRequest request;
  request.topics.push_back({.topic = "t", .partitions = {{.partition = 0, .leader_epoch = before}, {.partition = 0, .leader_epoch = broker_->epoch()}}});
  const auto response = call<wire::OffsetForLeaderEpochResponse>(request, 4);
  EXPECT_EQ(response.topics[0].partitions[0].end_offset, 1);
  EXPECT_EQ(response.topics[0].partitions[1].end_offset, 2);
}

TEST_F(SessionTest, TheCoordinatorOfAGroupIsThisBroker) {
  wire::FindCoordinatorRequest request;
  request.key = "g";
  EXPECT_EQ(call<wire::FindCoordinatorResponse>(request, 2).port, 9092);
  wire::FindCoordinatorRequest several;
  several.coordinator_keys = {"g", ""};
  const auto found = call<wire::FindCoordinatorResponse>(several, 4);
  EXPECT_EQ(found.coordinators[0].node_id, 1);
  EXPECT_EQ(found.coordinators[1].error_code, ErrorCode::invalid_group_id);
  several.key_type = 1;
  EXPECT_EQ(call<wire::FindCoordinatorResponse>(several, 4).coordinators[0].error_code, ErrorCode::transactional_id_authorization_failed);
}

}  // namespace
}  // namespace baton::kafka
