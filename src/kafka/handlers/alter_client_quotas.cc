// AlterClientQuotas: each entry is judged and changed by itself.
#include "kafka/handlers/client_quotas.h"
#include "kafka/handlers/handlers.h"

namespace baton::kafka {
namespace {

using Of = log::QuotaEntity::Of;
using Entry = wire::AlterClientQuotasRequest::EntryData;

struct Change {
  log::QuotaEntity entity;
  broker::QuotaChange values;
};

// An error's text.
std::optional<std::string> read_entity(const Entry& entry, log::QuotaEntity& out) {
  if (entry.entity.empty()) return "Invalid empty client quota entity";
  for (const auto& part : entry.entity) {
    const bool of_user = part.entity_type == kUserType;
    if (part.entity_type == kAddressType) return "Baton has no quotas of addresses: limits.connections_per_address in its configuration bounds them";
    if (!of_user && part.entity_type != kClientType) return "Unhandled client quota entity type: " + shortened(part.entity_type);
    Of& of = of_user ? out.user : out.client;
    if (of != Of::any) return "Client quota entity cannot contain duplicate entity type: " + shortened(part.entity_type);
    of = part.entity_name ? Of::named : Of::others;
    if (part.entity_name) (of_user ? out.user_name : out.client_id) = std::string(*part.entity_name);
  }
  return std::nullopt;
}

std::optional<std::string> read_values(const Entry& entry, broker::QuotaChange& out) {
  for (const auto& op : entry.ops) {
    const auto [at, fresh] = out.try_emplace(std::string(op.key), op.remove ? std::nullopt : std::optional(op.value));
    if (!fresh) return "Duplicate quota key " + shortened(op.key);
  }
  return std::nullopt;
}

}  // namespace

void handle(Session&, const CallPtr& call, wire::AlterClientQuotasRequest request) {
  auto shared = std::make_shared<SharedReply<wire::AlterClientQuotasResponse>>(call);
  auto& entries = shared->response.entries;
  // All slots first: completions write into them while others are still being made.
  for (const auto& asked : request.entries) {
    auto& entry = entries.emplace_back();
    entry.error_code = wire::ErrorCode::kafka_storage_error;  // until it is known
    entry.error_message.reset();
    for (const auto& part : asked.entity) {
      auto& named = entry.entity.emplace_back();
      named.entity_type = std::string(part.entity_type);
      named.entity_name = part.entity_name ? std::optional(std::string(*part.entity_name)) : std::nullopt;
    }
  }
  for (std::size_t i = 0; i < entries.size(); ++i) {
    auto& out = entries[i];
    Change change;
    auto wrong = read_entity(request.entries[i], change.entity);
    if (!wrong) wrong = read_values(request.entries[i], change.values);
    if (!call->may(Operation::alter_configs)) {
      out.error_code = wire::ErrorCode::cluster_authorization_failed;
      out.error_message = "needs AlterConfigs on the cluster";
      continue;
    }
    if (wrong) {
      out.error_code = wire::ErrorCode::invalid_request;
      out.error_message = *std::move(wrong);
      continue;
    }
    call->broker().alter_quota(change.entity, std::move(change.values), request.validate_only, [shared, &out](Status status) {
      out.error_code = wire::ErrorCode::none;
      if (status) return;
      const bool wrong = status.error().code == Code::invalid_argument || status.error().code == Code::too_large;
      out.error_code = wrong ? wire::ErrorCode::invalid_request : wire::ErrorCode::kafka_storage_error;
      out.error_message = std::move(status).error().detail;
    });
  }
}

}  // namespace baton::kafka
