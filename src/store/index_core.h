// What is inside an Index: shared by the Index and its tasks on the executors.
//
// Two locks. io_mutex_: one at a time writes to the directory, either a task of the worker or the owner in flush(), reset()
// and the destructor; it is held for one table, one step of a merge, or a sync that flush() makes. state_mutex_: the pointer to the state, for as long as it
// takes to copy it; taken within io_mutex_, never the other way.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "store/index.h"
#include "store/index_merge.h"
#include "store/index_state.h"

namespace baton::store {

class Index::Core : public IndexGroup::Member, public std::enable_shared_from_this<Index::Core> {
 public:
  Core(os::Env& env, std::string directory, const IndexOptions& options, os::Executor* owner, os::Executor* worker);

  // index.cc: the owner's side.
  [[nodiscard]] Status open();
  void close();
  void add(std::span<const IndexEntry> entries);
  void acknowledge(const IndexCovered& upto);
  [[nodiscard]] bool full();
  [[nodiscard]] Status flush();
  [[nodiscard]] Status reset(log::Offset start);
  void drop_below(log::Offset log_start);
  [[nodiscard]] Result<std::optional<IndexCovered>> load_newer();
  void publish_newer();
  [[nodiscard]] std::shared_ptr<const IndexState> state() const;
  [[nodiscard]] IndexCovered covered() const;
  [[nodiscard]] Status health() const;
  [[nodiscard]] Stats stats() const;
  [[nodiscard]] std::optional<Finding> problem() const { return problem_; }

  // index_worker.cc: what writes.
  [[nodiscard]] Result<bool> merge_step();
  void work(IndexGroup::Turn turn) override;
  void write_alone() override;
  [[nodiscard]] bool prepare() override;
  void complete(const Status& synced) override;

 private:
  using Runs = std::vector<std::shared_ptr<const IndexRun>>;
  // A frozen table that has been written, with the manifest that will name it.
  struct Written {
    IndexManifest manifest;
    std::optional<RunInfo> run;  // none when the table held nothing that is acknowledged
  };
  enum class Sync { each, by_caller };

  [[nodiscard]] bool is_full() const;
  void count_acknowledged();
  void maybe_freeze();
  void freeze();
  void after_write();
  void start_empty(log::Offset start);
  [[nodiscard]] std::shared_ptr<IndexDamage> make_damage();
  [[nodiscard]] Status load(IndexManifest& manifest, Runs& runs) const;
  [[nodiscard]] Status load_as_reader(IndexManifest& manifest, Runs& runs) const;
  [[nodiscard]] Status heal_manifest();
  [[nodiscard]] Status find_strays();
  void post_owner(std::function<void(Core&)> task);
  void warn(std::string text);

  void schedule(IndexGroup::Turn turn);
  std::atomic<bool>& posted(IndexGroup::Turn turn) { return turn == IndexGroup::Turn::table ? posted_table_ : posted_merge_; }

  // The rest with io_mutex_ held, but step(), which takes it.
  void step();
  [[nodiscard]] bool table_is_next() const;
  void go_on();
  [[nodiscard]] bool has_work() const;
  void enlist();
  [[nodiscard]] bool may_write() const;
  [[nodiscard]] Status write_frozen();
  [[nodiscard]] Status write_files(Sync sync);
  [[nodiscard]] Status publish_written();
  void drop_written();
  [[nodiscard]] std::size_t removed_runs() const;
  [[nodiscard]] Status drop_runs(std::size_t count);
  [[nodiscard]] Result<bool> merge_some();
  [[nodiscard]] Status finish_merge();
  void drop_merge();
  void failed(const Error& error);
  void succeeded();
  void remove_run_file(std::uint64_t number);
  template <typename F>
  void publish(F&& change);

  os::Env& env_;
  os::FileSystem& fs_;
  const std::string directory_;
  const IndexOptions options_;
  os::Executor* const owner_;
  os::Executor* const worker_;
  std::shared_ptr<IndexGroup> group_;  // null: read-only
  std::optional<Finding> problem_;  // what open() found

  // The owner's.
  std::shared_ptr<IndexTable> active_;
  IndexCovered acknowledged_;
  std::size_t acknowledged_entries_ = 0;  // of active_: so many from the first are below it; counted when it matters
  std::optional<std::pair<IndexManifest, Runs>> newer_;  // read-only: loaded, and not published yet

  std::int64_t frozen_ns_ = 0;  // when a table was frozen, or the first begun

  std::atomic<std::int64_t> log_start_{0};
  std::atomic<bool> waiting_{false};  // full() has been true: the owner waits for room
  std::atomic<std::int64_t> fill_ns_{0};  // so long the frozen table took to become full
  std::atomic<bool> closed_{false};
  std::atomic<bool> has_frozen_{false};
  std::atomic<bool> posted_table_{false};  // a turn is to come
  std::atomic<bool> posted_merge_{false};
  std::atomic<std::uint64_t> written_bytes_{0};
  std::atomic<std::uint64_t> merged_entries_{0};
  std::atomic<std::uint64_t> merges_{0};

  mutable std::mutex state_mutex_;
  std::shared_ptr<const IndexState> state_;
  IndexCovered covered_;
  IndexCovered frozen_covered_;
  Status health_;

  std::mutex io_mutex_;
  IndexManifest manifest_;          // in force
  IndexManifestFile manifest_file_;
  std::optional<Written> written_;  // not named yet
  bool enlisted_ = false;           // the group will call
  std::unique_ptr<IndexMerge> merge_;
  std::size_t merge_first_ = 0;  // its inputs begin with this run
  std::vector<std::string> strays_;  // to be removed
  std::int64_t merge_debt_ = 0;   // entries to be merged before the next table is written
  bool merging_stopped_ = false;  // an input is damaged
  bool failed_ = false;           // for good
  bool retrying_ = false;         // no space: a timer will try again
};

template <typename F>
void Index::Core::publish(F&& change) {
  const std::lock_guard guard(state_mutex_);
  auto next = std::make_shared<IndexState>(*state_);
  change(*next);
  state_ = std::move(next);
}

}  // namespace baton::store
