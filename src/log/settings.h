// The settings of a topic: which exist, what they may be, what they mean to the log.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <baton/result.h>

#include "log/catalogue.h"
#include "log/log.h"

namespace baton::log {

// One setting that a topic may have. The names and meanings of those without the prefix `baton.` are Kafka's (its documentation, "Topic Configs").
struct TopicSetting {
  enum class Type : std::uint8_t { number, decimal, flag, choice, list, text };
  std::string_view key;
  std::string_view what;                // a sentence for people
  Type type = Type::text;
  std::int64_t min = 0;
  std::int64_t max = 0;
  std::string_view choices = {};        // "a|b"; of a list: its elements
  std::string_view default_value = {};  // of a plain topic that does not set it
  enum class Of : std::uint8_t { both, plain, event } of = Of::both;
  bool inert = false;                   // taken, so that tools that set it work, and without effect: Baton has nothing that it would change
};
[[nodiscard]] std::span<const TopicSetting> topic_settings();
[[nodiscard]] const TopicSetting* find_topic_setting(std::string_view key);  // null: there is none

struct TopicConfig {
  TopicKind kind = TopicKind::plain;
  Durability durability = Durability::fsync;
  std::uint64_t segment_bytes = 0;
  std::size_t batch_bytes_max = 0;     // as it is stored
  std::size_t produced_bytes_max = 0;  // as a client sends it: max.message.bytes
  std::optional<std::int64_t> retention_ms;
  std::int64_t segment_ms = 604'800'000;
  std::optional<std::uint64_t> retention_bytes;
  bool append_time = false;                              // message.timestamp.type is LogAppendTime
  std::int64_t timestamp_before_ms_max = INT64_MAX;      // how far a producer's times may be from the append time
  std::int64_t timestamp_after_ms_max = 3'600'000;
};

[[nodiscard]] std::string_view durability_name(Durability durability);
// invalid_argument: an unknown key (the nearest known one is named), or a value that does not fit.
[[nodiscard]] Status check_settings(TopicKind kind, const Settings& settings);
// `settings` have been checked.
[[nodiscard]] TopicConfig topic_config(TopicKind kind, const Settings& settings, const LogOptions& options);
// invalid_argument: a topic name, or a number of partitions, that is not allowed.
[[nodiscard]] Status check_topic(const std::string& name, TopicKind kind, std::int32_t partitions);

}  // namespace baton::log
