// Messages to bytes and back.
//
//   Decoder in(frame);                                   // without its length
//   auto header = decode_request_header(in);
//   if (header->request_api_key == ...) auto request = decode<ProduceRequest>(in, header->request_api_version);
//
//   append_response(out, header->correlation_id, version, response);
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

#include <baton/result.h>

#include "kafka/wire/api.h"
#include "kafka/wire/decoder.h"
#include "kafka/wire/encoder.h"
#include "kafka/wire/header.h"

namespace baton::kafka::wire {

namespace detail {
[[nodiscard]] Error unknown_version(std::string_view message, VersionRange known, std::int16_t version);
[[nodiscard]] Status request_header(Encoder& out, ApiKey api, std::int16_t version, std::int32_t correlation_id,
                                    std::optional<std::string_view> client_id);
[[nodiscard]] Status response_header(Encoder& out, ApiKey api, std::int16_t version, std::int32_t correlation_id);
[[nodiscard]] Status end_frame(Encoder& out, std::size_t start, Status body);
}  // namespace detail

// All that is left of `in` as a message. Behind a request there may be more, which is not looked at, as Kafka does: librdkafka 2.16 leaves three
// bytes behind a Metadata request for all topics. Errors say message, version, field, byte and reason.
template <typename M>
[[nodiscard]] Result<M> decode(Decoder& in, std::int16_t version) {
  if (!M::kVersions.contains(version)) return detail::unknown_version(M::kName, M::kVersions, version);
  in.set_flexible(version >= M::kFlexibleFrom);
  constexpr bool is_request = std::string_view(M::kName).ends_with("Request");
  M message;
  if (!message.read(in, version) || (!is_request && !in.finish())) return in.error(M::kName, version);
  return message;
}
template <typename M>
[[nodiscard]] Result<M> decode(base::ByteView body, std::int16_t version, const DecodeLimits& limits = {}) {
  Decoder in(body, limits);
  return decode<M>(in, version);
}

// Appends a message. A value in a field that the version does not have is an error, unless the protocol says that it may be
// left out.
template <typename M>
[[nodiscard]] Status encode(Encoder& out, std::int16_t version, const M& message) {
  if (!M::kVersions.contains(version)) return detail::unknown_version(M::kName, M::kVersions, version);
  out.set_flexible(version >= M::kFlexibleFrom);
  if (!message.write(out, version)) return out.error(M::kName, version);
  return {};
}

// What consumers tell each other (consumer_protocol.h): its version stands in front of it. Of a version newer than ours, what we
// know is read, and the rest ignored, as consumers do.
template <typename M>
[[nodiscard]] Result<M> decode_with_version(base::ByteView bytes, const DecodeLimits& limits = {}) {
  Decoder in(bytes, limits);
  std::int16_t version = 0;
  if (!in.get(version)) return in.error(M::kName, 0);
  if (version < M::kVersions.first) return detail::unknown_version(M::kName, M::kVersions, version);
  M message;
  if (!message.read(in, std::min(version, M::kVersions.last))) return in.error(M::kName, version);
  return message;
}
template <typename M>
[[nodiscard]] Status encode_with_version(Encoder& out, std::int16_t version, const M& message) {
  out.put(version);
  return encode(out, version, message);
}

// The header of a request, whatever its version. An API that the table does not have is an error: where the header ends is
// not known then. A version that it does not have is none.
[[nodiscard]] Result<RequestHeader> decode_request_header(Decoder& in);

// The header of the response to a request.
[[nodiscard]] Result<ResponseHeader> decode_response_header(Decoder& in, ApiKey api, std::int16_t version);

// Header and body, without the length in front. Nothing stays of what fails.
template <typename M>
  requires(M::kIsRequest)
[[nodiscard]] Status encode_request(Encoder& out, std::int32_t correlation_id, std::optional<std::string_view> client_id,
                                    std::int16_t version, const M& message) {
  const std::size_t start = out.size();
  Status status = detail::request_header(out, M::kApi, version, correlation_id, client_id);
  if (status) status = encode(out, version, message);
  if (!status) out.truncate(start);
  return status;
}
template <typename M>
  requires(!M::kIsRequest)
[[nodiscard]] Status encode_response(Encoder& out, std::int32_t correlation_id, std::int16_t version, const M& message) {
  const std::size_t start = out.size();
  Status status = detail::response_header(out, M::kApi, version, correlation_id);
  if (status) status = encode(out, version, message);
  if (!status) out.truncate(start);
  return status;
}

// A whole frame: length, header, body.
template <typename M>
[[nodiscard]] Status append_request(Encoder& out, std::int32_t correlation_id, std::optional<std::string_view> client_id,
                                    std::int16_t version, const M& message) {
  const std::size_t start = out.reserve_int32();
  return detail::end_frame(out, start, encode_request(out, correlation_id, client_id, version, message));
}
template <typename M>
[[nodiscard]] Status append_response(Encoder& out, std::int32_t correlation_id, std::int16_t version, const M& message) {
  const std::size_t start = out.reserve_int32();
  return detail::end_frame(out, start, encode_response(out, correlation_id, version, message));
}

}  // namespace baton::kafka::wire
