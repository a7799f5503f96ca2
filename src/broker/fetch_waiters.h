// FetchWaiters: who waits for partitions to grow. The end of a round wakes those that wait for one of its partitions; nobody polls.
//
// Threads: any. wake functions run on the thread that calls moved() (the store's owner): they post, and do nothing else.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "log/types.h"

namespace baton::broker {

class FetchWaiters {
 public:
  // One that waits. Letting go of it ends the waiting; a wake that is under way may still come.
  class Waiter {
   public:
    ~Waiter();
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;

   private:
    friend class FetchWaiters;
    Waiter(FetchWaiters& owner, std::vector<log::PartitionKey> partitions, std::function<void()> wake)
        : owner_(owner), partitions_(std::move(partitions)), wake_(std::move(wake)) {}
    FetchWaiters& owner_;
    const std::vector<log::PartitionKey> partitions_;
    const std::function<void()> wake_;
  };

  // `wake` is called for each round that moves one of the partitions, and may be called more than once. Look at the partitions after this call, not before:
  // what moved earlier is not told. The waiters outlive what they are given out to: the broker does.
  [[nodiscard]] std::unique_ptr<Waiter> wait(std::vector<log::PartitionKey> partitions, std::function<void()> wake);
  void moved(std::span<const log::PartitionKey> partitions);
  [[nodiscard]] std::size_t size() const;

 private:
  void remove(const Waiter& waiter);

  mutable std::mutex mutex_;
  std::map<log::PartitionKey, std::vector<Waiter*>> waiting_;
  std::size_t count_ = 0;
};

}  // namespace baton::broker
