#include "cli/kafka_acls.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <initializer_list>

#include <fmt/format.h>

#include "base/suggest.h"
#include "base/try.h"
#include "cli/output.h"

namespace baton::cli {
namespace {

template <typename E>
struct Word {
  E number;
  std::string_view text;
};
constexpr std::array kResources = {Word{RD_KAFKA_RESOURCE_TOPIC, "topic"}, Word{RD_KAFKA_RESOURCE_GROUP, "group"}, Word{RD_KAFKA_RESOURCE_BROKER, "cluster"}};
constexpr std::array kPatterns = {Word{RD_KAFKA_RESOURCE_PATTERN_MATCH, "match"}, Word{RD_KAFKA_RESOURCE_PATTERN_LITERAL, "literal"},
                                  Word{RD_KAFKA_RESOURCE_PATTERN_PREFIXED, "prefixed"}};
constexpr std::array kOperations = {Word{RD_KAFKA_ACL_OPERATION_ALL, "all"},
                                    Word{RD_KAFKA_ACL_OPERATION_READ, "read"},
                                    Word{RD_KAFKA_ACL_OPERATION_WRITE, "write"},
                                    Word{RD_KAFKA_ACL_OPERATION_CREATE, "create"},
                                    Word{RD_KAFKA_ACL_OPERATION_DELETE, "delete"},
                                    Word{RD_KAFKA_ACL_OPERATION_ALTER, "alter"},
                                    Word{RD_KAFKA_ACL_OPERATION_DESCRIBE, "describe"},
                                    Word{RD_KAFKA_ACL_OPERATION_CLUSTER_ACTION, "cluster-action"},
                                    Word{RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS, "describe-configs"},
                                    Word{RD_KAFKA_ACL_OPERATION_ALTER_CONFIGS, "alter-configs"},
                                    Word{RD_KAFKA_ACL_OPERATION_IDEMPOTENT_WRITE, "idempotent-write"}};
constexpr std::array kPermissions = {Word{RD_KAFKA_ACL_PERMISSION_TYPE_DENY, "deny"}, Word{RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW, "allow"}};

template <typename E, std::size_t N>
std::string word_of(const std::array<Word<E>, N>& words, E number) {
  const auto found = std::ranges::find(words, number, &Word<E>::number);
  return found == words.end() ? "unknown" : std::string(found->text);
}
// Without a text `any`, which all of these enumerations have as 1.
template <typename E, std::size_t N>
E number_of(const std::array<Word<E>, N>& words, const std::optional<std::string>& text) {
  if (!text) return static_cast<E>(1);
  const auto found = std::ranges::find(words, *text, &Word<E>::text);
  return found == words.end() ? static_cast<E>(0) : found->number;
}

AclEntry entry_of(const rd_kafka_AclBinding_t* acl) {
  return {.resource = word_of(kResources, rd_kafka_AclBinding_restype(acl)),
          .name = rd_kafka_AclBinding_name(acl),
          .pattern = word_of(kPatterns, rd_kafka_AclBinding_resource_pattern_type(acl)),
          .principal = rd_kafka_AclBinding_principal(acl),
          .host = rd_kafka_AclBinding_host(acl),
          .operation = word_of(kOperations, rd_kafka_AclBinding_operation(acl)),
          .permission = word_of(kPermissions, rd_kafka_AclBinding_permission_type(acl))};
}
// The protocol counts the bytes of a text in 16 bits with a sign, and librdkafka does not look: a longer one would be read as something else.
Status check_lengths(std::initializer_list<std::string_view> texts) {
  constexpr std::size_t kBytesMax = 32'767;
  for (const auto text : texts) {
    if (text.size() > kBytesMax)
      return Error{Code::invalid_argument, fmt::format("a name, principal or host has at most {} bytes, not {}", kBytesMax, text.size())};
  }
  return {};
}

using Binding = RdPtr<rd_kafka_AclBinding_t, rd_kafka_AclBinding_destroy>;
const char* text_or_null(const std::optional<std::string>& text) { return text ? text->c_str() : nullptr; }

Result<Binding> filter_of(const AclEntryFilter& f) {
  BATON_TRY(check_lengths({f.name.value_or(""), f.principal.value_or(""), f.host.value_or("")}));
  char error[512] = "";
  Binding out(rd_kafka_AclBindingFilter_new(number_of(kResources, f.resource), text_or_null(f.name), number_of(kPatterns, f.pattern),
                                            text_or_null(f.principal), text_or_null(f.host), number_of(kOperations, f.operation),
                                            number_of(kPermissions, f.permission), error, sizeof error));
  if (!out) return Error{Code::invalid_argument, std::string("access control entries: ") + error};
  return out;
}

}  // namespace

std::vector<std::string> acl_operations(std::string_view resource) {
  if (resource == "topic") return {"all", "read", "write", "create", "delete", "alter", "describe", "describe-configs", "alter-configs"};
  if (resource == "group") return {"all", "read", "delete", "describe", "describe-configs", "alter-configs"};
  if (resource == "cluster") return {"all", "create", "alter", "describe", "cluster-action", "describe-configs", "alter-configs", "idempotent-write"};
  return {};
}

Result<std::string> parse_acl_operation(std::string_view text) {
  const auto letters = [](std::string_view of) {
    std::string out;
    for (const char c : of) {
      if (c != '-' && c != '_') out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    return out;
  };
  std::vector<std::string> known;
  for (const auto& word : kOperations) {
    if (letters(word.text) == letters(text)) return std::string(word.text);
    known.emplace_back(word.text);
  }
  return Error{Code::invalid_argument, "there is no operation '" + printable(std::string(text)) + "'; " + base::suggest(text, known)};
}

std::string to_string(const AclEntry& e) {
  return printable(fmt::format("{} {}{} to {} {}", e.permission, e.principal, e.host == "*" ? "" : " at " + e.host, e.operation,
                               e.resource == "cluster" ? "the cluster" : fmt::format("{}{} '{}'", e.resource, e.pattern == "prefixed" ? "s that begin with" : "", e.name)));
}

Result<std::vector<AclEntry>> list_acls(KafkaClient& client, const AclEntryFilter& filter) {
  BATON_TRY_ASSIGN(const auto request, filter_of(filter));
  BATON_TRY_ASSIGN(const auto event, client.admin(RD_KAFKA_ADMIN_OP_DESCRIBEACLS, "access control entries", [&](const auto* options, auto* queue) {
    rd_kafka_DescribeAcls(client.get(), request.get(), options, queue);
  }));
  std::size_t count = 0;
  const auto** acls = rd_kafka_DescribeAcls_result_acls(rd_kafka_event_DescribeAcls_result(event.get()), &count);
  std::vector<AclEntry> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(entry_of(acls[i]));
  put_in_order(out);
  return out;
}

Result<ChangedAcls> add_acls(KafkaClient& client, const std::vector<AclEntry>& entries) {
  std::vector<Binding> bindings;
  std::vector<rd_kafka_AclBinding_t*> raw;
  for (const auto& e : entries) {
    BATON_TRY(check_lengths({e.name, e.principal, e.host}));
    char error[512] = "";
    bindings.emplace_back(rd_kafka_AclBinding_new(number_of(kResources, e.resource), e.name.c_str(), number_of(kPatterns, e.pattern), e.principal.c_str(),
                                                  e.host.c_str(), number_of(kOperations, e.operation), number_of(kPermissions, e.permission), error, sizeof error));
    if (!bindings.back()) return Error{Code::invalid_argument, to_string(e) + ": " + error};
    raw.push_back(bindings.back().get());
  }
  BATON_TRY_ASSIGN(const auto event, client.admin(RD_KAFKA_ADMIN_OP_CREATEACLS, "access control entries", [&](const auto* options, auto* queue) {
    rd_kafka_CreateAcls(client.get(), raw.data(), raw.size(), options, queue);
  }));
  std::size_t count = 0;
  const auto** results = rd_kafka_CreateAcls_result_acls(rd_kafka_event_CreateAcls_result(event.get()), &count);
  if (count != entries.size()) return Error{Code::unavailable, "access control entries: the broker's answer does not have all of them"};
  ChangedAcls out;
  for (std::size_t i = 0; i < count; ++i) {
    auto status = kafka_status(rd_kafka_acl_result_error(results[i]), to_string(entries[i]));
    if (status) out.changed.push_back(entries[i]);
    else if (out.refused) out.refused = std::move(status);
  }
  put_in_order(out.changed);
  return out;
}

Result<ChangedAcls> remove_acls(KafkaClient& client, const std::vector<AclEntryFilter>& filters) {
  std::vector<Binding> bindings;
  std::vector<rd_kafka_AclBinding_t*> raw;
  for (const auto& filter : filters) {
    BATON_TRY_ASSIGN(auto binding, filter_of(filter));
    raw.push_back(bindings.emplace_back(std::move(binding)).get());
  }
  BATON_TRY_ASSIGN(const auto event, client.admin(RD_KAFKA_ADMIN_OP_DELETEACLS, "access control entries", [&](const auto* options, auto* queue) {
    rd_kafka_DeleteAcls(client.get(), raw.data(), raw.size(), options, queue);
  }));
  std::size_t count = 0;
  const auto** responses = rd_kafka_DeleteAcls_result_responses(rd_kafka_event_DeleteAcls_result(event.get()), &count);
  ChangedAcls out;
  const auto note = [&](Status status) {
    if (!status && out.refused) out.refused = std::move(status);
  };
  for (std::size_t i = 0; i < count; ++i) {
    note(kafka_status(rd_kafka_DeleteAcls_result_response_error(responses[i]), "access control entries"));
    std::size_t matching = 0;
    const auto** acls = rd_kafka_DeleteAcls_result_response_matching_acls(responses[i], &matching);
    for (std::size_t j = 0; j < matching; ++j) {
      auto status = kafka_status(rd_kafka_AclBinding_error(acls[j]), to_string(entry_of(acls[j])));
      if (status) out.changed.push_back(entry_of(acls[j]));
      note(std::move(status));
    }
  }
  put_in_order(out.changed);
  return out;
}

}  // namespace baton::cli
