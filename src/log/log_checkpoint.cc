// Checkpoints and seals: what the owner does before and after the worker's part; closing.
#include <algorithm>

#include "base/check.h"
#include "base/try.h"
#include "log/log_impl.h"

namespace baton::log {
namespace {

constexpr std::int64_t kRetryNs = 1'000'000'000;

}  // namespace

// `all`: everything that was written, and old generations are freed. Otherwise only segments that wait for their seal.
std::shared_ptr<CheckpointJob> LogImpl::make_checkpoint(bool all) {
  auto job = std::make_shared<CheckpointJob>();
  job->directory = directory_;
  job->journal = journal_;
  job->lock = lock_;
  job->sync_journal = durable_round_ < last_round_;
  if (all) job->free_before = journal_->generation();
  // What is staged is in the tables, and must not be spoken of yet: the file before this one does as well.
  if (all && producers_stale_ && dirty_.empty() && in_flight_ == nullptr) {
    job->producers = producers_file();
    producers_stale_ = false;
  }
  for (const auto& [key, tail] : tails_) {
    for (auto& segment : tail->open) {
      const bool seal = segment.rolled && segment.end == segment.staged_end;
      if (seal || (all && segment.dirty)) add_item(*job, *tail, segment);
    }
  }
  return job;
}

void LogImpl::add_item(CheckpointJob& job, PartitionTail& tail, OpenSegment& segment) {
  if (segment.marks.cut()) segment.segment->add_mark(segment.marks.finished().back());
  CheckpointJob::Item item{.segment = segment.segment, .dirty = segment.dirty, .end = segment.end};
  item.sectors_at = segment.saved.file_bytes;
  item.sectors = encode_mark_sectors(segment.marks.take(), segment.saved);
  item.next_offset = segment.next_offset;
  item.max_timestamp = segment.saved.max_timestamp;
  item.seal = segment.rolled && segment.end == segment.staged_end && segment.end > 0;
  item.hash = item.seal && tail.config->kind == TopicKind::event;
  if (item.hash) {
    const auto& state = catalogue_->state();
    const auto last = state.last_seal.find(tail.key);
    if (last != state.last_seal.end()) item.previous = state.seals[last->second].hash;
  }
  segment.dirty = false;
  job.items.push_back(std::move(item));
}

void LogImpl::start_checkpoint() {
  if (on_this_thread_ || (running_ && !running_->done())) return;
  if (!running_) {
    running_ = make_checkpoint(want_checkpoint_);
    if (want_checkpoint_) served_ = std::exchange(waiting_, {});
    want_checkpoint_ = want_seals_ = false;
  } else {
    running_->again(lock_);  // the disk was full
  }
  if (!waiter_) waiter_ = env_.make_waiter();
  worker_.post([job = running_, &fs = fs_, &owner = owner_, self = self_, waiter = waiter_] {
    if (!job->take()) return;
    job->run(fs);
    owner.post([job, self] {
      if (*self != nullptr) (*self)->finish_checkpoint(job);
    });
    waiter->wake();
  });
}

void LogImpl::finish_checkpoint(std::shared_ptr<CheckpointJob> job) {
  if (running_ != job || failed_) return;
  if (!job->result() && job->result().error().code == Code::no_space) {
    retry_ns_ = env_.clock().monotonic_ns() + kRetryNs;
    return;
  }
  running_.reset();
  retry_ns_ = -1;
  Status status = job->result();
  if (status) status = seal_segments(*job);
  if (!status) status = fail(status.error());
  for (auto& done : std::exchange(served_, {})) done(status);
  if (status && !closed_ && (want_checkpoint_ || want_seals_)) start_checkpoint();
}

Status LogImpl::seal_segments(const CheckpointJob& job) {
  for (const auto& item : job.items) {
    const auto tail = find_tail(item.segment->key());
    if (!tail) continue;  // the topic was removed
    auto& open = (*tail)->open;
    ++(*tail)->list_changes;
    if (item.hash) {
      const auto& state = catalogue_->state();
      const bool known = std::ranges::any_of(state.seals, [&](const Seal& seal) {
        return seal.base_offset == item.segment->base() && seal.partition == item.segment->key();
      });
      if (!known) {
        BATON_TRY(catalogue_->add_seal({.partition = item.segment->key(),
                                        .base_offset = item.segment->base(),
                                        .next_offset = item.next_offset,
                                        .bytes = item.end,
                                        .max_timestamp = item.max_timestamp,
                                        .previous = item.previous,
                                        .hash = item.result}));
        live_->set_catalogue_bytes(catalogue_->bytes());
      }
    }
    if (!item.seal) continue;
    const auto found = std::ranges::find(open, item.segment, &OpenSegment::segment);
    if (found == open.end()) continue;
    BATON_CHECK(found == open.begin(), "segments are sealed in order");
    found->segment->seal();
    found->segment->release();
    open.pop_front();
    publish(**tail);
  }
  return {};
}

// What the worker does has ended, and counts. What it has not begun is done here.
void LogImpl::wait_for_checkpoint() {
  if (!running_) return;
  if (running_->take()) running_->run(fs_);
  while (!running_->done()) (void)waiter_->wait();
  finish_checkpoint(running_);
}

void LogImpl::checkpoint(std::function<void(Status)> done) {
  if (auto open = check_open(); !open) return done(open);
  want_checkpoint_ = true;
  waiting_.push_back(std::move(done));
  if (in_flight_ == nullptr && !running_ && !journal_->empty()) {
    auto begun = run_round(make_round(false, true, false));
    if (!begun) return;
  }
  if (!running_) start_checkpoint();
}

// All of it on this thread.
Status LogImpl::checkpoint_now() {
  BATON_CHECK(in_flight_ == nullptr, "a round is on its way");
  on_this_thread_ = true;
  const Status status = do_checkpoint_now();
  on_this_thread_ = false;
  return status;
}

Status LogImpl::do_checkpoint_now() {
  wait_for_checkpoint();
  if (failed_) return failure_;
  if (running_) return running_->result();  // the disk is full
  if (!dirty_.empty()) BATON_TRY(run_round(make_round(false, false, false)));
  if (extents_stale_) BATON_TRY(run_round(make_round(false, true, true)));
  if (extents_stale_) return Error{Code::no_space, "the disk is full: the journal cannot go on in a new file"};
  running_ = make_checkpoint(true);
  served_ = std::exchange(waiting_, {});
  want_checkpoint_ = want_seals_ = false;
  const auto job = running_;
  (void)job->take();
  job->run(fs_);
  finish_checkpoint(job);
  if (failed_) return failure_;
  return job->result();
}

Status LogImpl::close() {
  if (closed_) return {};
  wait_for_interval_sync();
  if (failed_) {
    closed_ = true;
    wait_for_checkpoint();
    lock_.reset();
    return failure_;
  }
  auto status = checkpoint_now();
  if (!failed_ && status) status = catalogue_->mark_clean_close(last_round_);
  if (!status && status.error().code == Code::no_space) status = {};  // the next open recovers
  closed_ = true;
  wait_for_checkpoint();
  if (live_) {
    live_->set_catalogue_bytes(catalogue_->bytes());
    live_->set_state(failed_ ? LiveState::failed : LiveState::closed);
  }
  journal_.reset();
  lock_.reset();
  return status;
}

}  // namespace baton::log
