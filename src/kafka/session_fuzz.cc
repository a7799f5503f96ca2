// Bytes that anybody may send to the Kafka port, as a connection sees them: frames, and requests in them, in every API that is served, against a broker on the simulated machine.
// No crash; each request is answered once, with its own correlation id, or its connection ends; nothing is left when the connection has ended.
//
// Input: how large the pieces are in which the rest comes (a byte), then frames with their lengths.
#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/check.h"
#include "kafka/handlers/handlers.h"
#include "os/run_on_for_test.h"
#include "os/sim_env.h"

namespace baton::kafka {
namespace {

constexpr std::uint64_t kFrameBytesMax = 64u << 10;
constexpr std::size_t kRequestsMax = 64;  // in flight, as limits.requests has it
// Longer than any fetch waits.
constexpr std::int64_t kPatienceNs = 65'000'000'000;

// A member may be made to wait for the others of its group for as long as it allows itself.
bool may_wait_longer(std::int16_t key) { return key == static_cast<std::int16_t>(wire::ApiKey::join_group) || key == static_cast<std::int16_t>(wire::ApiKey::sync_group); }

struct Request {
  std::int16_t key = 0;
  bool answered = false, alive = true;
};
struct Tally {
  std::vector<std::shared_ptr<Request>> requests;
  bool ended = false;
};

// What a request's `done` holds.
class Held {
 public:
  explicit Held(std::shared_ptr<Request> request) : request_(std::move(request)) {}
  ~Held() { request_->alive = false; }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  void answer() {
    BATON_CHECK(!request_->answered, "a request is answered once");
    request_->answered = true;
  }

 private:
  const std::shared_ptr<Request> request_;
};

// Looks at what goes in and out of a session.
class Watched final : public net::FrameHandler {
 public:
  Watched(Node& node, const net::ConnectionInfo& info, Tally& tally) : session_(node, Endpoint{"127.0.0.1", 9092}, info), tally_(tally) {}

  net::Turn turn(base::ByteView frame) const override { return session_.turn(frame); }
  void handle(base::Buffer frame, net::ReplyDone done) override {
    const auto request = std::make_shared<Request>();
    std::int32_t correlation = 0;
    if (frame.size() >= 8) {
      request->key = base::load_be<std::int16_t>(frame.bytes().data());
      correlation = base::load_be<std::int32_t>(frame.bytes().data() + 4);
    }
    tally_.requests.push_back(request);
    session_.handle(std::move(frame), [held = std::make_shared<Held>(request), done = std::move(done), correlation, &tally = tally_](net::ReplyResult result) {
      held->answer();
      if (!result) tally.ended = true;
      if (result && *result) {
        BATON_CHECK((*result)->head.size() >= 4 && base::load_be<std::int32_t>((*result)->head.data()) == correlation, "an answer names its request");
      }
      done(std::move(result));
    });
  }

 private:
  Session session_;
  Tally& tally_;
};

class Machine {
 public:
  Machine() {
    Options options;
    options.segment_bytes = 1u << 20;
    options.journal_bytes = 1u << 20;
    store_ = store::StoreCore::open(env_, "/data", options).value();
    broker::BrokerOptions limits;
    limits.rights = {.enabled = true, .allow_without_acl = true};
    limits.topics_max = 100;
    limits.partitions_max = 200;
    broker_ = broker::Broker::make(*store_, limits).value();
    node_.emplace(Node{.broker = *broker_, .clock = env_.clock(), .id = 1, .limits = {}});
    core_ = env_.make_executor("core");
  }
  ~Machine() {
    core_ = nullptr;
    node_.reset();
    broker_ = nullptr;
    store_ = nullptr;
  }
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  void play(base::ByteView bytes, std::size_t piece, Tally& tally) {
    std::unique_ptr<net::Protocol> protocol;
    on_core([&] {
      const auto make = net::framed([&](const net::ConnectionInfo& info) { return std::make_unique<Watched>(*node_, info, tally); }, kFrameBytesMax);
      protocol = make(net::ConnectionInfo{.peer = "127.0.0.1:1", .listener = "kafka", .core = core_.get()});
    });
    for (std::size_t at = 0; at < bytes.size() && !tally.ended; at += piece) {
      on_core([&] { take(*protocol, bytes.subspan(at, std::min(piece, bytes.size() - at)), tally); });
    }
    (void)env_.make_waiter()->wait(kPatienceNs);
    for (const auto& request : tally.requests) BATON_CHECK(request->answered || tally.ended || may_wait_longer(request->key), "a request is answered");
    on_core([&] { protocol = nullptr; });
  }

 private:
  static void take(net::Protocol& protocol, base::ByteView in, Tally& tally) {
    const auto read = [&] {
      const auto room = protocol.room();
      if (room.empty()) return protocol.take(in);
      const auto count = std::min(room.size(), in.size());
      std::copy_n(in.begin(), count, room.begin());
      in = in.subspan(count);
      return protocol.filled(count);
    };
    while (!in.empty() && !tally.ended && tally.requests.size() < kRequestsMax) {
      const auto taken = read();
      if (taken.state == net::Protocol::Taken::State::refused) tally.ended = true;
      if (taken.state == net::Protocol::Taken::State::complete) protocol.handle([](const net::ReplyResult&) {});
    }
  }
  void on_core(const std::function<void()>& task) { os::run_on(env_, *core_, task); }

  os::SimWorld world_;
  os::SimEnv env_{world_};
  std::unique_ptr<store::StoreCore> store_;
  std::unique_ptr<broker::Broker> broker_;
  std::optional<Node> node_;
  std::unique_ptr<os::Executor> core_;
};

}  // namespace
}  // namespace baton::kafka

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace baton;
  if (size == 0) return 0;
  const auto bytes = std::as_bytes(std::span(data, size));
  kafka::Tally tally;
  {
    kafka::Machine machine;
    machine.play(bytes.subspan(1), 1 + 16 * std::to_integer<std::size_t>(bytes[0]), tally);
  }
  for (const auto& request : tally.requests) BATON_CHECK(!request->alive, "nothing is left of a request");
  return 0;
}
