// Requests of consumers and administrators, in any version.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kafka/session_test_support.h"

namespace baton::kafka {

class GroupsTest : public SessionTest {
 protected:
  using Code = wire::ErrorCode;

  static wire::JoinGroupRequest join_request(std::string_view group, std::string_view member, std::string_view metadata = "topics") {
    wire::JoinGroupRequest request;
    request.group_id = group;
    request.session_timeout_ms = 10'000;
    request.rebalance_timeout_ms = 60'000;
    request.member_id = member;
    request.protocol_type = "consumer";
    request.protocols.push_back({.name = "range", .metadata = base::as_bytes(metadata)});
    return request;
  }
  wire::JoinGroupResponse join(std::string_view group, std::string_view member, std::int16_t version = 9) {
    return call<wire::JoinGroupResponse>(join_request(group, member), version);
  }
  // The id that a new member is told.
  std::string new_id(std::string_view group) {
    auto told = join(group, "");
    EXPECT_EQ(told.error_code, Code::member_id_required);
    EXPECT_FALSE(told.member_id.empty());
    return told.member_id;
  }
  using Assignments = std::vector<std::pair<std::string_view, std::string_view>>;
  static wire::SyncGroupRequest sync_request(std::string_view group, std::int32_t generation, std::string_view member, const Assignments& assignments) {
    wire::SyncGroupRequest request;
    request.group_id = group;
    request.generation_id = generation;
    request.member_id = member;
    request.protocol_type = "consumer";
    request.protocol_name = "range";
    for (const auto& [who, what] : assignments) request.assignments.push_back({.member_id = who, .assignment = base::as_bytes(what)});
    return request;
  }
  wire::SyncGroupResponse sync(std::string_view group, std::int32_t generation, std::string_view member, const Assignments& assignments = {},
                               std::int16_t version = 5) {
    return call<wire::SyncGroupResponse>(sync_request(group, generation, member, assignments), version);
  }
  Code heartbeat(std::string_view group, std::int32_t generation, std::string_view member, std::int16_t version = 4) {
    wire::HeartbeatRequest request;
    request.group_id = group;
    request.generation_id = generation;
    request.member_id = member;
    return call<wire::HeartbeatResponse>(request, version).error_code;
  }
  // One member alone, in a generation with an assignment.
  std::pair<std::string, std::int32_t> settle(std::string_view group) {
    const std::string member = new_id(group);
    const auto joined = join(group, member);
    EXPECT_EQ(joined.error_code, Code::none);
    EXPECT_EQ(sync(group, joined.generation_id, member, {{member, "mine"}}).error_code, Code::none);
    return {member, joined.generation_id};
  }
  Code leave(std::string_view group, std::string_view member, std::int16_t version = 2) {
    wire::LeaveGroupRequest request;
    request.group_id = group;
    request.member_id = member;
    return call<wire::LeaveGroupResponse>(request, version).error_code;
  }

  static wire::OffsetCommitRequest commit_request(std::string_view group, std::string_view topic, std::int64_t offset, std::int32_t partition = 0) {
    wire::OffsetCommitRequest request;
    request.group_id = group;
    request.topics.push_back({.name = topic, .topic_id = {}, .partitions = {{.partition_index = partition, .committed_offset = offset}}});
    return request;
  }
  Code commit(const wire::OffsetCommitRequest& request, std::int16_t version = 9) {
    return call<wire::OffsetCommitResponse>(request, version).topics.at(0).partitions.at(0).error_code;
  }
  static wire::OffsetFetchRequest offsets_request(std::string_view group, std::string_view topic, std::int32_t partition = 0) {
    wire::OffsetFetchRequest request;
    request.groups.push_back({.group_id = group, .topics = {{{.name = topic, .topic_id = {}, .partition_indexes = {partition}}}}});
    return request;
  }
  wire::OffsetFetchResponse::OffsetFetchResponsePartitions committed(std::string_view group, std::string_view topic, std::int32_t partition = 0) {
    return call<wire::OffsetFetchResponse>(offsets_request(group, topic, partition), 9).groups.at(0).topics.at(0).partitions.at(0);
  }

  wire::DescribeGroupsResponse::DescribedGroup describe(std::string_view group, std::int16_t version = 6) {
    wire::DescribeGroupsRequest request;
    request.groups = {group};
    return call<wire::DescribeGroupsResponse>(request, version).groups.at(0);
  }
  Code remove(std::string_view group, std::int16_t version = 2) {
    wire::DeleteGroupsRequest request;
    request.groups_names = {group};
    return call<wire::DeleteGroupsResponse>(request, version).results.at(0).error_code;
  }
};

}  // namespace baton::kafka
