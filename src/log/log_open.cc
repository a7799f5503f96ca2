// Opening: the lock, the catalogue, recovery, a new epoch.
#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/try.h"
#include "log/live_check.h"
#include "log/log_impl.h"
#include "log/read_only_log.h"

namespace baton::log {
namespace {

constexpr std::size_t kOpenFilesMax = 256;
constexpr int kLockTries = 8;
constexpr std::int64_t kLockPauseNs = 60'000'000;

}  // namespace

Result<std::unique_ptr<Log>> Log::open(os::Env& env, const std::string& directory, const LogOptions& options, os::Executor& owner,
                                       os::Executor& worker) {
  if (options.read_only) return ReadOnlyLog::open(env, directory, options);
  return LogImpl::open(env, directory, options, owner, worker);
}

LogImpl::LogImpl(os::Env& env, std::string directory, LogOptions options, os::Executor& owner, os::Executor& worker)
    : env_(env),
      fs_(env.fs()),
      directory_(std::move(directory)),
      options_(std::move(options)),
      owner_(owner),
      worker_(worker),
      self_(std::make_shared<LogImpl*>(this)),
      open_files_(std::make_shared<OpenFiles>(kOpenFilesMax)) {}

LogImpl::~LogImpl() {
  BATON_CHECK(in_flight_ == nullptr, "a log is destroyed while a round is on its way");
  *self_ = nullptr;
  if (syncing_ && !syncing_->take()) {
    while (!syncing_->done) (void)waiter_->wait();
  }
  // As a kill: what the worker has not begun is left; what it is at must end, since it uses the directory.
  if (running_ && running_->take()) {
    running_->lock.reset();
  } else if (running_) {
    while (!running_->done()) (void)waiter_->wait();
  }
}

Result<std::unique_ptr<Log>> LogImpl::open(os::Env& env, const std::string& directory, const LogOptions& options,
                                           os::Executor& owner, os::Executor& worker) {
  if (options.segment_bytes > (std::uint64_t{2} << 30)) {
    return Error{Code::invalid_argument, "segment_bytes is at most 2 GiB"};
  }
  if (options.durability == Durability::memory) {
    return Error{Code::invalid_argument, "the default durability is fsync or interval; a plain topic may set 'memory' for itself"};
  }
  std::unique_ptr<LogImpl> log(new LogImpl(env, directory, options, owner, worker));
  BATON_TRY(os::make_directories(env.fs(), directory));
  BATON_TRY(log->take_lock());
  BATON_TRY(log->open_catalogue());
  BATON_TRY(log->recover());
  return std::unique_ptr<Log>(std::move(log));
}

Status LogImpl::take_lock() {
  const std::string name = path("LOCK");
  BATON_TRY_ASSIGN(lock_, fs_.open(name, {.write = true, .create = true}));
  const auto waiter = env_.make_waiter();
  for (int i = 0; i < kLockTries; ++i) {
    BATON_TRY_ASSIGN(const bool taken, lock_->try_lock(os::LockKind::exclusive, 0, 0));
    if (taken) return {};
    (void)waiter->wait(kLockPauseNs);  // the process before may just be ending
  }
  std::array<std::byte, 128> text{};
  const auto got = lock_->read_at(0, text);
  const std::string holder(base::as_text(base::ByteView(text).first(got ? *got : 0)));
  return Error{Code::locked, directory_ + " is open for writing in another process (" + holder.substr(0, holder.find('\n')) +
                                 "): end it, or open the directory read-only"};
}

Status LogImpl::open_catalogue() {
  BATON_TRY_ASSIGN(const bool there, fs_.exists(path("catalogue")));
  if (there) {
    BATON_TRY_ASSIGN(catalogue_, Catalogue::read(env_, directory_, false));
  } else {
    BATON_TRY_ASSIGN(const auto entries, fs_.list(directory_));
    const bool used = std::ranges::any_of(entries, [](const auto& entry) { return entry.name == "topics"; });
    if (used) return Error{Code::corrupt, "catalogue: the file is missing, and " + path("topics") + " is there"};
    // A new store must not come to stand over the half of another; nor may our lock, by which the restore would not know its own any more.
    if (std::ranges::any_of(entries, [](const auto& entry) { return entry.name == "restoring"; })) {
      (void)fs_.remove(path("LOCK"));
      return Error{Code::unavailable, directory_ + " holds what a restore has left that did not come to its end: repeat 'baton restore', or remove it"};
    }
    StoreId id{};
    env_.random().fill(std::as_writable_bytes(std::span(id)));
    BATON_TRY_ASSIGN(catalogue_, Catalogue::create(env_, directory_, id));
  }
  const std::string text = "pid " + std::to_string(env_.process_id()) + ", boot " + env_.boot_id() + "\n";
  BATON_TRY(lock_->truncate(0));
  return lock_->write_at(0, base::as_bytes(text));
}

Status LogImpl::recover() {
  const CatalogueState& state = catalogue_->state();
  BATON_TRY_ASSIGN(auto store, find_store(fs_, directory_, state, options_));
  BATON_TRY(check_live(env_, directory_, *catalogue_, store));
  // Nothing was changed up to here, and nothing is damaged.
  BATON_TRY(catalogue_->write_again());
  if (catalogue_->torn_bytes() > 0 && options_.warn) options_.warn("catalogue: an incomplete record at its end was cut");
  BATON_TRY(os::make_directories(fs_, journal_directory(directory_)));
  BATON_TRY(os::make_directories(fs_, path("topics")));
  BATON_TRY(apply_recovery(fs_, directory_, store));
  clock_ = std::make_unique<LogClock>(env_.clock(), store.last_append_ms);
  if (!clock_->trusted()) store.warnings.push_back(clock_->warning());
  for (const auto& [key, recovered] : store.partitions) BATON_TRY(add_recovered(recovered, store.last_append_ms));
  BATON_TRY(recover_producers());
  BATON_TRY(begin_journal(store));
  // The marks first: a process that dies in between leaves marks that say where the store ends.
  epoch_ = state.epoch.plus(1);
  BATON_TRY(open_live());
  BATON_TRY(raise_epoch());
  remove_old_topics();
  if (options_.warn) {
    for (const auto& warning : store.warnings) options_.warn(warning);
  }
  const bool seals = std::ranges::any_of(tails_, [](const auto& entry) {
    return std::ranges::any_of(entry.second->open, [](const OpenSegment& segment) { return segment.rolled; });
  });
  want_checkpoint_ = store.journal->files().size() > 1 || store.rounds_in_journal;
  want_seals_ = seals;
  if (want_checkpoint_ || want_seals_) start_checkpoint();
  return {};
}

PartitionTail& LogImpl::add_tail(const PartitionKey& key, std::shared_ptr<const TopicConfig> config) {
  auto owned = std::make_unique<PartitionTail>();
  PartitionTail& tail = *owned;
  tail.key = key;
  tail.partition = std::make_shared<Partition>(env_, directory_, key, kStoredBatchBytesMax);
  tail.config = std::move(config);
  tail.internal = is_internal(catalogue_->state().topics.at(key.topic).name);
  tail.directory = partition_directory(key);
  tails_[key] = std::move(owned);
  auto& of_topic = by_topic_[key.topic];
  const auto number = static_cast<std::size_t>(key.partition.value());
  if (of_topic.size() <= number) of_topic.resize(number + 1);
  of_topic[number] = &tail;
  const std::lock_guard guard(readers_mutex_);
  readers_[key] = tail.partition;
  return tail;
}

Status LogImpl::add_recovered(const RecoveredPartition& recovered, std::int64_t arrival_ms) {
  const auto& topic = catalogue_->state().topics.at(recovered.key.topic);
  PartitionTail& tail =
      add_tail(recovered.key, std::make_shared<TopicConfig>(topic_config(topic.kind, topic.settings, options_)));
  tail.directory_made = true;
  tail.next = tail.ended = recovered.end;
  SegmentList list;
  for (const auto& segment : recovered.segments) BATON_TRY(add_recovered_segment(tail, recovered, segment, arrival_ms, list));
  tail.partition->set_segments(std::move(list));
  tail.partition->set_log_start(recovered.log_start);
  tail.partition->publish(tail.next, tail.next, tail.next);
  if (!recovered.open) return {};
  const OpenSegment& last = tail.open.back();
  tail.edge.resize(last.end % kSectorBytes);
  BATON_TRY(last.segment->read(last.end - tail.edge.size(), tail.edge));
  return {};
}

Status LogImpl::add_recovered_segment(PartitionTail& tail, const RecoveredPartition& recovered, const RecoveredSegment& found,
                                      std::int64_t arrival_ms, SegmentList& list) {
  const std::string name = os::join(tail.directory, segment_file_name(found.base, ""));
  auto segment = std::make_shared<Segment>(fs_, open_files_, directory_, name, tail.key, found.base);
  segment->set_saved(found.saved.end_position);
  segment->publish(found.end, found.max_timestamp);
  list.push_back(segment);
  if (found.sealed) {
    segment->set_sealed();
    return {};
  }
  const MarksEnd saved = found.saved.end_position > 0 ? found.saved : start_of_marks(tail.key, found.base);
  OpenSegment& open = tail.open.emplace_back(segment, saved);
  open.staged_end = open.end = open.allocated = found.end;
  open.next_offset = found.next_offset;
  open.dirty = found.touched;
  open.rolled = !recovered.open || &found != &recovered.segments.back();
  if (found.end == saved.end_position) return {};
  // What the journal gave back has no marks yet.
  BATON_TRY_ASSIGN(const auto file, segment->file());
  BATON_TRY(walk_batches(*file, segment->relative_log_path(), saved.end_position, found.end, saved.next_offset,
                         recovered.batch_bytes_max, [&](MarkBuilder::Piece piece) {
                           if (piece.arrival_ms == 0) piece.arrival_ms = arrival_ms;
                           if (open.marks.add(piece)) segment->add_mark(open.marks.finished().back());
                         }));
  segment->publish(found.end, open.marks.max_timestamp());
  return {};
}

Status LogImpl::begin_journal(RecoveredStore& store) {
  for (const auto& name : store.journal->ignored()) BATON_TRY(fs_.remove(path(name)));
  // The reserve is for this, too: a full disk must not keep the store closed.
  journal_ = std::make_shared<Journal>(env_, directory_, catalogue_->state().store_id, options_.journal_bytes, 0);
  last_round_ = store.last_round;
  durable_round_ = store.clean ? store.last_round : store.durable_round;
  last_record_ns_ = env_.clock().monotonic_ns();
  const auto& files = store.journal->files();
  if (store.clean && !files.empty() && !store.rounds_in_journal && files.size() == 1) {
    const auto& file = files.back();
    BATON_TRY(journal_->resume(file.header, kJournalHeaderBytes + record_file_bytes(file.base.total_bytes), file.base.previous_crc));
    extents_stale_ = false;
  } else {
    RecordFixed base{.round = durable_round_, .durable_round = durable_round_, .append_ms = clock_->now_ms()};
    base.previous_crc = store.last_crc;
    BATON_TRY(journal_->begin(store.generation + 1, Round(durable_round_.value() + 1), base, extents()));
    extents_stale_ = last_round_ != durable_round_;
    BATON_TRY(copy_rounds(store));
  }
  journal_->set_reserve_bytes(options_.reserve_bytes);
  return {};
}

// Rounds that no later round says to be durable: their sync may never have come, or have failed, so that the page cache alone holds
// them. They are written again before anything is served (F7).
Status LogImpl::copy_rounds(RecoveredStore& store) {
  if (last_round_ == durable_round_) return {};
  base::Bytes buffer;
  BATON_TRY(store.journal->for_each([&](const JournalReader::Place& place, const ParsedRecord& record) -> Status {
    if (place.base || record.fixed.round <= durable_round_) return {};
    if (record.fixed.round > last_round_) return {};
    const std::uint64_t total = record.fixed.total_bytes;
    BATON_TRY_ASSIGN(const auto file, fs_.open(path(place.file->name), {}));
    buffer.resize(record_file_bytes(total));
    BATON_TRY_ASSIGN(const std::size_t got, file->read_at(place.position, base::MutableByteView(buffer).first(total)));
    if (got != total) return Error{Code::io_error, place.file->name + ": it became shorter while it was read"};
    BATON_TRY(journal_->reserve(buffer.size(), options_.reserve_bytes));
    BATON_TRY(journal_->append(record.fixed, buffer, total, buffer.size()));
    durable_round_ = record.fixed.round;  // when the sync below is done
    return {};
  }));
  BATON_CHECK(durable_round_ == last_round_, "recovery has not copied every round");
  marked_ = false;
  return journal_->sync();
}

Status LogImpl::raise_epoch() {
  const CatalogueState& state = catalogue_->state();
  std::vector<std::pair<PartitionKey, Offset>> moved;
  for (const auto& [key, tail] : tails_) {
    if (tail->config->durability == Durability::memory) continue;  // its end may go back
    const auto known = state.epochs.find(key);
    const Offset before = known == state.epochs.end() || known->second.empty() ? Offset(0) : known->second.back().start;
    if (before != tail->next) moved.emplace_back(key, tail->next);
  }
  BATON_TRY(catalogue_->raise_epoch(epoch_, env_.clock().wall_ms(), false, moved));
  live_->set_catalogue_bytes(catalogue_->bytes());
  for (const auto& [key, tail] : tails_) set_epoch_table(*tail);
  return {};
}

void LogImpl::set_epoch_table(PartitionTail& tail) {
  EpochTable table;
  const auto& epochs = catalogue_->state().epochs;
  if (const auto known = epochs.find(tail.key); known != epochs.end()) table = known->second;
  // Not listed: nothing was written since the last listing, so what comes now is of this epoch.
  if (table.empty() || table.back().epoch != epoch_) table.push_back({epoch_, table.empty() ? Offset(0) : table.back().start});
  tail.partition->set_epochs(epoch_, std::move(table));
}

Status LogImpl::open_live() {
  BATON_TRY_ASSIGN(live_, LiveWriter::create(env_, directory_, catalogue_->state().store_id, epoch_));
  live_->set_catalogue_bytes(catalogue_->bytes());
  for (const auto& [key, tail] : tails_) {
    BATON_TRY_ASSIGN(tail->live_slot, live_->add({.key = key, .epoch = epoch_}));
    publish(*tail);
  }
  return live_->show(env_, directory_);
}

// Directories of topics that were removed; a crash may have left them.
void LogImpl::remove_old_topics() {
  std::vector<std::string> old;
  for (const auto& [id, topic] : catalogue_->state().topics) {
    if (topic.removed) old.push_back(path(topic_directory(id)));
  }
  if (old.empty()) return;
  worker_.post([&fs = fs_, old = std::move(old), lock = lock_] {
    for (const auto& directory : old) (void)os::remove_tree(fs, directory);
  });
}

}  // namespace baton::log
