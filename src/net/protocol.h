// The seam between sockets and protocols: bytes go in, requests come out of them, replies go back in order.
//
// server/ implements the socket side (reading, limits, order, sending), kafka/ and gateway/ the protocols' side. Neither knows the other;
// tests and fuzzers drive a Protocol as the server does.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <baton/result.h>

#include "base/bytes.h"
#include "base/check.h"
#include "os/env.h"

namespace baton::net {

// A range of a file that goes to the socket without a copy through this process. The bytes are not looked at: whoever makes a slice knows
// that they are there and do not change (a segment up to its visible end).
struct FileSlice {
  std::shared_ptr<const os::File> file;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  base::Bytes after;  // what follows the slice in the reply
};

// The rest of a reply whose end is not known when it begins: events as they come. The connection asks for a piece when all before it are sent,
// so that a slow client makes nothing wait in memory. Lives on the core of its connection.
class Stream {
 public:
  struct Piece {
    base::Bytes bytes;
    bool last = false;
  };
  virtual ~Stream() = default;  // also while a `give` is still to come: it will find the connection closed
  // `give` must be called exactly once, from any thread, at once or later.
  virtual void next(std::function<void(Piece)> give) = 0;
};

// One reply: `head`, then each slice with what follows it, then what the stream gives.
struct Reply {
  base::Bytes head;
  std::vector<FileSlice> slices;
  std::unique_ptr<Stream> stream;
  bool last = false;         // the connection closes behind it
  bool silent = false;       // nothing is sent: only what is said here counts
  std::int64_t pause_ms = 0; // for so long no further request of the connection is begun
  // What the protocol puts before `head`, when that is known only at the end: a length.
  std::array<std::byte, 4> prefix{};
  std::uint8_t prefix_bytes = 0;

  // Of what is there already.
  [[nodiscard]] std::uint64_t size() const {
    std::uint64_t bytes = prefix_bytes + head.size();
    for (const auto& slice : slices) bytes += slice.length + slice.after.size();
    return bytes;
  }
};

// What becomes of one request: a reply; no reply (Kafka's acks=0); or an error, which closes the connection behind the replies to the requests
// before it. An error's detail goes to the log, so it holds no secrets and nothing that a client could use to fill it.
using ReplyResult = Result<std::optional<Reply>>;
using ReplyDone = std::function<void(ReplyResult)>;

// What a request of a connection may begin beside. A client that sends several without waiting for replies gets what it would get if it waited for each: one begins when
// all before it are answered that could show the difference.
enum class Turn : std::uint8_t {
  free,    // takes as long as it likes (a fetch, a join): begins behind all but reads, and nothing behind waits for it
  read,    // changes nothing: beside other reads
  append,  // beside other appends, which are decided in the order in which they come
  commit,  // beside other commits, likewise
  alone,
};
inline constexpr std::size_t kTurns = 5;

// A protocol's side of one connection. Made, called and destroyed on the core of its connection.
class Protocol {
 public:
  virtual ~Protocol() = default;  // while calls of `done` are still to come: they will find the connection closed

  struct Taken {
    enum class State : std::uint8_t {
      more,      // all of `in` was taken, and the request is not complete
      complete,  // handle() is called next
      refused,   // what came is no request: nothing more is read, and the connection closes behind its replies
      ignored,   // what was taken is behind the last request, and is of no use; the connection closes behind its replies
    } state = State::more;
    std::optional<Reply> reply;  // goes out behind the replies to earlier requests: a word before the request is complete, or the refusal's last one
    std::string_view reason;     // of refused, for the log; a constant
    std::uint64_t bytes = 0;     // of refused: the number that is at fault
  };
  // Takes what belongs to one request from the front of `in`, which is not empty. Memory grows with the bytes that have come, never with what was
  // announced (F45).
  virtual Taken take(base::ByteView& in) = 0;

  // Memory into which the next bytes of a request that has begun may be read, so that they need not be copied; empty: give them to take(). It grows as that of
  // take() does. filled() says how many were read there, one or more.
  [[nodiscard]] virtual base::MutableByteView room() { return {}; }
  virtual Taken filled(std::size_t count);

  // [before handle()] Of the request that is complete.
  [[nodiscard]] virtual Turn turn() const = 0;

  // The request that is complete, in the order of requests, also while earlier ones are unanswered, as far as its turn and the limit on requests in flight allow.
  // `done` must be called exactly once, from any thread, at once or later, in any order: replies are sent in the order of the requests. The request's bytes count
  // against the budget of all requests until `done` is called; those of one whose turn is `free` until handle() returns: what waits holds none of them.
  virtual void handle(ReplyDone done) = 0;

  // [before handle()] How large the reply to the request that is complete may become in memory, as far as that is more than its request's own bytes or so: with many requests
  // in flight it counts as if it were there already, until it is.
  [[nodiscard]] virtual std::uint64_t expected_reply_bytes() const { return 0; }

  // The server is stopping: what waits for something to happen is answered as it is.
  virtual void drain() {}
};

inline Protocol::Taken Protocol::filled(std::size_t) {
  BATON_CHECK(false, "a protocol without room is not filled");
  return {};
}

struct ConnectionInfo {
  std::string peer;      // "127.0.0.1:54321"; "local" on the unix socket
  std::string listener;  // the name of the listener in the configuration: "kafka"
  bool local = false;    // came through the unix socket: the user of the data directory
  // The address of the peer without its port: "127.0.0.1", "::1"; "local" on the unix socket.
  [[nodiscard]] std::string host() const {
    std::string_view host = std::string_view(peer).substr(0, peer.rfind(':'));
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    return std::string(host);
  }
  // The core of the connection: its tasks and timers run on its thread. It outlives the protocol, and each `done`.
  os::Executor* core = nullptr;
};

// Called on the core of the new connection; any core may call it at the same time.
using ProtocolFactory = std::function<std::unique_ptr<Protocol>(const ConnectionInfo&)>;

}  // namespace baton::net
