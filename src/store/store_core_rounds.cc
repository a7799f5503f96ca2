// Rounds: what is taken, decided, staged, flushed and answered together.
#include <algorithm>
#include <iterator>
#include <utility>

#include "base/try.h"
#include "store/limits.h"
#include "store/store_core.h"

namespace baton::store {
namespace {

constexpr std::size_t kRoundBytesMax = 8u << 20;  // of requests in one round; the rest goes into the next
constexpr std::int64_t kHandOffNs = 130'000;      // to the flusher and back, between threads that sleep, and what else it costs to be two
constexpr double kSyncGrows = 1.02;               // a round, as long as none is as short: a disk that has become slower is known after some dozen
constexpr std::size_t kDecideStep = 32;           // whether to go on deciding is asked again after so many requests

}  // namespace

// False when nothing may be staged now; whoever it waits for calls run_round() again.
bool StoreCore::may_stage() {
  if (recovery_ != nullptr || !waiting_tasks_.empty() || round_bytes_ >= kRoundBytesMax) return false;
  std::erase_if(full_, [](const PartitionState* partition) { return !partition->view->index().full(); });
  return full_.empty();
}

// As many as the round has room for, and one in any case.
void StoreCore::take_requests() {
  const std::lock_guard lock(mutex_);
  std::size_t bytes = round_bytes_;
  std::size_t count = 0;
  while (count < inbox_.size() && (bytes == 0 || bytes + inbox_[count]->bytes <= kRoundBytesMax)) bytes += inbox_[count++]->bytes;
  if (count == inbox_.size()) {
    taken_.swap(inbox_);
    return;
  }
  const auto end = inbox_.begin() + static_cast<std::ptrdiff_t>(count);
  taken_.assign(std::make_move_iterator(inbox_.begin()), std::make_move_iterator(end));
  inbox_.erase(inbox_.begin(), end);
}

// False when it cannot be decided now: the index that it needs is damaged, and is to be rebuilt first; or a context is to be made, which is no
// work beside a flush.
bool StoreCore::decide(AppendRequest& request) {
  ContextState* context = find_context(request.append.context);
  if (context == nullptr && options_.create && request.kind == AppendRequest::Kind::append) {
    // One that this append could not come into is not made.
    Status fits = check_append(request.append, ContextOptions{}, log::kEventBatchBytesMax);
    if (fits) fits = appender_->check_new_context(request.append);
    if (!fits) {
      request.result = std::move(fits).error();
      return true;
    }
    if (flight_ != nullptr) return false;
    if (Status made = create_context(request.append.context, ContextOptions{}); !made) {
      request.result = std::move(made).error();
      return true;
    }
    context = find_context(request.append.context);
  }
  if (context == nullptr) {
    request.result = no_such_context(request.append.context);
    return true;
  }
  appender_->decide(*context, request);
  return request.result->ok() || request.result->error().code != Code::corrupt || has_good_index(*context);
}

bool StoreCore::decide(ProducedRequest& request) {
  ContextState* const context = find_context(request.append.context);
  if (context == nullptr) {
    request.fail_with(no_such_context(request.append.context));
    return true;
  }
  appender_->decide(*context, request);
  const Status& status = request.result->status;
  return status.ok() || status.error().code != Code::corrupt || has_good_index(*context);
}

// Otherwise it is built again, and what was decided by it is decided again.
bool StoreCore::has_good_index(ContextState& context) {
  bool damaged = false;
  for (const auto& partition : context.partitions) {
    const Status health = partition->view->index().health();
    if (health) continue;
    damaged = true;
    if (health.error().code == Code::corrupt) {
      reindex(context, *partition);
    } else {
      doomed_ = health.error();  // it could not be written, too
    }
  }
  return !damaged;
}

bool StoreCore::decide(BatchRequest& request) {
  request.result = append_batch(request);
  return true;
}

Result<BatchAppended> StoreCore::append_batch(BatchRequest& request) {
  const auto reader = log_->reader(request.partition);
  const auto topic = log_->catalogue().topics.find(request.partition.topic);
  if (reader == nullptr || topic == log_->catalogue().topics.end()) return Error{Code::not_found, "the topic has been removed"};
  if (topic->second.kind != log::TopicKind::plain) {
    return Error{Code::invalid_argument, "topic " + topic->second.name + " is a context: it takes events, not batches"};
  }
  BATON_TRY_ASSIGN(const log::BatchHeader header, log::parse_batch_header(request.batch));
  const log::Offset log_start = reader->bounds().log_start;
  if (header.producer_id >= 0) {
    BATON_TRY_ASSIGN(const auto known, log_->check_producer(request.partition, header));
    if (known) return BatchAppended{known->base_offset, log_start, known->timestamp, true};
  }
  BatchAppended appended{.log_start = log_start};
  if (request.append_time) {
    appended.append_ms = log_->append_time_ms();
    log::stamp_append_time(request.batch.mutable_bytes(), appended.append_ms);
  }
  BATON_TRY_ASSIGN(const log::Log::Staged staged, log_->stage(request.partition, std::move(request.batch)));
  appended.base_offset = staged.place.base_offset;
  moved_.push_back(request.partition);
  return appended;
}

// Deciding stops when it has taken as long as a flush does, so that one goes on beside it, and when the one before has ended.
bool StoreCore::time_to_stop(std::size_t decided, std::int64_t since_ns) const {
  if (decided >= pipelining_.decided_at_once && flight_ == nullptr) return true;
  if (decided % kDecideStep != 0 || taken_.size() - decided < kDecideStep) return false;
  if (flight_ != nullptr) return flight_->ran.load(std::memory_order_acquire);
  return flush_ns_ > 0 && env_.clock().monotonic_ns() - since_ns >= flush_ns_;
}

void StoreCore::decide_all() {
  const std::int64_t since_ns = env_.clock().monotonic_ns();
  for (std::size_t i = 0; i < taken_.size(); ++i) {
    if (doomed_) break;
    if ((i > 0 && time_to_stop(i, since_ns)) || !taken_[i]->decide(*this)) {
      put_back(i);
      break;
    }
    round_bytes_ += taken_[i]->bytes;
  }
  if (round_.empty()) {
    round_.swap(taken_);
  } else {
    std::ranges::move(taken_, std::back_inserter(round_));
    taken_.clear();
  }
  busy_ns_ += env_.clock().monotonic_ns() - since_ns;
}

// Requests from that one on are taken again, first of all, by a later round.
void StoreCore::put_back(std::size_t from) {
  const auto first = taken_.begin() + static_cast<std::ptrdiff_t>(from);
  for (auto request = first; request != taken_.end(); ++request) (*request)->forget();
  const std::lock_guard lock(mutex_);
  inbox_.insert(inbox_.begin(), std::make_move_iterator(first), std::make_move_iterator(taken_.end()));
  taken_.erase(first, taken_.end());
}

// F13: while the disk is full the index cannot be written, and what must wait for it is refused. Looked at from time to time, since nothing
// tells when a disk becomes full.
void StoreCore::refuse_while_full() {
  constexpr std::int64_t kLookAgainNs = 200'000'000;
  std::vector<std::unique_ptr<Request>> refused;
  Error cause;
  for (const PartitionState* partition : full_) {
    const Status health = partition->view->index().health();
    if (health || health.error().code != Code::no_space) continue;
    std::size_t bytes = 0;
    cause = health.error();
    const std::lock_guard lock(mutex_);
    for (auto& request : inbox_) {
      bytes += request->bytes;
      refused.push_back(std::move(request));
    }
    inbox_.clear();
    pending_bytes_ -= bytes;
  }
  for (auto& request : refused) request->fail(cause);
  if (full_timer_) return;
  full_timer_ = owner_->run_at(env_.clock().monotonic_ns() + kLookAgainNs, [this] {
    full_timer_.reset();
    run_round();
  });
}

void StoreCore::run_round() {
  {
    const std::lock_guard lock(mutex_);
    scheduled_ = false;
  }
  if (leaving_ || ended_.load(std::memory_order_relaxed)) return;
  if (may_stage()) {
    take_requests();
    decide_all();
    if (const Status status = fate(); !status) {
      fail(status.error());
      return;
    }
  } else if (!full_.empty()) {
    refuse_while_full();
  }
  if (flight_ != nullptr) return;
  if (round_.empty()) {
    between_rounds();  // an index may have to be built again before anything is decided
  } else {
    start_flush(worth_it_beside());
  }
}

// A hand-off pays when there is something to decide meanwhile. It makes two rounds of one, so that what a sync costs however little it syncs is paid twice: where that
// takes longer than deciding, a round of all that waits is better. What a flush took says little by itself: it may have been of a round ten times as large, or
// have stood behind something else.
bool StoreCore::worth_it_beside() {
  if (pipelining_.always_beside) return true;
  if (busy_ns_ < kHandOffNs || static_cast<double>(busy_ns_) * 2 < sync_ns_) return false;
  if (crowded_) return true;
  const std::lock_guard lock(mutex_);
  return !inbox_.empty();
}

// What is decided goes to the disk. Nothing else is on its way there.
void StoreCore::start_flush(bool beside) {
  flight_ = std::make_unique<Flight>();
  flight_->requests = std::move(round_);
  round_.clear();
  round_bytes_ = 0;
  if (log_->has_staged()) {
    flight_->job = log_->begin_flush();
    flight_->moved = std::exchange(moved_, {});
    flight_->ends = appender_->take_ends();
  }
  busy_ns_ = 0;
  if (flight_->job == nullptr || !beside) {
    fly(*flight_);
    end_flush();
    return;
  }
  flusher_->post([this, flight = flight_.get()] {
    fly(*flight);
    owner_->post([this] { end_flush(); });
  });
  schedule_next();
}

// The I/O of a round, on the flusher or on the owner.
void StoreCore::fly(Flight& flight) {
  const std::int64_t begun_ns = env_.clock().monotonic_ns();
  if (flight.job != nullptr) flight.job->run();
  flight.took_ns = env_.clock().monotonic_ns() - begun_ns;
  flight.ran.store(true, std::memory_order_release);
}

void StoreCore::acknowledge_indexes(Flight& flight) {
  for (const StagedEnd& staged : flight.ends) {
    PartitionState& partition = *staged.partition;
    Index& index = partition.view->index();
    flight.moved.push_back(partition.view->key());
    index.acknowledge(staged.end, staged.epoch, staged.crc, staged.streams);
    if (index.full()) full_.push_back(&partition);
    partition.staged.drop_below(staged.end);
    partition.heads.end_round();
    partition.fetcher.release();
  }
}

// The round is on the disk. When the owner has more to do than the disk, the next one goes there before this one is answered.
void StoreCore::end_flush() {
  if (leaving_) return;
  const auto flight = std::exchange(flight_, nullptr);
  if (flight->job != nullptr) {
    const Status ended = log_->end_flush(std::move(flight->job));
    if (!ended) {
      std::ranges::move(round_, std::back_inserter(flight->requests));
      round_ = std::move(flight->requests);
      fail(ended.error());
      return;
    }
    if (ended_.load(std::memory_order_relaxed)) {  // meanwhile: all has been answered
      try_close();
      return;
    }
    flush_ns_ = flight->took_ns;
    sync_ns_ = std::min(sync_ns_ * kSyncGrows, static_cast<double>(flush_ns_));
    counts_.rounds.fetch_add(1, std::memory_order_relaxed);
    acknowledge_indexes(*flight);
    wake_list_.notify();
    if (round_listener_) round_listener_(flight->moved);
  }
  if (const Status status = fate(); !status) {
    std::ranges::move(round_, std::back_inserter(flight->requests));
    round_ = std::move(flight->requests);
    fail(status.error());
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    crowded_ = !round_.empty() || !inbox_.empty();
  }
  const std::int64_t since_ns = env_.clock().monotonic_ns();
  const bool has_next = log_->has_staged();
  if (has_next && worth_it_beside()) {
    start_flush(true);
  } else if (!has_next) {
    std::ranges::move(round_, std::back_inserter(flight->requests));
    round_.clear();
    round_bytes_ = 0;
  }
  answer_all(std::move(flight->requests));
  busy_ns_ += env_.clock().monotonic_ns() - since_ns;
  arm_tick();
  if (idle()) between_rounds();
  if (flight_ == nullptr && !round_.empty()) {
    run_round();  // with what has come of the answers
  } else {
    schedule_next();
  }
}

// What must not happen while something is staged.
void StoreCore::between_rounds() {
  auto waiting = std::exchange(waiting_tasks_, {});
  for (os::Task& task : waiting) task();
  if (recovery_ != nullptr && !ended_.load(std::memory_order_relaxed)) step_recovery();
}

void StoreCore::answer_all(std::vector<std::unique_ptr<Request>> requests) {
  // A completion may append again, so what it answers counts no more.
  std::size_t bytes = 0;
  for (const auto& request : requests) {
    bytes += request->bytes;
    const auto refusal = request->refusal();
    if (refusal) counts_.refused[static_cast<std::size_t>(*refusal)].fetch_add(1, std::memory_order_relaxed);
  }
  counts_.requests.fetch_add(requests.size(), std::memory_order_relaxed);
  counts_.bytes.fetch_add(bytes, std::memory_order_relaxed);
  {
    const std::lock_guard lock(mutex_);
    pending_bytes_ -= bytes;
  }
  for (auto& request : requests) request->answer();
}

void StoreCore::schedule_next() {
  {
    const std::lock_guard lock(mutex_);
    if (!inbox_.empty()) {
      if (!std::exchange(scheduled_, true)) owner_->post([this] { run_round(); });
      return;
    }
  }
  try_close();
}

}  // namespace baton::store
