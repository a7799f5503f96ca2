// JoinGroup: who comes, under which id, and what that does to the group.
#include <algorithm>
#include <utility>

#include "base/uuid.h"
#include "broker/coordinator.h"

namespace baton::broker {

void Coordinator::fail(Reply<JoinReply>& reply, GroupError error, MemberId member) {
  answer(reply, JoinReply{.error = error, .member = std::move(member)});
}

MemberId Coordinator::make_member_id(const JoinRequest& request) {
  base::Uuid id;
  env_.random().fill(id.bytes);
  id.bytes[6] = (id.bytes[6] & std::byte{0x0F}) | std::byte{0x40};  // version 4
  id.bytes[8] = (id.bytes[8] & std::byte{0x3F}) | std::byte{0x80};
  return MemberId{(request.instance ? request.instance->value : request.client_id) + "-" + id.to_string()};
}

GroupError Coordinator::check_join(const JoinRequest& request) const {
  if (const auto error = unready(); error != GroupError::none) return error;
  if (request.group.empty() || !name_fits(request.group.value)) return GroupError::invalid_group_id;
  if (request.session_timeout_ms < options_.session_timeout_min_ms ||
      request.session_timeout_ms > options_.session_timeout_max_ms) {
    return GroupError::invalid_session_timeout;
  }
  const auto long_name = [this](const MemberProtocol& p) { return !name_fits(p.name); };
  if (!name_fits(request.client_id) || !name_fits(request.client_host) || !name_fits(request.protocol_type) ||
      (request.instance && !name_fits(request.instance->value)) || std::ranges::any_of(request.protocols, long_name)) {
    return GroupError::invalid_request;
  }
  return GroupError::none;
}

// Members that wait for the generation count while one is prepared, since the others may not come back; else all do.
bool Coordinator::accepts(Group& group, const MemberId& member, std::size_t members_max) {
  const Member* there = group.find(member);
  switch (group.state) {
    case GroupState::empty:
    case GroupState::dead: return true;
    case GroupState::preparing_rebalance: return (there != nullptr && there->join) || group.joining < members_max;
    case GroupState::completing_rebalance:
    case GroupState::stable: return there != nullptr || group.members.size() < members_max;
  }
  return false;
}

// Whether a member's metadata may take the place of what it had, in its group and in all of them.
bool Coordinator::fits(const Group& group, std::uint64_t before, std::uint64_t now) const {
  return group.protocol_bytes - before + now <= options_.group_bytes_max && (now <= before || protocol_bytes_ - before + now <= options_.members_bytes_max);
}

void Coordinator::join(JoinRequest request, Reply<JoinReply> reply) {
  const Turn turn(*this);
  if (const auto error = check_join(request); error != GroupError::none) return fail(reply, error, request.member);
  if (request.rebalance_timeout_ms < 0) request.rebalance_timeout_ms = request.session_timeout_ms;
  Group* group = request.member.empty() ? find_or_make(request.group) : find(request.group);
  if (group == nullptr) {
    return fail(reply, request.member.empty() ? GroupError::policy_violation : GroupError::unknown_member_id, request.member);
  }
  const GroupId id = group->id;
  if (group->state == GroupState::dead) return fail(reply, GroupError::coordinator_not_available, request.member);
  if (!accepts(*group, request.member, options_.members_max)) {
    const std::size_t before = group->members.size();
    if (!drop_pending(*group, request.member) && group->members.contains(request.member)) {
      drop(*group, request.member, GroupError::group_max_size_reached);
    }
    fail(reply, GroupError::group_max_size_reached);
    after_departure(*group, before);
  } else if (!group->supports(request.protocol_type, request.protocols)) {
    fail(reply, GroupError::inconsistent_group_protocol);
  } else if (request.member.empty()) {
    join_new(*group, std::move(request), std::move(reply));
  } else {
    join_known(*group, std::move(request), std::move(reply));
  }
  forget_if_void(id);
}

void Coordinator::join_new(Group& group, JoinRequest request, Reply<JoinReply> reply) {
  MemberId id = make_member_id(request);
  if (request.instance) {
    if (group.instances.contains(*request.instance)) return replace_static(group, id, std::move(request), std::move(reply));
    return add_member(group, id, false, std::move(request), std::move(reply));
  }
  if (!request.require_known_member_id) return add_member(group, id, false, std::move(request), std::move(reply));
  if (group.pending.size() >= options_.pending_members_max) return fail(reply, GroupError::group_max_size_reached);
  add_pending(group, id, request.session_timeout_ms);
  fail(reply, GroupError::member_id_required, id);
}

void Coordinator::join_known(Group& group, JoinRequest request, Reply<JoinReply> reply) {
  const MemberId id = request.member;
  if (group.pending.contains(id)) {
    // One that was told an id is dynamic. (Kafka 4.3.1 gives UNKNOWN_SERVER_ERROR here.)
    if (request.instance) return fail(reply, GroupError::unknown_member_id, id);
    return add_member(group, id, true, std::move(request), std::move(reply));
  }
  if (const auto error = group.check_member(id, request.instance); error != GroupError::none) return fail(reply, error, id);
  Member& member = *group.find(id);
  if (!fits(group, bytes_of(member.stored.protocols), bytes_of(request.protocols))) return fail(reply, GroupError::policy_violation, id);

  const bool changed = member.stored.protocols != request.protocols;
  if (group.state == GroupState::completing_rebalance && !changed) {
    // Its first answer got lost: the same one again.
    return answer(reply, current(group, member, group.is_leader(id)));
  }
  if (group.state == GroupState::stable && !changed && !group.is_leader(id))
    return answer(reply, current(group, member, false));
  // A leader that comes back has a reason to distribute anew, such as a topic with more partitions.
  member.id_known = true;
  update(group, member, request);
  await_join(group, member, std::move(reply));
  prepare_rebalance(group);
}

void Coordinator::update(Group& group, Member& member, JoinRequest& request) {
  group.set_protocols(member, std::move(request.protocols));
  member.stored.session_timeout_ms = request.session_timeout_ms;
  member.stored.rebalance_timeout_ms = request.rebalance_timeout_ms;
  member.stored.client_id = std::move(request.client_id);
  member.stored.client_host = std::move(request.client_host);
  member.supports_skipping_assignment = request.supports_skipping_assignment;
}

void Coordinator::await_join(Group& group, Member& member, Reply<JoinReply> reply) {
  if (member.join) {
    // The same member on another connection. (Kafka 4.3.1 never answers the first one.)
    fail(member.join, GroupError::rebalance_in_progress, member.stored.id);
  } else {
    ++group.joining;
  }
  member.join = std::move(reply);
}

void Coordinator::add_member(Group& group, const MemberId& id, bool id_known, JoinRequest request, Reply<JoinReply> reply) {
  if (!fits(group, 0, bytes_of(request.protocols))) {
    return fail(reply, GroupError::policy_violation, id);
  }
  drop_pending(group, id);
  if (group.members.empty()) {
    group.protocol_type = request.protocol_type;
    group.leader = id;
  }
  Member& member = group.add({.id = id, .instance = request.instance});
  member.id_known = id_known;
  update(group, member, request);
  start_session(group, member, options_.new_member_join_timeout_ms);
  await_join(group, member, std::move(reply));
  if (group.state == GroupState::preparing_rebalance && group.delay_left_ms >= 0) group.joined_in_delay = true;
  prepare_rebalance(group);
}

// A static member came back under a new id: its client was started again. When that changes nothing for the others, there is no rebalance,
// but the new id must be durable before its client hears of it.
void Coordinator::replace_static(Group& group, const MemberId& id, JoinRequest request, Reply<JoinReply> reply) {
  const MemberId old = group.instances.at(*request.instance);
  const auto& before = group.members.at(old).stored;
  if (!fits(group, bytes_of(before.protocols), bytes_of(request.protocols))) {
    return fail(reply, GroupError::policy_violation, id);
  }
  const bool stays = group.state == GroupState::stable && group.select_protocol(&old, &request.protocols) == group.protocol;
  if (!stays) return finish_replace(group, group.generation, id, std::move(request), std::move(reply));
  StoredMember stored = before;
  stored.id = id;
  stored.client_id = request.client_id;
  stored.client_host = request.client_host;
  stored.session_timeout_ms = request.session_timeout_ms;
  stored.rebalance_timeout_ms = request.rebalance_timeout_ms;
  stored.protocols = request.protocols;
  stored.assignment.clear();  // the one that the instance has
  StaticMemberRecord record{.group = group.id, .generation = group.generation, .member = std::move(stored)};
  std::vector<base::Bytes> records;
  records.push_back(encode_group_record(record));
  const std::uint64_t bytes = records[0].size();
  if (group.recorded_generation.size() + group.static_bytes_in_flight + bytes > kGroupRecordBytesMax) {
    return fail(reply, GroupError::policy_violation, id);
  }
  group.static_bytes_in_flight += bytes;
  write(group, std::move(records),
        [this, bytes, record = std::move(record), request = std::move(request), reply = std::move(reply)](
            Group& then, const Status& status) mutable {
          then.static_bytes_in_flight -= bytes;
          if (!status) return fail(reply, GroupError::coordinator_not_available);
          const MemberId id = record.member.id;
          const GenerationId generation = record.generation;
          then.record_static(generation, std::move(record.member));
          finish_replace(then, generation, id, std::move(request), std::move(reply));
        });
}

void Coordinator::finish_replace(Group& group, GenerationId generation, const MemberId& id, JoinRequest request,
                                 Reply<JoinReply> reply) {
  if (group.state == GroupState::dead) return fail(reply, GroupError::coordinator_not_available);
  const auto found = group.instances.find(*request.instance);
  if (found == group.instances.end()) {  // gone meanwhile
    if (!group.supports(request.protocol_type, request.protocols)) return fail(reply, GroupError::inconsistent_group_protocol);
    return add_member(group, id, false, std::move(request), std::move(reply));
  }
  const MemberId old = found->second;
  const bool was_leader = group.is_leader(old);
  Member& before = group.members.at(old);
  if (before.join) --group.joining;
  fail(before.join, GroupError::fenced_instance_id, old);
  answer(before.sync, SyncReply{.error = GroupError::fenced_instance_id});
  deadlines_.cancel(before.session_timer);
  Member& member = group.rename(old, id);
  update(group, member, request);
  touch(group, member);
  if (group.state == GroupState::stable && group.generation == generation && group.select_protocol() == group.protocol) {
    JoinReply out = current(group, member, was_leader && request.supports_skipping_assignment);
    // A client that knows no skip_assignment must not think that it leads: it would distribute without being asked.
    if (was_leader && !request.supports_skipping_assignment) out.leader = old;
    out.skip_assignment = was_leader && request.supports_skipping_assignment;
    return answer(reply, std::move(out));
  }
  await_join(group, member, std::move(reply));
  prepare_rebalance(group);
}

JoinReply Coordinator::current(const Group& group, const Member& member, bool with_members) const {
  return {.error = GroupError::none,
          .generation = group.generation,
          .protocol_type = group.protocol_type,
          .protocol = group.protocol,
          .leader = group.leader,
          .member = member.stored.id,
          .skip_assignment = false,
          .members = with_members ? group.joined_members() : std::vector<JoinedMember>{}};
}

}  // namespace baton::broker
