// Env: everything that comes from outside a process: files, clocks, randomness, and threads as executors.
//
// Core code takes an Env& and never asks the system itself; the simulation hands it a SimEnv (sim_env.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "os/file.h"

namespace baton::os {

class Clock {
 public:
  virtual ~Clock() = default;
  // Nanoseconds that only go forward, from an arbitrary start. For durations, timeouts and deadlines.
  [[nodiscard]] virtual std::int64_t monotonic_ns() const = 0;
  // Milliseconds since 1970-01-01T00:00:00Z as the machine believes. May jump both ways.
  [[nodiscard]] virtual std::int64_t wall_ms() const = 0;
};

class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(base::MutableByteView out) = 0;  // from the system's generator; any thread
};

using Task = std::move_only_function<void()>;
using TimerId = std::uint64_t;

// Runs tasks one at a time, in the order of post(). The POSIX twin owns one thread, and lends its turn to threads that wait; the simulated twin is
// stepped by the simulator, which chooses among all executors by seed.
class Executor {
 public:
  // Ends: tasks posted before are run, timers are dropped, then the thread is joined. Not called from its own thread.
  virtual ~Executor() = default;
  virtual void post(Task task) = 0;                                  // any thread; never blocks
  // As post(), for a thread that will wait for the task anyway: when the executor has nothing to do, the task runs here and now, as one of the
  // executor's own, and two hand-offs between threads are saved. Not called from the executor's own tasks.
  virtual void run_or_post(Task task) { post(std::move(task)); }
  virtual TimerId run_at(std::int64_t monotonic_ns, Task task) = 0;  // any thread
  // True when the task had not started and never will.
  virtual bool cancel(TimerId timer) = 0;
  [[nodiscard]] virtual bool on_executor() const = 0;  // called from one of its own tasks?
};

class Env {
 public:
  virtual ~Env() = default;
  [[nodiscard]] virtual FileSystem& fs() = 0;
  [[nodiscard]] virtual Clock& clock() = 0;
  [[nodiscard]] virtual Random& random() = 0;
  // A new executor with a thread of its own, named for debuggers (15 bytes at most).
  [[nodiscard]] virtual std::unique_ptr<Executor> make_executor(std::string name) = 0;
  // Lets the calling thread wait until `done` is true, which a task on some executor will make so; `wake` must be called
  // after the change. The POSIX twin blocks on a futex; the simulated twin runs other tasks meanwhile.
  class Waiter {
   public:
    virtual ~Waiter() = default;
    virtual void wake() = 0;  // any thread
    // False when `timeout_ns` (< 0: none) passed first.
    virtual bool wait(std::int64_t timeout_ns = -1) = 0;  // returns after one wake; one waiting thread only
  };
  [[nodiscard]] virtual std::unique_ptr<Waiter> make_waiter() = 0;
  // Names this boot of the machine: page-cache contents survive as long as it is the same. Empty when unknown.
  [[nodiscard]] virtual std::string boot_id() = 0;
  [[nodiscard]] virtual std::int64_t process_id() = 0;
};

// The real machine. One per process is enough; it holds no state but its threads.
[[nodiscard]] std::unique_ptr<Env> make_posix_env();
// Of a path that is relative to the working directory of now.
[[nodiscard]] Result<std::string> absolute_path(const std::string& path);

}  // namespace baton::os
