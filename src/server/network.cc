#include "server/network.h"

#include <algorithm>

#include "base/try.h"
#include "os/socket.h"
#include "server/core.h"
#include "server/listener.h"

namespace baton::server {
namespace {
// Descriptors for the store's own files, whatever comes.
constexpr std::uint64_t kDescriptorsKept = 512;
}  // namespace

class Network::Impl {
 public:
  Impl(os::Env& env, Logger& logger, const Limits& limits, std::size_t threads) : state(env, logger, limits) {
    os::ignore_broken_pipes();
    const auto files = os::descriptor_limit();
    const auto left = files > 2 * kDescriptorsKept ? files - kDescriptorsKept : std::max<std::uint64_t>(files / 2, 1);
    state.connections_max = std::min(limits.connections, left);
    for (std::size_t i = 0; i < threads; ++i) cores.push_back(std::make_unique<Core>(state, i));
    for (const auto& core : cores) core->start();
  }

  ~Impl() { stop(0); }

  bool stop(std::uint64_t limit_ms) {
    if (stopped) return true;
    stopped = true;
    for (const auto& listener : listeners) cores.front()->mailbox()->post([&listener] { listener->stop(); });
    bool all = drain(limit_ms);
    for (const auto& core : cores) core->stop();
    return all;
  }

  // True once no connection is left.
  bool drain(std::uint64_t limit_ms) {
    const std::shared_ptr<os::Env::Waiter> waiter = state.env.make_waiter();
    for (const auto& core : cores) core->drain(waiter);
    const auto deadline = state.env.clock().monotonic_ns() + static_cast<std::int64_t>(limit_ms) * 1'000'000;
    while (state.connections > 0) {
      const auto left = deadline - state.env.clock().monotonic_ns();
      if (left <= 0) return false;
      (void)waiter->wait(left);
    }
    return true;
  }

  NetworkState state;
  std::vector<std::unique_ptr<Core>> cores;
  std::vector<std::unique_ptr<Listener>> listeners;  // before the cores, on whose io_context they are
  bool stopped = false;
};

Network::Network(os::Env& env, Logger& logger, const Limits& limits, std::size_t threads)
    : impl_(std::make_unique<Impl>(env, logger, limits, threads)) {
  if (impl_->state.connections_max < limits.connections) {
    logger.log(LogLevel::warning, "fewer connections than configured",
               {{"connections", impl_->state.connections_max},
                {"limits.connections", limits.connections},
                {"reason", "the limit on open files"}});
  }
}

Network::~Network() = default;

Result<std::uint16_t> Network::bind(const std::string& listener, const std::string& address, std::uint16_t port) {
  auto made = std::make_unique<Listener>(impl_->state, impl_->cores, listener);
  BATON_TRY_ASSIGN(const auto bound, made->bind(address, port));
  impl_->listeners.push_back(std::move(made));
  return bound;
}

Status Network::bind_local(const std::string& listener, const std::string& path) {
  auto made = std::make_unique<Listener>(impl_->state, impl_->cores, listener);
  BATON_TRY(made->bind_local(path));
  impl_->listeners.push_back(std::move(made));
  return {};
}

Status Network::listen(const std::string& listener, net::ProtocolFactory factory) {
  const auto found = std::ranges::find(impl_->listeners, listener, [](const auto& l) { return l->name(); });
  if (found == impl_->listeners.end()) return Error{Code::not_found, "listener " + listener + " has no address"};
  return (*found)->listen(std::move(factory));
}

bool Network::stop(std::uint64_t limit_ms) { return impl_->stop(limit_ms); }

std::uint64_t Network::connections_max() const { return impl_->state.connections_max; }

NetworkCounts Network::counts() const {
  const auto& s = impl_->state;
  return {.connections = s.connections,
          .accepted = s.accepted,
          .refused_total = s.refused_total,
          .refused_address = s.refused_address,
          .delayed = s.delayed,
          .accept_failures = s.accept_failures,
          .requests = s.requests,
          .closed_malformed = s.closed_malformed,
          .closed_handshake = s.closed_handshake,
          .closed_slow_sender = s.closed_slow_sender,
          .closed_slow_reader = s.closed_slow_reader,
          .closed_idle = s.closed_idle,
          .closed_protocol = s.closed_protocol,
          .frame_bytes = s.budget->used(),
          .waiting_for_budget = s.budget->waiting(),
          .bytes_in = s.bytes_in,
          .bytes_out = s.bytes_out};
}

}  // namespace baton::server
