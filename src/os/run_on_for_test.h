// For tests: runs a task on an executor and waits for its end.
#pragma once

#include <functional>

#include "os/env.h"

namespace baton::os {

inline void run_on(Env& env, Executor& executor, const std::function<void()>& task) {
  const auto waiter = env.make_waiter();
  executor.post([&] {
    task();
    waiter->wake();
  });
  waiter->wait();
}

}  // namespace baton::os
