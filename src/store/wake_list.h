// WakeList: who wants to know that visible offsets have moved. The store calls notify() after each round; a subscription that has read all
// there is waits on its own waiter. Bounded by the number of open subscriptions; costs one load when nobody waits.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include "os/env.h"

namespace baton::store {

class WakeList {
 public:
  // Any thread. The waiter must be removed before it dies.
  void add(os::Env::Waiter* waiter) {
    const std::lock_guard lock(mutex_);
    waiters_.push_back(waiter);
    count_.store(waiters_.size(), std::memory_order_seq_cst);
  }
  void remove(os::Env::Waiter* waiter) {
    const std::lock_guard lock(mutex_);
    std::erase(waiters_, waiter);
    count_.store(waiters_.size(), std::memory_order_seq_cst);
  }
  // Any thread; call it after the new offsets can be seen. Sequentially consistent with add(): a waiter that was added before its owner
  // looked at the offsets misses nothing.
  void notify() {
    rounds_.fetch_add(1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (count_.load(std::memory_order_seq_cst) == 0) return;
    const std::lock_guard lock(mutex_);
    for (auto* waiter : waiters_) waiter->wake();
  }
  // How often notify() was called: it changes while somebody appends.
  [[nodiscard]] std::uint64_t rounds() const { return rounds_.load(std::memory_order_relaxed); }

 private:
  std::mutex mutex_;
  std::vector<os::Env::Waiter*> waiters_;
  std::atomic<std::size_t> count_{0};
  std::atomic<std::uint64_t> rounds_{0};
};

}  // namespace baton::store
