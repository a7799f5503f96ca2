// Conditional appends over UmaDB's gRPC: the method /umadb.v1.DCB/Append without TLS. Of HTTP/2 (RFC 9113) and its headers (RFC 7541) only what that needs: each
// request is a stream of one HEADERS and one DATA frame, all of whose headers are literals that no table keeps.
#include "appends.h"
#include "base/varint.h"

namespace baton::bench {
namespace {

enum class Frame : std::uint8_t { data = 0, headers = 1, reset = 3, settings = 4, ping = 6, goaway = 7, window_update = 8 };
constexpr std::uint8_t kEndStream = 1;
constexpr std::uint8_t kAck = 1;
constexpr std::uint8_t kEndHeaders = 4;
constexpr std::size_t kFrameHead = 9;
constexpr std::size_t kStreamAt = 5;     // in a frame's head
constexpr std::size_t kMessageHead = 5;  // gRPC's: not compressed, and the length

std::string big_endian(std::uint32_t value, std::size_t bytes = 4) {
  std::string out;
  for (auto i = bytes; i-- > 0;) out += static_cast<char>(value >> (8 * i));
  return out;
}

std::string frame(Frame type, std::uint8_t flags, std::uint32_t stream, std::string_view payload) {
  auto out = big_endian(static_cast<std::uint32_t>(payload.size()), 3);
  out += static_cast<char>(type);
  out += static_cast<char>(flags);
  return out + big_endian(stream) + std::string(payload);
}

// A header whose name is in the static table, or else is spelled out, and is not kept. Lengths are below 127.
std::string header(std::string_view name, std::string_view value) {
  return std::string(name) + static_cast<char>(value.size()) + std::string(value);
}

std::string render_headers(std::uint16_t port) {
  using namespace std::string_literals;
  return "\x83\x86"s  // :method POST, :scheme http
         + header("\x01", "127.0.0.1:" + std::to_string(port)) + header("\x04", "/umadb.v1.DCB/Append") +
         header("\x0f\x10", "application/grpc") + header("\0\x02te"s, "trailers");
}

// A field of protobuf that is a string, bytes or a message.
std::string field(int number, std::string_view value) {
  base::Bytes head;
  base::put_uvarint(head, static_cast<std::uint64_t>(number) << 3 | 2);
  base::put_uvarint(head, value.size());
  return std::string(base::as_text(head)) + std::string(value);
}

std::string render_message(const AppendShape& shape) {
  const auto ride = "ride:" + shape.run + '-' + AppendText::digits();
  const auto event =
      field(1, "RideEnded") + field(2, "bike:" + AppendText::digits()) + field(2, ride) + field(3, record_value(shape.bytes));
  const auto query = field(1, field(2, ride));  // one item, of one tag
  const auto request = field(1, event) + field(2, field(1, query));
  return std::string(1, '\0') + big_endian(static_cast<std::uint32_t>(request.size())) + request;
}

class GrpcLink final : public Link {
 public:
  explicit GrpcLink(const AppendShape& shape)
      : GrpcLink(shape, frame(Frame::headers, kEndHeaders, 0, render_headers(shape.port))) {}

  void put(std::int64_t n) override {
    const auto stream = big_endian(static_cast<std::uint32_t>(sent_.size() * 2 + 1));
    auto& text = request_.render(n);
    text.replace(kStreamAt, stream.size(), stream);
    text.replace(data_at_ + kStreamAt, stream.size(), stream);
    out_ += text;
    sent_.push_back({now_ns(), false});
  }

 protected:
  std::size_t understand(std::string_view in, std::vector<std::int64_t>& nanoseconds) override {
    std::size_t done = 0;
    while (in.size() - done >= kFrameHead) {
      const auto* head = in.data() + done;
      const auto length = base::load_be<std::uint32_t>(head) >> 8;
      if (in.size() - done < kFrameHead + length) break;
      take_frame(static_cast<Frame>(head[3]), static_cast<std::uint8_t>(head[4]),
                 base::load_be<std::uint32_t>(head + kStreamAt), in.substr(done + kFrameHead, length), nanoseconds);
      done += kFrameHead + length;
    }
    return done;
  }

 private:
  struct Sent {
    std::int64_t at_ns = 0;
    bool answered = false;  // with a message: an error has none
  };

  GrpcLink(const AppendShape& shape, const std::string& headers)
      : Link(shape.port),
        request_(headers + frame(Frame::data, kEndStream, 0, render_message(shape)), shape.run),
        data_at_(headers.size()) {
    // The preface, and room for more answers than there are. That of the server for requests is larger than what is in flight.
    out_ = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(Frame::settings, 0, 0, "") +
           frame(Frame::window_update, 0, 0, big_endian(0x7fff'0000 - 65'535));
  }

  void take_frame(Frame type, std::uint8_t flags, std::uint32_t stream, std::string_view payload,
                  std::vector<std::int64_t>& nanoseconds) {
    switch (type) {
      case Frame::data: sent_of(stream).answered = payload.size() > kMessageHead; return;
      case Frame::headers:
        if ((flags & kEndStream) == 0) return;
        if (!sent_of(stream).answered) fail("an append was refused");
        nanoseconds.push_back(now_ns() - sent_of(stream).at_ns);
        return;
      case Frame::settings:
        if ((flags & kAck) == 0) out_ += frame(Frame::settings, kAck, 0, "");
        return;
      case Frame::ping:
        if ((flags & kAck) == 0) out_ += frame(Frame::ping, kAck, 0, payload);
        return;
      case Frame::window_update: return;
      case Frame::reset:
      case Frame::goaway: break;
    }
    fail("a frame of type " + std::to_string(static_cast<int>(type)) + " from the server");
  }

  Sent& sent_of(std::uint32_t stream) {
    if (stream % 2 == 0 || stream / 2 >= sent_.size()) fail("an answer to nothing");
    return sent_[stream / 2];
  }

  AppendText request_;
  std::size_t data_at_;
  std::vector<Sent> sent_;  // by the number of its stream
};

}  // namespace

std::unique_ptr<Link> grpc_link(const AppendShape& shape) { return std::make_unique<GrpcLink>(shape); }

}  // namespace baton::bench
