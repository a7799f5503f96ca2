#include "kafka/handlers/configs.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace baton::kafka {
namespace {

using log::TopicSetting;

// Where it is not "log." and the topic's name.
constexpr std::array<std::pair<std::string_view, std::string_view>, 16> kBrokerNames{{
    {"compression.gzip.level", "compression.gzip.level"},
    {"compression.lz4.level", "compression.lz4.level"},
    {"compression.type", "compression.type"},
    {"compression.zstd.level", "compression.zstd.level"},
    {"delete.retention.ms", "log.cleaner.delete.retention.ms"},
    {"file.delete.delay.ms", "log.segment.delete.delay.ms"},
    {"flush.messages", "log.flush.interval.messages"},
    {"flush.ms", "log.flush.interval.ms"},
    {"max.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms"},
    {"max.message.bytes", "message.max.bytes"},
    {"min.cleanable.dirty.ratio", "log.cleaner.min.cleanable.ratio"},
    {"min.compaction.lag.ms", "log.cleaner.min.compaction.lag.ms"},
    {"min.insync.replicas", "min.insync.replicas"},
    {"segment.index.bytes", "log.index.size.max.bytes"},
    {"segment.jitter.ms", "log.roll.jitter.ms"},
    {"segment.ms", "log.roll.ms"},
}};

std::string broker_name(std::string_view key) {
  if (key.starts_with("baton.") || key == "durability" || key == "unclean.leader.election.enable") return std::string(key);
  const auto found = std::ranges::find(kBrokerNames, key, &std::pair<std::string_view, std::string_view>::first);
  return found == kBrokerNames.end() ? "log." + std::string(key) : std::string(found->second);
}

ConfigType type_of(const TopicSetting& setting) {
  switch (setting.type) {
    case TopicSetting::Type::number:
      // segment.bytes may be 2^31; Kafka's is an int.
      return setting.max <= std::int64_t{INT32_MAX} + 1 ? ConfigType::int32 : ConfigType::int64;
    case TopicSetting::Type::decimal: return ConfigType::decimal;
    case TopicSetting::Type::flag: return ConfigType::flag;
    case TopicSetting::Type::list: return ConfigType::list;
    case TopicSetting::Type::choice:
    case TopicSetting::Type::text: return ConfigType::text;
  }
  return ConfigType::text;
}

Config fixed(std::string_view name, std::string value, ConfigType type, std::string_view what) {
  return {.name = std::string(name), .value = std::move(value), .source = ConfigSource::built_in, .type = type, .read_only = true, .what = what};
}

// A value that the configuration may have changed.
Config given(std::string_view name, std::string value, const std::string& built_in, ConfigType type, std::string_view what) {
  Config out = fixed(name, std::move(value), type, what);
  if (out.value != built_in) out.source = ConfigSource::server;
  return out;
}

template <typename Number>
Config number(std::string_view name, Number value, Number built_in, std::string_view what) {
  return given(name, std::to_string(value), std::to_string(built_in), sizeof(Number) > 4 ? ConfigType::int64 : ConfigType::int32, what);
}

std::string flag_text(bool flag) { return flag ? "true" : "false"; }

std::string built_in_of(std::string_view key) { return std::string(log::find_topic_setting(key)->default_value); }

void add_topics(std::vector<Config>& out, const broker::Broker& broker) {
  const auto& now = broker.options();
  const broker::BrokerOptions usual;
  out.push_back(given("auto.create.topics.enable", flag_text(now.auto_create), flag_text(usual.auto_create), ConfigType::flag,
                      "Makes a plain topic when a client that allows it asks for one that is not there."));
  out.push_back(number("num.partitions", now.default_partitions, usual.default_partitions, "Partitions of a topic whose maker does not say."));
  out.push_back(number("log.retention.ms", now.retention_ms, usual.retention_ms, "retention.ms of a new plain topic that does not say; -1: for ever."));
  out.push_back(number("log.retention.check.interval.ms", now.retention_check_ms, std::int64_t{300'000},
                       "How often segments are looked for that may leave."));
  const auto of_topic = [&](std::string_view name, std::string_view key) {
    const TopicSetting& setting = *log::find_topic_setting(key);
    out.push_back(given(name, broker.default_of(setting, true), built_in_of(key), type_of(setting), setting.what));
  };
  of_topic("log.segment.bytes", "segment.bytes");
  of_topic("log.retention.bytes", "retention.bytes");
  of_topic("log.cleanup.policy", "cleanup.policy");
  of_topic("log.message.timestamp.type", "message.timestamp.type");
  of_topic("log.message.timestamp.before.max.ms", "message.timestamp.before.max.ms");
  of_topic("log.message.timestamp.after.max.ms", "message.timestamp.after.max.ms");
  of_topic("message.max.bytes", "max.message.bytes");
  of_topic("compression.type", "compression.type");
  of_topic("min.insync.replicas", "min.insync.replicas");
  of_topic("unclean.leader.election.enable", "unclean.leader.election.enable");
  out.push_back(fixed("default.replication.factor", "1", ConfigType::int32, "There is one broker, so one replica."));
  out.push_back(fixed("delete.topic.enable", "true", ConfigType::flag, "Plain topics may be deleted; contexts keep their history."));
}

void add_groups(std::vector<Config>& out, const broker::GroupOptions& now) {
  const broker::GroupOptions usual;
  const auto minutes = [](std::int64_t ms) { return static_cast<std::int32_t>(std::min<std::int64_t>(ms <= 0 ? INT32_MAX : ms / 60'000, INT32_MAX)); };
  out.push_back(number("offsets.retention.minutes", minutes(now.offsets_retention_ms), minutes(usual.offsets_retention_ms),
                       "How long the offsets of a group without members are kept."));
  out.push_back(number("offsets.retention.check.interval.ms", now.offsets_check_interval_ms, usual.offsets_check_interval_ms,
                       "How often offsets are looked for that have been kept long enough."));
  const auto size = [](std::size_t n) { return static_cast<std::int32_t>(n); };
  out.push_back(number("offset.metadata.max.bytes", size(now.offset_metadata_bytes_max), size(usual.offset_metadata_bytes_max),
                       "The most bytes of metadata that an offset may have."));
  out.push_back(number("group.initial.rebalance.delay.ms", now.initial_rebalance_delay_ms, usual.initial_rebalance_delay_ms,
                       "How long the first members of an empty group wait for others."));
  out.push_back(number("group.max.session.timeout.ms", now.session_timeout_max_ms, usual.session_timeout_max_ms,
                       "The longest session that a member may ask for."));
  out.push_back(number("group.max.size", size(now.members_max), size(usual.members_max), "The most members that a group may have."));
  out.push_back(number("group.min.session.timeout.ms", now.session_timeout_min_ms, usual.session_timeout_min_ms,
                       "The shortest session that a member may ask for."));
}

}  // namespace

std::string_view resource_type_name(std::int8_t type) {
  switch (static_cast<ResourceType>(type)) {
    case ResourceType::topic: return "TOPIC";
    case ResourceType::broker: return "BROKER";
    case ResourceType::broker_logger: return "BROKER_LOGGER";
    case ResourceType::client_metrics: return "CLIENT_METRICS";
    case ResourceType::group: return "GROUP";
  }
  return "UNKNOWN";
}

std::vector<Config> topic_configs(const broker::Broker& broker, log::TopicKind kind, const log::Settings& settings) {
  std::vector<Config> out;
  const bool event = kind == log::TopicKind::event;
  for (const TopicSetting& setting : log::topic_settings()) {
    const auto set = settings.find(std::string(setting.key));
    if (set == settings.end() && setting.of == (event ? TopicSetting::Of::plain : TopicSetting::Of::event)) continue;
    Config& config = out.emplace_back();
    config.name = std::string(setting.key);
    config.value = set == settings.end() ? broker.default_of(setting, false) : set->second;
    config.type = type_of(setting);
    config.read_only = setting.key == "baton.partitioner";
    config.what = setting.what;
    config.broker_name = broker_name(setting.key);
    config.broker_value = broker.default_of(setting, !event);
    if (config.broker_value != setting.default_value) config.broker_source = ConfigSource::server;
    if (set != settings.end() && set->second != config.broker_value) {
      config.source = ConfigSource::topic;
    } else if (config.value != setting.default_value) {
      config.source = ConfigSource::server;
    }
  }
  Config kind_of = fixed("baton.kind", event ? "event" : "plain", ConfigType::text,
                         "Whether the topic is a context, whose records are events (event), or not (plain); fixed when the topic is made.");
  if (event) kind_of.source = ConfigSource::topic;
  kind_of.broker_name = kind_of.name;
  kind_of.broker_value = "plain";
  out.insert(std::ranges::lower_bound(out, kind_of.name, {}, &Config::name), std::move(kind_of));
  return out;
}

std::vector<Config> broker_configs(const Call& call) {
  std::vector<Config> out;
  const Endpoint& at = call.advertised();
  const std::string host = at.host.contains(':') ? "[" + at.host + "]" : at.host;
  const std::string node_id = std::to_string(call.node().id);
  out.push_back(given("advertised.listeners", "PLAINTEXT://" + host + ":" + std::to_string(at.port), {}, ConfigType::list,
                      "Where clients are told to connect to."));
  out.push_back(given("listeners", call.node().listeners, {}, ConfigType::list, "Where the broker listens."));
  out.push_back(given("log.dirs", call.broker().core().directory(), {}, ConfigType::list, "The data directory."));
  out.push_back(fixed("broker.id", node_id, ConfigType::int32, "The broker's number."));
  out.push_back(fixed("node.id", node_id, ConfigType::int32, "The broker's number."));
  out.push_back(number("fetch.max.bytes", call.node().limits.fetch_bytes_max, NodeLimits{}.fetch_bytes_max,
                       "The most bytes of records in one reply, whatever the client would take."));
  out.push_back(fixed("inter.broker.protocol.version", "4.0-IV3", ConfigType::text, "Which Kafka this broker is like, for tools that ask."));
  add_topics(out, call.broker());
  add_groups(out, call.broker().options().groups);
  std::ranges::sort(out, {}, &Config::name);
  return out;
}

std::optional<std::string> check_broker_name(std::string_view name, std::int32_t node_id) {
  if (name.empty()) return std::nullopt;
  std::int32_t id = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
  if (error != std::errc() || end != name.data() + name.size()) return "Broker id must be an integer, but it is: " + std::string(name);
  if (id != node_id) {
    return "Unexpected broker id, expected " + std::to_string(node_id) + " or empty string, but received " + std::string(name);
  }
  return std::nullopt;
}

}  // namespace baton::kafka
