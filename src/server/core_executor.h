// A core as an os::Executor, for what knows no sockets: the protocol's sessions post to their core and set timers there. Private to the network of server/.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <map>
#include <memory>

#include "os/env.h"

namespace baton::server {

class Mailbox;

// Owned by the core. Timers are set and cancelled on its thread only.
class CoreExecutor final : public os::Executor {
 public:
  CoreExecutor(boost::asio::io_context& io, std::shared_ptr<Mailbox> mailbox, os::Clock& clock);
  ~CoreExecutor() override;
  void post(os::Task task) override;
  os::TimerId run_at(std::int64_t monotonic_ns, os::Task task) override;
  bool cancel(os::TimerId timer) override;
  [[nodiscard]] bool on_executor() const override;

 private:
  boost::asio::io_context& io_;
  const std::shared_ptr<Mailbox> mailbox_;
  os::Clock& clock_;
  os::TimerId next_ = 1;
  std::map<os::TimerId, std::unique_ptr<boost::asio::steady_timer>> timers_;
};

}  // namespace baton::server
