// Topics: made, changed, removed.
#include <algorithm>
#include <array>

#include "base/try.h"
#include "base/uuid.h"
#include "log/log_impl.h"

namespace baton::log {

Result<TopicId> LogImpl::create_topic(const std::string& name, TopicKind kind, std::int32_t partitions, const Settings& settings) {
  BATON_TRY(check_open());
  BATON_TRY(check_topic(name, kind, partitions));
  BATON_TRY(check_settings(kind, settings));
  for (const auto& [id, topic] : catalogue_->state().topics) {
    if (!topic.removed && topic.name == name) return Error{Code::already_exists, "there is a topic named '" + name + "'"};
  }
  TopicInfo topic{.name = name, .kind = kind, .partitions = partitions, .settings = settings};
  env_.random().fill(std::as_writable_bytes(std::span(topic.id.bytes)));
  const auto added = catalogue_->add_topic(topic);
  if (!added && added.error().code == Code::io_error) return fail(added.error()).error();
  BATON_TRY(added);
  BATON_TRY(make_partitions(topic.id, std::make_shared<const TopicConfig>(topic_config(kind, settings, options_)), 0, partitions));
  return topic.id;
}

Status LogImpl::add_partitions(const TopicId& id, std::int32_t partitions) {
  BATON_TRY(check_open());
  const auto found = catalogue_->state().topics.find(id);
  if (found == catalogue_->state().topics.end() || found->second.removed) return Error{Code::not_found, "there is no such topic"};
  const std::string& name = found->second.name;
  if (found->second.kind == TopicKind::event) {
    return Error{Code::invalid_argument, "topic " + name + " is a context: its streams are spread over the partitions that it was made with"};
  }
  BATON_TRY(check_topic(name, TopicKind::plain, partitions));
  const std::int32_t before = found->second.partitions;
  const auto config = std::make_shared<const TopicConfig>(topic_config(TopicKind::plain, found->second.settings, options_));
  const auto added = catalogue_->add_partitions(id, partitions);
  if (!added && added.error().code == Code::io_error) return fail(added.error());
  BATON_TRY(added);
  return make_partitions(id, config, before, partitions);
}

// Partitions [from, to), which the catalogue names already.
Status LogImpl::make_partitions(const TopicId& id, const std::shared_ptr<const TopicConfig>& config, std::int32_t from, std::int32_t to) {
  // The first segment makes its directory when it is missing.
  const std::string directory = path(topic_directory(id));
  bool made = fs_.exists(directory).value_or(false) || fs_.make_directory(directory).ok();
  for (std::int32_t i = from; i < to && made; ++i) made = fs_.make_directory(path(partition_directory({id, PartitionId(i)}))).ok();
  if (made) {
    Status synced = fs_.sync_directory(directory);
    if (synced) synced = fs_.sync_directory(path("topics"));
    // Without a descriptor nothing was synced, and nothing has failed: the first segment has it to do.
    made = synced.ok();
    if (!synced && synced.error().code != Code::resource_exhausted) return fail(synced.error());
  }
  for (std::int32_t i = from; i < to; ++i) {
    PartitionTail& tail = add_tail({id, PartitionId(i)}, config);
    tail.directory_made = made;
    set_epoch_table(tail);
    BATON_TRY_ASSIGN(tail.live_slot, live_->add({.key = tail.key, .epoch = epoch_}));
    publish(tail);
  }
  live_->set_catalogue_bytes(catalogue_->bytes());
  return {};
}

Status LogImpl::set_topic(const TopicId& id, const Settings& changed) {
  BATON_TRY(check_open());
  const auto found = catalogue_->state().topics.find(id);
  if (found == catalogue_->state().topics.end() || found->second.removed) return Error{Code::not_found, "there is no such topic"};
  BATON_TRY(check_settings(found->second.kind, changed));
  Settings merged = found->second.settings;
  for (const auto& [key, value] : changed) merged[key] = value;
  const auto before = topic_config(found->second.kind, found->second.settings, options_);
  const auto after = std::make_shared<const TopicConfig>(topic_config(found->second.kind, merged, options_));
  if ((before.durability == Durability::memory) != (after->durability == Durability::memory)) {
    return Error{Code::invalid_argument, "the durability 'memory' is chosen when a topic is made, or never"};
  }
  const auto set = catalogue_->set_topic(id, changed);
  if (!set && set.error().code == Code::io_error) return fail(set.error());
  BATON_TRY(set);
  live_->set_catalogue_bytes(catalogue_->bytes());
  for (const auto& [key, tail] : tails_) {
    if (key.topic == id) tail->config = after;
  }
  return {};
}

Status LogImpl::set_quota(const QuotaEntity& entity, const Settings& values) {
  constexpr std::size_t kQuotasMax = 10'000;
  BATON_TRY(check_open());
  const auto& known = catalogue_->state().quotas;
  if (values.empty() && !known.contains(entity)) return {};
  if (!known.contains(entity) && known.size() >= kQuotasMax) {
    return Error{Code::too_large, "there are " + std::to_string(known.size()) + " users and client ids with a quota: no more are kept"};
  }
  const auto set = catalogue_->set_quota(entity, values);
  if (!set && set.error().code == Code::io_error) return fail(set.error());
  BATON_TRY(set);
  live_->set_catalogue_bytes(catalogue_->bytes());
  return {};
}

Status LogImpl::change_acls(const AclTable& removed, const AclTable& added) {
  constexpr std::size_t kAclsMax = 10'000;
  BATON_TRY(check_open());
  AclTable after = catalogue_->state().acls;
  for (const Acl& acl : removed) after.erase(acl);
  after.insert(added.begin(), added.end());
  if (after == catalogue_->state().acls) return {};
  if (after.size() > kAclsMax && after.size() > catalogue_->state().acls.size()) {
    return Error{Code::too_large, "there would be " + std::to_string(after.size()) + " access control entries, and at most " +
                                      std::to_string(kAclsMax) + " are kept"};
  }
  const auto changed = catalogue_->change_acls(removed, added);
  if (!changed && changed.error().code == Code::io_error) return fail(changed.error());
  BATON_TRY(changed);
  live_->set_catalogue_bytes(catalogue_->bytes());
  return {};
}

Status LogImpl::remove_topic(const TopicId& id) {
  BATON_TRY(check_open());
  const auto removed = catalogue_->remove_topic(id);
  if (!removed && removed.error().code == Code::io_error) return fail(removed.error());
  BATON_TRY(removed);
  live_->set_catalogue_bytes(catalogue_->bytes());
  const auto is_of_topic = [&](const PartitionTail* tail) { return tail->key.topic == id; };
  std::erase_if(dirty_, is_of_topic);
  std::erase_if(undurable_, is_of_topic);
  {
    const std::lock_guard guard(readers_mutex_);
    std::erase_if(readers_, [&](const auto& entry) { return entry.first.topic == id; });
  }
  // With them their segments' descriptors go, which would keep the space of files that have no name any more.
  for (auto at = tails_.lower_bound({id, PartitionId(0)}); at != tails_.end() && at->first.topic == id; at = tails_.erase(at)) {
    at->second->removed = true;
    for (auto& segment : at->second->open) segment.segment->release();
    if (in_flight_ != nullptr) removed_.push_back(std::move(at->second));
  }
  by_topic_.erase(id);
  to_remove_.push_back(path(topic_directory(id)));
  remove_files();
  return {};
}

std::shared_ptr<const PartitionReader> LogImpl::reader(const PartitionKey& key) const {
  const std::lock_guard guard(readers_mutex_);
  const auto found = readers_.find(key);
  return found == readers_.end() ? nullptr : found->second;
}

std::vector<PartitionStats> LogImpl::stats() const {
  std::vector<PartitionStats> out;
  for (const auto& [key, tail] : tails_) {
    const auto segments = tail->partition->segments();
    out.push_back({key, segments->size(), tail->partition->bytes(), tail->partition->bounds()});
  }
  return out;
}

Status LogImpl::confirm_clock() {
  BATON_TRY(check_open());
  const auto noted = catalogue_->add_note("the clock of this machine was confirmed to be right");
  if (!noted && noted.error().code == Code::io_error) return fail(noted.error());
  BATON_TRY(noted);
  live_->set_catalogue_bytes(catalogue_->bytes());
  clock_->confirm();
  extents_stale_ = true;  // so that a close writes the new time down
  return {};
}

}  // namespace baton::log
