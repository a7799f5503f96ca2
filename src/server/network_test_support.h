// A protocol for tests of the network, and clients with plain blocking sockets.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "net/framing.h"
#include "os/env.h"
#include "server/network.h"

namespace baton::server {

// What a frame's first byte asks for: 'e' the rest of the frame as the reply; 'b' + 4 bytes: a reply of so many bytes; 'l' the test answers later
// (it is named by the rest, and a name that begins with R, A, C or X has the turn of a read, an append, a commit, or is alone); 'n' no reply; 'x' an error; 'd' it is dropped; 'f' what `file_reply` makes; 's' the rest of the frame, and then a stream.
class TestProtocol {
 public:
  using Done = std::function<void(net::ReplyResult)>;

  [[nodiscard]] net::HandlerFactory factory();
  [[nodiscard]] static net::Turn turn_of(std::string_view frame);

  // Waits until `condition`, which sees this object locked, holds; fails the test after 20 s.
  void wait_until(const std::function<bool()>& condition);
  // Answers a request that came with 'l'. Waits for it to come.
  void answer(const std::string& name, net::ReplyResult result);
  void answer(const std::string& name) { answer(name, text_reply(name)); }
  [[nodiscard]] static net::ReplyResult text_reply(std::string_view text);
  // The same, with a stream behind it. There is one stream at a time.
  [[nodiscard]] net::ReplyResult stream_reply(std::string_view text, bool last = false);
  // The stream's next piece, a frame. Waits until it is asked for.
  void give(std::string_view text, bool last = false);

  // Guarded by the lock that wait_until takes.
  std::map<std::string, Done> held;
  std::uint64_t frames = 0;
  std::size_t open = 0, open_max = 0;  // requests held
  std::size_t handlers = 0;
  std::set<std::thread::id> threads;
  std::function<net::Reply()> file_reply;
  std::function<void(net::Stream::Piece)> asked;  // by the stream's connection
  std::size_t streams = 0;                        // that live

 private:
  friend class TestHandler;
  friend class TestStream;
  std::mutex mutex_;
  std::condition_variable changed_;
};

// A connection of a client. Each wait for the server ends after 20 s, as a failure.
class Client {
 public:
  explicit Client(std::uint16_t port, int receive_buffer = 0);
  ~Client();
  Client(Client&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}
  Client(const Client&) = delete;

  void send(std::string_view bytes);
  void send_frame(std::string_view payload) { send(framed(payload)); }
  [[nodiscard]] static std::string framed(std::string_view payload);
  [[nodiscard]] static std::string length(std::uint32_t n);
  // The next reply; nothing when the connection ends.
  [[nodiscard]] std::optional<std::string> receive();
  // True when the server closes it before it sends anything more.
  [[nodiscard]] bool closed();
  // True when something, also the end, comes within so long.
  [[nodiscard]] bool readable_within(int milliseconds);
  void send_no_more();
  void leave();
  // Sends what the socket takes at once; false when the connection is gone.
  [[nodiscard]] bool try_send(std::string_view bytes);

 private:
  [[nodiscard]] bool fill(char* to, std::size_t size);
  int socket_ = -1;
};

class NetworkTest : public testing::Test {
 protected:
  NetworkTest()
      : env_(os::make_posix_env()), logger_(env_->clock(), LogLevel::debug, LogFormat::text, [this](std::string_view line) {
          const std::lock_guard guard(log_mutex_);
          log_.emplace_back(line);
        }) {}
  void start(std::size_t threads = 2);
  [[nodiscard]] Client connect(int receive_buffer = 0) { return Client(port_, receive_buffer); }
  [[nodiscard]] NetworkCounts counts() const { return network_->counts(); }
  // Waits until the counts are as `condition` says; fails the test after 20 s.
  void wait_for(const std::function<bool(const NetworkCounts&)>& condition);
  [[nodiscard]] bool logged(std::string_view text);
  // Of this process, in bytes.
  [[nodiscard]] static std::uint64_t anonymous_memory();

  std::unique_ptr<os::Env> env_;
  std::mutex log_mutex_;
  std::vector<std::string> log_;
  Logger logger_;
  Limits limits_;
  TestProtocol protocol_;
  std::unique_ptr<Network> network_;
  std::uint16_t port_ = 0;
};

}  // namespace baton::server
