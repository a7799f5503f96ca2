// What a restart finds, what a log that fails does, and the state that is written again.
#include <gtest/gtest.h>

#include "broker/groups_for_test.h"

namespace baton::broker {
namespace {

TEST(Restart, ForcesNoRebalance) {
  GroupsBench t;
  const auto [a, b] = t.pair("g");
  EXPECT_EQ(t.commit("g", 5, a), GroupError::none);
  t.restart();
  EXPECT_EQ(t.state("g"), GroupState::stable);
  EXPECT_EQ(t.heartbeat("g", a), GroupError::none);
  EXPECT_EQ(t.heartbeat("g", b), GroupError::none);
  EXPECT_EQ(t.sync("g", b).assignment, bytes_of("B"));
  EXPECT_EQ(t.commit("g", 6, b), GroupError::none);
  EXPECT_EQ(t.join("g", {.member = b.member.value}).generation, b.generation);  // an unchanged follower
  t.run_ms(9'000);                                                              // the sessions started anew
  EXPECT_EQ(t.heartbeat("g", a), GroupError::none);
  t.run_ms(1'100);
  EXPECT_EQ(t.heartbeat("g", a), GroupError::rebalance_in_progress);
  EXPECT_EQ(t.describe("g").members.size(), 1U);
}

TEST(Restart, UntilAllIsReadClientsAreToldToWait) {
  GroupsBench t;
  const auto a = t.alone("g");
  t.restart(false);
  EXPECT_EQ(t.join("g").error, GroupError::coordinator_load_in_progress);
  EXPECT_EQ(t.sync("g", a).error, GroupError::coordinator_load_in_progress);
  EXPECT_EQ(t.heartbeat("g", a), GroupError::coordinator_load_in_progress);
  EXPECT_EQ(t.commit("g", 1), GroupError::coordinator_load_in_progress);
  EXPECT_EQ(t.describe("g").error, GroupError::coordinator_load_in_progress);
  t.groups->start();
  EXPECT_EQ(t.heartbeat("g", a), GroupError::none);
}

TEST(Restart, ReusesNoGenerationThatAMemberMayHaveHeardOf) {
  GroupsBench t;
  const auto a = t.alone("g");
  const auto a2 = t.join("g", {.member = a.member.value});
  EXPECT_EQ(a2.generation, GenerationId(2));  // answered, and no assignment yet
  t.restart();
  EXPECT_EQ(t.heartbeat("g", a), GroupError::none);  // the last one that was complete
  EXPECT_EQ(t.heartbeat("g", a2), GroupError::illegal_generation);
  EXPECT_EQ(t.sync("g", a2).error, GroupError::illegal_generation);
  EXPECT_EQ(t.join("g", {.member = a.member.value}).generation, GenerationId(3));
}

TEST(Restart, AGenerationIsDurableBeforeItsAssignmentsAreHandedOut) {
  GroupsBench t;
  const auto a = t.join("g");
  t.log->held = true;
  auto waits = t.send_sync("g", a, {{a.member, "A"}});
  t.settle();
  EXPECT_FALSE(waits.there());
  EXPECT_EQ(t.state("g"), GroupState::completing_rebalance);
  auto retry = t.send_sync("g", a, {{a.member, "A"}});
  t.log->release();
  EXPECT_EQ(t.wait(retry).assignment, bytes_of("A"));
  EXPECT_EQ(waits->error, GroupError::rebalance_in_progress);
  t.restart();
  EXPECT_EQ(t.sync("g", a).assignment, bytes_of("A"));
}

TEST(Restart, TheNumberOfAGenerationIsDurableBeforeItsMembersHearOfIt) {
  GroupsBench t;
  t.log->held = true;
  auto waits = t.send_join("g", {});
  t.settle();
  EXPECT_FALSE(waits.there());
  t.log->release();
  EXPECT_EQ(t.wait(waits).generation, GenerationId(1));
  t.restart();
  EXPECT_EQ(t.join("g").generation, GenerationId(2));
}

TEST(Restart, AGroupThatWasLeftIsEmpty) {
  GroupsBench t;
  const auto a = t.alone("g");
  (void)t.leave("g", {{a.member, std::nullopt}});
  t.restart();
  EXPECT_EQ(t.state("g"), GroupState::empty);
  EXPECT_EQ(t.describe("g").protocol_type, "consumer");
}

TEST(Restart, WhoLeavesLastIsAnsweredWhenTheLogKnowsIt) {
  GroupsBench t;
  const auto [a, b] = t.pair("g");
  t.log->held = true;
  auto first = t.send_leave("g", {{a.member, std::nullopt}});
  EXPECT_TRUE(first.there());  // the other one goes on: known with its next generation
  auto last = t.send_leave("g", {{b.member, std::nullopt}});
  auto again = t.send_leave("g", {{b.member, std::nullopt}});
  t.settle();
  EXPECT_FALSE(last.there());
  EXPECT_FALSE(again.there());
  EXPECT_EQ(t.state("g"), GroupState::empty);
  t.log->release();
  EXPECT_EQ(t.wait(last).members.at(0), GroupError::none);
  EXPECT_EQ(t.wait(again).members.at(0), GroupError::unknown_member_id);
  EXPECT_EQ(t.leave("g", {{b.member, std::nullopt}}).at(0), GroupError::unknown_member_id);
  t.restart();
  EXPECT_EQ(t.state("g"), GroupState::empty);
}

TEST(Restart, WhoAsksAgainAfterAFailedWriteIsAnsweredByANewOne) {
  GroupsBench t;
  const auto a = t.alone("g");
  t.log->fails = [] { return true; };
  EXPECT_EQ(t.wait(t.send_leave("g", {{a.member, std::nullopt}})).error, GroupError::coordinator_not_available);
  t.log->fails = [] { return false; };
  EXPECT_EQ(t.leave("g", {{a.member, std::nullopt}}).at(0), GroupError::unknown_member_id);
  t.restart();
  EXPECT_EQ(t.state("g"), GroupState::empty);
}

TEST(Restart, WhoLeavesAGroupThatTheLogDoesNotKnowIsAnsweredAtOnce) {
  GroupsBench t;
  const auto told = t.join("g", {.two_step = true});
  t.log->held = true;
  EXPECT_EQ(t.leave("g", {{told.member, std::nullopt}}).at(0), GroupError::none);
  EXPECT_EQ(t.leave("other", {{told.member, std::nullopt}}).at(0), GroupError::unknown_member_id);
}

TEST(Stop, AnswersAllThatWaitsExactlyOnceAndNothingAfterwards) {
  GroupsBench t;
  const auto a = t.alone("g"), k = t.alone("k");
  auto join = t.send_join("g", {});
  t.settle();
  t.log->held = true;
  auto commit = t.send_commit(GroupsBench::committing("h", 1));
  auto first = t.send_join("i", {});
  auto leave = t.send_leave("k", {{k.member, std::nullopt}});
  t.groups->stop();
  EXPECT_EQ(leave->error, GroupError::coordinator_not_available);
  EXPECT_EQ(join->error, GroupError::coordinator_not_available);
  EXPECT_EQ(first->error, GroupError::coordinator_not_available);
  EXPECT_EQ(commit->errors.at(0), GroupError::coordinator_not_available);
  t.log->release();
  t.run_ms(100'000);
  EXPECT_EQ(join.times(), 1);
  EXPECT_EQ(commit.times(), 1);
  EXPECT_EQ(first.times(), 1);
  EXPECT_EQ(leave.times(), 1);
  EXPECT_EQ(t.join("g").error, GroupError::coordinator_not_available);
  EXPECT_EQ(t.heartbeat("g", a), GroupError::coordinator_not_available);
}

TEST(Stop, AnAnswerMayAskAgainAndMayEndTheCoordinator) {
  GroupsBench t;
  Answer<HeartbeatReply> inner;
  t.groups->heartbeat({.group = {"g"}, .generation = GenerationId(1)}, [&](HeartbeatReply) {
    t.groups->heartbeat({.group = {""}, .generation = GenerationId(1)}, inner.reply());
  });
  EXPECT_EQ(inner->error, GroupError::invalid_group_id);
  t.groups->heartbeat({.group = {"g"}, .generation = GenerationId(1)}, [&](HeartbeatReply) { t.groups.reset(); });
  EXPECT_EQ(t.groups, nullptr);
}

TEST(FailedWrite, OfACommitIsAnErrorAndTheOffsetStays_F12_F13) {
  GroupsBench t;
  EXPECT_EQ(t.commit("g", 1), GroupError::none);
  t.log->fails = [] { return true; };
  EXPECT_EQ(t.commit("g", 2), GroupError::coordinator_not_available);
  EXPECT_EQ(t.offset("g"), 1);
  EXPECT_EQ(t.remove("g"), GroupError::coordinator_not_available);
  EXPECT_EQ(t.state("g"), GroupState::empty);
  t.log->fails = [] { return false; };
  EXPECT_EQ(t.commit("g", 3), GroupError::none);
  EXPECT_EQ(t.groups->stats().failed_writes, 2U);
}

TEST(FailedWrite, OfTheFirstJoinLeavesNothingBehind) {
  GroupsBench t;
  t.log->fails = [] { return true; };
  EXPECT_EQ(t.join("g").error, GroupError::coordinator_not_available);
  const auto told = t.join("g", {.two_step = true});
  EXPECT_EQ(t.join("g", {.member = told.member.value}).error, GroupError::coordinator_not_available);
  EXPECT_EQ(t.state("g"), GroupState::empty);
  t.log->fails = [] { return false; };
  EXPECT_EQ(t.join("g", {.member = told.member.value}).error, GroupError::none);  // its id is still good
}

TEST(FailedWrite, OfAGenerationNumberSendsTheMembersBackAndTheyComeAgain) {
  GroupsBench t;
  const auto [a, b] = t.pair("g");
  t.log->fails = [] { return true; };
  EXPECT_EQ(t.join("g", {.member = a.member.value}).error, GroupError::coordinator_not_available);
  EXPECT_EQ(t.heartbeat("g", b), GroupError::rebalance_in_progress);
  EXPECT_EQ(t.join("g", {.member = b.member.value}).error, GroupError::coordinator_not_available);
  t.log->fails = [] { return false; };
  auto a2 = t.send_join("g", {.member = a.member.value});
  EXPECT_EQ(t.join("g", {.member = b.member.value}).generation, GenerationId(3));
  EXPECT_EQ(t.wait(a2).members.size(), 2U);
}

TEST(FailedWrite, OfAnAssignmentStartsTheRebalanceAgain) {
  GroupsBench t;
  const auto a = t.join("g");
  t.log->fails = [] { return true; };
  EXPECT_EQ(t.sync("g", a, {{a.member, "A"}}).error, GroupError::coordinator_not_available);
  EXPECT_EQ(t.heartbeat("g", a), GroupError::rebalance_in_progress);
  t.log->fails = [] { return false; };
  const auto a2 = t.join("g", {.member = a.member.value});
  EXPECT_EQ(a2.generation, GenerationId(2));
  EXPECT_EQ(t.sync("g", a2, {{a.member, "A"}}).assignment, bytes_of("A"));
}

TEST(FailedWrite, ThatAGroupIsEmptyIsWrittenLater) {
  GroupsBench t;
  const auto a = t.alone("g");
  EXPECT_EQ(t.commit("g", 1, a), GroupError::none);
  t.log->fails = [] { return true; };
  EXPECT_EQ(t.wait(t.send_leave("g", {{a.member, std::nullopt}})).error, GroupError::coordinator_not_available);
  EXPECT_EQ(t.wait(t.send_leave("g", {{a.member, std::nullopt}})).error, GroupError::coordinator_not_available);
  EXPECT_EQ(t.state("g"), GroupState::empty);
  t.log->fails = [] { return false; };
  t.run_ms(600'100);  // the sweep
  t.restart();
  EXPECT_EQ(t.state("g"), GroupState::empty);
}

TEST(Snapshot, KeepsTheLogNearTheSizeOfTheState) {
  GroupsBench t({.compact_bytes_min = 20'000});
  const auto [a, b] = t.pair("g");
  for (int i = 0; i < 5'000; ++i) {
    EXPECT_EQ(t.commit("group-" + std::to_string(i % 10), i), GroupError::none);
    EXPECT_LE(t.stored.bytes(), 23'000U);
    if (i % 500 == 0) EXPECT_EQ(t.heartbeat("g", a), GroupError::none);
    if (i % 500 == 0) EXPECT_EQ(t.heartbeat("g", b), GroupError::none);
  }
  EXPECT_GT(t.groups->stats().snapshots, 5U);
  EXPECT_FALSE(t.log->snapshot_open);
  t.restart();
  EXPECT_EQ(t.heartbeat("g", a), GroupError::none);
  EXPECT_EQ(t.sync("g", b).assignment, bytes_of("B"));
  for (int i = 4'990; i < 5'000; ++i) EXPECT_EQ(t.offset("group-" + std::to_string(i % 10)), i);
}

TEST(Snapshot, LosesNothingThatIsOnItsWayWhenItIsTaken) {
  GroupsBench t;
  EXPECT_EQ(t.commit("g", 1), GroupError::none);
  t.log->held = true;
  auto before = t.send_commit(GroupsBench::committing("g", 2));
  t.groups->compact();
  auto behind = t.send_commit(GroupsBench::committing("g", 3));
  auto other = t.send_commit(GroupsBench::committing("h", 4));
  t.log->release();
  t.run_ms(10);
  EXPECT_EQ(before->errors.at(0), GroupError::none);
  EXPECT_EQ(behind->errors.at(0), GroupError::none);
  EXPECT_EQ(other->errors.at(0), GroupError::none);
  EXPECT_EQ(t.groups->stats().snapshots, 1U);
  t.restart();
  EXPECT_EQ(t.offset("g"), 3);
  EXPECT_EQ(t.offset("h"), 4);
}

TEST(Snapshot, OfAGroupInARebalanceIsItsLastCompleteGeneration) {
  GroupsBench t;
  const auto [a, b] = t.pair("g", {.instance = "i1"}, {.instance = "i2"});
  const auto b2 = t.join("g", {.instance = "i2"});
  (void)t.send_join("g", {.member = a.member.value, .instance = "i1", .topics = {"u"}});
  t.settle();
  EXPECT_EQ(t.state("g"), GroupState::preparing_rebalance);
  t.groups->compact();
  t.run_ms(10);
  EXPECT_EQ(t.groups->stats().snapshots, 1U);
  t.restart();
  EXPECT_EQ(t.state("g"), GroupState::stable);
  EXPECT_EQ(t.heartbeat("g", a, "i1"), GroupError::none);
  EXPECT_EQ(t.heartbeat("g", b2, "i2"), GroupError::none);
  EXPECT_EQ(t.sync("g", b2, {}, "i2").assignment, bytes_of("B"));
  EXPECT_EQ(t.describe("g").members.at(0).metadata, subscription_to({"t"}));
  EXPECT_EQ(t.join("g", {.member = a.member.value, .instance = "i1"}).error, GroupError::none);
}

TEST(Snapshot, KeepsAGroupWhoseRemovalFails) {
  for (const bool removal_first : {true, false}) {
    GroupsBench t;
    EXPECT_EQ(t.commit("g", 7), GroupError::none);
    t.log->held = true;
    auto on_its_way = t.send_commit(GroupsBench::committing("g", 8));
    if (!removal_first) t.groups->compact();
    Answer<DeleteReply> removed;
    t.groups->delete_group({.group = {"g"}}, removed.reply());
    if (removal_first) t.groups->compact();
    // The commit is the first append. The removal is the second, or the one behind the snapshot.
    int appends = 0;
    t.log->fails = [&appends, removal_first] { return ++appends == (removal_first ? 2 : 3); };
    t.log->release();
    t.run_ms(10);
    EXPECT_EQ(on_its_way->errors.at(0), GroupError::none);
    EXPECT_EQ(removed->error, GroupError::coordinator_not_available);
    EXPECT_EQ(t.groups->stats().snapshots, 1U);
    EXPECT_EQ(t.offset("g"), 8);
    t.restart();
    EXPECT_EQ(t.offset("g"), 8);
  }
}

TEST(Snapshot, TakesAboutWhatItIsSaidTo) {
  GroupsBench t;
  for (int group = 0; group < 5; ++group) {
    CommitRequest request{.group = {"group-" + std::to_string(group)}};
    for (std::int32_t i = 0; i < 3'000; ++i) {
      const std::string topic = "topic-" + std::to_string(group % 2 == 0 ? i : i / 500);
      request.entries.push_back({.partition = {topic, log::PartitionId(i)}, .offset = log::Offset(i * 100)});
    }
    EXPECT_EQ(t.wait(t.send_commit(request)).errors.at(0), GroupError::none);
  }
  (void)t.pair("g");
  t.groups->compact();
  t.run_ms(100);
  ASSERT_EQ(t.groups->stats().snapshots, 1U);
  const std::uint64_t said = t.groups->stats().state_bytes;
  EXPECT_NEAR(static_cast<double>(said) / static_cast<double>(t.stored.bytes()), 1.0, 0.25);
  t.restart();
  EXPECT_EQ(t.groups->stats().state_bytes, said);
}

TEST(Snapshot, OneThatFailsRemovesNothingAndIsTriedAgainLater) {
  GroupsBench t({.compact_bytes_min = 2'000});
  const auto fill = [&](int from, int to) {
    for (int i = from; i < to; ++i) EXPECT_EQ(t.commit("g", i), GroupError::none);
  };
  t.log->fails = [&] { return t.log->snapshot_open; };
  fill(0, 60);
  EXPECT_EQ(t.groups->stats().snapshots, 0U);
  EXPECT_GE(t.groups->stats().failed_writes, 1U);
  EXPECT_EQ(t.offset("g"), 59);
  t.log->fails = [] { return false; };
  fill(60, 200);
  EXPECT_GE(t.groups->stats().snapshots, 1U);
  t.restart();
  EXPECT_EQ(t.offset("g"), 199);
}

TEST(Snapshot, KilledInTheMiddleGivesTheSameState) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    GroupsBench t({}, seed);
    const auto [a, b] = t.pair("g");
    for (int i = 0; i < 50; ++i) EXPECT_EQ(t.commit("group-" + std::to_string(i), i), GroupError::none);
    t.groups->compact();
    t.world.run_for(static_cast<std::int64_t>(t.world.random().below(600'000)));
    t.restart();
    for (int i = 0; i < 50; ++i) ASSERT_EQ(t.offset("group-" + std::to_string(i)), i) << "seed " << seed;
    ASSERT_EQ(t.heartbeat("g", a), GroupError::none);
    ASSERT_EQ(t.sync("g", b).assignment, bytes_of("B"));
  }
}

}  // namespace
}  // namespace baton::broker
