// CreateAcls: each entry is judged by itself; those that are good are added together.
#include "kafka/handlers/acls.h"
#include "kafka/handlers/handlers.h"

namespace baton::kafka {

void handle(Session&, const CallPtr& call, wire::CreateAclsRequest request) {
  auto shared = std::make_shared<SharedReply<wire::CreateAclsResponse>>(call);
  auto& results = shared->response.results;
  results.resize(request.creations.size());
  if (const auto refused = refuse_acls(*call, Operation::alter)) {
    for (auto& result : results) result.error_code = refused->error, result.error_message = std::string(refused->text);
    return;
  }
  log::AclTable good;
  std::vector<std::size_t> waiting;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const auto& asked = request.creations[i];
    auto& out = results[i];
    auto acl = read_acl(asked.resource_type, asked.resource_pattern_type, asked.operation, asked.permission_type);
    Status checked = Error{Code::invalid_argument, "a resource, pattern, operation or permission that Baton does not know"};
    if (acl) {
      acl->name = std::string(asked.resource_name);
      acl->principal = std::string(asked.principal);
      acl->host = std::string(asked.host);
      checked = broker::check_acl(*acl);
    }
    if (!checked) {
      out.error_code = wire::ErrorCode::invalid_request;
      out.error_message = std::move(checked).error().detail;
      continue;
    }
    out.error_code = wire::ErrorCode::kafka_storage_error;  // until it is known
    out.error_message = "";  // Kafka's is not null
    good.insert(*std::move(acl));
    waiting.push_back(i);
  }
  if (good.empty()) return;
  call->broker().add_acls(std::move(good), [shared, waiting = std::move(waiting)](const Status& status) {
    for (const std::size_t i : waiting) {
      auto& out = shared->response.results[i];
      out.error_code = wire::ErrorCode::none;
      if (status) continue;
      out.error_code = status.error().code == Code::too_large ? wire::ErrorCode::policy_violation : wire::ErrorCode::kafka_storage_error;
      out.error_message = status.error().detail;
    }
  });
}

}  // namespace baton::kafka
