#include "server/address.h"

#include <boost/asio/ip/address.hpp>

namespace baton::server {

std::optional<Reach> reach_of(const std::string& address) {
  boost::system::error_code error;
  auto ip = boost::asio::ip::make_address(address, error);
  if (error) return std::nullopt;
  // ::ffff:127.0.0.1 is the machine itself, and ::ffff:0.0.0.0 every interface.
  if (ip.is_v6() && ip.to_v6().is_v4_mapped()) ip = boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, ip.to_v6());
  if (ip.is_loopback()) return Reach::loopback;
  return ip.is_unspecified() ? Reach::any : Reach::other;
}

std::string host_and_port(const std::string& host, std::uint16_t port) {
  return (host.contains(':') ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

}  // namespace baton::server
