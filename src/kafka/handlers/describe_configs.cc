#include <algorithm>
#include <set>

#include "kafka/handlers/configs.h"
#include "kafka/handlers/handlers.h"

namespace baton::kafka {
namespace {

using Response = wire::DescribeConfigsResponse;
using Described = Response::DescribeConfigsResourceResult;

void fail(Response::DescribeConfigsResult& out, wire::ErrorCode error, std::string message) {
  out.error_code = error;
  out.error_message = std::move(message);
}

std::vector<Response::DescribeConfigsSynonym> synonyms_of(const Config& config) {
  std::vector<Response::DescribeConfigsSynonym> out;
  const auto add = [&](const std::string& name, const std::string& value, ConfigSource source) {
    out.push_back({.name = name, .value = value, .source = static_cast<std::int8_t>(source)});
  };
  const bool of_topic = config.source == ConfigSource::topic;
  if (of_topic) add(config.name, config.value, config.source);
  const std::string& below = config.broker_name.empty() ? config.name : config.broker_name;
  if (of_topic) {
    add(below, config.broker_value, config.broker_source);
  } else {
    add(below, config.value, config.source);
  }
  return out;
}

void describe(Response::DescribeConfigsResult& out, std::vector<Config> configs, const wire::DescribeConfigsRequest& request,
              const wire::DescribeConfigsRequest::DescribeConfigsResource& asked) {
  for (Config& config : configs) {
    const auto& keys = asked.configuration_keys;
    if (keys && !keys->empty() && std::ranges::find(*keys, config.name) == keys->end()) continue;
    Described& entry = out.configs.emplace_back();
    if (request.include_synonyms) entry.synonyms = synonyms_of(config);
    entry.name = std::move(config.name);
    entry.value = std::move(config.value);
    entry.read_only = config.read_only;
    entry.config_source = static_cast<std::int8_t>(config.source);
    entry.config_type = static_cast<std::int8_t>(config.type);
    entry.documentation.reset();
    if (request.include_documentation) entry.documentation = std::string(config.what);
  }
}

void describe_topic(Response::DescribeConfigsResult& out, const Call& call, const wire::DescribeConfigsRequest& request,
                    const wire::DescribeConfigsRequest::DescribeConfigsResource& asked) {
  const std::string name(asked.resource_name);
  if (!call.may(Operation::describe_configs, Resource::topic, name)) {
    return fail(out, wire::ErrorCode::topic_authorization_failed, "needs DescribeConfigs on the topic");
  }
  if (const Status named = log::check_topic(name, log::TopicKind::plain, 1); !named) {
    return fail(out, wire::ErrorCode::invalid_topic_exception, named.error().detail);
  }
  const auto view = call.broker().view();
  const auto topic = view == nullptr ? nullptr : find_topic(*view, name, {});
  if (topic == nullptr) return fail(out, wire::ErrorCode::unknown_topic_or_partition, "there is no topic " + name);
  describe(out, topic_configs(call.broker(), topic->kind, topic->settings), request, asked);
}

}  // namespace

void handle(Session&, const CallPtr& call, wire::DescribeConfigsRequest request) {
  Response response;
  std::set<std::pair<std::int8_t, std::string_view>> answered;
  for (const auto& asked : request.resources) {
    if (!answered.emplace(asked.resource_type, asked.resource_name).second) continue;
    auto& out = response.results.emplace_back();
    out.error_message = "";  // Kafka's is not null
    out.resource_type = asked.resource_type;
    out.resource_name = std::string(asked.resource_name);
    switch (static_cast<ResourceType>(asked.resource_type)) {
      case ResourceType::topic: describe_topic(out, *call, request, asked); break;
      case ResourceType::broker:
        if (!call->may(Operation::describe_configs)) {
          fail(out, wire::ErrorCode::cluster_authorization_failed, "needs DescribeConfigs on the cluster");
        } else if (auto wrong = check_broker_name(asked.resource_name, call->node().id)) {
          fail(out, wire::ErrorCode::invalid_request, *std::move(wrong));
        } else {
          describe(out, broker_configs(*call), request, asked);
        }
        break;
      default:
        fail(out, wire::ErrorCode::invalid_request, "Unsupported resource type: " + std::string(resource_type_name(asked.resource_type)));
    }
  }
  call->reply(response);
}

}  // namespace baton::kafka
