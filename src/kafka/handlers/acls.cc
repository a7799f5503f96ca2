#include "kafka/handlers/acls.h"

namespace baton::kafka {
namespace {

using log::Acl;
using Pattern = broker::AclFilter::Pattern;

constexpr std::int8_t kAny = 1;
constexpr std::int8_t kMatch = 2;  // of patterns
// The last ones that Kafka 4.3 has: users and delegation tokens, and what is done with them. A filter may ask for them, and finds nothing.
constexpr auto kLastResource = static_cast<Acl::Resource>(7);
constexpr auto kLastOperation = static_cast<Acl::Operation>(15);

template <typename E>
bool read_one_of(std::int8_t value, E first, E last, std::optional<E>& out) {
  if (value < acl_number(first) || value > acl_number(last)) return false;
  out = static_cast<E>(value);
  return true;
}

}  // namespace

std::optional<AclRefusal> refuse_acls(const Call& call, broker::Operation operation) {
  if (!call.broker().rights().enabled()) {
    return AclRefusal{wire::ErrorCode::security_disabled, "No Authorizer is configured: access.enabled is false"};
  }
  if (call.may(operation)) return std::nullopt;
  return AclRefusal{wire::ErrorCode::cluster_authorization_failed,
                    operation == broker::Operation::describe ? "needs Describe on the cluster" : "needs Alter on the cluster"};
}

std::optional<broker::AclFilter> read_acl_filter(std::int8_t resource, std::int8_t pattern, std::int8_t operation, std::int8_t permission) {
  broker::AclFilter out;
  if (resource != kAny && !read_one_of(resource, Acl::Resource::topic, kLastResource, out.resource)) return std::nullopt;
  if (operation != kAny && !read_one_of(operation, Acl::Operation::all, kLastOperation, out.operation)) return std::nullopt;
  if (permission != kAny && !read_one_of(permission, Acl::Permission::deny, Acl::Permission::allow, out.permission)) return std::nullopt;
  if (pattern == kAny) out.pattern = Pattern::any;
  else if (pattern == kMatch) out.pattern = Pattern::match;
  else if (pattern == acl_number(Acl::Pattern::literal)) out.pattern = Pattern::literal;
  else if (pattern == acl_number(Acl::Pattern::prefixed)) out.pattern = Pattern::prefixed;
  else return std::nullopt;
  return out;
}

std::optional<Acl> read_acl(std::int8_t resource, std::int8_t pattern, std::int8_t operation, std::int8_t permission) {
  const auto filter = read_acl_filter(resource, pattern, operation, permission);
  const bool whole = filter && filter->resource && filter->operation && filter->permission;
  const bool here = whole && *filter->resource <= Acl::Resource::transactional_id && *filter->operation <= Acl::Operation::idempotent_write;
  if (!here || filter->pattern == Pattern::any || filter->pattern == Pattern::match) return std::nullopt;
  Acl out;
  out.resource = *filter->resource;
  out.pattern = filter->pattern == Pattern::literal ? Acl::Pattern::literal : Acl::Pattern::prefixed;
  out.operation = *filter->operation;
  out.permission = *filter->permission;
  return out;
}

}  // namespace baton::kafka
