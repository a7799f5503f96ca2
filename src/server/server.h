// Server: what `baton serve` is made of, and the order in which it begins and ends.
//
//   bind()    takes the addresses, so that a port in use is known before the store is touched
//   start()   opens the store (recovers it, raises its epoch), makes the services, listens: ready
//   run()     waits for SIGINT or SIGTERM, or for the end of the store; stops
//
// A stop: no more connections, requests in flight end within `shutdown_ms`, the store is closed and leaves its clean mark. A second signal ends the
// process at once (os/terminal.h), which loses nothing that was acknowledged, as SIGKILL does not.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <baton/store.h>

#include "net/framing.h"
#include "os/env.h"
#include "server/config.h"
#include "server/logger.h"
#include "server/network.h"

namespace baton::broker {
class Broker;
}
namespace baton::engine {
class Engine;
}
namespace baton::gateway {
class Gateway;
class MetricsText;
}
namespace baton::store {
class StoreCore;
}
namespace baton::view {
class ViewManager;
}

namespace baton::server {

// What a service is given. All of it outlives the handlers of connections and the factory that makes them.
struct ServiceContext {
  os::Env& env;
  Logger& logger;
  const Config& config;
  Store& store;            // what users of the library have
  store::StoreCore& core;  // its owner's side
  broker::Broker& broker;
  std::string advertised_host;
  std::uint16_t advertised_port = 0;
};
// Called once, when the store is open. What the service owns lives in the factory that it returns, which is destroyed when no connection is left and the store is
// closed, when nothing that it has asked of the store is unanswered, and before the store is destroyed.
using KafkaService = std::function<Result<net::HandlerFactory>(const ServiceContext&)>;

// What is served. The program serves all of it; tests put a protocol of their own in Kafka's place.
struct Services {
  KafkaService kafka;  // without it, there is no listener for it
  bool http = false;   // and the unix socket in the data directory, which carries the same
};

class Server {
 public:
  Server(os::Env& env, Config config, Services services);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] Status bind();   // unavailable
  [[nodiscard]] Status start();  // what Store::open returns: locked, corrupt, ...
  // The line that says so, for people or as JSON.
  [[nodiscard]] std::string ready_line(bool json) const;
  // Fine after a signal; else why the store ended. Needs os::watch_interrupts().
  [[nodiscard]] Status run();

 private:
  struct Listening {
    std::string name, address, advertised_host;
    std::uint16_t port = 0, advertised_port = 0;
  };
  [[nodiscard]] Status bind(const std::string& name, const ListenAddress& address);
  [[nodiscard]] Status open_store();
  [[nodiscard]] Status start_kafka(const Listening& listening);
  [[nodiscard]] Status start_views();
  [[nodiscard]] Status start_http(const Listening& listening);
  void add_metrics(gateway::MetricsText& out);
  [[nodiscard]] Status stop(std::uint64_t limit_ms);
  [[nodiscard]] std::optional<Error> fatal();

  os::Env& env_;
  const Config config_;
  const Services services_;
  Logger logger_;
  std::unique_ptr<os::Env::Waiter> wake_;  // of run()
  std::mutex mutex_;
  std::optional<Error> fatal_;

  // Ended in this order, destroyed in the reverse one: see stop().
  std::unique_ptr<Network> network_;
  std::unique_ptr<Store> store_;
  store::StoreCore* core_ = nullptr;  // store_'s
  std::unique_ptr<broker::Broker> broker_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<view::ViewManager> views_;
  std::unique_ptr<gateway::Gateway> gateway_;
  std::vector<net::HandlerFactory> factories_;
  std::string local_path_;  // of the unix socket
  std::vector<Listening> listening_;
  std::int32_t epoch_ = 0;
  double ready_ms_ = 0;
};

}  // namespace baton::server
