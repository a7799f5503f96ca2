#include "server/network_test_support.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>

#include "base/check.h"

namespace baton::server {

using namespace std::chrono_literals;

class TestHandler final : public net::FrameHandler {
 public:
  explicit TestHandler(TestProtocol& protocol) : protocol_(protocol) {
    const std::lock_guard guard(protocol_.mutex_);
    ++protocol_.handlers;
    protocol_.threads.insert(std::this_thread::get_id());
    protocol_.changed_.notify_all();
  }
  ~TestHandler() override {
    const std::lock_guard guard(protocol_.mutex_);
    --protocol_.handlers;
    protocol_.changed_.notify_all();
  }

  net::Turn turn(base::ByteView frame) const override { return TestProtocol::turn_of(base::as_text(frame)); }
  void handle(base::Buffer buffer, std::function<void(net::ReplyResult)> done) override {
    const base::ByteView frame = buffer.bytes();
    const auto text = base::as_text(frame);
    std::unique_lock lock(protocol_.mutex_);
    ++protocol_.frames;
    protocol_.threads.insert(std::this_thread::get_id());
    if (text.starts_with('l')) {
      protocol_.held.emplace(text.substr(1), std::move(done));
      protocol_.open_max = std::max(protocol_.open_max, ++protocol_.open);
    }
    protocol_.changed_.notify_all();
    lock.unlock();
    if (text.starts_with('e')) done(TestProtocol::text_reply(text.substr(1)));
    if (text.starts_with('b'))
      done(std::optional(
          net::Reply{.head = base::Bytes(base::load_be<std::uint32_t>(frame.data() + 1), std::byte{'b'})}));
    if (text.starts_with('n')) done(std::optional<net::Reply>());
    if (text.starts_with('x')) done(Error{Code::invalid_argument, "the test said so"});
    if (text.starts_with('f')) done(std::optional(protocol_.file_reply()));
    if (text.starts_with('s')) done(protocol_.stream_reply(text.substr(1)));
    if (text.empty()) done(std::optional(net::Reply{}));
  }

 private:
  TestProtocol& protocol_;
};

net::Turn TestProtocol::turn_of(std::string_view frame) {
  if (!frame.starts_with('l') || frame.size() < 2) return net::Turn::free;
  switch (frame[1]) {
    case 'R': return net::Turn::read;
    case 'A': return net::Turn::append;
    case 'C': return net::Turn::commit;
    case 'X': return net::Turn::alone;
    default: return net::Turn::free;
  }
}

class TestStream final : public net::Stream {
 public:
  explicit TestStream(TestProtocol& protocol) : protocol_(protocol) { count(1); }
  ~TestStream() override { count(std::size_t{0} - 1); }
  void next(std::function<void(Piece)> give) override {
    const std::lock_guard guard(protocol_.mutex_);
    protocol_.asked = std::move(give);
    protocol_.changed_.notify_all();
  }

 private:
  void count(std::size_t more) {
    const std::lock_guard guard(protocol_.mutex_);
    protocol_.streams += more;
    protocol_.changed_.notify_all();
  }
  TestProtocol& protocol_;
};

net::ReplyResult TestProtocol::stream_reply(std::string_view text, bool last) {
  auto reply = text_reply(text);
  (*reply)->stream = std::make_unique<TestStream>(*this);
  (*reply)->last = last;
  return reply;
}

void TestProtocol::give(std::string_view text, bool last) {
  wait_until([&] { return asked != nullptr; });
  std::function<void(net::Stream::Piece)> to;
  {
    const std::lock_guard guard(mutex_);
    to = std::exchange(asked, nullptr);
  }
  const auto frame = Client::framed(text);
  const auto bytes = base::as_bytes(frame);
  to({.bytes = base::Bytes(bytes.begin(), bytes.end()), .last = last});
}

net::HandlerFactory TestProtocol::factory() {
  return [this](const net::ConnectionInfo&) { return std::make_unique<TestHandler>(*this); };
}

void TestProtocol::wait_until(const std::function<bool()>& condition) {
  std::unique_lock lock(mutex_);
  ASSERT_TRUE(changed_.wait_for(lock, 20s, condition)) << "the condition did not come to hold";
}

void TestProtocol::answer(const std::string& name, net::ReplyResult result) {
  wait_until([&] { return held.contains(name); });
  Done done;
  {
    const std::lock_guard guard(mutex_);
    --open;
    done = std::move(held.extract(name).mapped());
  }
  done(std::move(result));
}

net::ReplyResult TestProtocol::text_reply(std::string_view text) {
  net::Reply reply;
  base::put_bytes(reply.head, base::as_bytes(text));
  return std::optional(std::move(reply));
}

Client::Client(std::uint16_t port, int receive_buffer) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
  if (receive_buffer > 0) ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  const timeval limit{.tv_sec = 20, .tv_usec = 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0) << std::strerror(errno);
}

