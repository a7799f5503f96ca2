// The Log that writes. All calls [owner] unless log.h says otherwise.
#pragma once

#include <atomic>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "log/checkpoint.h"
#include "log/flush.h"
#include "log/journal.h"
#include "log/live_marks.h"
#include "log/log.h"
#include "log/log_clock.h"
#include "log/recovery.h"
#include "log/tail.h"

namespace baton::log {

class LogImpl final : public Log {
 public:
  static Result<std::unique_ptr<Log>> open(os::Env& env, const std::string& directory, const LogOptions& options,
                                           os::Executor& owner, os::Executor& worker);
  ~LogImpl() override;

  const CatalogueState& catalogue() const override { return catalogue_->state(); }
  Epoch epoch() const override { return epoch_; }
  TopicConfig config_of(const TopicInfo& topic) const override { return topic_config(topic.kind, topic.settings, options_); }
  Result<TopicId> create_topic(const std::string& name, TopicKind kind, std::int32_t partitions, const Settings& settings) override;
  Status set_topic(const TopicId& id, const Settings& changed) override;
  Status add_partitions(const TopicId& id, std::int32_t partitions) override;
  Status set_quota(const QuotaEntity& entity, const Settings& values) override;
  Status change_acls(const AclTable& removed, const AclTable& added) override;
  Status remove_topic(const TopicId& id) override;
  std::shared_ptr<const PartitionReader> reader(const PartitionKey& key) const override;
  std::int64_t append_time_ms() override { return clock_->now_ms(); }
  Result<std::optional<ProducedBatch>> check_producer(const PartitionKey& key, const BatchHeader& header) const override;
  Result<std::map<std::int64_t, ProducerTable::Producer>> producers(const PartitionKey& key) const override;
  Result<Staged> stage(const PartitionKey& key, base::OwnedBytes batch) override;
  bool has_staged() const override { return !dirty_.empty(); }
  std::unique_ptr<FlushJob> begin_flush() override;
  Status end_flush(std::unique_ptr<FlushJob> job) override;
  std::int64_t tick() override;
  void checkpoint(std::function<void(Status)> done) override;
  Status apply_retention(const KeepHeads& keep_heads) override;
  Status remove_before(const PartitionKey& key, Offset start, const KeepHeads& keep_heads) override;
  bool failed() const override { return failed_; }
  const Error& failure() const override { return failure_; }
  Status refresh(const Prepare&) override { return {}; }
  Status confirm_clock() override;
  Status close() override;
  std::vector<PartitionStats> stats() const override;

 private:
  struct TopicHash {
    std::size_t operator()(const TopicId& id) const { return base::load_le<std::uint64_t>(id.bytes.data() + 8) * 0x9E3779B97F4A7C15U; }
  };

  LogImpl(os::Env& env, std::string directory, LogOptions options, os::Executor& owner, os::Executor& worker);

  // log_open.cc
  [[nodiscard]] Status take_lock();
  [[nodiscard]] Status open_catalogue();
  [[nodiscard]] Status recover();
  [[nodiscard]] Status add_recovered(const RecoveredPartition& recovered, std::int64_t arrival_ms);
  [[nodiscard]] Status add_recovered_segment(PartitionTail& tail, const RecoveredPartition& recovered, const RecoveredSegment& segment,
                                             std::int64_t arrival_ms, SegmentList& list);
  [[nodiscard]] Status begin_journal(RecoveredStore& store);
  [[nodiscard]] Status copy_rounds(RecoveredStore& store);
  [[nodiscard]] Status raise_epoch();
  [[nodiscard]] Status open_live();
  void remove_old_topics();
  PartitionTail& add_tail(const PartitionKey& key, std::shared_ptr<const TopicConfig> config);
  [[nodiscard]] Result<PartitionTail*> find_tail(const PartitionKey& key) const;  // not_found, also when its topic has been removed
  void set_epoch_table(PartitionTail& tail);
  [[nodiscard]] std::string path(std::string_view relative) const { return os::join(directory_, relative); }

  // log_topics.cc
  [[nodiscard]] Status make_partitions(const TopicId& id, const std::shared_ptr<const TopicConfig>& config, std::int32_t from, std::int32_t to);

  // log_append.cc
  [[nodiscard]] Status check_open() const;
  [[nodiscard]] Result<Staged> stage_batch(const PartitionKey& key, base::OwnedBytes batch);
  void tell_full(const Error& cause);
  void tell_room();
  void tell_refused(const Error& cause);
  [[nodiscard]] Status look_at_place();
  [[nodiscard]] Status prepare_segment(PartitionTail& tail, std::uint64_t bytes);
  [[nodiscard]] Status create_segment(PartitionTail& tail);
  [[nodiscard]] Status allocate_segment(OpenSegment& segment, std::uint64_t end, std::uint64_t segment_bytes, std::uint64_t kept_free);
  [[nodiscard]] std::uint64_t kept_free(const PartitionTail& tail) const;
  [[nodiscard]] std::unique_ptr<RoundJob> make_round(bool empty_record, bool begin_generation, bool sync_only);
  [[nodiscard]] static bool unread(const PartitionTail& tail, const OpenSegment& segment, std::uint64_t position);
  [[nodiscard]] std::vector<StagedBatch> take_spare();
  void keep_spare(std::vector<StagedBatch> batches);
  [[nodiscard]] bool goes_in_place(const PartitionTail& tail, const StagedGroup& group) const;
  [[nodiscard]] RoundPart make_part(PartitionTail& tail, StagedGroup group);
  [[nodiscard]] static const OpenSegment* last_segment(const PartitionTail& tail);
  [[nodiscard]] std::vector<Extent> extents() const;
  [[nodiscard]] Status run_round(std::unique_ptr<RoundJob> job);
  void end_part(RoundPart& part);
  void publish(PartitionTail& tail);
  Status fail(const Error& cause);

