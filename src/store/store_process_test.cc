// What other processes may do with a store: read beside its writer, and nothing more. With real processes, one of which is killed.
#include <atomic>
#include <csignal>
#include <filesystem>
#include <functional>
#include <map>
#include <thread>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "store/store_test_support.h"

namespace baton::store::testing {
namespace {

constexpr std::int64_t kForeverMs = 1'000'000'000;

// A process of its own, made before this one has threads. It tells the parent by single bytes, and the parent tells it.
class Child {
 public:
  explicit Child(const std::function<void(Child&)>& body) {
    BATON_CHECK(::pipe(up_) == 0 && ::pipe(down_) == 0, "pipe");
    pid_ = ::fork();
    BATON_CHECK(pid_ >= 0, "fork");
    if (pid_ != 0) return;
    ::alarm(120);  // never outlives a parent that was killed
    body(*this);
    ::_exit(0);
  }
  ~Child() {
    if (pid_ > 0) kill();
    for (const int fd : {up_[0], up_[1], down_[0], down_[1]}) ::close(fd);
  }
  void kill() {
    ::kill(pid_, SIGKILL);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
  }
  [[nodiscard]] bool alive() const {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
  }
  // In the child.
  void tell(char c) { BATON_CHECK(::write(up_[1], &c, 1) == 1, "write"); }
  void await_parent() {
    char c = 0;
    BATON_CHECK(::read(down_[0], &c, 1) == 1, "read");
  }
  // In the parent.
  [[nodiscard]] char await() {
    char c = 0;
    return ::read(up_[0], &c, 1) == 1 ? c : '!';
  }
  void go() { BATON_CHECK(::write(down_[1], "g", 1) == 1, "write"); }

 private:
  int up_[2] = {-1, -1};
  int down_[2] = {-1, -1};
  pid_t pid_ = -1;
};

class Processes : public ::testing::Test {
 protected:
  Processes()
      : directory_(::testing::TempDir() + "baton_processes_" + std::to_string(::getpid()) + "_" +
                   ::testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::remove_all(directory_);
  }
  ~Processes() override { std::filesystem::remove_all(directory_); }

  static Options reading() {
    Options options;
    options.read_only = true;
    return options;
  }
  std::unique_ptr<Store> open(const Options& options) const {
    auto opened = Store::open(directory_, options);
    EXPECT_TRUE(opened) << opened.error().to_string();
    return opened ? *std::move(opened) : nullptr;
  }
  // Event number i goes to stream i % 10; its data is i.
  static Result<Appended> append_number(Store& store, int i) {
    return store.append(append_of("ride-" + std::to_string(i % 10), Expect::any(), {event("A", std::to_string(i), std::to_string(i), {"t:" + std::to_string(i % 3)})}));
  }
  // Every stream of a store that holds the events 0 to n - 1: dense, in order, and as many as there are.
  static void expect_streams(Store& store, std::int64_t at_least) {
    std::int64_t sum = 0;
    for (int s = 0; s < 10; ++s) {
      auto page = store.read_stream({.context = "rides", .stream = "ride-" + std::to_string(s), .limit = 1'000'000});
      ASSERT_TRUE(page) << page.error().to_string();
      for (std::size_t i = 0; i < page->events.size(); ++i) {
        ASSERT_EQ(page->events[i].version, static_cast<std::int64_t>(i));
        ASSERT_EQ(page->events[i].data, std::to_string(static_cast<int>(i) * 10 + s));
      }
      EXPECT_EQ(page->last_version, static_cast<std::int64_t>(page->events.size()) - 1);
      sum += static_cast<std::int64_t>(page->events.size());
    }
    EXPECT_GE(sum, at_least);
  }

