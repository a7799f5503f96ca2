// What is asked of a cluster about its access control entries.
#pragma once

#include <algorithm>
#include <compare>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/kafka_client.h"

namespace baton::cli {

// Kafka's words, as the commands write them: "topic", "literal", "read", "allow". What this version does not know is "unknown". Entries of
// transactional ids are among these: librdkafka 2.0 has no word for them.
struct AclEntry {
  std::string resource, name, pattern, principal, host, operation, permission;
  friend auto operator<=>(const AclEntry&, const AclEntry&) = default;
};
// Sorted, and each once.
template <typename T>
void put_in_order(std::vector<T>& values) {
  std::ranges::sort(values);
  const auto doubles = std::ranges::unique(values);
  values.erase(doubles.begin(), doubles.end());
}
// One word of AclEntry each; nothing: any.
struct AclEntryFilter {
  std::optional<std::string> resource, name, principal, host, operation, permission;
  std::optional<std::string> pattern;  // "match", too: all that apply to the name
};

// What may be asked of a resource: Kafka's table. Empty: no such resource.
[[nodiscard]] std::vector<std::string> acl_operations(std::string_view resource);
// "describe-configs" of "DESCRIBE_CONFIGS", "DescribeConfigs" and the like. invalid_argument: says what there is.
[[nodiscard]] Result<std::string> parse_acl_operation(std::string_view text);

// invalid_argument: a text is longer than the protocol has room for. Of all functions here.
// In order. librdkafka 2.0 keeps a refusal to itself: none, too, where the broker does not show them.
[[nodiscard]] Result<std::vector<AclEntry>> list_acls(KafkaClient& client, const AclEntryFilter& filter);
struct ChangedAcls {
  std::vector<AclEntry> changed;  // in order
  Status refused;                 // of the first that was
};
// Each by itself: that one is refused does not keep the others from being added, or removed. One that is there is added again, which changes
// nothing.
[[nodiscard]] Result<ChangedAcls> add_acls(KafkaClient& client, const std::vector<AclEntry>& entries);
[[nodiscard]] Result<ChangedAcls> remove_acls(KafkaClient& client, const std::vector<AclEntryFilter>& filters);

[[nodiscard]] std::string to_string(const AclEntry& entry);  // "allow User:ANONYMOUS at 10.0.0.7 to read topic 'rides'"

}  // namespace baton::cli
