#include "server/core_executor.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/check.h"
#include "server/core.h"

namespace baton::server {

CoreExecutor::CoreExecutor(boost::asio::io_context& io, std::shared_ptr<Mailbox> mailbox, os::Clock& clock)
    : io_(io), mailbox_(std::move(mailbox)), clock_(clock) {}

CoreExecutor::~CoreExecutor() = default;

void CoreExecutor::post(os::Task task) { mailbox_->post(std::move(task)); }

os::TimerId CoreExecutor::run_at(std::int64_t monotonic_ns, os::Task task) {
  BATON_CHECK(on_executor(), "a timer of a core is set on its thread");
  const os::TimerId id = next_++;
  auto& timer = timers_[id] = std::make_unique<boost::asio::steady_timer>(io_);
  timer->expires_after(std::chrono::nanoseconds(std::max<std::int64_t>(monotonic_ns - clock_.monotonic_ns(), 0)));
  timer->async_wait([this, id, task = std::move(task)](const boost::system::error_code& error) mutable {
    const auto keep = timers_.extract(id);
    // Cancelled, or the core ends. A timer whose time has come already is cancelled without an error: its wait is on its way here.
    if (error || keep.empty()) return;
    task();
    mailbox_->post([] {});  // what the task has answered is sent when a batch of tasks has run
  });
  return id;
}

bool CoreExecutor::cancel(os::TimerId timer) {
  BATON_CHECK(on_executor(), "a timer of a core is cancelled on its thread");
  return timers_.erase(timer) > 0;
}

bool CoreExecutor::on_executor() const { return mailbox_->here(); }

}  // namespace baton::server
