#include "gateway/read_lanes.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

namespace baton::gateway {

ReadLanes::ReadLanes(os::Env& env, std::size_t threads, std::size_t waiting_max)
    : waiting_max_(waiting_max), shared_threads_(std::max<std::size_t>(threads, 2) - 1) {
  for (std::size_t i = 0; i < threads; ++i) {
    idle_.push_back(i);
    threads_.push_back(env.make_executor("http-read-" + std::to_string(i)));
  }
}

ReadLanes::~ReadLanes() { end(); }

bool ReadLanes::post(Lane lane, os::Task task) {
  const auto number = static_cast<std::size_t>(lane);
  const std::lock_guard lock(mutex_);
  Waiting& own = lanes_[number];
  const auto most = lane == Lane::reads ? waiting_max_ : waiting_max_ / 2;
  if (ended_ || waiting_ >= waiting_max_ || own.tasks.size() + own.running >= std::max<std::size_t>(most, 1)) return false;
  own.tasks.push_back(std::move(task));
  ++waiting_;
  if (!idle_.empty() && may_run(number)) {
    const auto thread = idle_.back();
    idle_.pop_back();
    threads_[thread]->post([this, thread] { work(thread); });
  }
  return true;
}

void ReadLanes::end() {
  std::deque<os::Task> dropped;  // destroyed outside the lock: what they hold may call us
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    for (auto& lane : lanes_) {
      waiting_ -= lane.tasks.size();
      std::ranges::move(lane.tasks, std::back_inserter(dropped));
      lane.tasks.clear();
    }
  }
  dropped.clear();
  threads_.clear();
}

std::size_t ReadLanes::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_;
}

bool ReadLanes::may_run(std::size_t lane) const {
  return lane == static_cast<std::size_t>(Lane::reads) || lanes_[lane].running < shared_threads_;
}

// The lane whose first task runs next; null when there is nothing that may.
ReadLanes::Waiting* ReadLanes::next() {
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    const auto lane = (turn_ + i) % lanes_.size();
    if (lanes_[lane].tasks.empty() || !may_run(lane)) continue;
    turn_ = lane + 1;
    return &lanes_[lane];
  }
  return nullptr;
}

void ReadLanes::work(std::size_t thread) {
  std::unique_lock lock(mutex_);
  while (Waiting* const lane = next()) {
    auto task = std::move(lane->tasks.front());
    lane->tasks.pop_front();
    ++lane->running;
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
    --lane->running;
    --waiting_;
  }
  idle_.push_back(thread);
}

}  // namespace baton::gateway
