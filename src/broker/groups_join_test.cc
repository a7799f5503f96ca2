// Joining, rebalances, and the life of a member. "Observed" says what Apache Kafka 4.3.1 did when it was asked the same.
#include <gtest/gtest.h>

#include "broker/groups_for_test.h"

namespace baton::broker {
namespace {

TEST(Join, TheFirstMemberLeadsAndIsToldAllMembers) {
  GroupsBench t;
  const auto joined = t.join("g");
  EXPECT_EQ(joined.error, GroupError::none);
  EXPECT_EQ(joined.generation, GenerationId(1));  // observed
  EXPECT_EQ(joined.protocol, "range");
  EXPECT_EQ(joined.protocol_type, "consumer");
  EXPECT_EQ(joined.leader, joined.member);
  EXPECT_TRUE(joined.member.value.starts_with("client-"));  // observed: client id, '-', a UUID
  ASSERT_EQ(joined.members.size(), 1U);
  EXPECT_EQ(joined.members[0].metadata, subscription_to({"t"}));
  EXPECT_EQ(t.state("g"), GroupState::completing_rebalance);
  const auto synced = t.sync("g", joined, {{joined.member, "A"}});
  EXPECT_EQ(synced.assignment, bytes_of("A"));
  EXPECT_EQ(synced.protocol, "range");
  EXPECT_EQ(t.state("g"), GroupState::stable);
}

TEST(Join, OneThatCannotBeIsRefusedByName) {
  GroupsBench t;
  EXPECT_EQ(t.join("").error, GroupError::invalid_group_id);  // observed, each
  EXPECT_EQ(t.join("g", {.member = "x"}).error, GroupError::unknown_member_id);
  EXPECT_EQ(t.join("g", {.member = "x"}).member, MemberId{"x"});
  EXPECT_EQ(t.join("g", {.session_ms = 10}).error, GroupError::invalid_session_timeout);
  EXPECT_EQ(t.join("g", {.session_ms = 2'000'000'000}).error, GroupError::invalid_session_timeout);
  EXPECT_EQ(t.join("g", {.protocols = {}}).error, GroupError::inconsistent_group_protocol);
  EXPECT_EQ(t.join("g", {.type = ""}).error, GroupError::inconsistent_group_protocol);
  EXPECT_EQ(t.join("g", {.member = "x", .instance = "i"}).error, GroupError::unknown_member_id);
  EXPECT_EQ(t.join(std::string(2'000, 'g')).error, GroupError::invalid_group_id);
  EXPECT_EQ(t.join("g", {.instance = std::string(2'000, 'i')}).error, GroupError::invalid_request);
  EXPECT_EQ(t.groups->stats().groups, 0U);  // none of these leaves a group behind
  t.alone("g");
  EXPECT_EQ(t.join("g", {.type = "connect"}).error, GroupError::inconsistent_group_protocol);
  EXPECT_EQ(t.join("g", {.protocols = {"roundrobin"}}).error, GroupError::inconsistent_group_protocol);
  EXPECT_EQ(t.state("g"), GroupState::stable);
}

TEST(Join, ANewDynamicMemberIsToldItsIdFirstWhenItsRequestAsksForThat) {
  GroupsBench t;
  const auto told = t.join("g", {.two_step = true});
  EXPECT_EQ(told.error, GroupError::member_id_required);
  EXPECT_EQ(t.describe("g").error, GroupError::none);  // observed: listed as Empty, without a protocol type
  EXPECT_EQ(t.state("g"), GroupState::empty);
  EXPECT_TRUE(t.describe("g").members.empty());
  HeartbeatRequest beat{.group = {"g"}, .generation = GenerationId(0), .member = told.member, .instance = std::nullopt};
  Answer<HeartbeatReply> beaten;
  t.groups->heartbeat(beat, beaten.reply());
  EXPECT_EQ(beaten->error, GroupError::unknown_member_id);  // observed
  EXPECT_EQ(t.join("g", {.member = told.member.value, .instance = "i", .two_step = true}).error, GroupError::unknown_member_id);
  const auto joined = t.join("g", {.member = told.member.value, .two_step = true});
  EXPECT_EQ(joined.error, GroupError::none);
  EXPECT_EQ(joined.member, told.member);
}

TEST(Join, AStaticMemberNeedsNoSecondStep) {
  GroupsBench t;
  const auto joined = t.join("g", {.instance = "i1", .two_step = true});
  EXPECT_EQ(joined.error, GroupError::none);
  EXPECT_TRUE(joined.member.value.starts_with("i1-"));  // observed
  EXPECT_EQ(joined.members.at(0).instance, InstanceId{"i1"});
}

TEST(Join, AnIdThatIsNotUsedWithinTheSessionTimeoutIsForgotten) {
  GroupsBench t;
  const auto left = t.join("g", {.two_step = true});
  EXPECT_EQ(t.leave("g", {{left.member, std::nullopt}}).at(0), GroupError::none);  // observed
  EXPECT_EQ(t.join("g", {.member = left.member.value}).error, GroupError::unknown_member_id);
  const auto told = t.join("g", {.two_step = true});
  t.run_ms(10'100);
  EXPECT_EQ(t.join("g", {.member = told.member.value}).error, GroupError::unknown_member_id);
  EXPECT_EQ(t.groups->stats().groups, 0U);
}

TEST(Join, OneThatLeavesBeforeItJoinedStartsNoRebalance) {
  GroupsBench t;
  const auto member = t.alone("g");
  const auto told = t.join("g", {.two_step = true});
  EXPECT_EQ(t.leave("g", {{told.member, std::nullopt}}).at(0), GroupError::none);
  EXPECT_EQ(t.state("g"), GroupState::stable);
  EXPECT_EQ(t.heartbeat("g", member), GroupError::none);
}

TEST(Join, ARebalanceWaitsForThoseThatWereToldAnId) {
  GroupsBench t;
  const auto member = t.alone("g");
  (void)t.join("g", {.two_step = true});
  auto again = t.send_join("g", {.member = member.member.value});
  t.run_ms(9'000);
  EXPECT_FALSE(again.there());
  t.run_ms(1'100);  // observed: until the session timeout of the one that is pending
  ASSERT_TRUE(again.there());
  EXPECT_EQ(again->generation, GenerationId(2));
}

TEST(Rebalance, WaitsForTheOthersAndTakesThemAllIntoTheNextGeneration) {
  GroupsBench t;
  const auto a = t.alone("g");
  auto b = t.send_join("g", {});
  t.settle();
  EXPECT_FALSE(b.there());
  EXPECT_EQ(t.state("g"), GroupState::preparing_rebalance);
  EXPECT_EQ(t.heartbeat("g", a), GroupError::rebalance_in_progress);  // observed
  EXPECT_EQ(t.sync("g", a).error, GroupError::rebalance_in_progress);
  const auto a2 = t.join("g", {.member = a.member.value});
  EXPECT_EQ(a2.generation, GenerationId(2));
  EXPECT_EQ(a2.leader, a.member);
  EXPECT_EQ(a2.members.size(), 2U);
  const auto b2 = t.wait(b);
  EXPECT_EQ(b2.generation, GenerationId(2));
  EXPECT_EQ(b2.leader, a.member);
  EXPECT_TRUE(b2.members.empty());
  auto b_sync = t.send_sync("g", b2);
  t.settle();
  EXPECT_FALSE(b_sync.there());
  EXPECT_EQ(t.heartbeat("g", b2), GroupError::none);  // observed: none while the assignment is waited for
  EXPECT_EQ(t.sync("g", a2, {{a2.member, "A"}, {b2.member, "B"}, {MemberId{"nobody"}, "C"}}).assignment, bytes_of("A"));
  EXPECT_EQ(t.wait(b_sync).assignment, bytes_of("B"));
  EXPECT_EQ(t.sync("g", b2).assignment, bytes_of("B"));  // observed: again, in a stable group
}

TEST(Rebalance, WhoDoesNotComeBackWithinTheRebalanceTimeoutIsOut) {
  GroupsBench t;
  const auto a = t.alone("g", {.session_ms = 60'000, .rebalance_ms = 5'000});
  auto b = t.send_join("g", {.session_ms = 60'000, .rebalance_ms = 3'000});
  t.run_ms(4'900);
  EXPECT_FALSE(b.there());
  t.run_ms(200);  // the longest of all members' timeouts
  ASSERT_TRUE(b.there());
  EXPECT_EQ(b->leader, b->member);
  EXPECT_EQ(b->members.size(), 1U);
  EXPECT_EQ(t.heartbeat("g", a), GroupError::unknown_member_id);
}

TEST(Rebalance, ALeaderThatComesBackStartsOneAndAFollowerOnlyWithOtherMetadata) {
  GroupsBench t;
  const auto [a, b] = t.pair("g");
  const auto same = t.join("g", {.member = b.member.value});
  EXPECT_EQ(same.generation, b.generation);  // observed: the answer of before
  EXPECT_TRUE(same.members.empty());
  EXPECT_EQ(t.state("g"), GroupState::stable);
  auto leader = t.send_join("g", {.member = a.member.value});
  t.settle();
  EXPECT_EQ(t.state("g"), GroupState::preparing_rebalance);
  const auto b2 = t.join("g", {.member = b.member.value});
  const auto a2 = t.wait(leader);
  auto wait = t.send_sync("g", b2);
  (void)t.sync("g", a2);
  EXPECT_EQ(t.wait(wait).assignment, bytes_of(""));  // observed: a leader that gives nothing assigns nothing
  auto other = t.send_join("g", {.member = b.member.value, .topics = {"t", "u"}});
  t.settle();
  EXPECT_EQ(t.state("g"), GroupState::preparing_rebalance);
  EXPECT_EQ(t.describe("g").protocol, "");  // observed: without protocol and metadata, with the old assignments
  EXPECT_TRUE(t.describe("g").members.at(0).metadata.empty());
}

TEST(Rebalance, ALostAnswerIsGivenAgainWhileTheAssignmentIsWaitedFor) {
  GroupsBench t;
  const auto a = t.join("g");
  const auto again = t.join("g", {.member = a.member.value});
  EXPECT_EQ(again.generation, a.generation);  // observed
  EXPECT_EQ(again.members.size(), 1U);
  const auto other = t.join("g", {.member = a.member.value, .topics = {"u"}});
  EXPECT_EQ(other.generation, GenerationId(2));
}

TEST(Rebalance, FollowersThatWaitForTheAssignmentAreSentBackToJoin) {
  GroupsBench t;
  const auto [a, b] = t.pair("g");
  auto a_join = t.send_join("g", {.member = a.member.value});
  const auto b2 = t.join("g", {.member = b.member.value});
  (void)t.wait(a_join);
  auto b_sync = t.send_sync("g", b2);
  auto c = t.send_join("g", {});
  t.settle();
  ASSERT_TRUE(b_sync.there());
  EXPECT_EQ(b_sync->error, GroupError::rebalance_in_progress);
  EXPECT_EQ(t.state("g"), GroupState::preparing_rebalance);
  t.end();
  EXPECT_EQ(c.times(), 1);
}

TEST(Rebalance, WhoDoesNotAskForItsAssignmentIsOutAfterTheRebalanceTimeout) {
  GroupsBench t;
  const Joining slow{.session_ms = 60'000, .rebalance_ms = 3'000};
  auto [a, b] = t.pair("g", slow, slow);
  auto a_join = t.send_join("g", {.member = a.member.value, .session_ms = 60'000, .rebalance_ms = 3'000});
  const auto b2 = t.join("g", {.member = b.member.value, .session_ms = 60'000, .rebalance_ms = 3'000});
  (void)t.wait(a_join);
  auto b_sync = t.send_sync("g", b2);  // the leader never does
  t.run_ms(2'900);
  EXPECT_FALSE(b_sync.there());
  t.run_ms(200);
  ASSERT_TRUE(b_sync.there());
  EXPECT_EQ(b_sync->error, GroupError::rebalance_in_progress);  // observed
  EXPECT_EQ(t.describe("g").members.size(), 1U);
  const auto b3 = t.join("g", {.member = b.member.value, .session_ms = 60'000, .rebalance_ms = 3'000});
  EXPECT_EQ(b3.leader, b3.member);
}

TEST(Rebalance, AStableMemberThatNeverSyncedIsOutToo) {
  GroupsBench t;
  const Joining slow{.session_ms = 60'000, .rebalance_ms = 3'000};
  auto [a, b] = t.pair("g", slow, slow);
  auto a_join = t.send_join("g", {.member = a.member.value, .session_ms = 60'000, .rebalance_ms = 3'000});
  (void)t.join("g", {.member = b.member.value, .session_ms = 60'000, .rebalance_ms = 3'000});
  (void)t.sync("g", t.wait(a_join));
  EXPECT_EQ(t.state("g"), GroupState::stable);
  t.run_ms(3'100);
  EXPECT_EQ(t.state("g"), GroupState::preparing_rebalance);
  EXPECT_EQ(t.describe("g").members.size(), 1U);
}

TEST(Rebalance, TheSameMemberOnTwoConnectionsIsAnsweredOnBoth) {
  GroupsBench t;
  const auto [a, b] = t.pair("g");
  auto first = t.send_join("g", {.member = a.member.value});
  auto second = t.send_join("g", {.member = a.member.value});
  t.settle();
  ASSERT_TRUE(first.there());  // observed: Kafka leaves the first one without an answer
  EXPECT_EQ(first->error, GroupError::rebalance_in_progress);
  const auto b2 = t.join("g", {.member = b.member.value});
  EXPECT_EQ(t.wait(second).error, GroupError::none);
  auto one = t.send_sync("g", b2);
  auto two = t.send_sync("g", b2);
  t.settle();
  EXPECT_EQ(one->error, GroupError::rebalance_in_progress);
  EXPECT_FALSE(two.there());
}

TEST(Rebalance, TheDelayOfAnEmptyGroupCollectsItsMembersInOneGeneration) {
  GroupsBench t({.initial_rebalance_delay_ms = 3'000});
  auto a = t.send_join("g", {});
  t.run_ms(2'000);
  auto b = t.send_join("g", {});
  t.run_ms(1'100);
  EXPECT_FALSE(a.there());  // one came, so that it waits once more
  t.run_ms(3'000);
  ASSERT_TRUE(a.there());
  EXPECT_EQ(a->generation, GenerationId(1));
  EXPECT_EQ(b->generation, GenerationId(1));
  EXPECT_EQ(a->members.size() + b->members.size(), 2U);
}

TEST(Rebalance, TheDelayEndsAtTheRebalanceTimeoutHoweverManyCome) {
  GroupsBench t({.initial_rebalance_delay_ms = 3'000});
  auto first = t.send_join("g", {.rebalance_ms = 7'000});
  for (int i = 0; i < 6; ++i) {
    t.run_ms(1'100);
    (void)t.send_join("g", {.rebalance_ms = 7'000});
  }
  EXPECT_FALSE(first.there());
  t.run_ms(500);
  EXPECT_TRUE(first.there());
}

TEST(Protocols, TheOneThatMostPreferAmongThoseThatAllHaveWins) {
  GroupsBench t;
  const auto a = t.alone("g", {.protocols = {"x", "y", "z"}});
  auto b = t.send_join("g", {.protocols = {"y", "x"}});
  auto c = t.send_join("g", {.protocols = {"w", "y", "x"}});
  const auto a2 = t.join("g", {.member = a.member.value, .protocols = {"x", "y", "z"}});
  EXPECT_EQ(a2.protocol, "y");
  EXPECT_EQ(t.wait(b).protocol, "y");
  EXPECT_EQ(t.wait(c).protocol, "y");
}

TEST(Protocols, OfEqualVotesTheLeadersChoiceWins) {
  GroupsBench t;
  const auto a = t.alone("g", {.protocols = {"x", "y"}});
  auto b = t.send_join("g", {.protocols = {"y", "x"}});
  EXPECT_EQ(t.join("g", {.member = a.member.value, .protocols = {"x", "y"}}).protocol, "x");  // observed
}

TEST(Protocols, AnUpgradeFromEagerToCooperativeInTwoRollingRestartsIsPossible) {
  GroupsBench t;
  const auto [a, b] = t.pair("g");  // range only
  auto a2 = t.send_join("g", {.member = a.member.value, .protocols = {"cooperative-sticky", "range"}});
  EXPECT_EQ(t.join("g", {.member = b.member.value}).protocol, "range");
  (void)t.wait(a2);
  auto b3 = t.send_join("g", {.member = b.member.value, .protocols = {"cooperative-sticky", "range"}});
  EXPECT_EQ(t.join("g", {.member = a.member.value, .protocols = {"cooperative-sticky", "range"}}).protocol,
            "cooperative-sticky");
  (void)t.wait(b3);
}

TEST(Limits, AGroupTakesSoManyMembersAndNoMore) {
  GroupsBench t({.members_max = 2});
  const auto [a, b] = t.pair("g");
  EXPECT_EQ(t.join("g", {.two_step = true}).error, GroupError::group_max_size_reached);  // observed: at the first step
  EXPECT_EQ(t.join("g").error, GroupError::group_max_size_reached);
  EXPECT_EQ(t.state("g"), GroupState::stable);
  // While a rebalance is prepared those count that wait, since the others may not come.
  auto a2 = t.send_join("g", {.member = a.member.value});
  auto c = t.send_join("g", {});
  t.settle();
  EXPECT_EQ(t.join("g", {.member = b.member.value}).error, GroupError::group_max_size_reached);
  EXPECT_EQ(t.wait(a2).members.size(), 2U);
  EXPECT_EQ(t.wait(c).error, GroupError::none);
  EXPECT_EQ(t.heartbeat("g", b), GroupError::unknown_member_id);
}

TEST(Limits, MetadataAndAssignmentsOfAGroupAreBounded) {
  GroupsBench t({.groups_max = 1, .group_bytes_max = 2'000});
  EXPECT_EQ(t.join("g", {.topics = {std::string(3'000, 't')}}).error, GroupError::policy_violation);
  const auto a = t.join("g");
  EXPECT_EQ(t.sync("g", a, {{a.member, std::string(2'000, 'A')}}).error, GroupError::policy_violation);
  EXPECT_EQ(t.state("g"), GroupState::completing_rebalance);
  EXPECT_EQ(t.sync("g", a, {{a.member, "A"}}).error, GroupError::none);
  EXPECT_EQ(t.join("g", {.member = a.member.value, .topics = {std::string(3'000, 't')}}).error, GroupError::policy_violation);
  EXPECT_EQ(t.state("g"), GroupState::stable);
  EXPECT_EQ(t.join("h").error, GroupError::policy_violation);
}

TEST(Limits, MetadataOfAllGroupsTogetherIsBounded) {
  GroupsBench t({.members_bytes_max = 5'000});
  const auto a = t.join("a", {.topics = {std::string(3'000, 't')}});
  EXPECT_EQ(a.error, GroupError::none);
  EXPECT_EQ(t.join("b", {.topics = {std::string(3'000, 't')}}).error, GroupError::policy_violation);
  EXPECT_EQ(t.join("b").error, GroupError::none);
  (void)t.leave("a", {{a.member, std::nullopt}});
  EXPECT_EQ(t.join("c", {.topics = {std::string(3'000, 't')}}).error, GroupError::none) << "what the group had is free again";
}

TEST(Session, OneThatSendsNoHeartbeatIsOutAndItsPlaceIsGivenAway_F42) {
  GroupsBench t;
  const auto [a, b] = t.pair("g");
  for (int i = 0; i < 3; ++i) {
    t.run_ms(3'000);
    EXPECT_EQ(t.heartbeat("g", b), GroupError::none);
  }
  t.run_ms(1'100);
  EXPECT_EQ(t.heartbeat("g", b), GroupError::rebalance_in_progress);
  const auto b2 = t.join("g", {.member = b.member.value});
  EXPECT_EQ(b2.members.size(), 1U);
  EXPECT_EQ(t.heartbeat("g", a), GroupError::unknown_member_id);
  EXPECT_EQ(t.groups->stats().expired_members, 1U);
}

TEST(Session, ACommitIsASignOfLifeToo) {
  GroupsBench t;
  const auto a = t.alone("g");
  for (int i = 0; i < 5; ++i) {
    t.run_ms(5'000);
    EXPECT_EQ(t.commit("g", i, a), GroupError::none);  // observed
  }
  EXPECT_EQ(t.state("g"), GroupState::stable);
}

TEST(Session, TheWallClockIsNotLookedAt_F24) {
  GroupsBench t;
  const auto a = t.alone("g");
  for (const std::int64_t jump_ms : {3'600'000LL, -3'600'000LL, 315'360'000'000LL}) {
    t.world.step_wall_ms(jump_ms);
    t.run_ms(5'000);
    EXPECT_EQ(t.heartbeat("g", a), GroupError::none);
  }
  t.world.step_wall_ms(-315'360'000'000LL);
  t.run_ms(10'100);
  EXPECT_EQ(t.state("g"), GroupState::empty);
}

TEST(Session, ANewMemberWhoseClientIsGoneIsNotWaitedForForEver) {
  GroupsBench t({.new_member_join_timeout_ms = 20'000});
  const auto a = t.alone("g", {.session_ms = 100'000, .rebalance_ms = 1'000'000});
  auto lost = t.send_join("g", {.rebalance_ms = 1'000'000});
  t.run_ms(20'100);
  EXPECT_EQ(lost->error, GroupError::unknown_member_id);
  EXPECT_EQ(t.join("g", {.member = a.member.value}).members.size(), 1U);
}

TEST(Leave, TheLastOneLeavesAnEmptyGroupAtOnce) {
  GroupsBench t;
  const auto a = t.alone("g");
  EXPECT_EQ(t.leave("g", {{a.member, std::nullopt}, {MemberId{"y"}, std::nullopt}, {MemberId{}, InstanceId{"i"}}}),
            (std::vector{GroupError::none, GroupError::unknown_member_id, GroupError::unknown_member_id}));
  EXPECT_EQ(t.state("g"), GroupState::empty);
  EXPECT_EQ(t.describe("g").protocol_type, "consumer");  // observed
  EXPECT_EQ(t.heartbeat("g", a), GroupError::unknown_member_id);
  EXPECT_EQ(t.sync("g", a).error, GroupError::unknown_member_id);
  EXPECT_EQ(t.join("g", {.member = a.member.value}).error, GroupError::unknown_member_id);
  // Observed: an empty group takes a number of its own.
  EXPECT_EQ(t.join("g").generation, GenerationId(3));
}

TEST(Leave, OfAGroupThatIsNotThereEachIsUnknown) {
  GroupsBench t;
  EXPECT_EQ(t.leave("g", {{MemberId{"m"}, std::nullopt}}).at(0), GroupError::unknown_member_id);  // observed: no error on top
  Answer<LeaveReply> answer;
  t.groups->leave({.group = {""}, .members = {}}, answer.reply());
  EXPECT_EQ(answer->error, GroupError::invalid_group_id);
}

TEST(Heartbeat, WhoAsksInTheWrongGenerationOrUnderAWrongNameIsTold) {
  GroupsBench t;
  auto a = t.alone("g");
  EXPECT_EQ(t.heartbeat("g", a, "i"), GroupError::unknown_member_id);  // observed, each
  EXPECT_EQ(t.heartbeat("other", a), GroupError::unknown_member_id);
  EXPECT_EQ(t.heartbeat("", a), GroupError::invalid_group_id);
  a.generation = GenerationId(0);
  EXPECT_EQ(t.heartbeat("g", a), GroupError::illegal_generation);
  EXPECT_EQ(t.sync("g", a).error, GroupError::illegal_generation);
  a.generation = GenerationId(2);
  EXPECT_EQ(t.heartbeat("g", a), GroupError::illegal_generation);
  a.member.value = "x";
  EXPECT_EQ(t.heartbeat("g", a), GroupError::unknown_member_id);  // observed: who, before which generation
}

TEST(Sync, AnotherProtocolThanTheChosenOneIsInconsistent) {
  GroupsBench t;
  const auto a = t.alone("g");
  for (const auto& [type, protocol] : {std::pair("x", "range"), std::pair("consumer", "roundrobin")}) {
    SyncRequest request{.group = {"g"}, .generation = a.generation, .member = a.member};
    request.protocol_type = type;
    request.protocol = protocol;
    Answer<SyncReply> answer;
    t.groups->sync(std::move(request), answer.reply());
    EXPECT_EQ(t.wait(answer).error, GroupError::inconsistent_group_protocol);  // observed
  }
}

}  // namespace
}  // namespace baton::broker
