// Rights: who may do what (Kafka's access control lists: its documentation, "Authorization and ACLs"; decision 013).
//
// Off unless the configuration turns it on; then nobody may do anything that an entry does not allow. An entry that denies goes before all that allow. Who may
// read, write, remove or alter a thing may describe it; who may alter its settings may see them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <baton/result.h>

#include "log/catalogue.h"

namespace baton::broker {

using Operation = log::Acl::Operation;
using Resource = log::Acl::Resource;

inline constexpr std::string_view kAnonymous = "User:ANONYMOUS";   // whoever has not said who it is: as long as listeners do not ask, everybody
inline constexpr std::string_view kClusterName = "kafka-cluster";  // the one name of the resource `cluster`
inline constexpr std::size_t kAclTextBytesMax = 1'000;             // of a name, a principal, a host

struct RightsOptions {
  bool enabled = false;
  bool allow_without_acl = false;         // what no entry names is everybody's (Kafka: allow.everyone.if.no.acl.found)
  std::set<std::string> super_users = {}; // "User:alice", or "User:alice@127.0.0.1": may do everything
};

// Who asks.
struct Subject {
  std::string_view principal;
  std::string_view host;  // its address, as os::canonical_address writes it
  bool owner = false;     // came through the unix socket: the user of the data directory, who may do everything
};

// An entry of a list, or all that fit: what is absent fits whatever there is.
struct AclFilter {
  std::optional<Resource> resource;
  // `match`: all that would decide about `name`; nothing: any pattern.
  enum class Pattern : std::uint8_t { any, match, literal, prefixed } pattern = Pattern::any;
  std::optional<std::string> name;
  std::optional<std::string> principal;
  std::optional<std::string> host;
  std::optional<Operation> operation;
  std::optional<log::Acl::Permission> permission;
  [[nodiscard]] bool fits(const log::Acl& acl) const;
};

// invalid_argument: a name, a principal or an address that cannot be. An operation that its resource does not have is taken, as by Kafka, and allows nothing.
[[nodiscard]] Status check_acl(const log::Acl& acl);

class Rights {
 public:
  explicit Rights(const RightsOptions& options);

  // [any] The entries from now on.
  void set(const log::AclTable& table);
  [[nodiscard]] std::shared_ptr<const log::AclTable> table() const;
  [[nodiscard]] bool enabled() const { return enabled_; }

  [[nodiscard]] bool may(const Subject& who, Operation operation, Resource resource, std::string_view name) const;
  // On some thing of this kind, whatever its name.
  [[nodiscard]] bool may_with_any(const Subject& who, Operation operation, Resource resource) const;
  // Of the operations in `bits` (Kafka's AclOperation n is bit n) those that are allowed.
  [[nodiscard]] std::int32_t operations(const Subject& who, Resource resource, std::string_view name, std::int32_t bits) const;

 private:
  struct Entry {
    const log::Acl* acl;
    std::string host;  // in the one way to write it
  };
  using Entries = std::vector<Entry>;
  // The entries of one kind of resource, so that those about a name are found without a look at all.
  struct Index {
    std::map<std::string_view, Entries> literal, prefixed;
    std::set<std::size_t> prefix_bytes;  // the lengths of the prefixes
  };
  struct Lists {
    log::AclTable table;
    std::array<Index, 6> by_resource;  // by the number of the resource
  };
  [[nodiscard]] std::shared_ptr<const Lists> lists() const;
  [[nodiscard]] static bool is_about(const Entry& entry, const Subject& who);
  [[nodiscard]] bool is_super(const Subject& who) const;
  [[nodiscard]] bool decide(const Lists& lists, const Subject& who, Operation operation, Resource resource, std::string_view name) const;

  const bool enabled_;
  const bool allow_without_acl_;
  std::set<std::pair<std::string, std::string>, std::less<>> super_users_;  // principal and address; "": from wherever it comes
  mutable std::mutex mutex_;
  std::shared_ptr<const Lists> lists_ = std::make_shared<const Lists>();
};

}  // namespace baton::broker
