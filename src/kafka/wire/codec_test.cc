// What the golden vectors of tests/wire do not show: headers, frames, errors, limits, and records that are not copied.
#include "kafka/wire/codec.h"

#include <initializer_list>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kafka/wire/api_versions.h"
#include "kafka/wire/consumer_protocol.h"
#include "kafka/wire/describe_topic_partitions.h"
#include "kafka/wire/fetch.h"
#include "kafka/wire/heartbeat.h"
#include "kafka/wire/join_group.h"
#include "kafka/wire/metadata.h"
#include "kafka/wire/produce.h"

namespace baton::kafka::wire {
namespace {

using testing::AllOf;
using testing::HasSubstr;

base::Bytes bytes_of(std::initializer_list<int> values) {
  base::Bytes out;
  for (const int v : values) out.push_back(static_cast<std::byte>(v));
  return out;
}

template <typename M>
base::Bytes encoded(std::int16_t version, const M& message) {
  Encoder out;
  EXPECT_TRUE(encode(out, version, message).ok());
  return {out.bytes().begin(), out.bytes().end()};
}

template <typename M>
std::string decode_error(base::ByteView body, std::int16_t version, const DecodeLimits& limits = {}) {
  const auto message = decode<M>(body, version, limits);
  return message.ok() ? "no error" : message.error().detail;
}

ProduceRequest produce_request(base::ByteView records) {
  ProduceRequest request{.acks = -1, .timeout_ms = 1000};
  request.topic_data.push_back({.name = "rides", .partition_data = {{.index = 3, .records = records}}});
  return request;
}

TEST(Codec, ReadsAFrameWithItsHeaderAndPointsIntoItForRecords) {
  const base::Bytes records(1000, std::byte{7});
  for (const std::int16_t version : std::initializer_list<std::int16_t>{0, 3, 9, 12}) {
    Encoder out;
    ASSERT_TRUE(append_request(out, 77, "client", version, produce_request(records)).ok());
    const base::ByteView frame = out.bytes().subspan(4);
    EXPECT_EQ(base::load_be<std::int32_t>(out.bytes().data()), static_cast<std::int32_t>(frame.size()));
    Decoder in(frame);
    const auto header = decode_request_header(in);
    ASSERT_TRUE(header.ok()) << header.error().detail;
    EXPECT_EQ(header->request_api_key, 0);
    EXPECT_EQ(header->request_api_version, version);
    EXPECT_EQ(header->correlation_id, 77);
    EXPECT_EQ(header->client_id, "client");
    const auto request = decode<ProduceRequest>(in, version);
    ASSERT_TRUE(request.ok()) << request.error().detail;
    const auto& partition = request->topic_data.at(0).partition_data.at(0);
    EXPECT_EQ(partition.index, 3);
    ASSERT_TRUE(partition.records.has_value());
    EXPECT_EQ(partition.records->size(), records.size());
    EXPECT_GE(partition.records->data(), frame.data());
    EXPECT_LE(partition.records->data() + partition.records->size(), frame.data() + frame.size());
  }
}

TEST(Codec, AnswersToApiVersionsHaveHeader0InEveryVersion) {
  EXPECT_EQ(response_header_version(ApiKey::api_versions, 3), 0);
  EXPECT_EQ(request_header_version(ApiKey::api_versions, 3), 2);
  EXPECT_EQ(response_header_version(ApiKey::produce, 8), 0);
  EXPECT_EQ(response_header_version(ApiKey::produce, 9), 1);
  EXPECT_EQ(request_header_version(ApiKey::produce, 8), 1);
  Encoder out;
  ASSERT_TRUE(append_response(out, 5, 3, ApiVersionsResponse{.error_code = ErrorCode::unsupported_version}).ok());
  // length, correlation id, error code, an empty compact array, throttle time, no tags
  EXPECT_EQ(base::Bytes(out.bytes().begin(), out.bytes().end()), bytes_of({0, 0, 0, 12, 0, 0, 0, 5, 0, 35, 1, 0, 0, 0, 0, 0}));
}

TEST(Codec, ReadsTheHeaderOfAVersionThatItDoesNotKnow) {
  Encoder out;
  ASSERT_TRUE(append_request(out, 9, "c", 4, ApiVersionsRequest{.client_software_name = "x"}).ok());
  base::Bytes frame(out.bytes().begin() + 4, out.bytes().end());
  frame[3] = std::byte{99};
  Decoder in(frame);
  const auto header = decode_request_header(in);
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header->request_api_version, 99);
  EXPECT_EQ(header->correlation_id, 9);
  EXPECT_THAT(decode_error<ApiVersionsRequest>({}, 99), HasSubstr("ApiVersionsRequest has versions 0 to 4, not 99"));
}

TEST(Codec, RefusesTheHeaderOfAnApiThatItDoesNotKnow) {
  for (const int key : {4, 7, 200, 0x7F}) {
    const base::Bytes frame = bytes_of({0, key, 0, 0, 0, 0, 0, 1, 0xFF, 0xFF});
    Decoder in(frame);
    EXPECT_FALSE(decode_request_header(in).ok()) << key;
  }
  const base::Bytes negative = bytes_of({0xFF, 0xFF, 0, 0, 0, 0, 0, 1, 0xFF, 0xFF});
  Decoder in(negative);
  EXPECT_FALSE(decode_request_header(in).ok());
}

TEST(Codec, AValueInAFieldThatTheVersionLacksIsAnErrorUnlessItMayBeLeftOut) {
  Encoder out;
  JoinGroupRequest request;
  request.group_instance_id = "instance";
  const Status status = encode(out, 4, request);
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.error().detail, AllOf(HasSubstr("JoinGroupRequest v4"), HasSubstr("group_instance_id")));
  out.clear();
  EXPECT_TRUE(encode(out, 5, request).ok());
  // The throttle time may be left out.
  EXPECT_EQ(encoded(0, HeartbeatResponse{.throttle_time_ms = 5}), encoded(0, HeartbeatResponse{}));
  // Deep in a message, the path says where.
  ProduceResponse response;
  response.responses.resize(2);
  response.responses[1].partition_responses.resize(1);
  response.responses[1].partition_responses[0].current_leader.leader_id = 1;
  out.clear();
  EXPECT_THAT(encode(out, 9, response).error().detail, HasSubstr("responses[1].partition_responses[0].current_leader"));
}

