// Network: the sockets of the server. N threads, each with an io_context; a listener hands each new connection to one of them, where it
// stays for its life. What the bytes mean is behind net::Protocol.
//
// Owned by Server; made and stopped on its thread. No header of Asio is needed to use it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include <baton/result.h>

#include "net/protocol.h"
#include "os/env.h"
#include "server/config.h"
#include "server/logger.h"

namespace baton::server {

struct NetworkCounts {
  std::uint64_t connections = 0;      // now
  std::uint64_t accepted = 0;         // since the start, as all below
  std::uint64_t refused_total = 0;    // over limits.connections
  std::uint64_t refused_address = 0;  // over limits.connections_per_address
  std::uint64_t delayed = 0;          // times that accepting paused: limits.connections_per_second
  std::uint64_t accept_failures = 0;  // the system gave no descriptor or no memory
  std::uint64_t requests = 0;
  std::uint64_t closed_malformed = 0;  // what came was no request: a length that cannot be, broken HTTP
  std::uint64_t closed_handshake = 0;
  std::uint64_t closed_slow_sender = 0;
  std::uint64_t closed_slow_reader = 0;
  std::uint64_t closed_idle = 0;
  std::uint64_t closed_protocol = 0;     // a request was answered with an error
  std::uint64_t frame_bytes = 0;         // in flight now
  std::uint64_t waiting_for_budget = 0;  // connections, now
  std::uint64_t bytes_in = 0, bytes_out = 0;
};

class Network {
 public:
  Network(os::Env& env, Logger& logger, const Limits& limits, std::size_t threads);
  ~Network();  // stops at once, if stop was not called

  // Takes an address, without listening yet: the port (which the system chose when 0 was given). unavailable: it is in use or not this machine's.
  [[nodiscard]] Result<std::uint16_t> bind(const std::string& listener, const std::string& address, std::uint16_t port);
  // The same for a unix socket that only this user can connect to. A file that is there is replaced: the caller knows that no other process listens there.
  [[nodiscard]] Status bind_local(const std::string& listener, const std::string& path);
  // Begins to accept on a listener that was bound.
  [[nodiscard]] Status listen(const std::string& listener, net::ProtocolFactory factory);
  // Accepts no more, lets requests in flight end for at most so long, closes all. False when some were cut off.
  bool stop(std::uint64_t limit_ms);

  [[nodiscard]] NetworkCounts counts() const;
  // limits.connections, or what the limit on open files leaves.
  [[nodiscard]] std::uint64_t connections_max() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace baton::server
