#include "kafka/errors.h"
#include "kafka/handlers/groups.h"

namespace baton::kafka {

void handle(Session&, const CallPtr& call, wire::HeartbeatRequest request) {
  if (!call->may(Operation::read, Resource::group, request.group_id)) {
    wire::HeartbeatResponse refused;
    refused.error_code = wire::ErrorCode::group_authorization_failed;
    return call->reply(refused);
  }
  broker::HeartbeatRequest heartbeat{.group = group_id(request.group_id),
                                     .generation = broker::GenerationId(request.generation_id),
                                     .member = member_id(request.member_id),
                                     .instance = instance_id(request.group_instance_id)};
  call->broker().with_groups([call, heartbeat = std::move(heartbeat)](broker::Groups& groups) {
    groups.heartbeat(heartbeat, [call](const broker::HeartbeatReply& reply) {
      wire::HeartbeatResponse response;
      response.error_code = to_wire(reply.error);
      call->reply(response);
    });
  });
}

}  // namespace baton::kafka
