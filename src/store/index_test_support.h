// What the tests of the index share: a small log of key entries, and an index on the simulated machine that is compared with it.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "os/sim_env.h"
#include "store/index.h"

namespace baton::store::testing {

// The truth: which entries each record has, and where batches end.
class ModelLog {
 public:
  explicit ModelLog(std::uint64_t seed) : random_(seed) {}

  std::int64_t end() const { return static_cast<std::int64_t>(records_.size()); }
  static std::uint32_t crc_at(std::int64_t offset) { return static_cast<std::uint32_t>(offset * 2654435761u); }
  static log::Epoch epoch_at(std::int64_t offset) { return log::Epoch(static_cast<std::int32_t>(offset / 1000)); }

  // Appends a batch of records and returns its end. Keys: a few with many entries, many with few, neighbours in hash order.
  std::int64_t append(std::size_t records) {
    for (std::size_t i = 0; i < records; ++i) {
      auto& entries = records_.emplace_back();
      const std::int64_t offset = end() - 1;
      for (const std::uint64_t hash : {heavy_key(), stream_key(), id_key(offset)}) {
        const IndexHit hit{.offset = log::Offset(offset),
                           .version = StreamVersion(static_cast<std::int64_t>(keys_[hash].size())),
                           .position = log::FilePosition(static_cast<std::uint64_t>(offset) * 100 % 4'000'000'000),
                           .record_delta = static_cast<std::uint32_t>(offset % 5000)};
        if (!keys_[hash].emplace(offset, hit).second) continue;
        entries.emplace_back(hash, hit);
      }
    }
    return end();
  }

  static std::uint64_t spread(std::uint64_t n) { return (n + 1) * 0x9e3779b97f4a7c15u; }
  std::uint64_t heavy_key() { return random_.next() % 2 == 0 ? 0 : UINT64_MAX; }
  std::uint64_t stream_key() { return spread(random_.next() % 200) & ~std::uint64_t{0xff}; }
  static std::uint64_t id_key(std::int64_t offset) { return spread(static_cast<std::uint64_t>(offset) + 1000); }

  using Entries = std::vector<std::pair<std::uint64_t, IndexHit>>;
  const Entries& entries(std::int64_t offset) const { return records_[static_cast<std::size_t>(offset)]; }
  const std::map<std::uint64_t, std::map<std::int64_t, IndexHit>>& keys() const { return keys_; }
  std::vector<IndexHit> range(std::uint64_t hash, std::int64_t from, std::int64_t to) const {
    std::vector<IndexHit> hits;
    const auto found = keys_.find(hash);
    if (found == keys_.end()) return hits;
    for (auto it = found->second.lower_bound(from); it != found->second.end() && it->first < to; ++it) {
      hits.push_back(it->second);
    }
    return hits;
  }

 private:
  os::SeededRandom random_;
  std::vector<Entries> records_;
  std::map<std::uint64_t, std::map<std::int64_t, IndexHit>> keys_;
};

inline std::vector<IndexHit> collect(IndexCursor cursor, Status* status = nullptr) {
  std::vector<IndexHit> hits;
  while (true) {
    auto hit = cursor.next();
    if (!hit) {
      if (status != nullptr) *status = hit.error();
      return hits;
    }
    if (!*hit) return hits;
    hits.push_back(**hit);
  }
}

// One process with an index in it.
struct Process {
  explicit Process(os::SimWorld& world) : env(std::make_unique<os::SimEnv>(world)) {
    owner = env->make_executor("owner");
    worker = env->make_executor("worker");
    syncer = env->make_executor("syncer");
  }
  ~Process() {
    index.reset();
    syncer.reset();
    worker.reset();
    owner.reset();
    env.reset();
  }

