#include "kafka/handlers/handlers.h"

namespace baton::kafka {

void handle(Session&, const CallPtr& call, wire::OffsetForLeaderEpochRequest request) {
  wire::OffsetForLeaderEpochResponse response;
  const auto view = call->broker().view();
  const std::int32_t now = call->broker().epoch();
  for (const auto& asked : request.topics) {
    auto& topic = response.topics.emplace_back();
    topic.topic = std::string(asked.topic);
    const auto found = view == nullptr ? nullptr : find_topic(*view, asked.topic, {});
    for (const auto& partition : asked.partitions) {
      auto& out = topic.partitions.emplace_back();
      out.partition = partition.partition;
      const auto index = static_cast<std::size_t>(partition.partition);
      if (found == nullptr || partition.partition < 0 || index >= found->partitions.size()) {
        out.error_code = wire::ErrorCode::unknown_topic_or_partition;
      } else if (partition.current_leader_epoch >= 0 && partition.current_leader_epoch != now) {
        out.error_code = partition.current_leader_epoch < now ? wire::ErrorCode::fenced_leader_epoch : wire::ErrorCode::unknown_leader_epoch;
      } else if (const auto end = found->partitions[index]->epoch_end(log::Epoch(partition.leader_epoch))) {
        out.leader_epoch = partition.leader_epoch;
        out.end_offset = end->value();
      }
    }
  }
  call->reply(response);
}

}  // namespace baton::kafka
