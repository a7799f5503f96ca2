// AlterConfigs says all that a topic sets: what it does not name goes back to its default.
#include "kafka/handlers/alteration.h"

namespace baton::kafka {
namespace {

using Asked = wire::AlterConfigsRequest::AlterConfigsResource;

Alteration plan(const store::TopicView& topic, const Asked& asked) {
  Alteration out;
  for (const auto& config : asked.configs) {
    const std::string name(config.name);
    if (!config.value) return refusal(wire::ErrorCode::invalid_request, "Null value not supported for configs: " + name);
    if (out.changed.contains(name)) return refusal(wire::ErrorCode::invalid_request, "Error due to duplicate config keys");
    out.changed[name] = std::string(*config.value);
  }
  std::erase_if(out.changed, [&](const auto& entry) { return is_fixed_as_it_is(topic, entry.first, entry.second); });
  for (const auto& [key, value] : topic.settings) {
    if (key != "baton.partitioner" && !out.changed.contains(key)) out.removed.push_back(key);
  }
  return out;
}

}  // namespace

void handle(Session&, const CallPtr& call, wire::AlterConfigsRequest request) {
  alter_configs<wire::AlterConfigsResponse>(call, request, &plan);
}

}  // namespace baton::kafka
