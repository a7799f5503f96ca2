// Readers on threads of their own beside the store's thread and the worker: what was visible stays found.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <thread>
#include <vector>

#include "os/env.h"
#include "store/index.h"
#include "store/index_test_support.h"

namespace baton::store {
namespace {

IndexHit hit_of(std::int64_t event) {
  return {.offset = log::Offset(event), .version = StreamVersion(event / 50)};
}

void read_until(const Index& index, const std::atomic<std::int64_t>& visible, const std::atomic<bool>& stop,
                std::uint64_t seed) {
  os::SeededRandom random(seed);
  while (!stop.load()) {
    const std::int64_t to = visible.load(std::memory_order_acquire);
    const IndexSnapshot snapshot = index.snapshot();
    if (to < 100) {
      std::this_thread::yield();
      continue;
    }
    const auto stream = static_cast<std::int64_t>(random.below(50));
    const std::int64_t last = (to - 1 - stream) / 50 * 50 + stream;
    const std::uint64_t hash = testing::ModelLog::spread(static_cast<std::uint64_t>(stream));
    const auto newest = snapshot.newest(hash, log::Offset(to));
    ASSERT_TRUE(newest) << newest.error().to_string();
    ASSERT_EQ(*newest, hit_of(last));
    const std::int64_t from = std::max<std::int64_t>(0, last - 300);
    const auto hits = testing::collect(snapshot.find(hash, log::Offset(from), log::Offset(to), Direction::forward));
    ASSERT_FALSE(hits.empty());
    ASSERT_EQ(hits.back(), hit_of(last));
    for (std::size_t i = 1; i < hits.size(); ++i) ASSERT_EQ(hits[i].offset.value() - hits[i - 1].offset.value(), 50);
    ASSERT_EQ(*snapshot.newest(hash + 1, log::Offset(to)), std::nullopt);
  }
}

// As one of many, whose tables are synced together on a thread of their own, or alone.
class IndexThreads : public ::testing::TestWithParam<bool> {};

TEST_P(IndexThreads, ReadersFindAllThatIsVisibleWhileTablesFreezeAndRunsMerge) {
  const bool together = GetParam();
  const std::string directory = ::testing::TempDir() + "baton_index_threads" + (together ? "_together" : "");
  std::filesystem::remove_all(directory);
  const auto env = os::make_posix_env();
  const auto owner = env->make_executor("owner");
  const auto worker = env->make_executor("worker");
  const auto syncer = env->make_executor("syncer");
  constexpr std::int64_t kEvents = 40'000;
  std::atomic<std::int64_t> visible{0};
  std::atomic<bool> stop{false};
  std::unique_ptr<Index> index;
  const auto done = env->make_waiter();

  // All of the owner's part runs on its executor: a task feeds a round and posts the next.
  std::function<void()> round;
  std::int64_t at = 0;
  const IndexOptions options{.table_entries = 1000,
                             .merge_fan = 3,
                             .group = together ? std::make_shared<IndexGroup>(*env, directory, *worker, *syncer, 1) : nullptr,
                             .on_room = [&] { owner->post([&] { round(); }); },
                             .on_failure = [](const Error& error) { ADD_FAILURE() << error.to_string(); }};
  round = [&] {
    if (at == kEvents) return done->wake();
    for (int i = 0; i < 20; ++i, ++at) index->add(testing::ModelLog::spread(static_cast<std::uint64_t>(at % 50)), hit_of(at));
    index->acknowledge(log::Offset(at), log::Epoch(1), 7);
    visible.store(at, std::memory_order_release);
    if (at % 5'500 == 0) EXPECT_TRUE(index->flush());
    if (!index->full()) owner->post([&] { round(); });
  };
  index = *Index::open(*env, directory, options, owner.get(), worker.get());
  std::vector<std::thread> readers;
  for (std::uint64_t i = 0; i < 3; ++i) readers.emplace_back([&, i] { read_until(*index, visible, stop, i); });
  owner->post([&] { round(); });
  EXPECT_TRUE(done->wait(120'000'000'000));
  stop.store(true);
  for (auto& reader : readers) reader.join();
  EXPECT_GT(index->stats().merges, 2u);
  owner->post([&] {
    EXPECT_TRUE(index->flush());
    index.reset();
    done->wake();
  });
  EXPECT_TRUE(done->wait(60'000'000'000));
  std::filesystem::remove_all(directory);
}

INSTANTIATE_TEST_SUITE_P(OfEitherKind, IndexThreads, ::testing::Bool(), [](const auto& info) { return info.param ? "Together" : "Alone"; });

}  // namespace
}  // namespace baton::store
