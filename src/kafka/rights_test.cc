// Access control over the protocol: its lists, and what each API asks for.
#include <gmock/gmock.h>

#include <set>

#include "kafka/handlers/acls.h"
#include "kafka/handlers/configs.h"
#include "kafka/session_test_support.h"

namespace baton::kafka {
namespace {

using log::Acl;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using wire::ErrorCode;
using Permission = Acl::Permission;

constexpr std::string_view kAdministrator = "10.0.0.1:1";
constexpr std::string_view kClient = "10.0.0.9:1";

class RightsOverTheProtocol : public SessionTest {
 protected:
  RightsOverTheProtocol() {
    broker_options_.rights = {.enabled = true, .super_users = {"User:ANONYMOUS@10.0.0.1"}};
    peer_ = kAdministrator;
    restart(true);
    (void)create_topic("t", 2);
    (void)create_topic("other");
  }
  void as(std::string_view peer) {
    peer_ = peer;
    disconnect();
    connect();
  }
  static Acl entry(Resource resource, std::string name, Operation operation, Permission permission = Permission::allow) {
    return {.resource = resource, .pattern = Acl::Pattern::literal, .name = std::move(name), .principal = "User:ANONYMOUS", .host = "10.0.0.9",
            .operation = operation, .permission = permission};
  }
  // All that there is from now on.
  void have(log::AclTable acls) {
    const auto waiter = env_->make_waiter();
    int done = 0;
    const auto end = [&] {
      if (++done == 2) waiter->wake();
    };
    broker_->remove_acls({broker::AclFilter{}}, [&](const auto& removed) {
      EXPECT_TRUE(removed.ok());
      end();
    });
    broker_->add_acls(std::move(acls), [&](const Status& added) {
      EXPECT_TRUE(added.ok()) << added.error().to_string();
      end();
    });
    waiter->wait();
  }

