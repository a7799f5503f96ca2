#include "store/read_only_store.h"

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>
#include <optional>

#include "base/hex.h"
#include "base/try.h"
#include "log/read_only_log.h"
#include "os/file.h"
#include "store/backup.h"
#include "store/checkpoint_store.h"
#include "store/index_feed.h"
#include "store/index_recovery.h"
#include "store/limits.h"
#include "store/store_reads.h"

namespace baton::store {
namespace {

constexpr std::size_t kChunkBytes = 256u << 10;
// What may be indexed in memory: far more than a writer leaves unwritten, and about 40 MiB of entries. Beyond it, look-ups in the index are
// refused until the writer has caught up; everything else works.
constexpr std::int64_t kTailBytesMax = 128 << 20;
constexpr std::int64_t kFedPieceBytes = 1 << 20;

// A partition's index as this process has it: the writer's runs, and above them entries that were made from the log.
class ReaderPartition {
 public:
  static Result<std::unique_ptr<ReaderPartition>> open(os::Env& env, const std::string& store_directory, const log::Log& log,
                                                       const log::PartitionKey& key, const ContextView& context) {
    auto reader = log.reader(key);
    if (reader == nullptr) return Error{Code::unavailable, "context " + context.name + " is in the catalogue and not in the marks of its writer: refresh again"};
    const std::string directory = partition_directory(store_directory, key);
    BATON_TRY_ASSIGN(auto index, Index::open(env, os::join(directory, "index"), {.read_only = true}, nullptr, nullptr));
    std::unique_ptr<ReaderPartition> out(new ReaderPartition);
    out->view_ = std::make_shared<PartitionView>(key, directory, std::move(reader), std::move(index));
    out->feeder_ = std::make_unique<IndexFeeder>(context, *out->view_);
    return out;
  }

  [[nodiscard]] const std::shared_ptr<PartitionView>& view() const { return view_; }
  [[nodiscard]] std::optional<std::int64_t> streams() const {
    const auto heads = view_->heads();
    const bool known = view_->index_snapshot() && !(heads != nullptr && heads->is_damaged());
    return known ? std::optional(streams_) : std::nullopt;
  }

  // A refresh is these three, in this order. First the writer's index, before the log is looked at: so its end is never below what the index
  // covers. What is loaded is not in use yet: its runs may lack what a retention has removed, whose heads come next.
  [[nodiscard]] Status load_index() {
    auto newer = view_->index().load();
    if (!newer && newer.error().code != Code::unavailable) return newer.error();  // unavailable: the old runs stay in use
    if (newer && *newer) loaded_ = *newer;
    return {};
  }

  // Then the heads, before the log's start moves: a reader that finds a stream's records gone finds its head here. not_found: a newer
  // snapshot has taken the place of the one that the catalogue names.
  [[nodiscard]] Status take_heads(os::Env& env, const log::CatalogueState& catalogue) {
    const auto topic = catalogue.topics.find(view_->key().topic);
    if (topic == catalogue.topics.end() || topic->second.removed) return {};
    const auto found = catalogue.heads_snapshot.find(view_->key());
    if (found == catalogue.heads_snapshot.end() || found->second == heads_offset_ || found->second.value() == 0) return {};
    auto heads = HeadsReader::open(env, os::join(view_->directory(), heads_file_name(found->second)), view_->key());
    if (!heads && heads.error().code != Code::corrupt) return std::move(heads).error();
    view_->set_heads(heads ? *std::move(heads) : HeadsReader::damaged(found->second, std::move(heads).error()));
    heads_offset_ = found->second;
    return {};
  }

  // And when the log has moved on, the index: what is in it, readers may see. Without one, all that the log has: they scan it. So they do when it
  // is damaged, and whoever comes to that place is told.
  [[nodiscard]] Status follow() {
    Status followed = take_index();
    if (followed) return {};
    if (followed.error().code == Code::removed) {
      go_without({Code::unavailable, "a retention has passed what its index is made from; try again"});
      return {};
    }
    if (followed.error().code != Code::corrupt) return followed;
    go_without(std::move(followed).error());
    return {};
  }

