#include <set>

#include "kafka/errors.h"
#include "kafka/handlers/handlers.h"

namespace baton::kafka {

void handle(Session&, const CallPtr& call, wire::DescribeProducersRequest request) {
  using Partition = wire::DescribeProducersResponse::PartitionResponse;
  auto shared = std::make_shared<SharedReply<wire::DescribeProducersResponse>>(call);
  // All slots first, each once: completions write into them while others are still being made.
  std::set<std::pair<std::string_view, std::int32_t>> answered;
  for (const auto& asked : request.topics) {
    auto& topic = shared->response.topics.emplace_back();
    topic.name = std::string(asked.name);
    for (const auto index : asked.partition_indexes) {
      if (!answered.emplace(asked.name, index).second) continue;
      topic.partitions.push_back({.partition_index = index, .error_code = wire::ErrorCode::kafka_storage_error});  // until it is known
    }
  }
  const auto view = call->broker().view();
  for (auto& topic : shared->response.topics) {
    const auto found = view == nullptr ? nullptr : find_topic(*view, topic.name, {});
    const bool may = call->may(Operation::read, Resource::topic, topic.name);
    for (Partition& out : topic.partitions) {
      if (!may) {
        out.error_code = wire::ErrorCode::topic_authorization_failed;
        out.error_message = "needs Read on the topic";
        continue;
      }
      out.error_code = check_partition(found.get(), out.partition_index, -1, -1);
      if (found == nullptr) out.error_message = "there is no topic '" + topic.name + "'";
      if (out.error_code != wire::ErrorCode::none) continue;
      out.error_code = wire::ErrorCode::kafka_storage_error;
      call->broker().describe_producers({found->id, log::PartitionId(out.partition_index)}, [shared, &out](const broker::Broker::ProducersReply& reply) {
        out.error_code = to_wire(reply.error);
        for (const auto& [id, producer] : reply.producers) {
          out.active_producers.push_back({.producer_id = id,
                                          .producer_epoch = producer.epoch,
                                          .last_sequence = producer.batches.empty() ? -1 : producer.batches.back().last_sequence,
                                          .last_timestamp = producer.last_used_ms,
                                          .coordinator_epoch = -1});
        }
      });
    }
  }
}

}  // namespace baton::kafka
