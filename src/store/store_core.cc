#include "store/store_core.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "base/try.h"

namespace baton::store {
StoreCore::~StoreCore() {
  // First nothing new is flushed, then what lives on the executor ends there, while all executors still run; then nothing is left that a task could touch.
  const auto waiter = env_.make_waiter();
  owner_->post([&] {
    leaving_ = true;
    waiter->wake();
  });
  waiter->wait();
  flusher_ = nullptr;
  owner_->post([&] {
    if (tick_timer_) (void)owner_->cancel(*tick_timer_);
    if (full_timer_) (void)owner_->cancel(*full_timer_);
    recovery_ = nullptr;
    flight_ = nullptr;
    taken_.clear();
    round_.clear();
    {
      const std::lock_guard lock(mutex_);
      inbox_.clear();
      view_ = nullptr;
      closing_ = true;
      scheduled_ = true;
    }
    contexts_.clear();
    appender_ = nullptr;
    log_ = nullptr;
    gone_.store(true, std::memory_order_relaxed);
    waiter->wake();
  });
  waiter->wait();
  syncer_ = nullptr;
  checkpointer_ = nullptr;
  worker_ = nullptr;
  owner_ = nullptr;
}

std::shared_ptr<const ReadView> StoreCore::view() const {
  const std::lock_guard lock(mutex_);
  return view_;
}

Error StoreCore::ended() const {
  const std::lock_guard lock(mutex_);
  return end_error_;
}

Status StoreCore::health() const {
  if (ended_.load(std::memory_order_acquire)) return ended();
  return {};
}

// Of what a completion asks for while the store is being destroyed nobody hears any more: it would go on so for ever.
void StoreCore::refuse(std::unique_ptr<Request> request, Error error) {
  if (gone_.load(std::memory_order_relaxed)) return;
  owner_->post([request = std::move(request), error = std::move(error)]() mutable { request->fail(std::move(error)); });
}

void StoreCore::submit(std::unique_ptr<Request> request, Caller caller) {
  request->bytes = request->measure();
  std::optional<Error> refused;
  bool start = false;
  {
    const std::lock_guard lock(mutex_);
    if (ended_.load(std::memory_order_relaxed)) {
      refused = end_error_;
    } else if (closing_) {
      refused = Error{Code::cancelled, "the store is being closed"};
    } else if (pending_bytes_ + request->bytes > options_.pending_bytes_max && pending_bytes_ > 0) {
      refused = Error{Code::resource_exhausted, std::to_string(pending_bytes_) + " bytes of appends are waiting (" +
                                                    "Options::pending_bytes_max): try again when some were answered"};
    } else {
      pending_bytes_ += request->bytes;
      inbox_.push_back(std::move(request));
      start = !std::exchange(scheduled_, true);
    }
  }
  if (refused) {
    refuse(std::move(request), *std::move(refused));
  } else if (start && caller == Caller::waits) {
    owner_->run_or_post([this] { run_round(); });
  } else if (start) {
    owner_->post([this] { run_round(); });
  }
}

Status StoreCore::room() const {
  BATON_TRY(log::check_room(env_.fs(), directory_));  // the log has its default reserve
  // As many descriptors as a new segment, its marks, its index and their directories may need at once.
  std::array<std::unique_ptr<os::File>, 8> tried;
  for (auto& file : tried) {
    BATON_TRY_ASSIGN(file, env_.fs().open(os::join(directory_, "catalogue"), {}));
  }
  return {};
}

Status StoreCore::run(std::function<Status()> task) {
  if (owner_->on_executor()) {
    return Error{Code::invalid_argument, "a blocking call was made from a completion: use another thread"};
  }
  BATON_TRY(health());
  const auto waiter = env_.make_waiter();
  Status outcome;
  owner_->post([&] {
    run_between_rounds([&] {
      outcome = health();
      if (outcome) outcome = task();
      if (const Status status = fate(); !status) fail(status.error());
      waiter->wake();
    });
  });
  waiter->wait();
  return outcome;
}

void StoreCore::run_async(std::function<Status()> task, std::function<void(Status)> done) {
  owner_->post([this, task = std::move(task), done = std::move(done)]() mutable {
    run_between_rounds([this, task = std::move(task), done = std::move(done)] {
      Status outcome = health();
      if (outcome) outcome = task();
      if (const Status status = fate(); !status) fail(status.error());
      done(std::move(outcome));
    });
  });
}

void StoreCore::run_beside(os::Task task) {
  const auto waiter = env_.make_waiter();
  owner_->post([&] {
    task();
    waiter->wake();
  });
  waiter->wait();
}

void StoreCore::run_between_rounds(os::Task task) {
  if (idle()) {
    task();
  } else {
    waiting_tasks_.push_back(std::move(task));
  }
}

// An error when the store must end.
Status StoreCore::fate() const {
  if (log_ != nullptr && log_->failed()) return log_->failure();
  if (doomed_) return *doomed_;
  return {};
}

// From now on every call is answered with the reason.
void StoreCore::end_with(const Error& cause) {
  const std::lock_guard lock(mutex_);
  if (ended_.load(std::memory_order_relaxed)) return;
  end_error_ = cause;
  if (cause.code != Code::store_failed) {
    end_error_ = {Code::store_failed, "the store has ended, and must be opened again: " + cause.detail};
  }
  ended_.store(true, std::memory_order_release);
}

// F12: nothing that waits is acknowledged, and nothing is tried again.
void StoreCore::fail(const Error& cause) {
  // The job of a round that is on its way ends by itself.
  std::vector<std::unique_ptr<Request>> waiting;
  if (flight_ != nullptr) waiting = std::exchange(flight_->requests, {});
  std::ranges::move(round_, std::back_inserter(waiting));
  round_.clear();
  end_with(cause);
  Error error;
  {
    const std::lock_guard lock(mutex_);
    error = end_error_;
    for (auto& request : inbox_) waiting.push_back(std::move(request));
    inbox_.clear();
    pending_bytes_ = 0;
  }
  for (auto& request : waiting) request->fail(error);
  auto tasks = std::exchange(waiting_tasks_, {});
  for (os::Task& task : tasks) task();
  if (open_done_) std::exchange(open_done_, nullptr)(error);
  wake_list_.notify();
  if (!std::exchange(told_fatal_, true) && options_.on_fatal) options_.on_fatal(error);
  try_close();
}

void StoreCore::arm_tick() {
  const std::int64_t at = log_->tick();
  if (log_->failed()) {
    fail(log_->failure());
    return;
  }
  if (at < 0 || (tick_timer_ && tick_at_ns_ <= at)) return;
  if (tick_timer_ && !owner_->cancel(*tick_timer_)) return;  // it is about to run
  tick_at_ns_ = at;
  tick_timer_ = owner_->run_at(at, [this] {
    tick_timer_.reset();
    on_tick();
  });
}

void StoreCore::on_tick() {
  if (ended_.load(std::memory_order_relaxed)) return;
  if (flight_ == nullptr) arm_tick();  // otherwise its end does
}

Status StoreCore::close() {
  if (owner_->on_executor()) return Error{Code::invalid_argument, "close() was called from a completion: use another thread"};
  const auto waiter = env_.make_waiter();
  Status outcome;
  owner_->post([&] {
    closers_.push_back([&](Status status) {
      outcome = std::move(status);
      waiter->wake();
    });
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
    }
    try_close();
  });
  waiter->wait();
  return outcome;
}