 private:
  ReaderPartition() = default;

  void go_without(Error trouble) {
    view_->set_index_ready(false);
    view_->set_index_trouble(std::make_shared<const Error>(std::move(trouble)));
    view_->set_end_limit(log::Offset(INT64_MAX));
  }

  [[nodiscard]] Status take_index() {
    const IndexCovered covered = loaded_ ? *loaded_ : view_->index().covered();
    if (!begun_ || covered != covered_) BATON_TRY(begin(covered));
    view_->index().publish();
    loaded_.reset();
    if (usable_) return feed();
    go_without({Code::unavailable, "its index is not the log's: its writer builds it again; try again"});
    return {};
  }

  // The runs are as `covered` says: do they belong to this log, and do the entries in memory follow them?
  [[nodiscard]] Status begin(const IndexCovered& covered) {
    const log::Bounds bounds = view_->reader().bounds();
    // Runs of nothing but what a retention has removed say nothing, as if there were none: the heads know all streams up to the log's start.
    const bool none = covered.next <= bounds.log_start;
    bool match = none;
    if (!match) {
      BATON_TRY_ASSIGN(match, index_matches_log(view_->reader(), covered));
    }
    const log::Offset from = none ? bounds.log_start : covered.next;
    if (!begun_) fed_from_ = next_ = from;
    // Runs that end below what is in memory (the writer has begun again): the entries between are nowhere.
    usable_ = match && from >= fed_from_;
    if (usable_ && next_ < from) next_ = from;
    if (usable_ && next_ == from) streams_ = none ? streams_in_heads() : covered.streams;
    begun_ = true;
    if (!usable_) return {};  // it is looked at again
    covered_ = covered;
    // What the runs have leaves the memory.
    while (!fed_.empty() && fed_.front().next <= from) {
      tail_bytes_ -= fed_.front().bytes;
      fed_.pop_front();
    }
    return {};
  }

  void note_fed(log::Offset next, std::size_t bytes) {
    tail_bytes_ += static_cast<std::int64_t>(bytes);
    if (fed_.empty() || fed_.back().bytes >= kFedPieceBytes) fed_.emplace_back();
    fed_.back().bytes += static_cast<std::int64_t>(bytes);
    fed_.back().next = next;
  }

  [[nodiscard]] Status feed() {
    const log::PartitionReader& reader = view_->reader();
    const log::Bounds bounds = reader.bounds();
    const log::Offset end(bounds.visible.value());
    if (next_ < bounds.log_start) {
      // A retention has passed what was fed: the heads know all streams up to the log's start.
      next_ = bounds.log_start;
      streams_ = streams_in_heads();
    }
    while (next_ < end) {
      if (tail_bytes_ > kTailBytesMax) {
        go_without({Code::unavailable, "more than " + std::to_string(kTailBytesMax >> 20) +
                                           " MiB of its log are not in its index: try again when its writer has caught up, or open the store for writing once, with any command that writes"});
        return {};
      }
      chunk_.clear();
      BATON_TRY_ASSIGN(const auto read, reader.read(next_, kChunkBytes, chunk_, end));
      if (!read.first) break;
      BATON_TRY(feeder_->feed(chunk_, read.first->position, next_, streams_));
      note_fed(read.next, chunk_.size());
      next_ = read.next;
    }
    view_->set_index_ready(true);
    view_->set_index_trouble(nullptr);
    view_->set_end_limit(end);
    return {};
  }

  [[nodiscard]] std::int64_t streams_in_heads() const {
    const auto heads = view_->heads();
    return heads == nullptr ? 0 : static_cast<std::int64_t>(heads->count());
  }

