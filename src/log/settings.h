// The settings of a topic: which exist, what they may be, what they mean to the log.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <baton/result.h>

#include "log/catalogue.h"
#include "log/log.h"

namespace baton::log {

struct TopicConfig {
  TopicKind kind = TopicKind::plain;
  Durability durability = Durability::fsync;
  std::uint64_t segment_bytes = 0;
  std::size_t batch_bytes_max = 0;
  std::optional<std::int64_t> retention_ms;
  std::optional<std::uint64_t> retention_bytes;
};

[[nodiscard]] std::string_view durability_name(Durability durability);
// invalid_argument: an unknown key (the nearest known one is named), or a value that does not fit.
[[nodiscard]] Status check_settings(TopicKind kind, const Settings& settings);
// `settings` have been checked.
[[nodiscard]] TopicConfig topic_config(TopicKind kind, const Settings& settings, const LogOptions& options);
// invalid_argument: a topic name, or a number of partitions, that is not allowed.
[[nodiscard]] Status check_topic(const std::string& name, TopicKind kind, std::int32_t partitions);

}  // namespace baton::log
