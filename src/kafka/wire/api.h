// The APIs that the table knows, and the error codes.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "kafka/wire/api_list.h"
#include "kafka/wire/error_list.h"

namespace baton::kafka::wire {

// In the order of their keys.
[[nodiscard]] std::span<const ApiInfo> all_apis();
// Null for a key that the table does not have.
[[nodiscard]] const ApiInfo* find_api(std::int16_t key);
[[nodiscard]] const ApiInfo& api_info(ApiKey key);

[[nodiscard]] std::int16_t request_header_version(ApiKey api, std::int16_t version);
[[nodiscard]] std::int16_t response_header_version(ApiKey api, std::int16_t version);

[[nodiscard]] std::span<const ErrorInfo> all_errors();
// A code that a newer peer has sent is described as UNKNOWN_SERVER_ERROR.
[[nodiscard]] const ErrorInfo& error_info(ErrorCode code);

}  // namespace baton::kafka::wire
