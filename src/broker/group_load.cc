// The state from its records, at start.
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/try.h"
#include "broker/coordinator.h"

namespace baton::broker {

Status Coordinator::load(base::ByteView record) {
  BATON_CHECK(phase_ == Phase::loading, "a record is loaded after the start");
  BATON_TRY_ASSIGN(GroupRecord decoded, decode_group_record(record));
  std::visit([this](auto& r) { apply(r); }, decoded);
  const auto& id = std::visit([](const auto& r) -> const GroupId& { return r.group; }, decoded);
  if (Group* group = find(id)) account(*group);
  return {};
}

Group& Coordinator::made(const GroupId& id) {
  Group& group = groups_.try_emplace(id, id, protocol_bytes_).first->second;
  group.recorded = true;
  return group;
}

void Coordinator::apply(GenerationRecord& record) {
  Group& group = made(record.group);
  group.recorded_generation = encode_group_record(record);
  while (!group.members.empty()) group.remove(MemberId(group.members.begin()->first));
  group.generation = record.generation;
  group.told = std::max(group.told, record.generation);
  group.since_ms = record.since_ms;
  group.protocol_type = std::move(record.protocol_type);
  group.protocol = std::move(record.protocol);
  group.members_recorded = !record.members.empty();
  group.state = record.members.empty() ? GroupState::empty : GroupState::stable;
  for (auto& stored : record.members) {
    Member& member = group.add(std::move(stored));
    member.is_new = false;
    member.id_known = true;
  }
  group.leader = std::move(record.leader);
}

void Coordinator::apply(ReservedRecord& record) {
  Group& group = made(record.group);
  // Somebody may have been told it; the next generation reserves one above.
  group.told = std::max(group.told, record.generation);
  group.reserved = group.told;
}

void Coordinator::apply(StaticMemberRecord& record) {
  Group* group = find(record.group);
  if (group == nullptr || group->generation != record.generation) return;
  const auto found = group->instances.find(*record.member.instance);
  if (found == group->instances.end()) return;
  const MemberId old = found->second;
  // The id may be another member's only in a log that no coordinator wrote.
  if (old != record.member.id && group->members.contains(record.member.id)) return;
  group->record_static(record.generation, record.member);
  Member& member = group->rename(old, record.member.id);
  group->set_protocols(member, std::move(record.member.protocols));
  record.member.protocols = std::move(member.stored.protocols);
  record.member.assignment = std::move(member.stored.assignment);
  member.stored = std::move(record.member);
}

void Coordinator::apply(OffsetsRecord& record) {
  Group& group = made(record.group);
  for (auto& topic : record.topics) {
    for (auto& [partition, offset] : topic.offsets) group.set_offset({topic.topic, partition}, std::move(offset));
  }
}

void Coordinator::apply(OffsetsRemovedRecord& record) {
  Group* group = find(record.group);
  if (group == nullptr) return;
  for (const auto& topic : record.topics) group->remove_offsets(topic);
}

void Coordinator::apply(GroupRemovedRecord& record) {
  Group* group = find(record.group);
  if (group == nullptr) return;
  while (!group->members.empty()) group->remove(MemberId(group->members.begin()->first));
  erase(*group);
}

}  // namespace baton::broker
