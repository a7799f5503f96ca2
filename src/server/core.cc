#include "server/core.h"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "server/connection.h"

namespace baton::server {

constexpr std::int64_t kMillisecond = 1'000'000;

thread_local const Mailbox* Mailbox::current = nullptr;

bool NetworkState::enter(const asio::ip::address& address) {
  const std::lock_guard guard(mutex_);
  auto& count = by_address_[address];
  if (count >= limits.connections_per_address) return false;
  ++count;
  return true;
}

void NetworkState::leave(const asio::ip::address& address) {
  const std::lock_guard guard(mutex_);
  const auto found = by_address_.find(address);
  BATON_CHECK(found != by_address_.end(), "a connection's address has been counted");
  if (--found->second == 0) by_address_.erase(found);
}

void Mailbox::post(os::Task task) {
  const std::lock_guard guard(mutex_);
  if (io_ == nullptr) return;
  tasks_.push_back(std::move(task));
  // One wake-up for all tasks that come until it is served.
  if (tasks_.size() == 1) asio::post(*io_, [self = shared_from_this()] { self->run(); });
}

void Mailbox::run() {
  std::vector<os::Task> tasks;
  {
    const std::lock_guard guard(mutex_);
    tasks.swap(tasks_);
  }
  for (auto& task : tasks) {
    task();
    task = nullptr;
  }
  after_();
}

void Mailbox::close() {
  std::vector<os::Task> dropped;  // destroyed outside the lock: what they hold may call us
  const std::lock_guard guard(mutex_);
  io_ = nullptr;
  dropped.swap(tasks_);
}

Core::Core(NetworkState& state, std::size_t number)
    : state_(state),
      name_("baton-net-" + std::to_string(number)),
      work_(io_.get_executor()),
      mailbox_(std::make_shared<Mailbox>(io_)),
      executor_(io_, mailbox_, state.env.clock()),
      timer_(io_) {
  // Deadlines are looked at by one timer a core; they are kept to a quarter of the shortest.
  const auto& limits = state.limits;
  const auto shortest = std::min({limits.idle_ms, limits.handshake_ms, limits.frame_ms, limits.slow_reader_ms});
  period_ns_ = static_cast<std::int64_t>(std::clamp<std::uint64_t>(shortest / 4, 2, 1'000)) * kMillisecond;
  mailbox_->after_ = [this] { flush_now(); };
}

Core::~Core() { stop(); }

void Core::start() {
  thread_ = state_.env.make_executor(name_);
  thread_->post([this] {
    Mailbox::current = mailbox_.get();
    io_.run();
    Mailbox::current = nullptr;
  });
}

void Core::stop() {
  if (!thread_) return;
  mailbox_->post([this] {
    while (!connections_.empty()) connections_.back()->close();
    timer_.cancel();
    io_.stop();
  });
  thread_.reset();  // waits for it
  mailbox_->close();
}

void Core::drain(std::shared_ptr<os::Env::Waiter> wake) {
  mailbox_->post([this, wake = std::move(wake)] {
    draining_ = true;
    wake_ = wake;
    for (std::size_t i = connections_.size(); i-- > 0;) connections_[i]->drain();
    if (connections_.empty()) wake_->wake();
  });
}

void Core::add(std::shared_ptr<Connection> connection) {
  connection->index_on_core = connections_.size();
  connections_.push_back(std::move(connection));
  if (!ticking_) tick_later();
}

void Core::remove(Connection& connection) {
  const auto index = connection.index_on_core;
  BATON_CHECK(index < connections_.size() && connections_[index].get() == &connection, "a connection knows its place");
  const auto kept = std::move(connections_[index]);
  if (index + 1 < connections_.size()) {
    connections_[index] = std::move(connections_.back());
    connections_[index]->index_on_core = index;
  }
  connections_.pop_back();
  --load_;
  if (connections_.empty() && wake_) wake_->wake();
}

void Core::flush_later(Connection& connection) { to_flush_.push_back(connection.shared_from_this()); }

void Core::flush_now() {
  // A flush may make room for requests that are answered at once: they come to the end of the list.
  for (std::size_t i = 0; i < to_flush_.size(); ++i) {
    const auto connection = std::move(to_flush_[i]);
    connection->flush();
  }
  to_flush_.clear();
}

void Core::tick_later() {
  ticking_ = true;
  timer_.expires_after(std::chrono::nanoseconds(period_ns_));
  timer_.async_wait([this](const error_code& error) {
    if (!error) tick();
  });
}

void Core::tick() {
  const auto now = now_ns();
  for (std::size_t i = connections_.size(); i-- > 0;) connections_[i]->check_deadlines(now);
  flush_now();
  ticking_ = false;
  if (!connections_.empty()) tick_later();
}

}  // namespace baton::server
