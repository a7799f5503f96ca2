// DescribeClientQuotas: the entities that fit a filter of users and client ids.
#include <set>

#include "kafka/handlers/client_quotas.h"
#include "kafka/handlers/handlers.h"

namespace baton::kafka {
namespace {

using Of = log::QuotaEntity::Of;

enum class Match : std::int8_t { exact = 0, others = 1, any = 2 };

struct Filter {
  std::optional<Match> user, client;
  std::string_view user_name, client_id;
  bool strict = false;
  bool by_address = false;  // there are no such quotas
};

struct Refusal {
  wire::ErrorCode error;
  std::string text;
};

std::optional<Refusal> read_filter(const wire::DescribeClientQuotasRequest& request, Filter& out) {
  const auto refuse = [](std::string text) { return Refusal{wire::ErrorCode::invalid_request, std::move(text)}; };
  out.strict = request.strict;
  std::set<std::string_view> seen;
  for (const auto& one : request.components) {
    if (one.entity_type.empty()) return refuse("Unexpected empty filter component entity type");
    if (!seen.insert(one.entity_type).second) return refuse("Duplicate filter component entity type " + shortened(one.entity_type));
    if (one.match_type < 0 || one.match_type > static_cast<std::int8_t>(Match::any)) return refuse("Unknown match type " + std::to_string(one.match_type));
    const auto match = static_cast<Match>(one.match_type);
    if (match == Match::exact && !one.match) return refuse("Request specified MATCH_TYPE_EXACT, but set match string to null.");
    if (match != Match::exact && one.match) return refuse("Request specified a match type without a name, but also specified a match string.");
    const auto name = one.match.value_or(std::string_view());
    if (one.entity_type == kUserType) {
      out.user = match;
      out.user_name = name;
    } else if (one.entity_type == kClientType) {
      out.client = match;
      out.client_id = name;
    } else if (one.entity_type == kAddressType) {
      out.by_address = true;
    } else {
      return Refusal{wire::ErrorCode::unsupported_version, "Custom entity types are not supported: " + shortened(one.entity_type)};
    }
  }
  if (out.by_address && (out.user || out.client)) {
    return refuse("Invalid entity filter component combination, IP filter component should not be used with user or clientId filter component.");
  }
  return std::nullopt;
}

bool fits(const std::optional<Match>& match, std::string_view wanted, bool strict, Of of, std::string_view name) {
  if (!match) return !strict || of == Of::any;
  if (*match == Match::exact) return of == Of::named && name == wanted;
  if (*match == Match::others) return of == Of::others;
  return of != Of::any;
}

}  // namespace

void handle(Session&, const CallPtr& call, wire::DescribeClientQuotasRequest request) {
  wire::DescribeClientQuotasResponse response;
  if (!call->may(Operation::describe_configs)) {
    response.error_code = wire::ErrorCode::cluster_authorization_failed;
    response.error_message.reset();
    response.entries.reset();
    return call->reply(response);
  }
  Filter filter;
  if (auto wrong = read_filter(request, filter)) {
    response.error_code = wrong->error;
    response.error_message = std::move(wrong->text);
    response.entries.reset();
    return call->reply(response);
  }
  auto& entries = response.entries.emplace();
  const auto table = call->broker().quotas().table();
  for (const auto& [entity, values] : *table) {
    if (filter.by_address || !fits(filter.user, filter.user_name, filter.strict, entity.user, entity.user_name) ||
        !fits(filter.client, filter.client_id, filter.strict, entity.client, entity.client_id)) {
      continue;
    }
    auto& entry = entries.emplace_back();
    const auto add = [&](std::string_view type, Of of, const std::string& name) {
      if (of == Of::any) return;
      auto& part = entry.entity.emplace_back();
      part.entity_type = std::string(type);
      part.entity_name = of == Of::named ? std::optional(name) : std::nullopt;
    };
    add(kUserType, entity.user, entity.user_name);
    add(kClientType, entity.client, entity.client_id);
    for (const auto& [key, value] : values) entry.values.push_back({.key = key, .value = broker::rate_of(value)});
  }
  call->reply(response);
}

}  // namespace baton::kafka
