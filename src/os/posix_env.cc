// The POSIX twin of Env: a thread for each executor, a futex for each waiter, the machine's clocks and random generator.
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/check.h"
#include "os/env.h"
#include "os/posix_error.h"
#include "os/posix_file.h"

namespace baton::os {
namespace {

constexpr std::int64_t kNanosecondsPerSecond = 1'000'000'000;
constexpr std::int64_t kEndOfTime = std::numeric_limits<std::int64_t>::max();

std::int64_t now_ns(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<std::int64_t>(now.tv_sec) * kNanosecondsPerSecond + now.tv_nsec;
}

class PosixClock final : public Clock {
 public:
  std::int64_t monotonic_ns() const override { return now_ns(CLOCK_MONOTONIC); }
  std::int64_t wall_ms() const override { return now_ns(CLOCK_REALTIME) / 1'000'000; }
};

class PosixRandom final : public Random {
 public:
  void fill(base::MutableByteView out) override {
    while (!out.empty()) {
      const ssize_t got = ::getrandom(out.data(), out.size(), 0);
      if (got < 0) {
        BATON_CHECK(errno == EINTR, "getrandom failed: this kernel is older than 3.17");
        continue;
      }
      out = out.subspan(static_cast<std::size_t>(got));
    }
  }
};

// A flag that one thread sleeps on. Setting and waking are two steps: once the sleeper can have seen the flag it may destroy
// the event, and the second step touches no memory of it, only its address.
class Event {
 public:
  // True when the sleeper must also be woken by wake().
  [[nodiscard]] bool set() { return word_.exchange(kSet, std::memory_order_acq_rel) == kSleeping; }
  static void wake(Event* event) { ::syscall(SYS_futex, &event->word_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0); }

  // Sleeps until the flag is set, then clears it; false when the monotonic clock reached `deadline_ns` first.
  bool wait(std::int64_t deadline_ns) {
    std::uint32_t expected = kClear;
    if (word_.compare_exchange_strong(expected, kSleeping, std::memory_order_acq_rel)) {
      const timespec until{.tv_sec = deadline_ns / kNanosecondsPerSecond, .tv_nsec = deadline_ns % kNanosecondsPerSecond};
      while (word_.load(std::memory_order_acquire) == kSleeping) {
        const long slept = ::syscall(SYS_futex, &word_, FUTEX_WAIT_BITSET_PRIVATE, kSleeping,
                                     deadline_ns != kEndOfTime ? &until : nullptr, nullptr, FUTEX_BITSET_MATCH_ANY);
        if (slept == 0 || errno != ETIMEDOUT) continue;
        expected = kSleeping;
        if (word_.compare_exchange_strong(expected, kClear, std::memory_order_acq_rel)) return false;
      }
    }
    clear();
    return true;
  }
  void clear() { word_.store(kClear, std::memory_order_relaxed); }

 private:
  static constexpr std::uint32_t kClear = 0;
  static constexpr std::uint32_t kSet = 1;
  static constexpr std::uint32_t kSleeping = 2;
  std::atomic<std::uint32_t> word_{kClear};
};

class PosixWaiter final : public Env::Waiter {
 public:
  void wake() override {
    Event* const event = &event_;
    if (event->set()) Event::wake(event);
  }
  bool wait(std::int64_t timeout_ns) override {
    if (timeout_ns < 0) return event_.wait(kEndOfTime);
    const std::int64_t now = now_ns(CLOCK_MONOTONIC);
    return event_.wait(timeout_ns > kEndOfTime - now ? kEndOfTime : now + timeout_ns);
  }

 private:
  Event event_;
};

// One thread, one queue. post() takes a short lock and makes a system call only when the thread sleeps; the thread takes
// the whole queue at once. While the thread sleeps its turn can be lent to another one for a task; until that is over the thread goes on sleeping,
// also when something was posted or a timer is due, and it is woken for these at the end.
class PosixExecutor final : public Executor {
 public:
  explicit PosixExecutor(const std::string& name) : thread_([this] { loop(); }) {
    ::pthread_setname_np(thread_.native_handle(), name.substr(0, 15).c_str());
  }

  ~PosixExecutor() override {
    BATON_CHECK(!on_executor(), "an executor cannot be destroyed by one of its own tasks");
    wake_after([this] { return stopping_ = true; });
    thread_.join();
  }
  PosixExecutor(const PosixExecutor&) = delete;
  PosixExecutor& operator=(const PosixExecutor&) = delete;

  void post(Task task) override {
    wake_after([&] {
      queue_.push_back(std::move(task));
      return true;
    });
  }

  void run_or_post(Task task) override {
    bool lends = false;
    wake_after([&] {
      lends = sleeping_ && !lent() && !has_work_before(now_ns(CLOCK_MONOTONIC));
      if (lends) {
        lent_to_.store(std::this_thread::get_id(), std::memory_order_relaxed);
      } else {
        queue_.push_back(std::move(task));
      }
      return !lends;
    });
    if (!lends) return;
    [&]() noexcept {  // what a task throws ends the process here as it does on the executor's own thread
      task();
      task = nullptr;
    }();
    wake_after([this] {
      lent_to_.store(std::thread::id(), std::memory_order_relaxed);
      return has_work_before(sleeps_until_);
    });
  }

  TimerId run_at(std::int64_t monotonic_ns, Task task) override {
    TimerId id = 0;
    wake_after([&] {
      id = ++last_timer_;
      const bool first = timers_.empty() || monotonic_ns < timers_.begin()->first.first;
      timers_.emplace(std::pair(monotonic_ns, id), std::move(task));
      due_times_.emplace(id, monotonic_ns);
      return first;
    });
    return id;
  }

