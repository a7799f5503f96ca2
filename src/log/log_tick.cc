// What is due without an append: the syncs of durability `interval`, the mark of an idle log, a checkpoint that found the disk full.
#include <algorithm>
#include <utility>

#include "log/log_impl.h"

namespace baton::log {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;

}  // namespace

// The worker syncs, so that appends do not wait for it. What it covers: all rounds that have ended by now; those in earlier generations were
// synced when the next one began.
void LogImpl::start_interval_sync() {
  syncing_ = std::make_shared<IntervalSync>();
  syncing_->upto = last_round_;
  syncing_->since_ns = env_.clock().monotonic_ns();
  for (PartitionTail* tail : undurable_) tail->syncing_to = tail->ended;
  if (!waiter_) waiter_ = env_.make_waiter();
  worker_.post([sync = syncing_, journal = journal_, &owner = owner_, self = self_, waiter = waiter_] {
    if (!sync->take()) return;
    sync->status = journal->sync();
    owner.post([self, sync] {
      if (*self != nullptr) (*self)->end_interval_sync(sync);
    });
    sync->done = true;
    waiter->wake();
  });
}

// What the worker has not begun is left: it may run when the owner is gone.
void LogImpl::wait_for_interval_sync() {
  const auto sync = syncing_;
  if (!sync) return;
  if (!sync->take()) {
    while (!sync->done) (void)waiter_->wait();
    end_interval_sync(sync);
  }
  syncing_ = nullptr;
}

void LogImpl::end_interval_sync(const std::shared_ptr<IntervalSync>& sync) {
  if (syncing_ != sync) return;  // it has been waited for
  syncing_ = nullptr;
  if (failed_ || closed_) return;
  if (!sync->status) {
    (void)fail(sync->status.error());
    return;
  }
  durable_round_ = std::max(durable_round_, sync->upto);
  auto undurable = std::exchange(undurable_, {});
  for (PartitionTail* tail : undurable) {
    tail->synced_to = tail->syncing_to;
    tail->undurable = tail->ended > tail->synced_to;
    if (tail->undurable) undurable_.push_back(tail);
    if (!tail->removed) publish(*tail);
  }
  // What is left came after the sync began.
  first_undurable_ns_ = undurable_.empty() ? -1 : sync->since_ns;
}

std::int64_t LogImpl::tick() {
  if (failed_ || closed_) return -1;
  const std::int64_t now = env_.clock().monotonic_ns();
  std::int64_t next = -1;
  const auto come_back_at = [&](std::int64_t at) { next = next < 0 ? at : std::min(next, at); };
  const auto due = [&](std::int64_t at) {
    if (now < at) come_back_at(at);
    return now >= at;
  };
  if (!syncing_ && first_undurable_ns_ >= 0 && due(first_undurable_ns_ + options_.interval_ms * kNsPerMs)) start_interval_sync();
  if (syncing_) come_back_at(now + options_.interval_ms * kNsPerMs);  // there may be more to be synced when it has ended
  if (!marked_ && due(last_record_ns_ + options_.idle_mark_ms * kNsPerMs)) {
    if (in_flight_ != nullptr || !dirty_.empty()) {  // what comes next does it
      come_back_at(now + options_.idle_mark_ms * kNsPerMs);
    } else if (journal_->reserve(kRecordOverheadBytes, options_.reserve_bytes)) {
      reserved_ += kRecordOverheadBytes;
      if (!run_round(make_round(true, false, false))) return -1;
    }
  }
  if (retry_ns_ >= 0 && due(retry_ns_)) {
    retry_ns_ = -1;
    start_checkpoint();
  }
  return next;
}

}  // namespace baton::log
