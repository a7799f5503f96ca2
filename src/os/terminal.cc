#include "os/terminal.h"

#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>

#include "os/posix_error.h"

namespace baton::os {

namespace {
std::atomic<bool> interrupt_seen{false};
std::atomic<Env::Waiter*> interrupt_waiter{nullptr};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<Env::Waiter*>::is_always_lock_free);

std::int64_t monotonic_now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}
// Taken while the program is loaded, before main().
const std::int64_t start_ns = monotonic_now_ns();

void on_interrupt(int signal) {
  if (interrupt_seen.exchange(true)) ::_exit(128 + signal);
  // An atomic exchange and one system call: both may be done in a signal handler.
  const int error_number = errno;
  if (Env::Waiter* waiter = interrupt_waiter.load()) waiter->wake();
  errno = error_number;
}
}  // namespace

Terminal terminal(int descriptor) {
  Terminal result;
  result.interactive = ::isatty(descriptor) == 1;
  winsize size{};
  if (result.interactive && ::ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) result.columns = size.ws_col;
  return result;
}

void keep_freed_memory() {
  // Once one is set, glibc no longer adapts the other, so that both are.
  constexpr int kFromTheSystem = 8 << 20;  // what is larger is asked for, and given back, by itself
  constexpr int kKept = 8 << 20;           // of each arena
  (void)::mallopt(M_MMAP_THRESHOLD, kFromTheSystem);
  (void)::mallopt(M_TRIM_THRESHOLD, kKept);
}

std::optional<std::string> environment_variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

std::vector<std::string> environment_names() {
  std::vector<std::string> out;
  for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    out.emplace_back(text.substr(0, text.find('=')));
  }
  return out;
}

Result<std::optional<std::size_t>> read_standard_input(base::MutableByteView out, int timeout_ms) {
  pollfd entry{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  const int ready = ::poll(&entry, 1, timeout_ms);
  if (ready == 0 || (ready < 0 && errno == EINTR)) return std::optional<std::size_t>();
  const ssize_t got = ready < 0 ? -1 : ::read(STDIN_FILENO, out.data(), out.size());
  if (got >= 0) return std::optional(static_cast<std::size_t>(got));
  if (errno == EINTR || errno == EAGAIN) return std::optional<std::size_t>();
  return posix_error("read", "standard input", errno);
}

bool output_closed() {
  pollfd entry{.fd = STDOUT_FILENO, .events = 0, .revents = 0};
  return ::poll(&entry, 1, 0) == 1 && (entry.revents & POLLERR) != 0;
}

void prepare_program() {
  for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; ++descriptor) {
    if (::fcntl(descriptor, F_GETFD) != -1 || errno != EBADF) continue;
    // The lowest number that is free is this one: those below it are taken. The wrong way round, so that using it fails as on a closed one.
    const int opened = ::open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    if (opened != descriptor) ::_exit(1);
  }
  ::signal(SIGXFSZ, SIG_IGN);
}

void watch_interrupts() {
  struct sigaction action{};
  action.sa_handler = on_interrupt;
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  struct sigaction before{};
  if (::sigaction(SIGHUP, nullptr, &before) == 0 && before.sa_handler != SIG_IGN) ::sigaction(SIGHUP, &action, nullptr);
}

bool interrupted() { return interrupt_seen; }

void wake_on_interrupt(Env::Waiter* waiter) {
  interrupt_waiter = waiter;
  if (waiter != nullptr && interrupt_seen) waiter->wake();
}

std::int64_t process_start_ns() { return start_ns; }

}  // namespace baton::os
