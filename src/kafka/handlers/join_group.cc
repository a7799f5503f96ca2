#include "kafka/errors.h"
#include "kafka/handlers/groups.h"

namespace baton::kafka {
namespace {

constexpr std::int16_t kFirstWithKnownMemberIds = 4;  // KIP-394: a new member is told its id, and comes back with it
constexpr std::int16_t kFirstWithNullProtocol = 7;
constexpr std::int16_t kFirstWithSkippedAssignment = 9;

broker::JoinRequest read(const Session& session, const Call& call, const wire::JoinGroupRequest& request) {
  broker::JoinRequest out;
  out.group = group_id(request.group_id);
  out.member = member_id(request.member_id);
  out.instance = instance_id(request.group_instance_id);
  out.client_id = std::string(call.client_id());
  out.client_host = client_host(session.peer());
  out.protocol_type = std::string(request.protocol_type);
  for (const auto& protocol : request.protocols) out.protocols.push_back({.name = std::string(protocol.name), .metadata = owned(protocol.metadata)});
  out.session_timeout_ms = request.session_timeout_ms;
  out.rebalance_timeout_ms = request.rebalance_timeout_ms;
  out.require_known_member_id = call.version() >= kFirstWithKnownMemberIds;
  out.supports_skipping_assignment = call.version() >= kFirstWithSkippedAssignment;
  return out;
}

void answer(Call& call, broker::JoinReply reply) {
  wire::JoinGroupResponse response;
  response.error_code = to_wire(reply.error);
  response.generation_id = reply.generation.value();
  if (!reply.protocol_type.empty()) response.protocol_type = std::move(reply.protocol_type);
  response.protocol_name = std::move(reply.protocol);
  if (call.version() >= kFirstWithNullProtocol && response.protocol_name->empty()) response.protocol_name.reset();
  response.leader = std::move(reply.leader.value);
  response.skip_assignment = reply.skip_assignment;
  response.member_id = std::move(reply.member.value);
  for (auto& member : reply.members) {
    response.members.push_back({.member_id = std::move(member.id.value),
                                .group_instance_id = to_wire(std::move(member.instance)),
                                .metadata = std::move(member.metadata)});
  }
  call.reply(response);
}

}  // namespace

void handle(Session& session, const CallPtr& call, wire::JoinGroupRequest request) {
  if (!call->may(Operation::read, Resource::group, request.group_id)) {
    wire::JoinGroupResponse refused;
    refused.error_code = wire::ErrorCode::group_authorization_failed;
    refused.generation_id = -1;
    if (call->version() >= kFirstWithNullProtocol) refused.protocol_name.reset();
    return call->reply(refused);
  }
  call->broker().with_groups([call, join = read(session, *call, request)](broker::Groups& groups) mutable {
    groups.join(std::move(join), [call](broker::JoinReply reply) { answer(*call, std::move(reply)); });
  });
}

}  // namespace baton::kafka