  std::string directory_;
};

TEST_F(Processes, AReaderFollowsAWriterOfAnotherProcessAndSurvivesItsKill) {
  Child writer([&](Child& child) {
    auto store = Store::open(directory_, small_options());
    if (!store) ::_exit(1);
    for (int i = 0;; ++i) {
      if (!append_number(**store, i)) ::_exit(2);
      if (i == 100) child.tell('a');
    }
  });
  ASSERT_EQ(writer.await(), 'a');
  const auto reader = open(reading());
  ASSERT_NE(reader, nullptr);
  EXPECT_THAT(reader->append(append_of("ride-1", Expect::any(), {event("A")})), FailsWith(Code::read_only));
  auto subscription = reader->subscribe({.context = "rides"}).value();
  EXPECT_THAT(subscription->save_checkpoint("c"), FailsWith(Code::read_only));
  int seen = 0;
  const auto visit = [&](const EventView& e) {
    EXPECT_EQ(e.data, std::to_string(seen));
    ++seen;
    return true;
  };
  while (seen < 4'000) {
    const auto count = subscription->next(500, kForeverMs, visit);
    ASSERT_TRUE(count) << count.error().to_string();
    if (seen / 1000 != (seen - static_cast<int>(*count)) / 1000) {
      ASSERT_TRUE(reader->refresh());
      expect_streams(*reader, seen);
    }
  }
  writer.kill();

  // What was visible stays readable, to the last event.
  for (;;) {
    const auto count = subscription->next(500, 0, visit);
    ASSERT_TRUE(count) << count.error().to_string();
    if (*count == 0) break;
  }
  ASSERT_TRUE(reader->refresh());
  expect_streams(*reader, seen);
  auto info = reader->info();
  ASSERT_TRUE(info);
  EXPECT_EQ(info->streams, 10);
  EXPECT_GE(info->events, seen);

  // A new writer recovers (F22: the lock died with its process), and the reader goes on with what it appends.
  const auto next_writer = open(small_options());
  ASSERT_NE(next_writer, nullptr);
  const int recovered = static_cast<int>(next_writer->context("rides")->events);
  EXPECT_GE(recovered, seen);
  for (int i = recovered; i < recovered + 50; ++i) ASSERT_TRUE(append_number(*next_writer, i));
  while (seen < recovered + 50) {
    const auto count = subscription->next(500, kForeverMs, visit);
    ASSERT_TRUE(count) << count.error().to_string();
  }
  ASSERT_TRUE(reader->refresh());
  expect_streams(*reader, recovered + 50);
}

TEST_F(Processes, ASecondWriterFailsByTheLockWithinASecond_F21) {
  struct Answer {
    int code;
    double seconds;
  };
  int answer_pipe[2];
  ASSERT_EQ(::pipe(answer_pipe), 0);
  Child second([&](Child& child) {
    child.await_parent();
    const auto began = std::chrono::steady_clock::now();
    const auto opened = Store::open(directory_, small_options());
    Answer answer{opened ? 0 : static_cast<int>(opened.error().code),
                  std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count()};
    if (::write(answer_pipe[1], &answer, sizeof answer) != sizeof answer) ::_exit(1);
  });
  const auto store = open(small_options());
  ASSERT_TRUE(append_number(*store, 0));
  second.go();
  Answer answer{};
  ASSERT_EQ(::read(answer_pipe[0], &answer, sizeof answer), static_cast<ssize_t>(sizeof answer));
  EXPECT_EQ(answer.code, static_cast<int>(Code::locked));
  EXPECT_LT(answer.seconds, 1.0);
  EXPECT_THAT(Store::open(directory_, small_options()), FailsWith(Code::locked));  // nor from this process
  ASSERT_TRUE(append_number(*store, 1));
  for (const int fd : answer_pipe) ::close(fd);
}

TEST_F(Processes, TheLockOfAKilledWriterIsNotStale_F22) {
  Child writer([&](Child& child) {
    auto store = Store::open(directory_, small_options());
    for (int i = 0; i < 20; ++i) {
      if (!store || !append_number(**store, i)) ::_exit(1);
    }
    child.tell('a');
    child.await_parent();
  });
  ASSERT_EQ(writer.await(), 'a');
  EXPECT_THAT(Store::open(directory_, small_options()), FailsWith(Code::locked));
  writer.kill();
  const auto store = open(small_options());
  ASSERT_NE(store, nullptr);
  expect_streams(*store, 20);
}

TEST_F(Processes, AReaderSurvivesMergesAndRetention) {
  Child writer([&](Child& child) {
    Options options = small_options();
    options.segment_bytes = 64u << 10;
    options.index_table_entries = 64;
    auto store = Store::open(directory_, options);
    if (!store || !(*store)->create_context("rides", {.history_deletable = true, .retention_bytes = 256 << 10})) ::_exit(1);
    for (int i = 0;; ++i) {
      if (!append_number(**store, i)) ::_exit(2);
      if (i % 200 == 199 && !(*store)->apply_retention()) ::_exit(3);
      if (i == 300) child.tell('a');
    }
  });
  ASSERT_EQ(writer.await(), 'a');
  const auto reader = open(reading());
  ASSERT_NE(reader, nullptr);
  // Until a retention has removed the first event, and a good while longer.
  std::int64_t first_kept = 0;
  for (int after = 0; after < 20;) {
    ASSERT_TRUE(writer.alive());
    ASSERT_TRUE(reader->refresh());
    auto page = reader->read_context({.context = "rides", .limit = 20});
    ASSERT_TRUE(page) << page.error().to_string();
    if (page->events.empty()) continue;
    EXPECT_GE(page->events.front().offset, first_kept);
    first_kept = page->events.front().offset;
    for (std::size_t i = 0; i < page->events.size(); ++i) {
      ASSERT_EQ(page->events[i].offset, first_kept + static_cast<std::int64_t>(i));
      ASSERT_EQ(page->events[i].data, std::to_string(first_kept + static_cast<std::int64_t>(i)));
    }
    const auto head = reader->stream_head("rides", "ride-3");
    ASSERT_TRUE(head) << head.error().to_string();
    EXPECT_GE(head->last_version, first_kept / 10 - 1);
    const auto tagged = reader->read_context({.context = "rides", .backward = true, .limit = 5, .filter = {.tags = {"t:1"}}});
    ASSERT_TRUE(tagged) << tagged.error().to_string();
    EXPECT_EQ(tagged->events.size(), 5u);
    if (first_kept > 0) ++after;
  }
  EXPECT_GT(first_kept, 0);
}

// A number that a child writes and its parent reads.
class SharedCount {
 public:
  SharedCount() : at_(::mmap(nullptr, sizeof(std::atomic<int>), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    BATON_CHECK(at_ != MAP_FAILED, "mmap");
    new (at_) std::atomic<int>(0);
  }
  ~SharedCount() { ::munmap(at_, sizeof(std::atomic<int>)); }
  SharedCount(const SharedCount&) = delete;
  SharedCount& operator=(const SharedCount&) = delete;
  std::atomic<int>& operator*() const { return *static_cast<std::atomic<int>*>(at_); }

 private:
  void* at_;
};

TEST_F(Processes, ABackupBesideAWriterThatNeverPausesHasAllThatWasAcknowledgedBefore) {
  const SharedCount acknowledged;
  Child writer([&](Child& child) {
    Options options = small_options();
    options.segment_bytes = 64u << 10;
    options.journal_bytes = 128u << 10;
    options.index_table_entries = 256;
    auto store = Store::open(directory_, options);
    if (!store || !(*store)->create_context("rides", {.history_deletable = true, .retention_bytes = 512 << 10})) ::_exit(1);
    for (int i = 0;; ++i) {
      if (!append_number(**store, i)) ::_exit(2);
      *acknowledged = i + 1;
      if (i % 100 == 99 && !(*store)->apply_retention()) ::_exit(3);
      if (i == 3'000) child.tell('a');  // by now retention has removed the first
    }
  });
  ASSERT_EQ(writer.await(), 'a');
  const auto reader = open(reading());
  ASSERT_NE(reader, nullptr);
  const std::string target = directory_ + "-backup";
  const std::string restored = directory_ + "-restored";
  std::int64_t first_first = -1, last_first = -1;
  for (int round = 0; round < 10; ++round) {
    std::filesystem::remove_all(target);
    std::filesystem::remove_all(restored);
    const int at_least = *acknowledged;
    const Status done = reader->backup(target, {});
    ASSERT_TRUE(done) << done.error().to_string();
    const int at_most = *acknowledged + 1;
    ASSERT_TRUE(writer.alive());
    const Status back = restore(target, restored, {});
    ASSERT_TRUE(back) << back.error().to_string();
    auto copy = Store::open(restored, small_options()).value();
    auto page = copy->read_context({.context = "rides", .limit = 1'000'000});
    ASSERT_TRUE(page) << page.error().to_string();
    ASSERT_FALSE(page->events.empty());
    const std::int64_t first = page->events.front().offset;
    for (std::size_t i = 0; i < page->events.size(); ++i) {
      ASSERT_EQ(page->events[i].offset, first + static_cast<std::int64_t>(i));
      ASSERT_EQ(page->events[i].data, std::to_string(first + static_cast<std::int64_t>(i)));
    }
    EXPECT_GE(page->events.back().offset + 1, at_least);
    EXPECT_LE(page->events.back().offset + 1, at_most);
    EXPECT_GE(first, last_first);
    last_first = first;
    if (round == 0) first_first = first;
    while (*acknowledged < at_most + 400) std::this_thread::yield();
  }
  EXPECT_GT(last_first, first_first);  // the writer's retention has gone on meanwhile
  std::filesystem::remove_all(target);
  std::filesystem::remove_all(restored);
}

std::map<std::string, std::pair<std::uintmax_t, std::filesystem::file_time_type>> files_of(const std::string& directory) {
  std::map<std::string, std::pair<std::uintmax_t, std::filesystem::file_time_type>> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) files[entry.path().string()] = {entry.file_size(), entry.last_write_time()};
  }
  return files;
}

TEST_F(Processes, WithoutAWriterAReaderReadsAndChangesNothing) {
  {
    const auto store = open(small_options());
    for (int i = 0; i < 500; ++i) ASSERT_TRUE(append_number(*store, i));
    ASSERT_TRUE(store->close());
  }
  const auto before = files_of(directory_);
  {
    const auto reader = open(reading());
    ASSERT_NE(reader, nullptr);
    expect_streams(*reader, 500);
    EXPECT_EQ(reader->info()->streams, 10);
    EXPECT_EQ(reader->info()->events, 500);
    EXPECT_EQ(reader->streams("rides", "", "", 100)->streams.size(), 10u);
  }
  EXPECT_EQ(files_of(directory_), before);
  // Without its index, too: what it would say is made in memory.
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_)) {
    if (entry.is_directory() && entry.path().filename() == "index") {
      std::filesystem::remove_all(entry.path());
      break;
    }
  }
  const auto reader = open(reading());
  ASSERT_NE(reader, nullptr);
  expect_streams(*reader, 500);
  EXPECT_EQ(reader->info()->streams, 10);
}

