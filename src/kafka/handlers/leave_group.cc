#include "kafka/errors.h"
#include "kafka/handlers/groups.h"

namespace baton::kafka {
namespace {

constexpr std::int16_t kFirstWithMembers = 3;

void answer(Call& call, const broker::LeaveRequest& request, const broker::LeaveReply& reply) {
  wire::LeaveGroupResponse response;
  response.error_code = to_wire(reply.error);
  if (call.version() < kFirstWithMembers) {
    if (reply.error == broker::GroupError::none) response.error_code = to_wire(reply.members.at(0));
    return call.reply(response);
  }
  for (std::size_t i = 0; i < reply.members.size(); ++i) {
    response.members.push_back({.member_id = request.members[i].member.value,
                                .group_instance_id = to_wire(request.members[i].instance),
                                .error_code = to_wire(reply.members[i])});
  }
  call.reply(response);
}

}  // namespace

void handle(Session&, const CallPtr& call, wire::LeaveGroupRequest request) {
  if (!call->may(Operation::read, Resource::group, request.group_id)) {
    wire::LeaveGroupResponse refused;
    refused.error_code = wire::ErrorCode::group_authorization_failed;
    return call->reply(refused);
  }
  broker::LeaveRequest leave{.group = group_id(request.group_id), .members = {}};
  if (call->version() < kFirstWithMembers) leave.members.push_back({.member = member_id(request.member_id), .instance = {}});
  for (const auto& member : request.members) {
    leave.members.push_back({.member = member_id(member.member_id), .instance = instance_id(member.group_instance_id)});
  }
  call->broker().with_groups([call, leave = std::move(leave)](broker::Groups& groups) {
    groups.leave(leave, [call, leave](const broker::LeaveReply& reply) { answer(*call, leave, reply); });
  });
}

}  // namespace baton::kafka
