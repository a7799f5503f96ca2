// Every message of the table, for programs that meet them by name or key: tests, fuzzing, comparisons with other brokers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <baton/result.h>

#include "kafka/wire/codec.h"
#include "kafka/wire/json_text.h"

namespace baton::kafka::wire {

struct MessageType {
  std::string_view name;      // "ProduceRequest"
  std::optional<ApiKey> api;  // nothing for headers and the consumer protocol
  bool is_request;
  VersionRange versions;
  std::int16_t flexible_from;
  // Decodes a body, and encodes it again into `again` where that is given. The JSON of what was decoded.
  Result<std::string> (*convert)(base::ByteView body, std::int16_t version, Encoder* again, const DecodeLimits& limits);
};

[[nodiscard]] std::span<const MessageType> message_types();
// Null if there is none.
[[nodiscard]] const MessageType* find_message(std::string_view name);
[[nodiscard]] const MessageType* find_message(std::int16_t key, bool request);

template <typename M>
Result<std::string> convert_message(base::ByteView body, std::int16_t version, Encoder* again, const DecodeLimits& limits) {
  auto message = decode<M>(body, version, limits);
  if (!message) return message.error();
  if (again != nullptr) {
    const Status status = encode(*again, version, *message);
    if (!status) return status.error();
  }
  JsonText json;
  message->dump(json, version);
  return json.text();
}

template <typename M>
constexpr MessageType message_type() {
  MessageType type{M::kName, std::nullopt, false, M::kVersions, M::kFlexibleFrom, &convert_message<M>};
  if constexpr (requires { M::kApi; }) {
    type.api = M::kApi;
    type.is_request = M::kIsRequest;
  }
  return type;
}

}  // namespace baton::kafka::wire
