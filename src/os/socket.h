// What a server needs of the system's sockets beyond what Asio does.
#pragma once

#include <cstddef>
#include <cstdint>

#include <baton/result.h>

#include "os/file.h"

namespace baton::os {

// Sends up to `length` bytes of `file` from `offset` on to a socket that does not block, from the page cache, without a copy through
// this process. How many went; 0 when the socket takes no more now. unavailable: not possible with this file, read it and send
// what was read. corrupt: the file ends before `offset`. io_error: the connection is gone.
[[nodiscard]] Result<std::size_t> send_file(int socket, const File& file, std::uint64_t offset, std::uint64_t length);

// How many descriptors this process may have open.
[[nodiscard]] std::uint64_t descriptor_limit();

// From now on a write to a connection that is gone is an error, not the end of the process.
void ignore_broken_pipes();

}  // namespace baton::os
