// CreatePartitions is refused: how many partitions a topic has is fixed when it is made.
#include <map>

#include "kafka/handlers/handlers.h"

namespace baton::kafka {

void handle(Session&, const CallPtr& call, wire::CreatePartitionsRequest request) {
  wire::CreatePartitionsResponse response;
  const auto view = call->broker().view();
  std::map<std::string_view, int> times_named;
  for (const auto& asked : request.topics) ++times_named[asked.name];
  for (const auto& asked : request.topics) {
    const int times = std::exchange(times_named[asked.name], 0);
    if (times == 0) continue;  // it has been answered
    auto& out = response.results.emplace_back();
    out.name = std::string(asked.name);
    if (times > 1) {
      out.error_code = wire::ErrorCode::invalid_request;
      out.error_message = "the topic is named more than once in this request";
      continue;
    }
    const auto topic = view == nullptr ? nullptr : find_topic(*view, asked.name, {});
    if (topic == nullptr) {
      out.error_code = wire::ErrorCode::unknown_topic_or_partition;
      continue;
    }
    const auto now = static_cast<std::int32_t>(topic->partitions.size());
    out.error_code = asked.count <= now ? wire::ErrorCode::invalid_partitions : wire::ErrorCode::policy_violation;
    out.error_message = asked.count <= now
                            ? "The topic " + topic->name + " currently has " + std::to_string(now) + " partition(s); " +
                                  std::to_string(asked.count) + " would not be an increase."
                            : "the number of partitions is fixed when a topic is made: make a new topic and copy";
  }
  call->reply(response);
}

}  // namespace baton::kafka
