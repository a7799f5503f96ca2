// bench/sink [--sync] [--again] FILE: the limit of what a broker can do on this machine. It reads batches with their length before them from
// one connection at a time, checks their CRCs, writes them to a file that is allocated ahead, syncs what one read brought (--sync), and answers
// each. There is no protocol, no topic, and no index. Prints its port; ends with SIGTERM.
//
// What is written is kept, as a log keeps it, up to 4 GiB: pages of the cache that were not there before are the larger part of what a write
// costs on some machines. With --again it writes the same 64 MiB again and again, which shows that part.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/crc32c.h"

namespace {

using namespace baton;

constexpr std::size_t kBuffer = 8 << 20;   // the largest batch fits, and several others
constexpr std::int64_t kStep = 64 << 20;   // allocated at once: a segment of Baton
constexpr std::int64_t kKept = 4LL << 30;  // then it begins again
constexpr std::size_t kCrcAt = 17;
constexpr std::size_t kCheckedFrom = 21;

void require(bool held, const char* what) {
  if (held) return;
  std::fprintf(stderr, "sink: %s: %s\n", what, std::strerror(errno));
  std::exit(2);
}

class Sink {
 public:
  Sink(int file, bool sync, bool again) : file_(file), sync_(sync), end_(again ? kStep : kKept), buffer_(kBuffer) {}

  void serve(int connection) {
    used_ = 0;
    for (;;) {
      const auto got = recv(connection, buffer_.data() + used_, buffer_.size() - used_, 0);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return;
      used_ += static_cast<std::size_t>(got);
      const auto whole = check();
      if (whole == 0) continue;
      write(whole);
      if (sync_) require(fdatasync(file_) == 0, "fdatasync");
      if (!answer(connection)) return;
      std::memmove(buffer_.data(), buffer_.data() + whole, used_ - whole);
      used_ -= whole;
    }
  }

 private:
  // The bytes of all whole batches, whose CRCs hold.
  std::size_t check() {
    std::size_t at = 0;
    batches_ = 0;
    while (used_ - at >= 4) {
      const auto length = base::load_be<std::uint32_t>(buffer_.data() + at);
      if (length < kCheckedFrom || length + 4 > buffer_.size()) require(false, "a batch of a size that is not possible");
      if (used_ - at - 4 < length) break;
      const base::ByteView batch(buffer_.data() + at + 4, length);
      const bool held = base::load_be<std::uint32_t>(batch.data() + kCrcAt) == base::crc32c(0, batch.subspan(kCheckedFrom));
      require(held, "a CRC that does not hold");
      at += 4 + length;
      ++batches_;
    }
    return at;
  }

  void write(std::size_t bytes) {
    const auto size = static_cast<std::int64_t>(bytes);
    if (at_ + size > end_) {
      at_ = 0;
      // A log does not write over what it has; so the pages go.
      if (end_ == kKept) {
        require(ftruncate(file_, 0) == 0, "ftruncate");
        allocated_ = 0;
      }
    }
    if (at_ + size > allocated_) {
      require(fallocate(file_, 0, allocated_, kStep) == 0, "fallocate");
      allocated_ += kStep;
    }
    require(pwrite(file_, buffer_.data(), bytes, at_) == static_cast<ssize_t>(bytes), "write");
    at_ += static_cast<std::int64_t>(bytes);
  }

  bool answer(int connection) {
    answers_.clear();
    for (std::size_t i = 0; i < batches_; ++i) {
      base::put_be<std::int32_t>(answers_, 8);
      base::put_be<std::int64_t>(answers_, at_);
    }
    return send(connection, answers_.data(), answers_.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(answers_.size());
  }

  int file_;
  bool sync_;
  std::int64_t end_;
  std::int64_t allocated_ = 0;
  base::Bytes buffer_;
  base::Bytes answers_;
  std::size_t used_ = 0;
  std::size_t batches_ = 0;
  std::int64_t at_ = 0;
};

}  // namespace

int main(int count, char** values) {
  const std::vector<std::string_view> words(values + 1, values + count);
  const auto has = [&](std::string_view word) { return std::find(words.begin(), words.end(), word) != words.end(); };
  const std::size_t options = (has("--sync") ? 1 : 0) + (has("--again") ? 1 : 0);
  if (words.size() != options + 1) {
    std::fprintf(stderr, "sink: say [--sync] [--again] FILE\n");
    return 2;
  }
  const int file = open(values[count - 1], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  require(file >= 0, values[count - 1]);
  Sink sink(file, has("--sync"), has("--again"));
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) return 2;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  require(bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0, "bind");
  require(listen(listener, 8) == 0, "listen");
  require(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0, "getsockname");
  std::printf("%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  for (;;) {
    const int connection = accept(listener, nullptr, nullptr);
    if (connection < 0) continue;
    const int on = 1;
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sink.serve(connection);
    close(connection);
  }
}
