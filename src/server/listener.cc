#include "server/listener.h"

#include <boost/asio/ip/tcp.hpp>

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/try.h"
#include "os/socket.h"
#include "server/address.h"
#include "server/connection.h"

namespace baton::server {
namespace {

constexpr std::int64_t kMillisecond = 1'000'000;
constexpr int kAcceptsAtOnce = 64;
constexpr std::int64_t kNoDescriptorPause = 100 * kMillisecond;
constexpr std::uint64_t kToken = 1'000;

using Tcp = asio::ip::tcp;

// Nothing of a local peer, which has no address.
std::optional<Tcp::endpoint> tcp_endpoint(const asio::generic::stream_protocol::endpoint& endpoint) {
  const int family = endpoint.protocol().family();
  if (family != AF_INET && family != AF_INET6) return std::nullopt;
  Tcp::endpoint out;
  if (endpoint.size() > out.capacity()) return std::nullopt;
  std::memcpy(out.data(), endpoint.data(), endpoint.size());
  out.resize(endpoint.size());
  return out;
}

// An IPv4 client of a listener on an IPv6 address is shown, and has its rights, by its own address.
std::string text_of(const std::optional<Tcp::endpoint>& peer) {
  if (!peer) return "local";
  const std::string address = peer->address().to_string();
  return host_and_port(os::canonical_address(address).value_or(address), peer->port());
}

// The process or the machine is out of something that may come back.
bool exhausted(const error_code& error) {
  return error == asio::error::no_descriptors || error == asio::error::no_buffer_space || error == asio::error::no_memory ||
         error == boost::system::errc::too_many_files_open_in_system;
}

}  // namespace

Listener::Listener(NetworkState& state, const std::vector<std::unique_ptr<Core>>& cores, std::string name)
    : state_(state),
      cores_(cores),
      name_(std::move(name)),
      acceptor_(cores.front()->io()),
      timer_(cores.front()->io()),
      tokens_(state.limits.connections_per_second * kToken),
      tokens_ns_(state.env.clock().monotonic_ns()) {}

Result<std::uint16_t> Listener::bind(const std::string& address, std::uint16_t port) {
  error_code error;
  const Tcp::endpoint wanted(asio::ip::make_address(address, error), port);
  if (error) return Error{Code::invalid_argument, "listener " + name_ + ": '" + address + "' is no IP address"};
  const auto failed = [&] {
    std::string advice;
    if (error == asio::error::address_in_use) advice = "; another process listens there, choose another port";
    return Error{Code::unavailable,
                 "listener " + name_ + ": cannot listen on " + host_and_port(address, port) + ": " + error.message() + advice};
  };
  if (acceptor_.open(wanted.protocol(), error); error) return failed();
  if (acceptor_.set_option(Acceptor::reuse_address(true), error); error) return failed();
  if (acceptor_.bind(Peer(wanted), error); error) return failed();
  const auto bound = acceptor_.local_endpoint(error);
  const auto endpoint = tcp_endpoint(bound);
  if (error || !endpoint) return failed();
  return endpoint->port();
}

Status Listener::bind_local(const std::string& path) {
  BATON_TRY_ASSIGN(const int socket, os::bind_local_socket(path));
  error_code error;
  acceptor_.assign(asio::generic::stream_protocol(AF_UNIX, 0), socket, error);
  if (error) return Error{Code::unavailable, "listener " + name_ + ": " + path + ": " + error.message()};
  local_ = true;
  return {};
}

Status Listener::listen(net::ProtocolFactory factory) {
  factory_ = std::make_shared<const net::ProtocolFactory>(std::move(factory));
  error_code error;
  acceptor_.listen(Acceptor::max_listen_connections, error);
  if (!error) acceptor_.non_blocking(true, error);
  // Two sockets may be bound to one port; only one may listen.
  if (error) return Error{Code::unavailable, "listener " + name_ + ": cannot listen: " + error.message()};
  cores_.front()->mailbox()->post([this] { wait(); });
  return {};
}

void Listener::stop() {
  error_code ignored;
  acceptor_.close(ignored);
  timer_.cancel();
}

void Listener::wait() {
  if (!acceptor_.is_open()) return;
  acceptor_.async_wait(Acceptor::wait_read, [this](const error_code& error) {
    if (!error) accept_ready();
  });
}

void Listener::accept_ready() {
  for (int i = 0; i < kAcceptsAtOnce; ++i) {
    if (!take_token()) {
      ++state_.delayed;
      state_.logger.limited(
          state_.log_delayed, LogLevel::warning, "connections wait",
          {{"listener", name_}, {"reason", "limits.connections_per_second"}, {"limit", state_.limits.connections_per_second}});
      const auto each = 1'000 * kMillisecond / static_cast<std::int64_t>(state_.limits.connections_per_second);
      return pause(std::max(each, 5 * kMillisecond));
    }
    error_code error;
    Peer peer;
    Core& core = least_loaded();
    Socket socket(core.io());
    acceptor_.accept(socket, peer, error);
    if (error) tokens_ += kToken;
    if (error == asio::error::would_block || error == asio::error::try_again) return wait();
    if (exhausted(error)) {
      ++state_.accept_failures;
      state_.logger.limited(state_.log_accept, LogLevel::error, "connections wait",
                            {{"listener", name_},
                             {"reason", error.message()},
                             {"advice", "raise the limit on open files, or lower limits.connections"}});
      return pause(kNoDescriptorPause);
    }
    if (!error) admit(core, std::move(socket), peer);  // else: this one has gone again
  }
  wait();  // others on this core first
}

void Listener::pause(std::int64_t duration_ns) {
  timer_.expires_after(std::chrono::nanoseconds(duration_ns));
  timer_.async_wait([this](const error_code& error) {
    if (!error) wait();
  });
}

bool Listener::take_token() {
  const auto now = state_.env.clock().monotonic_ns();
  const auto rate = state_.limits.connections_per_second;
  // Whole milliseconds only, so that nothing is lost by rounding.
  const auto milliseconds = std::min<std::int64_t>((now - tokens_ns_) / kMillisecond, 60'000);
  if (milliseconds > 0) {
    tokens_ = std::min(tokens_ + rate * static_cast<std::uint64_t>(milliseconds) * kToken / 1'000, rate * kToken);
    tokens_ns_ = milliseconds == 60'000 ? now : tokens_ns_ + milliseconds * kMillisecond;
  }
  if (tokens_ < kToken) return false;
  tokens_ -= kToken;
  return true;
}

void Listener::admit(Core& core, Socket socket, const Peer& from) {
  const char* reason = nullptr;
  const auto peer = tcp_endpoint(from);
  if (state_.connections >= state_.connections_max) {
    ++state_.refused_total;
    reason = "limits.connections";
  } else if (peer && !state_.enter(peer->address())) {
    ++state_.refused_address;
    reason = "limits.connections_per_address";
  }
  if (reason != nullptr) {
    state_.logger.limited(state_.log_refused, LogLevel::warning, "connection refused",
                          {{"listener", name_}, {"peer", text_of(peer)}, {"reason", reason}});
    return;  // the socket closes
  }
  error_code error;
  socket.non_blocking(true, error);
  if (!error && peer) socket.set_option(Tcp::no_delay(true), error);
  if (!error && peer) socket.set_option(Socket::keep_alive(true), error);
  if (error) {  // it has gone again
    if (peer) state_.leave(peer->address());
    return;
  }
  ++state_.connections;
  ++state_.accepted;
  core.reserve();
  core.mailbox()->post([&core, socket = std::move(socket), address = peer ? std::optional(peer->address()) : std::nullopt,
                        factory = factory_, info = net::ConnectionInfo{text_of(peer), name_, local_, &core.executor()}]() mutable {
    auto connection = std::make_shared<Connection>(core, std::move(socket), std::move(address), std::move(info));
    core.add(connection);
    if (core.draining()) return connection->close();
    connection->start(*factory);
  });
}

Core& Listener::least_loaded() const {
  return **std::ranges::min_element(cores_, {}, [](const auto& core) { return core->load(); });
}

}  // namespace baton::server
