// DeleteAcls: takes away what fits one of the filters, and says for each what that was.
#include "kafka/handlers/acls.h"
#include "kafka/handlers/handlers.h"

namespace baton::kafka {

void handle(Session&, const CallPtr& call, wire::DeleteAclsRequest request) {
  auto shared = std::make_shared<SharedReply<wire::DeleteAclsResponse>>(call);
  auto& results = shared->response.filter_results;
  results.resize(request.filters.size());
  if (const auto refused = refuse_acls(*call, Operation::alter)) {
    for (auto& result : results) result.error_code = refused->error, result.error_message = std::string(refused->text);
    return;
  }
  std::vector<broker::AclFilter> filters;
  std::vector<std::size_t> waiting;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const auto& asked = request.filters[i];
    auto filter = read_acl_filter(asked.resource_type_filter, asked.pattern_type_filter, asked.operation, asked.permission_type);
    results[i].error_message.reset();
    if (!filter) {
      results[i].error_code = wire::ErrorCode::invalid_request;
      results[i].error_message = "a resource, pattern, operation or permission that Baton does not know";
      continue;
    }
    if (asked.resource_name_filter) filter->name = std::string(*asked.resource_name_filter);
    if (asked.principal_filter) filter->principal = std::string(*asked.principal_filter);
    if (asked.host_filter) filter->host = std::string(*asked.host_filter);
    results[i].error_code = wire::ErrorCode::kafka_storage_error;  // until it is known
    filters.push_back(*std::move(filter));
    waiting.push_back(i);
  }
  if (filters.empty()) return;
  call->broker().remove_acls(std::move(filters), [shared, waiting = std::move(waiting)](const Result<std::vector<log::AclTable>>& removed) {
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      auto& out = shared->response.filter_results[waiting[i]];
      if (!removed) {
        out.error_message = removed.error().detail;
        continue;
      }
      out.error_code = wire::ErrorCode::none;
      for (const log::Acl& acl : (*removed)[i]) {
        auto& entry = out.matching_acls.emplace_back();
        entry.error_message.reset();
        entry.resource_type = acl_number(acl.resource);
        entry.resource_name = acl.name;
        entry.pattern_type = acl_number(acl.pattern);
        entry.principal = acl.principal;
        entry.host = acl.host;
        entry.operation = acl_number(acl.operation);
        entry.permission_type = acl_number(acl.permission);
      }
    }
  });
}

}  // namespace baton::kafka
