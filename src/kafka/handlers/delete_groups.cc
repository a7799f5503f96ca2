#include <set>

#include "kafka/errors.h"
#include "kafka/handlers/groups.h"

namespace baton::kafka {

void handle(Session&, const CallPtr& call, wire::DeleteGroupsRequest request) {
  auto deletion = std::make_shared<SharedReply<wire::DeleteGroupsResponse>>(call);
  std::set<std::string_view> named;
  for (const std::string_view name : request.groups_names) {
    if (!named.insert(name).second) continue;
    deletion->response.results.push_back({.group_id = std::string(name), .error_code = wire::ErrorCode::coordinator_not_available});  // until it is known
  }
  for (auto& out : deletion->response.results) {
    if (!call->may(Operation::remove, Resource::group, out.group_id)) out.error_code = wire::ErrorCode::group_authorization_failed;
  }
  call->broker().with_groups([deletion = std::move(deletion)](broker::Groups& groups) {
    for (auto& out : deletion->response.results) {
      if (out.error_code == wire::ErrorCode::group_authorization_failed) continue;
      groups.delete_group({.group = group_id(out.group_id)},
                          [deletion, &out](const broker::DeleteReply& reply) { out.error_code = to_wire(reply.error); });
    }
  });
}

}  // namespace baton::kafka
