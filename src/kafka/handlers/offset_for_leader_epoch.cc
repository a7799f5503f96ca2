#include "kafka/handlers/handlers.h"

namespace baton::kafka {

void handle(Session&, const CallPtr& call, wire::OffsetForLeaderEpochRequest request) {
  wire::OffsetForLeaderEpochResponse response;
  const auto view = call->broker().view();
  for (const auto& asked : request.topics) {
    auto& topic = response.topics.emplace_back();
    topic.topic = std::string(asked.topic);
    const auto found = view == nullptr ? nullptr : find_topic(*view, asked.topic, {});
    const bool may = call->may(Operation::cluster_action) || call->may(Operation::describe, Resource::topic, asked.topic);
    for (const auto& partition : asked.partitions) {
      auto& out = topic.partitions.emplace_back();
      out.partition = partition.partition;
      if (!may) {
        out.error_code = wire::ErrorCode::topic_authorization_failed;
        continue;
      }
      out.error_code = check_partition(found.get(), partition.partition, partition.current_leader_epoch, call->broker().epoch());
      if (out.error_code != wire::ErrorCode::none) continue;
      const auto& reader = *found->partitions[static_cast<std::size_t>(partition.partition)];
      if (const auto end = reader.epoch_end(log::Epoch(partition.leader_epoch))) {
        out.leader_epoch = partition.leader_epoch;
        out.end_offset = end->value();
      }
    }
  }
  call->reply(response);
}

}  // namespace baton::kafka
