#include <set>

#include "kafka/handlers/alteration.h"

namespace baton::kafka {
namespace {

using Asked = wire::IncrementalAlterConfigsRequest::AlterConfigsResource;
enum class ConfigOperation : std::int8_t { set = 0, remove = 1, append = 2, subtract = 3 };

std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> out;
  while (!list.empty()) {
    const auto comma = list.find(',');
    if (comma != 0) out.emplace_back(list.substr(0, comma));
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
  return out;
}

// What is there already is not added again.
std::string changed_list(std::string_view now, ConfigOperation operation, std::string_view value) {
  std::vector<std::string> elements = split(now);
  for (const std::string& element : split(value)) {
    const bool there = std::ranges::find(elements, element) != elements.end();
    if (operation == ConfigOperation::subtract) std::erase(elements, element);
    if (operation == ConfigOperation::append && !there) elements.push_back(element);
  }
  std::string out;
  for (const std::string& element : elements) out += (out.empty() ? "" : ",") + element;
  return out;
}

Alteration plan(const broker::Broker& broker, const store::TopicView& topic, const Asked& asked) {
  Alteration out;
  std::set<std::string_view> names;
  for (const auto& config : asked.configs) {
    if (!names.insert(config.name).second) return refusal(wire::ErrorCode::invalid_request, "Error due to duplicate config keys");
  }
  for (const auto& config : asked.configs) {
    const std::string name(config.name);
    const auto operation = static_cast<ConfigOperation>(config.config_operation);
    if (config.config_operation < 0 || config.config_operation > 3) {
      return refusal(wire::ErrorCode::invalid_request, "Unknown operation type " + std::to_string(config.config_operation) + " for key " + name);
    }
    if (operation == ConfigOperation::remove) {
      out.removed.push_back(name);
      continue;
    }
    if (!config.value) return refusal(wire::ErrorCode::invalid_request, "Null value not supported for : " + name);
    if (operation == ConfigOperation::set) {
      if (!is_fixed_as_it_is(topic, config.name, *config.value)) out.changed[name] = std::string(*config.value);
      continue;
    }
    const log::TopicSetting* setting = log::find_topic_setting(config.name);
    if (setting == nullptr || setting->type != log::TopicSetting::Type::list) {
      return refusal(wire::ErrorCode::invalid_config, std::string("Can't ") + (operation == ConfigOperation::append ? "APPEND" : "SUBTRACT") + " to key " +
                                                          name + " because its type is not LIST.");
    }
    const auto set = topic.settings.find(name);
    out.changed[name] = changed_list(set == topic.settings.end() ? broker.default_of(*setting, false) : set->second, operation, *config.value);
  }
  return out;
}

}  // namespace

void handle(Session&, const CallPtr& call, wire::IncrementalAlterConfigsRequest request) {
  alter_configs<wire::IncrementalAlterConfigsResponse>(
      call, request, [&](const store::TopicView& topic, const Asked& asked) { return plan(call->broker(), topic, asked); });
}

}  // namespace baton::kafka