Client::~Client() { leave(); }

void Client::leave() {
  if (socket_ >= 0) ::close(std::exchange(socket_, -1));
}

void Client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    ASSERT_GT(sent, 0) << std::strerror(errno);
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

bool Client::try_send(std::string_view bytes) {
  return ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 || errno == EAGAIN;
}

std::string Client::length(std::uint32_t n) {
  std::string out(4, '\0');
  base::store_be<std::uint32_t>(out.data(), n);
  return out;
}

std::string Client::framed(std::string_view payload) {
  return length(static_cast<std::uint32_t>(payload.size())).append(payload);
}

bool Client::fill(char* to, std::size_t size) {
  while (size > 0) {
    const auto got = ::recv(socket_, to, size, 0);
    EXPECT_TRUE(got >= 0 || errno != EAGAIN) << "the server sent nothing for 20 s";
    if (got <= 0) return false;
    to += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

std::optional<std::string> Client::receive() {
  char prefix[4];
  if (!fill(prefix, sizeof prefix)) return std::nullopt;
  std::string out(base::load_be<std::uint32_t>(prefix), '\0');
  if (!fill(out.data(), out.size())) return std::nullopt;
  return out;
}

bool Client::closed() {
  char byte = 0;
  const auto got = ::recv(socket_, &byte, 1, 0);
  return got == 0 || (got < 0 && (errno == ECONNRESET || errno == EPIPE));
}

bool Client::readable_within(int milliseconds) {
  pollfd wanted{.fd = socket_, .events = POLLIN, .revents = 0};
  return ::poll(&wanted, 1, milliseconds) > 0;
}

void Client::send_no_more() { ASSERT_EQ(::shutdown(socket_, SHUT_WR), 0); }

void NetworkTest::start(std::size_t threads) {
  network_ = std::make_unique<Network>(*env_, logger_, limits_, threads);
  const auto port = network_->bind("test", "127.0.0.1", 0);
  ASSERT_TRUE(port.ok()) << port.error().to_string();
  port_ = *port;
  ASSERT_TRUE(network_->listen("test", net::framed(protocol_.factory(), limits_.frame_bytes)).ok());
}

void NetworkTest::wait_for(const std::function<bool(const NetworkCounts&)>& condition) {
  const auto waiter = env_->make_waiter();
  const auto deadline = env_->clock().monotonic_ns() + 20'000'000'000;
  while (!condition(counts())) {
    ASSERT_LT(env_->clock().monotonic_ns(), deadline) << "the counts did not come to be so";
    (void)waiter->wait(1'000'000);
  }
}

bool NetworkTest::logged(std::string_view text) {
  const std::lock_guard guard(log_mutex_);
  return std::ranges::any_of(log_, [&](const std::string& line) { return line.contains(text); });
}

std::uint64_t NetworkTest::anonymous_memory() {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    std::uint64_t kilobytes = 0;
    if (word == "RssAnon:" && status >> kilobytes) return kilobytes * 1024;
  }
  ADD_FAILURE() << "no RssAnon";
  return 0;
}

}  // namespace baton::server
