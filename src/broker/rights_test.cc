#include "broker/rights.h"

#include <gtest/gtest.h>

namespace baton::broker {
namespace {

using log::Acl;
using Permission = Acl::Permission;
using Pattern = Acl::Pattern;

const Subject kAlice{"User:alice", "10.0.0.1"};
const Subject kBob{"User:bob", "10.0.0.2"};

Acl allow(Operation operation, std::string name, std::string principal = "User:alice", std::string host = "*") {
  return {.resource = Resource::topic, .pattern = Pattern::literal, .name = std::move(name), .principal = std::move(principal), .host = std::move(host),
          .operation = operation, .permission = Permission::allow};
}
Acl deny(Operation operation, std::string name, std::string principal = "User:alice") {
  Acl out = allow(operation, std::move(name), std::move(principal));
  out.permission = Permission::deny;
  return out;
}
Acl prefixed(Acl acl) {
  acl.pattern = Pattern::prefixed;
  return acl;
}

class RightsTest : public testing::Test {
 protected:
  void have(const log::AclTable& table, const RightsOptions& options = {.enabled = true}) {
    rights_ = std::make_unique<Rights>(options);
    rights_->set(table);
  }
  bool may(const Subject& who, Operation operation, std::string_view topic) const { return rights_->may(who, operation, Resource::topic, topic); }
  bool may_some(const Subject& who, Operation operation) const { return rights_->may_with_any(who, operation, Resource::topic); }
  std::unique_ptr<Rights> rights_;
};

TEST_F(RightsTest, WhenOffEverybodyMayDoEverything) {
  have({deny(Operation::all, "*", "User:*")}, {});
  EXPECT_TRUE(may(kAlice, Operation::write, "rides"));
  EXPECT_TRUE(may_some(kAlice, Operation::write));
  EXPECT_EQ(rights_->operations(kAlice, Resource::topic, "rides", 0xdf8), 0xdf8);
}

TEST_F(RightsTest, S10NothingIsAllowedThatNoEntryAllows) {
  have({});
  EXPECT_FALSE(may(kAlice, Operation::read, "rides"));
  EXPECT_FALSE(may_some(kAlice, Operation::read));
  EXPECT_EQ(rights_->operations(kAlice, Resource::topic, "rides", 0xdf8), 0);
}

TEST_F(RightsTest, AnEntryIsForItsPrincipalHostOperationAndName) {
  have({allow(Operation::read, "rides"), allow(Operation::write, "bikes", "User:*", "10.0.0.2")});
  EXPECT_TRUE(may(kAlice, Operation::read, "rides"));
  EXPECT_FALSE(may(kBob, Operation::read, "rides"));
  EXPECT_FALSE(may(kAlice, Operation::write, "rides"));
  EXPECT_FALSE(may(kAlice, Operation::read, "rides2"));
  EXPECT_FALSE(may(kAlice, Operation::write, "bikes")) << "from another address";
  EXPECT_TRUE(may(kBob, Operation::write, "bikes"));
  EXPECT_FALSE(rights_->may(kAlice, Operation::read, Resource::group, "rides")) << "another kind of resource";
}

TEST_F(RightsTest, AnAddressIsTheSameHoweverItIsWritten) {
  const Subject six{"User:alice", "2001:db8::1"};
  for (const char* host : {"::ffff:10.0.0.1", "10.0.0.1"}) {
    Acl denied = deny(Operation::all, "rides");
    denied.host = host;
    have({allow(Operation::all, "*", "User:alice"), denied});
    EXPECT_FALSE(may(kAlice, Operation::read, "rides")) << host;
    EXPECT_TRUE(may(six, Operation::read, "rides"));
  }
  for (const char* host : {"2001:db8::1", "2001:DB8:0:0:0:0:0:1"}) {
    Acl denied = deny(Operation::all, "rides");
    denied.host = host;
    have({allow(Operation::all, "*", "User:alice"), denied});
    EXPECT_FALSE(may(six, Operation::read, "rides")) << host;
  }
  have({}, {.enabled = true, .super_users = {"User:alice@::ffff:10.0.0.1"}});
  EXPECT_TRUE(may(kAlice, Operation::read, "rides"));
}

TEST_F(RightsTest, PrefixesAndTheStarAreAboutManyNames) {
  have({prefixed(allow(Operation::read, "rides-")), prefixed(allow(Operation::read, "r")), allow(Operation::write, "*")});
  EXPECT_TRUE(may(kAlice, Operation::read, "rides-1"));
  EXPECT_TRUE(may(kAlice, Operation::read, "rx"));
  EXPECT_FALSE(may(kAlice, Operation::read, "bikes"));
  EXPECT_TRUE(may(kAlice, Operation::write, "bikes"));
  have({prefixed(allow(Operation::read, "rides-"))});
  EXPECT_TRUE(may(kAlice, Operation::read, "rides-"));
  EXPECT_FALSE(may(kAlice, Operation::read, "rides"));
  EXPECT_FALSE(may(kAlice, Operation::read, ""));
}

TEST_F(RightsTest, WhatDeniesGoesBeforeWhatAllows) {
  have({allow(Operation::all, "*", "User:*"), deny(Operation::read, "rides"), prefixed(deny(Operation::all, "secret-"))});
  EXPECT_FALSE(may(kAlice, Operation::read, "rides"));
  EXPECT_TRUE(may(kAlice, Operation::write, "rides"));
  EXPECT_TRUE(may(kAlice, Operation::describe, "rides")) << "a denied read denies no more than it says";
  EXPECT_TRUE(may(kBob, Operation::read, "rides"));
  EXPECT_FALSE(may(kAlice, Operation::describe, "secret-1"));
}

TEST_F(RightsTest, SomeOperationsBringOthers) {
  for (const auto one : {Operation::read, Operation::write, Operation::remove, Operation::alter}) {
    have({allow(one, "rides")});
    EXPECT_TRUE(may(kAlice, Operation::describe, "rides"));
    EXPECT_FALSE(may(kAlice, Operation::describe_configs, "rides"));
  }
  have({allow(Operation::alter_configs, "rides")});
  EXPECT_TRUE(may(kAlice, Operation::describe_configs, "rides"));
  EXPECT_FALSE(may(kAlice, Operation::describe, "rides"));
  have({allow(Operation::all, "rides")});
  for (int n = static_cast<int>(Operation::read); n <= static_cast<int>(Operation::idempotent_write); ++n) EXPECT_TRUE(may(kAlice, Operation(n), "rides")) << n;
}

TEST_F(RightsTest, SuperUsersAndTheOwnerOfTheDirectoryMayDoEverything) {
  have({deny(Operation::all, "*", "User:*")}, {.enabled = true, .super_users = {"User:alice", "User:bob@10.0.0.3"}});
  EXPECT_TRUE(may(kAlice, Operation::alter, "rides"));
  EXPECT_FALSE(may(kBob, Operation::alter, "rides")) << "only from the address that is named";
  EXPECT_TRUE(may({"User:bob", "10.0.0.3"}, Operation::alter, "rides"));
  EXPECT_TRUE(may({"User:ANONYMOUS", "local", true}, Operation::alter, "rides"));
}

TEST_F(RightsTest, WhatNoEntryNamesIsEverybodysWhereThatIsConfigured) {
  have({allow(Operation::read, "rides"), prefixed(allow(Operation::read, "b"))}, {.enabled = true, .allow_without_acl = true});
  EXPECT_TRUE(may(kBob, Operation::write, "other"));
  EXPECT_FALSE(may(kBob, Operation::read, "rides"));
  EXPECT_FALSE(may(kBob, Operation::read, "bikes"));
  EXPECT_TRUE(may_some(kBob, Operation::write));
}

TEST_F(RightsTest, ARightOnSomeThingIsOneThatNothingDenies) {
  have({allow(Operation::write, "rides")});
  EXPECT_TRUE(may_some(kAlice, Operation::write));
  EXPECT_FALSE(may_some(kAlice, Operation::read));
  EXPECT_FALSE(may_some(kBob, Operation::write));
  have({allow(Operation::write, "rides"), deny(Operation::write, "rides")});
  EXPECT_FALSE(may_some(kAlice, Operation::write));
  have({prefixed(allow(Operation::write, "rides-")), prefixed(deny(Operation::write, "rides"))});
  EXPECT_FALSE(may_some(kAlice, Operation::write));
  have({prefixed(allow(Operation::write, "rides")), deny(Operation::write, "rides")});
  EXPECT_TRUE(may_some(kAlice, Operation::write)) << "on rides-1";
  have({allow(Operation::write, "*"), deny(Operation::write, "rides")});
  EXPECT_TRUE(may_some(kAlice, Operation::write));
}

TEST_F(RightsTest, TheOperationsOfAThingAreThoseThatAreAllowed) {
  have({allow(Operation::read, "rides")});
  const auto bit = [](Operation one) { return 1 << static_cast<int>(one); };
  EXPECT_EQ(rights_->operations(kAlice, Resource::topic, "rides", 0xdf8), bit(Operation::read) | bit(Operation::describe));
}

TEST(AclFilters, WhatIsLeftOutFitsEverything) {
  const Acl literal = allow(Operation::read, "rides");
  const Acl prefix = prefixed(allow(Operation::write, "ri", "User:bob"));
  const Acl star = allow(Operation::read, "*");
  EXPECT_TRUE(AclFilter{}.fits(literal));
  EXPECT_TRUE((AclFilter{.name = "rides"}).fits(literal));
  EXPECT_FALSE((AclFilter{.name = "rides"}).fits(prefix));
  const AclFilter match{.pattern = AclFilter::Pattern::match, .name = "rides"};
  EXPECT_TRUE(match.fits(literal) && match.fits(prefix) && match.fits(star));
  EXPECT_FALSE(match.fits(allow(Operation::read, "ri")));
  EXPECT_FALSE((AclFilter{.pattern = AclFilter::Pattern::literal}).fits(prefix));
  EXPECT_FALSE((AclFilter{.pattern = AclFilter::Pattern::prefixed}).fits(literal));
  EXPECT_FALSE((AclFilter{.principal = "User:bob"}).fits(literal));
  EXPECT_FALSE((AclFilter{.host = "10.0.0.1"}).fits(literal));
  EXPECT_FALSE((AclFilter{.operation = Operation::write}).fits(literal));
  EXPECT_FALSE((AclFilter{.permission = Permission::deny}).fits(literal));
  EXPECT_FALSE((AclFilter{.resource = Resource::group}).fits(literal));
}

TEST(Acls, WhatCannotBeIsRefused) {
  EXPECT_TRUE(check_acl(allow(Operation::read, "rides")).ok());
  EXPECT_FALSE(check_acl(allow(Operation::read, "")).ok());
  EXPECT_FALSE(check_acl(allow(Operation::read, "rides", "alice")).ok());
  EXPECT_FALSE(check_acl(allow(Operation::read, "rides", "User:")).ok());
  EXPECT_FALSE(check_acl(allow(Operation::read, "rides", "User:alice", "")).ok());
  EXPECT_FALSE(check_acl(allow(Operation::read, std::string(1'001, 'n'))).ok());
  EXPECT_FALSE(check_acl(allow(Operation::read, "rides", "User:alice", "laptop.example")).ok()) << "what it denies would be allowed";
  Acl cluster = allow(Operation::alter, std::string(kClusterName));
  cluster.resource = Resource::cluster;
  EXPECT_TRUE(check_acl(cluster).ok());
  cluster.name = "rides";
  EXPECT_FALSE(check_acl(cluster).ok());
}

}  // namespace
}  // namespace baton::broker
