// HTTP/1.1 on one connection: bytes to requests, responses to bytes (RFC 9112). The only user of Boost.Beast.
//
// Requests may be pipelined. What is refused before a handler sees it: broken requests (400), a body of more than `body_bytes_max` (413), a header of more than
// `header_bytes_max` (431), another host (421), Transfer-Encoding together with Content-Length, or any but "chunked" (400): two readers of one connection could disagree on where it ends.
// Fields behind the last chunk are dropped, and so is what comes behind a request that was to be the last one.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gateway/http.h"
#include "net/protocol.h"

namespace baton::gateway {

struct HttpLimits {
  std::uint32_t header_bytes_max = 16u << 10;  // request line and headers
  std::uint64_t body_bytes_max = 8u << 20;
  std::size_t headers_max = 100;
  // Names that a request may ask for in Host, as host_name() gives them, without a port; IP addresses of this machine's loopback are always allowed. S22: a page in a browser that has its own
  // name point here asks for that name.
  std::vector<std::string> hosts;
};

// A configured name or address as it is compared: lower case, without the dot of the root, IPv6 in brackets.
[[nodiscard]] std::string host_name(std::string_view text);

// Answers one request. `respond` is called exactly once, from any thread. On the core of the connection.
using HttpHandler = std::function<void(Request request, const net::ConnectionInfo& connection, std::function<void(Response)> respond)>;

// What a request may begin beside, by its method and target (RFC 9112, section 9.3.2).
using HttpTurn = net::Turn (*)(std::string_view method, std::string_view target);

// `handler` and `limits` outlive the connections.
[[nodiscard]] net::ProtocolFactory http(const HttpHandler& handler, const HttpLimits& limits, HttpTurn turn);

}  // namespace baton::gateway
