// Output: the replies of one connection on their way to its socket: bytes gathered into few writes, ranges of files by sendfile.
// Owned by Connection; on its core.
#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>

#include <array>
#include <cstdint>
#include <memory>

#include <baton/result.h>

#include "net/protocol.h"
#include "server/fifo.h"

namespace baton::server {

// Of TCP, or local.
using Socket = boost::asio::basic_stream_socket<boost::asio::generic::stream_protocol, boost::asio::io_context::executor_type>;

class Output {
 public:
  // Queues what is there of a reply: all but its stream.
  void push(net::Reply reply);
  void push(base::Bytes bytes);
  // Sends what the socket takes. True: all is sent. An error: the connection is gone, or a file is shorter than its slice.
  [[nodiscard]] Result<bool> send(Socket& socket);
  // Bytes queued and not yet sent, those of files included.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] std::uint64_t total_sent() const { return total_sent_; }
  [[nodiscard]] bool empty() const { return pieces_.empty(); }
  void clear() { pieces_.clear(); }

 private:
  // A prefix (or none), bytes, a range of a file (or none): sent in this order.
  struct Piece {
    std::array<std::byte, 4> prefix{};
    std::uint8_t prefix_bytes = 0;
    base::Bytes bytes;
    std::shared_ptr<const os::File> file;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;

    [[nodiscard]] std::uint64_t in_memory() const { return prefix_bytes + bytes.size(); }
    [[nodiscard]] std::uint64_t size() const { return in_memory() + length; }
  };

  [[nodiscard]] Result<std::uint64_t> send_memory(Socket& socket);
  [[nodiscard]] Result<std::uint64_t> send_slice(Socket& socket, const Piece& piece);
  [[nodiscard]] Result<std::uint64_t> send_copy(Socket& socket, const Piece& piece, std::uint64_t done);
  void advance(std::uint64_t sent);

  Fifo<Piece> pieces_;
  std::uint64_t sent_ = 0;  // of the first piece
  std::uint64_t bytes_ = 0;
  std::uint64_t total_sent_ = 0;
};

}  // namespace baton::server
