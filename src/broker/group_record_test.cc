// The records of groups: docs/formats/groups.md, byte for byte.
#include <gtest/gtest.h>

#include "base/hex.h"
#include "broker/group_record.h"
#include "broker/subscription.h"

namespace baton::broker {
namespace {

base::Bytes bytes_of_hex(std::string_view hex) {
  std::string digits;
  for (const char c : hex) {
    if (c != ' ') digits += c;
  }
  return *base::from_hex(digits);
}

const OffsetsRecord kOffsetsExample{
    .group = {"g"},
    .topics = {{.topic = "t",
                .topic_id = {},
                .offsets = {{log::PartitionId(0), StoredOffset{.offset = log::Offset(5), .commit_ms = 1'700'000'000'000}}}}}};
const GenerationRecord kGenerationExample{.group = {"g"},
                                          .generation = GenerationId(2),
                                          .since_ms = 1'700'000'000'000,
                                          .protocol_type = "consumer",
                                          .protocol = "range",
                                          .leader = {"m1"},
                                          .members = {{.id = {"m1"},
                                                       .instance = std::nullopt,
                                                       .client_id = "c",
                                                       .client_host = "h",
                                                       .session_timeout_ms = 45'000,
                                                       .rebalance_timeout_ms = 300'000,
                                                       .protocols = {{"range", {std::byte{0}, std::byte{1}}}},
                                                       .assignment = {std::byte{'A'}}}}};

std::vector<GroupRecord> one_of_each() {
  auto with_instances = kGenerationExample;
  with_instances.members.push_back(with_instances.members[0]);
  with_instances.members[0].instance = InstanceId{""};
  with_instances.members[1].id.value = "m2";
  with_instances.members[1].instance = InstanceId{"i"};
  return {kGenerationExample,
          with_instances,
          GenerationRecord{.group = {"empty"}, .generation = GenerationId(7), .since_ms = 1, .protocol_type = "consumer"},
          ReservedRecord{.group = {"g"}, .generation = GenerationId(3)},
          StaticMemberRecord{.group = {"g"}, .generation = GenerationId(2), .member = with_instances.members[1]},
          kOffsetsExample,
          OffsetsRemovedRecord{.group = {""}, .topics = {{"t", {log::PartitionId(0), log::PartitionId(7)}}, {"u", {}}}},
          GroupRemovedRecord{.group = {"g"}}};
}

TEST(GroupRecord, TheExamplesOfTheFormatAreWhatIsWritten) {
  EXPECT_EQ(
      base::to_hex(encode_group_record(kOffsetsExample)),
      base::to_hex(bytes_of_hex("04 01 01 67 01 01 74 00000000000000000000000000000000 01 00 0a 01 80 a0 ab fe f9 62 01 00")));
  EXPECT_EQ(
      base::to_hex(encode_group_record(kGenerationExample)),
      base::to_hex(bytes_of_hex("01 01 01 67 04 80 a0 ab fe f9 62 08 63 6f 6e 73 75 6d 65 72 05 72 61 6e 67 65 02 6d 31 01"
                                "02 6d 31 00 01 63 01 68 90 bf 05 c0 cf 24 01 05 72 61 6e 67 65 02 00 01 01 41")));
}

TEST(GroupRecord, EachKindIsReadAsItWasWritten) {
  for (const auto& record : one_of_each()) {
    const auto read = decode_group_record(encode_group_record(record));
    ASSERT_TRUE(read) << read.error().to_string();
    EXPECT_EQ(*read, record);
  }
}

TEST(GroupRecord, WhatIsCutOrHasMoreBehindItIsCorrupt) {
  for (const auto& record : one_of_each()) {
    auto bytes = encode_group_record(record);
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      const auto read = decode_group_record(base::ByteView(bytes).first(length));
      ASSERT_FALSE(read);
      EXPECT_EQ(read.error().code, Code::corrupt);
    }
    bytes.push_back(std::byte{0});
    EXPECT_EQ(decode_group_record(bytes).error().code, Code::corrupt);
  }
}

TEST(GroupRecord, AKindOrVersionOfANewerProgramIsSaidToBeOne) {
  for (const char* hex : {"0701 0167", "0001 0167", "0602 0167", "0600 0167"}) {
    EXPECT_EQ(decode_group_record(bytes_of_hex(hex)).error().code, Code::unsupported_format) << hex;
  }
}

TEST(GroupRecord, TwoMembersOfOneIdOrInstanceAreCorrupt) {
  auto record = kGenerationExample;
  record.members.push_back(record.members[0]);
  EXPECT_EQ(decode_group_record(encode_group_record(record)).error().code, Code::corrupt);
  record.members[1].id.value = "m2";
  EXPECT_TRUE(decode_group_record(encode_group_record(record)));
  record.members[0].instance = record.members[1].instance = InstanceId{"i"};
  EXPECT_EQ(decode_group_record(encode_group_record(record)).error().code, Code::corrupt);
}

TEST(GroupRecord, NegativeNumbersWhereThereAreNoneAreCorrupt) {
  EXPECT_FALSE(decode_group_record(encode_group_record(ReservedRecord{.group = {"g"}, .generation = GenerationId(-1)})));
  auto offsets = kOffsetsExample;
  offsets.topics[0].offsets[0].first = log::PartitionId(-1);
  EXPECT_FALSE(decode_group_record(encode_group_record(offsets)));
}

TEST(GroupRecord, OffsetsAreWrittenInRecordsOfBoundedSizeAndAllOfThem) {
  OffsetMap offsets;
  for (std::int32_t i = 0; i < 1'000; ++i) {
    offsets[{"topic-" + std::to_string(i % 7), log::PartitionId(i)}] = {.offset = log::Offset(i),
                                                                        .metadata = std::string(20, 'x')};
  }
  OffsetMap read;
  for (const auto& bytes : encode_offsets({"g"}, offsets, 4'096)) {
    EXPECT_LE(bytes.size(), 4'200U);
    const auto record = std::get<OffsetsRecord>(*decode_group_record(bytes));
    EXPECT_EQ(record.group, GroupId{"g"});
    for (const auto& topic : record.topics) {
      for (const auto& [partition, offset] : topic.offsets) read[{topic.topic, partition}] = offset;
    }
  }
  EXPECT_EQ(read, offsets);
}

TEST(Subscription, TopicsAreReadAndAnythingElseIsNone) {
  const auto two = bytes_of_hex("0003 00000002 0001 74 0002 7575 ffffffff 00000000");
  EXPECT_EQ(*subscribed_topics(two), (std::vector<std::string_view>{"t", "uu"}));
  EXPECT_TRUE(subscribed_topics(bytes_of_hex("0000 00000000"))->empty());
  for (const char* hex :
       {"", "0001", "ffff 00000000", "0001 ffffffff", "0001 7fffffff", "0001 00000001 ffff", "0001 00000001 0005 74"}) {
    EXPECT_FALSE(subscribed_topics(bytes_of_hex(hex))) << hex;
  }
}

}  // namespace
}  // namespace baton::broker
