// The simulated twin of Env. A SimWorld is one machine in one thread: a disk that forgets (sim_disk.h), a clock that moves
// only when something happens, and a scheduler that picks the next task by seed. A SimEnv is a process on it.
//
//   SimWorld world({.seed = 7});
//   auto env = std::make_unique<SimEnv>(world);
//   ... open a store with *env, world.disk().faults.power_loss_at = 40, append ...
//   world.run_until([&] { return done || !env->alive(); });
//   ... destroy the store, then env ...
//   world.disk().restart();             // what was not synced meets its fate
//   SimEnv after(world);                // recover with a new process, and look
//   world.trace_hash();                 // equal for two runs of one seed
//
// A process that was killed, or whose machine lost its power, goes on running its tasks so that its objects can be destroyed
// in order; but each of its file operations fails and changes nothing. Ask alive() before believing what it reports.
// Nothing here is safe for a second thread: reads, too, are made from the one that runs the world.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "os/env.h"
#include "os/sim_disk.h"
#include "os/sim_random.h"

namespace baton::os {

struct SimOptions {
  std::uint64_t seed = 1;
  CrashOptions crash;
  std::int64_t wall_start_ms = 1'700'000'000'000;
  // How often a task finds that time has passed before it, as on a busy machine, and at most how much.
  std::uint32_t pause_per_mille = 5;
  std::int64_t pause_max_ns = 20'000'000;
  // A Waiter::wait that runs this many tasks is stuck: the process ends and names the seed.
  std::uint64_t max_steps_per_wait = 20'000'000;
};

class SimExecutor;

class SimWorld {
 public:
  explicit SimWorld(SimOptions options = {});
  ~SimWorld();
  SimWorld(const SimWorld&) = delete;
  SimWorld& operator=(const SimWorld&) = delete;

  [[nodiscard]] SimDisk& disk() { return disk_; }
  [[nodiscard]] const SimOptions& options() const { return options_; }
  [[nodiscard]] SeededRandom& random() { return random_; }  // for the harness: draws are part of the run
  [[nodiscard]] std::uint64_t trace_hash() const { return disk_.trace.hash(); }
  void note(std::uint64_t value) { disk_.trace.note(value); }

  // Runs one task of one executor, both chosen by seed. When none can run, moves time to the next timer. False when there is
  // neither.
  bool step();
  // Steps until `done()`; false when nothing is left to run or `max_steps` are over.
  bool run_until(const std::function<bool()>& done, std::uint64_t max_steps = 10'000'000);
  // Runs tasks while there are any, without waiting for timers. Returns how many.
  std::uint64_t run_until_idle(std::uint64_t max_steps = 10'000'000);
  // Runs tasks and timers for that much simulated time.
  void run_for(std::int64_t duration_ns);

  [[nodiscard]] std::int64_t now_ns() const { return now_ns_; }
  void advance(std::int64_t duration_ns) { now_ns_ += duration_ns; }
  void step_wall_ms(std::int64_t by_ms) { wall_shift_ms_ += by_ms; }  // somebody sets the wall clock; either way
  [[nodiscard]] std::int64_t wall_ms() const { return options_.wall_start_ms + wall_shift_ms_ + now_ns_ / 1'000'000; }

 private:
  friend class SimExecutor;
  friend class SimWaiter;
  friend class SimEnv;

  bool run_one();                                    // false when no executor can run
  [[nodiscard]] std::int64_t next_timer_ns() const;  // the end of time when there is none
  void run_task(SimExecutor& executor);

  SimOptions options_;
  SeededRandom random_;
  SimDisk disk_;
  std::int64_t now_ns_ = 0;
  std::int64_t wall_shift_ms_ = 0;
  std::int64_t last_process_ = 1000;
  std::uint64_t last_executor_ = 0;
  TimerId last_timer_ = 0;
  std::vector<SimExecutor*> executors_;  // in the order of their making
  std::vector<SimExecutor*> runnable_;   // scratch of run_one
  SimExecutor* current_ = nullptr;       // the one whose task is running, innermost
};

class SimEnv final : public Env {
 public:
  explicit SimEnv(SimWorld& world);
  // The process ends, as by a kill if it is still alive. Its executors and files are gone by then.
  ~SimEnv() override;

  FileSystem& fs() override { return fs_; }
  Clock& clock() override { return *clock_; }
  Random& random() override { return *random_; }
  std::unique_ptr<Executor> make_executor(std::string name) override;
  std::unique_ptr<Waiter> make_waiter() override;
  std::string boot_id() override;
  std::int64_t process_id() override { return process_->id; }

  [[nodiscard]] bool alive() const { return world_.disk_.alive(*process_); }
  void kill() { world_.disk_.kill(*process_); }
  // Kills in the n-th mutating operation of this process from now on (1: the next); 0: never.
  void kill_in(std::uint64_t n) { process_->kill_at = n == 0 ? 0 : process_->mutations + n; }
  [[nodiscard]] std::uint64_t mutations() const { return process_->mutations; }
  [[nodiscard]] SimWorld& world() { return world_; }

  // The world's scheduler, for code that has only an env.
  bool step() { return world_.step(); }
  bool run_until(const std::function<bool()>& done, std::uint64_t max_steps = 10'000'000) {
    return world_.run_until(done, max_steps);
  }
  std::uint64_t run_until_idle(std::uint64_t max_steps = 10'000'000) { return world_.run_until_idle(max_steps); }

 private:
  SimWorld& world_;
  std::shared_ptr<SimProcess> process_;
  SimFileSystem fs_;
  std::unique_ptr<Clock> clock_;
  std::unique_ptr<Random> random_;
};

}  // namespace baton::os
