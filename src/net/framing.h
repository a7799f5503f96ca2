// Requests and replies behind a length of four bytes, big-endian, as Kafka's protocol has them.
#pragma once

#include "base/buffer.h"
#include "net/protocol.h"

namespace baton::net {

// What takes the frames, without their lengths. Its life and its calls are those of a Protocol.
class FrameHandler {
 public:
  virtual ~FrameHandler() = default;
  [[nodiscard]] virtual Turn turn(base::ByteView frame) const = 0;
  virtual void handle(base::Buffer frame, ReplyDone done) = 0;
  virtual void drain() {}
};

using HandlerFactory = std::function<std::unique_ptr<FrameHandler>(const ConnectionInfo&)>;

// A frame that is longer than `frame_bytes_max`, or of a negative length, is refused.
[[nodiscard]] ProtocolFactory framed(HandlerFactory handlers, std::uint64_t frame_bytes_max);

}  // namespace baton::net
