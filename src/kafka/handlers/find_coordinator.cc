#include "kafka/handlers/handlers.h"

namespace baton::kafka {
namespace {

constexpr std::int8_t kGroup = 0;
constexpr std::int8_t kTransaction = 1;
constexpr std::int16_t kFirstWithLists = 4;

struct Found {
  wire::ErrorCode error = wire::ErrorCode::none;
  std::optional<std::string> message;
};

Found find(const Call& call, std::int8_t type, std::string_view key) {
  if (type == kTransaction) {
    // Final to every client, where COORDINATOR_NOT_AVAILABLE would have it ask for a minute.
    return {wire::ErrorCode::transactional_id_authorization_failed, "transactions are not supported yet"};
  }
  if (type != kGroup) return {wire::ErrorCode::invalid_request, "there are coordinators of groups only"};
  if (!call.may(Operation::describe, Resource::group, key)) return {wire::ErrorCode::group_authorization_failed, std::nullopt};
  if (key.empty()) return {wire::ErrorCode::invalid_group_id, "a group has a name"};
  return {};
}

}  // namespace

void handle(Session&, const CallPtr& call, wire::FindCoordinatorRequest request) {
  wire::FindCoordinatorResponse response;
  if (call->version() < kFirstWithLists) {
    const Found found = find(*call, request.key_type, request.key);
    response.error_code = found.error;
    response.error_message = found.message;
    response.node_id = found.error == wire::ErrorCode::none ? call->node().id : -1;
    response.host = found.error == wire::ErrorCode::none ? call->advertised().host : "";
    response.port = found.error == wire::ErrorCode::none ? call->advertised().port : -1;
    return call->reply(response);
  }
  for (const std::string_view key : request.coordinator_keys) {
    const Found found = find(*call, request.key_type, key);
    auto& out = response.coordinators.emplace_back();
    out.key = std::string(key);
    out.error_code = found.error;
    out.error_message = found.message.value_or("");  // Kafka's is not null
    out.node_id = found.error == wire::ErrorCode::none ? call->node().id : -1;
    out.host = found.error == wire::ErrorCode::none ? call->advertised().host : "";
    out.port = found.error == wire::ErrorCode::none ? call->advertised().port : -1;
  }
  call->reply(response);
}

}  // namespace baton::kafka
