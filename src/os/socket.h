// What a server needs of the system's sockets beyond what Asio does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <baton/result.h>

#include "os/file.h"

namespace baton::os {

// Sends up to `length` bytes of `file` from `offset` on to a socket that does not block, from the page cache, without a copy through
// this process. How many went; 0 when the socket takes no more now. unavailable: not possible with this file, read it and send
// what was read. corrupt: the file ends before `offset`. io_error: the connection is gone.
[[nodiscard]] Result<std::size_t> send_file(int socket, const File& file, std::uint64_t offset, std::uint64_t length);

// Whether a range of `file` seems to be in the page cache, so that send_file() does not wait for the disk: a byte of each 64 KiB is asked for. True when the system cannot tell.
[[nodiscard]] bool in_page_cache(const File& file, std::uint64_t offset, std::uint64_t length);

// The one way to write an IP address: "10.0.0.7" also for "::ffff:10.0.0.7", "::1" also for "0:0:0:0:0:0:0:1". nullopt: it is none.
[[nodiscard]] std::optional<std::string> canonical_address(std::string_view text);

// How many descriptors this process may have open.
[[nodiscard]] std::uint64_t descriptor_limit();

// From now on a write to a connection that is gone is an error, not the end of the process.
void ignore_broken_pipes();

// A unix socket at `path`, bound and not yet listening, as a descriptor: mode 0600, in place of what was there. A path that is longer than an address may be
// (107 bytes) is reached through a descriptor of its directory. io_error.
[[nodiscard]] Result<int> bind_local_socket(const std::string& path);

// The client's end of a unix socket. Calls block. One thread may send while another receives.
class LocalConnection {
 public:
  // unavailable: nobody listens there.
  [[nodiscard]] static Result<std::unique_ptr<LocalConnection>> connect(const std::string& path);
  ~LocalConnection();
  LocalConnection(const LocalConnection&) = delete;
  LocalConnection& operator=(const LocalConnection&) = delete;

  // All of it. io_error: the other end is gone.
  [[nodiscard]] Status send(base::ByteView bytes);
  // What is there, at least a byte; 0: the other end has closed.
  [[nodiscard]] Result<std::size_t> receive(base::MutableByteView into);
  // Calls that wait return; any thread.
  void end();

 private:
  explicit LocalConnection(int socket) : socket_(socket) {}
  const int socket_;
};

}  // namespace baton::os
