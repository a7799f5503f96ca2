#include <limits>

#include "kafka/groups_test_support.h"

namespace baton::kafka {
namespace {

using wire::ErrorCode;

TEST_F(GroupsTest, OffsetsAreCommittedAndFetchedInEveryVersion) {
  const auto made = create_topic("t", 2);
  ASSERT_EQ(made.error_code, ErrorCode::none);
  std::int64_t offset = 0;
  for (std::int16_t version = 2; version <= 10; ++version) {
    SCOPED_TRACE(version);
    auto request = commit_request("g", version < 10 ? "t" : "", ++offset);
    if (version == 10) request.topics[0].topic_id = made.topic_id;
    request.topics[0].partitions[0].committed_leader_epoch = version >= 6 ? 3 : -1;
    request.topics[0].partitions[0].committed_metadata.reset();
    if (version % 2 == 0) request.topics[0].partitions[0].committed_metadata = "note";
    EXPECT_EQ(commit(request, version), ErrorCode::none);
    const auto fetched = committed("g", "t");
    EXPECT_EQ(fetched.committed_offset, offset);
    EXPECT_EQ(fetched.metadata, version % 2 == 0 ? "note" : "");
    EXPECT_EQ(fetched.committed_leader_epoch, version >= 6 ? 3 : -1);
  }
  for (std::int16_t version = 1; version <= 7; ++version) {
    SCOPED_TRACE(version);
    wire::OffsetFetchRequest request;
    request.group_id = "g";
    request.topics->push_back({.name = "t", .partition_indexes = {1, 0}});
    request.topics->push_back({.name = "missing", .partition_indexes = {0}});
    auto response = call<wire::OffsetFetchResponse>(request, version);
    EXPECT_EQ(response.error_code, ErrorCode::none);
    ASSERT_EQ(response.topics.size(), 2u);
    EXPECT_EQ(response.topics[0].partitions[0].committed_offset, -1);
    EXPECT_EQ(response.topics[0].partitions[1].committed_offset, offset);
    EXPECT_EQ(response.topics[0].partitions[1].metadata, "note");
    EXPECT_EQ(response.topics[0].partitions[1].committed_leader_epoch, version >= 5 ? 3 : -1);
    EXPECT_EQ(response.topics[1].partitions[0].committed_offset, -1);
    EXPECT_EQ(response.topics[1].partitions[0].error_code, ErrorCode::none);
    if (version < 2) continue;
    request.topics.reset();
    response = call<wire::OffsetFetchResponse>(request, version);
    ASSERT_EQ(response.topics.size(), 1u);
    ASSERT_EQ(response.topics[0].partitions.size(), 1u);
    EXPECT_EQ(response.topics[0].name, "t");
    EXPECT_EQ(response.topics[0].partitions[0].committed_offset, offset);
  }
  for (std::int16_t version = 8; version <= 10; ++version) {
    SCOPED_TRACE(version);
    auto request = offsets_request("g", version < 10 ? "t" : "");
    if (version == 10) request.groups[0].topics->at(0).topic_id = made.topic_id;
    request.groups.push_back({.group_id = "none", .topics = {{}}});
    request.groups.push_back({.group_id = "all", .topics = std::nullopt});
    request.groups.push_back({.group_id = "g", .topics = std::nullopt});
    const auto response = call<wire::OffsetFetchResponse>(request, version);
    ASSERT_EQ(response.groups.size(), 4u);
    EXPECT_EQ(response.groups[0].topics.at(0).partitions.at(0).committed_offset, offset);
    if (version == 10) EXPECT_EQ(response.groups[0].topics.at(0).topic_id, made.topic_id);
    EXPECT_EQ(response.groups[1].error_code, ErrorCode::none);
    EXPECT_EQ(response.groups[2].topics.size(), 0u);
    EXPECT_EQ(response.groups[3].error_code, ErrorCode::invalid_request);  // a second time
    wire::OffsetFetchRequest all;
    all.groups.push_back({.group_id = "g", .topics = std::nullopt});
    const auto whole = call<wire::OffsetFetchResponse>(all, version);
    ASSERT_EQ(whole.groups.at(0).topics.size(), 1u);
    if (version == 10) EXPECT_EQ(whole.groups[0].topics[0].topic_id, made.topic_id);
    EXPECT_EQ(whole.groups[0].topics[0].partitions.at(0).committed_offset, offset);
  }
}

TEST_F(GroupsTest, F14WhenTheDiskIsFullForProducersOffsetsStillCommit) {
  ASSERT_EQ(create_topic("t").error_code, ErrorCode::none);
  world_.disk().faults.capacity_bytes = world_.disk().used_bytes() + (40u << 20);  // 32 MiB of them are the reserve
  const base::Bytes batch = batch_of(std::string(900'000, 'x'));
  ErrorCode error = ErrorCode::none;
  for (int i = 0; i < 100 && error == ErrorCode::none; ++i) error = produce("t", batch).error_code;
  ASSERT_EQ(error, ErrorCode::kafka_storage_error);
  // Also of a group that is new, with the first offset of the server.
  for (int i = 0; i < 200; ++i) ASSERT_EQ(commit(commit_request("g" + std::to_string(i % 5), "t", i % 7)), ErrorCode::none) << i;
  EXPECT_EQ(produce("t", batch).error_code, ErrorCode::kafka_storage_error);
  restart(false);
  for (int i = 195; i < 200; ++i) EXPECT_EQ(committed("g" + std::to_string(i % 5), "t").committed_offset, i % 7) << i;
}

TEST_F(GroupsTest, APartitionThatIsAskedForTwiceIsAnsweredOnce) {
  ASSERT_EQ(create_topic("t").error_code, ErrorCode::none);
  ASSERT_EQ(commit(commit_request("g", "t", 5)), ErrorCode::none);
  auto request = offsets_request("g", "t");
  request.groups[0].topics->at(0).partition_indexes = {1, 0, 0};
  request.groups[0].topics->push_back({.name = "u", .topic_id = {}, .partition_indexes = {0}});
  const auto topics = call<wire::OffsetFetchResponse>(request, 9).groups.at(0).topics;
  EXPECT_EQ(topics.at(0).partitions.at(0).committed_offset, -1);
  EXPECT_EQ(topics.at(0).partitions.at(1).committed_offset, 5);
  EXPECT_EQ(topics.at(0).partitions.at(2).error_code, ErrorCode::invalid_request);
  EXPECT_EQ(topics.at(1).partitions.at(0).error_code, ErrorCode::none);
}

// Where an error stands depends on the version: in each partition, in the answer, in the group.
TEST_F(GroupsTest, OffsetsOfAGroupWhoseRemovalIsOnItsWayAreNotToldYet) {
  ASSERT_EQ(create_topic("t").error_code, ErrorCode::none);
  ASSERT_EQ(commit(commit_request("g", "t", 5)), ErrorCode::none);
  wire::OffsetFetchRequest one;
  one.group_id = "g";
  one.topics->push_back({.name = "t", .partition_indexes = {0}});
  std::vector<std::shared_ptr<Answer>> answers;
  wire::DeleteGroupsRequest removal;
  removal.groups_names = {"g"};
  on_core([&] {
    const auto ask = [&](base::Bytes frame) {
      const auto& answer = answers.emplace_back(std::make_shared<Answer>());
      answer->waiter = env_->make_waiter();
      session_->handle(base::Buffer(frame), [answer](net::ReplyResult result) {
        answer->result = std::move(result);
        answer->waiter->wake();
      });
    };
    ask(frame_of(removal, 2));
    ask(frame_of(one, 1));
    ask(frame_of(one, 7));
    ask(frame_of(offsets_request("g", "t"), 9));
  });
  const auto old = body_of<wire::OffsetFetchResponse>(*answers[1], 1);
  EXPECT_EQ(old.topics.at(0).partitions.at(0).error_code, ErrorCode::coordinator_not_available);
  const auto whole = body_of<wire::OffsetFetchResponse>(*answers[2], 7);
  EXPECT_EQ(whole.error_code, ErrorCode::coordinator_not_available);
  EXPECT_EQ(whole.topics.size(), 0u);
  EXPECT_EQ(body_of<wire::OffsetFetchResponse>(*answers[3], 9).groups.at(0).error_code, ErrorCode::coordinator_not_available);
  EXPECT_EQ(body_of<wire::DeleteGroupsResponse>(*answers[0], 2).results.at(0).error_code, ErrorCode::none);
  EXPECT_EQ(committed("g", "t").committed_offset, -1);
}

TEST_F(GroupsTest, WhatIsWrongWithACommitIsSaidPerPartition) {
  ASSERT_EQ(create_topic("t").error_code, ErrorCode::none);
  const auto [member, generation] = settle("g");
  EXPECT_EQ(commit(commit_request("g", "missing", 1)), ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(commit(commit_request("g", "__baton_groups", 1)), ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(commit(commit_request("g", "", 1)), ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(commit(commit_request("g", "t", 1, 1)), ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(commit(commit_request("g", "t", 1, -1)), ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(commit(commit_request("g", "", 1), 10), ErrorCode::unknown_topic_id);
  EXPECT_EQ(commit(commit_request("g", "t", 1)), ErrorCode::unknown_member_id);  // the group has members
  auto request = commit_request("g", "t", 1);
  request.topics[0].partitions.push_back({.partition_index = 9, .committed_offset = 1});
  request.member_id = member;
  request.generation_id_or_member_epoch = generation + 1;
  EXPECT_EQ(commit(request), ErrorCode::illegal_generation);
  request.generation_id_or_member_epoch = generation;
  const auto mixed = call<wire::OffsetCommitResponse>(request, 9).topics.at(0).partitions;
  EXPECT_EQ(mixed.at(0).error_code, ErrorCode::none);
  EXPECT_EQ(mixed.at(1).error_code, ErrorCode::unknown_topic_or_partition);
  const std::string note(5'000, 'n');
  request.topics[0].partitions[0].committed_metadata = note;
  EXPECT_EQ(commit(request), ErrorCode::offset_metadata_too_large);
  EXPECT_EQ(committed("g", "t").committed_offset, 1);
  EXPECT_EQ(call<wire::OffsetCommitResponse>(wire::OffsetCommitRequest{}, 9).topics.size(), 0u);
}

TEST_F(GroupsTest, ARetentionOfACommitIsATimeWhateverItsSize) {
  ASSERT_EQ(create_topic("t").error_code, ErrorCode::none);
  auto request = commit_request("g", "t", 1);
  request.retention_time_ms = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(commit(request, 2), ErrorCode::none);
  EXPECT_EQ(committed("g", "t").committed_offset, 1);
}

TEST_F(GroupsTest, OffsetsOfATopicThatIsMadeAnewAreNotThoseOfTheOld) {
  const auto old = create_topic("t");
  ASSERT_EQ(commit(commit_request("g", "t", 5)), ErrorCode::none);
  auto by_id = offsets_request("g", "");
  by_id.groups[0].topics->at(0).topic_id = old.topic_id;
  EXPECT_EQ(call<wire::OffsetFetchResponse>(by_id, 10).groups[0].topics.at(0).partitions.at(0).committed_offset, 5);
  wire::DeleteTopicsRequest drop;
  drop.topic_names = {"t"};
  ASSERT_EQ(call<wire::DeleteTopicsResponse>(drop, 4).responses[0].error_code, ErrorCode::none);
  EXPECT_EQ(call<wire::OffsetFetchResponse>(by_id, 10).groups[0].topics.at(0).partitions.at(0).error_code, ErrorCode::unknown_topic_id);
  EXPECT_EQ(call<wire::OffsetFetchResponse>(by_id, 10).groups[0].topics.at(0).partitions.at(0).committed_offset, -1);
  const auto made = create_topic("t");
  by_id.groups[0].topics->at(0).topic_id = made.topic_id;
  EXPECT_EQ(call<wire::OffsetFetchResponse>(by_id, 10).groups[0].topics.at(0).partitions.at(0).committed_offset, -1);
  EXPECT_EQ(committed("g", "t").committed_offset, -1);
}

TEST_F(GroupsTest, OffsetsAreDeletedWhereNobodyReads) {
  ASSERT_EQ(create_topic("t", 2).error_code, ErrorCode::none);
  for (const std::int32_t partition : {0, 1}) ASSERT_EQ(commit(commit_request("g", "t", 5, partition)), ErrorCode::none);
  wire::OffsetDeleteRequest request;
  request.group_id = "g";
  request.topics = {{.name = "missing", .partitions = {{.partition_index = 0}}}, {.name = "t", .partitions = {{.partition_index = 1}}}};
  const auto deleted = call<wire::OffsetDeleteResponse>(request, 0);
  EXPECT_EQ(deleted.error_code, ErrorCode::none);
  EXPECT_EQ(deleted.topics.at(0).partitions.at(0).error_code, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(deleted.topics.at(1).partitions.at(0).error_code, ErrorCode::none);
  EXPECT_EQ(committed("g", "t", 0).committed_offset, 5);
  EXPECT_EQ(committed("g", "t", 1).committed_offset, -1);
  request.group_id = "none";
  const auto none = call<wire::OffsetDeleteResponse>(request, 0);
  EXPECT_EQ(none.error_code, ErrorCode::group_id_not_found);
  EXPECT_EQ(none.topics.size(), 0u);

  // A member's subscription: version 0, topics ["t"], no user data.
  const std::string subscription("\0\0\0\0\0\1\0\1t\xff\xff\xff\xff", 13);
  const std::string reader = new_id("g");
  const auto joined = call<wire::JoinGroupResponse>(join_request("g", reader, subscription), 9);
  ASSERT_EQ(joined.error_code, ErrorCode::none);
  ASSERT_EQ(sync("g", joined.generation_id, joined.member_id, {{joined.member_id, "x"}}).error_code, ErrorCode::none);
  request.group_id = "g";
  EXPECT_EQ(call<wire::OffsetDeleteResponse>(request, 0).topics.at(1).partitions.at(0).error_code, ErrorCode::group_subscribed_to_topic);
}

}  // namespace
}  // namespace baton::kafka