  bool cancel(TimerId timer) override {
    Task dropped;  // destroyed outside the lock: what it holds may call us
    const std::lock_guard guard(mutex_);
    const auto found = due_times_.find(timer);
    if (found == due_times_.end()) return false;
    const auto entry = timers_.find({found->second, timer});
    dropped = std::move(entry->second);
    timers_.erase(entry);
    due_times_.erase(found);
    return true;
  }

  bool on_executor() const override { return std::this_thread::get_id() == thread_.get_id() || lent_here(); }

 private:
  // Whose turn it is while the thread sleeps: changed under the lock. A thread asks without it whether it is the one.
  bool lent() const { return lent_to_.load(std::memory_order_relaxed) != std::thread::id(); }
  bool lent_here() const { return lent_to_.load(std::memory_order_relaxed) == std::this_thread::get_id(); }

  bool has_work_before(std::int64_t time_ns) const {
    return !queue_.empty() || stopping_ || (!timers_.empty() && timers_.begin()->first.first < time_ns);
  }

  // Makes `change` under the lock and, when it returns true, wakes the thread if it sleeps. After the unlock nothing of the
  // executor is touched: what was posted may be what lets another thread destroy it.
  template <typename F>
  void wake_after(F&& change) {
    Event* const event = &event_;
    bool wake = false;
    {
      const std::lock_guard guard(mutex_);
      if (change() && !lent() && std::exchange(sleeping_, false)) wake = event->set();
    }
    if (wake) Event::wake(event);
  }

  void loop() {
    std::vector<Task> batch;
    std::unique_lock lock(mutex_);
    while (true) {
      if (!queue_.empty()) {
        batch.swap(queue_);
        lock.unlock();
        for (Task& task : batch) {
          task();
          task = nullptr;  // what it held ends with it, not with the batch
        }
        batch.clear();
        lock.lock();
      }
      if (!stopping_) run_due_timers(lock);
      if (!queue_.empty()) continue;
      if (stopping_) break;
      sleep(lock);
    }
    const auto dropped = std::move(timers_);
    timers_.clear();
    due_times_.clear();
    lock.unlock();
  }

  void run_due_timers(std::unique_lock<std::mutex>& lock) {
    if (timers_.empty()) return;
    const std::int64_t now = now_ns(CLOCK_MONOTONIC);
    while (!timers_.empty() && timers_.begin()->first.first <= now) {
      auto node = timers_.extract(timers_.begin());
      due_times_.erase(node.key().second);
      lock.unlock();
      node.mapped()();
      node = {};
      lock.lock();
    }
  }

  void sleep(std::unique_lock<std::mutex>& lock) {
    sleeps_until_ = timers_.empty() ? kEndOfTime : timers_.begin()->first.first;
    do {
      sleeping_ = true;
      lock.unlock();
      (void)event_.wait(sleeps_until_);
      lock.lock();
      sleeps_until_ = kEndOfTime;  // while the turn is lent: its end wakes
    } while (lent());
    sleeping_ = false;
    event_.clear();
  }

  std::mutex mutex_;
  std::vector<Task> queue_;
  std::map<std::pair<std::int64_t, TimerId>, Task> timers_;
  std::unordered_map<TimerId, std::int64_t> due_times_;
  TimerId last_timer_ = 0;
  bool sleeping_ = false;
  std::int64_t sleeps_until_ = kEndOfTime;
  std::atomic<std::thread::id> lent_to_{std::thread::id()};
  bool stopping_ = false;
  Event event_;
  std::thread thread_;  // last: it starts when all else is there
};

class PosixEnv final : public Env {
 public:
  PosixEnv() {
    // A store keeps a descriptor for each open segment and index run; the soft limit of 1,024 is for programs that use
    // select(), which Baton does not.
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
      limit.rlim_cur = limit.rlim_max;
      (void)::setrlimit(RLIMIT_NOFILE, &limit);
    }
  }

  FileSystem& fs() override { return fs_; }
  Clock& clock() override { return clock_; }
  Random& random() override { return random_; }
  std::unique_ptr<Executor> make_executor(std::string name) override { return std::make_unique<PosixExecutor>(name); }
  std::unique_ptr<Waiter> make_waiter() override { return std::make_unique<PosixWaiter>(); }

  std::string boot_id() override {
    const int descriptor = ::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return {};
    char text[64];
    const ssize_t got = ::read(descriptor, text, sizeof text);
    ::close(descriptor);
    std::string id(text, got > 0 ? static_cast<std::size_t>(got) : 0);
    while (!id.empty() && id.back() == '\n') id.pop_back();
    return id;
  }

  std::int64_t process_id() override { return ::getpid(); }

 private:
  PosixFileSystem fs_;
  PosixClock clock_;
  PosixRandom random_;
};

}  // namespace

Result<std::string> absolute_path(const std::string& path) {
  if (path.starts_with('/')) return path;
  char* const here = ::getcwd(nullptr, 0);
  if (here == nullptr) return posix_error("find", "the working directory", errno);
  std::string out(here);
  std::free(here);
  std::string_view rest = path;
  while (rest.starts_with("./")) {
    rest.remove_prefix(2);
    while (rest.starts_with('/')) rest.remove_prefix(1);
  }
  if (rest.empty() || rest == ".") return out;
  if (!out.ends_with('/')) out += '/';
  return out.append(rest);
}

std::unique_ptr<Env> make_posix_env() { return std::make_unique<PosixEnv>(); }

}  // namespace baton::os
