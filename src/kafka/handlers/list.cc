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
constexpr Handler serve(std::int16_t first, std::int16_t last, net::Turn turn) {
  return {Request::kApi, {first, last}, turn, &run<Request>};
}

using enum net::Turn;

constexpr std::array kHandlers = {
    serve<wire::ProduceRequest>(0, 13, append),
    serve<wire::FetchRequest>(0, 17, free),
    serve<wire::ListOffsetsRequest>(1, 10, read),
    serve<wire::MetadataRequest>(0, 13, read),
    serve<wire::OffsetCommitRequest>(2, 10, commit),
    serve<wire::OffsetFetchRequest>(1, 10, read),
    serve<wire::FindCoordinatorRequest>(0, 6, read),
    serve<wire::JoinGroupRequest>(0, 9, free),
    serve<wire::HeartbeatRequest>(0, 4, alone),
    serve<wire::LeaveGroupRequest>(0, 5, alone),
    serve<wire::SyncGroupRequest>(0, 5, free),
    serve<wire::DescribeGroupsRequest>(0, 6, read),
    serve<wire::ListGroupsRequest>(0, 5, read),
    serve<wire::ApiVersionsRequest>(0, 4, read),
    serve<wire::CreateTopicsRequest>(2, 7, alone),
    serve<wire::DeleteTopicsRequest>(1, 6, alone),
    serve<wire::DeleteRecordsRequest>(0, 2, alone),
    serve<wire::InitProducerIdRequest>(0, 5, alone),
    serve<wire::OffsetForLeaderEpochRequest>(2, 4, read),
    serve<wire::DescribeAclsRequest>(1, 3, read),
    serve<wire::CreateAclsRequest>(1, 3, alone),
    serve<wire::DeleteAclsRequest>(1, 3, alone),
    serve<wire::DescribeConfigsRequest>(1, 4, read),
    serve<wire::AlterConfigsRequest>(0, 2, alone),
    serve<wire::DescribeLogDirsRequest>(1, 5, read),
    serve<wire::CreatePartitionsRequest>(0, 3, alone),
    serve<wire::DeleteGroupsRequest>(0, 2, alone),
    serve<wire::IncrementalAlterConfigsRequest>(0, 1, alone),
    serve<wire::OffsetDeleteRequest>(0, 0, alone),
    serve<wire::DescribeClientQuotasRequest>(0, 1, read),
    serve<wire::AlterClientQuotasRequest>(0, 1, alone),
    serve<wire::DescribeClusterRequest>(0, 2, read),
    serve<wire::DescribeProducersRequest>(0, 0, read),
    serve<wire::DescribeTopicPartitionsRequest>(0, 0, read),
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
