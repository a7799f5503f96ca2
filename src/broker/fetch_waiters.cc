#include "broker/fetch_waiters.h"

#include <algorithm>

namespace baton::broker {

FetchWaiters::Waiter::~Waiter() { owner_.remove(*this); }

std::unique_ptr<FetchWaiters::Waiter> FetchWaiters::wait(std::vector<log::PartitionKey> partitions, std::function<void()> wake) {
  std::ranges::sort(partitions);
  const auto twice = std::ranges::unique(partitions);
  partitions.erase(twice.begin(), twice.end());
  std::unique_ptr<Waiter> waiter(new Waiter(*this, std::move(partitions), std::move(wake)));
  const std::lock_guard lock(mutex_);
  for (const auto& partition : waiter->partitions_) waiting_[partition].push_back(waiter.get());
  ++count_;
  return waiter;
}

void FetchWaiters::moved(std::span<const log::PartitionKey> partitions) {
  const std::lock_guard lock(mutex_);
  if (count_ == 0) return;
  for (const auto& partition : partitions) {
    const auto found = waiting_.find(partition);
    if (found == waiting_.end()) continue;
    for (const Waiter* waiter : found->second) waiter->wake_();
  }
}

std::size_t FetchWaiters::size() const {
  const std::lock_guard lock(mutex_);
  return count_;
}

void FetchWaiters::remove(const Waiter& waiter) {
  const std::lock_guard lock(mutex_);
  for (const auto& partition : waiter.partitions_) {
    const auto found = waiting_.find(partition);
    std::erase(found->second, &waiter);
    if (found->second.empty()) waiting_.erase(found);
  }
  --count_;
}

}  // namespace baton::broker
