// The seeds of session_fuzz.cc: each API that is served, in its oldest and its newest version, and a conversation. They are made here, so that the seeds follow the APIs:
// with BATON_MAKE_CORPUS=1 in the environment they are written, else compared.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "kafka/session_test_support.h"

namespace baton::kafka {
namespace {

const std::filesystem::path kCorpus = std::string(BATON_SOURCE_DIR) + "/src/kafka/corpus/session";

class Corpus : public SessionTest {
 protected:
  template <typename Request>
  static std::string framed(const Request& request, std::int16_t version) {
    const auto frame = frame_of(request, version);
    std::string out(4, '\0');
    base::store_be<std::int32_t>(out.data(), static_cast<std::int32_t>(frame.size()));
    return out + std::string(base::as_text(frame));
  }
  template <typename Request>
  void seed(const Request& request) {
    const auto [first, last] = versions_of(Request::kApi);
    covered_.insert(Request::kApi);
    std::string oldest;
    for (auto v = first; v <= last; ++v) {
      wire::Encoder out;
      if (!wire::encode(out, v, request)) continue;
      if (oldest.empty()) oldest = framed(request, v);
      newest_ = framed(request, v);
    }
    keep(std::string(Request::kName), oldest + newest_);
    conversation_ += newest_;
  }
  static void keep(const std::string& name, const std::string& frames) {
    const std::string text = '\xff' + frames;
    if (std::getenv("BATON_MAKE_CORPUS") != nullptr) {
      std::filesystem::create_directories(kCorpus);
      std::ofstream(kCorpus / name, std::ios::binary) << text;
    }
    std::ifstream file(kCorpus / name, std::ios::binary);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), text) << name << " is not what it would be now: BATON_MAKE_CORPUS=1";
  }
  std::set<wire::ApiKey> covered_;
  std::string newest_, conversation_;
};

TEST_F(Corpus, HasARequestOfEachApi) {
  const auto batch = batch_of("value");
  const auto id = std::string_view("g");
  seed(wire::ApiVersionsRequest{.client_software_name = "fuzz", .client_software_version = "1"});
  wire::CreateTopicsRequest topics;
  topics.topics.push_back({.name = "t", .num_partitions = 2, .replication_factor = -1, .assignments = {}, .configs = {{.name = "retention.ms", .value = "1000000"}}});
  seed(topics);
  wire::MetadataRequest metadata;
  metadata.topics.emplace().push_back({.name = "t"});
  seed(metadata);
  seed(wire::InitProducerIdRequest{.transaction_timeout_ms = 1000});
  seed(produce_request("t", batch));
  seed(fetch_request("t", 0, 100));
  wire::ListOffsetsRequest offsets;
  offsets.replica_id = -1;
  offsets.topics.push_back({.name = "t", .partitions = {{.partition_index = 0, .timestamp = -1}}});
  seed(offsets);
  wire::OffsetForLeaderEpochRequest epochs;
  epochs.topics.push_back({.topic = "t", .partitions = {{.partition = 0, .leader_epoch = 1}}});
  seed(epochs);
  wire::FindCoordinatorRequest coordinator;
  coordinator.key = id;
  seed(coordinator);
  wire::JoinGroupRequest join;
  join.group_id = id;
  join.session_timeout_ms = 10'000;
  join.rebalance_timeout_ms = 10'000;
  join.protocol_type = "consumer";
  join.protocols.push_back({.name = "range", .metadata = base::as_bytes("m")});
  seed(join);
  wire::SyncGroupRequest sync;
  sync.group_id = id;
  sync.member_id = "m";
  seed(sync);
  wire::HeartbeatRequest heartbeat;
  heartbeat.group_id = id;
  heartbeat.member_id = "m";
  seed(heartbeat);
  wire::OffsetCommitRequest commit;
  commit.group_id = id;
  commit.topics.push_back({.name = "t", .partitions = {{.partition_index = 0, .committed_offset = 1}}});
  seed(commit);
  wire::OffsetFetchRequest committed;
  committed.group_id = id;
  committed.topics.emplace().push_back({.name = "t", .partition_indexes = {0}});
  seed(committed);
  wire::OffsetDeleteRequest uncommit;
  uncommit.group_id = id;
  uncommit.topics.push_back({.name = "t", .partitions = {{.partition_index = 0}}});
  seed(uncommit);
  wire::LeaveGroupRequest leave;
  leave.group_id = id;
  leave.member_id = "m";
  seed(leave);
  wire::DescribeGroupsRequest describe;
  describe.groups.push_back(id);
  seed(describe);
  seed(wire::ListGroupsRequest{});
  wire::DeleteGroupsRequest delete_groups;
  delete_groups.groups_names.push_back(id);
  seed(delete_groups);
  wire::DescribeConfigsRequest configs;
  configs.resources.push_back({.resource_type = 2, .resource_name = "t", .configuration_keys = {}});
  seed(configs);
  wire::AlterConfigsRequest alter;
  alter.resources.push_back({.resource_type = 2, .resource_name = "t", .configs = {{.name = "retention.ms", .value = "5"}}});
  seed(alter);
  wire::IncrementalAlterConfigsRequest incremental;
  incremental.resources.push_back({.resource_type = 2, .resource_name = "t", .configs = {{.name = "retention.ms", .config_operation = 0, .value = "7"}}});
  seed(incremental);
  wire::CreatePartitionsRequest partitions;
  partitions.topics.push_back({.name = "t", .count = 3, .assignments = {}});
  seed(partitions);
  seed(wire::DescribeClusterRequest{});
  seed(wire::DescribeLogDirsRequest{});
  wire::DescribeTopicPartitionsRequest described;
  described.topics.push_back({.name = "t"});
  seed(described);
  wire::DescribeProducersRequest producers;
  producers.topics.push_back({.name = "t", .partition_indexes = {0}});
  seed(producers);
  wire::AlterClientQuotasRequest quotas;
  quotas.entries.push_back({.entity = {{.entity_type = "client-id", .entity_name = "c"}}, .ops = {{.key = "producer_byte_rate", .value = 1e6}}});
  seed(quotas);
  wire::DescribeClientQuotasRequest quotas_of;
  quotas_of.components.push_back({.entity_type = "client-id", .match_type = 0, .match = "c"});
  seed(quotas_of);
  wire::CreateAclsRequest acls;
  acls.creations.push_back({.resource_type = 2, .resource_name = "t", .resource_pattern_type = 3, .principal = "User:a", .host = "*", .operation = 3, .permission_type = 3});
  seed(acls);
  wire::DescribeAclsRequest acls_of;
  acls_of.resource_type_filter = acls_of.pattern_type_filter = acls_of.operation = acls_of.permission_type = 1;
  seed(acls_of);
  wire::DeleteAclsRequest no_acls;
  no_acls.filters.push_back({.resource_type_filter = 2, .resource_name_filter = "t", .pattern_type_filter = 1, .principal_filter = {}, .host_filter = {}, .operation = 1, .permission_type = 1});
  seed(no_acls);
  wire::DeleteRecordsRequest records;
  records.topics.push_back({.name = "t", .partitions = {{.partition_index = 0, .offset = -1}}});
  seed(records);
  wire::DeleteTopicsRequest delete_topics;
  delete_topics.topics.push_back({.name = "t", .topic_id = {}});
  delete_topics.timeout_ms = 1000;
  seed(delete_topics);
  keep("conversation", conversation_);
  for (const auto& handler : handlers()) EXPECT_TRUE(covered_.contains(handler.key)) << static_cast<int>(handler.key);
}

}  // namespace
}  // namespace baton::kafka
