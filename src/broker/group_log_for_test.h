// A GroupLog in memory that syncs in rounds, as the store's log does, and that can be made slow, fail, and lose what was not synced.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "broker/group_log.h"
#include "os/sim_env.h"

namespace baton::broker {

// What outlives a coordinator: the records, as a restart finds them.
struct StoredGroupLog {
  std::vector<base::Bytes> records;
  [[nodiscard]] std::uint64_t bytes() const {
    std::uint64_t sum = 0;
    for (const auto& record : records) sum += record.size();
    return sum;
  }
};

class MemoryGroupLog final : public GroupLog {
 public:
  MemoryGroupLog(os::SimWorld& world, os::Env& env, os::Executor& executor, StoredGroupLog& stored)
      : world_(world), env_(env), executor_(executor), stored_(stored), bytes_(stored.bytes()) {}
  ~MemoryGroupLog() override { *alive_ = false; }

  void append(std::vector<base::Bytes> records, Done done) override {
    ++appends;
    waiting_.push_back({std::move(records), std::move(done)});
    if (!round_ && !held) start_round();
  }
  void begin_snapshot() override {
    snapshot_from_ = stored_.records.size();
    for (const auto& wait : waiting_) snapshot_from_ += wait.records.size();
    snapshot_open = true;
  }
  void end_snapshot(bool complete) override {
    snapshot_open = false;
    if (!complete) return;
    ++snapshots;
    const auto end = stored_.records.begin() + static_cast<std::ptrdiff_t>(snapshot_from_);
    for (auto at = stored_.records.begin(); at != end; ++at) bytes_ -= at->size();
    stored_.records.erase(stored_.records.begin(), end);
  }
  [[nodiscard]] std::uint64_t bytes() const override { return bytes_; }
  [[nodiscard]] std::int64_t time_ms() override { return 1'700'000'000'000 + world_.now_ns() / 1'000'000; }

  // No round starts until release().
  void release() {
    held = false;
    if (!round_ && !waiting_.empty()) start_round();
  }
  // The machine loses its power: some of what was on its way may have reached the disk, in order; nothing is answered any more.
  void crash() {
    *alive_ = false;
    for (auto& wait : waiting_) {
      if (world_.random().below(2) == 0) break;
      for (auto& record : wait.records) stored_.records.push_back(std::move(record));
    }
    waiting_.clear();
  }

  std::function<bool()> fails = [] { return false; };  // asked for each append
  std::int64_t round_ns = 200'000;
  bool held = false;
  bool snapshot_open = false;
  std::size_t appends = 0;
  std::size_t snapshots = 0;

 private:
  struct Waiting {
    std::vector<base::Bytes> records;
    Done done;
  };

  void start_round() {
    round_ = true;
    (void)executor_.run_at(env_.clock().monotonic_ns() + round_ns, [this, alive = alive_, count = waiting_.size()] {
      if (*alive) end_round(count);
    });
  }
  void end_round(std::size_t count) {
    // An append that fails is not in the log; a snapshot that begins behind it begins so much earlier.
    std::vector<std::pair<Done, Status>> outcomes;
    for (; count > 0; --count) {
      Waiting wait = std::move(waiting_.front());
      waiting_.pop_front();
      if (fails()) {
        if (snapshot_open && snapshot_from_ > stored_.records.size()) snapshot_from_ -= wait.records.size();
        outcomes.emplace_back(std::move(wait.done), Error{Code::no_space, "the disk is full"});
        continue;
      }
      for (auto& record : wait.records) {
        bytes_ += record.size();
        stored_.records.push_back(std::move(record));
      }
      outcomes.emplace_back(std::move(wait.done), Status{});
    }
    round_ = false;
    if (!waiting_.empty() && !held) start_round();
    const auto alive = alive_;
    for (auto& [done, status] : outcomes) {
      if (*alive) done(status);
    }
  }

  os::SimWorld& world_;
  os::Env& env_;
  os::Executor& executor_;
  StoredGroupLog& stored_;
  std::uint64_t bytes_;
  std::size_t snapshot_from_ = 0;
  std::deque<Waiting> waiting_;
  bool round_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace baton::broker
