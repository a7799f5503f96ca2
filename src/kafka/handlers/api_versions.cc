#include "kafka/handlers/handlers.h"

namespace baton::kafka {
namespace {

wire::ApiVersionsResponse what_is_served() {
  wire::ApiVersionsResponse response;
  for (const Handler& handler : handlers()) {
    response.api_keys.push_back({.api_key = static_cast<std::int16_t>(handler.key),
                                 .min_version = handler.versions.first,
                                 .max_version = handler.versions.last});
  }
  return response;
}

}  // namespace

void handle(Session&, const CallPtr& call, wire::ApiVersionsRequest) {
  // Features are left out: a finalized `transaction.version` of 2 would switch clients to transactions that are not there.
  call->reply(what_is_served());
}

void refuse_api_versions(Call& call) {
  wire::ApiVersionsResponse response = what_is_served();
  response.error_code = wire::ErrorCode::unsupported_version;
  call.reply(response, std::int16_t{0});
}

}  // namespace baton::kafka
