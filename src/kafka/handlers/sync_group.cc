#include "kafka/errors.h"
#include "kafka/handlers/groups.h"

namespace baton::kafka {
namespace {

constexpr std::int16_t kFirstWithProtocol = 5;

void answer(Call& call, broker::SyncReply reply) {
  wire::SyncGroupResponse response;
  response.error_code = to_wire(reply.error);
  if (reply.error == broker::GroupError::none) {
    response.protocol_type = std::move(reply.protocol_type);
    response.protocol_name = std::move(reply.protocol);
    response.assignment = std::move(reply.assignment);
  }
  call.reply(response);
}

}  // namespace

void handle(Session&, const CallPtr& call, wire::SyncGroupRequest request) {
  if (!call->may(Operation::read, Resource::group, request.group_id)) {
    wire::SyncGroupResponse refused;
    refused.error_code = wire::ErrorCode::group_authorization_failed;
    return call->reply(refused);
  }
  if (call->version() >= kFirstWithProtocol && (!request.protocol_type || !request.protocol_name)) {
    return answer(*call, {.error = broker::GroupError::inconsistent_group_protocol});
  }
  broker::SyncRequest sync{.group = group_id(request.group_id),
                           .generation = broker::GenerationId(request.generation_id),
                           .member = member_id(request.member_id),
                           .instance = instance_id(request.group_instance_id),
                           .protocol_type = owned(request.protocol_type),
                           .protocol = owned(request.protocol_name),
                           .assignments = {}};
  for (const auto& given : request.assignments) {
    sync.assignments.push_back({.member = member_id(given.member_id), .assignment = owned(given.assignment)});
  }
  call->broker().with_groups([call, sync = std::move(sync)](broker::Groups& groups) mutable {
    groups.sync(std::move(sync), [call](broker::SyncReply reply) { answer(*call, std::move(reply)); });
  });
}

}  // namespace baton::kafka
