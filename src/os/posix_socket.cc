#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/try.h"
#include "os/posix_descriptor.h"
#include "os/posix_error.h"
#include "os/socket.h"

namespace baton::os {
namespace {

// Calls `use` with an address for `path`: the path itself, or, when that is too long, one through a descriptor of its directory.
template <typename Use>
Status with_address(const std::string& path, Use use) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string name = path;
  Descriptor directory(-1);
  if (name.size() >= sizeof address.sun_path) {
    const auto slash = name.rfind('/');
    const std::string parent = slash == std::string::npos ? "." : name.substr(0, slash + 1);
    Descriptor opened(::open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (opened.get() < 0) return posix_error("open", parent, errno);
    name = "/proc/self/fd/" + std::to_string(opened.get()) + "/" + name.substr(slash == std::string::npos ? 0 : slash + 1);
    if (name.size() >= sizeof address.sun_path) return Error{Code::invalid_argument, path + ": the name of a socket is too long"};
    std::memcpy(address.sun_path, name.c_str(), name.size());
    return use(address, name);
  }
  std::memcpy(address.sun_path, name.c_str(), name.size());
  return use(address, name);
}

}  // namespace

Result<int> bind_local_socket(const std::string& path) {
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) return posix_error("socket", path, errno);
  BATON_TRY(with_address(path, [&](const sockaddr_un& address, const std::string& name) -> Status {
    if (::unlink(name.c_str()) != 0 && errno != ENOENT) return posix_error("unlink", path, errno);
    // Nobody connects before it listens; so the mode is right in time.
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return posix_error("bind", path, errno);
    if (::chmod(name.c_str(), S_IRUSR | S_IWUSR) != 0) return posix_error("chmod", path, errno);
    return {};
  }));
  return socket.release();
}

Result<std::unique_ptr<LocalConnection>> LocalConnection::connect(const std::string& path) {
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) return posix_error("socket", path, errno);
  BATON_TRY(with_address(path, [&](const sockaddr_un& address, const std::string&) -> Status {
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return {};
    return Error{Code::unavailable, path + ": nobody listens there: " + std::strerror(errno)};
  }));
  return std::unique_ptr<LocalConnection>(new LocalConnection(socket.release()));
}

std::optional<std::string> canonical_address(std::string_view text) {
  const std::string given(text);
  if (given.contains('\0')) return std::nullopt;  // the system would not look at what is behind it
  std::array<char, INET6_ADDRSTRLEN> out{};
  in6_addr six{};
  in_addr four{};
  if (::inet_pton(AF_INET6, given.c_str(), &six) == 1) {
    if (!IN6_IS_ADDR_V4MAPPED(&six)) return std::string(::inet_ntop(AF_INET6, &six, out.data(), out.size()));
    std::memcpy(&four, six.s6_addr + 12, sizeof four);
  } else if (::inet_pton(AF_INET, given.c_str(), &four) != 1) {
    return std::nullopt;
  }
  return std::string(::inet_ntop(AF_INET, &four, out.data(), out.size()));
}

LocalConnection::~LocalConnection() { ::close(socket_); }

Status LocalConnection::send(base::ByteView bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return Error{Code::io_error, std::string("send to the server: ") + std::strerror(errno)};
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
  return {};
}

Result<std::size_t> LocalConnection::receive(base::MutableByteView into) {
  while (true) {
    const auto got = ::recv(socket_, into.data(), into.size(), 0);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) return Error{Code::io_error, std::string("receive from the server: ") + std::strerror(errno)};
  }
}

void LocalConnection::end() { ::shutdown(socket_, SHUT_RDWR); }

}  // namespace baton::os
