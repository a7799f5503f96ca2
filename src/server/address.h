// IP addresses as text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace baton::server {

enum class Reach { loopback, any, other };  // this machine only; every interface; one interface
// Nothing when it is not an IPv4 or IPv6 address.
[[nodiscard]] std::optional<Reach> reach_of(const std::string& address);
// "127.0.0.1:9092", "[::1]:9092"
[[nodiscard]] std::string host_and_port(const std::string& host, std::uint16_t port);

}  // namespace baton::server
