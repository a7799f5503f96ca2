#include "os/sim_env.h"

#include <algorithm>
#include <limits>
#include <unordered_map>

#include "base/check.h"

namespace baton::os {
namespace {

constexpr std::int64_t kEndOfTime = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kTaskNs = 500;
constexpr std::int64_t kClockReadNs = 20;  // so that code which waits for time to pass sees it pass

class SimClock final : public Clock {
 public:
  // The monotonic clock starts anywhere at each boot.
  SimClock(std::int64_t& now_ns, const SimWorld& world, std::uint64_t boot)
      : now_ns_(now_ns),
        world_(world),
        start_ns_(static_cast<std::int64_t>(SeededRandom(boot).below(std::uint64_t{1} << 50))) {}
  std::int64_t monotonic_ns() const override { return start_ns_ + (now_ns_ += kClockReadNs); }
  std::int64_t wall_ms() const override {
    now_ns_ += kClockReadNs;
    return world_.wall_ms();
  }

  [[nodiscard]] std::int64_t start_ns() const { return start_ns_; }

 private:
  std::int64_t& now_ns_;
  const SimWorld& world_;
  std::int64_t start_ns_;
};

class SimRandom final : public Random {
 public:
  explicit SimRandom(std::uint64_t seed) : random_(seed) {}
  void fill(base::MutableByteView out) override { random_.fill(out); }

 private:
  SeededRandom random_;
};

}  // namespace

class SimExecutor final : public Executor {
 public:
  // `start_ns`: what the process's monotonic clock shows at the world's time 0.
  SimExecutor(SimWorld& world, std::int64_t start_ns) : id(++world.last_executor_), world_(world), start_ns_(start_ns) {
    world_.executors_.push_back(this);
  }
  ~SimExecutor() override {
    BATON_CHECK(!running, "an executor cannot be destroyed by one of its own tasks");
    while (!queue.empty()) world_.run_task(*this);
    std::erase(world_.executors_, this);
  }
  SimExecutor(const SimExecutor&) = delete;
  SimExecutor& operator=(const SimExecutor&) = delete;

  void post(Task task) override { queue.push_back(std::move(task)); }

  void run_or_post(Task task) override {
    const bool idle = !running && queue.empty() && !timer_due(world_.now_ns_);
    queue.push_back(std::move(task));
    if (idle && world_.random_.below(2) == 0) world_.run_task(*this);
  }

  TimerId run_at(std::int64_t monotonic_ns, Task task) override {
    const TimerId timer = ++world_.last_timer_;
    const std::int64_t at = monotonic_ns - start_ns_;
    timers.emplace(std::pair(at, timer), std::move(task));
    due_times.emplace(timer, at);
    return timer;
  }

  bool cancel(TimerId timer) override {
    const auto found = due_times.find(timer);
    if (found == due_times.end()) return false;
    auto dropped = timers.extract({found->second, timer});
    due_times.erase(found);
    return true;
  }

  bool on_executor() const override { return world_.current_ == this; }

  [[nodiscard]] bool timer_due(std::int64_t now_ns) const { return !timers.empty() && timers.begin()->first.first <= now_ns; }

  const std::uint64_t id;
  std::deque<Task> queue;
  std::map<std::pair<std::int64_t, TimerId>, Task> timers;  // by the world's time
  std::unordered_map<TimerId, std::int64_t> due_times;
  bool running = false;

 private:
  SimWorld& world_;
  std::int64_t start_ns_;
};

class SimWaiter final : public Env::Waiter {
 public:
  explicit SimWaiter(SimWorld& world) : world_(world) {}

  void wake() override { woken_ = true; }

  bool wait(std::int64_t timeout_ns) override {
    const std::int64_t deadline =
        timeout_ns < 0 || timeout_ns > kEndOfTime - world_.now_ns_ ? kEndOfTime : world_.now_ns_ + timeout_ns;
    for (std::uint64_t steps = 0; !woken_; ++steps) {
      if (world_.now_ns_ >= deadline) return false;
      if (world_.run_one()) {
        BATON_CHECK(steps < world_.options_.max_steps_per_wait,
                    "a wait is stuck although tasks run; seed " + std::to_string(world_.options_.seed));
        continue;
      }
      const std::int64_t next = std::min(deadline, world_.next_timer_ns());
      BATON_CHECK(next != kEndOfTime, "nobody is left to end a wait; seed " + std::to_string(world_.options_.seed));
      world_.now_ns_ = std::max(world_.now_ns_, next);
    }
    woken_ = false;
    return true;
  }

