#include "kafka/groups_test_support.h"
#include "kafka/handlers/groups.h"

namespace baton::kafka {
namespace {

using wire::ErrorCode;

TEST_F(GroupsTest, TwoMembersShareAGroupAndOneThatLeavesIsMissedByTheOther) {
  const std::string a = new_id("g");
  const auto alone = join("g", a);
  ASSERT_EQ(alone.error_code, ErrorCode::none);
  EXPECT_EQ(alone.generation_id, 1);
  EXPECT_EQ(alone.leader, a);
  EXPECT_EQ(alone.protocol_type, "consumer");
  EXPECT_EQ(alone.protocol_name, "range");
  ASSERT_EQ(alone.members.size(), 1u);
  EXPECT_EQ(base::as_text(alone.members[0].metadata), "topics");
  const auto all = sync("g", 1, a, {{a, "all"}});
  EXPECT_EQ(all.error_code, ErrorCode::none);
  EXPECT_EQ(base::as_text(all.assignment), "all");
  EXPECT_EQ(all.protocol_type, "consumer");
  EXPECT_EQ(all.protocol_name, "range");
  EXPECT_EQ(heartbeat("g", 1, a), ErrorCode::none);

  const std::string b = new_id("g");
  const auto joining = send(join_request("g", b), 9);
  EXPECT_EQ(heartbeat("g", 1, a), ErrorCode::rebalance_in_progress);
  EXPECT_FALSE(joining->result.has_value());
  const auto led = join("g", a);
  EXPECT_EQ(led.generation_id, 2);
  EXPECT_EQ(led.leader, a);
  EXPECT_EQ(led.members.size(), 2u);
  const auto followed = body_of<wire::JoinGroupResponse>(*joining, 9);
  EXPECT_EQ(followed.error_code, ErrorCode::none);
  EXPECT_EQ(followed.member_id, b);
  EXPECT_EQ(followed.leader, a);
  EXPECT_EQ(followed.members.size(), 0u);
  const auto waiting = send(sync_request("g", 2, b, {}), 5);
  EXPECT_EQ(base::as_text(sync("g", 2, a, {{a, "left"}, {b, "right"}}).assignment), "left");
  EXPECT_EQ(base::as_text(body_of<wire::SyncGroupResponse>(*waiting, 5).assignment), "right");
  EXPECT_EQ(heartbeat("g", 1, b), ErrorCode::illegal_generation);
  EXPECT_EQ(heartbeat("g", 2, "stranger"), ErrorCode::unknown_member_id);

  EXPECT_EQ(leave("g", a), ErrorCode::none);
  EXPECT_EQ(heartbeat("g", 2, b), ErrorCode::rebalance_in_progress);
  EXPECT_EQ(sync("g", 2, b).error_code, ErrorCode::rebalance_in_progress);
  const auto taken_over = join("g", b);
  EXPECT_EQ(taken_over.generation_id, 3);
  EXPECT_EQ(taken_over.leader, b);
}

TEST_F(GroupsTest, AMemberThatIsSilentIsMissedAfterItsSessionTimeout) {
  const auto [a, first] = settle("g");
  const std::string b = new_id("g");
  const auto joining = send(join_request("g", b), 9);
  EXPECT_FALSE(joining->result.has_value());
  const auto joined = body_of<wire::JoinGroupResponse>(*joining, 9);  // waits until `a` is given up
  EXPECT_EQ(joined.generation_id, first + 1);
  EXPECT_EQ(joined.leader, b);
  EXPECT_EQ(heartbeat("g", first, a), ErrorCode::unknown_member_id);
}

// KIP-394.
TEST_F(GroupsTest, ANewMemberIsToldItsIdFirstFromVersion4On) {
  for (std::int16_t version = 0; version <= 9; ++version) {
    SCOPED_TRACE(version);
    const std::string group = "g" + std::to_string(version);
    auto joined = join(group, "", version);
    if (version >= 4) {
      EXPECT_EQ(joined.error_code, ErrorCode::member_id_required);
      EXPECT_EQ(joined.generation_id, -1);
      EXPECT_EQ(joined.protocol_name, version >= 7 ? std::nullopt : std::optional(std::string()));
      joined = join(group, joined.member_id, version);
    }
    EXPECT_EQ(joined.error_code, ErrorCode::none);
    EXPECT_EQ(joined.generation_id, 1);
    EXPECT_EQ(joined.leader, joined.member_id);
    EXPECT_TRUE(joined.member_id.starts_with("test-")) << joined.member_id;
    EXPECT_EQ(joined.protocol_name, "range");
    EXPECT_EQ(joined.protocol_type, version >= 7 ? std::optional(std::string("consumer")) : std::nullopt);
    const std::int16_t sync_version = std::min<std::int16_t>(version, 5);
    EXPECT_EQ(base::as_text(sync(group, 1, joined.member_id, {{joined.member_id, "x"}}, sync_version).assignment), "x");
    EXPECT_EQ(heartbeat(group, 1, joined.member_id, std::min<std::int16_t>(version, 4)), ErrorCode::none);
  }
}

TEST_F(GroupsTest, WhatIsWrongWithAMemberIsSaid) {
  EXPECT_EQ(join("", "").error_code, ErrorCode::invalid_group_id);
  EXPECT_EQ(join("g", "stranger").error_code, ErrorCode::unknown_member_id);
  auto short_session = join_request("g", "");
  short_session.session_timeout_ms = 1;
  EXPECT_EQ(call<wire::JoinGroupResponse>(short_session, 9).error_code, ErrorCode::invalid_session_timeout);
  const auto [a, generation] = settle("g");
  auto other = join_request("g", "");
  other.protocols[0].name = "sticky";
  EXPECT_EQ(call<wire::JoinGroupResponse>(other, 9).error_code, ErrorCode::inconsistent_group_protocol);
  auto unnamed = sync_request("g", generation, a, {});
  unnamed.protocol_name.reset();
  EXPECT_EQ(call<wire::SyncGroupResponse>(unnamed, 5).error_code, ErrorCode::inconsistent_group_protocol);
  EXPECT_EQ(call<wire::SyncGroupResponse>(unnamed, 4).error_code, ErrorCode::none);
  EXPECT_EQ(leave("g", "stranger"), ErrorCode::unknown_member_id);
  EXPECT_EQ(leave("none", a), ErrorCode::unknown_member_id);
  EXPECT_EQ(leave("", a), ErrorCode::invalid_group_id);
}

// KIP-345, KIP-814.
TEST_F(GroupsTest, AStaticMemberComesBackWithoutARebalanceAndTheOldOneIsFenced) {
  auto request = join_request("g", "");
  request.group_instance_id = "one";
  const auto first = call<wire::JoinGroupResponse>(request, 9);
  ASSERT_EQ(first.error_code, ErrorCode::none);
  EXPECT_EQ(first.members.at(0).group_instance_id, "one");
  EXPECT_TRUE(first.member_id.starts_with("one-"));
  ASSERT_EQ(sync("g", 1, first.member_id, {{first.member_id, "all"}}).error_code, ErrorCode::none);
  const auto second = call<wire::JoinGroupResponse>(request, 9);
  EXPECT_EQ(second.generation_id, 1);
  EXPECT_TRUE(second.skip_assignment);
  EXPECT_NE(second.member_id, first.member_id);
  EXPECT_EQ(base::as_text(sync("g", 1, second.member_id).assignment), "all");
  wire::HeartbeatRequest old;
  old.group_id = "g";
  old.generation_id = 1;
  old.member_id = first.member_id;
  old.group_instance_id = "one";
  EXPECT_EQ(call<wire::HeartbeatResponse>(old, 4).error_code, ErrorCode::fenced_instance_id);
  const auto third = call<wire::JoinGroupResponse>(request, 8);
  EXPECT_FALSE(third.skip_assignment);
  EXPECT_NE(third.leader, third.member_id);

  wire::LeaveGroupRequest leaving;
  leaving.group_id = "g";
  leaving.members.push_back({.member_id = "", .group_instance_id = "one", .reason = "done"});
  leaving.members.push_back({.member_id = "", .group_instance_id = "two", .reason = std::nullopt});
  leaving.members.push_back({.member_id = "stranger", .group_instance_id = std::nullopt, .reason = std::nullopt});
  const auto left = call<wire::LeaveGroupResponse>(leaving, 5);
  EXPECT_EQ(left.error_code, ErrorCode::none);
  ASSERT_EQ(left.members.size(), 3u);
  EXPECT_EQ(left.members[0].error_code, ErrorCode::none);
  EXPECT_EQ(left.members[0].group_instance_id, "one");
  EXPECT_EQ(left.members[1].error_code, ErrorCode::unknown_member_id);
  EXPECT_EQ(left.members[2].error_code, ErrorCode::unknown_member_id);
  EXPECT_EQ(left.members[2].member_id, "stranger");
  EXPECT_EQ(describe("g").group_state, "Empty");
}

TEST_F(GroupsTest, GroupsAreDescribedListedAndDeleted) {
  const auto [member, generation] = settle("g");
  ASSERT_EQ(create_topic("t").error_code, ErrorCode::none);
  ASSERT_EQ(commit(commit_request("simple", "t", 0)), ErrorCode::none);
  for (std::int16_t version = 0; version <= 6; ++version) {
    SCOPED_TRACE(version);
    const auto described = describe("g", version);
    EXPECT_EQ(described.error_code, ErrorCode::none);
    EXPECT_EQ(described.group_state, "Stable");
    EXPECT_EQ(described.protocol_type, "consumer");
    EXPECT_EQ(described.protocol_data, "range");
    ASSERT_EQ(described.members.size(), 1u);
    EXPECT_EQ(described.members[0].member_id, member);
    EXPECT_EQ(described.members[0].client_id, "test");
    EXPECT_EQ(described.members[0].client_host, "/127.0.0.1");
    EXPECT_EQ(base::as_text(described.members[0].member_metadata), "topics");
    EXPECT_EQ(base::as_text(described.members[0].member_assignment), "mine");
    const auto none = describe("none", version);
    EXPECT_EQ(none.error_code, version < 6 ? ErrorCode::none : ErrorCode::group_id_not_found);
    EXPECT_EQ(none.error_message.has_value(), version >= 6);
    EXPECT_EQ(none.group_state, "Dead");
  }
  const auto listed = [&](std::vector<std::string_view> states, std::vector<std::string_view> types, std::int16_t version = 5) {
    wire::ListGroupsRequest request;
    request.states_filter = std::move(states);
    request.types_filter = std::move(types);
    std::string out;
    for (const auto& group : call<wire::ListGroupsResponse>(request, version).groups) {
      out += group.group_id + "/" + group.protocol_type + "/" + group.group_state + "/" + group.group_type + " ";
    }
    return out;
  };
  EXPECT_EQ(listed({}, {}), "g/consumer/Stable/classic simple//Empty/classic ");
  EXPECT_EQ(listed({}, {}, 4), "g/consumer/Stable/ simple//Empty/ ");
  EXPECT_EQ(listed({}, {}, 0), "g/consumer// simple/// ");
  EXPECT_EQ(listed({"stable"}, {}), "g/consumer/Stable/classic ");
  EXPECT_EQ(listed({"Empty"}, {"Classic"}), "simple//Empty/classic ");
  EXPECT_EQ(listed({}, {"consumer"}), "");
  EXPECT_EQ(listed({"nonsense"}, {}), "");

  EXPECT_EQ(remove("g"), ErrorCode::non_empty_group);
  EXPECT_EQ(leave("g", member), ErrorCode::none);
  EXPECT_EQ(remove("g", 0), ErrorCode::none);
  EXPECT_EQ(remove("g", 1), ErrorCode::group_id_not_found);
  EXPECT_EQ(remove("simple"), ErrorCode::none);
  EXPECT_EQ(listed({}, {}), "");
}

TEST_F(GroupsTest, AGroupThatIsNamedTwiceIsDescribedOnce) {
  settle("g");
  wire::DescribeGroupsRequest request;
  request.groups = {"g", "none", "g"};
  const auto response = call<wire::DescribeGroupsResponse>(request, 5);
  ASSERT_EQ(response.groups.size(), 3u);
  EXPECT_EQ(response.groups[0].group_state, "Stable");
  EXPECT_EQ(response.groups[1].group_state, "Dead");
  EXPECT_EQ(response.groups[2].error_code, ErrorCode::invalid_request);
}

TEST_F(GroupsTest, ARestartKeepsMembersGenerationAndOffsets) {
  ASSERT_EQ(create_topic("t").error_code, ErrorCode::none);
  ASSERT_EQ(produce("t", batch_of("v")).error_code, ErrorCode::none);
  const auto [member, generation] = settle("g");
  auto request = commit_request("g", "t", 1);
  request.generation_id_or_member_epoch = generation;
  request.member_id = member;
  ASSERT_EQ(commit(request), ErrorCode::none);
  for (const bool close : {true, false}) {
    restart(close);
    EXPECT_EQ(heartbeat("g", generation, member), ErrorCode::none);
    EXPECT_EQ(describe("g").group_state, "Stable");
    EXPECT_EQ(base::as_text(sync("g", generation, member).assignment), "mine");
    EXPECT_EQ(committed("g", "t").committed_offset, 1);
    EXPECT_EQ(commit(request), ErrorCode::none);
  }
}

// Whoever waits when the server stops is told to come again, or its connection ends.
TEST_F(GroupsTest, AJoinThatWaitsWhenTheServerStopsIsAnswered) {
  settle("g");
  const auto joining = send(join_request("g", new_id("g")), 9);
  EXPECT_FALSE(joining->result.has_value());
  restart(true);
  ASSERT_TRUE(joining->result.has_value());
}

// With and without errors.
TEST_F(GroupsTest, EveryVersionOfEveryApiOfGroupsIsAnswered) {
  ASSERT_EQ(create_topic("t").error_code, ErrorCode::none);
  ASSERT_EQ(commit(commit_request("simple", "t", 0)), ErrorCode::none);
  const auto [member, generation] = settle("g");
  for (const std::string_view group : {std::string_view("g"), std::string_view("simple"), std::string_view("none"), std::string_view("")}) {
    for (const std::string_view who : {std::string_view(member), std::string_view("stranger"), std::string_view("")}) {
      if (group == "g" && who == member) in_every_version<wire::JoinGroupResponse>(join_request(group, who));
      in_every_version<wire::JoinGroupResponse>(join_request(group, "stranger"));
      in_every_version<wire::SyncGroupResponse>(sync_request(group, generation, who, {}));
      wire::HeartbeatRequest beat;
      beat.group_id = group;
      beat.generation_id = generation;
      beat.member_id = who;
      in_every_version<wire::HeartbeatResponse>(beat);
      beat.group_instance_id = "one";
      in_every_version<wire::HeartbeatResponse>(beat);
      auto commit = commit_request(group, "t", 1);
      commit.topics.push_back({.name = "missing", .topic_id = {}, .partitions = {{.partition_index = 0}}});
      in_every_version<wire::OffsetCommitResponse>(commit);
      commit.member_id = who;
      commit.generation_id_or_member_epoch = generation;
      in_every_version<wire::OffsetCommitResponse>(commit);
    }
    in_every_version<wire::OffsetFetchResponse>(offsets_request(group, "t"));
    auto all = offsets_request(group, "t");
    all.groups[0].topics.reset();
    in_every_version<wire::OffsetFetchResponse>(all);
    for (const bool some : {true, false}) {
      wire::OffsetFetchRequest one;
      one.group_id = group;
      if (some) one.topics->push_back({.name = "t", .partition_indexes = {0, 7}});
      if (!some) one.topics.reset();
      in_every_version<wire::OffsetFetchResponse>(one);
    }
    wire::DescribeGroupsRequest describe;
    describe.groups = {group, "none"};
    in_every_version<wire::DescribeGroupsResponse>(describe);
    wire::OffsetDeleteRequest offsets;
    offsets.group_id = group;
    offsets.topics = {{.name = "t", .partitions = {{.partition_index = 0}}}, {.name = "missing", .partitions = {{.partition_index = 0}}}};
    in_every_version<wire::OffsetDeleteResponse>(offsets);
    in_every_version<wire::ListGroupsResponse>(wire::ListGroupsRequest{});
    wire::DeleteGroupsRequest groups;
    groups.groups_names = {group};
    in_every_version<wire::DeleteGroupsResponse>(groups);
    wire::LeaveGroupRequest leaving;
    leaving.group_id = group;
    leaving.member_id = "stranger";
    in_every_version<wire::LeaveGroupResponse>(leaving);
    leaving.member_id = "";
    leaving.members = {{.member_id = "stranger", .group_instance_id = std::nullopt, .reason = "why"}, {.member_id = "", .group_instance_id = "one", .reason = {}}};
    in_every_version<wire::LeaveGroupResponse>(leaving);
  }
}

TEST(ClientHost, IsAnAddressWithoutAPort) {
  EXPECT_EQ(client_host("127.0.0.1:54321"), "/127.0.0.1");
  EXPECT_EQ(client_host("[::1]:54321"), "/::1");
}

}  // namespace
}  // namespace baton::kafka