TEST(Codec, AFrameThatFailsLeavesNothingBehind) {
  Encoder out;
  ASSERT_TRUE(append_response(out, 1, 0, HeartbeatResponse{}).ok());
  const std::size_t size = out.size();
  MetadataResponse response;
  response.topics.resize(1);
  response.topics[0].name = std::nullopt;
  EXPECT_THAT(append_response(out, 2, 1, response).error().detail, HasSubstr("topics[0].name: null"));
  EXPECT_EQ(out.size(), size);
  ASSERT_TRUE(append_response(out, 3, 0, HeartbeatResponse{}).ok());
  EXPECT_EQ(out.size(), 2 * size);
}

TEST(Codec, WhatIsEncodedCanBeTakenAndTheEncoderUsedAgain) {
  Encoder out;
  ASSERT_TRUE(encode_response(out, 1, 0, HeartbeatResponse{}).ok());
  const base::Bytes first = out.take();
  EXPECT_EQ(first, bytes_of({0, 0, 0, 1, 0, 0}));
  EXPECT_EQ(out.size(), 0u);
  // Small fields behind records that are larger than the buffer.
  const base::Bytes records(5000, std::byte{9});
  ASSERT_TRUE(encode_request(out, 2, std::nullopt, 9, produce_request(records)).ok());
  const base::Bytes second = out.take();
  Decoder in(second);
  ASSERT_TRUE(decode_request_header(in).ok());
  const auto request = decode<ProduceRequest>(in, 9);
  ASSERT_TRUE(request.ok()) << request.error().detail;
  EXPECT_EQ(request->topic_data.at(0).partition_data.at(0).records->size(), records.size());
}

