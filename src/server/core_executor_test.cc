// The executor of a network core: what os::Executor promises, on an io_context.
#include <gtest/gtest.h>

#include <future>

#include "server/core.h"

namespace baton::server {
namespace {

class CoreExecutorTest : public testing::Test {
 protected:
  CoreExecutorTest() { core_.start(); }
  [[nodiscard]] os::Executor& executor() { return core_.executor(); }

  const std::unique_ptr<os::Env> env_ = os::make_posix_env();
  Logger logger_{env_->clock(), LogLevel::error, LogFormat::text, [](std::string_view) {}};
  NetworkState state_{*env_, logger_, Limits()};
  Core core_{state_, 0};
};

TEST_F(CoreExecutorTest, ATimerThatIsCancelledNeverRunsAlsoWhenItsTimeHasCome) {
  std::promise<bool> cancelled;
  std::atomic<int> ran = 0;
  os::TimerId second = 0;
  executor().post([&] {
    const auto now = env_->clock().monotonic_ns();
    (void)executor().run_at(now, [&] {
      ++ran;
      cancelled.set_value(executor().cancel(second));
    });
    second = executor().run_at(now, [&] { ++ran; });
  });
  EXPECT_TRUE(cancelled.get_future().get());
  core_.stop();
  EXPECT_EQ(ran, 1);
}

TEST_F(CoreExecutorTest, ATimerThatHasRunIsNotCancelled) {
  std::promise<bool> cancelled;
  executor().post([&] {
    const auto timer = std::make_shared<os::TimerId>();
    *timer = executor().run_at(0, [&, timer] { cancelled.set_value(executor().cancel(*timer)); });
  });
  EXPECT_FALSE(cancelled.get_future().get());
}

}  // namespace
}  // namespace baton::server
