// IndexGroup: the indexes of one store: whose turn it is on the worker, and full tables that are written together when many of them are due.
//
// With a thousand partitions some hundred tables a second become full. Each by itself pays for three syncs; together they pay for one sync of
// the file system (docs/formats/index.md, Writing). And as many merges become due at a time, each by itself short: they take turns, so that a table
// never waits for more than one step of one. All calls: any thread. Members are called on the worker; the sync of the file system has an
// executor of its own, since it takes as long as the file system has something to write, whoever wrote it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <baton/result.h>

#include "os/env.h"

namespace baton::store {

class IndexGroup : public std::enable_shared_from_this<IndexGroup> {
 public:
  // Called on the worker, and may be called when there is nothing to do any more.
  enum class Turn { table, merge };
  class Member {
   public:
    virtual ~Member() = default;
    // After post(): a step of what there is to do.
    virtual void work(Turn turn) = 0;
    // The rest of one with a full table.
    // Writes and syncs.
    virtual void write_alone() = 0;
    // Writes what one sync of the whole file system makes durable. False: nothing was written, or that failed.
    [[nodiscard]] virtual bool prepare() = 0;
    // After prepare(): what was written is durable, or else can never be relied on.
    virtual void complete(const Status& synced) = 0;
  };
  static constexpr std::size_t kTogether = 12;  // tables, with three syncs each: from about there one sync of the file system is the shorter way

  // `directory`: any of the file system. So many that are due at a time, or more, are synced together, on `syncer` (which may be the worker).
  // Both executors outlive the members.
  IndexGroup(os::Env& env, std::string directory, os::Executor& worker, os::Executor& syncer, std::size_t together = kTogether);

  // For as long as an index is open.
  void join() { indexes_.fetch_add(1); }
  void leave() { indexes_.fetch_sub(1); }
  // There may be enough of them for a table to wait for others.
  [[nodiscard]] bool may_gather() const { return indexes_.load() >= together_; }

  // The worker calls work(turn) when the turn comes: those with a table first, then in the order of post().
  void post(std::weak_ptr<Member> member, Turn turn);

  // `member` is written at `due_ns` of the monotonic clock, or with others that are due before. It is added once until it has been called.
  void add(std::weak_ptr<Member> member, std::int64_t due_ns);
  // Somebody waits for a table: all that were added are written now.
  void hurry();

 private:
  using Members = std::vector<std::shared_ptr<Member>>;
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

  // On the worker.
  void run_next();
  void write_due(std::int64_t due_ns);
  void write_all();
  void complete(const Members& members, const Status& synced);

  os::Env& env_;
  const std::string directory_;
  os::Executor& worker_;
  os::Executor& syncer_;
  const std::size_t together_;
  std::atomic<std::size_t> indexes_{0};

  // The worker's.
  bool syncing_ = false;
  bool more_ = false;  // are due, meanwhile

  std::mutex mutex_;
  std::deque<std::weak_ptr<Member>> tables_;  // whose turns are to come
  std::deque<std::weak_ptr<Member>> merges_;
  bool running_ = false;                      // run_next() is posted
  std::vector<std::weak_ptr<Member>> members_;  // with a table that is to be written
  std::int64_t next_due_ns_ = kNever;
};

}  // namespace baton::store
