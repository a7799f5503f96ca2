// DescribeAcls: the entries that fit a filter, by what they are about.
#include "kafka/handlers/acls.h"
#include "kafka/handlers/handlers.h"

namespace baton::kafka {

void handle(Session&, const CallPtr& call, wire::DescribeAclsRequest request) {
  wire::DescribeAclsResponse response;
  const auto refuse = [&](wire::ErrorCode error, std::string_view text) {
    response.error_code = error;
    response.error_message = std::string(text);
    call->reply(response);
  };
  if (const auto refused = refuse_acls(*call, Operation::describe)) return refuse(refused->error, refused->text);
  auto filter = read_acl_filter(request.resource_type_filter, request.pattern_type_filter, request.operation, request.permission_type);
  if (!filter) return refuse(wire::ErrorCode::invalid_request, "a resource, pattern, operation or permission that Baton does not know");
  if (request.resource_name_filter) filter->name = std::string(*request.resource_name_filter);
  if (request.principal_filter) filter->principal = std::string(*request.principal_filter);
  if (request.host_filter) filter->host = std::string(*request.host_filter);
  response.error_message = "";  // Kafka's is not null
  const log::Acl* before = nullptr;  // the table's order has those about one resource behind one another
  const auto table = call->broker().rights().table();
  for (const log::Acl& acl : *table) {
    if (!filter->fits(acl)) continue;
    if (before == nullptr || before->resource != acl.resource || before->pattern != acl.pattern || before->name != acl.name) {
      auto& resource = response.resources.emplace_back();
      resource.resource_type = acl_number(acl.resource);
      resource.resource_name = acl.name;
      resource.pattern_type = acl_number(acl.pattern);
    }
    before = &acl;
    auto& entry = response.resources.back().acls.emplace_back();
    entry.principal = acl.principal;
    entry.host = acl.host;
    entry.operation = acl_number(acl.operation);
    entry.permission_type = acl_number(acl.permission);
  }
  call->reply(response);
}

}  // namespace baton::kafka
