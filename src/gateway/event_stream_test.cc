// Server-sent events on the simulated machine, where time passes when nothing else is to be done.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "gateway/event_stream.h"
#include "os/run_on_for_test.h"
#include "os/sim_env.h"
#include "store/store_impl.h"

namespace baton::gateway {
namespace {

using testing::HasSubstr;

class EventStreamTest : public testing::Test {
 protected:
  EventStreamTest() {
    Options options;
    options.segment_bytes = 1u << 20;
    options.journal_bytes = 1u << 20;
    auto core = store::StoreCore::open(env_, "/data", options).value();
    broker_ = broker::Broker::make(*core, broker::BrokerOptions{}).value();
    store_ = store::StoreImpl::make(nullptr, std::move(core)).value();
    gateway_ = std::make_unique<Gateway>(env_, *store_, *broker_, nullptr, GatewayOptions{}, [](MetricsText&) {});
    core_ = env_.make_executor("core");
  }
  ~EventStreamTest() override {
    on_core([&] { stream_ = nullptr; });
    gateway_->stop();
    core_ = nullptr;
    EXPECT_EQ(gateway_->open_streams(), 0U);
    EXPECT_TRUE(store_->close().ok());
    gateway_ = nullptr;
    broker_ = nullptr;
  }
  void on_core(const std::function<void()>& task) { os::run_on(env_, *core_, task); }
  void append(const std::string& type) {
    Append append{.context = "c"};
    append.streams.push_back({.stream = "s", .condition = Expect::any(), .events = {NewEvent{.type = type, .data = "{}"}}});
    ASSERT_TRUE(store_->append(std::move(append)).ok());
  }
  void begin(std::vector<std::string> types) {
    const auto topic = broker_->view()->find_topic("c");
    ReadContext read{.context = "c"};
    read.filter.types = std::move(types);
    on_core([&] { stream_ = stream_events(*gateway_, *core_, std::move(read), {{topic->id, log::PartitionId(0)}}, [] { return std::optional<Response>(); }); });
  }
  void ask() {
    on_core([&] {
      stream_->next([this](net::Stream::Piece piece) { text_ = base::as_text(piece.bytes); });
    });
  }
  void pass(std::int64_t ms) { (void)env_.make_waiter()->wait(ms * 1'000'000); }

  os::SimWorld world_;
  os::SimEnv env_{world_};
  std::unique_ptr<broker::Broker> broker_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Gateway> gateway_;
  std::unique_ptr<os::Executor> core_;
  std::unique_ptr<net::Stream> stream_;
  std::optional<std::string> text_;
};

TEST_F(EventStreamTest, EventsThatAreThereComeAndThenThoseThatAreAppended) {
  append("A");
  begin({});
  ask();
  pass(100);
  ASSERT_TRUE(text_);
  EXPECT_THAT(*text_, HasSubstr(R"("type":"A")"));
  text_.reset();
  ask();
  pass(100);
  EXPECT_FALSE(text_);
  append("B");
  pass(100);
  ASSERT_TRUE(text_);
  EXPECT_THAT(*text_, HasSubstr(R"("type":"B")"));
}

// Or what stands between ends the connection, and a client that has gone is never noticed.
TEST_F(EventStreamTest, AHeartbeatComesAlsoWhileEventsComeThatTheFilterKeepsBack) {
  append("Other");
  begin({"Wanted"});
  ask();
  for (int second = 0; second < 20 && !text_; ++second) {
    append("Other");
    pass(1000);
  }
  EXPECT_EQ(text_, ": \n\n");
  text_.reset();
  ask();
  append("Wanted");
  pass(100);
  ASSERT_TRUE(text_);
  EXPECT_THAT(*text_, HasSubstr(R"("type":"Wanted")"));
}

}  // namespace
}  // namespace baton::gateway
