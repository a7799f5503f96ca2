#include "kafka/errors.h"
#include "kafka/handlers/handlers.h"

namespace baton::kafka {

void handle(Session&, const CallPtr& call, wire::DeleteRecordsRequest request) {
  auto removal = std::make_shared<SharedReply<wire::DeleteRecordsResponse>>(call);
  // All slots first: completions write into them while others are still being made.
  for (const auto& asked : request.topics) {
    auto& topic = removal->response.topics.emplace_back();
    topic.name = std::string(asked.name);
    for (const auto& partition : asked.partitions) {
      topic.partitions.push_back({.partition_index = partition.partition_index,
                                  .low_watermark = -1,
                                  .error_code = wire::ErrorCode::kafka_storage_error});  // until it is known
    }
  }
  const auto view = call->broker().view();
  for (std::size_t t = 0; t < request.topics.size(); ++t) {
    const auto& asked = request.topics[t];
    const auto topic = view == nullptr ? nullptr : find_topic(*view, asked.name, {});
    const bool may = call->may(Operation::remove, Resource::topic, asked.name);
    for (std::size_t p = 0; p < asked.partitions.size(); ++p) {
      auto& out = removal->response.topics[t].partitions[p];
      const std::int32_t index = asked.partitions[p].partition_index;
      if (!may) {
        out.error_code = wire::ErrorCode::topic_authorization_failed;
        continue;
      }
      if (topic == nullptr || index < 0 || static_cast<std::size_t>(index) >= topic->partitions.size()) {
        out.error_code = wire::ErrorCode::unknown_topic_or_partition;
        continue;
      }
      call->broker().delete_records({topic->id, log::PartitionId(index)}, log::Offset(asked.partitions[p].offset),
                                    [removal, &out](const broker::Broker::DeleteReply& reply) {
                                      out.error_code = to_wire(reply.error);
                                      if (reply.error == broker::TopicError::none) out.low_watermark = reply.log_start.value();
                                    });
    }
  }
}

}  // namespace baton::kafka
