// What an administrator asks: DescribeGroups, ListGroups, DeleteGroups.
#include <algorithm>
#include <utility>

#include "broker/coordinator.h"

namespace baton::broker {
namespace {

bool equal_in_any_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

bool among(const std::vector<std::string>& names, std::string_view name) {
  return names.empty() || std::ranges::any_of(names, [&](const std::string& n) { return equal_in_any_case(n, name); });
}

}  // namespace

void Coordinator::describe(const DescribeRequest& request, Reply<DescribeReply> reply) {
  const Turn turn(*this);
  DescribeReply out;
  out.error = unready();
  const Group* group = find(request.group);
  if (out.error == GroupError::none && (group == nullptr || group->state == GroupState::dead))
    out.error = GroupError::group_id_not_found;
  if (out.error != GroupError::none) return answer(reply, std::move(out));
  const bool stable = group->state == GroupState::stable;
  out.state = group->state;
  out.protocol_type = group->protocol_type;
  if (stable) out.protocol = group->protocol;
  for (const auto& [id, member] : group->members) {
    const auto& stored = member.stored;
    out.members.push_back({.id = id,
                           .instance = stored.instance,
                           .client_id = stored.client_id,
                           .client_host = stored.client_host,
                           .metadata = stable ? metadata_of(stored, group->protocol) : base::Bytes{},
                           .assignment = stored.assignment});
  }
  answer(reply, std::move(out));
}

void Coordinator::list(const ListRequest& request, Reply<ListReply> reply) {
  const Turn turn(*this);
  ListReply out;
  out.error = unready();
  if (out.error == GroupError::none && among(request.types, "classic")) {
    for (const auto& [id, group] : groups_) {
      if (!among(request.states, state_name(group.state))) continue;
      out.groups.push_back({.group = id, .protocol_type = group.protocol_type, .state = group.state});
    }
  }
  answer(reply, std::move(out));
}

void Coordinator::delete_group(const DeleteRequest& request, Reply<DeleteReply> reply) {
  const Turn turn(*this);
  const auto refuse = [&](GroupError error) { answer(reply, DeleteReply{.error = error}); };
  if (const auto error = unready(); error != GroupError::none) return refuse(error);
  Group* group = find(request.group);
  if (group == nullptr || group->state == GroupState::dead) return refuse(GroupError::group_id_not_found);
  if (group->state != GroupState::empty) return refuse(GroupError::non_empty_group);
  remove_group(*group, std::move(reply));
}

void Coordinator::remove_group(Group& group, Reply<DeleteReply> reply) {
  for (auto& [_, timer] : group.pending) deadlines_.cancel(timer);
  group.pending.clear();
  group.state = GroupState::dead;
  write(group, {encode_group_record(GroupRemovedRecord{.group = group.id})},
        [this, reply = std::move(reply)](Group& then, const Status& status) mutable {
          answer(reply, DeleteReply{.error = status ? GroupError::none : GroupError::coordinator_not_available});
          then.state = GroupState::empty;
          if (!status || phase_ == Phase::stopped) return;
          erase(then);
        });
}

}  // namespace baton::broker
