#include "log/settings.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "base/suggest.h"
#include "base/try.h"

namespace baton::log {
namespace {

using Type = TopicSetting::Type;
using Of = TopicSetting::Of;

// Keys that the log does not use itself are here too: one place decides what a topic may say. Ascending.
constexpr std::array kKnown = {
    TopicSetting{"baton.data.bytes.max",
                 "The most bytes that the data of one event may have.",
                 Type::number, 1, 1 << 20, {}, "1024", Of::event},
    TopicSetting{"baton.default.type",
                 "The type of an event whose producer gives none.",
                 Type::text, 0, 0, {}, "", Of::event},
    TopicSetting{"baton.history.deletable",
                 "Whether retention may remove events of this context.",
                 Type::flag, 0, 0, {}, "false", Of::event},
    TopicSetting{"baton.partitioner",
                 "How the stream of an event chooses its partition; fixed when the topic is made.",
                 Type::choice, 0, 0, "murmur2|crc32|fnv1a", "murmur2", Of::event},
    TopicSetting{"cleanup.policy",
                 "What happens to old segments: they are deleted.",
                 Type::list, 0, 0, "delete", "delete"},
    TopicSetting{"compression.gzip.level",
                 "Taken and without effect: batches are stored as their producers have compressed them.",
                 Type::number, -1, 9, {}, "-1", Of::plain, true},
    TopicSetting{"compression.lz4.level",
                 "Taken and without effect: batches are stored as their producers have compressed them.",
                 Type::number, 1, 17, {}, "9", Of::plain, true},
    TopicSetting{"compression.type",
                 "How batches are compressed: as their producers have done it.",
                 Type::choice, 0, 0, "producer", "producer"},
    TopicSetting{"compression.zstd.level",
                 "Taken and without effect: batches are stored as their producers have compressed them.",
                 Type::number, -131'072, 22, {}, "3", Of::plain, true},
    TopicSetting{"delete.retention.ms",
                 "Taken and without effect: topics are not compacted.",
                 Type::number, 0, INT64_MAX, {}, "86400000", Of::plain, true},
    TopicSetting{"durability",
                 "When an append is acknowledged: once it is on the disk (fsync), before a sync that follows within an interval, or from memory alone.",
                 Type::choice, 0, 0, "fsync|interval|memory", "fsync"},
    TopicSetting{"file.delete.delay.ms",
                 "Taken and without effect: files that leave are removed when no reader needs them.",
                 Type::number, 0, INT64_MAX, {}, "60000", Of::plain, true},
    TopicSetting{"flush.messages",
                 "Taken and without effect: `durability` decides when there is a sync.",
                 Type::number, 1, INT64_MAX, {}, "9223372036854775807", Of::plain, true},
    TopicSetting{"flush.ms",
                 "Taken and without effect: `durability` decides when there is a sync.",
                 Type::number, 0, INT64_MAX, {}, "9223372036854775807", Of::plain, true},
    TopicSetting{"index.interval.bytes",
                 "Taken and without effect: marks lie at distances of Baton's own.",
                 Type::number, 0, INT32_MAX, {}, "4096", Of::plain, true},
    TopicSetting{"max.compaction.lag.ms",
                 "Taken and without effect: topics are not compacted.",
                 Type::number, 1, INT64_MAX, {}, "9223372036854775807", Of::plain, true},
    TopicSetting{"max.message.bytes",
                 "The most bytes that one batch of records may have, as it is stored.",
                 Type::number, 61, 512 << 20, {}, "1048588", Of::plain},
    TopicSetting{"message.timestamp.after.max.ms",
                 "How far a record's timestamp may be ahead of the time of its append.",
                 Type::number, 0, INT64_MAX, {}, "3600000", Of::plain},
    TopicSetting{"message.timestamp.before.max.ms",
                 "How far a record's timestamp may be behind the time of its append.",
                 Type::number, 0, INT64_MAX, {}, "9223372036854775807", Of::plain},
    TopicSetting{"message.timestamp.type",
                 "Whose time a record has: its producer's, or that of its append.",
                 Type::choice, 0, 0, "CreateTime|LogAppendTime", "CreateTime", Of::plain},
    TopicSetting{"min.cleanable.dirty.ratio",
                 "Taken and without effect: topics are not compacted.",
                 Type::decimal, 0, 1, {}, "0.5", Of::plain, true},
    TopicSetting{"min.compaction.lag.ms",
                 "Taken and without effect: topics are not compacted.",
                 Type::number, 0, INT64_MAX, {}, "0", Of::plain, true},
    TopicSetting{"min.insync.replicas",
                 "Taken and without effect: there is one replica.",
                 Type::number, 1, INT32_MAX, {}, "1", Of::both, true},
    TopicSetting{"preallocate",
                 "Taken and without effect: segments have their space allocated always.",
                 Type::flag, 0, 0, {}, "false", Of::plain, true},
    TopicSetting{"retention.bytes",
                 "Segments leave at the front while a partition has more bytes than this; -1: never.",
                 Type::number, -1, INT64_MAX, {}, "-1"},
    TopicSetting{"retention.ms",
                 "Segments whose records have all arrived longer ago than this leave; -1: never.",
                 Type::number, -1, INT64_MAX, {}, "-1"},
    TopicSetting{"segment.bytes",
                 "Size of a segment, the files that hold a partition.",
                 Type::number, 4096, std::int64_t{2} << 30, {}, "67108864"},
    TopicSetting{"segment.index.bytes",
                 "Taken and without effect: marks are as large as their segment needs.",
                 Type::number, 4, INT32_MAX, {}, "10485760", Of::plain, true},
    TopicSetting{"segment.jitter.ms",
                 "Taken and without effect: segments of many partitions may end together.",
                 Type::number, 0, INT64_MAX, {}, "0", Of::plain, true},
    TopicSetting{"segment.ms",
                 "A segment of a topic with retention.ms ends, so that it can leave, when its first record came longer ago than this, or than retention.ms if that is less.",
                 Type::number, 1, INT64_MAX, {}, "604800000", Of::plain},
    TopicSetting{"unclean.leader.election.enable",
                 "Taken and without effect: there is one replica.",
                 Type::flag, 0, 0, {}, "false", Of::plain, true},
};

std::optional<std::int64_t> parse_number(std::string_view text) {
  std::int64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return n;
}

bool one_of(std::string_view value, std::string_view choices) {
  while (!choices.empty()) {
    const auto bar = choices.find('|');
    if (choices.substr(0, bar) == value) return true;
    if (bar == std::string_view::npos) return false;
    choices.remove_prefix(bar + 1);
  }
  return false;
}

bool all_of(std::string_view list, std::string_view choices) {
  for (;;) {
    const auto comma = list.find(',');
    if (!one_of(list.substr(0, comma), choices)) return false;
    if (comma == std::string_view::npos) return true;
    list.remove_prefix(comma + 1);
  }
}

bool is_decimal(std::string_view text, std::int64_t min, std::int64_t max) {
  double n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  return error == std::errc() && end == text.data() + text.size() && n >= static_cast<double>(min) && n <= static_cast<double>(max);
}

Error unknown_key(const std::string& key) {
  const auto nearest =
      std::ranges::min_element(kKnown, {}, [&](const TopicSetting& known) { return base::edit_distance(key, known.key); });
  return {Code::invalid_argument, "there is no topic setting '" + key + "'; the nearest is '" + std::string(nearest->key) + "'"};
}

std::optional<std::int64_t> number_of(const Settings& settings, const std::string& key) {
  const auto found = settings.find(key);
  return found == settings.end() ? std::nullopt : parse_number(found->second);
}

}  // namespace

std::span<const TopicSetting> topic_settings() { return kKnown; }

const TopicSetting* find_topic_setting(std::string_view key) {
  const auto found = std::ranges::find(kKnown, key, &TopicSetting::key);
  return found == kKnown.end() ? nullptr : &*found;
}

std::string_view durability_name(Durability durability) {
  switch (durability) {
    case Durability::fsync: return "fsync";
    case Durability::interval: return "interval";
    case Durability::memory: return "memory";
  }
  return "unknown";
}

Status check_settings(TopicKind kind, const Settings& settings) {
  for (const auto& [key, value] : settings) {
    const TopicSetting* known = find_topic_setting(key);
    if (known == nullptr) return unknown_key(key);
    const Of other = kind == TopicKind::event ? Of::plain : Of::event;
    if (known->of == other && !known->inert) {
      return Error{Code::invalid_argument, "topic setting '" + key + (kind == TopicKind::event ? "' is for plain topics" : "' is for event topics")};
    }
    const auto bad = [&](const std::string& allowed) {
      return Error{Code::invalid_argument, "topic setting '" + key + "' cannot be '" + value + "': it is " + allowed};
    };
    switch (known->type) {
      case Type::number: {
        const auto n = parse_number(value);
        if (!n || *n < known->min || *n > known->max) {
          return bad("a number from " + std::to_string(known->min) + " to " + std::to_string(known->max));
        }
        break;
      }
      case Type::decimal:
        if (!is_decimal(value, known->min, known->max)) {
          return bad("a number from " + std::to_string(known->min) + " to " + std::to_string(known->max));
        }
        break;
      case Type::flag:
        if (value != "true" && value != "false") return bad("true or false");
        break;
      case Type::list:
        if (!all_of(value, known->choices)) return bad("a list, with commas, of " + std::string(known->choices));
        break;
      case Type::choice:
        if (!one_of(value, known->choices)) return bad("one of " + std::string(known->choices));
        break;
      case Type::text: break;
    }
  }
  const auto durability = settings.find("durability");
  if (kind == TopicKind::event && durability != settings.end() && durability->second == "memory") {
    return Error{Code::invalid_argument, "an event topic is 'fsync' or 'interval': 'memory' is for plain topics"};
  }
  return {};
}

TopicConfig topic_config(TopicKind kind, const Settings& settings, const LogOptions& options) {
  TopicConfig config{.kind = kind, .durability = options.durability};
  if (const auto found = settings.find("durability"); found != settings.end()) {
    config.durability = found->second == "memory"     ? Durability::memory
                        : found->second == "interval" ? Durability::interval
                                                      : Durability::fsync;
  }
  const auto segment_bytes = number_of(settings, "segment.bytes");
  config.segment_bytes = segment_bytes ? static_cast<std::uint64_t>(*segment_bytes) : options.segment_bytes;
  const auto batch_bytes = number_of(settings, "max.message.bytes");
  config.produced_bytes_max = batch_bytes ? static_cast<std::size_t>(*batch_bytes) : (1u << 20) + 12;  // Kafka's default
  // Events grow by what is added to them.
  config.batch_bytes_max = kind == TopicKind::event ? kProducedBatchBytesMax : config.produced_bytes_max;
  // A context loses nothing unless somebody has said that it may, whatever else is set (versions before took it without).
  const auto deletable = settings.find("baton.history.deletable");
  const bool may_go = kind == TopicKind::plain || (deletable != settings.end() && deletable->second == "true");
  if (const auto ms = number_of(settings, "retention.ms"); may_go && ms && *ms >= 0) config.retention_ms = *ms;
  if (const auto bytes = number_of(settings, "retention.bytes"); may_go && bytes && *bytes >= 0) {
    config.retention_bytes = static_cast<std::uint64_t>(*bytes);
  }
  if (const auto ms = number_of(settings, "segment.ms")) config.segment_ms = *ms;
  const auto type = settings.find("message.timestamp.type");
  config.append_time = kind == TopicKind::event || (type != settings.end() && type->second == "LogAppendTime");
  if (const auto ms = number_of(settings, "message.timestamp.before.max.ms")) config.timestamp_before_ms_max = *ms;
  if (const auto ms = number_of(settings, "message.timestamp.after.max.ms")) config.timestamp_after_ms_max = *ms;
  return config;
}

Status check_topic(const std::string& name, TopicKind kind, std::int32_t partitions) {
  const auto inside = [&](char c) {
    const bool lower = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    return lower || (kind == TopicKind::plain && ((c >= 'A' && c <= 'Z') || c == '.'));
  };
  const std::size_t longest = kind == TopicKind::event ? 63 : 249;
  const bool first_fits = !name.empty() && (kind == TopicKind::plain || (name[0] >= 'a' && name[0] <= 'z'));
  if (!first_fits || name.size() > longest || !std::ranges::all_of(name, inside) || name == "." || name == "..") {
    return Error{Code::invalid_argument,
                 kind == TopicKind::event
                     ? "'" + name + "' cannot name a context: it is [a-z][a-z0-9_-]{0,62}"
                     : "'" + name + "' cannot name a topic: it is 1 to 249 of letters, digits, '.', '_' and '-', not '.' or '..'"};
  }
  if (partitions < 1 || partitions > 100'000) {
    return Error{Code::invalid_argument, "a topic has 1 to 100000 partitions, not " + std::to_string(partitions)};
  }
  return {};
}

}  // namespace baton::log
