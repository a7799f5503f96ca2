// What readers see of a store: contexts, and per partition a log reader, an index and the heads of what retention removed. A writer
// makes one, and so does a store that is opened read-only beside it; whoever reads does not know which.
//
// Threads: everything here may be used from any thread. A ReadView is immutable and shared; the parts of a partition that change
// (index, heads) have their own rules below.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <baton/store.h>

#include "log/catalogue.h"
#include "log/log.h"
#include "log/settings.h"
#include "store/heads_snapshot.h"
#include "store/index.h"
#include "store/partitioner.h"

namespace baton::store {

// One partition of a context. Owned by the views that name it; the store's executors must outlive it.
class PartitionView {
 public:
  PartitionView(log::PartitionKey key, std::string directory, std::shared_ptr<const log::PartitionReader> reader,
                std::unique_ptr<Index> index)
      : key_(key), directory_(std::move(directory)), reader_(std::move(reader)), index_(std::move(index)) {}

  [[nodiscard]] const log::PartitionKey& key() const { return key_; }
  [[nodiscard]] const std::string& directory() const { return directory_; }  // topics/<id>/<partition>, with the store's
  [[nodiscard]] const log::PartitionReader& reader() const { return *reader_; }
  [[nodiscard]] const std::shared_ptr<const log::PartitionReader>& shared_reader() const { return reader_; }
  [[nodiscard]] Index& index() const { return *index_; }

  // Where readers end: the next offset after the last one that they may see (design rule 7). At the log's start when that has moved past what
  // this process has taken in.
  [[nodiscard]] log::Offset end() const {
    const std::int64_t limit = end_limit_.load(std::memory_order_acquire);
    const log::Bounds b = reader_->bounds();
    return log::Offset(std::max(b.log_start.value(), std::min({limit, b.visible.value(), b.last_stable.value()})));
  }
  // By whoever follows a writer of another process, whose index is fed behind the log: what it has not yet, nobody reads.
  void set_end_limit(log::Offset limit) { end_limit_.store(limit.value(), std::memory_order_release); }

  // For readers: nothing while the index is rebuilt, when what it does not find may be there all the same. They scan the log then.
  [[nodiscard]] std::optional<IndexSnapshot> index_snapshot() const {
    const std::uint64_t before = index_life_.load(std::memory_order_acquire);
    if (before % 2 == 0) return std::nullopt;
    IndexSnapshot snapshot = index_->snapshot();
    // A rebuild that began meanwhile, and may have ended, leaves a snapshot that nobody can vouch for.
    if (index_life_.load(std::memory_order_acquire) != before) return std::nullopt;
    return snapshot;
  }
  // By whoever owns the index, before it forgets anything and after all is there again.
  void set_index_ready(bool ready) {
    const std::uint64_t now = index_life_.load(std::memory_order_relaxed);
    if ((now % 2 == 1) != ready) index_life_.store(now + 1, std::memory_order_release);
  }

  // Why there is no index, for as long as there is none; null: it is being made, and it is worth to try again.
  [[nodiscard]] std::shared_ptr<const Error> index_trouble() const {
    const std::lock_guard lock(mutex_);
    return trouble_;
  }
  void set_index_trouble(std::shared_ptr<const Error> trouble) {
    const std::lock_guard lock(mutex_);
    trouble_ = std::move(trouble);
  }

  // The newest heads snapshot; null when nothing was ever removed.
  [[nodiscard]] std::shared_ptr<const HeadsReader> heads() const {
    const std::lock_guard lock(mutex_);
    return heads_;
  }
  void set_heads(std::shared_ptr<const HeadsReader> heads) {
    const std::lock_guard lock(mutex_);
    heads_ = std::move(heads);
  }

 private:
  log::PartitionKey key_;
  std::string directory_;
  std::shared_ptr<const log::PartitionReader> reader_;
  std::unique_ptr<Index> index_;
  std::atomic<std::uint64_t> index_life_{0};  // odd: ready
  std::atomic<std::int64_t> end_limit_{INT64_MAX};
  mutable std::mutex mutex_;
  std::shared_ptr<const HeadsReader> heads_;
  std::shared_ptr<const Error> trouble_;
};

// One context. Immutable.
struct ContextView {
  std::string name;
  log::TopicId id;
  ContextOptions options;
  Partitioner partitioner = Partitioner::murmur2;
  std::vector<std::shared_ptr<PartitionView>> partitions;

  [[nodiscard]] log::PartitionId partition_of(std::string_view stream) const {
    return store::partition_of(partitioner, stream, static_cast<std::int32_t>(partitions.size()));
  }
  [[nodiscard]] PartitionView& partition_for(std::string_view stream) const {
    return *partitions[static_cast<std::size_t>(partition_of(stream).value())];
  }
};

// One topic of either kind, as a broker sees it. Immutable.
struct TopicView {
  log::TopicId id;
  std::string name;
  log::TopicKind kind = log::TopicKind::plain;
  log::Settings settings;
  log::TopicConfig config;
  std::vector<std::shared_ptr<const log::PartitionReader>> partitions;
};
[[nodiscard]] std::shared_ptr<const TopicView> make_topic_view(const log::Log& log, const log::TopicInfo& topic);

// All contexts and all topics: a context is a topic, too. A view of a read-only store has no topics.
struct ReadView {
  std::vector<std::shared_ptr<const ContextView>> contexts;  // ascending by name
  [[nodiscard]] std::shared_ptr<const ContextView> find(std::string_view name) const;

  [[nodiscard]] const std::vector<std::shared_ptr<const TopicView>>& topics() const { return topics_; }  // ascending by name
  // Null: there is none.
  [[nodiscard]] std::shared_ptr<const TopicView> find_topic(std::string_view name) const;
  [[nodiscard]] std::shared_ptr<const TopicView> find_topic(const log::TopicId& id) const;
  // While it is made.
  void add_topic(std::shared_ptr<const TopicView> topic) { topics_.push_back(std::move(topic)); }
  void sort_topics();

 private:
  std::vector<std::shared_ptr<const TopicView>> topics_;
  std::map<log::TopicId, std::size_t> by_id_;
};

// The settings of an event topic that are options of its context, both ways.
[[nodiscard]] log::Settings to_settings(const ContextOptions& options);
[[nodiscard]] ContextOptions to_options(const log::TopicInfo& topic);

// "no context rides; ..." as not_found.
[[nodiscard]] Error no_such_context(std::string_view name);

// The directory of a partition of a store: DIR/topics/<32 hex digits>/<partition>.
[[nodiscard]] std::string partition_directory(const std::string& store_directory, const log::PartitionKey& key);

}  // namespace baton::store
