// The program `baton` with a protocol for tests instead of Kafka's: what it does of its own accord, as a process. A frame's first byte says what for:
//   e  the rest is the reply         a  the rest is appended as an event; the reply is its version, once it is durable
//   h  the reply is how many others have come, of all connections
//   l  no reply, ever                t  the reply comes a second later
#include <atomic>
#include <optional>

#include "cli/session.h"

namespace baton {
namespace {

std::atomic<int> handled{0};

class EchoHandler final : public net::FrameHandler {
 public:
  EchoHandler(Store& store, std::shared_ptr<os::Executor> timers, os::Env& env)
      : store_(store), timers_(std::move(timers)), env_(env) {}

  net::Turn turn(base::ByteView) const override { return net::Turn::free; }
  void handle(base::Buffer frame, std::function<void(net::ReplyResult)> done) override {
    const std::string text(base::as_text(frame.bytes()));
    if (text.starts_with('h')) return done(reply(std::to_string(handled)));
    ++handled;
    if (text.starts_with('e')) return done(reply(text.substr(1)));
    if (text.starts_with('l')) return held_.push_back(std::move(done));
    if (text.starts_with('t')) {
      timers_->run_at(env_.clock().monotonic_ns() + 1'000'000'000, [done, text] { done(reply(text.substr(1))); });
      return;
    }
    if (text.starts_with('a')) {
      Append append{.context = "echo"};
      append.streams.push_back(
          {.stream = "s-1", .condition = Expect::any(), .events = {{.type = "Echoed", .data = text.substr(1)}}});
      store_.append_async(std::move(append), [done](const Result<Appended>& appended) {
        if (!appended) return done(appended.error());
        done(reply(std::to_string(appended->events.front().version)));
      });
      return;
    }
    done(Error{Code::invalid_argument, "no such request"});
  }

 private:
  static net::ReplyResult reply(const std::string& text) {
    net::Reply out;
    base::put_bytes(out.head, base::as_bytes(text));
    return std::optional(std::move(out));
  }

  Store& store_;
  std::shared_ptr<os::Executor> timers_;
  os::Env& env_;
  std::vector<std::function<void(net::ReplyResult)>> held_;
};

Result<net::HandlerFactory> echo(const server::ServiceContext& context) {
  std::shared_ptr<os::Executor> timers = context.env.make_executor("echo-timers");
  return net::HandlerFactory([&store = context.store, timers, &env = context.env](const net::ConnectionInfo&) {
    return std::make_unique<EchoHandler>(store, timers, env);
  });
}

}  // namespace
}  // namespace baton

int main(int argc, char** argv) { return baton::cli::run_program(argc, argv, "for tests", {.kafka = baton::echo}); }