  // `together`: of how many tables that are due one sync is made; 0: each has its own.
  Status open(const IndexOptions& small = {.table_entries = 64, .merge_fan = 3}, std::size_t together = 0) {
    IndexOptions options = small;
    if (together > 0) options.group = std::make_shared<IndexGroup>(*env, "/index", *worker, *syncer, together);
    options.warn = [this](std::string text) { warnings.push_back(std::move(text)); };
    options.on_room = [this] { ++rooms; };
    options.on_failure = [this](const Error& error) { failures.push_back(error); };
    auto opened = Index::open(*env, "/index", options, owner.get(), worker.get());
    if (!opened) return opened.error();
    index = *std::move(opened);
    return {};
  }

  // Feeds records [from, to); then they may be written.
  void feed(const ModelLog& log, std::int64_t from, std::int64_t to) {
    for (std::int64_t offset = from; offset < to; ++offset) {
      for (const auto& [hash, hit] : log.entries(offset)) index->add(hash, hit);
    }
  }
  void acknowledge(std::int64_t end) {
    index->acknowledge(log::Offset(end), ModelLog::epoch_at(end), ModelLog::crc_at(end));
  }

  std::unique_ptr<os::SimEnv> env;
  std::unique_ptr<os::Executor> owner;
  std::unique_ptr<os::Executor> worker;
  std::unique_ptr<os::Executor> syncer;
  std::vector<std::string> warnings;
  std::vector<Error> failures;
  int rooms = 0;
  std::unique_ptr<Index> index;
};

// Compares every kind of look-up of `hash` below `to` with the model. Answers may be missing only where an error says so:
// then `errors` counts it.
inline void compare_key(const IndexSnapshot& snapshot, const ModelLog& log, std::uint64_t hash, std::int64_t from,
                        std::int64_t to, int* errors = nullptr) {
  const auto expected = log.range(hash, 0, to);
  const auto is_error = [&](const auto& result) {
    if (result) return false;
    EXPECT_EQ(result.error().code, Code::corrupt) << result.error().detail;
    if (errors == nullptr) ADD_FAILURE() << result.error().to_string();
    if (errors != nullptr) ++*errors;
    return true;
  };
  if (const auto newest = snapshot.newest(hash, log::Offset(to)); !is_error(newest)) {
    EXPECT_EQ(*newest, expected.empty() ? std::nullopt : std::optional(expected.back())) << hash << " below " << to;
  }
  const auto later = log.range(hash, from, to);
  if (const auto after = snapshot.newest_after(hash, log::Offset(from - 1), log::Offset(to)); !is_error(after)) {
    EXPECT_EQ(*after, later.empty() ? std::nullopt : std::optional(later.back())) << hash << " after " << from - 1;
  }
  for (const Direction direction : {Direction::forward, Direction::backward}) {
    Status status;
    auto hits = collect(snapshot.find(hash, log::Offset(from), log::Offset(to), direction), &status);
    if (is_error(status)) continue;
    auto wanted = later;
    if (direction == Direction::backward) std::reverse(wanted.begin(), wanted.end());
    EXPECT_EQ(hits, wanted) << hash << " [" << from << ", " << to << ")";
  }
}

inline void compare_all(const Index& index, const ModelLog& log, std::int64_t to, os::SeededRandom& random,
                        int* errors = nullptr) {
  const IndexSnapshot snapshot = index.snapshot();
  std::vector<std::uint64_t> hashes;
  for (const auto& [hash, entries] : log.keys()) {
    for (const std::uint64_t near : {hash, hash + 1}) {  // the neighbour is usually nobody's
      const auto from = static_cast<std::int64_t>(random.next() % static_cast<std::uint64_t>(to + 1));
      compare_key(snapshot, log, near, from, to, errors);
      hashes.push_back(near);
    }
    if (::testing::Test::HasFailure()) return;
  }
  std::vector<std::optional<IndexHit>> hits(hashes.size());
  const Status status = snapshot.newest(hashes, log::Offset(to), hits);
  if (!status) {
    EXPECT_NE(errors, nullptr) << status.error().to_string();
    return;
  }
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    const auto expected = log.range(hashes[i], 0, to);
    EXPECT_EQ(hits[i], expected.empty() ? std::nullopt : std::optional(expected.back()));
  }
}

}  // namespace baton::store::testing
