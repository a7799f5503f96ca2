// What an index writes: frozen tables as runs, merges, and the manifest after each.
//
// The order that makes a crash anywhere harmless: the new run is written and synced, its name with the directory; the manifest has a record that
// names it; when that is durable, the runs that are in it no more are removed. What is not named is removed at the next open.
#include <algorithm>

#include "base/try.h"
#include "store/index_core.h"

namespace baton::store {
namespace {
constexpr std::uint64_t kStepEntries = 128u << 10;  // of a merge: some milliseconds
constexpr std::int64_t kRetryNs = 1'000'000'000;
// For each entry of a table so many are merged before the next table is written, if there is so much to merge: then merges
// keep up with any rate of appends, and a table that waits does not wait for a whole merge.
constexpr std::int64_t kMergeShare = 4;
// A frozen table waits for others for an eighth of the time that it took to become full, if that is worth a wait.
constexpr std::int64_t kWaitShare = 8;
constexpr std::int64_t kWaitNsMin = 20'000'000;
constexpr std::int64_t kWaitNsMax = 500'000'000;
}  // namespace

void Index::Core::schedule(IndexGroup::Turn turn) {
  if (!posted(turn).exchange(true)) group_->post(weak_from_this(), turn);
}

// A table's turn is for what a table waits for: to be enlisted, and when the owner waits, also for the merges that are owed before.
bool Index::Core::table_is_next() const { return has_frozen_.load() && !enlisted_ && (merge_debt_ <= 0 || waiting_.load()); }

void Index::Core::go_on() {
  if (may_write() && !written_ && has_work()) schedule(table_is_next() ? IndexGroup::Turn::table : IndexGroup::Turn::merge);
}

void Index::Core::work(IndexGroup::Turn turn) {
  posted(turn).store(false);
  if (turn == IndexGroup::Turn::table) {
    const std::lock_guard io(io_mutex_);
    if (!table_is_next()) {
      go_on();
      return;
    }
  }
  step();
}

// With io_mutex_ held.
bool Index::Core::may_write() const { return !closed_.load() && !failed_ && !retrying_; }

void Index::Core::step() {
  const std::lock_guard io(io_mutex_);
  if (!may_write() || written_) return;  // complete() goes on: until then the manifest is as written_ has it
  // What is there may be named by a manifest that is in force again after a power cut. One that cannot be removed now is found again at the next open.
  if (Status synced = strays_.empty() ? Status() : manifest_file_.sync(); !synced) {
    failed(synced.error());
    return;
  }
  for (const std::string& path : std::exchange(strays_, {})) (void)fs_.remove(path);
  if (has_frozen_.load() && !enlisted_ && merge_debt_ <= 0) {
    enlist();
  } else if (auto merged = merge_some(); !merged) {
    failed(merged.error());
    return;
  } else {
    if (!*merged) merge_debt_ = 0;
    if (!enlisted_) succeeded();
  }
  go_on();
}

bool Index::Core::has_work() const {
  if ((has_frozen_.load() && !enlisted_) || !strays_.empty()) return true;
  return !merging_stopped_ && (merge_ || removed_runs() > 0 || pick_merge(manifest_.runs, options_.merge_fan, options_.table_entries));
}

// A table that took long to become full can wait for others, if there are many, since the next one takes as long: unless the owner waits for it.
void Index::Core::enlist() {
  enlisted_ = true;
  const std::int64_t wait = std::min(fill_ns_.load() / kWaitShare, kWaitNsMax);
  const bool now = waiting_.load() || wait < kWaitNsMin || !group_->may_gather();
  group_->add(weak_from_this(), env_.clock().monotonic_ns() + (now ? 0 : wait));
}

void Index::Core::write_alone() {
  const std::lock_guard io(io_mutex_);
  enlisted_ = false;
  if (closed_.load() || failed_) return;  // a merge that waits for space does not keep a table waiting
  if (auto written = write_frozen(); !written) {
    failed(written.error());
    return;
  }
  succeeded();
  go_on();
}

bool Index::Core::prepare() {
  const std::lock_guard io(io_mutex_);
  enlisted_ = false;
  if (closed_.load() || failed_ || written_) return false;
  if (auto written = write_files(Sync::by_caller); !written) failed(written.error());
  return written_.has_value();
}

void Index::Core::complete(const Status& synced) {
  const std::lock_guard io(io_mutex_);
  if (closed_.load() || failed_) return;
  if (!synced) drop_written();
  if (auto published = synced ? publish_written() : synced; !published) {
    failed(published.error());
    return;
  }
  succeeded();
  go_on();
}

// The frozen table, to the end, on the calling thread. Does nothing when there is none.
Status Index::Core::write_frozen() {
  if (!written_) {
    BATON_TRY(write_files(Sync::each));
  } else if (auto synced = fs_.sync_all(directory_); !synced) {  // the group's sync is not waited for
    drop_written();
    return synced;
  }
  return publish_written();
}

// Writes the run and the manifest that will name it.
Status Index::Core::write_files(Sync sync) {
  std::shared_ptr<const IndexTable> frozen;
  Written written{.manifest = manifest_, .run = {}};
  {
    const std::lock_guard guard(state_mutex_);
    frozen = state_->frozen;
    written.manifest.covered = frozen_covered_;
  }
  if (!frozen) return {};
  const bool each = sync == Sync::each;
  const std::int64_t end = written.manifest.covered.next.value();
  if (const std::size_t count = frozen->count_below(end); count > 0) {
    const RunInfo planned{
        .number = manifest_.next_number++, .entries = count, .first = manifest_.covered.next.value(), .end = end};
    BATON_TRY_ASSIGN(auto writer, RunWriter::create(fs_, directory_, planned));
    auto finished = [&]() -> Result<RunInfo> {
      frozen->sorted(end, [&](const IndexEntry& entry) {
        writer->add(entry);
        return writer->status().ok();
      });
      if (!writer->status()) return writer->status().error();
      return writer->finish(each);
    }();
    if (!finished) {
      writer.reset();
      remove_run_file(planned.number);
      return finished.error();
    }
    written.run = *finished;
    written.manifest.next_number = manifest_.next_number;
    written.manifest.runs.push_back(*finished);
  }
  Status status = manifest_file_.prepare(written.manifest, each);
  if (status && each && written.run) status = fs_.sync_directory(directory_);
  if (status && each) status = manifest_file_.sync();  // of the table before: a power cut takes no more back than this one
  written_ = std::move(written);
  if (!status) drop_written();
  return status;
}

// What write_files() wrote is durable: it is named, and look-ups find it. A crash may still bring back the manifest before, whose runs are there,
// too, until a manifest without them has a durable name.
Status Index::Core::publish_written() {
  if (!written_) return {};
  Written written = *std::exchange(written_, std::nullopt);
  std::shared_ptr<const IndexRun> run;
  if (written.run) {
    BATON_TRY_ASSIGN(run, IndexRun::open(fs_, directory_, *written.run));
    merge_debt_ += static_cast<std::int64_t>(written.run->entries) * kMergeShare;
    written_bytes_.fetch_add(run->layout().file_bytes);
  }
  if (Status named = manifest_file_.put(written.manifest); !named) {
    if (named.error().code == Code::no_space && written.run) remove_run_file(written.run->number);
    return named;
  }
  manifest_ = std::move(written.manifest);
  publish([&](IndexState& state) {
    state.frozen = nullptr;
    if (run) state.runs.push_back(std::move(run));
    covered_ = manifest_.covered;
  });
  has_frozen_.store(false);
  post_owner([](Core& core) { core.after_write(); });
  return {};
}

void Index::Core::drop_written() {
  if (!written_) return;
  if (written_->run) remove_run_file(written_->run->number);
  written_.reset();
}

// So many of the oldest runs hold nothing but entries of records that a retention has removed.
std::size_t Index::Core::removed_runs() const {
  const auto first_kept = std::ranges::find_if(manifest_.runs, [&](const RunInfo& run) { return run.end > log_start_.load(); });
  return static_cast<std::size_t>(first_kept - manifest_.runs.begin());
}

// They leave without a merge, which the big ones among them would long wait for.
Status Index::Core::drop_runs(std::size_t count) {
  IndexManifest next = manifest_;
  next.runs.erase(next.runs.begin(), next.runs.begin() + static_cast<std::ptrdiff_t>(count));
  BATON_TRY(manifest_file_.replace(next));
  const IndexManifest old = std::exchange(manifest_, std::move(next));
  publish([&](IndexState& state) { state.runs.erase(state.runs.begin(), state.runs.begin() + static_cast<std::ptrdiff_t>(count)); });
  for (std::size_t i = 0; i < count; ++i) remove_run_file(old.runs[i].number);
  return {};
}

// One step of the merge that is running, or of the next one. False when there is none.
Result<bool> Index::Core::merge_some() {
  if (merging_stopped_) return false;
  if (const std::size_t removed = merge_ ? 0 : removed_runs(); removed > 0) {
    BATON_TRY(drop_runs(removed));
    return true;
  }
  if (!merge_) {
    const auto first = pick_merge(manifest_.runs, options_.merge_fan, options_.table_entries);
    if (!first) return false;
    const Runs runs = state()->runs;
    merge_first_ = *first;
    merge_ = std::make_unique<IndexMerge>(fs_, directory_, Runs(runs.begin() + static_cast<std::ptrdiff_t>(*first), runs.end()),
                                          manifest_.next_number++, log_start_.load());
  }
  merge_debt_ -= static_cast<std::int64_t>(kStepEntries);
  auto done = merge_->step(kStepEntries);
  if (!done) {
    const Error error = done.error();
    drop_merge();
    if (error.code != Code::corrupt) return error;
    // An input is damaged. Look-ups go on in what is not; the owner is told and will reset.
    merging_stopped_ = true;
    state()->damage->found(error);
    return false;
  }
  if (*done) BATON_TRY(finish_merge());
  return true;
}

Status Index::Core::finish_merge() {
  const std::unique_ptr<IndexMerge> merge = std::move(merge_);
  const std::size_t count = merge->inputs().size();
  std::shared_ptr<const IndexRun> run;  // none when nothing is left
  if (merge->output().entries > 0) {
    BATON_TRY(fs_.sync_directory(directory_));
    BATON_TRY_ASSIGN(run, IndexRun::open(fs_, directory_, merge->output()));
  }
  const auto replace = [&](auto& runs, const auto& output) {
    const auto at = runs.begin() + static_cast<std::ptrdiff_t>(merge_first_);
    if (run) *at = output;
    runs.erase(at + (run ? 1 : 0), at + static_cast<std::ptrdiff_t>(count));
  };
  IndexManifest next = manifest_;
  replace(next.runs, merge->output());
  if (Status written = manifest_file_.replace(next); !written) {
    if (written.error().code == Code::no_space) remove_run_file(merge->output().number);  // not named; what comes next needs its space
    return written;
  }
  manifest_ = std::move(next);
  if (run) written_bytes_.fetch_add(run->layout().file_bytes);
  merged_entries_.fetch_add(merge->output().entries);
  merges_.fetch_add(1);
  publish([&](IndexState& state) { replace(state.runs, run); });
  // Snapshots and other processes that have them open go on reading them.
  for (const auto& input : merge->inputs()) remove_run_file(input->info().number);
  return {};
}

void Index::Core::drop_merge() {
  if (!merge_) return;
  const std::uint64_t number = merge_->output().number;
  merge_.reset();
  remove_run_file(number);
}

// One that cannot be removed now is a stray at the next open.
void Index::Core::remove_run_file(std::uint64_t number) {
  (void)fs_.remove(os::join(directory_, run_file_name(number)));
}

Result<bool> Index::Core::merge_step() {
  if (options_.read_only) return false;
  const std::lock_guard io(io_mutex_);
  if (failed_) return health().error();
  if (Status named = written_ ? write_frozen() : Status(); !named) {  // its manifest has the runs of now
    failed(named.error());
    return named.error();
  }
  auto merged = merge_some();
  if (!merged) failed(merged.error());
  return merged;
}

// A full disk is waited for; after anything else nothing can be known of what was written, so that is the end of writing.
void Index::Core::failed(const Error& error) {
  if (error.code == Code::no_space) {
    const bool is_new = health().ok();
    {
      const std::lock_guard guard(state_mutex_);
      if (is_new) health_ = error;
    }
    if (is_new) warn("the index cannot be written while the disk is full: " + error.detail);
    if (retrying_) return;
    retrying_ = true;
    worker_->run_at(env_.clock().monotonic_ns() + kRetryNs, [self = shared_from_this()] {
      {
        const std::lock_guard io(self->io_mutex_);
        self->retrying_ = false;
      }
      self->step();
    });
    return;
  }
  failed_ = true;
  {
    const std::lock_guard guard(state_mutex_);
    health_ = error;
  }
  post_owner([error](Core& core) {
    if (core.options_.on_failure) core.options_.on_failure(error);
  });
}

// What could not be written for want of space has been written, or a reset has thrown away what was damaged.
void Index::Core::succeeded() {
  const std::lock_guard guard(state_mutex_);
  if (health_) return;
  if (health_.error().code == Code::no_space || (!merging_stopped_ && state_->damage->is_fresh())) health_ = {};
}

}  // namespace baton::store
