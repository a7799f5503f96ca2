// One function an API, each in a file of its own. They run on the connection's core, and do not wait there.
#pragma once

#include <memory>

#include "kafka/session.h"
#include "kafka/wire/alter_client_quotas.h"
#include "kafka/wire/alter_configs.h"
#include "kafka/wire/api_versions.h"
#include "kafka/wire/create_acls.h"
#include "kafka/wire/create_partitions.h"
#include "kafka/wire/create_topics.h"
#include "kafka/wire/delete_acls.h"
#include "kafka/wire/delete_groups.h"
#include "kafka/wire/delete_records.h"
#include "kafka/wire/delete_topics.h"
#include "kafka/wire/describe_acls.h"
#include "kafka/wire/describe_client_quotas.h"
#include "kafka/wire/describe_cluster.h"
#include "kafka/wire/describe_configs.h"
#include "kafka/wire/describe_groups.h"
#include "kafka/wire/describe_log_dirs.h"
#include "kafka/wire/describe_producers.h"
#include "kafka/wire/describe_topic_partitions.h"
#include "kafka/wire/fetch.h"
#include "kafka/wire/find_coordinator.h"
#include "kafka/wire/heartbeat.h"
#include "kafka/wire/incremental_alter_configs.h"
#include "kafka/wire/init_producer_id.h"
#include "kafka/wire/join_group.h"
#include "kafka/wire/leave_group.h"
#include "kafka/wire/list_groups.h"
#include "kafka/wire/list_offsets.h"
#include "kafka/wire/metadata.h"
#include "kafka/wire/offset_commit.h"
#include "kafka/wire/offset_delete.h"
#include "kafka/wire/offset_fetch.h"
#include "kafka/wire/offset_for_leader_epoch.h"
#include "kafka/wire/produce.h"
#include "kafka/wire/sync_group.h"

namespace baton::kafka {

using CallPtr = std::shared_ptr<Call>;
using broker::Operation;
using broker::Resource;

// A reply that several completions write into, each its own slot: it is sent when none of them can any more. A slot says an error until it is
// known, since a completion may be dropped with its request.
template <typename Response>
class SharedReply {
 public:
  explicit SharedReply(CallPtr call) : call_(std::move(call)) {}
  ~SharedReply() { call_->reply(response); }
  SharedReply(const SharedReply&) = delete;
  SharedReply& operator=(const SharedReply&) = delete;
  [[nodiscard]] std::int16_t version() const { return call_->version(); }
  Response response;

 private:
  const CallPtr call_;
};

void handle(Session& session, const CallPtr& call, wire::AlterClientQuotasRequest request);
void handle(Session& session, const CallPtr& call, wire::AlterConfigsRequest request);
void handle(Session& session, const CallPtr& call, wire::ApiVersionsRequest request);
void handle(Session& session, const CallPtr& call, wire::CreateAclsRequest request);
void handle(Session& session, const CallPtr& call, wire::CreatePartitionsRequest request);
void handle(Session& session, const CallPtr& call, wire::CreateTopicsRequest request);
void handle(Session& session, const CallPtr& call, wire::DeleteAclsRequest request);
void handle(Session& session, const CallPtr& call, wire::DeleteGroupsRequest request);
void handle(Session& session, const CallPtr& call, wire::DeleteRecordsRequest request);
void handle(Session& session, const CallPtr& call, wire::DeleteTopicsRequest request);
void handle(Session& session, const CallPtr& call, wire::DescribeAclsRequest request);
void handle(Session& session, const CallPtr& call, wire::DescribeClientQuotasRequest request);
void handle(Session& session, const CallPtr& call, wire::DescribeClusterRequest request);
void handle(Session& session, const CallPtr& call, wire::DescribeConfigsRequest request);
void handle(Session& session, const CallPtr& call, wire::DescribeGroupsRequest request);
void handle(Session& session, const CallPtr& call, wire::DescribeLogDirsRequest request);
void handle(Session& session, const CallPtr& call, wire::DescribeProducersRequest request);
void handle(Session& session, const CallPtr& call, wire::DescribeTopicPartitionsRequest request);
void handle(Session& session, const CallPtr& call, wire::FetchRequest request);
void handle(Session& session, const CallPtr& call, wire::FindCoordinatorRequest request);
void handle(Session& session, const CallPtr& call, wire::HeartbeatRequest request);
void handle(Session& session, const CallPtr& call, wire::IncrementalAlterConfigsRequest request);
void handle(Session& session, const CallPtr& call, wire::InitProducerIdRequest request);
void handle(Session& session, const CallPtr& call, wire::JoinGroupRequest request);
void handle(Session& session, const CallPtr& call, wire::LeaveGroupRequest request);
void handle(Session& session, const CallPtr& call, wire::ListGroupsRequest request);
void handle(Session& session, const CallPtr& call, wire::ListOffsetsRequest request);
void handle(Session& session, const CallPtr& call, wire::MetadataRequest request);
void handle(Session& session, const CallPtr& call, wire::OffsetCommitRequest request);
void handle(Session& session, const CallPtr& call, wire::OffsetDeleteRequest request);
void handle(Session& session, const CallPtr& call, wire::OffsetFetchRequest request);
void handle(Session& session, const CallPtr& call, wire::OffsetForLeaderEpochRequest request);
void handle(Session& session, const CallPtr& call, wire::ProduceRequest request);
void handle(Session& session, const CallPtr& call, wire::SyncGroupRequest request);

// What there is to allow, and, without access control, is allowed: bits of Kafka's AclOperation.
inline constexpr std::int32_t kClusterOperations = 0x1fa0;  // create, alter, describe, cluster action, settings, idempotent write
inline constexpr std::int32_t kTopicOperations = 0xdf8;     // read, write, create, delete, alter, describe, settings
inline constexpr std::int32_t kGroupOperations = 0xd48;     // read, delete, describe, settings

// ApiVersions in a version that is not known.
void refuse_api_versions(Call& call);

// A topic by name or, where the request has none, by id. Internal ones are not found.
[[nodiscard]] std::shared_ptr<const store::TopicView> find_topic(const store::ReadView& view, std::string_view name, const wire::Uuid& id);
// Whether there is such a partition, and a client that says which leader epoch it knows (-1: it does not say) knows this one.
[[nodiscard]] wire::ErrorCode check_partition(const store::TopicView* topic, std::int32_t partition, std::int32_t leader_epoch, std::int32_t epoch);
[[nodiscard]] wire::Uuid to_wire(const log::TopicId& id);
[[nodiscard]] log::TopicId from_wire(const wire::Uuid& id);

}  // namespace baton::kafka
