// From one generation to the next: who is waited for, and for how long.
//
// The number of a generation is reserved in the log while its members are waited for, so that it is durable before they hear of it, and
// a rebalance takes as long as the slower of the two.
#include <algorithm>
#include <utility>
#include <vector>

#include "broker/coordinator.h"

namespace baton::broker {

void Coordinator::prepare_rebalance(Group& group) {
  if (group.state != GroupState::preparing_rebalance) {
    const bool first = group.state == GroupState::empty;
    if (group.state == GroupState::completing_rebalance) fail_syncs(group, GroupError::rebalance_in_progress);
    deadlines_.cancel(group.sync_timer);
    group.storing = false;
    group.state = GroupState::preparing_rebalance;
    const std::int32_t timeout_ms = group.rebalance_timeout_ms();
    const std::int32_t delay_ms = first ? std::min(options_.initial_rebalance_delay_ms, timeout_ms) : timeout_ms;
    if (first && delay_ms > 0) group.delay_left_ms = timeout_ms - delay_ms;
    // The first members of a group wait for nobody but for the delay, also not for those that have an id and did not join yet.
    if (first && delay_ms <= 0) {
      group.join_deadline_passed = true;
    } else {
      start_join_timer(group, delay_ms);
    }
  }
  reserve(group);
  maybe_complete_join(group);
}

void Coordinator::start_join_timer(Group& group, std::int64_t ms) {
  deadlines_.cancel(group.join_timer);
  group.join_timer = schedule(group, deadlines_.in_ms(ms), [this](Group& then) { on_join_timer(then); });
}

void Coordinator::on_join_timer(Group& group) {
  group.join_timer = {};
  if (group.delay_left_ms > 0 && std::exchange(group.joined_in_delay, false)) {
    const auto more_ms = std::min<std::int64_t>(group.delay_left_ms, options_.initial_rebalance_delay_ms);
    group.delay_left_ms -= more_ms;
    return start_join_timer(group, more_ms);
  }
  group.delay_left_ms = -1;
  group.join_deadline_passed = true;
  maybe_complete_join(group);
}

void Coordinator::leave_preparing(Group& group) {
  deadlines_.cancel(group.join_timer);
  group.join_deadline_passed = false;
  group.joined_in_delay = false;
  group.delay_left_ms = -1;
}

void Coordinator::reserve(Group& group) {
  if (group.reserving || group.reserved > group.told) return;
  group.reserving = true;
  const GenerationId number = group.told.plus(1);
  write(group, {encode_group_record(ReservedRecord{.group = group.id, .generation = number})},
        [this, number](Group& then, const Status& status) {
          then.reserving = false;
          if (status) then.reserved = std::max(then.reserved, number);
          if (then.state != GroupState::preparing_rebalance) return;
          if (status) {
            maybe_complete_join(then);
          } else {
            fail_joins(then);
          }
        });
}

void Coordinator::maybe_complete_join(Group& group) {
  if (group.state != GroupState::preparing_rebalance) return;
  if (group.members.empty()) return become_empty(group);
  const bool all = group.joining == group.members.size() && group.pending.empty() && group.delay_left_ms < 0;
  if (!all && !group.join_deadline_passed) return;
  if (group.reserved <= group.told) return reserve(group);
  complete_join(group);
}

void Coordinator::complete_join(Group& group) {
  leave_preparing(group);
  std::vector<MemberId> absent;
  for (const auto& [id, member] : group.members) {
    if (!member.join && !member.stored.instance) absent.push_back(id);
  }
  for (const auto& id : absent) drop(group, id, GroupError::unknown_member_id);
  if (group.members.empty()) return become_empty(group);
  // Static members keep their place while they are away; but somebody must lead.
  const auto joined =
      std::ranges::find_if(group.members, [](const auto& entry) { return static_cast<bool>(entry.second.join); });
  if (joined == group.members.end()) return start_join_timer(group, group.rebalance_timeout_ms());
  const Member* leader = group.find(group.leader);
  if (leader == nullptr || !leader->join) group.leader = joined->first;

  group.generation = group.told = group.told.plus(1);
  group.protocol = group.select_protocol();
  group.state = GroupState::completing_rebalance;
  group.joining = 0;
  ++counts_.rebalances;
  for (auto& [id, member] : group.members) {
    member.is_new = false;
    member.synced = false;
    touch(group, member);
    if (member.join) answer(member.join, current(group, member, group.is_leader(id)));
  }
  group.sync_timer =
      schedule(group, deadlines_.in_ms(group.rebalance_timeout_ms()), [this](Group& then) { on_sync_timer(then); });
}

// The number could not be made durable. Who waits is told to come again; a new member whose client knows its id may do so under it.
void Coordinator::fail_joins(Group& group) {
  std::vector<MemberId> waiting;
  for (const auto& [id, member] : group.members) {
    if (member.join) waiting.push_back(id);
  }
  for (const auto& id : waiting) {
    Member& member = *group.find(id);
    if (member.is_new) {
      const bool comes_back = member.id_known;
      const std::int32_t session_ms = member.stored.session_timeout_ms;
      drop(group, id, GroupError::coordinator_not_available);
      if (comes_back) add_pending(group, id, session_ms);
    } else {
      fail(member.join, GroupError::coordinator_not_available, id);
      --group.joining;
      touch(group, member);
    }
  }
  if (group.members.empty()) return become_empty(group);
  leave_preparing(group);
  start_join_timer(group, group.rebalance_timeout_ms());
}

void Coordinator::become_empty(Group& group) {
  leave_preparing(group);
  deadlines_.cancel(group.sync_timer);
  group.state = GroupState::empty;
  group.storing = false;
  // A number of its own, as in Kafka, though nobody hears of it.
  group.generation = group.told = group.told.plus(1);
  group.protocol.clear();
  group.leader = {};
  group.since_ms = log_.time_ms();
  if (group.members_recorded) record_empty(group);
}

// Who has left last waits for it. When it fails, a restart would find members that never come back, and whose sessions end; the sweep tries
// again.
void Coordinator::record_empty(Group& group) {
  auto bytes = encode_group_record(group.generation_record());
  std::vector<base::Bytes> records;
  records.push_back(bytes);
  auto waiting = std::exchange(group.when_empty, {});
  write(group, std::move(records), [bytes = std::move(bytes), waiting = std::move(waiting)](Group& then, const Status& status) mutable {
    for (auto& tell : waiting) tell(status);
    if (!status) return;
    then.recorded_generation = std::move(bytes);
    if (then.state == GroupState::empty) then.members_recorded = false;
  });
}

void Coordinator::fail_syncs(Group& group, GroupError error) {
  for (auto& [_, member] : group.members) {
    if (!member.sync) continue;
    answer(member.sync, SyncReply{.error = error});
    touch(group, member);
  }
}

void Coordinator::on_sync_timer(Group& group) {
  group.sync_timer = {};
  std::vector<MemberId> silent;
  for (const auto& [id, member] : group.members) {
    if (!member.synced) silent.push_back(id);
  }
  if (silent.empty()) return;
  const std::size_t before = group.members.size();
  for (const auto& id : silent) drop(group, id, GroupError::unknown_member_id);
  after_departure(group, before);
}

}  // namespace baton::broker
