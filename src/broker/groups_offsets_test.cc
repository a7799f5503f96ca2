// Committed offsets, their age, and what an administrator asks. "Observed" says what Apache Kafka 4.3.1 did when it was asked the same.
#include <gtest/gtest.h>

#include "broker/groups_for_test.h"

namespace baton::broker {
namespace {

constexpr std::int64_t kHour = 3'600'000;

DeleteOffsetsReply delete_offsets(GroupsBench& t, const std::string& group, std::vector<TopicPartition> partitions) {
  Answer<DeleteOffsetsReply> answer;
  t.groups->delete_offsets({.group = {group}, .partitions = std::move(partitions)}, answer.reply());
  return t.wait(answer);
}
OffsetsReply all_offsets(GroupsBench& t, const std::string& group) {
  Answer<OffsetsReply> answer;
  t.groups->offsets({.group = {group}, .partitions = std::nullopt}, answer.reply());
  return *answer;
}
std::vector<std::string> list(GroupsBench& t, std::vector<std::string> states = {}, std::vector<std::string> types = {}) {
  Answer<ListReply> answer;
  t.groups->list({.states = std::move(states), .types = std::move(types)}, answer.reply());
  std::vector<std::string> out;
  for (const auto& group : answer->groups) out.push_back(group.group.value);
  return out;
}
TopicPartition at(const std::string& topic, std::int32_t partition) { return {topic, log::PartitionId(partition)}; }

TEST(Commit, AnOffsetComesBackWithAllThatWasGiven) {
  GroupsBench t;
  auto request = GroupsBench::committing("g", 41);
  request.entries[0].leader_epoch = LeaderEpoch(7);
  request.entries[0].metadata = "note";
  request.entries[0].topic_id.bytes[3] = 9;
  EXPECT_EQ(t.commit(request), GroupError::none);
  const auto read = all_offsets(t, "g");
  ASSERT_EQ(read.offsets.size(), 1U);
  EXPECT_EQ(read.offsets[0].offset, log::Offset(41));
  EXPECT_EQ(read.offsets[0].leader_epoch, LeaderEpoch(7));
  EXPECT_EQ(read.offsets[0].metadata, "note");
  EXPECT_EQ(read.offsets[0].topic_id, request.entries[0].topic_id);
  EXPECT_EQ(t.offset("g", "t", 1), -1);
  EXPECT_EQ(t.offset("no such group"), -1);  // observed: no error
}

TEST(Commit, AnOldGenerationIsRefused_F40) {
  GroupsBench t;
  const auto a = t.alone("g");
  EXPECT_EQ(t.commit("g", 5, a), GroupError::none);
  const auto newer = t.join("g", {.member = a.member.value});
  EXPECT_EQ(t.commit("g", 6, a), GroupError::illegal_generation);         // observed, all of it
  EXPECT_EQ(t.commit("g", 6, newer), GroupError::rebalance_in_progress);  // while the assignment is waited for
  EXPECT_EQ(t.offset("g"), 5);
  (void)t.sync("g", newer);
  EXPECT_EQ(t.commit("g", 6, a), GroupError::illegal_generation);
  EXPECT_EQ(t.commit("g", 7, newer), GroupError::none);
}

TEST(Commit, WhileARebalanceIsPreparedTheGenerationBeforeMayStillCommit) {
  GroupsBench t;
  const auto a = t.alone("g");
  (void)t.send_join("g", {});
  t.settle();
  EXPECT_EQ(t.state("g"), GroupState::preparing_rebalance);
  EXPECT_EQ(t.commit("g", 5, a), GroupError::none);  // observed
}

TEST(Commit, WhoMayAndWhoMayNot) {
  GroupsBench t;
  const auto commit = [&](const std::string& group, std::int32_t generation, const std::string& member,
                          std::optional<std::string> instance = std::nullopt) {
    auto request = GroupsBench::committing(group, 1, GenerationId(generation), MemberId{member});
    if (instance) request.instance = InstanceId{*instance};
    return t.commit(request);
  };
  EXPECT_EQ(commit("none", 1, "m"), GroupError::group_id_not_found);  // ILLEGAL_GENERATION for versions before 9; observed, all of it
  EXPECT_EQ(commit("none", 1, ""), GroupError::group_id_not_found);
  EXPECT_EQ(commit("new", -1, "m"), GroupError::none);
  EXPECT_EQ(commit("new", -1, "", "i"), GroupError::none);
  EXPECT_EQ(commit("new", 3, "m"), GroupError::unknown_member_id);
  EXPECT_EQ(commit("new", 0, ""), GroupError::unknown_member_id);
  EXPECT_EQ(commit("", -1, ""), GroupError::none);
  const auto a = t.alone("g");
  EXPECT_EQ(commit("g", -1, ""), GroupError::unknown_member_id);
  EXPECT_EQ(commit("g", -1, a.member.value), GroupError::illegal_generation);
  EXPECT_EQ(commit("g", 1, ""), GroupError::unknown_member_id);
  EXPECT_EQ(commit("g", 1, "x"), GroupError::unknown_member_id);
  EXPECT_EQ(commit("g", 1, a.member.value, "i"), GroupError::unknown_member_id);
  EXPECT_EQ(commit("g", 2, a.member.value), GroupError::illegal_generation);
}

TEST(Commit, AnAdministratorResetsAGroupThatNobodyUses) {
  GroupsBench t;
  const auto a = t.alone("g");
  EXPECT_EQ(t.commit("g", 90, a), GroupError::none);
  (void)t.leave("g", {{a.member, std::nullopt}});
  EXPECT_EQ(t.commit("g", 10), GroupError::none);
  EXPECT_EQ(t.offset("g"), 10);
}

TEST(Commit, LongMetadataIsRefusedForItsPartitionOnly) {
  GroupsBench t({.offset_metadata_bytes_max = 100});
  auto request = GroupsBench::committing("g", 1);
  request.entries.push_back({.partition = at("t", 1), .offset = log::Offset(2), .metadata = std::string(100, 'x')});
  request.entries[0].metadata = std::string(101, 'x');
  request.entries.push_back({.partition = at("t", -1), .offset = log::Offset(2)});
  const auto reply = t.wait(t.send_commit(request));
  EXPECT_EQ(reply.errors, (std::vector{GroupError::offset_metadata_too_large, GroupError::none, GroupError::invalid_request}));
  EXPECT_EQ(t.offset("g", "t", 1), 2);
  EXPECT_EQ(t.offset("g", "t", 0), -1);
}

TEST(Commit, WhatAllGroupsHaveToKeepIsBounded) {
  GroupsBench t({.state_bytes_max = 10'000});
  const auto commit = [&](std::int32_t partition, std::size_t metadata) {
    CommitRequest request{.group = {"g"}};
    request.entries.push_back({.partition = at("t", partition), .offset = log::Offset(1), .metadata = std::string(metadata, 'x')});
    return t.commit(request);
  };
  for (std::int32_t p = 0; p < 3; ++p) EXPECT_EQ(commit(p, 4'000), GroupError::none);
  EXPECT_EQ(commit(3, 0), GroupError::invalid_commit_offset_size);
  EXPECT_EQ(commit(0, 4'000), GroupError::invalid_commit_offset_size);
  EXPECT_EQ(commit(0, 10), GroupError::none) << "work goes on";
  EXPECT_EQ(commit(3, 4'000), GroupError::none);
}

TEST(Commit, ManyOffsetsAreOneAppendAndTooManyAreRefused) {
  GroupsBench t({.group_offsets_max = 20'000, .offsets_max = 30'000});
  const auto many = [](const std::string& group, std::int32_t count, std::size_t metadata) {
    CommitRequest request{.group = {group}};
    for (std::int32_t i = 0; i < count; ++i) {
      request.entries.push_back({.partition = at("t", i), .offset = log::Offset(i), .metadata = std::string(metadata, 'x')});
    }
    return request;
  };
  const std::size_t before = t.log->appends;
  EXPECT_EQ(t.commit(many("g", 20'000, 0)), GroupError::none);
  EXPECT_EQ(t.log->appends, before + 1);
  EXPECT_EQ(t.commit(many("g", 20'000, 0)), GroupError::none);  // the same partitions again
  EXPECT_EQ(t.commit(GroupsBench::committing("g", 1, kNoGeneration, {}, "u")), GroupError::invalid_commit_offset_size);
  EXPECT_EQ(t.commit(many("h", 1'000, 4'000)), GroupError::invalid_commit_offset_size);  // more than an append takes
  const auto reply = t.wait(t.send_commit(many("h", 10'001, 0)));                        // the limit of all groups
  EXPECT_EQ(reply.errors.at(9'999), GroupError::none);
  EXPECT_EQ(reply.errors.at(10'000), GroupError::invalid_commit_offset_size);
  EXPECT_EQ(t.groups->stats().offsets, 30'000U);
}

TEST(Commit, IsDurableBeforeItIsAnsweredOrSeen) {
  GroupsBench t;
  EXPECT_EQ(t.commit("g", 1), GroupError::none);
  t.log->held = true;
  auto waits = t.send_commit(GroupsBench::committing("g", 2));
  t.settle();
  EXPECT_FALSE(waits.there());
  EXPECT_EQ(t.offset("g"), 1);
  t.log->release();
  EXPECT_EQ(t.wait(waits).errors.at(0), GroupError::none);
  t.restart();
  EXPECT_EQ(t.offset("g"), 2);
}

TEST(Offsets, AreDeletedWhereNobodyIsSubscribed) {
  GroupsBench t;
  EXPECT_EQ(delete_offsets(t, "g", {at("t", 0)}).error, GroupError::group_id_not_found);  // observed, all of it
  EXPECT_EQ(delete_offsets(t, "", {at("t", 0)}).error, GroupError::invalid_group_id);
  const auto a = t.alone("g");
  EXPECT_EQ(t.commit("g", 1, a), GroupError::none);
  EXPECT_EQ(t.commit(GroupsBench::committing("g", 2, a.generation, a.member, "u")), GroupError::none);
  EXPECT_EQ(delete_offsets(t, "g", {at("t", 0), at("u", 0), at("u", 0), at("nope", 3)}).errors,
            (std::vector{GroupError::group_subscribed_to_topic, GroupError::none, GroupError::none, GroupError::none}));
  EXPECT_EQ(t.offset("g", "u"), -1);
  EXPECT_EQ(t.offset("g", "t"), 1);
  (void)t.leave("g", {{a.member, std::nullopt}});
  EXPECT_EQ(delete_offsets(t, "g", {at("t", 0)}).errors.at(0), GroupError::none);
  t.restart();
  EXPECT_TRUE(all_offsets(t, "g").offsets.empty());
  EXPECT_EQ(t.state("g"), GroupState::empty);
  (void)t.alone("connectors", {.type = "connect"});
  EXPECT_EQ(delete_offsets(t, "connectors", {at("t", 0)}).error, GroupError::non_empty_group);
}

TEST(Offsets, OfATopicThatIsRemovedGoInAllGroupsAlsoThoseOnTheirWay) {
  GroupsBench t;
  EXPECT_EQ(t.commit("g", 1), GroupError::none);
  EXPECT_EQ(t.commit(GroupsBench::committing("g", 1, kNoGeneration, {}, "tt")), GroupError::none);
  t.log->held = true;
  auto on_its_way = t.send_commit(GroupsBench::committing("h", 2));
  Answer<DeleteReply> removed;
  t.groups->topic_removed("t", removed.reply());
  t.log->release();
  EXPECT_EQ(t.wait(removed).error, GroupError::none);
  EXPECT_TRUE(on_its_way.there());
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(t.offset("g"), -1);
    EXPECT_EQ(t.offset("h"), -1);
    EXPECT_EQ(t.offset("g", "tt"), 1);
    t.restart();
  }
}

TEST(Offsets, AreReviewedAfterARecoveryThatCutATopic) {
  GroupsBench t;
  for (const std::int32_t partition : {0, 1, 2}) {
    EXPECT_EQ(t.commit(GroupsBench::committing("g", 100, kNoGeneration, {}, "t", partition)), GroupError::none);
  }
  t.groups->review_offsets(
      [](const TopicPartition& partition, const log::TopicId&, log::Offset offset) -> std::optional<log::Offset> {
        if (partition.partition == log::PartitionId(1)) return std::nullopt;
        return std::min(offset, log::Offset(partition.partition == log::PartitionId(2) ? 70 : 200));
      });
  t.settle();
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(t.offset("g", "t", 0), 100);
    EXPECT_EQ(t.offset("g", "t", 1), -1);
    EXPECT_EQ(t.offset("g", "t", 2), 70);
    t.restart();
  }
}

TEST(Age, OffsetsOfASimpleConsumerGoByTheirCommitAndTheGroupWithTheLast) {
  GroupsBench t({.offsets_retention_ms = 2 * kHour});
  EXPECT_EQ(t.commit("g", 1), GroupError::none);
  t.run_ms(kHour);
  EXPECT_EQ(t.commit(GroupsBench::committing("g", 1, kNoGeneration, {}, "u")), GroupError::none);
  t.run_ms(kHour + kHour / 2);
  EXPECT_EQ(t.offset("g", "t"), -1);
  EXPECT_EQ(t.offset("g", "u"), 1);
  t.run_ms(kHour);
  EXPECT_TRUE(list(t).empty());
  t.restart();
  EXPECT_TRUE(list(t).empty());
}

TEST(Age, OffsetsOfAGroupGoByWhenItsLastMemberWentAlsoAcrossARestart) {
  GroupsBench t({.offsets_retention_ms = 2 * kHour});
  const auto a = t.alone("g", {.session_ms = 1'800'000});
  EXPECT_EQ(t.commit("g", 1, a), GroupError::none);
  for (int i = 0; i < 10; ++i) {
    t.run_ms(kHour / 3);
    EXPECT_EQ(t.heartbeat("g", a), GroupError::none);
  }
  EXPECT_EQ(t.offset("g"), 1);  // as long as it has members
  (void)t.leave("g", {{a.member, std::nullopt}});
  t.run_ms(kHour);
  EXPECT_EQ(t.offset("g"), 1);
  t.restart();
  t.run_ms(kHour / 2);
  EXPECT_EQ(t.offset("g"), 1);
  t.run_ms(kHour);
  EXPECT_EQ(t.offset("g"), -1);
}

TEST(Age, OffsetsOfATopicThatAStableGroupDoesNotReadAnyMoreGo) {
  GroupsBench t({.session_timeout_max_ms = 100'000'000, .offsets_retention_ms = 2 * kHour});
  const auto a = t.alone("g", {.session_ms = 100'000'000});
  EXPECT_EQ(t.commit("g", 1, a), GroupError::none);
  EXPECT_EQ(t.commit(GroupsBench::committing("g", 2, a.generation, a.member, "u")), GroupError::none);
  t.run_ms(3 * kHour);
  EXPECT_EQ(t.offset("g", "u"), -1);
  EXPECT_EQ(t.offset("g", "t"), 1);
  EXPECT_EQ(t.groups->stats().expired_offsets, 1U);
}

TEST(Age, ARetentionOfTheRequestIsKept) {
  GroupsBench t({.offsets_retention_ms = 0});
  auto request = GroupsBench::committing("g", 1);
  request.retention_ms = kHour;
  EXPECT_EQ(t.commit(request), GroupError::none);
  EXPECT_EQ(t.commit("for ever", 1), GroupError::none);
  t.run_ms(2 * kHour);
  EXPECT_EQ(list(t), std::vector<std::string>{"for ever"});
}

TEST(Age, AWallClockThatIsSetExpiresNothing_F24) {
  GroupsBench t({.offsets_retention_ms = 2 * kHour});
  EXPECT_EQ(t.commit("g", 1), GroupError::none);
  t.world.step_wall_ms(315'360'000'000LL);
  t.run_ms(kHour);
  EXPECT_EQ(t.offset("g"), 1);
}

TEST(Admin, GroupsAreListedByStateAndType) {
  GroupsBench t;
  EXPECT_EQ(t.commit("simple", 1), GroupError::none);
  (void)t.alone("used");
  (void)t.join("young");
  EXPECT_EQ(list(t), (std::vector<std::string>{"simple", "used", "young"}));
  EXPECT_EQ(list(t, {"empty"}), std::vector<std::string>{"simple"});  // observed: in any case
  EXPECT_EQ(list(t, {"Stable", "CompletingRebalance"}), (std::vector<std::string>{"used", "young"}));
  EXPECT_TRUE(list(t, {"Nope"}).empty());  // observed: no error
  EXPECT_EQ(list(t, {}, {"Classic"}).size(), 3U);
  EXPECT_TRUE(list(t, {}, {"consumer"}).empty());
}

TEST(Admin, AGroupIsDescribed) {
  GroupsBench t;
  EXPECT_EQ(t.describe("none").error, GroupError::group_id_not_found);
  EXPECT_EQ(t.describe("none").state, GroupState::dead);
  const auto a = t.alone("g", {.instance = "i"});
  const auto d = t.describe("g");
  EXPECT_EQ(d.state, GroupState::stable);
  EXPECT_EQ(d.protocol, "range");
  ASSERT_EQ(d.members.size(), 1U);
  EXPECT_EQ(d.members[0].id, a.member);
  EXPECT_EQ(d.members[0].instance, InstanceId{"i"});
  EXPECT_EQ(d.members[0].client_id, "client");
  EXPECT_EQ(d.members[0].client_host, "/127.0.0.1");
  EXPECT_EQ(d.members[0].metadata, subscription_to({"t"}));
  EXPECT_EQ(d.members[0].assignment, bytes_of("A"));
}

TEST(Admin, OnlyAGroupWithoutMembersIsDeletedAndItsOffsetsWithIt) {
  GroupsBench t;
  EXPECT_EQ(t.remove("g"), GroupError::group_id_not_found);  // observed, all of it
  const auto a = t.alone("g");
  EXPECT_EQ(t.commit("g", 1, a), GroupError::none);
  EXPECT_EQ(t.remove("g"), GroupError::non_empty_group);
  (void)t.leave("g", {{a.member, std::nullopt}});
  EXPECT_EQ(t.remove("g"), GroupError::none);
  EXPECT_EQ(t.offset("g"), -1);
  t.restart();
  EXPECT_EQ(t.describe("g").error, GroupError::group_id_not_found);
  EXPECT_EQ(t.offset("g"), -1);
}

TEST(Admin, WhileAGroupIsBeingRemovedItIsDead) {
  GroupsBench t;
  EXPECT_EQ(t.commit("g", 1), GroupError::none);
  t.log->held = true;
  Answer<DeleteReply> removed;
  t.groups->delete_group({.group = {"g"}}, removed.reply());
  EXPECT_EQ(t.join("g").error, GroupError::coordinator_not_available);
  EXPECT_EQ(t.commit("g", 2), GroupError::coordinator_not_available);
  EXPECT_EQ(t.describe("g").error, GroupError::group_id_not_found);
  Answer<DeleteReply> again;
  t.groups->delete_group({.group = {"g"}}, again.reply());
  EXPECT_EQ(again->error, GroupError::group_id_not_found);
  t.log->release();
  EXPECT_EQ(t.wait(removed).error, GroupError::none);
  EXPECT_EQ(t.join("g").generation, GenerationId(1));
}

}  // namespace
}  // namespace baton::broker
