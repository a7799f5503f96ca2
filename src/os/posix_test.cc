// What only the real machine can show.
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <thread>
#include <vector>

#include "os/posix_error.h"
#include "os/twins_for_test.h"

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

TEST_F(Posix, SecretsAreReadableByTheirOwnerOnly) {
  ASSERT_TRUE(fs_.open(path("secret"), {.write = true, .create = true, .secret = true}).ok());
  struct stat info{};
  ASSERT_EQ(::stat(path("secret").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
}

TEST_F(Posix, AFullDeviceIsCalledFull) {
  const auto file = std::move(fs_.open("/dev/full", {.write = true})).value();
  const auto status = file->write_at(0, base::as_bytes("x"));
  EXPECT_EQ(status.error().code, Code::no_space);
  EXPECT_NE(status.error().detail.find("write /dev/full: No space left on device; free some space"), std::string::npos);
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
