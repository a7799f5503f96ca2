#include <algorithm>

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

// Kafka's rule for the name and the version of a client's software, which may be shown to people.
bool is_software_text(std::string_view text) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
  return !text.empty() && plain(text.front()) && plain(text.back()) &&
         std::ranges::all_of(text, [&](char c) { return plain(c) || c == '-' || c == '.'; });
}

}  // namespace

void handle(Session&, const CallPtr& call, wire::ApiVersionsRequest request) {
  constexpr std::int16_t kFirstWithSoftware = 3;
  if (call->version() >= kFirstWithSoftware &&
      !(is_software_text(request.client_software_name) && is_software_text(request.client_software_version))) {
    wire::ApiVersionsResponse refused;
    refused.error_code = wire::ErrorCode::invalid_request;
    return call->reply(refused);
  }
  // Features are left out: a finalized `transaction.version` of 2 would switch clients to transactions that are not there.
  call->reply(what_is_served());
}

void refuse_api_versions(Call& call) {
  wire::ApiVersionsResponse response = what_is_served();
  response.error_code = wire::ErrorCode::unsupported_version;
  call.reply(response, std::int16_t{0});
}

}  // namespace baton::kafka
