// StoreCore: the writer of one store. A state machine on one executor: requests go in on any thread, are decided and staged in order,
// flushed in rounds, and answered in order.
//
//   submit() -> inbox -> run_round(): decide and stage -> start_flush(): FlushJob -> end_flush(): index, replies, wake readers
//
// A round takes everything that waits (group commit). At most one is on its way to the disk. When more is waiting by then, its FlushJob runs on
// the flusher, and what comes is decided meanwhile, for the round after; otherwise it runs on this executor, so that a writer that appends from
// its own completion pays no hand-off between threads (docs/decisions/001).
//
// Readers use view() and never wait for the executor.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <baton/result.h>
#include <baton/store.h>

#include "log/log.h"
#include "os/env.h"
#include "store/appender.h"
#include "store/context_state.h"
#include "store/index_recovery.h"
#include "store/read_view.h"
#include "store/request.h"
#include "store/wake_list.h"

namespace baton::store {

// What a store has done since it was opened. Any thread.
struct StoreCounts {
  std::atomic<std::uint64_t> rounds{0};    // that wrote: each is one sync, with `fsync`
  std::atomic<std::uint64_t> requests{0};  // decided: appends, batches
  std::atomic<std::uint64_t> bytes{0};     // that they held
  std::array<std::atomic<std::uint64_t>, 32> refused{};  // of these, by Code
};

// How rounds are cut and where they are flushed: by what is faster, unless a test wants to see all ways.
struct Pipelining {
  bool always_beside = false;              // each FlushJob runs on the flusher
  std::size_t decided_at_once = SIZE_MAX;  // requests; then a round begins when none is on its way
  std::size_t indexes_together = IndexGroup::kTogether;  // index tables that are written with one sync
};

class StoreCore final : private Decider {
 public:
  // Opens the directory for writing, recovers, brings every index up to date. Blocks the caller.
  [[nodiscard]] static Result<std::unique_ptr<StoreCore>> open(os::Env& env, const std::string& directory,
                                                               const Options& options, const Pipelining& pipelining = {});
  // Without close(): as a kill.
  ~StoreCore();
  StoreCore(const StoreCore&) = delete;
  StoreCore& operator=(const StoreCore&) = delete;

  // [any] The reply comes through the request on the executor, in the order of acceptance. A caller that waits for it lends its thread when the
  // executor has nothing to do: the round is decided, flushed and answered right here, with no hand-off.
  enum class Caller { goes_on, waits };
  void submit(std::unique_ptr<Request> request, Caller caller = Caller::goes_on);

  // [any] Runs `task` on the executor between two rounds and waits. An error when called from the executor itself.
  [[nodiscard]] Status run(std::function<Status()> task);

  // [any] The same without waiting: `done` runs on the executor. Not called when the store is destroyed before the task's turn comes.
  void run_async(std::function<Status()> task, std::function<void(Status)> done);

  // [owner: inside run(), or before the first append] Called at the end of each round that wrote something, with the partitions whose visible
  // offsets have moved (some more than once), before the round is answered. It must not block.
  using RoundListener = std::function<void(const std::vector<log::PartitionKey>&)>;
  void set_round_listener(RoundListener listener) { round_listener_ = std::move(listener); }

  // [owner: inside run(), or before the first append] Asked before a context is made, by whatever way, with its partitions: an error refuses it.
  using ContextCheck = std::function<Status(std::int32_t partitions)>;
  void set_context_check(ContextCheck check) { context_check_ = std::move(check); }

  // [any] Waits for what was accepted, then flushes the indexes and closes the log. Idempotent.
  [[nodiscard]] Status close();

  // [any]
  [[nodiscard]] std::shared_ptr<const ReadView> view() const;
  [[nodiscard]] WakeList& wake_list() { return wake_list_; }
  [[nodiscard]] os::Env& env() const { return env_; }
  [[nodiscard]] const std::string& directory() const { return directory_; }
  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] const StoreCounts& counts() const { return counts_; }
  [[nodiscard]] bool on_executor() const { return owner_->on_executor(); }
  // For what lives beside the store on its executor (the groups of a broker). It must be gone before the store is destroyed.
  [[nodiscard]] os::Executor& executor() { return *owner_; }
  // [any but the executor] Runs `task` there and waits, also when the store has ended or is closed.
  void run_beside(os::Task task);
  // [any] store_failed once the store has ended (F12), cancelled once it is closed; otherwise nothing.
  [[nodiscard]] Status health() const;
  // [any] Why what is appended would be refused or lost though the store goes on: no_space, resource_exhausted (descriptors), not_found (the directory
  // has gone).
  [[nodiscard]] Status room() const;

  // [owner: inside run()]
  [[nodiscard]] log::Log& log() { return *log_; }
  [[nodiscard]] Status create_context(const std::string& name, const ContextOptions& options);
  [[nodiscard]] Status configure_context(const std::string& name, const ContextOptions& options);
  // A plain topic. already_exists, invalid_argument.
  [[nodiscard]] Result<log::TopicId> create_topic(const std::string& name, std::int32_t partitions, const log::Settings& settings);
  [[nodiscard]] Status configure_topic(const log::TopicId& id, const log::Settings& changed);  // of either kind
  [[nodiscard]] Status add_partitions(const log::TopicId& id, std::int32_t partitions);  // of a plain one: so many in all
  [[nodiscard]] Status remove_topic(const log::TopicId& id);                                    // a plain one
  [[nodiscard]] std::int64_t streams() const;  // that have a head, over all contexts
  [[nodiscard]] ContextState* find_context(std::string_view name);
  [[nodiscard]] Status apply_retention();
  [[nodiscard]] Status confirm_clock() { return log_->confirm_clock(); }
  // Null: no such partition of a context.
  [[nodiscard]] PartitionState* find_partition(const log::PartitionKey& key, ContextState** context);

