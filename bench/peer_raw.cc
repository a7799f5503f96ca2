#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <random>

#include "peers.h"

namespace baton::bench {

namespace {
void check(bool ok, const char* what) {
  if (ok) return;
  std::perror(what);
  std::exit(2);
}
}  // namespace

RawLog::RawLog(const std::string& path, std::uint64_t prewritten)
    : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)), limit_(prewritten) {
  check(fd_ >= 0, "open");
  std::mt19937_64 random(7);
  buffer_.resize(4u << 20);
  for (auto& c : buffer_) c = static_cast<char>(random());
  const std::vector<char> zeros(1u << 20);
  for (std::uint64_t at = 0; at < prewritten; at += zeros.size())
    check(::pwrite(fd_, zeros.data(), zeros.size(), static_cast<off_t>(at)) == static_cast<ssize_t>(zeros.size()), "pwrite");
  check(::fsync(fd_) == 0, "fsync");
}

RawLog::~RawLog() { ::close(fd_); }

void RawLog::append(std::size_t bytes) {
  if (bytes > buffer_.size()) buffer_.resize(bytes);
  if (limit_ != 0 && size_ + bytes > limit_) size_ = 0;
  check(::pwrite(fd_, buffer_.data(), bytes, static_cast<off_t>(size_)) == static_cast<ssize_t>(bytes), "pwrite");
  check(::fdatasync(fd_) == 0, "fdatasync");
  size_ += bytes;
}

}  // namespace baton::bench
