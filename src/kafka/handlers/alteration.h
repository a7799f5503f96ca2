// What AlterConfigs and IncrementalAlterConfigs have in common: resources are judged, each topic is changed at once, and all are answered together.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "kafka/errors.h"
#include "kafka/handlers/configs.h"
#include "kafka/handlers/handlers.h"

namespace baton::kafka {

// What is to be done with a topic, or why not.
struct Alteration {
  wire::ErrorCode error = wire::ErrorCode::none;
  std::string message;
  log::Settings changed;
  std::vector<std::string> removed;
};
[[nodiscard]] Alteration refusal(wire::ErrorCode error, std::string message);
// Of what is no topic.
[[nodiscard]] Alteration refuse_resource(std::int8_t type, std::string_view name, std::int32_t node_id);
// A tool that sends back all that it was shown sends what is fixed, too.
[[nodiscard]] bool is_fixed_as_it_is(const store::TopicView& topic, std::string_view key, std::string_view value);

template <typename Response>
struct AlterationReply {
  explicit AlterationReply(CallPtr of) : call(std::move(of)) {}
  ~AlterationReply() { call->reply(response); }
  AlterationReply(const AlterationReply&) = delete;
  AlterationReply& operator=(const AlterationReply&) = delete;

  const CallPtr call;
  Response response;
};

// `plan(topic, resource)` says what is to be done.
template <typename Response, typename Request, typename Plan>
void alter_configs(const CallPtr& call, const Request& request, Plan plan) {
  const auto reply = std::make_shared<AlterationReply<Response>>(call);
  auto& responses = reply->response.responses;
  responses.resize(request.resources.size());
  const auto view = call->broker().view();
  const auto times = [&](const auto& asked) {
    return std::ranges::count_if(request.resources, [&](const auto& other) {
      return other.resource_type == asked.resource_type && other.resource_name == asked.resource_name;
    });
  };
  for (std::size_t i = 0; i < responses.size(); ++i) {
    const auto& asked = request.resources[i];
    auto& out = responses[i];
    out.resource_type = asked.resource_type;
    out.resource_name = std::string(asked.resource_name);
    out.error_message.reset();
    const bool of_topic = asked.resource_type == static_cast<std::int8_t>(ResourceType::topic);
    const bool of_group = asked.resource_type == static_cast<std::int8_t>(ResourceType::group);
    const auto topic = of_topic && view != nullptr && !asked.resource_name.empty() ? find_topic(*view, asked.resource_name, {}) : nullptr;
    Alteration todo;
    if (times(asked) > 1) {
      todo = refusal(wire::ErrorCode::invalid_request, "Each resource must appear at most once.");
    } else if (of_topic && !call->may(Operation::alter_configs, Resource::topic, asked.resource_name)) {
      todo = refusal(wire::ErrorCode::topic_authorization_failed, "needs AlterConfigs on the topic");
    } else if (of_group && !call->may(Operation::alter_configs, Resource::group, asked.resource_name)) {
      todo = refusal(wire::ErrorCode::group_authorization_failed, "needs AlterConfigs on the group");
    } else if (!of_topic && !of_group && !call->may(Operation::alter_configs)) {
      todo = refusal(wire::ErrorCode::cluster_authorization_failed, "needs AlterConfigs on the cluster");
    } else if (!of_topic) {
      todo = refuse_resource(asked.resource_type, asked.resource_name, call->node().id);
    } else if (asked.resource_name.empty()) {
      todo = refusal(wire::ErrorCode::invalid_request, "a topic has a name");
    } else if (topic == nullptr) {
      todo = refusal(wire::ErrorCode::unknown_topic_or_partition, "The topic '" + out.resource_name + "' does not exist.");
    } else {
      todo = plan(*topic, asked);
    }
    if (todo.error != wire::ErrorCode::none) {
      out.error_code = todo.error;
      out.error_message = std::move(todo.message);
      continue;
    }
    out.error_code = wire::ErrorCode::kafka_storage_error;  // until it is known
    call->broker().configure_topic(topic->id, std::move(todo.changed), std::move(todo.removed), request.validate_only,
                                   [reply, &out](broker::TopicReply done) {
                                     out.error_code = to_wire(done.error);
                                     if (!done.message.empty()) out.error_message = std::move(done.message);
                                   });
  }
}

}  // namespace baton::kafka
