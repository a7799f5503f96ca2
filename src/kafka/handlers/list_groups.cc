#include "kafka/errors.h"
#include "kafka/handlers/groups.h"

namespace baton::kafka {

void handle(Session&, const CallPtr& call, wire::ListGroupsRequest request) {
  const broker::ListRequest list{.states = {request.states_filter.begin(), request.states_filter.end()},
                                 .types = {request.types_filter.begin(), request.types_filter.end()}};
  call->broker().with_groups([call, list](broker::Groups& groups) {
    groups.list(list, [call](broker::ListReply reply) {
      wire::ListGroupsResponse response;
      response.error_code = to_wire(reply.error);
      const bool all = call->may(Operation::describe);
      for (auto& group : reply.groups) {
        if (!all && !call->may(Operation::describe, Resource::group, group.group.value)) continue;
        response.groups.push_back({.group_id = std::move(group.group.value),
                                   .protocol_type = std::move(group.protocol_type),
                                   .group_state = std::string(state_name(group.state)),
                                   .group_type = "classic"});
      }
      call->reply(response);
    });
  });
}

}  // namespace baton::kafka
