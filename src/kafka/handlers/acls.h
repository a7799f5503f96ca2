// What the three APIs of access control lists share: Kafka's numbers, which are those of log::Acl, with 0 for "unknown" and 1 for "any".
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "broker/rights.h"
#include "kafka/call.h"

namespace baton::kafka {

// Why the client gets no answer: there is no access control, or it has not the right to look (describe) or to change (alter).
struct AclRefusal {
  wire::ErrorCode error;
  std::string_view text;
};
[[nodiscard]] std::optional<AclRefusal> refuse_acls(const Call& call, broker::Operation operation);

// As the fields of DescribeAcls and DeleteAcls say it: also of what Kafka has and Baton has not, which fits nothing. nullopt: a number that is none.
[[nodiscard]] std::optional<broker::AclFilter> read_acl_filter(std::int8_t resource, std::int8_t pattern, std::int8_t operation, std::int8_t permission);
// As the fields of CreateAcls say it. nullopt: a number that is none, or is "any".
[[nodiscard]] std::optional<log::Acl> read_acl(std::int8_t resource, std::int8_t pattern, std::int8_t operation, std::int8_t permission);

template <typename E>
[[nodiscard]] std::int8_t acl_number(E value) {
  return static_cast<std::int8_t>(value);
}

}  // namespace baton::kafka