  std::shared_ptr<PartitionView> view_;
  std::unique_ptr<IndexFeeder> feeder_;
  base::Bytes chunk_;
  bool begun_ = false;
  bool usable_ = false;
  std::optional<IndexCovered> loaded_;  // runs that are about to be used
  IndexCovered covered_;      // the runs in use
  log::Offset fed_from_;      // entries in memory begin here
  log::Offset next_;          // to be fed
  std::int64_t streams_ = 0;
  struct Fed {
    log::Offset next;  // behind it
    std::int64_t bytes = 0;
  };
  std::deque<Fed> fed_;       // pieces of the log whose entries are in memory
  std::int64_t tail_bytes_ = 0;  // of all of them
  log::Offset heads_offset_;
};

Error closed() { return {Code::cancelled, "the store is closed"}; }

Error refuse(std::string_view what) {
  return {Code::read_only, std::string(what) + ": the store is open read-only"};
}

class ReadOnlyStore final : public StoreReads {
 public:
  ReadOnlyStore(std::unique_ptr<os::Env> owned_env, os::Env& env, std::string directory)
      : owned_env_(std::move(owned_env)), env_(env), directory_(std::move(directory)), checkpoints_(env.fs(), os::join(directory_, "checkpoints")) {}

  [[nodiscard]] Status open(const Options& options) {
    log::LogOptions log_options;
    log_options.read_only = true;
    log_options.warn = options.on_warning;
    BATON_TRY_ASSIGN(log_, log::ReadOnlyLog::open(env_, directory_, log_options));
    const std::lock_guard lock(mutex_);
    return refresh_locked();
  }

  Status close() override {
    const std::lock_guard lock(mutex_);
    const std::lock_guard view_lock(view_mutex_);
    view_ = nullptr;
    return {};
  }
  Status refresh() override {
    const std::lock_guard lock(mutex_);
    if (view_ == nullptr) return closed();
    return refresh_locked();
  }

  Result<StoreInfo> info() override {
    StoreInfo info;
    {
      const std::lock_guard lock(mutex_);
      const log::CatalogueState& catalogue = log_->catalogue();
      info.store_id = base::to_hex(std::as_bytes(std::span(catalogue.store_id)));
      info.epoch = catalogue.epoch.value();
      info.root = base::to_hex(std::as_bytes(std::span(catalogue.root)));
      info.streams = 0;
      for (const auto& [key, partition] : partitions_) {
        const auto streams = partition->streams();
        info.streams = info.streams && streams ? std::optional(*info.streams + *streams) : std::nullopt;
      }
    }
    BATON_TRY(add_contexts(info));
    return info;
  }

  Result<Appended> append(Append) override { return refuse("append"); }
  void append_async(Append, AppendDone done) override {
    if (done) done(refuse("append"));
  }
  Status create_context(const std::string&, const ContextOptions&) override { return refuse("create context"); }
  Status configure_context(const std::string&, const ContextOptions&) override { return refuse("configure context"); }
  Status save_snapshot(const std::string&, const std::string&, const Snapshot&) override { return refuse("save snapshot"); }
  Result<Position> delete_stream(const std::string&, const std::string&, Expect) override { return refuse("delete stream"); }
  Result<Position> truncate_stream(const std::string&, const std::string&, std::int64_t, Expect) override { return refuse("truncate stream"); }
  Status backup(const std::string& target, const std::function<void(std::uint64_t, std::uint64_t)>& progress) override {
    return backup_store(env_, directory_, target, progress, nullptr);
  }
  Status apply_retention() override { return refuse("apply retention"); }
  Status confirm_clock() override { return refuse("confirm the clock"); }

 protected:
  Result<std::shared_ptr<const ReadView>> view() override {
    const std::lock_guard lock(view_mutex_);
    if (view_ == nullptr) return closed();
    return view_;
  }
  SubscriptionSource source() override {
    return {.env = &env_, .wake = nullptr, .look = [this] { return refresh(); }, .checkpoints = &checkpoints_, .read_only = true};
  }

