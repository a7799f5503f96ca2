// Readers: threads for what may wait for the disk or take long: cold reads, queries of views. A network core never does.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "os/env.h"

namespace baton::net {

// Any thread. Ends with what was begun.
class Readers {
 public:
  Readers(os::Env& env, const std::string& name, std::size_t threads, std::size_t waiting_max) : waiting_max_(waiting_max) {
    for (std::size_t i = 0; i < threads; ++i) threads_.push_back(env.make_executor(name + "-" + std::to_string(i)));
  }

  // Nobody posts any more; returns when what was posted has run.
  void end() { threads_.clear(); }

  // False: too many wait, and `task` was not taken.
  [[nodiscard]] bool post(os::Task task) {
    if (threads_.empty()) return false;
    if (waiting_.fetch_add(1) >= waiting_max_) {
      --waiting_;
      return false;
    }
    threads_[next_++ % threads_.size()]->post([this, task = std::move(task)]() mutable {
      task();
      --waiting_;
    });
    return true;
  }
  [[nodiscard]] std::size_t waiting() const { return waiting_; }

 private:
  const std::size_t waiting_max_;
  std::atomic<std::size_t> waiting_{0};
  std::atomic<std::size_t> next_{0};
  std::vector<std::unique_ptr<os::Executor>> threads_;  // last: their tasks use the rest
};

}  // namespace baton::net