void StoreCore::try_close() {
  if (closers_.empty() || flight_ != nullptr) return;
  bool ended = ended_.load(std::memory_order_relaxed);
  {
    const std::lock_guard lock(mutex_);
    if (!ended && (!round_.empty() || !inbox_.empty())) return;  // end_flush comes here again
  }
  Status outcome = ended ? Status(this->ended()) : close_now();
  if (!outcome && outcome.error().code == Code::cancelled) outcome = {};  // closed before
  for (auto& done : std::exchange(closers_, {})) done(outcome);
}

Status StoreCore::close_now() {
  if (tick_timer_) (void)owner_->cancel(*std::exchange(tick_timer_, std::nullopt));
  Status outcome;
  // After a half-done recovery the index is behind; the next open goes on from what is on disk.
  for (const auto& context : contexts_) {
    for (const auto& partition : context->partitions) {
      if (outcome && recovery_ == nullptr) outcome = partition->view->index().flush();
    }
  }
  if (outcome) outcome = log_->close();
  const std::lock_guard lock(mutex_);
  if (!ended_.load(std::memory_order_relaxed)) end_error_ = {Code::cancelled, "the store is closed"};
  ended_.store(true, std::memory_order_release);
  return outcome;
}

std::int64_t StoreCore::streams() const {
  std::int64_t count = 0;
  for (const auto& context : contexts_) {
    for (const auto& partition : context->partitions) count += partition->streams;
  }
  return count;
}

}  // namespace baton::store
