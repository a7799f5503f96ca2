// What the three APIs of access control lists share: Kafka's numbers, which are those of log::Acl, with 0 for "unknown" and 1 for "any".
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "broker/rights.h"
#include "kafka/wire/types.h"

namespace baton::kafka {

inline constexpr std::string_view kNoRights = "No Authorizer is configured: access.enabled is false";

// As the fields of DescribeAcls and DeleteAcls say it. nullopt: a number that is none.
[[nodiscard]] std::optional<broker::AclFilter> read_acl_filter(std::int8_t resource, std::int8_t pattern, std::int8_t operation, std::int8_t permission);
// As the fields of CreateAcls say it. nullopt: a number that is none, or is "any".
[[nodiscard]] std::optional<log::Acl> read_acl(std::int8_t resource, std::int8_t pattern, std::int8_t operation, std::int8_t permission);

template <typename E>
[[nodiscard]] std::int8_t acl_number(E value) {
  return static_cast<std::int8_t>(value);
}

}  // namespace baton::kafka
