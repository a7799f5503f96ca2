#include "net/framing.h"

#include <algorithm>
#include <utility>

namespace baton::net {
namespace {

constexpr std::size_t kReadInPlace = 16u << 10;  // less of a frame is not worth a read of its own
constexpr std::size_t kGrowth = 16;

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
    if (frame_.capacity() < frame_.size() + n) grow(n);
    frame_.put(in.first(n));
    in = in.subspan(n);
    return taken();
  }

  base::MutableByteView room() override {
    const auto missing = frame_length_ - frame_.size();
    if (length_bytes_ < length_.size() || missing < kReadInPlace) return {};
    if (frame_.capacity() - frame_.size() < std::min<std::size_t>(missing, kReadInPlace)) grow(kReadInPlace);
    return frame_.room();
  }

  Taken filled(std::size_t count) override {
    frame_.grow(count);
    return taken();
  }

  void drain() override { handler_->drain(); }
  [[nodiscard]] Turn turn() const override { return handler_->turn(frame_.bytes()); }

  void handle(ReplyDone done) override {
    length_bytes_ = 0;
    handler_->handle(std::exchange(frame_, {}), [done = std::move(done)](ReplyResult result) {
      if (result && *result && !(*result)->silent) {
        Reply& reply = **result;
        base::store_be<std::uint32_t>(reply.prefix.data(), static_cast<std::uint32_t>(reply.size()));
        reply.prefix_bytes = 4;
      }
      done(std::move(result));
    });
  }

 private:
  [[nodiscard]] Taken taken() const { return {.state = frame_.size() == frame_length_ ? Taken::State::complete : Taken::State::more}; }
  // Room for `count` more bytes, and for more than that once bytes have come: memory that is not written to yet is not the process's.
  void grow(std::size_t count) { frame_.reserve(std::min<std::size_t>(frame_length_, std::max(frame_.size() + count, kGrowth * frame_.size()))); }

  const std::unique_ptr<FrameHandler> handler_;
  const std::uint64_t frame_bytes_max_;
  std::array<std::byte, 4> length_{};
  std::uint8_t length_bytes_ = 0;
  std::uint32_t frame_length_ = 0;
  base::Buffer frame_;
};

}  // namespace

ProtocolFactory framed(HandlerFactory handlers, std::uint64_t frame_bytes_max) {
  return [handlers = std::move(handlers), frame_bytes_max](const ConnectionInfo& info) {
    return std::make_unique<Framed>(handlers(info), frame_bytes_max);
  };
}

}  // namespace baton::net
