#include "store/read_view.h"

#include <algorithm>
#include <charconv>

#include "os/file.h"

namespace baton::store {
namespace {

constexpr const char* kPartitioner = "baton.partitioner";
constexpr const char* kDataBytesMax = "baton.data.bytes.max";
constexpr const char* kDefaultType = "baton.default.type";
constexpr const char* kHistoryDeletable = "baton.history.deletable";
constexpr const char* kRetentionMs = "retention.ms";
constexpr const char* kRetentionBytes = "retention.bytes";
constexpr const char* kForEver = "-1";  // as in Kafka

const std::string* setting(const log::Settings& settings, const char* name) {
  const auto found = settings.find(name);
  return found == settings.end() ? nullptr : &found->second;
}

std::optional<std::int64_t> number(const std::string* text) {
  std::int64_t value = 0;
  if (text == nullptr) return std::nullopt;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc{} || end != text->data() + text->size() || value < 0) return std::nullopt;
  return value;
}

}  // namespace

std::shared_ptr<const ContextView> ReadView::find(std::string_view name) const {
  const auto found = std::ranges::lower_bound(contexts, name, {}, [](const auto& c) -> std::string_view { return c->name; });
  return found == contexts.end() || (*found)->name != name ? nullptr : *found;
}

std::shared_ptr<const TopicView> make_topic_view(const log::Log& log, const log::TopicInfo& topic) {
  auto view = std::make_shared<TopicView>();
  view->id = topic.id;
  view->name = topic.name;
  view->kind = topic.kind;
  view->settings = topic.settings;
  view->config = log.config_of(topic);
  for (std::int32_t p = 0; p < topic.partitions; ++p) view->partitions.push_back(log.reader({topic.id, log::PartitionId(p)}));
  return view;
}

std::shared_ptr<const TopicView> ReadView::find_topic(std::string_view name) const {
  const auto found = std::ranges::lower_bound(topics_, name, {}, [](const auto& t) -> std::string_view { return t->name; });
  return found == topics_.end() || (*found)->name != name ? nullptr : *found;
}

std::shared_ptr<const TopicView> ReadView::find_topic(const log::TopicId& id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : topics_[found->second];
}

void ReadView::sort_topics() {
  std::ranges::sort(topics_, {}, [](const auto& topic) -> std::string_view { return topic->name; });
  by_id_.clear();
  for (std::size_t i = 0; i < topics_.size(); ++i) by_id_[topics_[i]->id] = i;
}

log::Settings to_settings(const ContextOptions& options) {
  const auto text = [](const std::optional<std::int64_t>& v) { return v ? std::to_string(*v) : std::string(kForEver); };
  return {{kPartitioner, options.partitioner},
          {kDataBytesMax, std::to_string(options.data_bytes_max)},
          {kDefaultType, options.default_type},
          {kHistoryDeletable, options.history_deletable ? "true" : "false"},
          {kRetentionMs, text(options.retention_ms)},
          {kRetentionBytes, text(options.retention_bytes)}};
}

ContextOptions to_options(const log::TopicInfo& topic) {
  ContextOptions options;
  options.partitions = topic.partitions;
  if (const auto* v = setting(topic.settings, kPartitioner)) options.partitioner = *v;
  if (const auto v = number(setting(topic.settings, kDataBytesMax))) options.data_bytes_max = static_cast<std::uint64_t>(*v);
  if (const auto* v = setting(topic.settings, kDefaultType)) options.default_type = *v;
  if (const auto* v = setting(topic.settings, kHistoryDeletable)) options.history_deletable = *v == "true";
  options.retention_ms = number(setting(topic.settings, kRetentionMs));
  options.retention_bytes = number(setting(topic.settings, kRetentionBytes));
  return options;
}

Error no_such_context(std::string_view name) {
  return {Code::not_found, "no context " + std::string(name) + ": append to it, or create it, first"};
}

std::string partition_directory(const std::string& store_directory, const log::PartitionKey& key) {
  return os::join(os::join(os::join(store_directory, "topics"), key.topic.to_hex()), std::to_string(key.partition.value()));
}

}  // namespace baton::store
