// Requests that name one thing many times over, or that pack much into little: a reply, and the work for it, are bounded by what there is (S16, S17).
#include <gmock/gmock.h>

#include "kafka/session_test_support.h"

namespace baton::kafka {
namespace {

using testing::HasSubstr;
using testing::SizeIs;
using wire::ErrorCode;

class Repeats : public SessionTest {};

TEST_F(Repeats, WhatIsDescribedIsDescribedOnce) {
  ASSERT_EQ(create_topic("t", 3).error_code, ErrorCode::none);
  ASSERT_EQ(produce("t", batch_of("a", 7, 0)).error_code, ErrorCode::none);

  wire::MetadataRequest metadata;
  metadata.topics.emplace();
  for (std::uint8_t i = 0; i < 5; ++i) {
    wire::Uuid made_up{};
    made_up.bytes[0] = std::byte{i};
    metadata.topics->push_back({.topic_id = made_up, .name = "t"});
  }
  EXPECT_THAT(call<wire::MetadataResponse>(metadata, 12).topics, SizeIs(1));

  wire::DescribeConfigsRequest configs;
  for (int i = 0; i < 5; ++i) {
    configs.resources.push_back({.resource_type = 4, .resource_name = "1", .configuration_keys = {}});
    configs.resources.push_back({.resource_type = 2, .resource_name = "t", .configuration_keys = {}});
  }
  EXPECT_THAT(call<wire::DescribeConfigsResponse>(configs, 4).results, SizeIs(2));

  wire::DescribeProducersRequest producers;
  for (int i = 0; i < 3; ++i) producers.topics.push_back({.name = "t", .partition_indexes = {0, 1, 0, 0}});
  std::size_t described = 0;
  for (const auto& topic : call<wire::DescribeProducersResponse>(producers, 0).topics) described += topic.partitions.size();
  EXPECT_EQ(described, 2U);
}

TEST_F(Repeats, APartitionIsFetchedOnce) {
  ASSERT_EQ(create_topic("t", 2).error_code, ErrorCode::none);
  ASSERT_EQ(produce("t", batch_of("a")).error_code, ErrorCode::none);
  wire::FetchRequest request = fetch_request("t", 0);
  const auto partition = request.topics[0].partitions[0];
  request.topics[0].partitions.assign(1000, partition);
  request.topics.push_back(request.topics[0]);
  request.topics[1].partitions[500].partition = 1;
  request.topics[1].partitions[501].partition = 9;
  const auto response = call<wire::FetchResponse>(request, 12);
  ASSERT_THAT(response.responses, SizeIs(2));
  ASSERT_THAT(response.responses[0].partitions, SizeIs(1));
  EXPECT_EQ(values_of(response.responses[0].partitions[0]), std::vector<std::string>{"a"});
  ASSERT_THAT(response.responses[1].partitions, SizeIs(2));
  request.topics[0].partitions.resize(1);
  request.topics.resize(1);
  request.topics.resize(1000, {.topic = "t", .topic_id = {}, .partitions = {}});
  EXPECT_THAT(call<wire::FetchResponse>(request, 12).responses, SizeIs(1));
  EXPECT_EQ(response.responses[1].partitions[0].error_code, ErrorCode::none);
  EXPECT_EQ(response.responses[1].partitions[1].error_code, ErrorCode::unknown_topic_or_partition);
}

// Each of these is allowed by itself.
TEST_F(Repeats, WhatTheBatchesOfARequestUnpackToHasALimit) {
  ASSERT_EQ(create_topic("t", 8).error_code, ErrorCode::none);
  log::BatchBuilder builder(log::Codec::zstd);
  std::string value(60u << 20, 'x');
  std::uint64_t random = 1;
  for (std::size_t i = 0; i < 64u << 10; ++i) value[i] = static_cast<char>((random = random * 6364136223846793005U + 1442695040888963407U) >> 56);  // zstd packs the rest too well
  builder.add(1'000, std::nullopt, base::as_bytes(value), {});
  const base::Bytes batch = builder.finish(-1, {}).value();
  wire::ProduceRequest request = produce_request("t", batch);
  for (std::int32_t p = 1; p < 4; ++p) request.topic_data[0].partition_data.push_back({.index = p, .records = batch});
  const auto partitions = call<wire::ProduceResponse>(request, 9).responses.at(0).partition_responses;
  EXPECT_EQ(partitions.at(0).error_code, ErrorCode::none) << partitions[0].error_message.value_or("");
  EXPECT_EQ(partitions.at(3).error_code, ErrorCode::message_too_large);
  EXPECT_THAT(partitions[3].error_message.value_or(""), HasSubstr("send fewer in one"));
}

}  // namespace
}  // namespace baton::kafka
