// Core: one network thread with its io_context and the connections that live on it. Private to the network of server/.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "os/env.h"
#include "server/budget.h"
#include "server/config.h"
#include "server/core_executor.h"
#include "server/logger.h"

namespace baton::server {

namespace asio = boost::asio;
using boost::system::error_code;

class Connection;

// How long somebody waits for the budget before who holds most of it must go: a sixth of limits.frame_ms.
constexpr std::int64_t patience_ns(std::uint64_t frame_ms) { return static_cast<std::int64_t>(frame_ms) * 1'000'000 / 6; }

using Count = std::atomic<std::uint64_t>;

// What all connections share. Outlives the cores; the budget also outlives it, for requests that end later.
struct NetworkState {
  NetworkState(os::Env& e, Logger& l, const Limits& limit)
      : env(e), logger(l), limits(limit), budget(std::make_shared<Budget>(limit.total_frame_bytes, patience_ns(limit.frame_ms))) {}

  os::Env& env;
  Logger& logger;
  const Limits limits;
  std::uint64_t connections_max = 0;
  std::shared_ptr<Budget> budget;

  Count connections{0}, accepted{0}, refused_total{0}, refused_address{0}, delayed{0}, accept_failures{0}, requests{0},
      bytes_in{0}, bytes_out{0};
  Count closed_malformed{0}, closed_handshake{0}, closed_slow_sender{0}, closed_slow_reader{0}, closed_idle{0},
      closed_protocol{0};
  LogLimit log_refused, log_delayed, log_accept, log_closed;

  // False when the address has all that it may have.
  [[nodiscard]] bool enter(const asio::ip::address& address);
  void leave(const asio::ip::address& address);

 private:
  std::mutex mutex_;
  std::map<asio::ip::address, std::uint64_t> by_address_;
};

// How other threads reach a core that may have ended meanwhile.
class Mailbox : public std::enable_shared_from_this<Mailbox> {
 public:
  explicit Mailbox(asio::io_context& io) : io_(&io) {}
  void post(os::Task task);  // any thread; dropped once the core has ended
  void close();
  [[nodiscard]] bool here() const { return current == this; }  // is this the core's thread?

 private:
  friend class Core;
  static thread_local const Mailbox* current;
  void run();

  std::mutex mutex_;
  asio::io_context* io_;  // null once closed
  std::vector<os::Task> tasks_;
  std::function<void()> after_;  // on the core, when a batch of tasks has run
};

class Core {
 public:
  Core(NetworkState& state, std::size_t number);
  ~Core();

  // Any thread.
  void start();
  // Closes all connections on the core's thread and ends it. Returns when that is done.
  void stop();
  [[nodiscard]] asio::io_context& io() { return io_; }
  [[nodiscard]] const std::shared_ptr<Mailbox>& mailbox() const { return mailbox_; }
  [[nodiscard]] os::Executor& executor() { return executor_; }
  // No more reading; each connection closes when its requests are answered. `wake` is woken each time that none is left.
  void drain(std::shared_ptr<os::Env::Waiter> wake);
  [[nodiscard]] std::uint64_t load() const { return load_; }
  void reserve() { ++load_; }  // a connection is on its way here

  // On the core's thread.
  void add(std::shared_ptr<Connection> connection);
  void remove(Connection& connection);
  // connection.flush() at the end of what the core is doing now, so that replies made together are sent together.
  void flush_later(Connection& connection);
  void flush_now();
  [[nodiscard]] base::MutableByteView scratch() { return scratch_; }
  [[nodiscard]] std::int64_t now_ns() const { return state_.env.clock().monotonic_ns(); }
  [[nodiscard]] NetworkState& state() { return state_; }
  [[nodiscard]] bool draining() const { return draining_; }

 private:
  void tick_later();
  void tick();

  NetworkState& state_;
  std::string name_;
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::shared_ptr<Mailbox> mailbox_;
  CoreExecutor executor_;
  asio::steady_timer timer_;
  std::int64_t period_ns_;
  bool ticking_ = false;
  bool draining_ = false;
  std::atomic<std::uint64_t> load_{0};
  std::shared_ptr<os::Env::Waiter> wake_;
  std::vector<std::shared_ptr<Connection>> connections_;
  std::vector<std::shared_ptr<Connection>> to_flush_;
  std::array<std::byte, Budget::kChunk> scratch_;
  std::unique_ptr<os::Executor> thread_;
};

}  // namespace baton::server
