#include "kafka/handlers/alteration.h"

namespace baton::kafka {

Alteration refusal(wire::ErrorCode error, std::string message) {
  Alteration out;
  out.error = error;
  out.message = std::move(message);
  return out;
}

Alteration refuse_resource(std::int8_t type, std::string_view name, std::int32_t node_id) {
  if (type != static_cast<std::int8_t>(ResourceType::broker)) {
    return refusal(wire::ErrorCode::invalid_request, "Unsupported resource type: " + std::string(resource_type_name(type)));
  }
  if (auto wrong = check_broker_name(name, node_id)) return refusal(wire::ErrorCode::invalid_request, *std::move(wrong));
  return refusal(wire::ErrorCode::invalid_request,
                 "the configuration of the broker is baton.yaml, which is read when it starts: it cannot be changed from here");
}

bool is_fixed_as_it_is(const store::TopicView& topic, std::string_view key, std::string_view value) {
  if (key == "baton.kind") return value == (topic.kind == log::TopicKind::event ? "event" : "plain");
  if (key != "baton.partitioner") return false;
  const auto found = topic.settings.find("baton.partitioner");
  return found != topic.settings.end() && found->second == value;
}

}  // namespace baton::kafka
