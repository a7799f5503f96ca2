// What is served. A range here is what ApiVersions says, so it is what a real Kafka has had (kafka-python tells brokers by it), and contains
// what librdkafka before 2.11 looks for to the letter: Produce 0 to 3 and 7, Fetch 2, 4 and 10, and version 0 of most.
#include <algorithm>
#include <array>

#include "base/try.h"
#include "kafka/handlers/handlers.h"

namespace baton::kafka {
namespace {

template <typename Request>
void run(Session& session, const CallPtr& call) {
  auto request = call->parse<Request>();
  if (!request) {
    call->close(request.error());
    return;
  }
  handle(session, call, *std::move(request));
}

template <typename Request>
constexpr Handler serve(std::int16_t first, std::int16_t last) {
  return {Request::kApi, {first, last}, &run<Request>};
}

constexpr std::array kHandlers = {
    serve<wire::ProduceRequest>(0, 13),
    serve<wire::FetchRequest>(0, 17),
    serve<wire::ListOffsetsRequest>(1, 10),
    serve<wire::MetadataRequest>(0, 13),
    serve<wire::OffsetCommitRequest>(2, 10),
    serve<wire::OffsetFetchRequest>(1, 10),
    serve<wire::FindCoordinatorRequest>(0, 6),
    serve<wire::JoinGroupRequest>(0, 9),
    serve<wire::HeartbeatRequest>(0, 4),
    serve<wire::LeaveGroupRequest>(0, 5),
    serve<wire::SyncGroupRequest>(0, 5),
    serve<wire::DescribeGroupsRequest>(0, 6),
    serve<wire::ListGroupsRequest>(0, 5),
    serve<wire::ApiVersionsRequest>(0, 4),
    serve<wire::CreateTopicsRequest>(2, 7),
    serve<wire::DeleteTopicsRequest>(1, 6),
    serve<wire::DeleteRecordsRequest>(0, 2),
    serve<wire::InitProducerIdRequest>(0, 5),
    serve<wire::OffsetForLeaderEpochRequest>(2, 4),
    serve<wire::DescribeAclsRequest>(1, 3),
    serve<wire::CreateAclsRequest>(1, 3),
    serve<wire::DeleteAclsRequest>(1, 3),
    serve<wire::DescribeConfigsRequest>(1, 4),
    serve<wire::AlterConfigsRequest>(0, 2),
    serve<wire::DescribeLogDirsRequest>(1, 5),
    serve<wire::CreatePartitionsRequest>(0, 3),
    serve<wire::DeleteGroupsRequest>(0, 2),
    serve<wire::IncrementalAlterConfigsRequest>(0, 1),
    serve<wire::OffsetDeleteRequest>(0, 0),
    serve<wire::DescribeClientQuotasRequest>(0, 1),
    serve<wire::AlterClientQuotasRequest>(0, 1),
    serve<wire::DescribeClusterRequest>(0, 2),
    serve<wire::DescribeProducersRequest>(0, 0),
    serve<wire::DescribeTopicPartitionsRequest>(0, 0),
};

}  // namespace

std::span<const Handler> handlers() { return kHandlers; }

std::shared_ptr<const store::TopicView> find_topic(const store::ReadView& view, std::string_view name, const wire::Uuid& id) {
  auto found = name.empty() ? view.find_topic(from_wire(id)) : view.find_topic(name);
  if (found != nullptr && broker::Broker::is_internal(found->name)) return nullptr;
  return found;
}

wire::ErrorCode check_partition(const store::TopicView* topic, std::int32_t partition, std::int32_t leader_epoch, std::int32_t epoch) {
  if (topic == nullptr || partition < 0 || static_cast<std::size_t>(partition) >= topic->partitions.size()) {
    return wire::ErrorCode::unknown_topic_or_partition;
  }
  if (leader_epoch < 0 || leader_epoch == epoch) return wire::ErrorCode::none;
  return leader_epoch < epoch ? wire::ErrorCode::fenced_leader_epoch : wire::ErrorCode::unknown_leader_epoch;
}

wire::Uuid to_wire(const log::TopicId& id) {
  wire::Uuid out;
  std::ranges::transform(id.bytes, out.bytes.begin(), [](std::uint8_t byte) { return std::byte{byte}; });
  return out;
}

log::TopicId from_wire(const wire::Uuid& id) {
  log::TopicId out;
  std::ranges::transform(id.bytes, out.bytes.begin(), [](std::byte byte) { return static_cast<std::uint8_t>(byte); });
  return out;
}

}  // namespace baton::kafka
