#include "kafka/errors.h"
#include "kafka/handlers/handlers.h"

namespace baton::kafka {

void handle(Session&, const CallPtr& call, wire::DeleteTopicsRequest request) {
  auto deletion = std::make_shared<SharedReply<wire::DeleteTopicsResponse>>(call);
  for (const std::string_view name : request.topic_names) request.topics.push_back({.name = name, .topic_id = {}});
  auto& responses = deletion->response.responses;
  responses.resize(request.topics.size());
  const auto view = call->broker().view();
  for (std::size_t i = 0; i < request.topics.size(); ++i) {
    const auto& asked = request.topics[i];
    auto& out = responses[i];
    out.name.reset();
    if (asked.name) out.name = std::string(*asked.name);
    out.topic_id = asked.topic_id;
    out.error_code = wire::ErrorCode::kafka_storage_error;  // until it is known
    const auto topic = view == nullptr ? nullptr : find_topic(*view, asked.name.value_or(std::string_view()), asked.topic_id);
    if (topic == nullptr) {
      out.error_code = asked.name ? wire::ErrorCode::unknown_topic_or_partition : wire::ErrorCode::unknown_topic_id;
      continue;
    }
    out.name = topic->name;
    out.topic_id = to_wire(topic->id);
    call->broker().delete_topic(topic->id, [deletion, &out](broker::TopicReply reply) {
      out.error_code = to_wire(reply.error);
      if (!reply.message.empty()) out.error_message = std::move(reply.message);
    });
  }
}

}  // namespace baton::kafka
