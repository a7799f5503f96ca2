#include "broker/broker.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/hex.h"
#include "base/try.h"

namespace baton::broker {
namespace {

constexpr const char* kKind = "baton.kind";

// Of an error of the log or the store that no rule of the broker foresees.
TopicReply storage_error(const Error& error) {
  switch (error.code) {
    case Code::already_exists: return {TopicError::topic_already_exists, error.detail, {}};
    case Code::not_found: return {TopicError::unknown_topic_or_partition, error.detail, {}};
    case Code::invalid_argument: return {TopicError::invalid_config, error.detail, {}};
    default: return {TopicError::kafka_storage_error, error.detail, {}};
  }
}

TopicReply too_many_partitions(const BrokerOptions& options) {
  return {TopicError::policy_violation, "all topics together may have " + std::to_string(options.partitions_max) + " partitions (topics.partitions_max)", {}};
}

ProduceError produce_error(const Error& error) {
  switch (error.code) {
    case Code::out_of_order: return ProduceError::out_of_order_sequence_number;
    case Code::fenced: return ProduceError::invalid_producer_epoch;
    case Code::not_found: return ProduceError::unknown_topic_or_partition;
    case Code::too_large: return ProduceError::message_too_large;
    case Code::invalid_argument: return ProduceError::invalid_record;
    case Code::corrupt: return ProduceError::corrupt_message;
    case Code::resource_exhausted: return ProduceError::throttling_quota_exceeded;
    default: return ProduceError::kafka_storage_error;
  }
}

// What a rule of the context refuses is the record's fault; the message says which rule, expected and found.
ProduceError event_error(const Error& error, bool of_one_event) {
  switch (error.code) {
    case Code::wrong_version:
    case Code::duplicate_mismatch: return ProduceError::invalid_record;
    // An event that is too large is so however it is sent; of a batch, a client may send less.
    case Code::too_large: return of_one_event ? ProduceError::invalid_record : ProduceError::message_too_large;
    default: return produce_error(error);
  }
}

struct Split {
  log::TopicKind kind = log::TopicKind::plain;
  log::Settings settings;
};

// Nothing: `baton.kind` is none of the two.
std::optional<Split> split_kind(const log::Settings& settings) {
  Split out{.settings = settings};
  const auto found = out.settings.find(kKind);
  if (found == out.settings.end()) return out;
  if (found->second != "plain" && found->second != "event") return std::nullopt;
  if (found->second == "event") out.kind = log::TopicKind::event;
  out.settings.erase(found);
  return out;
}

// A context loses events only where somebody has said in so many words that it may.
Status check_history(log::TopicKind kind, const log::Settings& settings) {
  const auto is = [&](const char* key, std::string_view value) {
    const auto found = settings.find(key);
    return found != settings.end() && found->second == value;
  };
  const auto limits = [&](const char* key) { return settings.contains(key) && !is(key, "-1"); };
  if (kind != log::TopicKind::event || is("baton.history.deletable", "true")) return {};
  if (!limits("retention.ms") && !limits("retention.bytes")) return {};
  return Error{Code::invalid_argument, "a context keeps its history: retention needs 'baton.history.deletable' to be true"};
}

}  // namespace

std::string_view error_name(TopicError error) noexcept {
  switch (error) {
    case TopicError::none: return "NONE";
    case TopicError::topic_already_exists: return "TOPIC_ALREADY_EXISTS";
    case TopicError::invalid_topic_exception: return "INVALID_TOPIC_EXCEPTION";
    case TopicError::invalid_partitions: return "INVALID_PARTITIONS";
    case TopicError::invalid_replication_factor: return "INVALID_REPLICATION_FACTOR";
    case TopicError::invalid_config: return "INVALID_CONFIG";
    case TopicError::invalid_request: return "INVALID_REQUEST";
    case TopicError::policy_violation: return "POLICY_VIOLATION";
    case TopicError::unknown_topic_or_partition: return "UNKNOWN_TOPIC_OR_PARTITION";
    case TopicError::unknown_topic_id: return "UNKNOWN_TOPIC_ID";
    case TopicError::offset_out_of_range: return "OFFSET_OUT_OF_RANGE";
    case TopicError::kafka_storage_error: return "KAFKA_STORAGE_ERROR";
  }
  return "UNKNOWN_SERVER_ERROR";
}

Broker::Broker(store::StoreCore& core, const BrokerOptions& options) : core_(core), options_(options), rights_(options.rights) {}

Result<std::unique_ptr<Broker>> Broker::make(store::StoreCore& core, const BrokerOptions& options) {
  std::unique_ptr<Broker> broker(new Broker(core, options));
  BATON_TRY(core.run([&] { return broker->start(); }));
  return broker;
}

Status Broker::start() {
  store_id_ = base::to_hex(std::as_bytes(std::span(core_.log().catalogue().store_id)));
  epoch_ = core_.log().epoch().value();
  quotas_.set(core_.log().catalogue().quotas);
  rights_.set(core_.log().catalogue().acls);
  group_topic_ = std::make_unique<GroupTopic>(core_);
  groups_ = std::make_unique<Groups>(core_.env(), core_.executor(), *group_topic_, options_.groups);
  BATON_TRY(group_topic_->open([this](base::ByteView record) { return groups_->load(record); }));
  groups_->start();
  groups_->review_offsets([this](const TopicPartition& partition, const log::TopicId& id, log::Offset offset) {
    return review_offset(partition, id, offset);
  });
  core_.set_round_listener([this](const std::vector<log::PartitionKey>& moved) { waiters_.moved(moved); });
  core_.set_context_check([this](std::int32_t partitions) {
    const TopicReply room = check_room(partitions);
    return room.error == TopicError::none ? Status() : Status(Error{Code::resource_exhausted, room.message});
  });
  if (options_.retention_check_ms > 0) retention_ = std::make_unique<Retention>(core_, options_.retention_check_ms);
  return {};
}

// Whatever the store is doing: its executor may still run timers of the groups.
Broker::~Broker() {
  core_.run_beside([this] {
    core_.set_round_listener(nullptr);
    core_.set_context_check(nullptr);
    retention_ = nullptr;
    groups_ = nullptr;
    group_topic_ = nullptr;
  });
}

// Design, write path, 5: a committed offset past the recovered end is lowered to it. Offsets of a topic that is gone, or is another one now, go.
std::optional<log::Offset> Broker::review_offset(const TopicPartition& partition, const log::TopicId& id, log::Offset offset) const {
  const auto topic = core_.view()->find_topic(partition.topic);
  const auto number = static_cast<std::size_t>(partition.partition.value());
  if (topic == nullptr || number >= topic->partitions.size()) return std::nullopt;
  if (id != log::TopicId{} && id != topic->id) return std::nullopt;
  const log::Offset end(topic->partitions[number]->bounds().visible.value());
  return offset > end ? end : offset;
}

void Broker::with_groups(std::move_only_function<void(Groups&)> use) {
  core_.executor().post([this, use = std::move(use)]() mutable {
    if (groups_ != nullptr) use(*groups_);
  });
}

GroupStats Broker::group_stats() {
  GroupStats out;
  core_.run_beside([&] {
    if (groups_ != nullptr) out = groups_->stats();
  });
  return out;
}

void Broker::stop_groups() {
  with_groups([](Groups& groups) { groups.stop(); });
}

TopicReply Broker::check_new(const NewTopic& topic) const {
  const auto split = split_kind(topic.settings);
  if (!split) return {TopicError::invalid_config, "'baton.kind' is plain or event, not '" + topic.settings.at(kKind) + "'", {}};
  const std::int32_t partitions = topic.partitions == -1 ? options_.default_partitions : topic.partitions;
  if (partitions < 1) return {TopicError::invalid_partitions, "a topic has at least one partition, not " + std::to_string(partitions), {}};
  if (const Status named = log::check_topic(topic.name, split->kind, 1); !named) {
    return {TopicError::invalid_topic_exception, named.error().detail, {}};
  }
  if (is_internal(topic.name)) return {TopicError::invalid_topic_exception, "names that begin with '__baton' are Baton's own", {}};
  const auto view = core_.view();
  if (view != nullptr && view->find_topic(topic.name) != nullptr) {
    return {TopicError::topic_already_exists, "Topic '" + topic.name + "' already exists.", {}};
  }
  if (const Status set = log::check_settings(split->kind, split->settings); !set) return {TopicError::invalid_config, set.error().detail, {}};
  if (const Status kept = check_history(split->kind, split->settings); !kept) return {TopicError::invalid_config, kept.error().detail, {}};
  return check_room(partitions);
}

TopicReply Broker::check_room(std::int32_t partitions) const {
  const auto view = core_.view();
  if (view != nullptr && view->topics().size() >= options_.topics_max) {
    return {TopicError::policy_violation, "there are " + std::to_string(options_.topics_max) + " topics already, which is the limit (topics.topics_max)", {}};
  }
  if (partitions_in_all() + static_cast<std::size_t>(partitions) > options_.partitions_max) return too_many_partitions(options_);
  return {};
}

std::size_t Broker::partitions_in_all() const {
  const auto view = core_.view();
  std::size_t in_all = 0;
  if (view == nullptr) return in_all;
  for (const auto& topic : view->topics()) in_all += topic->partitions.size();
  return in_all;
}

TopicReply Broker::make(const NewTopic& topic) {
  if (TopicReply bad = check_new(topic); bad.error != TopicError::none) return bad;  // since another may have come first
  const auto split = split_kind(topic.settings);
  const std::int32_t partitions = topic.partitions == -1 ? options_.default_partitions : topic.partitions;
  if (split->kind == log::TopicKind::event) {
    ContextOptions options = store::to_options({.name = topic.name, .kind = split->kind, .partitions = partitions, .settings = split->settings});
    if (const Status made = core_.create_context(topic.name, options); !made) return storage_error(made.error());
    const log::TopicId made = core_.view()->find_topic(topic.name)->id;
    // Those that are no options of a context, too.
    if (!split->settings.empty()) {
      if (const Status set = core_.configure_topic(made, split->settings); !set) return storage_error(set.error());
    }
    return {TopicError::none, {}, made};
  }
  log::Settings settings = split->settings;
  if (options_.retention_ms >= 0) settings.try_emplace("retention.ms", std::to_string(options_.retention_ms));
  const auto id = core_.create_topic(topic.name, partitions, settings);
  if (!id) return storage_error(id.error());
  return {TopicError::none, {}, *id};
}

// A completion never runs within the call that asks for it: whoever goes on from one request to the next would go ever deeper.
template <typename Reply>
void Broker::tell(Reply reply, std::function<void(Reply)> done) {
  core_.executor().post([reply = std::move(reply), done = std::move(done)]() mutable { done(std::move(reply)); });
}

void Broker::create_topic(NewTopic topic, bool validate_only, TopicDone done) {
  if (TopicReply bad = check_new(topic); bad.error != TopicError::none || validate_only) return tell<TopicReply>(std::move(bad), std::move(done));
  const auto reply = std::make_shared<TopicReply>();
  core_.run_async(
      [this, topic = std::move(topic), reply]() -> Status {
        *reply = make(topic);
        return {};
      },
      [reply, done = std::move(done)](Status status) { done(status ? std::move(*reply) : storage_error(status.error())); });
}

TopicReply Broker::check_partitions(const log::TopicId& id, std::int32_t partitions) const {
  const auto topic = core_.view() == nullptr ? nullptr : core_.view()->find_topic(id);
  if (topic == nullptr || is_internal(topic->name)) return {TopicError::unknown_topic_or_partition, {}, id};
  const auto now = static_cast<std::int32_t>(topic->partitions.size());
  if (partitions == now) return {TopicError::invalid_partitions, "Topic already has " + std::to_string(now) + " partition(s).", id};
  if (partitions < now) {
    return {TopicError::invalid_partitions,
            "The topic " + topic->name + " currently has " + std::to_string(now) + " partition(s); " + std::to_string(partitions) +
                " would not be an increase.",
            id};
  }
  if (topic->kind == log::TopicKind::event) {
    return {TopicError::policy_violation,
            "topic " + topic->name + " is a context, whose streams are spread over the partitions that it was made with: make a new one and copy", id};
  }
  if (partitions_in_all() + static_cast<std::size_t>(partitions - now) > options_.partitions_max) return too_many_partitions(options_);
  return {.id = id};
}

void Broker::add_partitions(const log::TopicId& id, std::int32_t partitions, bool validate_only, TopicDone done) {
  if (TopicReply bad = check_partitions(id, partitions); bad.error != TopicError::none || validate_only) {
    return tell<TopicReply>(std::move(bad), std::move(done));
  }
  const auto reply = std::make_shared<TopicReply>();
  core_.run_async(
      [this, id, partitions, reply]() -> Status {
        *reply = check_partitions(id, partitions);  // since another may have come first
        return reply->error == TopicError::none ? core_.add_partitions(id, partitions) : Status();
      },
      [reply, done = std::move(done)](Status status) { done(status ? std::move(*reply) : storage_error(status.error())); });
}

void Broker::delete_topic(const log::TopicId& id, TopicDone done) {
  const auto topic = core_.view() == nullptr ? nullptr : core_.view()->find_topic(id);
  if (topic == nullptr || is_internal(topic->name)) {
    return tell<TopicReply>({TopicError::unknown_topic_or_partition, {}, id}, std::move(done));
  }
  if (topic->kind == log::TopicKind::event) {
    return tell<TopicReply>({TopicError::policy_violation, "topic " + topic->name + " is a context, whose history is kept", id}, std::move(done));
  }
  core_.run_async([this, id] { return core_.remove_topic(id); },
                  [this, id, name = topic->name, done = std::move(done)](Status status) mutable {
                    if (!status) return done(storage_error(status.error()));
                    // The name may be given again: no group goes on in another topic where it was in this one.
                    groups_->topic_removed(name, [id, done = std::move(done)](const broker::DeleteReply&) { done({.id = id}); });
                  });
}

std::string Broker::default_of(const log::TopicSetting& setting, bool of_new) const {
  if (setting.key == "segment.bytes") return std::to_string(core_.options().segment_bytes);
  if (setting.key == "durability") return core_.options().durability == Durability::interval ? "interval" : "fsync";
  if (setting.key == "retention.ms" && of_new) return std::to_string(options_.retention_ms);
  return std::string(setting.default_value);
}

void Broker::configure_topic(const log::TopicId& id, log::Settings changed, std::vector<std::string> removed, bool validate_only,
                             TopicDone done) {
  const auto topic = core_.view() == nullptr ? nullptr : core_.view()->find_topic(id);
  if (topic == nullptr || is_internal(topic->name)) {
    return tell<TopicReply>({TopicError::unknown_topic_or_partition, {}, id}, std::move(done));
  }
  for (const std::string& key : removed) {
    const auto* setting = log::find_topic_setting(key);
    if (setting == nullptr) continue;  // nothing to go back from
    changed[key] = default_of(*setting, topic->kind == log::TopicKind::plain);
  }
  if (changed.contains(kKind)) {
    return tell<TopicReply>({TopicError::invalid_config, "'baton.kind' is fixed when a topic is made", id}, std::move(done));
  }
  for (const char* fixed : {"baton.partitioner"}) {
    if (changed.contains(fixed)) {
      return tell<TopicReply>({TopicError::invalid_config, std::string("'") + fixed + "' is fixed when a topic is made", id}, std::move(done));
    }
  }
  if (const Status set = log::check_settings(topic->kind, changed); !set) {
    return tell<TopicReply>({TopicError::invalid_config, set.error().detail, id}, std::move(done));
  }
  log::Settings after = changed;
  after.insert(topic->settings.begin(), topic->settings.end());
  if (const Status kept = check_history(topic->kind, after); !kept) {
    return tell<TopicReply>({TopicError::invalid_config, kept.error().detail, id}, std::move(done));
  }
  if (validate_only) return tell<TopicReply>({.id = id}, std::move(done));
  core_.run_async([this, id, changed = std::move(changed)] { return core_.configure_topic(id, changed); },
                  [id, done = std::move(done)](Status status) { done(status ? TopicReply{.id = id} : storage_error(status.error())); });
}

void Broker::delete_records(const log::PartitionKey& partition, log::Offset before, std::function<void(DeleteReply)> done) {
  const auto topic = core_.view() == nullptr ? nullptr : core_.view()->find_topic(partition.topic);
  if (topic == nullptr || is_internal(topic->name)) {
    return tell<DeleteReply>({TopicError::unknown_topic_or_partition, {}, {}}, std::move(done));
  }
  if (topic->kind == log::TopicKind::event) {
    return tell<DeleteReply>({TopicError::policy_violation, "topic " + topic->name + " is a context, whose history is kept", {}}, std::move(done));
  }
  const auto& reader = topic->partitions[static_cast<std::size_t>(partition.partition.value())];
  const log::Bounds bounds = reader->bounds();
  const log::Offset start = before.value() == -1 ? log::Offset(bounds.visible.value()) : before;
  if (start.value() < 0 || start.value() > bounds.visible.value()) {
    return tell<DeleteReply>({TopicError::offset_out_of_range, {}, {}}, std::move(done));
  }
  core_.run_async(
      [this, partition, start] {
        return core_.log().remove_before(partition, start, [](const log::PartitionKey&, log::Offset) { return log::Offset(0); });
      },
      [reader, done = std::move(done)](Status status) {
        if (status) {
          done({TopicError::none, {}, reader->bounds().log_start});
        } else {
          TopicReply reply = storage_error(status.error());
          done({reply.error, std::move(reply.message), {}});
        }
      });
}

void Broker::describe_producers(const log::PartitionKey& partition, std::function<void(ProducersReply)> done) {
  auto reply = std::make_shared<ProducersReply>();
  core_.run_async(
      [this, partition, reply]() -> Status {
        BATON_TRY_ASSIGN(reply->producers, core_.log().producers(partition));
        return {};
      },
      [reply, done = std::move(done)](const Status& status) {
        if (!status) reply->error = status.error().code == Code::not_found ? TopicError::unknown_topic_or_partition : TopicError::kafka_storage_error;
        done(std::move(*reply));
      });
}

void Broker::alter_quota(const log::QuotaEntity& entity, QuotaChange change, bool validate_only, std::function<void(Status)> done) {
  // On the executor, so that two changes of one entity are made one after the other.
  core_.run_async(
      [this, entity, change = std::move(change), validate_only]() -> Status {
        BATON_TRY(check_quota_entity(entity));
        const auto& all = core_.log().catalogue().quotas;
        const auto found = all.find(entity);
        BATON_TRY_ASSIGN(const log::Settings values, changed_quota(found == all.end() ? log::Settings() : found->second, change));
        if (validate_only) return {};
        BATON_TRY(core_.log().set_quota(entity, values));
        quotas_.set(core_.log().catalogue().quotas);
        return {};
      },
      std::move(done));
}

void Broker::add_acls(log::AclTable acls, std::function<void(Status)> done) {
  core_.run_async(
      [this, acls = std::move(acls)]() -> Status {
        for (const log::Acl& acl : acls) BATON_TRY(check_acl(acl));
        BATON_TRY(core_.log().change_acls({}, acls));
        rights_.set(core_.log().catalogue().acls);
        return {};
      },
      std::move(done));
}

void Broker::remove_acls(std::vector<AclFilter> filters, std::function<void(Result<std::vector<log::AclTable>>)> done) {
  auto removed = std::make_shared<std::vector<log::AclTable>>(filters.size());
  core_.run_async(
      [this, filters = std::move(filters), removed]() -> Status {
        log::AclTable all;
        for (const log::Acl& acl : core_.log().catalogue().acls) {
          for (std::size_t i = 0; i < filters.size(); ++i) {
            if (filters[i].fits(acl)) (*removed)[i].insert(acl), all.insert(acl);
          }
        }
        BATON_TRY(core_.log().change_acls(all, {}));
        rights_.set(core_.log().catalogue().acls);
        return {};
      },
      [removed, done = std::move(done)](const Status& status) {
        if (!status) return done(status.error());
        done(std::move(*removed));
      });
}

void Broker::produce(EventBatch batch, ProduceDone done) {
  auto request = std::make_unique<store::ProducedRequest>();
  request->append = std::move(batch.append);
  request->produced = batch.produced;
  request->done = [done = std::move(done)](store::ProducedReply result) {
    ProduceReply reply;
    if (result.status) {
      reply.base_offset = result.batch.base_offset;
      reply.append_ms = result.batch.append_ms;
      reply.log_start = result.batch.log_start;
      return done(std::move(reply));
    }
    reply.error = event_error(result.status.error(), result.event.has_value());
    reply.message = std::move(result.status).error().detail;
    if (reply.error == ProduceError::invalid_record && result.event) {
      reply.records.push_back({static_cast<std::int32_t>(*result.event), reply.message});
    }
    done(std::move(reply));
  };
  core_.submit(std::move(request));
}

void Broker::produce(std::shared_ptr<const store::TopicView> topic, log::PartitionId partition, base::OwnedBytes batch, ProduceDone done) {
  auto request = std::make_unique<store::BatchRequest>();
  request->partition = {topic->id, partition};
  request->batch = std::move(batch);
  request->append_time = topic->config.append_time;
  request->done = [done = std::move(done)](Result<store::BatchAppended> result) {
    ProduceReply reply;
    if (result) {
      reply.base_offset = result->base_offset;
      reply.append_ms = result->append_ms;
      reply.log_start = result->log_start;
    } else {
      reply.error = produce_error(result.error());
      reply.message = std::move(result).error().detail;
    }
    done(std::move(reply));
  };
  core_.submit(std::move(request));
}

}  // namespace baton::broker
