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

#include "kafka/connection.h"
#include "os/env.h"
#include "server/config.h"
#include "server/logger.h"
#include "server/network.h"

namespace baton::store {
class StoreCore;
}

namespace baton::server {

// What a service is given. All of it outlives the handlers of connections and the factory that makes them.
struct ServiceContext {
  os::Env& env;
  Logger& logger;
  const Config& config;
  Store& store;            // what users of the library have
  store::StoreCore& core;  // its owner's side
  std::string advertised_host;
  std::uint16_t advertised_port = 0;
};
// Called once, when the store is open. What the service owns lives in the factory that it returns, which is destroyed when no connection is left and the store is
// closed, when nothing that it has asked of the store is unanswered, and before the store is destroyed.
using KafkaService = std::function<Result<kafka::HandlerFactory>(const ServiceContext&)>;

class Server {
 public:
  // Without a service for Kafka's protocol, there is no listener for it.
  Server(os::Env& env, Config config, KafkaService kafka);
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
  [[nodiscard]] Status open_store();
  [[nodiscard]] Status stop(std::uint64_t limit_ms);
  [[nodiscard]] std::optional<Error> fatal();

  os::Env& env_;
  const Config config_;
  const KafkaService kafka_;
  Logger logger_;
  std::unique_ptr<os::Env::Waiter> wake_;  // of run()
  std::mutex mutex_;
  std::optional<Error> fatal_;

  std::unique_ptr<Store> store_;
  store::StoreCore* core_ = nullptr;  // store_'s
  std::vector<kafka::HandlerFactory> services_;
  std::unique_ptr<Network> network_;  // before the store, which its handlers use
  std::vector<Listening> listening_;
  std::int32_t epoch_ = 0;
  double ready_ms_ = 0;
};

}  // namespace baton::server
