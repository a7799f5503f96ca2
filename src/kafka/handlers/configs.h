// The settings of topics and of the broker, as DescribeConfigs and CreateTopics show them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kafka/call.h"

namespace baton::kafka {

// Kafka's numbers.
enum class ResourceType : std::int8_t { topic = 2, broker = 4, broker_logger = 8, client_metrics = 16, group = 32 };
// "TOPIC"; "UNKNOWN" for other numbers.
[[nodiscard]] std::string_view resource_type_name(std::int8_t type);
enum class ConfigSource : std::int8_t { topic = 1, server = 4, built_in = 5 };
enum class ConfigType : std::int8_t { flag = 1, text = 2, int32 = 3, int64 = 5, decimal = 6, list = 7 };

struct Config {
  std::string name;
  std::string value;
  ConfigSource source = ConfigSource::built_in;
  ConfigType type = ConfigType::text;
  bool read_only = false;
  std::string_view what;          // a sentence
  std::string broker_name = {};   // what Kafka calls the broker's setting that a topic's goes back to
  std::string broker_value = {};  // what it would go back to,
  ConfigSource broker_source = ConfigSource::built_in;  // and whose that is
};

// Ascending by name. `settings` may be of a topic that is not made yet.
[[nodiscard]] std::vector<Config> topic_configs(const broker::Broker& broker, log::TopicKind kind, const log::Settings& settings);
// All of them read-only: they come from baton.yaml.
[[nodiscard]] std::vector<Config> broker_configs(const Call& call);

// Nothing when the name is that of this broker, or empty; otherwise what is wrong with it.
[[nodiscard]] std::optional<std::string> check_broker_name(std::string_view name, std::int32_t node_id);

}  // namespace baton::kafka