  // One question to each API, of an error where the client has not the right.
  struct Row {
    wire::ApiKey api;
    Resource resource;
    std::string name;
    Operation needed;
    ErrorCode refused;
    std::function<ErrorCode()> ask;
  };
  std::vector<Row> rows();
};

std::vector<RightsOverTheProtocol::Row> RightsOverTheProtocol::rows() {
  using enum wire::ApiKey;
  constexpr auto kTopic = ErrorCode::topic_authorization_failed;
  constexpr auto kGroup = ErrorCode::group_authorization_failed;
  constexpr auto kCluster = ErrorCode::cluster_authorization_failed;
  const std::string cluster(broker::kClusterName);
  const auto of_topic = [&](wire::ApiKey api, Operation needed, std::function<ErrorCode()> ask) {
    return Row{api, Resource::topic, "t", needed, kTopic, std::move(ask)};
  };
  const auto of_group = [&](wire::ApiKey api, Operation needed, std::function<ErrorCode()> ask) {
    return Row{api, Resource::group, "g", needed, kGroup, std::move(ask)};
  };
  const auto of_cluster = [&](wire::ApiKey api, Operation needed, std::function<ErrorCode()> ask) {
    return Row{api, Resource::cluster, cluster, needed, kCluster, std::move(ask)};
  };
  return {
      of_topic(wire::ApiKey::produce, Operation::write, [this] { return this->produce("t", batch_of("v")).error_code; }),
      of_topic(wire::ApiKey::fetch, Operation::read, [this] { return this->fetch("t", 0).error_code; }),
      of_topic(list_offsets, Operation::describe,
               [this] {
                 wire::ListOffsetsRequest request;
                 request.topics.push_back({.name = "t", .partitions = {{.partition_index = 0, .timestamp = -1}}});
                 return call<wire::ListOffsetsResponse>(request, 7).topics.at(0).partitions.at(0).error_code;
               }),
      of_topic(metadata, Operation::describe,
               [this] {
                 wire::MetadataRequest request;
                 request.topics.emplace().push_back({.topic_id = {}, .name = "t"});
                 return call<wire::MetadataResponse>(request, 12).topics.at(0).error_code;
               }),
      of_topic(offset_for_leader_epoch, Operation::describe,
               [this] {
                 wire::OffsetForLeaderEpochRequest request;
                 request.topics.push_back({.topic = "t", .partitions = {{.partition = 0, .current_leader_epoch = -1, .leader_epoch = 0}}});
                 return call<wire::OffsetForLeaderEpochResponse>(request, 4).topics.at(0).partitions.at(0).error_code;
               }),
      of_topic(describe_producers, Operation::read,
               [this] {
                 wire::DescribeProducersRequest request;
                 request.topics.push_back({.name = "t", .partition_indexes = {0}});
                 return call<wire::DescribeProducersResponse>(request, 0).topics.at(0).partitions.at(0).error_code;
               }),
      of_topic(delete_records, Operation::remove,
               [this] {
                 wire::DeleteRecordsRequest request;
                 request.topics.push_back({.name = "t", .partitions = {{.partition_index = 0, .offset = 0}}});
                 return call<wire::DeleteRecordsResponse>(request, 2).topics.at(0).partitions.at(0).error_code;
               }),
      of_topic(create_partitions, Operation::alter,
               [this] {
                 wire::CreatePartitionsRequest request;
                 request.topics.push_back({.name = "t", .count = 3, .assignments = std::nullopt});
                 request.validate_only = true;
                 return call<wire::CreatePartitionsResponse>(request, 3).results.at(0).error_code;
               }),
      of_topic(describe_topic_partitions, Operation::describe,
               [this] {
                 wire::DescribeTopicPartitionsRequest request;
                 request.topics.push_back({.name = "t"});
                 return call<wire::DescribeTopicPartitionsResponse>(request, 0).topics.at(0).error_code;
               }),
      of_topic(describe_configs, Operation::describe_configs,
               [this] {
                 wire::DescribeConfigsRequest request;
                 request.resources.push_back({.resource_type = 2, .resource_name = "t", .configuration_keys = std::nullopt});
                 return call<wire::DescribeConfigsResponse>(request, 4).results.at(0).error_code;
               }),
      of_topic(alter_configs, Operation::alter_configs,
               [this] {
                 wire::AlterConfigsRequest request;
                 request.resources.push_back({.resource_type = 2, .resource_name = "t", .configs = {}});
                 request.validate_only = true;
                 return call<wire::AlterConfigsResponse>(request, 2).responses.at(0).error_code;
               }),
      of_topic(incremental_alter_configs, Operation::alter_configs,
               [this] {
                 wire::IncrementalAlterConfigsRequest request;
                 request.resources.push_back({.resource_type = 2, .resource_name = "t", .configs = {}});
                 request.validate_only = true;
                 return call<wire::IncrementalAlterConfigsResponse>(request, 1).responses.at(0).error_code;
               }),
      // Of a topic of its own, which the last question of its row removes.
      of_topic(delete_topics, Operation::remove,
               [this] {
                 wire::DeleteTopicsRequest request;
                 request.topics.push_back({.name = "other", .topic_id = {}});
                 return call<wire::DeleteTopicsResponse>(request, 6).responses.at(0).error_code;
               }),
      of_topic(create_topics, Operation::create,
               [this] {
                 wire::CreateTopicsRequest request;
                 request.topics.push_back({.name = "t", .num_partitions = 1, .replication_factor = -1, .assignments = {}, .configs = {}});
                 request.validate_only = true;
                 return call<wire::CreateTopicsResponse>(request, 7).topics.at(0).error_code;
               }),

      of_group(alter_configs, Operation::alter_configs,
               [this] {
                 wire::AlterConfigsRequest request;
                 request.resources.push_back({.resource_type = 32, .resource_name = "g", .configs = {}});
                 return call<wire::AlterConfigsResponse>(request, 2).responses.at(0).error_code;
               }),
      of_group(incremental_alter_configs, Operation::alter_configs,
               [this] {
                 wire::IncrementalAlterConfigsRequest request;
                 request.resources.push_back({.resource_type = 32, .resource_name = "g", .configs = {}});
                 return call<wire::IncrementalAlterConfigsResponse>(request, 1).responses.at(0).error_code;
               }),
      of_group(find_coordinator, Operation::describe,
               [this] {
                 wire::FindCoordinatorRequest request;
                 request.coordinator_keys = {"g"};
                 return call<wire::FindCoordinatorResponse>(request, 6).coordinators.at(0).error_code;
               }),
      of_group(join_group, Operation::read,
               [this] {
                 wire::JoinGroupRequest request;
                 request.group_id = "g";
                 request.session_timeout_ms = 10'000;
                 request.rebalance_timeout_ms = 10'000;
                 request.protocol_type = "consumer";
                 request.protocols.push_back({.name = "range", .metadata = {}});
                 return call<wire::JoinGroupResponse>(request, 9).error_code;
               }),
      of_group(heartbeat, Operation::read,
               [this] {
                 wire::HeartbeatRequest request;
                 request.group_id = "g";
                 return call<wire::HeartbeatResponse>(request, 4).error_code;
               }),
      of_group(leave_group, Operation::read,
               [this] {
                 wire::LeaveGroupRequest request;
                 request.group_id = "g";
                 request.members.push_back({.member_id = "m", .group_instance_id = std::nullopt, .reason = std::nullopt});
                 return call<wire::LeaveGroupResponse>(request, 5).error_code;
               }),
      of_group(sync_group, Operation::read,
               [this] {
                 wire::SyncGroupRequest request;
                 request.group_id = "g";
                 request.protocol_type = "consumer";
                 request.protocol_name = "range";
                 return call<wire::SyncGroupResponse>(request, 5).error_code;
               }),
      of_group(describe_groups, Operation::describe,
               [this] {
                 wire::DescribeGroupsRequest request;
                 request.groups = {"g"};
                 return call<wire::DescribeGroupsResponse>(request, 6).groups.at(0).error_code;
               }),
      of_group(delete_groups, Operation::remove,
               [this] {
                 wire::DeleteGroupsRequest request;
                 request.groups_names = {"g"};
                 return call<wire::DeleteGroupsResponse>(request, 2).results.at(0).error_code;
               }),
      of_group(offset_commit, Operation::read,
               [this] {
                 wire::OffsetCommitRequest request;
                 request.group_id = "g";
                 request.topics.push_back({.name = "t", .topic_id = {}, .partitions = {{.partition_index = 0}}});
                 return call<wire::OffsetCommitResponse>(request, 9).topics.at(0).partitions.at(0).error_code;
               }),
      of_group(offset_fetch, Operation::describe,
               [this] {
                 wire::OffsetFetchRequest request;
                 request.groups.push_back({.group_id = "g", .member_id = std::nullopt, .topics = std::nullopt});
                 return call<wire::OffsetFetchResponse>(request, 9).groups.at(0).error_code;
               }),
      of_group(offset_delete, Operation::remove,
               [this] {
                 wire::OffsetDeleteRequest request;
                 request.group_id = "g";
                 return call<wire::OffsetDeleteResponse>(request, 0).error_code;
               }),

      of_cluster(describe_log_dirs, Operation::describe, [this] { return call<wire::DescribeLogDirsResponse>(wire::DescribeLogDirsRequest(), 4).error_code; }),
      of_cluster(init_producer_id, Operation::idempotent_write,
                 [this] {
                   wire::InitProducerIdRequest request;
                   request.transactional_id = std::nullopt;
                   request.producer_id = request.producer_epoch = -1;
                   return call<wire::InitProducerIdResponse>(request, 4).error_code;
                 }),
      of_cluster(describe_configs, Operation::describe_configs,
                 [this] {
                   wire::DescribeConfigsRequest request;
                   request.resources.push_back({.resource_type = 4, .resource_name = "1", .configuration_keys = std::nullopt});
                   return call<wire::DescribeConfigsResponse>(request, 4).results.at(0).error_code;
                 }),
      of_cluster(alter_configs, Operation::alter_configs,
                 [this] {
                   wire::AlterConfigsRequest request;
                   request.resources.push_back({.resource_type = 4, .resource_name = "1", .configs = {}});
                   return call<wire::AlterConfigsResponse>(request, 2).responses.at(0).error_code;
                 }),
      of_cluster(describe_client_quotas, Operation::describe_configs,
                 [this] { return call<wire::DescribeClientQuotasResponse>(wire::DescribeClientQuotasRequest(), 1).error_code; }),
      of_cluster(alter_client_quotas, Operation::alter_configs,
                 [this] {
                   wire::AlterClientQuotasRequest request;
                   request.entries.push_back({.entity = {{.entity_type = "user", .entity_name = "a"}}, .ops = {}});
                   request.validate_only = true;
                   return call<wire::AlterClientQuotasResponse>(request, 1).entries.at(0).error_code;
                 }),
      of_cluster(describe_acls, Operation::describe,
                 [this] {
                   wire::DescribeAclsRequest request;
                   request.resource_type_filter = request.pattern_type_filter = request.operation = request.permission_type = 1;
                   return call<wire::DescribeAclsResponse>(request, 3).error_code;
                 }),
      of_cluster(create_acls, Operation::alter,
                 [this] {
                   wire::CreateAclsRequest request;
                   request.creations.push_back({.resource_type = 2, .resource_name = "", .resource_pattern_type = 3, .principal = "User:a", .host = "*", .operation = 3, .permission_type = 3});
                   return call<wire::CreateAclsResponse>(request, 3).results.at(0).error_code;
                 }),
      of_cluster(delete_acls, Operation::alter,
                 [this] {
                   wire::DeleteAclsRequest request;
                   request.filters.push_back({.resource_type_filter = 0, .resource_name_filter = std::nullopt, .pattern_type_filter = 3, .principal_filter = std::nullopt, .host_filter = std::nullopt, .operation = 3, .permission_type = 3});
                   return call<wire::DeleteAclsResponse>(request, 3).filter_results.at(0).error_code;
                 }),
  };
}

// S10: each API, with nothing, with each right by itself, and with all of them but the one that is needed.
TEST_F(RightsOverTheProtocol, S10EachApiAsksForItsRightAndForNoOther) {
  as(kClient);
  const auto brings = [](Operation given, Operation needed) {
    broker::Rights rights({.enabled = true});
    Acl acl = entry(Resource::topic, "t", given);
    rights.set({acl});
    return rights.may({"User:ANONYMOUS", "10.0.0.9"}, needed, Resource::topic, "t");
  };
  for (const Row& row : rows()) {
    const std::string& name = row.api == wire::ApiKey::delete_topics ? "other" : row.name;
    have({});
    ASSERT_EQ(row.ask(), row.refused) << static_cast<int>(row.api) << " with nothing";
    for (int n = static_cast<int>(Operation::read); n <= static_cast<int>(Operation::idempotent_write); ++n) {
      const auto given = static_cast<Operation>(n);
      // The deletion of a topic is seen once, at the end.
      if (row.api == wire::ApiKey::delete_topics && given == row.needed) continue;
      if (!broker::check_acl(entry(row.resource, name, given)).ok()) continue;
      have({entry(row.resource, name, given)});
      EXPECT_EQ(row.ask() != row.refused, brings(given, row.needed)) << static_cast<int>(row.api) << " with " << n;
    }
    have({entry(row.resource, name, Operation::all), entry(row.resource, name, row.needed, Permission::deny)});
    EXPECT_EQ(row.ask(), row.refused) << static_cast<int>(row.api) << " denied";
    have({entry(row.resource, name, row.needed)});
    EXPECT_NE(row.ask(), row.refused) << static_cast<int>(row.api) << " with its right";
  }
}

TEST_F(RightsOverTheProtocol, S10NoApiIsLeftOut) {
  std::set<wire::ApiKey> asked;
  for (const Row& row : rows()) asked.insert(row.api);
  // Open to all, or filtered (the next test).
  for (const auto open : {wire::ApiKey::api_versions, wire::ApiKey::describe_cluster, wire::ApiKey::list_groups}) asked.insert(open);
  for (const Handler& handler : handlers()) EXPECT_TRUE(asked.contains(handler.key)) << static_cast<int>(handler.key);
}

TEST_F(RightsOverTheProtocol, S12ListsShowWhatAClientMayDescribe) {
  wire::OffsetCommitRequest commit;
  commit.generation_id_or_member_epoch = -1;
  commit.topics.push_back({.name = "t", .topic_id = {}, .partitions = {{.partition_index = 0, .committed_offset = 0}}});
  for (const char* group : {"g", "h"}) {
    commit.group_id = group;
    ASSERT_EQ(call<wire::OffsetCommitResponse>(commit, 9).topics.at(0).partitions.at(0).error_code, ErrorCode::none);
  }
  const auto topics = [&] {
    std::vector<std::string> names;
    wire::MetadataRequest request;
    request.topics.reset();
    for (const auto& topic : call<wire::MetadataResponse>(request, 12).topics) names.push_back(*topic.name);
    std::ranges::sort(names);
    return names;
  };
  const auto pages = [&] {
    std::vector<std::string> names;
    for (const auto& topic : call<wire::DescribeTopicPartitionsResponse>(wire::DescribeTopicPartitionsRequest{.response_partition_limit = 100}, 0).topics) names.push_back(*topic.name);
    return names;
  };
  const auto groups = [&] {
    std::vector<std::string> names;
    for (const auto& group : call<wire::ListGroupsResponse>(wire::ListGroupsRequest(), 5).groups) names.push_back(group.group_id);
    return names;
  };
  EXPECT_THAT(topics(), ElementsAre("other", "t")) << "the administrator";
  as(kClient);
  EXPECT_THAT(topics(), IsEmpty());
  EXPECT_THAT(pages(), IsEmpty());
  EXPECT_THAT(groups(), IsEmpty());
  have({entry(Resource::topic, "t", Operation::read), entry(Resource::group, "h", Operation::describe)});
  EXPECT_THAT(topics(), ElementsAre("t"));
  EXPECT_THAT(pages(), ElementsAre("t"));
  EXPECT_THAT(groups(), ElementsAre("h"));
  have({entry(Resource::cluster, std::string(broker::kClusterName), Operation::describe)});
  EXPECT_THAT(groups(), ElementsAre("g", "h"));
  // Offsets of topics that the client must not know are not told.
  have({entry(Resource::group, "g", Operation::read)});
  wire::OffsetFetchRequest offsets;
  offsets.groups.push_back({.group_id = "g", .member_id = std::nullopt, .topics = std::nullopt});
  EXPECT_THAT(call<wire::OffsetFetchResponse>(offsets, 9).groups.at(0).topics, IsEmpty());
  offsets.groups[0].topics.emplace().push_back({.name = "t", .topic_id = {}, .partition_indexes = {0}});
  EXPECT_EQ(call<wire::OffsetFetchResponse>(offsets, 9).groups.at(0).topics.at(0).partitions.at(0).error_code, ErrorCode::topic_authorization_failed);
}

TEST_F(RightsOverTheProtocol, TheNameOfATopicIsNotToldToWhoKnowsItsIdOnly) {
  const auto id = broker_->view()->find_topic("t")->id;
  as(kClient);
  wire::MetadataRequest request;
  request.topics.emplace().push_back({.topic_id = to_wire(id), .name = std::nullopt});
  EXPECT_EQ(call<wire::MetadataResponse>(request, 10).topics.at(0).error_code, ErrorCode::topic_authorization_failed);
  const auto topic = call<wire::MetadataResponse>(request, 12).topics.at(0);
  EXPECT_EQ(topic.error_code, ErrorCode::topic_authorization_failed);
  EXPECT_FALSE(topic.name.has_value());
}

TEST_F(RightsOverTheProtocol, EntriesAreMadeShownRemovedAndKeptOverARestart) {
  const auto create = [&](std::string_view name, std::int8_t operation) {
    wire::CreateAclsRequest request;
    request.creations.push_back({.resource_type = 2, .resource_name = name, .resource_pattern_type = 4, .principal = "User:alice", .host = "*", .operation = operation, .permission_type = 3});
    return call<wire::CreateAclsResponse>(request, 3).results.at(0);
  };
  EXPECT_EQ(create("ri", 3).error_code, ErrorCode::none);
  EXPECT_EQ(create("ri", 3).error_code, ErrorCode::none) << "again";
  EXPECT_EQ(create("ri", 4).error_code, ErrorCode::none);
  EXPECT_THAT(create("", 4).error_message.value_or(""), HasSubstr("empty"));
  EXPECT_EQ(create("ri", 1).error_code, ErrorCode::invalid_request) << "any";
  EXPECT_EQ(create("ri", 13).error_code, ErrorCode::invalid_request) << "CREATE_TOKENS";
  restart(false);
  wire::DescribeAclsRequest all;
  all.resource_type_filter = all.pattern_type_filter = all.operation = all.permission_type = 1;
  all.resource_name_filter = all.principal_filter = all.host_filter = std::nullopt;
  auto described = call<wire::DescribeAclsResponse>(all, 3);
  ASSERT_EQ(described.resources.size(), 1U);
  EXPECT_EQ(described.resources[0].resource_name, "ri");
  EXPECT_EQ(described.resources[0].acls.size(), 2U);
  wire::DeleteAclsRequest removal;
  removal.filters.push_back({.resource_type_filter = 1, .resource_name_filter = "rides", .pattern_type_filter = 2, .principal_filter = std::nullopt, .host_filter = std::nullopt, .operation = 3, .permission_type = 1});
  removal.filters.push_back({.resource_type_filter = 0, .resource_name_filter = std::nullopt, .pattern_type_filter = 1, .principal_filter = std::nullopt, .host_filter = std::nullopt, .operation = 1, .permission_type = 1});
  const auto removed = call<wire::DeleteAclsResponse>(removal, 3).filter_results;
  EXPECT_EQ(removed.at(0).matching_acls.size(), 1U);
  EXPECT_EQ(removed.at(1).error_code, ErrorCode::invalid_request);
  auto tokens = all;
  tokens.resource_type_filter = 6;  // delegation tokens: Kafka's, and not there
  const auto none = call<wire::DescribeAclsResponse>(tokens, 3);
  EXPECT_EQ(none.error_code, ErrorCode::none);
  EXPECT_TRUE(none.resources.empty());
  restart(true);
  described = call<wire::DescribeAclsResponse>(all, 3);
  ASSERT_EQ(described.resources.size(), 1U);
  EXPECT_EQ(described.resources[0].acls.size(), 1U);
  EXPECT_EQ(described.resources[0].acls[0].operation, 4);
}

TEST_F(RightsOverTheProtocol, WithoutAccessControlTheListsSayThatItIsOff) {
  broker_options_.rights.enabled = false;
  restart(true);
  as(kClient);
  for (const Row& row : rows()) {
    const bool of_lists = row.api == wire::ApiKey::describe_acls || row.api == wire::ApiKey::create_acls || row.api == wire::ApiKey::delete_acls;
    EXPECT_EQ(row.ask() == ErrorCode::security_disabled, of_lists) << static_cast<int>(row.api);
  }
}

TEST_F(RightsOverTheProtocol, WhatAClientMayDoIsToldAsKafkasBits) {
  as(kClient);
  have({entry(Resource::topic, "t", Operation::read), entry(Resource::cluster, std::string(broker::kClusterName), Operation::describe)});
  wire::MetadataRequest request;
  request.topics.emplace().push_back({.topic_id = {}, .name = "t"});
  request.include_topic_authorized_operations = true;
  request.include_cluster_authorized_operations = true;
  const auto response = call<wire::MetadataResponse>(request, 10);
  EXPECT_EQ(response.topics.at(0).topic_authorized_operations, 1 << 3 | 1 << 8);
  EXPECT_EQ(response.cluster_authorized_operations, 1 << 8);
}

TEST_F(RightsOverTheProtocol, EveryVersionIsAnsweredWithoutRights) {
  as(kClient);
  in_every_version<wire::OffsetFetchResponse>(wire::OffsetFetchRequest{.group_id = "g", .topics = {{{.name = "t", .partition_indexes = {0}}}}});
  wire::OffsetFetchRequest by_group;
  by_group.groups.push_back({.group_id = "g", .member_id = std::nullopt, .topics = {{{.name = "t", .topic_id = {}, .partition_indexes = {0}}}}});
  in_every_version<wire::OffsetFetchResponse>(by_group);
  wire::JoinGroupRequest join;
  join.group_id = "g";
  in_every_version<wire::JoinGroupResponse>(join);
  in_every_version<wire::FetchResponse>(fetch_request("t", 0));
  const auto batch = batch_of("v");
  in_every_version<wire::ProduceResponse>(produce_request("t", batch));
  wire::MetadataRequest metadata;
  metadata.topics.emplace().push_back({.topic_id = {}, .name = "t"});
  in_every_version<wire::MetadataResponse>(metadata);
}

}  // namespace
}  // namespace baton::kafka