 private:
  SimWorld& world_;
  bool woken_ = false;
};

SimWorld::SimWorld(SimOptions options) : options_(options), random_(options.seed), disk_(random_.next(), options.crash) {}

SimWorld::~SimWorld() { BATON_CHECK(executors_.empty(), "an executor outlives its world"); }

void SimWorld::run_task(SimExecutor& executor) {
  const bool due = executor.timer_due(now_ns_);
  Task task;
  if (due && (executor.queue.empty() || random_.below(2) == 0)) {
    auto node = executor.timers.extract(executor.timers.begin());
    executor.due_times.erase(node.key().second);
    task = std::move(node.mapped());
  } else {
    task = std::move(executor.queue.front());
    executor.queue.pop_front();
  }
  now_ns_ += kTaskNs;
  if (options_.pause_per_mille > 0 && random_.chance(options_.pause_per_mille)) {
    now_ns_ += static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(options_.pause_max_ns)));
  }
  disk_.trace.note(executor.id ^ static_cast<std::uint64_t>(now_ns_) << 8);
  SimExecutor* const outer = current_;
  const bool was_running = executor.running;
  current_ = &executor;
  executor.running = true;
  task();
  task = nullptr;
  executor.running = was_running;
  current_ = outer;
}

bool SimWorld::run_one() {
  runnable_.clear();
  for (SimExecutor* executor : executors_) {
    if (!executor->running && (!executor->queue.empty() || executor->timer_due(now_ns_))) runnable_.push_back(executor);
  }
  if (runnable_.empty()) return false;
  run_task(*runnable_[runnable_.size() == 1 ? 0 : random_.below(runnable_.size())]);
  return true;
}

std::int64_t SimWorld::next_timer_ns() const {
  std::int64_t next = kEndOfTime;
  for (const SimExecutor* executor : executors_) {
    if (!executor->running && !executor->timers.empty()) next = std::min(next, executor->timers.begin()->first.first);
  }
  return next;
}

bool SimWorld::step() {
  if (run_one()) return true;
  const std::int64_t next = next_timer_ns();
  if (next == kEndOfTime) return false;
  now_ns_ = std::max(now_ns_, next);
  return true;
}

bool SimWorld::run_until(const std::function<bool()>& done, std::uint64_t max_steps) {
  for (std::uint64_t steps = 0; !done(); ++steps) {
    if (steps >= max_steps || !step()) return done();
  }
  return true;
}

std::uint64_t SimWorld::run_until_idle(std::uint64_t max_steps) {
  std::uint64_t steps = 0;
  while (steps < max_steps && run_one()) ++steps;
  return steps;
}

void SimWorld::run_for(std::int64_t duration_ns) {
  const std::int64_t end = now_ns_ + duration_ns;
  while (now_ns_ < end) {
    if (!run_one()) now_ns_ = std::max(now_ns_, std::min(end, next_timer_ns()));
  }
}

SimEnv::SimEnv(SimWorld& world) : world_(world), process_(std::make_shared<SimProcess>()), fs_(world.disk_, process_) {
  process_->id = ++world.last_process_;
  process_->boot = world.disk_.boot();
  process_->now_ns = &world.now_ns_;
  clock_ = std::make_unique<SimClock>(world.now_ns_, world, process_->boot);
  random_ = std::make_unique<SimRandom>(world.random_.next());
}

SimEnv::~SimEnv() { kill(); }

std::unique_ptr<Executor> SimEnv::make_executor(std::string) {
  return std::make_unique<SimExecutor>(world_, static_cast<const SimClock&>(*clock_).start_ns());
}

std::unique_ptr<Env::Waiter> SimEnv::make_waiter() { return std::make_unique<SimWaiter>(world_); }

std::string SimEnv::boot_id() { return "sim-" + std::to_string(world_.options_.seed) + "-" + std::to_string(process_->boot); }

}  // namespace baton::os
