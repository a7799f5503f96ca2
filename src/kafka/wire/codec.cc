#include "kafka/wire/codec.h"

#include <limits>

namespace baton::kafka::wire {
namespace detail {

Error unknown_version(std::string_view message, VersionRange known, std::int16_t version) {
  return {Code::invalid_argument, std::string(message) + " has versions " + std::to_string(known.first) + " to " +
                                      std::to_string(known.last) + ", not " + std::to_string(version)};
}

Status request_header(Encoder& out, ApiKey api, std::int16_t version, std::int32_t correlation_id,
                      std::optional<std::string_view> client_id) {
  const RequestHeader header{.request_api_key = static_cast<std::int16_t>(api),
                             .request_api_version = version,
                             .correlation_id = correlation_id,
                             .client_id = client_id};
  return encode(out, request_header_version(api, version), header);
}

Status response_header(Encoder& out, ApiKey api, std::int16_t version, std::int32_t correlation_id) {
  return encode(out, response_header_version(api, version), ResponseHeader{.correlation_id = correlation_id});
}

Status end_frame(Encoder& out, std::size_t start, Status body) {
  if (!body) {
    out.truncate(start);
    return body;
  }
  std::size_t bytes = out.size() - start - sizeof(std::int32_t);
  for (const Elsewhere& e : out.elsewhere()) {
    if (e.at >= start) bytes += e.bytes;
  }
  if (bytes > std::numeric_limits<std::int32_t>::max()) {
    out.truncate(start);
    return Error{Code::too_large, "a frame of " + std::to_string(bytes) + " bytes: the protocol has 32 bits for its length"};
  }
  out.set_int32(start, static_cast<std::int32_t>(bytes));
  return {};
}

}  // namespace detail

namespace {

template <typename Header>
Result<Header> read_header(Decoder& in, std::int16_t version) {
  in.set_flexible(version >= Header::kFlexibleFrom);
  Header header;
  if (!header.read(in, version)) return in.error(Header::kName, version);
  return header;
}

}  // namespace

Result<RequestHeader> decode_request_header(Decoder& in) {
  // The version of the header follows from what its first four bytes say.
  Decoder ahead(in.rest());
  std::int16_t key = 0;
  std::int16_t version = 0;
  if (!ahead.get(key) || !ahead.get(version)) return ahead.error(RequestHeader::kName, 1);
  const ApiInfo* api = find_api(key);
  if (api == nullptr) return Error{Code::invalid_argument, "a request of the unknown API " + std::to_string(key)};
  if (version < 0) return Error{Code::invalid_argument, "a request of version " + std::to_string(version)};
  return read_header<RequestHeader>(in, request_header_version(api->key, version));
}

Result<ResponseHeader> decode_response_header(Decoder& in, ApiKey api, std::int16_t version) {
  return read_header<ResponseHeader>(in, response_header_version(api, version));
}

}  // namespace baton::kafka::wire
