// The seam between sockets and the Kafka protocol: frames go in, replies come out, in order.
//
// server/ implements the socket side (framing, limits, order, sending), kafka/ the protocol side. Neither knows the other; tests and
// fuzzers drive a FrameHandler as the server does.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <baton/result.h>

#include "base/bytes.h"
#include "os/env.h"

namespace baton::kafka {

// A range of a file that goes to the socket without a copy through this process. The bytes are not looked at: whoever makes a slice knows
// that they are there and do not change (a segment up to its visible end).
struct FileSlice {
  std::shared_ptr<const os::File> file;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  base::Bytes after;  // what follows the slice in the reply
};

// One reply without its length prefix, which the connection writes: `head`, then each slice with what follows it.
struct Reply {
  base::Bytes head;
  std::vector<FileSlice> slices;

  [[nodiscard]] std::uint64_t size() const {
    std::uint64_t bytes = head.size();
    for (const auto& slice : slices) bytes += slice.length + slice.after.size();
    return bytes;
  }
};

// What becomes of one frame: a reply; no reply (acks=0); or an error, which closes the connection behind the replies to the frames before
// it. An error's detail goes to the log, so it holds no secrets and nothing that a client could use to fill it.
using FrameResult = Result<std::optional<Reply>>;

// The protocol's side of one connection. Made, called and destroyed on the core of its connection.
class FrameHandler {
 public:
  virtual ~FrameHandler() = default;  // while calls of `done` are still to come: they will find the connection closed

  // Called for each frame (without its length prefix) in the order of the frames, also while earlier ones are unanswered, up to the
  // limit on requests in flight. `done` must be called exactly once, from any thread, at once or later, in any order: replies are sent in the order
  // of the frames. The bytes of the frame count against the budget of all frames until `done` is called.
  virtual void handle(base::Bytes frame, std::function<void(FrameResult)> done) = 0;
};

struct ConnectionInfo {
  std::string peer;            // "127.0.0.1:54321"
  std::string listener;        // the name of the listener in the configuration: "kafka"
  // The core of the connection: its tasks and timers run on its thread. It outlives the handler, and each `done`.
  os::Executor* core = nullptr;
};

// Called on the core of the new connection; any core may call it at the same time.
using HandlerFactory = std::function<std::unique_ptr<FrameHandler>(const ConnectionInfo&)>;

}  // namespace baton::kafka