TEST(Codec, RecordsThatLieElsewhereAreCountedAndNotCopied) {
  const auto response_with = [](Records records) {
    FetchResponse response;
    response.responses.push_back({.topic = "rides", .partitions = {{.partition_index = 0, .records = records}}});
    response.responses[0].partitions.push_back({.partition_index = 1, .records = Records{}});
    return response;
  };
  const base::Bytes records(300, std::byte{1});
  for (const std::int16_t version : std::initializer_list<std::int16_t>{4, 12}) {
    Encoder whole;
    ASSERT_TRUE(append_response(whole, 1, version, response_with({.bytes = records})).ok());
    Encoder parts;
    ASSERT_TRUE(append_response(parts, 1, version, response_with({.elsewhere_bytes = 300, .source = 42})).ok());
    ASSERT_EQ(parts.elsewhere().size(), 1u);
    const Elsewhere& gap = parts.elsewhere()[0];
    EXPECT_EQ(gap.source, 42u);
    base::Bytes joined(parts.bytes().begin(), parts.bytes().end());
    joined.insert(joined.begin() + static_cast<std::ptrdiff_t>(gap.at), records.begin(), records.end());
    EXPECT_EQ(joined, base::Bytes(whole.bytes().begin(), whole.bytes().end()));
  }
}

TEST(Codec, ErrorsNameFieldByteAndReason) {
  base::Bytes body = encoded(8, produce_request({}));
  const std::size_t name_at = 2 + 2 + 4 + 4;
  base::store_be<std::int16_t>(body.data() + name_at, 500);
  EXPECT_EQ(decode_error<ProduceRequest>(body, 8),
            "ProduceRequest v8: topic_data[0].name, byte 14: 500 bytes wanted, and 17 are left");
  base::store_be<std::int16_t>(body.data() + name_at, -2);
  EXPECT_THAT(decode_error<ProduceRequest>(body, 8), HasSubstr("a length of -2"));
  base::store_be<std::int16_t>(body.data() + name_at, -1);
  EXPECT_THAT(decode_error<ProduceRequest>(body, 8), HasSubstr("null, which this version does not allow"));
}

TEST(Codec, CountsAreComparedWithTheBytesThatAreThere) {
  base::Bytes body = encoded(8, produce_request({}));
  const std::size_t count_at = 2 + 2 + 4;
  for (const std::int32_t count : {std::numeric_limits<std::int32_t>::max(), 1'000'000, 7}) {
    base::store_be<std::int32_t>(body.data() + count_at, count);
    EXPECT_THAT(decode_error<ProduceRequest>(body, 8), HasSubstr("topic_data, byte 12: a count of " + std::to_string(count)));
  }
  base::store_be<std::int32_t>(body.data() + count_at, -7);
  EXPECT_THAT(decode_error<ProduceRequest>(body, 8), HasSubstr("a count of -7"));
  // acks, timeout, then a compact count of 2^32 - 2
  EXPECT_THAT(decode_error<ProduceRequest>(bytes_of({0, 0, 1, 0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0, 0}), 9),
              HasSubstr("a count of 4294967294"));
}

TEST(Codec, VarintsOfMoreThan32BitsAreRefused) {
  EXPECT_THAT(decode_error<ProduceRequest>(bytes_of({0x80, 0x80, 0x80, 0x80, 0x80, 0, 0, 0, 0, 0}), 9),
              HasSubstr("transactional_id, byte 0: a varint of more than 32 bits"));
  EXPECT_THAT(decode_error<ProduceRequest>(bytes_of({0xFF, 0xFF, 0xFF, 0xFF, 0x1F, 0, 0, 0, 0, 0}), 9),
              HasSubstr("a varint of more than 32 bits"));
}

