// What only the real machine can show.
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "os/posix_error.h"
#include "os/socket.h"
#include "os/terminal.h"
#include "os/twins_for_test.h"

namespace {

std::atomic<int> write_back_fails_with{0};  // an errno

}  // namespace

// Takes the place of the system's in this program.
extern "C" int sync_file_range(int descriptor, off_t offset, off_t length, unsigned flags) {
  if (const int error_number = write_back_fails_with.load(); error_number != 0) {
    errno = error_number;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_sync_file_range, descriptor, offset, length, flags));
}

namespace baton::os {
namespace {

class Posix : public testing::Test {
 protected:
  PosixTwin twin_;
  FileSystem& fs_ = twin_.env().fs();
  std::string path(std::string_view name) { return join(twin_.directory(), name); }
};

TEST_F(Posix, TheLimitOnOpenFilesIsRaised) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(limit.rlim_cur, limit.rlim_max);
}

TEST_F(Posix, ADirectWriteLeavesNothingInThePageCache) {
  struct statfs info{};
  ASSERT_EQ(::statfs(twin_.directory().c_str(), &info), 0);
  const bool all_in_memory = info.f_type == TMPFS_MAGIC;
  const auto file = std::move(fs_.open(path("a"), {.write = true, .create = true})).value();
  constexpr std::size_t kBytes = 64u << 10;
  const std::unique_ptr<void, decltype(&std::free)> memory(std::aligned_alloc(4096, kBytes), &std::free);
  std::memset(memory.get(), 'x', kBytes);
  const base::ByteView direct(static_cast<const std::byte*>(memory.get()), kBytes);
  ASSERT_TRUE(file->allocate(0, 4 * kBytes).ok());
  ASSERT_TRUE(file->write_at(0, direct).ok());
  ASSERT_TRUE(file->write_direct(kBytes, direct).ok());
  const auto mapping = std::move(file->map()).value();
  // Without a read, which would bring pages in.
  constexpr std::size_t kPage = 4096;
  std::vector<unsigned char> pages(2 * kBytes / kPage);
  ASSERT_EQ(::mincore(const_cast<std::byte*>(mapping->bytes().data()), 2 * kBytes, pages.data()), 0);
  const auto half = pages.begin() + static_cast<std::ptrdiff_t>(pages.size() / 2);
  EXPECT_TRUE(std::all_of(pages.begin(), half, [](unsigned char page) { return (page & 1) != 0; }));
  EXPECT_TRUE(std::all_of(half, pages.end(), [&](unsigned char page) { return ((page & 1) != 0) == all_in_memory; }));
  base::Bytes content(kBytes);
  EXPECT_EQ(*file->read_at(kBytes, content), kBytes);
  EXPECT_TRUE(std::ranges::equal(content, direct));
}

TEST(Addresses, HaveOneFormHoweverTheyAreWritten) {
  for (const char* same : {"10.0.0.7", "::ffff:10.0.0.7", "::FFFF:0a00:0007", "0:0:0:0:0:ffff:10.0.0.7"}) EXPECT_EQ(canonical_address(same), "10.0.0.7") << same;
  for (const char* same : {"2001:db8::1", "2001:DB8:0:0:0:0:0:1"}) EXPECT_EQ(canonical_address(same), "2001:db8::1") << same;
  for (const std::string_view none : {"", "*", "localhost", "10.0.0", "10.0.0.256", " 10.0.0.7", "10.0.0.7:80", "[::1]", "::1%lo"}) {
    EXPECT_EQ(canonical_address(none), std::nullopt) << none;
  }
  EXPECT_EQ(canonical_address(std::string_view("10.0.0.7\0x", 10)), std::nullopt);
}

TEST_F(Posix, SecretsAreReadableByTheirOwnerOnly) {
  ASSERT_TRUE(fs_.open(path("secret"), {.write = true, .create = true, .secret = true}).ok());
  struct stat info{};
  ASSERT_EQ(::stat(path("secret").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
}

TEST_F(Posix, WhatBeginsToGoToTheDiskAndFailsIsToldByTheSyncAndForGood) {
  const auto begin = [&](const char* name, int error_number) {
    auto file = fs_.open(path(name), {.write = true, .create = true}).value();
    EXPECT_TRUE(file->write_at(0, base::as_bytes("some bytes")).ok());
    write_back_fails_with = error_number;
    file->start_write_back(0, 10);
    write_back_fails_with = 0;
    return file;
  };
  for (const int harmless : {0, ENOSYS, EINVAL, EAGAIN}) EXPECT_TRUE(begin("good", harmless)->sync_data().ok()) << harmless;
  for (const int error_number : {EIO, ENOSPC}) {
    const auto file = begin("bad", error_number);
    const Status synced = file->sync_data();
    ASSERT_FALSE(synced);
    EXPECT_EQ(synced.error().code, Code::io_error) << "a sync has no room to wait for";
    file->start_write_back(0, 10);
    EXPECT_FALSE(file->sync_data());
  }
}

TEST_F(Posix, AFullDeviceIsCalledFull) {
  const auto file = std::move(fs_.open("/dev/full", {.write = true})).value();
  const auto status = file->write_at(0, base::as_bytes("x"));
  EXPECT_EQ(status.error().code, Code::no_space);
  EXPECT_NE(status.error().detail.find("write /dev/full: No space left on device; free some space"), std::string::npos);
}

// Two sockets that are connected; the first one does not block.
struct SocketPair {
  SocketPair() {
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    EXPECT_EQ(::fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
  }
  ~SocketPair() {
    ::close(ends[0]);
    if (ends[1] >= 0) ::close(ends[1]);
  }
  int ends[2] = {-1, -1};
};

TEST_F(Posix, APartOfAFileIsSentToASocket) {
  const auto file = std::move(fs_.open(path("f"), {.write = true, .create = true})).value();
  ASSERT_TRUE(file->write_at(0, base::as_bytes("0123456789")).ok());
  SocketPair sockets;
  EXPECT_EQ(send_file(sockets.ends[0], *file, 3, 4).value_or(0), 4U);
  char got[5] = {};
  EXPECT_EQ(::read(sockets.ends[1], got, 4), 4);
  EXPECT_STREQ(got, "3456");
  EXPECT_EQ(send_file(sockets.ends[0], *file, 10, 1).error().code, Code::corrupt);
}

TEST_F(Posix, ASocketThatIsFullTakesNothingAndOneThatIsGoneIsAnError) {
  const auto file = std::move(fs_.open(path("f"), {.write = true, .create = true})).value();
  ASSERT_TRUE(file->truncate(16 << 20).ok());
  SocketPair sockets;
  std::size_t sent = 1;
  while (sent > 0) {
    const auto more = send_file(sockets.ends[0], *file, 0, 16 << 20);
    ASSERT_TRUE(more.ok());
    sent = *more;
  }
  ignore_broken_pipes();
  ::close(std::exchange(sockets.ends[1], -1));
  EXPECT_EQ(send_file(sockets.ends[0], *file, 0, 1).error().code, Code::io_error);
}

TEST_F(Posix, AnInterruptWakesTheWaiterAndOneThatCameBeforeDoesToo) {
  const auto waiter = twin_.env().make_waiter();
  const pid_t child = ::fork();
  if (child == 0) {
    watch_interrupts();
    wake_on_interrupt(waiter.get());
    if (interrupted()) ::_exit(1);
    ::raise(SIGTERM);
    const bool woken = waiter->wait(10'000'000'000) && interrupted();
    wake_on_interrupt(nullptr);
    wake_on_interrupt(waiter.get());
    ::_exit(woken && waiter->wait(10'000'000'000) ? 0 : 2);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(Posix, TheProgramStartedBeforeNow) {
  EXPECT_GT(process_start_ns(), 0);
  EXPECT_LT(process_start_ns(), twin_.env().clock().monotonic_ns());
}

// F22: a lock belongs to an open file, not to a process id, so that it can never be stale.
TEST_F(Posix, TheLockOfAKilledProcessIsFree) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    auto file = fs_.open(path("lock"), {.write = true, .create = true});
    const char held = file && (*file)->try_lock(LockKind::exclusive, 0, 0).value_or(false) ? 'y' : 'n';
    (void)!::write(ready[1], &held, 1);
    ::pause();
    ::_exit(0);
  }
  char held = 0;
  ASSERT_EQ(::read(ready[0], &held, 1), 1);
  ASSERT_EQ(held, 'y');
  const auto file = fs_.open(path("lock"), {.write = true, .create = true});
  EXPECT_FALSE(*(*file)->try_lock(LockKind::exclusive, 0, 0));
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(*(*file)->try_lock(LockKind::exclusive, 0, 0));
  ::close(ready[0]);
  ::close(ready[1]);
}

// F16. A signal without SA_RESTART every few microseconds while a write larger than any pipe or page batch goes on.
TEST_F(Posix, InterruptedReadsAndWritesAreComplete) {
  struct sigaction action{};
  action.sa_handler = [](int) {};
  struct sigaction old_action{};
  ASSERT_EQ(::sigaction(SIGUSR1, &action, &old_action), 0);
  const pthread_t self = ::pthread_self();
  std::atomic<bool> stop = false;
  std::thread disturber([&] {
    while (!stop) {
      ::pthread_kill(self, SIGUSR1);
      std::this_thread::yield();
    }
  });
  const auto file = std::move(fs_.open(path("f"), {.write = true, .create = true})).value();
  const std::string text(8 << 20, 'x');
  EXPECT_TRUE(file->write_at(3, base::as_bytes(text)).ok());
  base::Bytes back(text.size());
  EXPECT_EQ(file->read_at(3, back).value_or(0), text.size());
  stop = true;
  disturber.join();
  ::sigaction(SIGUSR1, &old_action, nullptr);
  EXPECT_EQ(base::as_text(back), text);
}

TEST_F(Posix, TasksFromManyThreadsAllRun) {
  constexpr int kThreads = 8;
  constexpr int kTasks = 5000;
  int ran = 0;  // on the executor only
  auto executor = twin_.env().make_executor("many");
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kTasks; ++i) executor->post([&] { ++ran; });
    });
  }
  for (auto& thread : threads) thread.join();
  executor = nullptr;
  EXPECT_EQ(ran, kThreads * kTasks);
}

TEST_F(Posix, AnIdleExecutorsTaskRunsOnTheThreadThatWaits) {
  const auto executor = twin_.env().make_executor("lends");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  bool here = false;
  while (!here && std::chrono::steady_clock::now() < deadline) {  // its thread falls asleep some time
    const auto waiter = twin_.env().make_waiter();
    executor->run_or_post([&, caller = std::this_thread::get_id()] {
      here = std::this_thread::get_id() == caller;
      waiter->wake();
    });
    ASSERT_TRUE(waiter->wait());
  }
  EXPECT_TRUE(here);
}

TEST_F(Posix, LentTurnsPostedTasksAndTimersExcludeEachOther) {
  constexpr int kThreads = 6;
  constexpr int kTasks = 2000;
  int ran = 0;  // on the executor only
  bool inside = false;
  bool overlapped = false;
  auto executor = twin_.env().make_executor("lends");
  const auto task = [&] {
    overlapped |= std::exchange(inside, true);
    for (int before = ran++, i = 0; i < 200; ++i) overlapped |= static_cast<volatile int&>(ran) != before + 1;
    inside = false;
  };
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kTasks; ++i) {
        if (t % 3 == 0) {
          executor->post(task);
          continue;
        }
        const auto waiter = twin_.env().make_waiter();
        const auto wakes = [&, w = waiter.get()] {
          task();
          w->wake();
        };
        if (t % 3 == 1) {
          executor->run_or_post(wakes);
        } else {
          (void)executor->run_at(twin_.env().clock().monotonic_ns() + 20'000, wakes);
        }
        EXPECT_TRUE(waiter->wait(30'000'000'000));  // whatever happens meanwhile, it is not forgotten
      }
    });
  }
  for (auto& thread : threads) thread.join();
  executor = nullptr;
  EXPECT_EQ(ran, kThreads * kTasks);
  EXPECT_FALSE(overlapped);
}

TEST_F(Posix, WhatIsPostedOrDueWhileATurnIsLentRunsAtItsEnd) {
  constexpr int kLent = 100;
  constexpr std::int64_t kPatienceNs = 30'000'000'000;
  const Clock& clock = twin_.env().clock();
  const auto executor = twin_.env().make_executor("lends");
  const std::int64_t deadline = clock.monotonic_ns() + kPatienceNs;
  std::atomic<bool> inside = false;
  std::atomic<bool> overlapped = false;
  int lent = 0;
  while (lent < kLent && clock.monotonic_ns() < deadline) {
    const auto timed = twin_.env().make_waiter();  // what the thread sleeps for
    const auto due = twin_.env().make_waiter();    // what is due, and
    const auto posted = twin_.env().make_waiter();  // what comes, while its turn is lent
    const auto wake = [&](Env::Waiter& waiter) {
      if (inside) overlapped = true;
      waiter.wake();
    };
    const std::int64_t timed_ns = clock.monotonic_ns() + 200'000;
    (void)executor->run_at(timed_ns, [&] { wake(*timed); });
    bool is_lent = false;
    while (!is_lent && clock.monotonic_ns() < timed_ns) {  // until the thread sleeps
      const auto asked = twin_.env().make_waiter();
      executor->run_or_post([&, caller = std::this_thread::get_id()] {
        is_lent = std::this_thread::get_id() == caller;
        if (is_lent) {
          inside = true;
          (void)executor->run_at(clock.monotonic_ns() + 10'000, [&] { wake(*due); });
          std::thread([&] { executor->post([&] { wake(*posted); }); }).join();
          while (clock.monotonic_ns() < timed_ns + 50'000) std::this_thread::yield();
          inside = false;
        }
        asked->wake();
      });
      ASSERT_TRUE(asked->wait(kPatienceNs));
    }
    ASSERT_TRUE(timed->wait(kPatienceNs));
    if (!is_lent) continue;
    ++lent;
    ASSERT_TRUE(posted->wait(kPatienceNs));
    ASSERT_TRUE(due->wait(kPatienceNs));
  }
  EXPECT_EQ(lent, kLent);
  EXPECT_FALSE(overlapped);
}

TEST_F(Posix, AWaiterMayBeDestroyedAsSoonAsItsWaitReturns) {
  const auto executor = twin_.env().make_executor("wake");
  for (int i = 0; i < 5000; ++i) {
    auto waiter = twin_.env().make_waiter();
    executor->post([w = waiter.get()] { w->wake(); });
    ASSERT_TRUE(waiter->wait());
  }
}

TEST(PosixError, SaysWhereAndWhyAndWhatToDo) {
  EXPECT_EQ(posix_error("open", "/x", EACCES).to_string(),
            "io_error: open /x: Permission denied; check the owner and the mode of the path and of its directories");
  EXPECT_EQ(posix_error("write", "/x", ENOSPC).code, Code::no_space);
  EXPECT_EQ(posix_error("write", "/x", EDQUOT).code, Code::no_space);
  EXPECT_EQ(posix_error("open", "/x", EROFS).code, Code::read_only);
  EXPECT_EQ(posix_error("open", "/x", EMFILE).code, Code::resource_exhausted);
}

}  // namespace
}  // namespace baton::os
