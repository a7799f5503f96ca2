// Listener: an address on which connections are accepted, and given to the cores. Lives on one core; private to the network of server/.
//
// Refused and closed: what is over limits.connections or limits.connections_per_address. Left waiting in the system's queue, with a pause instead of a
// busy loop: what is over limits.connections_per_second, and everything while the process has no descriptor to spare (F25).
#pragma once

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>

#include <memory>
#include <string>
#include <vector>

#include "server/core.h"
#include "server/output.h"

namespace baton::server {

class Listener {
 public:
  // Accepts on cores.front(), for all of them.
  Listener(NetworkState& state, const std::vector<std::unique_ptr<Core>>& cores, std::string name);

  [[nodiscard]] Result<std::uint16_t> bind(const std::string& address, std::uint16_t port);
  [[nodiscard]] Status bind_local(const std::string& path);
  [[nodiscard]] Status listen(net::ProtocolFactory factory);
  // On its core.
  void stop();
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  using Acceptor = asio::basic_socket_acceptor<asio::generic::stream_protocol, asio::io_context::executor_type>;
  using Peer = asio::generic::stream_protocol::endpoint;

  void wait();
  void accept_ready();
  void pause(std::int64_t duration_ns);
  [[nodiscard]] bool take_token();
  void admit(Core& core, Socket socket, const Peer& peer);
  [[nodiscard]] Core& least_loaded() const;

  NetworkState& state_;
  const std::vector<std::unique_ptr<Core>>& cores_;
  std::string name_;
  bool local_ = false;  // the unix socket: who comes is the owner of the data directory
  Acceptor acceptor_;
  asio::steady_timer timer_;
  std::shared_ptr<const net::ProtocolFactory> factory_;
  // limits.connections_per_second: tokens in thousandths of a connection, a second's worth at most.
  std::uint64_t tokens_;
  std::int64_t tokens_ns_;
};

}  // namespace baton::server