TEST(Codec, TheElementsOfAMessageAreLimited) {
  MetadataRequest request;
  request.topics.emplace(1000);
  const base::Bytes body = encoded(1, request);
  EXPECT_TRUE(decode<MetadataRequest>(body, 1, {.elements_max = 1000}).ok());
  EXPECT_THAT(decode_error<MetadataRequest>(body, 1, {.elements_max = 999}), HasSubstr("more than 999 elements"));
  // All arrays count together.
  FetchRequest fetch;
  fetch.topics.resize(10);
  for (auto& topic : fetch.topics) topic.partitions.resize(10);
  EXPECT_TRUE(decode<FetchRequest>(encoded(12, fetch), 12, {.elements_max = 110}).ok());
  EXPECT_THAT(decode_error<FetchRequest>(encoded(12, fetch), 12, {.elements_max = 109}), HasSubstr("topics[9].partitions"));
}

TEST(Codec, NothingMayBeLeftBehindAResponseAndWhatIsBehindARequestIsNotLookedAt) {
  base::Bytes response = encoded(0, HeartbeatResponse{});
  response.push_back(std::byte{0});
  EXPECT_THAT(decode_error<HeartbeatResponse>(response, 0), HasSubstr("1 bytes are left over"));
  base::Bytes request = encoded(0, HeartbeatRequest{});
  request.push_back(std::byte{0});
  EXPECT_TRUE(decode<HeartbeatRequest>(request, 0).ok());
}

// A Heartbeat request v4 up to its tags, and these.
base::Bytes heartbeat(std::initializer_list<int> tags) {
  base::Bytes body = encoded(4, HeartbeatRequest{.group_id = "g", .member_id = "m"});
  body.pop_back();
  base::put_bytes(body, bytes_of(tags));
  return body;
}

TEST(Tags, UnknownOnesAreSkipped) {
  EXPECT_TRUE(decode<HeartbeatRequest>(heartbeat({2, 0, 1, 9, 5, 0}), 4).ok());
  EXPECT_TRUE(decode<HeartbeatRequest>(heartbeat({1, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0}), 4).ok());
}

TEST(Tags, AreCheckedForOrderSizeAndNumber) {
  EXPECT_THAT(decode_error<HeartbeatRequest>(heartbeat({2, 3, 0, 3, 0}), 4), HasSubstr("tag 3 behind tag 3"));
  EXPECT_THAT(decode_error<HeartbeatRequest>(heartbeat({2, 3, 0, 1, 0}), 4), HasSubstr("tag 1 behind tag 3"));
  EXPECT_THAT(decode_error<HeartbeatRequest>(heartbeat({1, 0, 2, 0}), 4), HasSubstr("2 bytes wanted, and 1 are left"));
  EXPECT_THAT(decode_error<HeartbeatRequest>(heartbeat({3, 0, 0, 1, 0}), 4), HasSubstr("a count of 3 tags"));
  EXPECT_THAT(decode_error<HeartbeatRequest>(heartbeat({2, 0, 0, 1, 0}), 4, {.unknown_tags_max = 1}),
              HasSubstr("more than 1 unknown tags"));
}

TEST(Tags, AKnownFieldFillsItsSizeAndCannotReadPastIt) {
  FetchRequest request{.cluster_id = "abc"};
  const base::Bytes body = encoded(15, request);
  const auto again = decode<FetchRequest>(body, 15);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->cluster_id, "abc");
  // The tags are last: count, tag, size, and the compact string.
  base::Bytes longer(body.begin(), body.end() - 7);
  base::put_bytes(longer, bytes_of({1, 0, 5, 4, 'a', 'b', 'c', 'd'}));
  EXPECT_THAT(decode_error<FetchRequest>(longer, 15), HasSubstr("cluster_id, byte"));
  EXPECT_THAT(decode_error<FetchRequest>(longer, 15), HasSubstr("1 bytes more than tag 0 needs"));
  base::Bytes shorter(body.begin(), body.end() - 7);
  base::put_bytes(shorter, bytes_of({1, 0, 3, 4, 'a', 'b', 'c'}));
  EXPECT_THAT(decode_error<FetchRequest>(shorter, 15), HasSubstr("3 bytes wanted, and 2 are left"));
}

