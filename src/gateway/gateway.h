// Gateway: the HTTP API of one store: takes a request to the handler of its route. Without sockets; tests call it as the server does.
//
// Threads: any. It must outlive the connections that use it, and what it is given must outlive it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <baton/store.h>

#include "broker/broker.h"
#include "gateway/call.h"
#include "gateway/http_protocol.h"
#include "gateway/metrics.h"
#include "gateway/read_lanes.h"
#include "gateway/routes.h"
#include "view/views.h"

namespace baton::gateway {

struct GatewayOptions {
  HttpLimits http;
  std::size_t readers = 2;
  std::size_t reads_waiting_max = 4096;
  std::int64_t query_timeout_ms = 10'000;   // of a view
  std::int64_t heartbeat_ms = 15'000;       // of server-sent events
  std::size_t streams_max = 10'000;         // of server-sent events, at once
};

class Gateway {
 public:
  // `views` may be null: then there are none. `server_metrics` adds what the server itself counts.
  Gateway(os::Env& env, Store& store, broker::Broker& broker, view::ViewManager* views, GatewayOptions options,
          std::function<void(MetricsText&)> server_metrics);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  // When no connection is left: reads that have begun end, those that wait are dropped.
  void stop() {
    stopping_ = true;
    readers_.end();
  }

  [[nodiscard]] net::ProtocolFactory protocol() const { return http(handler_, options_.http, &turn); }
  [[nodiscard]] static net::Turn turn(std::string_view method, std::string_view target);
  void handle(Request request, os::Executor& core, std::function<void(Response)> respond);

  [[nodiscard]] os::Env& env() const { return env_; }
  [[nodiscard]] Store& store() const { return store_; }
  [[nodiscard]] broker::Broker& broker() const { return broker_; }
  [[nodiscard]] view::ViewManager* views() const { return views_; }
  [[nodiscard]] const GatewayOptions& options() const { return options_; }
  [[nodiscard]] ReadLanes& readers() { return readers_; }
  // What the client of a request may do: its rights (broker/rights.h).
  [[nodiscard]] bool may(const Request& request, broker::Operation operation, broker::Resource resource, std::string_view name) const;
  [[nodiscard]] bool may_describe_store(const Request& request) const;
  // On a context. Nothing: yes; otherwise the answer.
  [[nodiscard]] std::optional<Response> refuse(const Request& request, broker::Operation operation, std::string_view context) const;
  // Runs `read` on a reader and answers with what it returns; an error when too many reads wait.
  void read(const CallPtr& call, std::function<Result<Response>()> read, ReadLanes::Lane lane = ReadLanes::Lane::reads);

  // Ends queries of views that are under way.
  [[nodiscard]] const std::atomic<bool>& stopping() const { return stopping_; }
  [[nodiscard]] os::Clock& clock() { return env_.clock(); }
  [[nodiscard]] std::atomic<std::uint64_t>& open_streams() { return open_streams_; }
  // Prometheus' text format.
  [[nodiscard]] std::string metrics();

 private:
  // Requests of one route, by the first digit of their status.
  struct Counts {
    std::array<std::atomic<std::uint64_t>, 6> by_class{};
    Histogram seconds;
  };
  [[nodiscard]] std::optional<Response> refuse(const Call& call) const;
  void count(std::size_t route, int status, std::int64_t began_ns);

  os::Env& env_;
  Store& store_;
  broker::Broker& broker_;
  view::ViewManager* const views_;
  const GatewayOptions options_;
  const std::function<void(MetricsText&)> server_metrics_;
  const HttpHandler handler_;
  std::atomic<std::uint64_t> open_streams_{0};
  std::atomic<bool> stopping_{false};
  std::vector<Counts> counts_;  // one a route, and one for what has none
  ReadLanes readers_;           // last: what runs there uses the rest
};

}  // namespace baton::gateway
