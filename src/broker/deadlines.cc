#include "broker/deadlines.h"

namespace baton::broker {

Deadlines::Key Deadlines::at(std::int64_t deadline_ns, os::Task task) {
  const Key key{deadline_ns, ++last_};
  tasks_.emplace(key, std::move(task));
  if (armed_ns_ < 0 || deadline_ns < armed_ns_) arm();
  return key;
}

void Deadlines::cancel(Key& key) {
  tasks_.erase(key);
  key = {};
}

void Deadlines::stop() {
  if (armed_ns_ >= 0) executor_.cancel(timer_);
  armed_ns_ = -1;
  tasks_.clear();
  *alive_ = false;
  alive_ = std::make_shared<bool>(true);
}

void Deadlines::arm() {
  if (armed_ns_ >= 0) executor_.cancel(timer_);
  armed_ns_ = -1;
  if (tasks_.empty()) return;
  armed_ns_ = tasks_.begin()->first.first;
  timer_ = executor_.run_at(armed_ns_, [this, alive = alive_] {
    if (!*alive) return;
    armed_ns_ = -1;
    run_due();
  });
}

// What a task adds for a time that has come runs in the next round, so that a task which starts itself again cannot hold the executor.
void Deadlines::run_due() {
  const auto alive = alive_;
  const Key end{now_ns(), last_};
  while (*alive && !tasks_.empty() && tasks_.begin()->first <= end) {
    auto node = tasks_.extract(tasks_.begin());
    node.mapped()();
  }
  if (*alive) arm();
}

}  // namespace baton::broker