TEST(Tags, LongFieldsGetALongerSize) {
  for (const std::size_t size : {10u, 125u, 126u, 127u, 128u, 20'000u}) {
    const std::string text(size, 'x');
    const base::Bytes body = encoded(12, FetchRequest{.cluster_id = text});
    const auto again = decode<FetchRequest>(body, 12);
    ASSERT_TRUE(again.ok()) << again.error().detail;
    EXPECT_EQ(again->cluster_id, text);
  }
}

TEST(Codec, NullableStructs) {
  DescribeTopicPartitionsRequest request;
  request.cursor = DescribeTopicPartitionsRequest::Cursor{.topic_name = "t", .partition_index = 4};
  const base::Bytes body = encoded(0, request);
  const auto with = decode<DescribeTopicPartitionsRequest>(body, 0);
  ASSERT_TRUE(with.ok() && with->cursor.has_value());
  EXPECT_EQ(with->cursor->partition_index, 4);
  request.cursor.reset();
  const base::Bytes none = encoded(0, request);
  const auto without = decode<DescribeTopicPartitionsRequest>(none, 0);
  ASSERT_TRUE(without.ok());
  EXPECT_FALSE(without->cursor.has_value());
}

TEST(ConsumerProtocol, ReadsWhatItKnowsOfANewerVersion) {
  ConsumerProtocolSubscription subscription{.topics = {"rides"}, .generation_id = 7, .rack_id = "r"};
  Encoder out;
  ASSERT_TRUE(encode_with_version(out, 3, subscription).ok());
  base::Bytes bytes = out.take();
  ASSERT_TRUE(decode_with_version<ConsumerProtocolSubscription>(bytes).ok());
  base::store_be<std::int16_t>(bytes.data(), 9);
  base::put_bytes(bytes, bytes_of({1, 2, 3}));
  const auto again = decode_with_version<ConsumerProtocolSubscription>(bytes);
  ASSERT_TRUE(again.ok()) << again.error().detail;
  EXPECT_THAT(again->topics, testing::ElementsAre("rides"));
  EXPECT_EQ(again->generation_id, 7);
  EXPECT_EQ(again->rack_id, "r");
  base::store_be<std::int16_t>(bytes.data(), -1);
  EXPECT_FALSE(decode_with_version<ConsumerProtocolSubscription>(bytes).ok());
  EXPECT_FALSE(decode_with_version<ConsumerProtocolSubscription>(bytes_of({0})).ok());
}

TEST(Apis, AreFoundByKey) {
  for (const ApiInfo& api : all_apis()) EXPECT_EQ(find_api(static_cast<std::int16_t>(api.key)), &api);
  EXPECT_EQ(find_api(-1), nullptr);
  EXPECT_EQ(find_api(4), nullptr);
  EXPECT_EQ(find_api(30'000), nullptr);
  EXPECT_EQ(api_info(ApiKey::fetch).name, "Fetch");
}

TEST(Errors, AreFoundByCode) {
  for (const ErrorInfo& error : all_errors()) EXPECT_EQ(&error_info(error.code), &error);
  EXPECT_EQ(error_info(ErrorCode::unknown_topic_or_partition).name, "UNKNOWN_TOPIC_OR_PARTITION");
  EXPECT_TRUE(error_info(ErrorCode::unknown_topic_or_partition).retriable);
  for (const int code : {-2, 134, 32767, -32768}) {
    EXPECT_EQ(error_info(static_cast<ErrorCode>(code)).name, "UNKNOWN_SERVER_ERROR");
  }
}

}  // namespace
}  // namespace baton::kafka::wire
