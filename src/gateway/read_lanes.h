// Threads for what may wait for the disk or take long: reads of streams and contexts, queries of views. A network core never does.
#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "os/env.h"

namespace baton::gateway {

// A thread that is free takes what has waited longest in a lane, the lanes in turn; so nothing waits behind a slow read while a thread has nothing to do. Queries of views and
// streams of events leave one thread to the reads, and half of the places to wait: whoever sends slow SQL, or holds thousands of streams, does not keep others from reading.
//
// Any thread.
class ReadLanes {
 public:
  enum class Lane { reads, streams, queries };

  ReadLanes(os::Env& env, std::size_t threads, std::size_t waiting_max);
  ~ReadLanes();
  ReadLanes(const ReadLanes&) = delete;
  ReadLanes& operator=(const ReadLanes&) = delete;

  // False: too many wait, or it has ended, and `task` was not taken.
  [[nodiscard]] bool post(Lane lane, os::Task task);
  // Returns when what has begun has run; what waits is dropped.
  void end();
  // Those that run included.
  [[nodiscard]] std::size_t waiting() const;

 private:
  struct Waiting {
    std::deque<os::Task> tasks;
    std::size_t running = 0;
  };
  void work(std::size_t thread);
  [[nodiscard]] Waiting* next();
  [[nodiscard]] bool may_run(std::size_t lane) const;

  const std::size_t waiting_max_, shared_threads_;
  mutable std::mutex mutex_;  // of all below but the threads
  std::array<Waiting, 3> lanes_;
  std::size_t turn_ = 0;  // the lane that is looked at first
  std::size_t waiting_ = 0;
  std::vector<std::size_t> idle_;
  bool ended_ = false;
  std::vector<std::unique_ptr<os::Executor>> threads_;  // last: their tasks use the rest
};

}  // namespace baton::gateway
