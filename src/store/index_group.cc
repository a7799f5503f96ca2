#include "store/index_group.h"

#include <utility>

namespace baton::store {

IndexGroup::IndexGroup(os::Env& env, std::string directory, os::Executor& worker, os::Executor& syncer, std::size_t together)
    : env_(env), directory_(std::move(directory)), worker_(worker), syncer_(syncer), together_(together) {}

void IndexGroup::post(std::weak_ptr<Member> member, Turn turn) {
  {
    const std::lock_guard guard(mutex_);
    (turn == Turn::table ? tables_ : merges_).push_back(std::move(member));
    if (std::exchange(running_, true)) return;
  }
  worker_.post([self = shared_from_this()] { self->run_next(); });
}

// One turn, and then what else the worker has.
void IndexGroup::run_next() {
  std::weak_ptr<Member> next;
  Turn turn = Turn::table;
  {
    const std::lock_guard guard(mutex_);
    turn = tables_.empty() ? Turn::merge : Turn::table;
    auto& turns = turn == Turn::table ? tables_ : merges_;
    next = std::move(turns.front());
    turns.pop_front();
  }
  if (const auto member = next.lock()) member->work(turn);
  {
    const std::lock_guard guard(mutex_);
    running_ = !tables_.empty() || !merges_.empty();
    if (!running_) return;
  }
  worker_.post([self = shared_from_this()] { self->run_next(); });
}

void IndexGroup::add(std::weak_ptr<Member> member, std::int64_t due_ns) {
  {
    const std::lock_guard guard(mutex_);
    members_.push_back(std::move(member));
    if (due_ns >= next_due_ns_) return;
    next_due_ns_ = due_ns;
  }
  if (due_ns <= env_.clock().monotonic_ns()) {
    hurry();
  } else {
    worker_.run_at(due_ns, [self = shared_from_this(), due_ns] { self->write_due(due_ns); });
  }
}

void IndexGroup::hurry() {
  worker_.post([self = shared_from_this()] { self->write_all(); });
}

// The timer of `due_ns`. Those that it was set for may have been written since.
void IndexGroup::write_due(std::int64_t due_ns) {
  {
    const std::lock_guard guard(mutex_);
    if (next_due_ns_ > due_ns) return;
  }
  write_all();
}

void IndexGroup::write_all() {
  if (syncing_) {
    more_ = true;
    return;
  }
  std::vector<std::weak_ptr<Member>> due;
  {
    const std::lock_guard guard(mutex_);
    due.swap(members_);
    next_due_ns_ = kNever;
  }
  Members members;
  for (const auto& weak : due) {
    if (auto member = weak.lock()) members.push_back(std::move(member));
  }
  if (members.size() < together_) {
    for (const auto& member : members) member->write_alone();
    return;
  }
  std::erase_if(members, [](const auto& member) { return !member->prepare(); });
  if (members.empty()) return;
  syncing_ = true;
  syncer_.post([self = shared_from_this(), members = std::move(members)]() mutable {
    Status synced = self->env_.fs().sync_all(self->directory_);
    os::Executor& worker = self->worker_;
    worker.post([self = std::move(self), members = std::move(members), synced = std::move(synced)] { self->complete(members, synced); });
  });
}

void IndexGroup::complete(const Members& members, const Status& synced) {
  syncing_ = false;
  for (const auto& member : members) member->complete(synced);
  if (std::exchange(more_, false)) write_all();
}

}  // namespace baton::store
