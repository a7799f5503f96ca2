// Members of a generation: SyncGroup, Heartbeat, LeaveGroup, and sessions that end.
#include <algorithm>
#include <memory>
#include <utility>

#include "broker/coordinator.h"

namespace baton::broker {

void Coordinator::sync(SyncRequest request, Reply<SyncReply> reply) {
  const Turn turn(*this);
  const auto refuse = [&](GroupError error) { answer(reply, SyncReply{.error = error}); };
  if (const auto error = unready(); error != GroupError::none) return refuse(error);
  if (request.group.empty()) return refuse(GroupError::invalid_group_id);
  Group* group = find(request.group);
  if (group == nullptr) return refuse(GroupError::unknown_member_id);
  if (group->state == GroupState::dead) return refuse(GroupError::coordinator_not_available);
  if (const auto error = group->check_member(request.member, request.instance); error != GroupError::none) return refuse(error);
  if (request.generation != group->generation) return refuse(GroupError::illegal_generation);
  if ((request.protocol_type && *request.protocol_type != group->protocol_type) ||
      (request.protocol && *request.protocol != group->protocol)) {
    return refuse(GroupError::inconsistent_group_protocol);
  }
  if (group->state == GroupState::preparing_rebalance) return refuse(GroupError::rebalance_in_progress);
  Member& member = *group->find(request.member);
  member.synced = true;
  if (group->state == GroupState::stable) {
    touch(*group, member);
    return answer(
        reply,
        SyncReply{.protocol_type = group->protocol_type, .protocol = group->protocol, .assignment = member.stored.assignment});
  }
  answer(member.sync, SyncReply{.error = GroupError::rebalance_in_progress});  // the same member on another connection
  member.sync = std::move(reply);
  if (group->is_leader(request.member) && !group->storing) store_assignments(*group, request);
}

void Coordinator::store_assignments(Group& group, SyncRequest& request) {
  std::map<MemberId, base::Bytes> assignments;
  for (auto& given : request.assignments) assignments[given.member] = std::move(given.assignment);
  GenerationRecord record = group.generation_record();
  record.since_ms = log_.time_ms();
  for (auto& member : record.members) {
    const auto found = assignments.find(member.id);
    member.assignment = found == assignments.end() ? base::Bytes{} : found->second;
  }
  auto bytes = encode_group_record(record);
  if (bytes.size() > std::min(options_.group_bytes_max, kGroupRecordBytesMax)) {
    Member& leader = *group.find(request.member);
    leader.synced = false;
    return answer(leader.sync, SyncReply{.error = GroupError::policy_violation});
  }
  group.storing = true;
  group.members_recorded = true;
  std::vector<base::Bytes> records;
  records.push_back(bytes);
  write(group, std::move(records),
        [this, generation = group.generation, since_ms = record.since_ms, assignments = std::move(assignments),
         bytes = std::move(bytes)](Group& then, const Status& status) mutable {
          if (status) then.recorded_generation = std::move(bytes);
          if (then.state != GroupState::completing_rebalance || then.generation != generation) return;  // a rebalance has begun
          if (status) then.since_ms = since_ms;
          on_stored(then, assignments, status);
        });
}

void Coordinator::on_stored(Group& group, const std::map<MemberId, base::Bytes>& assignments, const Status& status) {
  group.storing = false;
  if (!status) {
    fail_syncs(group, GroupError::coordinator_not_available);
    return prepare_rebalance(group);
  }
  group.state = GroupState::stable;
  for (auto& [id, member] : group.members) {
    const auto found = assignments.find(id);
    member.stored.assignment = found == assignments.end() ? base::Bytes{} : found->second;
    if (!member.sync) continue;
    touch(group, member);
    answer(member.sync,
           SyncReply{.protocol_type = group.protocol_type, .protocol = group.protocol, .assignment = member.stored.assignment});
  }
}

void Coordinator::heartbeat(const HeartbeatRequest& request, Reply<HeartbeatReply> reply) {
  const Turn turn(*this);
  const auto end = [&](GroupError error) { answer(reply, HeartbeatReply{.error = error}); };
  if (const auto error = unready(); error != GroupError::none) return end(error);
  if (request.group.empty()) return end(GroupError::invalid_group_id);
  Group* group = find(request.group);
  if (group == nullptr) return end(GroupError::unknown_member_id);
  if (group->state == GroupState::dead) return end(GroupError::coordinator_not_available);
  if (const auto error = group->check_member(request.member, request.instance); error != GroupError::none) return end(error);
  if (request.generation != group->generation) return end(GroupError::illegal_generation);
  touch(*group, *group->find(request.member));
  end(group->state == GroupState::preparing_rebalance ? GroupError::rebalance_in_progress : GroupError::none);
}

void Coordinator::touch(Group& group, Member& member) { start_session(group, member, member.stored.session_timeout_ms); }

// A timer that is too early looks again when it fires, so that a heartbeat costs a store to memory.
void Coordinator::start_session(Group& group, Member& member, std::int64_t ms) {
  member.session_end_ns = deadlines_.in_ms(ms);
  if (member.session_timer != Deadlines::Key{} && member.session_timer.first <= member.session_end_ns) return;
  deadlines_.cancel(member.session_timer);
  member.session_timer =
      schedule(group, member.session_end_ns, [this, id = member.stored.id](Group& then) { on_session(then, id); });
}

void Coordinator::on_session(Group& group, const MemberId& id) {
  Member* member = group.find(id);
  if (member == nullptr) return;
  member->session_timer = {};
  const std::int64_t left_ns = member->session_end_ns - deadlines_.now_ns();
  if (left_ns > 0) {
    member->session_timer = schedule(group, member->session_end_ns, [this, id](Group& then) { on_session(then, id); });
    return;
  }
  // One that waits for an answer of ours is alive as far as we can know. A new one may be gone without ever having been seen twice.
  if (!member->is_new && (member->join || member->sync)) return touch(group, *member);
  ++counts_.expired_members;
  const std::size_t before = group.members.size();
  drop(group, id, GroupError::unknown_member_id);
  after_departure(group, before);
}

void Coordinator::drop(Group& group, const MemberId& id, GroupError error) {
  Member& member = *group.find(id);
  if (member.join) --group.joining;
  fail(member.join, error, id);
  answer(member.sync, SyncReply{.error = error});
  deadlines_.cancel(member.session_timer);
  group.remove(id);
}

void Coordinator::after_departure(Group& group, std::size_t before) {
  // One that was told an id and never joined is waited for, and no more.
  if (group.members.size() == before) return maybe_complete_join(group);
  switch (group.state) {
    case GroupState::stable:
    case GroupState::completing_rebalance: return group.members.empty() ? become_empty(group) : prepare_rebalance(group);
    case GroupState::preparing_rebalance: return maybe_complete_join(group);
    case GroupState::empty:
    case GroupState::dead: return;
  }
}

void Coordinator::add_pending(Group& group, const MemberId& member, std::int32_t session_timeout_ms) {
  group.pending[member] = schedule(group, deadlines_.in_ms(session_timeout_ms), [this, member](Group& then) {
    then.pending.erase(member);
    maybe_complete_join(then);
  });
}

bool Coordinator::drop_pending(Group& group, const MemberId& member) {
  const auto found = group.pending.find(member);
  if (found == group.pending.end()) return false;
  deadlines_.cancel(found->second);
  group.pending.erase(found);
  return true;
}

void Coordinator::leave(const LeaveRequest& request, Reply<LeaveReply> reply) {
  const Turn turn(*this);
  const auto refuse = [&](GroupError error) { answer(reply, LeaveReply{.error = error, .members = {}}); };
  if (const auto error = unready(); error != GroupError::none) return refuse(error);
  if (request.group.empty()) return refuse(GroupError::invalid_group_id);
  Group* group = find(request.group);
  if (group != nullptr && group->state == GroupState::dead) return refuse(GroupError::coordinator_not_available);
  LeaveReply out;
  const std::size_t members = group == nullptr ? 0 : group->members.size();
  for (const auto& who : request.members) {
    out.members.push_back(group == nullptr ? GroupError::unknown_member_id : leave_one(*group, who));
  }
  // What is acknowledged is on the disk: a restart does not wait for a member of a group that everybody has left. That one of several has left
  // is known to the log with their next generation, as in Kafka: until then a restart waits for it as long as its session lasts.
  const auto tell = [this, reply = std::make_shared<Reply<LeaveReply>>(std::move(reply))](LeaveReply value) {
    answer(*reply, std::move(value));
  };
  if (group != nullptr) {
    group->when_empty.push_back([tell, out](const Status& status) {
      tell(status ? out : LeaveReply{.error = GroupError::coordinator_not_available, .members = {}});
    });
    after_departure(*group, members);
    // Who asks again while that is on its way, or after it has failed, is told no sooner than the log.
    if (!group->when_empty.empty() && group->state == GroupState::empty && group->members_recorded) record_empty(*group);
    if (std::exchange(group->when_empty, {}).empty()) return;  // the write has them
  }
  tell(std::move(out));
  forget_if_void(request.group);
}

GroupError Coordinator::leave_one(Group& group, const LeaveRequest::Member& who) {
  MemberId member = who.member;
  if (who.instance && member.empty()) {
    const auto found = group.instances.find(*who.instance);
    if (found == group.instances.end()) return GroupError::unknown_member_id;
    member = found->second;
  }
  if (!who.instance && drop_pending(group, member)) return GroupError::none;
  if (const auto error = group.check_member(member, who.instance); error != GroupError::none) return error;
  drop(group, member, GroupError::unknown_member_id);
  return GroupError::none;
}

}  // namespace baton::broker
