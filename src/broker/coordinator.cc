#include "broker/coordinator.h"

#include <utility>

#include "base/check.h"

namespace baton::broker {

Coordinator::Coordinator(os::Env& env, os::Executor& executor, GroupLog& log, GroupOptions options)
    : env_(env), log_(log), options_(options), deadlines_(env.clock(), executor) {}

void Coordinator::give_answers() {
  // An answer may ask again: what that gives is answered in the same loop, behind what waits already.
  while (!answers_.empty()) {
    auto batch = std::exchange(answers_, {});
    for (auto& give : batch) give();
  }
}

GroupError Coordinator::unready() const {
  switch (phase_) {
    case Phase::loading: return GroupError::coordinator_load_in_progress;
    case Phase::running: return GroupError::none;
    case Phase::stopped: return GroupError::coordinator_not_available;
  }
  return GroupError::coordinator_not_available;
}

Group* Coordinator::find(const GroupId& group) {
  const auto found = groups_.find(group);
  return found == groups_.end() ? nullptr : &found->second;
}

Group* Coordinator::find_or_make(const GroupId& group) {
  if (Group* there = find(group)) return there;
  if (groups_.size() >= options_.groups_max) return nullptr;
  return &groups_.try_emplace(group, group, protocol_bytes_).first->second;
}

void Coordinator::forget_if_void(const GroupId& id) {
  const Group* group = find(id);
  if (group == nullptr || group->recorded || group->in_flight > 0 || !group->held.empty()) return;
  if (group->state == GroupState::empty && group->pending.empty() && group->offsets.empty()) erase(*find(id));
}

void Coordinator::erase(Group& group) {
  BATON_CHECK(group.in_flight == 0 && group.held.empty(), "a group goes while something of it is on its way to the log");
  BATON_CHECK(group.members.empty(), "a group goes that has members");
  for (auto& [_, timer] : group.pending) deadlines_.cancel(timer);
  deadlines_.cancel(group.join_timer);
  deadlines_.cancel(group.sync_timer);
  if (group.snapshot_waits) --compaction_->waiting;
  state_bytes_ -= group.accounted_bytes;
  offsets_ -= group.accounted_offsets;
  const GroupId id = group.id;
  groups_.erase(id);
}

void Coordinator::account(Group& group) {
  state_bytes_ += group.snapshot_bytes() - group.accounted_bytes;
  offsets_ += group.offsets.size() - group.accounted_offsets;
  group.accounted_bytes = group.snapshot_bytes();
  group.accounted_offsets = group.offsets.size();
}

Deadlines::Key Coordinator::schedule(const Group& group, std::int64_t deadline_ns, std::move_only_function<void(Group&)> what) {
  return deadlines_.at(deadline_ns, [this, id = group.id, what = std::move(what)]() mutable {
    const Turn turn(*this);
    if (Group* there = find(id)) what(*there);
    forget_if_void(id);
  });
}

void Coordinator::write(Group& group, std::vector<base::Bytes> records, Written done) {
  BATON_CHECK(!records.empty(), "a write of nothing");
  if (phase_ == Phase::stopped) return done(group, Error{Code::cancelled, "the coordinator was stopped"});
  const std::uint64_t number = ++last_write_;
  writes_.emplace(number, OpenWrite{group.id, std::move(done)});
  group.recorded = true;
  if (group.snapshot_waits) {
    group.held.push_back({std::move(records), number});
  } else {
    submit(group, std::move(records), number);
  }
}

void Coordinator::submit(Group& group, std::vector<base::Bytes> records, std::uint64_t number) {
  ++group.in_flight;
  log_.append(std::move(records), [weak = weak_from_this(), number](const Status& status) {
    if (const auto self = weak.lock()) self->written(number, status);
  });
}

void Coordinator::written(std::uint64_t number, const Status& status) {
  const auto found = writes_.find(number);
  if (found == writes_.end()) return;  // stopped meanwhile
  const Turn turn(*this);
  OpenWrite open = std::move(found->second);
  writes_.erase(found);
  Group* group = find(open.group);
  BATON_CHECK(group != nullptr && group->in_flight > 0, "a write of a group that is not there");
  --group->in_flight;
  if (!status) ++counts_.failed_writes;
  open.done(*group, status);
  group = find(open.group);  // it may have been its removal
  if (group != nullptr) {
    account(*group);
    if (group->snapshot_waits && group->in_flight == 0) write_snapshot(*group);
    forget_if_void(open.group);
  }
  maybe_compact();
}

void Coordinator::start() {
  BATON_CHECK(phase_ == Phase::loading, "started twice");
  const Turn turn(*this);
  phase_ = Phase::running;
  for (auto& [_, group] : groups_) {
    for (auto& [member, m] : group.members) touch(group, m);
  }
  (void)deadlines_.at(deadlines_.in_ms(options_.offsets_check_interval_ms), [this] { sweep(); });
  maybe_compact();
}

void Coordinator::stop() {
  if (phase_ == Phase::stopped) return;
  const Turn turn(*this);
  phase_ = Phase::stopped;
  deadlines_.stop();
  if (compaction_) log_.end_snapshot(false);
  compaction_.reset();
  // What is open ends as if its write had failed, without a change of any state.
  for (auto& [_, group] : groups_) {
    for (auto& [member, m] : group.members) {
      fail(m.join, GroupError::coordinator_not_available, member);
      answer(m.sync, SyncReply{.error = GroupError::coordinator_not_available});
    }
  }
  auto open = std::exchange(writes_, {});
  for (auto& [_, write] : open) {
    if (Group* group = find(write.group)) write.done(*group, Error{Code::cancelled, "the coordinator was stopped"});
  }
  deadlines_.stop();
  groups_.clear();
}

GroupStats Coordinator::stats() const {
  GroupStats out = counts_;
  out.groups = groups_.size();
  out.offsets = offsets_;
  out.state_bytes = state_bytes_;
  return out;
}

// Groups hands on.

Groups::Groups(os::Env& env, os::Executor& executor, GroupLog& log, GroupOptions options)
    : coordinator_(std::make_shared<Coordinator>(env, executor, log, options)) {}
Groups::~Groups() { coordinator_->stop(); }
Status Groups::load(base::ByteView record) { return coordinator_->load(record); }
void Groups::start() { coordinator_->start(); }
void Groups::stop() { coordinator_->stop(); }
void Groups::join(JoinRequest request, Reply<JoinReply> reply) { coordinator_->join(std::move(request), std::move(reply)); }
void Groups::sync(SyncRequest request, Reply<SyncReply> reply) { coordinator_->sync(std::move(request), std::move(reply)); }
void Groups::heartbeat(const HeartbeatRequest& request, Reply<HeartbeatReply> reply) {
  coordinator_->heartbeat(request, std::move(reply));
}
void Groups::leave(const LeaveRequest& request, Reply<LeaveReply> reply) { coordinator_->leave(request, std::move(reply)); }
void Groups::describe(const DescribeRequest& request, Reply<DescribeReply> reply) {
  coordinator_->describe(request, std::move(reply));
}
void Groups::list(const ListRequest& request, Reply<ListReply> reply) { coordinator_->list(request, std::move(reply)); }
void Groups::delete_group(const DeleteRequest& request, Reply<DeleteReply> reply) {
  coordinator_->delete_group(request, std::move(reply));
}
void Groups::commit(CommitRequest request, Reply<CommitReply> reply) {
  coordinator_->commit(std::move(request), std::move(reply));
}
void Groups::offsets(const OffsetsRequest& request, Reply<OffsetsReply> reply) {
  coordinator_->offsets(request, std::move(reply));
}
void Groups::delete_offsets(const DeleteOffsetsRequest& request, Reply<DeleteOffsetsReply> reply) {
  coordinator_->delete_offsets(request, std::move(reply));
}
void Groups::review_offsets(const Review& review) { coordinator_->review_offsets(review); }
void Groups::topic_removed(const std::string& topic, Reply<DeleteReply> reply) {
  coordinator_->topic_removed(topic, std::move(reply));
}
void Groups::compact() { coordinator_->compact(); }
GroupStats Groups::stats() const { return coordinator_->stats(); }

}  // namespace baton::broker
