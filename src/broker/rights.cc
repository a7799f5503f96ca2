#include "broker/rights.h"

#include <algorithm>

#include "os/socket.h"

namespace baton::broker {
namespace {

using log::Acl;

constexpr std::string_view kEveryone = "User:*";
constexpr std::string_view kAny = "*";

// Whether an entry that allows `given` allows `asked`.
bool implies(Operation given, Operation asked) {
  if (given == asked || given == Operation::all) return true;
  if (asked == Operation::describe) {
    return given == Operation::read || given == Operation::write || given == Operation::remove || given == Operation::alter;
  }
  return asked == Operation::describe_configs && given == Operation::alter_configs;
}

bool denies(const Acl& acl, Operation asked) { return acl.operation == asked || acl.operation == Operation::all; }

}  // namespace

bool AclFilter::fits(const Acl& acl) const {
  if (resource && *resource != acl.resource) return false;
  if (principal && *principal != acl.principal) return false;
  if (host && *host != acl.host) return false;
  if (operation && *operation != acl.operation) return false;
  if (permission && *permission != acl.permission) return false;
  if (pattern == Pattern::literal && acl.pattern != Acl::Pattern::literal) return false;
  if (pattern == Pattern::prefixed && acl.pattern != Acl::Pattern::prefixed) return false;
  if (!name) return true;
  if (pattern != Pattern::match) return *name == acl.name;
  if (acl.pattern == Acl::Pattern::prefixed) return name->starts_with(acl.name);
  return *name == acl.name || acl.name == kAny;
}

Status check_acl(const Acl& acl) {
  const auto refuse = [](std::string text) { return Error{Code::invalid_argument, std::move(text)}; };
  for (const std::string* text : {&acl.name, &acl.principal, &acl.host}) {
    if (text->size() > kAclTextBytesMax) return refuse("a name, a principal or a host of an entry has at most " + std::to_string(kAclTextBytesMax) + " bytes");
  }
  if (acl.name.empty()) return refuse("Resource name should not be empty");
  // A name would never be the client's: what it denies would be allowed.
  if (acl.host != kAny && !os::canonical_address(acl.host)) {
    return refuse("the host of an entry is an IP address, or * for any; '" + acl.host.substr(0, 64) + "' is none");
  }
  const auto colon = acl.principal.find(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == acl.principal.size()) {
    return refuse("Could not parse principal from `" + acl.principal + "`: it is a type and a name, User:alice");
  }
  if (acl.resource == Resource::cluster && acl.name != kClusterName) {
    return refuse("The only valid name for the CLUSTER resource is " + std::string(kClusterName));
  }
  return {};
}

Rights::Rights(const RightsOptions& options) : enabled_(options.enabled), allow_without_acl_(options.allow_without_acl) {
  for (const std::string& user : options.super_users) {
    const auto at = user.rfind('@');
    const auto address = at == std::string::npos ? std::nullopt : os::canonical_address(std::string_view(user).substr(at + 1));
    super_users_.emplace(address ? user.substr(0, at) : user, address.value_or(""));
  }
}

bool Rights::is_about(const Entry& entry, const Subject& who) {
  return (entry.acl->principal == who.principal || entry.acl->principal == kEveryone) && (entry.host == kAny || entry.host == who.host);
}

void Rights::set(const log::AclTable& table) {
  auto lists = std::make_shared<Lists>();
  lists->table = table;
  for (const Acl& acl : lists->table) {
    Index& index = lists->by_resource[static_cast<std::size_t>(acl.resource)];
    const Entry entry{&acl, os::canonical_address(acl.host).value_or(acl.host)};
    if (acl.pattern == Acl::Pattern::literal) {
      index.literal[acl.name].push_back(entry);
    } else {
      index.prefixed[acl.name].push_back(entry);
      index.prefix_bytes.insert(acl.name.size());
    }
  }
  const std::lock_guard guard(mutex_);
  lists_ = std::move(lists);
}

std::shared_ptr<const Rights::Lists> Rights::lists() const {
  const std::lock_guard guard(mutex_);
  return lists_;
}

std::shared_ptr<const log::AclTable> Rights::table() const {
  auto all = lists();
  return {all, &all->table};
}

bool Rights::is_super(const Subject& who) const {
  if (who.owner) return true;
  if (super_users_.empty()) return false;
  const std::string principal(who.principal);
  return super_users_.contains({principal, std::string()}) || super_users_.contains({principal, std::string(who.host)});
}

bool Rights::decide(const Lists& lists, const Subject& who, Operation operation, Resource resource, std::string_view name) const {
  const Index& index = lists.by_resource[static_cast<std::size_t>(resource)];
  bool any = false;
  bool allowed = false;
  bool denied = false;
  const auto look = [&](const std::map<std::string_view, Entries>& at, std::string_view key) {
    const auto found = at.find(key);
    if (found == at.end()) return;
    any = true;
    for (const Entry& entry : found->second) {
      if (!is_about(entry, who)) continue;
      if (entry.acl->permission == Acl::Permission::deny) denied = denied || denies(*entry.acl, operation);
      else allowed = allowed || implies(entry.acl->operation, operation);
    }
  };
  look(index.literal, name);
  if (name != kAny) look(index.literal, kAny);
  for (const std::size_t bytes : index.prefix_bytes) {
    if (bytes > name.size()) break;
    look(index.prefixed, name.substr(0, bytes));
  }
  if (denied) return false;
  return any ? allowed : allow_without_acl_;
}

bool Rights::may(const Subject& who, Operation operation, Resource resource, std::string_view name) const {
  if (!enabled_ || is_super(who)) return true;
  return decide(*lists(), who, operation, resource, name);
}

bool Rights::may_with_any(const Subject& who, Operation operation, Resource resource) const {
  if (!enabled_ || is_super(who)) return true;
  const auto all = lists();
  // A name that nothing is about (as in Kafka): what is said about every name, and about those without an entry.
  if (decide(*all, who, operation, resource, "hardcode")) return true;
  const Index& index = all->by_resource[static_cast<std::size_t>(resource)];
  for (const auto* entries : {&index.literal, &index.prefixed}) {
    for (const auto& [name, acls] : *entries) {
      const bool allows = std::ranges::any_of(acls, [&](const Entry& entry) {
        return entry.acl->permission == Acl::Permission::allow && is_about(entry, who) && implies(entry.acl->operation, operation);
      });
      // Of names with a prefix there is one that no entry is about by its whole name.
      const std::string one = entries == &index.literal ? std::string(name) : std::string(name) + '\0';
      if (allows && decide(*all, who, operation, resource, one)) return true;
    }
  }
  return false;
}

std::int32_t Rights::operations(const Subject& who, Resource resource, std::string_view name, std::int32_t bits) const {
  if (!enabled_ || is_super(who)) return bits;
  const auto all = lists();
  std::int32_t out = 0;
  for (auto one = static_cast<int>(Operation::read); one <= static_cast<int>(Operation::idempotent_write); ++one) {
    const std::int32_t bit = std::int32_t{1} << one;
    if ((bits & bit) != 0 && decide(*all, who, static_cast<Operation>(one), resource, name)) out |= bit;
  }
  return out;
}

}  // namespace baton::broker
