#include <set>

#include "kafka/errors.h"
#include "kafka/handlers/groups.h"

namespace baton::kafka {
namespace {

using Described = wire::DescribeGroupsResponse::DescribedGroup;

constexpr std::int16_t kFirstWithNotFound = 6;

void fill(Described& out, broker::DescribeReply reply, std::int16_t version) {
  out.error_code = wire::ErrorCode::none;
  if (reply.error == broker::GroupError::group_id_not_found) {
    out.group_state = std::string(state_name(broker::GroupState::dead));
    if (version < kFirstWithNotFound) return;
    out.error_message = "Group " + out.group_id + " not found.";
  }
  out.error_code = to_wire(reply.error);
  if (reply.error != broker::GroupError::none) return;
  out.group_state = std::string(state_name(reply.state));
  out.protocol_type = std::move(reply.protocol_type);
  out.protocol_data = std::move(reply.protocol);
  for (auto& member : reply.members) {
    out.members.push_back({.member_id = std::move(member.id.value),
                           .group_instance_id = to_wire(std::move(member.instance)),
                           .client_id = std::move(member.client_id),
                           .client_host = std::move(member.client_host),
                           .member_metadata = std::move(member.metadata),
                           .member_assignment = std::move(member.assignment)});
  }
}

}  // namespace

void handle(Session&, const CallPtr& call, wire::DescribeGroupsRequest request) {
  auto description = std::make_shared<SharedReply<wire::DescribeGroupsResponse>>(call);
  auto& groups = description->response.groups;
  groups.resize(request.groups.size());
  for (std::size_t i = 0; i < groups.size(); ++i) {
    groups[i].group_id = std::string(request.groups[i]);
    groups[i].error_code = wire::ErrorCode::coordinator_not_available;  // until it is known
  }
  for (auto& out : groups) {
    if (!call->may(Operation::describe, Resource::group, out.group_id)) out.error_code = wire::ErrorCode::group_authorization_failed;
  }
  const bool operations = request.include_authorized_operations;
  call->broker().with_groups([call, description = std::move(description), operations](broker::Groups& from) {
    // Each once, so that an answer is no larger than what there is.
    std::set<std::string_view> asked;
    for (auto& out : description->response.groups) {
      if (!asked.insert(out.group_id).second) {
        out.error_code = wire::ErrorCode::invalid_request;
        continue;
      }
      if (out.error_code == wire::ErrorCode::group_authorization_failed) continue;
      from.describe({.group = group_id(out.group_id)}, [call, description, operations, &out](broker::DescribeReply reply) {
        fill(out, std::move(reply), description->version());
        if (!operations || out.error_code != wire::ErrorCode::none) return;
        out.authorized_operations = call->operations(Resource::group, out.group_id, kGroupOperations);
      });
    }
  });
}

}  // namespace baton::kafka