 private:
  // A round on its way to the disk.
  struct Flight {
    std::unique_ptr<log::FlushJob> job;               // null: nothing was staged, and the answers had to wait for the round before
    std::vector<std::unique_ptr<Request>> requests;   // to be answered with it
    std::vector<log::PartitionKey> moved;
    std::vector<StagedEnd> ends;
    std::atomic<bool> ran{false};
    std::int64_t took_ns = 0;                         // once it ran
  };

  StoreCore(os::Env& env, std::string directory, Options options, const Pipelining& pipelining);

  // store_core_open.cc
  void start_open(std::function<void(Status)> done);
  [[nodiscard]] Status open_log();
  [[nodiscard]] Status add_context(const log::TopicInfo& topic);
  [[nodiscard]] std::size_t table_entries_per_partition() const;
  [[nodiscard]] Result<std::shared_ptr<PartitionView>> open_partition(const log::PartitionKey& key);
  void publish_view();
  void step_recovery();
  void on_index_room();
  void on_index_failure(const log::PartitionKey& key, const Error& error);
  void reindex(ContextState& context, PartitionState& partition);

  // store_core.cc
  void refuse(std::unique_ptr<Request> request, Error error);
  void fail(const Error& cause);
  void end_with(const Error& cause);
  void arm_tick();
  void on_tick();
  void try_close();
  [[nodiscard]] Status close_now();
  void run_between_rounds(os::Task task);
  [[nodiscard]] Error ended() const;
  [[nodiscard]] Status fate() const;

  // store_core_rounds.cc
  void run_round();
  [[nodiscard]] bool may_stage();
  void take_requests();
  void decide_all();
  [[nodiscard]] bool time_to_stop(std::size_t decided, std::int64_t since_ns) const;
  [[nodiscard]] bool decide(AppendRequest& request) override;
  [[nodiscard]] bool decide(BatchRequest& request) override;
  [[nodiscard]] bool decide(ProducedRequest& request) override;
  [[nodiscard]] bool has_good_index(ContextState& context);
  [[nodiscard]] Result<BatchAppended> append_batch(BatchRequest& request);
  void put_back(std::size_t from);
  void refuse_while_full();
  [[nodiscard]] bool worth_it_beside();
  void start_flush(bool beside);
  void fly(Flight& flight);
  void end_flush();
  [[nodiscard]] bool idle() const { return flight_ == nullptr && round_.empty(); }
  void acknowledge_indexes(Flight& flight);
  void answer_all(std::vector<std::unique_ptr<Request>> requests);
  void between_rounds();
  void schedule_next();

  os::Env& env_;
  const std::string directory_;
  const Options options_;
  const Pipelining pipelining_;
  std::unique_ptr<os::Executor> worker_;        // of the indexes
  std::unique_ptr<os::Executor> checkpointer_;  // of the log: a checkpoint of a thousand partitions takes a tenth of a second, and no table waits for it
  std::unique_ptr<os::Executor> flusher_;
  std::unique_ptr<os::Executor> syncer_;  // of index_group_
  std::shared_ptr<IndexGroup> index_group_;
  std::unique_ptr<os::Executor> owner_;
  WakeList wake_list_;
  StoreCounts counts_;

  // Any thread.
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Request>> inbox_;
  std::size_t pending_bytes_ = 0;      // of all that is not answered
  bool scheduled_ = false;             // run_round is posted
  bool closing_ = false;
  std::shared_ptr<const ReadView> view_;
  std::atomic<bool> ended_{false};     // failed or closed; then the error below is set
  Error end_error_;

  // The executor's.
  std::unique_ptr<log::Log> log_;
  std::unique_ptr<Appender> appender_;
  std::vector<std::unique_ptr<ContextState>> contexts_;  // ascending by name
  std::vector<std::unique_ptr<Request>> taken_;          // to be decided
  std::vector<std::unique_ptr<Request>> round_;          // decided: the next round
  std::size_t round_bytes_ = 0;
  std::vector<log::PartitionKey> moved_;                 // by it
  std::unique_ptr<Flight> flight_;                       // the round before it
  std::int64_t flush_ns_ = 0;                            // how long the last flush took; 0: there was none
  double sync_ns_ = 1e9;                                 // how long the shortest of the last ones took, about
  std::int64_t busy_ns_ = 0;                             // how long the owner has worked for the rounds since the last one was begun
  bool crowded_ = false;                                 // requests came while the last round was on its way
  std::atomic<bool> gone_{false};                        // set on the owner's thread by the destructor: the executors end
  bool leaving_ = false;                                 // the destructor has begun
  RoundListener round_listener_;
  ContextCheck context_check_;
  std::vector<PartitionState*> full_;                    // whose index was full after the last round
  std::optional<os::TimerId> full_timer_;
  std::vector<os::Task> waiting_tasks_;                  // for a moment between two rounds
  std::vector<std::function<void(Status)>> closers_;
  std::optional<os::TimerId> tick_timer_;
  std::int64_t tick_at_ns_ = 0;
  std::unique_ptr<IndexRecovery> recovery_;              // while indexes are brought up to date: nothing is staged
  std::function<void(Status)> open_done_;
  bool told_fatal_ = false;
  std::optional<Error> doomed_;                          // outside the log something failed after which the store must end
};

}  // namespace baton::store
