// Deadlines: many timers of one state machine, with one timer of the executor for the earliest. In the order of their time, then of
// their making. By the monotonic clock. Belongs to the executor.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "os/env.h"

namespace baton::broker {

class Deadlines {
 public:
  using Key = std::pair<std::int64_t, std::uint64_t>;  // monotonic ns, number; {0, 0}: none

  Deadlines(os::Clock& clock, os::Executor& executor) : clock_(clock), executor_(executor) {}
  ~Deadlines() { stop(); }
  Deadlines(const Deadlines&) = delete;
  Deadlines& operator=(const Deadlines&) = delete;

  [[nodiscard]] std::int64_t now_ns() const { return clock_.monotonic_ns(); }
  [[nodiscard]] std::int64_t in_ms(std::int64_t ms) const { return now_ns() + ms * 1'000'000; }

  // The key is for cancel(), before the task has run.
  Key at(std::int64_t deadline_ns, os::Task task);
  // Forgets the task of `key`, if it is still there, and clears `key`.
  void cancel(Key& key);
  // Drops all; none runs any more.
  void stop();

 private:
  void arm();
  void run_due();

  os::Clock& clock_;
  os::Executor& executor_;
  std::map<Key, os::Task> tasks_;
  std::uint64_t last_ = 0;
  std::int64_t armed_ns_ = -1;  // -1: no timer of the executor is set
  os::TimerId timer_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace baton::broker
