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
#include <chrono>
#include <climits>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/check.h"
#include "os/env.h"
#include "os/posix_file.h"

namespace baton::os {
namespace {

constexpr std::int64_t kNanosecondsPerSecond = 1'000'000'000;

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

// One thread, one queue. post() takes a short lock and makes a system call only when the thread sleeps; the thread takes
// the whole queue at once.
class PosixExecutor final : public Executor {
 public:
  explicit PosixExecutor(const std::string& name) : thread_([this] { loop(); }) {
    ::pthread_setname_np(thread_.native_handle(), name.substr(0, 15).c_str());
  }

  ~PosixExecutor() override {
    BATON_CHECK(!on_executor(), "an executor cannot be destroyed by one of its own tasks");
    {
      const std::lock_guard guard(mutex_);
      stopping_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }
  PosixExecutor(const PosixExecutor&) = delete;
  PosixExecutor& operator=(const PosixExecutor&) = delete;

  void post(Task task) override {
    bool wake = false;
    {
      const std::lock_guard guard(mutex_);
      queue_.push_back(std::move(task));
      wake = std::exchange(sleeping_, false);
    }
    if (wake) changed_.notify_one();
  }

  TimerId run_at(std::int64_t monotonic_ns, Task task) override {
    bool wake = false;
    TimerId id = 0;
    {
      const std::lock_guard guard(mutex_);
      id = ++last_timer_;
      const bool first = timers_.empty() || monotonic_ns < timers_.begin()->first.first;
      timers_.emplace(std::pair(monotonic_ns, id), std::move(task));
      due_times_.emplace(id, monotonic_ns);
      if (first) wake = std::exchange(sleeping_, false);
    }
    if (wake) changed_.notify_one();
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

  bool on_executor() const override { return std::this_thread::get_id() == thread_.get_id(); }

 private:
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
    sleeping_ = true;
    const auto awake = [this] { return !sleeping_ || stopping_; };
    if (timers_.empty()) {
      changed_.wait(lock, awake);
    } else {
      const std::chrono::steady_clock::time_point due{std::chrono::nanoseconds(timers_.begin()->first.first)};
      changed_.wait_until(lock, due, awake);
    }
    sleeping_ = false;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Task> queue_;
  std::map<std::pair<std::int64_t, TimerId>, Task> timers_;
  std::unordered_map<TimerId, std::int64_t> due_times_;
  TimerId last_timer_ = 0;
  bool sleeping_ = false;
  bool stopping_ = false;
  std::thread thread_;  // last: it starts when all else is there
};

// A futex, not a condition variable: wake() touches no memory of the waiter after the exchange that lets wait() return, so
// the waiting thread may destroy the waiter at once.
class PosixWaiter final : public Env::Waiter {
 public:
  void wake() override {
    std::atomic<std::uint32_t>* const word = &state_;
    if (word->exchange(kWoken, std::memory_order_acq_rel) == kSleeping) {
      ::syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
    }
  }

  bool wait(std::int64_t timeout_ns) override {
    timespec until{};
    if (timeout_ns >= 0) {
      const std::int64_t now = now_ns(CLOCK_MONOTONIC);
      const std::int64_t at = timeout_ns > INT64_MAX - now ? INT64_MAX : now + timeout_ns;
      until = {.tv_sec = at / kNanosecondsPerSecond, .tv_nsec = at % kNanosecondsPerSecond};
    }
    std::uint32_t expected = kNothing;
    if (!state_.compare_exchange_strong(expected, kSleeping, std::memory_order_acq_rel)) return took_wake();
    while (state_.load(std::memory_order_acquire) == kSleeping) {
      const long slept = ::syscall(SYS_futex, &state_, FUTEX_WAIT_BITSET_PRIVATE, kSleeping,
                                   timeout_ns >= 0 ? &until : nullptr, nullptr, FUTEX_BITSET_MATCH_ANY);
      if (slept == 0 || errno != ETIMEDOUT) continue;
      expected = kSleeping;
      if (state_.compare_exchange_strong(expected, kNothing, std::memory_order_acq_rel)) return false;
    }
    return took_wake();
  }

 private:
  static constexpr std::uint32_t kNothing = 0;
  static constexpr std::uint32_t kWoken = 1;
  static constexpr std::uint32_t kSleeping = 2;

  bool took_wake() {
    state_.store(kNothing, std::memory_order_relaxed);
    return true;
  }

  std::atomic<std::uint32_t> state_{kNothing};
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

std::unique_ptr<Env> make_posix_env() { return std::make_unique<PosixEnv>(); }

}  // namespace baton::os
