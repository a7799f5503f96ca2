// Opening: the log, its contexts, their indexes; and bringing an index up to date again when damage was found later.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/try.h"
#include "os/file.h"
#include "store/limits.h"
#include "store/store_core.h"

namespace baton::store {
namespace {

log::LogOptions log_options(const Options& options) {
  log::LogOptions out;
  out.segment_bytes = options.segment_bytes;
  out.journal_bytes = options.journal_bytes;
  out.durability = options.durability == Durability::fsync ? log::Durability::fsync : log::Durability::interval;
  out.interval_ms = options.interval_ms;
  out.warn = options.on_warning;
  return out;
}

Status check_plain(const log::Log& log, const log::TopicId& id) {
  const auto found = log.catalogue().topics.find(id);
  if (found == log.catalogue().topics.end() || found->second.removed) return Error{Code::not_found, "there is no such topic"};
  if (found->second.kind == log::TopicKind::plain) return {};
  return Error{Code::invalid_argument, "topic " + found->second.name + " is a context"};
}

}  // namespace

Result<std::unique_ptr<StoreCore>> StoreCore::open(os::Env& env, const std::string& directory, const Options& options,
                                                   const Pipelining& pipelining) {
  BATON_TRY_ASSIGN(const bool there, env.fs().exists(directory));
  if (!there) {
    if (!options.create) return Error{Code::not_found, "no store at " + directory + ": open it with Options::create to make one"};
    BATON_TRY(os::make_directories(env.fs(), directory));
  }
  std::unique_ptr<StoreCore> core(new StoreCore(env, directory, options, pipelining));
  const auto waiter = env.make_waiter();
  Status outcome;
  core->owner_->post([&] {
    core->start_open([&](Status status) {
      outcome = std::move(status);
      waiter->wake();
    });
  });
  waiter->wait();
  if (!outcome) return std::move(outcome).error();
  return core;
}

StoreCore::StoreCore(os::Env& env, std::string directory, Options options, const Pipelining& pipelining)
    : env_(env),
      directory_(std::move(directory)),
      options_(std::move(options)),
      pipelining_(pipelining),
      worker_(env.make_executor("baton-worker")),
      checkpointer_(env.make_executor("baton-checkpt")),
      flusher_(env.make_executor("baton-flusher")),
      syncer_(env.make_executor("baton-syncer")),
      index_group_(std::make_shared<IndexGroup>(env_, os::join(directory_, "topics"), *worker_, *syncer_, pipelining_.indexes_together)),
      owner_(env.make_executor("baton-store")) {}

void StoreCore::start_open(std::function<void(Status)> done) {
  open_done_ = std::move(done);
  if (Status opened = open_log(); !opened) {
    std::exchange(open_done_, nullptr)(std::move(opened));
    return;
  }
  step_recovery();
}

Status StoreCore::open_log() {
  log::LogOptions options = log_options(options_);
  options.on_failure = [this](const Error& error) {
    end_with(error);
    owner_->post([this, error] { fail(error); });
  };
  BATON_TRY_ASSIGN(log_, log::Log::open(env_, directory_, options, *owner_, *checkpointer_));
  appender_ = std::make_unique<Appender>(env_, *log_);
  recovery_ = std::make_unique<IndexRecovery>();
  for (const auto& [id, topic] : log_->catalogue().topics) {
    if (topic.removed || topic.kind != log::TopicKind::event) continue;
    BATON_TRY(add_context(topic));
  }
  publish_view();
  return {};
}

// The budget of memory is the store's: the partitions of all contexts share it. What a share comes to with a thousand partitions is too little to make a file
// of, so that they may take sixteen times what the budget is by default, about 150 MiB for the tables that are being filled; more than four thousand take what the least tables take.
std::size_t StoreCore::table_entries_per_partition() const {
  constexpr std::size_t kTogether = 4u << 20;
  constexpr std::size_t kEntriesMin = 1024;
  constexpr std::size_t kEntriesEnough = 4096;
  std::size_t partitions = 0;
  for (const auto& [id, topic] : log_->catalogue().topics) {
    if (!topic.removed && topic.kind == log::TopicKind::event) partitions += static_cast<std::size_t>(topic.partitions);
  }
  partitions = std::max<std::size_t>(partitions, 1);
  const std::size_t least = std::clamp(kTogether / partitions, kEntriesMin, kEntriesEnough);
  // What one index takes bounds it in any case.
  return std::clamp(std::max(options_.index_table_entries / partitions, std::min(least, options_.index_table_entries)), std::size_t{2}, kTableEntriesMax);
}

Result<std::shared_ptr<PartitionView>> StoreCore::open_partition(const log::PartitionKey& key) {
  auto reader = log_->reader(key);
  BATON_CHECK(reader != nullptr, "the catalogue names a partition that the log does not have");
  const std::string directory = partition_directory(directory_, key);
  IndexOptions index_options{.table_entries = table_entries_per_partition(),
                             .group = index_group_,
                             .warn = options_.on_warning,
                             .on_room = [this] { on_index_room(); },
                             .on_failure = [this, key](const Error& error) { on_index_failure(key, error); }};
  BATON_TRY_ASSIGN(auto index, Index::open(env_, os::join(directory, "index"), index_options, owner_.get(), worker_.get()));
  auto view = std::make_shared<PartitionView>(key, directory, std::move(reader), std::move(index));
  view->index().drop_below(view->reader().bounds().log_start);
  const auto& snapshots = log_->catalogue().heads_snapshot;
  if (const auto found = snapshots.find(key); found != snapshots.end() && found->second.value() > 0) {
    const std::string path = os::join(directory, heads_file_name(found->second));
    auto heads = HeadsReader::open(env_, path, key);
    if (!heads && heads.error().code == Code::not_found) {
      return Error{Code::corrupt, path + ", position 0: the file is missing; stream heads cannot be rebuilt: restore this file from a backup"};
    }
    if (!heads) return std::move(heads).error();
    view->set_heads(*std::move(heads));
  }
  return view;
}

Status StoreCore::add_context(const log::TopicInfo& topic) {
  auto view = std::make_shared<ContextView>();
  view->name = topic.name;
  view->id = topic.id;
  view->options = to_options(topic);
  const auto partitioner = parse_partitioner(view->options.partitioner);
  if (!partitioner) {
    return Error{Code::unsupported_format, "context " + topic.name + ": unknown partitioner " + view->options.partitioner};
  }
  view->partitioner = *partitioner;
  for (std::int32_t p = 0; p < topic.partitions; ++p) {
    BATON_TRY_ASSIGN(auto partition, open_partition({topic.id, log::PartitionId(p)}));
    view->partitions.push_back(std::move(partition));
  }
  auto context = std::make_unique<ContextState>(view);
  // Many partitions share what one may keep.
  const std::size_t cached = std::max<std::size_t>(kHeadCacheEntries / view->partitions.size(), 256);
  for (const auto& partition : view->partitions) {
    context->partitions.push_back(std::make_unique<PartitionState>(*view, partition, &context->positions, cached));
    recovery_->add(*context, *context->partitions.back(), false);
  }
  const auto at = std::ranges::lower_bound(contexts_, topic.name, {}, [](const auto& c) -> const std::string& { return c->view->name; });
  contexts_.insert(at, std::move(context));
  return {};
}

void StoreCore::publish_view() {
  auto view = std::make_shared<ReadView>();
  for (const auto& context : contexts_) view->contexts.push_back(context->view);
  const auto before = this->view();
  for (const auto& [id, topic] : log_->catalogue().topics) {
    if (topic.removed) continue;
    // What has not changed is shared: with many topics, one more costs little.
    auto same = before == nullptr ? nullptr : before->find_topic(id);
    const bool is_same = same != nullptr && same->settings == topic.settings &&
                         same->partitions.size() == static_cast<std::size_t>(topic.partitions);
    view->add_topic(is_same ? std::move(same) : make_topic_view(*log_, topic));
  }
  view->sort_topics();
  const std::lock_guard lock(mutex_);
  view_ = std::move(view);
}

void StoreCore::step_recovery() {
  if (recovery_ == nullptr || !idle()) return;  // what is staged must be visible first
  auto done = recovery_->step();
  if (done && !*done) return;  // on_index_room comes
  recovery_ = nullptr;
  if (open_done_) {
    if (done) arm_tick();
    // What failed there has been told by fail().
    if (open_done_) std::exchange(open_done_, nullptr)(done ? Status() : Status(std::move(done).error()));
    return;
  }
  if (!done) {
    fail(done.error());
    return;
  }
  owner_->post([this] { run_round(); });
}

void StoreCore::on_index_room() {
  if (ended_.load(std::memory_order_relaxed)) return;
  if (recovery_ != nullptr) {
    step_recovery();
  } else {
    run_round();
  }
}

void StoreCore::on_index_failure(const log::PartitionKey& key, const Error& error) {
  if (ended_.load(std::memory_order_relaxed)) return;
  if (error.code != Code::corrupt) {
    fail(error);
    return;
  }
  ContextState* context = nullptr;
  PartitionState* const partition = find_partition(key, &context);
  // An append that met the damage may have seen to it already.
  if (partition == nullptr || partition->view->index().health()) return;
  reindex(*context, *partition);
  step_recovery();
}

void StoreCore::reindex(ContextState& context, PartitionState& partition) {
  if (recovery_ == nullptr) recovery_ = std::make_unique<IndexRecovery>();
  recovery_->add(context, partition, true);
}

Status StoreCore::create_context(const std::string& name, const ContextOptions& options) {
  BATON_TRY(check_context_name(name));
  BATON_TRY(check_context_options(options));
  if (find_context(name) != nullptr) return Error{Code::already_exists, "context " + name + " is there already"};
  // A topic without a context is what was left when its indexes could not be made, on a full disk: it is as new.
  const auto& topics = log_->catalogue().topics;
  const auto left = std::ranges::find_if(topics, [&](const auto& entry) {
    return entry.second.name == name && entry.second.kind == log::TopicKind::event && !entry.second.removed;
  });
  log::TopicId id;
  if (left != topics.end()) {
    id = left->first;
    BATON_TRY(log_->set_topic(id, to_settings(options)));
  } else {
    if (context_check_) BATON_TRY(context_check_(options.partitions));
    BATON_TRY_ASSIGN(id, log_->create_topic(name, log::TopicKind::event, options.partitions, to_settings(options)));
  }
  const bool recovering = recovery_ != nullptr;
  if (!recovering) recovery_ = std::make_unique<IndexRecovery>();
  Status made = add_context(log_->catalogue().topics.at(id));
  if (made) publish_view();
  // A new context has nothing to be read again.
  if (!recovering) {
    if (made) {
      if (const auto done = recovery_->step(); !done) made = done.error();
    }
    recovery_ = nullptr;
  }
  // F12: a sync may have failed.
  if (!made && made.error().code == Code::io_error) doomed_ = made.error();
  return made;
}

Status StoreCore::configure_context(const std::string& name, const ContextOptions& options) {
  BATON_TRY(check_context_options(options));
  ContextState* const context = find_context(name);
  if (context == nullptr) return no_such_context(name);
  const ContextOptions& now = context->view->options;
  if (options.partitions != now.partitions || options.partitioner != now.partitioner) {
    return Error{Code::invalid_argument, "context " + name + ": partitions and partitioner are fixed when it is created (" +
                                             std::to_string(now.partitions) + ", " + now.partitioner + ")"};
  }
  BATON_TRY(log_->set_topic(context->view->id, to_settings(options)));
  auto changed = std::make_shared<ContextView>(*context->view);
  changed->options = options;
  context->view = std::move(changed);
  publish_view();
  return {};
}

Result<log::TopicId> StoreCore::create_topic(const std::string& name, std::int32_t partitions, const log::Settings& settings) {
  BATON_TRY_ASSIGN(const log::TopicId id, log_->create_topic(name, log::TopicKind::plain, partitions, settings));
  publish_view();
  return id;
}

Status StoreCore::configure_topic(const log::TopicId& id, const log::Settings& changed) {
  const auto found = log_->catalogue().topics.find(id);
  if (found == log_->catalogue().topics.end() || found->second.removed) return Error{Code::not_found, "there is no such topic"};
  ContextState* const context = found->second.kind == log::TopicKind::event ? find_context(found->second.name) : nullptr;
  if (context == nullptr) {
    BATON_TRY(log_->set_topic(id, changed));
    publish_view();
    return {};
  }
  log::TopicInfo after = found->second;
  for (const auto& [key, value] : changed) after.settings[key] = value;
  const ContextOptions options = to_options(after);
  BATON_TRY(check_context_options(options));
  if (options.partitioner != context->view->options.partitioner) {
    return Error{Code::invalid_argument, "context " + after.name + ": the partitioner is fixed when it is created"};
  }
  BATON_TRY(log_->set_topic(id, changed));
  auto view = std::make_shared<ContextView>(*context->view);
  view->options = options;
  context->view = std::move(view);
  publish_view();
  return {};
}

Status StoreCore::add_partitions(const log::TopicId& id, std::int32_t partitions) {
  BATON_TRY(log_->add_partitions(id, partitions));
  publish_view();
  return {};
}

Status StoreCore::remove_topic(const log::TopicId& id) {
  BATON_TRY(check_plain(*log_, id));
  BATON_TRY(log_->remove_topic(id));
  publish_view();
  return {};
}

ContextState* StoreCore::find_context(std::string_view name) {
  const auto found = std::ranges::lower_bound(contexts_, name, {}, [](const auto& c) -> std::string_view { return c->view->name; });
  return found == contexts_.end() || (*found)->view->name != name ? nullptr : found->get();
}

}  // namespace baton::store