  // log_producers.cc
  [[nodiscard]] Status recover_producers();
  [[nodiscard]] Result<std::vector<ProducerSnapshot>> read_producers() const;
  [[nodiscard]] Status recover_producers_of(PartitionTail& tail, ProducerSnapshot* known);
  [[nodiscard]] base::Bytes producers_file() const;

  // log_checkpoint.cc
  [[nodiscard]] std::shared_ptr<CheckpointJob> make_checkpoint(bool all);
  void add_item(CheckpointJob& job, PartitionTail& tail, OpenSegment& segment);
  void start_checkpoint();
  void finish_checkpoint(std::shared_ptr<CheckpointJob> job);
  [[nodiscard]] Status seal_segments(const CheckpointJob& job);
  void wait_for_checkpoint();
  // For `interval`, on the worker.
  struct IntervalSync {
    Round upto;
    std::int64_t since_ns = 0;
    Status status;  // when done
    std::atomic<bool> taken{false};
    std::atomic<bool> done{false};
    // False: it has been taken by somebody else.
    [[nodiscard]] bool take() { return !taken.exchange(true); }
  };
  void start_interval_sync();
  void end_interval_sync(const std::shared_ptr<IntervalSync>& sync);
  void wait_for_interval_sync();
  [[nodiscard]] Status checkpoint_now();
  [[nodiscard]] Status do_checkpoint_now();

  // log_retention.cc
  [[nodiscard]] Result<Offset> retained_from(const PartitionTail& tail, bool by_time) const;
  [[nodiscard]] Result<bool> is_old(PartitionTail& tail) const;
  [[nodiscard]] Status set_log_start(PartitionTail& tail, Offset start, bool asked, const KeepHeads& keep_heads);
  void remove_files();

  os::Env& env_;
  os::FileSystem& fs_;
  const std::string directory_;
  const LogOptions options_;
  os::Executor& owner_;
  os::Executor& worker_;
  const std::shared_ptr<LogImpl*> self_;  // posted tasks hold it weakly

  std::shared_ptr<os::File> lock_;
  std::unique_ptr<Catalogue> catalogue_;
  std::unique_ptr<LogClock> clock_;
  std::shared_ptr<Journal> journal_;
  std::shared_ptr<OpenFiles> open_files_;
  std::unique_ptr<LiveWriter> live_;
  Epoch epoch_;
  std::map<PartitionKey, std::unique_ptr<PartitionTail>> tails_;
  std::vector<std::unique_ptr<PartitionTail>> removed_;  // until the round that may hold them has ended
  std::unordered_map<TopicId, std::vector<PartitionTail*>, TopicHash> by_topic_;  // by number; without removed ones
  mutable std::mutex readers_mutex_;
  std::map<PartitionKey, std::shared_ptr<Partition>> readers_;

  std::vector<PartitionTail*> dirty_;        // have something staged
  std::vector<std::string> new_directories_;  // with segments whose names are not durable
  std::uint64_t reserved_ = 0;               // in the journal, for what is staged
  RoundJob* in_flight_ = nullptr;
  base::Bytes buffer_;                       // of the last record, used again
  std::vector<std::vector<StagedBatch>> spare_;  // empty ones, likewise
  std::size_t spare_batches_ = 0;            // that they have room for
  std::vector<RoundPart> spare_parts_;       // empty, likewise
  DirectWriter direct_;                      // for the round that is on its way
  Round last_round_;
  Round durable_round_;
  std::vector<PartitionTail*> undurable_;    // `interval`: visible, not durable
  std::int64_t last_record_ns_ = 0;          // when the last record was written
  bool marked_ = true;                       // the last record is under a mark, or has nothing in it
  std::int64_t first_undurable_ns_ = -1;
  std::shared_ptr<IntervalSync> syncing_;

  bool extents_stale_ = true;                // rounds have ended since the newest generation began

  bool producers_stale_ = false;             // rounds have ended since `producers` was written

  std::shared_ptr<CheckpointJob> running_;
  bool want_checkpoint_ = false;
  bool want_seals_ = false;
  std::int64_t retry_ns_ = -1;
  std::vector<std::function<void(Status)>> waiting_;  // for the checkpoint after the one that runs
  std::vector<std::function<void(Status)>> served_;   // by the one that runs
  bool on_this_thread_ = false;               // a checkpoint is made by checkpoint_now: none is begun beside it
  std::shared_ptr<os::Env::Waiter> waiter_;
  std::vector<std::string> to_remove_;       // absolute; held back while a backup copies

  std::int64_t refused_ = 0;                 // batches, for want of space, since it was told that there is room
  std::int64_t tell_full_ns_ = std::numeric_limits<std::int64_t>::min();  // not before
  bool told_full_ = false;
  std::int64_t refused_otherwise_ = 0;       // batches, for want of descriptors or memory, since it was told
  std::int64_t tell_refused_ns_ = std::numeric_limits<std::int64_t>::min();
  std::int64_t look_at_place_ns_ = std::numeric_limits<std::int64_t>::min();

  bool failed_ = false;
  bool closed_ = false;
  Error failure_;
};

}  // namespace baton::log
