// DescribeTopicPartitions: Metadata's topics in pages, ascending by name, from a cursor on.
#include <algorithm>
#include <set>
#include <string>

#include "kafka/handlers/handlers.h"

namespace baton::kafka {
namespace {

using Response = wire::DescribeTopicPartitionsResponse;
constexpr std::int32_t kPartitionsMax = 2'000;  // of one page

void add_missing(Response& response, const Call& call, std::string_view name) {
  auto& out = response.topics.emplace_back();
  out.name = std::string(name);
  if (!call.may(Operation::describe, Resource::topic, name)) {
    out.error_code = wire::ErrorCode::topic_authorization_failed;
    return;
  }
  out.topic_authorized_operations = call.operations(Resource::topic, name, kTopicOperations);
  out.error_code = log::check_topic(std::string(name), log::TopicKind::plain, 1) ? wire::ErrorCode::unknown_topic_or_partition
                                                                                  : wire::ErrorCode::invalid_topic_exception;
}

// Partitions from `first` on, `room` at most. Returns the first one that did not fit, or the number of partitions.
std::size_t add_topic(Response& response, const Call& call, const store::TopicView& topic, std::size_t first, std::size_t room) {
  auto& out = response.topics.emplace_back();
  out.name = topic.name;
  out.topic_id = to_wire(topic.id);
  out.topic_authorized_operations = call.operations(Resource::topic, topic.name, kTopicOperations);
  const Node& node = call.node();
  const std::size_t end = std::min(topic.partitions.size(), first + room);
  for (std::size_t i = first; i < end; ++i) {
    auto& partition = out.partitions.emplace_back();
    partition.partition_index = static_cast<std::int32_t>(i);
    partition.leader_id = node.id;
    partition.leader_epoch = node.broker.epoch();
    partition.replica_nodes = {node.id};
    partition.isr_nodes = {node.id};
    partition.eligible_leader_replicas.emplace();
    partition.last_known_elr.emplace();
  }
  return std::max(end, first);
}

}  // namespace

void handle(Session&, const CallPtr& call, wire::DescribeTopicPartitionsRequest request) {
  Response response;
  const auto view = call->broker().view();
  if (view == nullptr) return call->close({Code::cancelled, "the store has ended"});
  std::set<std::string, std::less<>> names;
  for (const auto& asked : request.topics) names.emplace(asked.name);
  if (request.topics.empty()) {
    for (const auto& topic : view->topics()) {
      if (broker::Broker::is_internal(topic->name) || !call->may(Operation::describe, Resource::topic, topic->name)) continue;
      names.insert(topic->name);
    }
  }
  if (request.cursor && request.cursor->partition_index < 0) {
    for (const std::string& name : names) {
      auto& out = response.topics.emplace_back();
      out.name = name;
      out.error_code = wire::ErrorCode::invalid_request;
    }
    return call->reply(response);
  }
  auto room = static_cast<std::size_t>(std::clamp(request.response_partition_limit, 1, kPartitionsMax));
  const auto begin = request.cursor ? names.lower_bound(request.cursor->topic_name) : names.begin();
  for (auto name = begin; name != names.end(); ++name) {
    const std::size_t first = request.cursor && *name == request.cursor->topic_name ? static_cast<std::size_t>(request.cursor->partition_index) : 0;
    const auto topic = name->empty() ? nullptr : find_topic(*view, *name, {});
    if (room == 0) {
      response.next_cursor = Response::Cursor{.topic_name = *name, .partition_index = 0};
      break;
    }
    if (topic == nullptr || !call->may(Operation::describe, Resource::topic, *name)) {
      if (!request.topics.empty()) add_missing(response, *call, *name);
      continue;
    }
    const std::size_t next = add_topic(response, *call, *topic, first, room);
    if (next < topic->partitions.size()) {
      response.next_cursor = Response::Cursor{.topic_name = *name, .partition_index = static_cast<std::int32_t>(next)};
      break;
    }
    room -= response.topics.back().partitions.size();
  }
  call->reply(response);
}

}  // namespace baton::kafka
