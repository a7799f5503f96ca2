// Many streams in bounded memory: index, kill, delete, rebuild, compare every head; and what each step costs.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <vector>

#include "os/env.h"
#include "store/index.h"

namespace baton::store::testing {

// An owner whose tasks run when the test says so, on the test's thread.
class PumpedExecutor final : public os::Executor {
 public:
  void post(os::Task task) override {
    const std::lock_guard guard(mutex_);
    tasks_.push_back(std::move(task));
    changed_.notify_one();
  }
  os::TimerId run_at(std::int64_t, os::Task) override { return 0; }
  bool cancel(os::TimerId) override { return false; }
  bool on_executor() const override { return true; }

  void run(bool wait) {
    std::unique_lock lock(mutex_);
    if (wait) changed_.wait(lock, [this] { return !tasks_.empty(); });
    while (!tasks_.empty()) {
      os::Task task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      lock.lock();
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<os::Task> tasks_;
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kMemoryIsOurs = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kMemoryIsOurs = false;
#else
inline constexpr bool kMemoryIsOurs = true;
#endif
#else
inline constexpr bool kMemoryIsOurs = true;
#endif

inline std::uint64_t anonymous_kib() {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    if (word != "RssAnon:") continue;
    std::uint64_t kib = 0;
    status >> kib;
    return kib;
  }
  return 0;
}

inline double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Event e < streams begins stream e; the quarter that follows goes to every third stream.
class Scale {
 public:
  Scale(std::int64_t streams, std::size_t table_entries)
      : streams_(streams), events_(streams + streams / 4), options_{.table_entries = table_entries} {
    std::filesystem::remove_all(directory_);
    options_.on_failure = [](const Error& error) { ADD_FAILURE() << error.to_string(); };
    options_.warn = [](const std::string& text) { std::printf("  warning: %s\n", text.c_str()); };
  }
  ~Scale() { std::filesystem::remove_all(directory_); }

  static constexpr std::int64_t kEntriesPerEvent = 5;
  static std::uint64_t stream_key(std::int64_t stream) { return stream_hash("ride-" + std::to_string(stream)); }
  std::int64_t stream_of(std::int64_t event) const { return event < streams_ ? event : (event - streams_) * 3; }
  IndexHit head_of(std::int64_t stream) const {
    const bool has_second = stream % 3 == 0 && stream / 3 < streams_ / 4;
    return hit(has_second ? streams_ + stream / 3 : stream, has_second ? 1 : 0);
  }

  std::unique_ptr<Index> open() {
    auto index = Index::open(*env_, directory_, options_, &owner_, worker_.get());
    EXPECT_TRUE(index) << index.error().to_string();
    return *std::move(index);
  }

  // Feeds from `from` as a store does: rounds of 100 events, waiting when there is no room.
  void feed(Index& index, std::int64_t from, std::int64_t to) {
    const std::uint64_t types[] = {type_hash("rides.RideStarted"), type_hash("rides.RideEnded")};
    for (std::int64_t event = from; event < to; ++event) {
      const std::int64_t stream = stream_of(event);
      const IndexHit place = hit(event, 0);
      index.add(stream_key(stream), hit(event, event < streams_ ? 0 : 1));
      index.add(tag_hash("event:" + std::to_string(event)), place);
      index.add(types[event % 2], place);
      index.add(tag_hash("bike:" + std::to_string(stream % 6000)), place);
      index.add(tag_hash("station:" + std::to_string(stream % 900)), place);
      if (event % 100 != 99 && event + 1 != to) continue;
      index.acknowledge(log::Offset(event + 1), log::Epoch(1), static_cast<std::uint32_t>(event));
      owner_.run(false);
      if (event % 10'000 == 9'999) sample();
      while (index.full()) owner_.run(true);
    }
  }

  void sample() { most_kib_ = std::max(most_kib_, anonymous_kib()); }

  void compare_heads(const Index& index) {
    const IndexSnapshot snapshot = index.snapshot();
    constexpr std::int64_t kBatch = 100;
    std::vector<std::uint64_t> hashes(kBatch);
    std::vector<std::optional<IndexHit>> hits(kBatch);
    for (std::int64_t stream = 0; stream < streams_; stream += kBatch) {
      for (std::int64_t i = 0; i < kBatch; ++i) hashes[i] = stream_key(stream + i);
      ASSERT_TRUE(snapshot.newest(hashes, log::Offset(events_), hits));
      for (std::int64_t i = 0; i < std::min(kBatch, streams_ - stream); ++i) {
        ASSERT_EQ(hits[i], head_of(stream + i)) << stream + i;
      }
      if (stream % 100'000 == 0) sample();
    }
  }

  void run() {
    double start = seconds();
    {
      auto index = open();
      feed(*index, 0, events_ * 2 / 3);
      const auto stats = index->stats();
      EXPECT_GE(stats.merges, 3u);
      print("feed, merges beside", seconds() - start, events_ * 2 / 3 * kEntriesPerEvent);
    }  // ends without a flush, as by a kill
    {
      start = seconds();
      auto index = open();
      std::printf("  open with %zu runs: %.1f ms\n", index->stats().runs, (seconds() - start) * 1e3);
      const std::int64_t at = index->covered().next.value();
      EXPECT_GT(at, 0);
      EXPECT_LE(at, events_ * 2 / 3);
      feed(*index, at, events_);
      compare_heads(*index);
    }
    std::filesystem::remove_all(directory_);
    auto index = open();
    EXPECT_EQ(index->covered(), IndexCovered{});
    start = seconds();
    feed(*index, 0, events_);
    print("rebuild", seconds() - start, events_ * kEntriesPerEvent);
    ASSERT_TRUE(index->flush());
    auto stats = index->stats();
    index.reset();
    start = seconds();
    index = open();
    std::printf("  open after a flush, %zu runs: %.1f ms\n", index->stats().runs, (seconds() - start) * 1e3);
    EXPECT_EQ(index->covered().next, log::Offset(events_));
    while (*index->merge_step()) continue;
    stats.runs = index->stats().runs;
    stats.run_entries = index->stats().run_entries;
    std::printf("  %zu runs, %.1f bytes written an entry, %llu merges\n", stats.runs,
                static_cast<double>(stats.written_bytes) / static_cast<double>(stats.run_entries),
                static_cast<unsigned long long>(stats.merges));
    EXPECT_EQ(stats.run_entries, static_cast<std::uint64_t>(events_ * kEntriesPerEvent));
    EXPECT_GE(stats.merges, 3u);
    start = seconds();
    compare_heads(*index);
    print("head found, in groups", seconds() - start, streams_);
    measure_misses(*index);
    sample();
    std::printf("  anonymous memory: %llu KiB at most\n", static_cast<unsigned long long>(most_kib_));
    if (kMemoryIsOurs) EXPECT_LE(most_kib_, 64u * 1024);
  }

 private:
  static IndexHit hit(std::int64_t event, std::int64_t version) {
    return {.offset = log::Offset(event),
            .version = StreamVersion(version),
            .position = log::FilePosition(static_cast<std::uint64_t>(event) * 300 % (64u << 20)),
            .record_delta = static_cast<std::uint32_t>(event % 100 * 300)};
  }
  static void print(const char* what, double took, std::int64_t count) {
    std::printf("  %s: %.0f ns each, %lld\n", what, took / static_cast<double>(count) * 1e9,
                static_cast<long long>(count));
  }
  void measure_misses(const Index& index) {
    const IndexSnapshot snapshot = index.snapshot();
    constexpr std::int64_t kCount = 200'000;
    for (const bool grouped : {false, true}) {
      const double start = seconds();
      std::vector<std::uint64_t> hashes(100);
      std::vector<std::optional<IndexHit>> hits(100);
      std::uint64_t key = 1;
      for (std::int64_t i = 0; i < kCount; i += 100) {
        for (auto& hash : hashes) hash = key++ * 0x9e3779b97f4a7c15u * 0x2545f4914f6cdd1du;
        if (grouped) {
          ASSERT_TRUE(snapshot.newest(hashes, log::Offset(events_), hits));
        } else {
          for (std::size_t j = 0; j < 100; ++j) hits[j] = *snapshot.newest(hashes[j], log::Offset(events_));
        }
        for (const auto& found : hits) ASSERT_EQ(found, std::nullopt);
      }
      print(grouped ? "miss, in groups" : "miss, one by one", seconds() - start, kCount);
    }
  }

  const std::int64_t streams_;
  const std::int64_t events_;
  IndexOptions options_;
  const std::string directory_ = ::testing::TempDir() + "baton_index_scale_" + std::to_string(streams_);
  std::unique_ptr<os::Env> env_ = os::make_posix_env();
  PumpedExecutor owner_;
  std::unique_ptr<os::Executor> worker_ = env_->make_executor("worker");
  std::uint64_t most_kib_ = 0;
};

}  // namespace baton::store::testing
