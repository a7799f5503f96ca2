#include "kafka/wire/api.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "base/check.h"

namespace baton::kafka::wire {
namespace {

constexpr std::size_t kKeys = static_cast<std::size_t>(std::rbegin(kApis)->key) + 1;

constexpr auto kByKey = [] {
  std::array<const ApiInfo*, kKeys> table{};
  for (const ApiInfo& api : kApis) table[static_cast<std::size_t>(api.key)] = &api;
  return table;
}();

}  // namespace

std::span<const ApiInfo> all_apis() { return kApis; }

const ApiInfo* find_api(std::int16_t key) {
  return key < 0 || static_cast<std::size_t>(key) >= kKeys ? nullptr : kByKey[static_cast<std::size_t>(key)];
}

const ApiInfo& api_info(ApiKey key) {
  const ApiInfo* api = find_api(static_cast<std::int16_t>(key));
  BATON_CHECK(api != nullptr, "not a key of the table");
  return *api;
}

std::int16_t request_header_version(ApiKey api, std::int16_t version) { return version >= api_info(api).flexible_from ? 2 : 1; }

std::int16_t response_header_version(ApiKey api, std::int16_t version) {
  // A client reads the answer to ApiVersions before it knows what the broker speaks.
  return api != ApiKey::api_versions && version >= api_info(api).flexible_from ? 1 : 0;
}

std::span<const ErrorInfo> all_errors() { return kErrors; }

const ErrorInfo& error_info(ErrorCode code) {
  // The table starts with -1 and has no gaps.
  const auto index = static_cast<std::int32_t>(code) + 1;
  return index >= 0 && static_cast<std::size_t>(index) < std::size(kErrors) ? kErrors[index] : kErrors[0];
}

}  // namespace baton::kafka::wire