TEST_F(Processes, WhatIsNotThereIsNotFound) {
  EXPECT_THAT(Store::open(directory_, reading()), FailsWith(Code::not_found));
  EXPECT_FALSE(std::filesystem::exists(directory_));
}

// Several threads may save under one name at once: the store goes on, and the file is one of theirs.
TEST_F(Processes, CheckpointsAndSnapshotsAreSavedByManyThreadsAtOnce) {
  const auto store = open(small_options());
  ASSERT_NE(store, nullptr);
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(append_number(*store, i));
  std::vector<std::jthread> threads;
  std::atomic<int> failed{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const auto subscription = store->subscribe({.context = "rides"}).value();
      for (int i = 0; i < 40; ++i) {
        if (!subscription->next(1, 0, [](const EventView&) { return true; })) ++failed;
        if (!subscription->save_checkpoint("same")) ++failed;
        if (!store->save_snapshot("rides", "ride-1", {.version = (i + t) % 4, .shape = 1, .bytes = std::to_string(i)})) ++failed;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(failed, 0);
  EXPECT_TRUE(store->subscribe({.context = "rides", .start = {.kind = StartAt::Kind::checkpoint, .checkpoint = "same"}}));
  EXPECT_TRUE(store->load("rides", "ride-1", {.shape = 1})->snapshot);
}

// A completion that always appends again, as a writer does that retries, is not heard any more when the store goes.
TEST_F(Processes, ACompletionThatAppendsAgainDoesNotKeepAStoreFromBeingDestroyed) {
  for (int round = 0; round < 5; ++round) {
    auto store = open(small_options());
    ASSERT_NE(store, nullptr);
    Store& raw = *store;
    std::atomic<int> calls{0};
    std::function<void(Result<Appended>)> again = [&](Result<Appended>) {
      ++calls;
      raw.append_async(append_of("ride-1", Expect::any(), {event("A")}), again);
    };
    for (int i = 0; i < 8; ++i) raw.append_async(append_of("ride-1", Expect::any(), {event("A")}), again);
    while (calls < 20) std::this_thread::yield();
    store = nullptr;
    EXPECT_GE(calls, 20);
  }
}

TEST_F(Processes, AnIndexTakesAsManyEntriesInMemoryAsItCan) {
  for (const std::size_t entries : {std::size_t{0}, std::size_t{1}, std::size_t{1} << 20, std::size_t{1} << 26}) {
    Options options = small_options();
    options.index_table_entries = entries;
    const auto store = open(options);
    ASSERT_NE(store, nullptr);
    EXPECT_TRUE(store->append(append_of("ride-1", Expect::any(), {event("A")})));
  }
}

TEST_F(Processes, AStoreStaysWhereItIsWhenTheProgramGoesElsewhere) {
  Child program([&](Child& child) {
    std::filesystem::create_directory(directory_);
    std::filesystem::current_path(directory_);
    auto store = Store::open(".//./here", small_options());
    if (!store) ::_exit(1);
    std::filesystem::current_path("/");
    for (int i = 0; i < 2'000; ++i) {
      if (!append_number(**store, i)) ::_exit(2);
    }
    if (!(*store)->subscribe({.context = "rides"}).value()->save_checkpoint("c")) ::_exit(3);
    if (!(*store)->close()) ::_exit(4);
    child.tell('a');
    for (;;) ::pause();
  });
  ASSERT_EQ(program.await(), 'a');
  EXPECT_TRUE(std::filesystem::exists(directory_ + "/here/checkpoints"));
  directory_ += "/here";
  expect_streams(*open(reading()), 2'000);
  directory_.resize(directory_.size() - 5);
}

}  // namespace
}  // namespace baton::store::testing
