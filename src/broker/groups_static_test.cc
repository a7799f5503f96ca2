// Static members: group.instance.id. "Observed" says what Apache Kafka 4.3.1 did when it was asked the same.
#include <gtest/gtest.h>

#include "broker/groups_for_test.h"

namespace baton::broker {
namespace {

const Joining kFirst{.instance = "i1"};
const Joining kSecond{.instance = "i2"};

TEST(Static, AFollowerThatComesBackUnderANewIdCausesNoRebalance) {
  GroupsBench t;
  auto [a, b] = t.pair("g", kFirst, kSecond);
  const auto back = t.join("g", kSecond);
  EXPECT_EQ(back.error, GroupError::none);
  EXPECT_EQ(back.generation, b.generation);  // observed, all of it
  EXPECT_NE(back.member, b.member);
  EXPECT_EQ(back.leader, a.member);
  EXPECT_TRUE(back.members.empty());
  EXPECT_EQ(t.state("g"), GroupState::stable);
  EXPECT_EQ(t.heartbeat("g", a, "i1"), GroupError::none);
  EXPECT_EQ(t.sync("g", back, {}, "i2").assignment, bytes_of("B"));
}

TEST(Static, TheOneBeforeIsFencedByItsInstanceAndUnknownWithoutIt) {
  GroupsBench t;
  auto [a, b] = t.pair("g", kFirst, kSecond);
  (void)t.join("g", kSecond);
  EXPECT_EQ(t.heartbeat("g", b, "i2"), GroupError::fenced_instance_id);  // observed, all of it
  EXPECT_EQ(t.heartbeat("g", b), GroupError::unknown_member_id);
  EXPECT_EQ(t.sync("g", b, {}, "i2").error, GroupError::fenced_instance_id);
  EXPECT_EQ(t.join("g", {.member = b.member.value, .instance = "i2"}).error, GroupError::fenced_instance_id);
  EXPECT_EQ(t.join("g", {.member = b.member.value, .instance = "i2"}).member, b.member);
  auto commit = GroupsBench::committing("g", 5, b.generation, b.member);
  commit.instance = InstanceId{"i2"};
  EXPECT_EQ(t.commit(commit), GroupError::fenced_instance_id);
  EXPECT_EQ(t.leave("g", {{b.member, InstanceId{"i2"}}}).at(0), GroupError::fenced_instance_id);
  EXPECT_EQ(t.leave("g", {{a.member, InstanceId{"i2"}}}).at(0), GroupError::fenced_instance_id);
  EXPECT_EQ(t.state("g"), GroupState::stable);
}

TEST(Static, ALeaderThatComesBackDoesNotDistributeAnew) {
  GroupsBench t;
  auto [a, b] = t.pair("g", kFirst, kSecond);
  const auto old_client = t.join("g", kFirst);
  EXPECT_EQ(old_client.generation, a.generation);
  EXPECT_EQ(old_client.leader, a.member);  // observed: the id of before, so that the client does not take itself for the leader
  EXPECT_FALSE(old_client.skip_assignment);
  EXPECT_TRUE(old_client.members.empty());
  const auto new_client = t.join("g", {.instance = "i1", .skips = true});
  EXPECT_EQ(new_client.leader, new_client.member);  // observed: leads, is told the members, and to distribute nothing
  EXPECT_TRUE(new_client.skip_assignment);
  EXPECT_EQ(new_client.members.size(), 2U);
  EXPECT_EQ(t.sync("g", new_client, {}, "i1").assignment, bytes_of("A"));
}

TEST(Static, OtherTopicsUnderTheSameProtocolCauseNoRebalanceAsInKafka) {
  GroupsBench t;
  auto [a, b] = t.pair("g", kFirst, kSecond);
  EXPECT_EQ(t.join("g", {.instance = "i2", .topics = {"t", "u"}}).generation, b.generation);  // observed
  EXPECT_EQ(t.state("g"), GroupState::stable);
}

TEST(Static, AProtocolThatIsNotTheChosenOneAnyMoreCausesARebalance) {
  GroupsBench t;
  const Joining both{.instance = "i1", .protocols = {"range", "roundrobin"}};
  const auto a = t.alone("g", both);
  EXPECT_EQ(a.protocol, "range");
  const auto back = t.join("g", {.instance = "i1", .protocols = {"roundrobin", "range"}});
  EXPECT_EQ(back.generation, GenerationId(2));
  EXPECT_EQ(back.protocol, "roundrobin");
}

TEST(Static, OneThatIsReplacedWhileItWaitsIsFencedAndItsSuccessorWaits) {
  GroupsBench t;
  auto [a, b] = t.pair("g", kFirst, kSecond);
  auto first = t.send_join("g", {.member = a.member.value, .instance = "i1", .topics = {"u"}});
  t.settle();
  auto second = t.send_join("g", kFirst);
  t.settle();
  ASSERT_TRUE(first.there());
  EXPECT_EQ(first->error, GroupError::fenced_instance_id);  // observed
  EXPECT_FALSE(second.there());
  const auto b2 = t.join("g", {.member = b.member.value, .instance = "i2"});
  EXPECT_EQ(b2.generation, GenerationId(3));
  EXPECT_EQ(t.wait(second).leader, second->member);  // observed: the lead goes with the instance
}

TEST(Static, OneThatComesBackWhileTheAssignmentIsWaitedForStartsAnotherGeneration) {
  GroupsBench t;
  const auto a = t.join("g", kFirst);
  const auto again = t.join("g", kFirst);
  EXPECT_EQ(again.generation, GenerationId(2));  // observed
  EXPECT_NE(again.member, a.member);
}

TEST(Static, OneThatIsAwayKeepsItsPlaceThroughARebalance) {
  GroupsBench t;
  const Joining slow{.instance = "i1", .session_ms = 30'000, .rebalance_ms = 2'000};
  const Joining other{.instance = "i2", .session_ms = 30'000, .rebalance_ms = 2'000};
  auto [a, b] = t.pair("g", slow, other);
  auto b2 = t.send_join(
      "g", {.member = b.member.value, .instance = "i2", .topics = {"u"}, .session_ms = 30'000, .rebalance_ms = 2'000});
  t.run_ms(2'100);
  ASSERT_TRUE(b2.there());
  EXPECT_EQ(b2->leader, b.member);  // observed: somebody who is there leads
  EXPECT_EQ(b2->members.size(), 2U);
}

TEST(Static, LeavingByTheInstanceAloneWorks) {
  GroupsBench t;
  auto [a, b] = t.pair("g", kFirst, kSecond);
  EXPECT_EQ(t.leave("g", {{MemberId{}, InstanceId{"i2"}}}).at(0), GroupError::none);  // observed
  EXPECT_EQ(t.state("g"), GroupState::preparing_rebalance);
  EXPECT_EQ(t.heartbeat("g", a, "i1"), GroupError::rebalance_in_progress);
}

TEST(Static, TheNewIdIsDurableBeforeItsClientHearsOfIt) {
  GroupsBench t;
  auto [a, b] = t.pair("g", kFirst, kSecond);
  t.log->held = true;
  auto lost = t.send_join("g", kSecond);
  t.settle();
  EXPECT_FALSE(lost.there());
  EXPECT_EQ(t.heartbeat("g", b, "i2"), GroupError::none);  // until then the one before is the member
  t.log->release();
  const auto back = t.wait(lost);
  t.restart();
  EXPECT_EQ(t.heartbeat("g", back, "i2"), GroupError::none);
  EXPECT_EQ(t.heartbeat("g", b, "i2"), GroupError::fenced_instance_id);
  EXPECT_EQ(t.sync("g", back, {}, "i2").assignment, bytes_of("B"));
  EXPECT_EQ(t.heartbeat("g", a, "i1"), GroupError::none);
}

TEST(Static, TwoInstancesThatComeBackAtOnceAreBothDurable) {
  GroupsBench t;
  auto [a, b] = t.pair("g", kFirst, kSecond);
  auto a2 = t.send_join("g", kFirst);
  auto b2 = t.send_join("g", kSecond);
  auto b3 = t.send_join("g", kSecond);
  t.settle();
  EXPECT_EQ(a2->generation, a.generation);
  EXPECT_EQ(b2->generation, a.generation);
  EXPECT_EQ(b3->generation, a.generation);
  t.restart();
  EXPECT_EQ(t.heartbeat("g", *a2, "i1"), GroupError::none);
  EXPECT_EQ(t.heartbeat("g", *b2, "i2"), GroupError::fenced_instance_id);
  EXPECT_EQ(t.heartbeat("g", *b3, "i2"), GroupError::none);
}

TEST(Static, ARebalanceThatBeginsMeanwhileTakesTheNewOneIn) {
  GroupsBench t;
  auto [a, b] = t.pair("g", kFirst, kSecond);
  t.log->held = true;
  auto b2 = t.send_join("g", kSecond);
  auto a2 = t.send_join("g", {.member = a.member.value, .instance = "i1"});
  t.log->release();
  t.settle();
  EXPECT_EQ(t.wait(a2).generation, GenerationId(3));
  EXPECT_EQ(t.wait(b2).generation, GenerationId(3));
  EXPECT_EQ(t.describe("g").members.size(), 2U);
}

TEST(Static, OneThatLeavesMeanwhileIsANewMember) {
  GroupsBench t;
  auto [a, b] = t.pair("g", kFirst, kSecond);
  t.log->held = true;
  auto b2 = t.send_join("g", kSecond);
  Answer<LeaveReply> left;
  t.groups->leave({.group = {"g"}, .members = {{MemberId{}, InstanceId{"i2"}}}}, left.reply());
  t.log->release();
  t.settle();
  EXPECT_EQ(left->members.at(0), GroupError::none);
  EXPECT_FALSE(b2.there());
  EXPECT_EQ(t.join("g", {.member = a.member.value, .instance = "i1"}).members.size(), 2U);
  EXPECT_EQ(t.wait(b2).error, GroupError::none);
}

TEST(Static, AFailedWriteLeavesTheOneBeforeInPlace_F13) {
  GroupsBench t;
  auto [a, b] = t.pair("g", kFirst, kSecond);
  t.log->fails = [] { return true; };
  EXPECT_EQ(t.join("g", kSecond).error, GroupError::coordinator_not_available);
  EXPECT_EQ(t.heartbeat("g", b, "i2"), GroupError::none);
  t.log->fails = [] { return false; };
  EXPECT_EQ(t.join("g", kSecond).generation, b.generation);
}

}  // namespace
}  // namespace baton::broker
