#include "net/framing.h"

#include <algorithm>
#include <utility>

namespace baton::net {
namespace {

class Framed final : public Protocol {
 public:
  Framed(std::unique_ptr<FrameHandler> handler, std::uint64_t frame_bytes_max)
      : handler_(std::move(handler)), frame_bytes_max_(frame_bytes_max) {}

  Taken take(base::ByteView& in) override {
    if (length_bytes_ < length_.size()) {
      const auto n = std::min(in.size(), length_.size() - length_bytes_);
      std::copy_n(in.begin(), n, length_.begin() + length_bytes_);
      length_bytes_ = static_cast<std::uint8_t>(length_bytes_ + n);
      in = in.subspan(n);
      if (length_bytes_ < length_.size()) return {};
      const auto length = base::load_be<std::int32_t>(length_.data());
      if (length < 0 || static_cast<std::uint64_t>(length) > frame_bytes_max_) {
        return {.state = Taken::State::refused,
                .reply = {},
                .reason = "a request's length is negative or over limits.frame_bytes",
                .bytes = static_cast<std::uint32_t>(length)};
      }
      frame_length_ = static_cast<std::uint32_t>(length);
    }
    const auto n = std::min<std::size_t>(in.size(), frame_length_ - frame_.size());
    if (frame_.capacity() < frame_.size() + n)
      frame_.reserve(std::min<std::size_t>(frame_length_, std::max(frame_.size() + n, 2 * frame_.size())));
    base::put_bytes(frame_, in.first(n));
    in = in.subspan(n);
    return {.state = frame_.size() == frame_length_ ? Taken::State::complete : Taken::State::more};
  }

  void drain() override { handler_->drain(); }

  void handle(ReplyDone done) override {
    length_bytes_ = 0;
    handler_->handle(std::exchange(frame_, {}), [done = std::move(done)](ReplyResult result) {
      if (result && *result) {
        Reply& reply = **result;
        base::store_be<std::uint32_t>(reply.prefix.data(), static_cast<std::uint32_t>(reply.size()));
        reply.prefix_bytes = 4;
      }
      done(std::move(result));
    });
  }

 private:
  const std::unique_ptr<FrameHandler> handler_;
  const std::uint64_t frame_bytes_max_;
  std::array<std::byte, 4> length_{};
  std::uint8_t length_bytes_ = 0;
  std::uint32_t frame_length_ = 0;
  base::Bytes frame_;
};

}  // namespace

ProtocolFactory framed(HandlerFactory handlers, std::uint64_t frame_bytes_max) {
  return [handlers = std::move(handlers), frame_bytes_max](const ConnectionInfo& info) {
    return std::make_unique<Framed>(handlers(info), frame_bytes_max);
  };
}

}  // namespace baton::net
