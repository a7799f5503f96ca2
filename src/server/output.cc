#include "server/output.h"

#include <boost/asio/buffer.hpp>

#include <algorithm>

#include "base/try.h"
#include "os/socket.h"

namespace baton::server {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::size_t kBuffersMax = 32;
constexpr std::uint64_t kCopyBytes = 256u << 10;

Error gone(const error_code& error) { return {Code::io_error, "send: " + error.message()}; }

// What a send that does not block has sent: 0 when the socket takes no more.
Result<std::uint64_t> sent_or_gone(std::size_t sent, const error_code& error) {
  if (!error) return std::uint64_t{sent};
  if (error == asio::error::would_block || error == asio::error::try_again) return std::uint64_t{0};
  return gone(error);
}

}  // namespace

void Output::push(net::Reply reply) {
  const std::uint64_t size = reply.size();
  Piece piece;
  piece.prefix = reply.prefix;
  piece.prefix_bytes = reply.prefix_bytes;
  piece.bytes = std::move(reply.head);
  for (auto& slice : reply.slices) {
    piece.file = std::move(slice.file);
    piece.offset = slice.offset;
    piece.length = slice.length;
    pieces_.push(std::move(piece));
    piece = {};
    piece.bytes = std::move(slice.after);
  }
  if (piece.in_memory() > 0) pieces_.push(std::move(piece));
  bytes_ += size;
}

void Output::push(base::Bytes bytes) {
  if (bytes.empty()) return;
  bytes_ += bytes.size();
  Piece piece;
  piece.bytes = std::move(bytes);
  pieces_.push(std::move(piece));
}

Result<bool> Output::send(Socket& socket) {
  while (!pieces_.empty()) {
    const Piece& first = pieces_.front();
    BATON_TRY_ASSIGN(const auto sent, sent_ < first.in_memory() ? send_memory(socket) : send_slice(socket, first));
    if (sent == 0 && sent_ < first.size()) return false;
    advance(sent);
  }
  return true;
}

// The bytes from where the first piece stands up to the next range of a file, as many pieces as fit into one call.
Result<std::uint64_t> Output::send_memory(Socket& socket) {
  std::array<asio::const_buffer, kBuffersMax> buffers;
  std::size_t count = 0;
  std::uint64_t skip = sent_;
  bool file_follows = false;
  const auto put = [&](const std::byte* data, std::size_t size) {
    const auto skipped = std::min<std::uint64_t>(skip, size);
    skip -= skipped;
    if (skipped < size) buffers[count++] = asio::const_buffer(data + skipped, size - skipped);
  };
  for (std::size_t i = 0; i < pieces_.size() && count + 2 <= buffers.size() && !file_follows; ++i) {
    const Piece& piece = pieces_[i];
    put(piece.prefix.data(), piece.prefix_bytes);
    put(piece.bytes.data(), piece.bytes.size());
    file_follows = piece.length > 0;
  }
  error_code error;
  // What is to be followed by a file waits for it, so that both leave in full packets.
  const auto sent = socket.send(std::span(buffers).first(count), file_follows ? MSG_MORE : 0, error);
  return sent_or_gone(sent, error);
}

Result<std::uint64_t> Output::send_slice(Socket& socket, const Piece& piece) {
  const std::uint64_t done = sent_ - piece.in_memory();
  if (done == piece.length) return std::uint64_t{0};
  auto sent = os::send_file(socket.native_handle(), *piece.file, piece.offset + done, piece.length - done);
  if (sent) return std::uint64_t{*sent};
  if (sent.error().code == Code::unavailable) return send_copy(socket, piece, done);
  return std::move(sent).error();
}

Result<std::uint64_t> Output::send_copy(Socket& socket, const Piece& piece, std::uint64_t done) {
  base::Bytes copy(std::min(piece.length - done, kCopyBytes));
  BATON_TRY_ASSIGN(const auto got, piece.file->read_at(piece.offset + done, copy));
  if (got == 0) return Error{Code::corrupt, "send a file: it ends before byte " + std::to_string(piece.offset + done)};
  error_code error;
  const auto sent = socket.send(asio::buffer(copy.data(), got), 0, error);
  return sent_or_gone(sent, error);
}

void Output::advance(std::uint64_t sent) {
  bytes_ -= sent;
  total_sent_ += sent;
  sent_ += sent;
  while (!pieces_.empty() && sent_ >= pieces_.front().size()) {
    sent_ -= pieces_.front().size();
    (void)pieces_.pop();
  }
}

}  // namespace baton::server