 private:
  [[nodiscard]] Status refresh_locked() {
    const auto take_heads = [this](const log::CatalogueState& catalogue) -> Status {
      for (const auto& [key, partition] : partitions_) BATON_TRY(partition->take_heads(env_, catalogue));
      return {};
    };
    for (const auto& [key, partition] : partitions_) BATON_TRY(partition->load_index());
    BATON_TRY(log_->refresh(take_heads));
    auto next = std::make_shared<ReadView>();
    bool opened = false;
    for (const auto& [id, topic] : log_->catalogue().topics) {
      if (topic.removed || topic.kind != log::TopicKind::event) continue;
      BATON_TRY_ASSIGN(auto context, take_context(topic, opened));
      next->contexts.push_back(std::move(context));
    }
    // What a new partition's index covers may lie beyond the end that was read before it was opened.
    if (opened) BATON_TRY(log_->refresh(take_heads));
    for (const auto& [key, partition] : partitions_) BATON_TRY(partition->follow());
    std::ranges::sort(next->contexts, {}, [](const auto& c) -> const std::string& { return c->name; });
    const std::lock_guard lock(view_mutex_);
    view_ = std::move(next);
    return {};
  }

  [[nodiscard]] Result<std::shared_ptr<const ContextView>> take_context(const log::TopicInfo& topic, bool& opened) {
    auto context = std::make_shared<ContextView>();
    context->name = topic.name;
    context->id = topic.id;
    context->options = to_options(topic);
    const auto partitioner = parse_partitioner(context->options.partitioner);
    if (!partitioner) {
      return Error{Code::unsupported_format, "context " + topic.name + ": unknown partitioner " + context->options.partitioner};
    }
    context->partitioner = *partitioner;
    for (std::int32_t p = 0; p < topic.partitions; ++p) {
      const log::PartitionKey key{topic.id, log::PartitionId(p)};
      auto found = partitions_.find(key);
      if (found == partitions_.end()) {
        BATON_TRY_ASSIGN(auto partition, ReaderPartition::open(env_, directory_, *log_, key, *context));
        found = partitions_.emplace(key, std::move(partition)).first;
        opened = true;
      }
      context->partitions.push_back(found->second->view());
    }
    return std::shared_ptr<const ContextView>(std::move(context));
  }

  std::unique_ptr<os::Env> owned_env_;
  os::Env& env_;
  const std::string directory_;
  CheckpointStore checkpoints_;
  std::mutex mutex_;  // held by one refresh at a time; what readers use is shared and does not need it
  std::mutex view_mutex_;  // for as long as it takes to copy the pointer; taken within mutex_, never the other way
  std::unique_ptr<log::Log> log_;
  std::map<log::PartitionKey, std::unique_ptr<ReaderPartition>> partitions_;
  std::shared_ptr<const ReadView> view_;  // changed with both held; null once the store is closed
};

Result<std::unique_ptr<Store>> open_with(std::unique_ptr<os::Env> owned_env, os::Env& env, const std::string& directory, const Options& options) {
  BATON_TRY_ASSIGN(const bool there, env.fs().exists(os::join(directory, "catalogue")));
  if (!there) return Error{Code::not_found, "no store at " + directory};
  auto store = std::make_unique<ReadOnlyStore>(std::move(owned_env), env, directory);
  BATON_TRY(store->open(options));
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace

Result<std::unique_ptr<Store>> open_read_only(os::Env& env, const std::string& directory, const Options& options) {
  return open_with(nullptr, env, directory, options);
}

Result<std::unique_ptr<Store>> open_read_only(std::unique_ptr<os::Env> env, const std::string& directory, const Options& options) {
  os::Env& machine = *env;
  return open_with(std::move(env), machine, directory, options);
}

}  // namespace baton::store
