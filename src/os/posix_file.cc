#include "os/posix_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <mutex>

#include "base/check.h"
#include "base/try.h"
#include "os/posix_descriptor.h"
#include "os/posix_error.h"
#include "os/socket.h"

namespace baton::os {
namespace {

// Calls `call` again while a signal interrupts it.
template <typename F>
auto retry(F&& call) {
  decltype(call()) result{};
  do {
    result = call();
  } while (result == -1 && errno == EINTR);
  return result;
}

class MemoryMap {
 public:
  MemoryMap(void* address, std::size_t size) : address_(static_cast<std::byte*>(address)), size_(size) {}
  ~MemoryMap() {
    if (size_ > 0) ::munmap(address_, size_);
  }
  MemoryMap(const MemoryMap&) = delete;
  MemoryMap& operator=(const MemoryMap&) = delete;
  [[nodiscard]] std::byte* data() const { return address_; }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  std::byte* address_;
  std::size_t size_;
};

class PosixMapping final : public Mapping {
 public:
  PosixMapping(void* address, std::size_t size) : map_(address, size) {}
  base::ByteView bytes() const override { return {map_.data(), map_.size()}; }

 private:
  MemoryMap map_;
};

class PosixSharedMapping final : public SharedMapping {
 public:
  PosixSharedMapping(void* address, std::size_t size) : map_(address, size) {}
  std::byte* data() const override { return map_.data(); }
  std::uint64_t size() const override { return map_.size(); }

 private:
  MemoryMap map_;
};

class PosixFile final : public File {
 public:
  PosixFile(int descriptor, std::string path, bool writable)
      : descriptor_(descriptor), path_(std::move(path)), writable_(writable) {}
  ~PosixFile() override { ::close(descriptor_); }
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  Result<std::size_t> read_at(std::uint64_t offset, base::MutableByteView out) const override {
    std::size_t done = 0;
    while (done < out.size()) {
      const ssize_t got =
          retry([&] { return ::pread(descriptor_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done)); });
      if (got < 0 && errno == ESPIPE) return read_pipe(out);
      if (got < 0) return failed("read");
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  Status write_at(std::uint64_t offset, base::ByteView data) override {
    while (!data.empty()) {
      const ssize_t put = retry([&] { return ::pwrite(descriptor_, data.data(), data.size(), static_cast<off_t>(offset)); });
      if (put < 0) return failed("write");
      data = data.subspan(static_cast<std::size_t>(put));
      offset += static_cast<std::uint64_t>(put);
    }
    return {};
  }

  Status write_at(std::uint64_t offset, std::span<const base::ByteView> pieces) override;
  Status write_direct(std::uint64_t offset, base::ByteView data) override;

  Status sync_data() override {
    const std::lock_guard guard(sync_mutex_);
    if (const int error_number = write_back_error_.load(std::memory_order_relaxed); synced_ && error_number != 0) {
      synced_ = sync_error("sync", path_, error_number);
    }
    // Not repeated after EINTR either: nobody can say what an interrupted sync has done.
    if (synced_ && ::fdatasync(descriptor_) != 0) synced_ = sync_error("sync", path_, errno);
    return synced_;
  }

  Result<std::uint64_t> size() const override {
    struct stat info{};
    if (::fstat(descriptor_, &info) != 0) return failed("stat");
    return static_cast<std::uint64_t>(info.st_size);
  }

  Status truncate(std::uint64_t size) override {
    if (retry([&] { return ::ftruncate(descriptor_, static_cast<off_t>(size)); }) != 0) return failed("truncate");
    return {};
  }

  Status allocate(std::uint64_t offset, std::uint64_t length) override;
  Result<std::unique_ptr<Mapping>> map() const override;
  Result<std::size_t> read_pipe(base::MutableByteView out) const {
    const ssize_t got = retry([&] { return ::read(descriptor_, out.data(), out.size()); });
    if (got < 0) return failed("read");
    return static_cast<std::size_t>(got);
  }
  Result<std::unique_ptr<SharedMapping>> map_shared(std::uint64_t offset, std::uint64_t length) override;

  Result<bool> try_lock(LockKind kind, std::uint64_t start, std::uint64_t length) override {
    struct flock lock = range(kind == LockKind::shared ? F_RDLCK : F_WRLCK, start, length);
    if (retry([&] { return ::fcntl(descriptor_, F_OFD_SETLK, &lock); }) == 0) return true;
    if (errno == EAGAIN || errno == EACCES) return false;
    return failed("lock");
  }

  Status unlock(std::uint64_t start, std::uint64_t length) override {
    struct flock lock = range(F_UNLCK, start, length);
    if (retry([&] { return ::fcntl(descriptor_, F_OFD_SETLK, &lock); }) != 0) return failed("unlock");
    return {};
  }

  Result<bool> is_locked(LockKind kind, std::uint64_t start, std::uint64_t length) const override {
    struct flock lock = range(kind == LockKind::shared ? F_RDLCK : F_WRLCK, start, length);
    if (retry([&] { return ::fcntl(descriptor_, F_OFD_GETLK, &lock); }) != 0) return failed("lock");
    return lock.l_type != F_UNLCK;
  }

  [[nodiscard]] int descriptor() const { return descriptor_; }

  // Of the flags of sync_file_range only this one neither waits nor takes the errors of earlier writes, which the file keeps for sync_data. An error of its own may
  // be told here alone (ext4 drops pages that it finds no place for): sync_data tells it then. Not an error: the call is not there, or nothing has begun yet.
  void start_write_back(std::uint64_t offset, std::uint64_t length) override {
    if (length == 0) return;  // to the system, the rest of the file
    if (::sync_file_range(descriptor_, static_cast<off_t>(offset), static_cast<off_t>(length), SYNC_FILE_RANGE_WRITE) == 0) return;
    const int error_number = errno;
    for (const int harmless : {ENOSYS, EPERM, EINVAL, ESPIPE, EINTR, ENOMEM, EAGAIN}) {
      if (error_number == harmless) return;
    }
    write_back_error_.store(error_number, std::memory_order_relaxed);
  }
  void drop_cache(std::uint64_t offset, std::uint64_t length) override {
    (void)::posix_fadvise(descriptor_, static_cast<off_t>(offset), static_cast<off_t>(length), POSIX_FADV_DONTNEED);
  }

 private:
  [[nodiscard]] Error failed(std::string_view what) const { return posix_error(what, path_, errno); }

  static struct flock range(int type, std::uint64_t start, std::uint64_t length) {
    struct flock lock{};
    lock.l_type = static_cast<short>(type);
    lock.l_whence = SEEK_SET;
    lock.l_start = static_cast<off_t>(start);
    lock.l_len = static_cast<off_t>(length);
    return lock;
  }

  Status write_zeros(std::uint64_t from, std::uint64_t to);

  [[nodiscard]] Result<std::size_t> try_direct(std::uint64_t offset, base::ByteView data);

  int descriptor_;
  std::atomic<int> write_back_error_{0};  // of start_write_back
  std::atomic<bool> direct_{true};  // as far as is known
  std::mutex sync_mutex_;
  Status synced_;  // of all syncs so far
  std::string path_;
  bool writable_;
};

Status PosixFile::write_at(std::uint64_t offset, std::span<const base::ByteView> pieces) {
  constexpr std::size_t kMaxPieces = 64;
  std::size_t next = 0;     // the first piece not written in full
  std::size_t skipped = 0;  // how much of it is written
  while (next < pieces.size()) {
    std::array<iovec, kMaxPieces> vectors;
    int count = 0;
    for (std::size_t i = next; i < pieces.size() && count < static_cast<int>(kMaxPieces); ++i) {
      const auto piece = pieces[i].subspan(i == next ? skipped : 0);
      vectors[static_cast<std::size_t>(count++)] = {const_cast<std::byte*>(piece.data()), piece.size()};
    }
    const ssize_t put = retry([&] { return ::pwritev(descriptor_, vectors.data(), count, static_cast<off_t>(offset)); });
    if (put < 0) return failed("write");
    offset += static_cast<std::uint64_t>(put);
    skipped += static_cast<std::size_t>(put);
    while (next < pieces.size() && skipped >= pieces[next].size()) skipped -= pieces[next++].size();
  }
  return {};
}

Status PosixFile::write_direct(std::uint64_t offset, base::ByteView data) {
  BATON_TRY(check_direct(offset, data));
  BATON_TRY_ASSIGN(const std::size_t done, try_direct(offset, data));
  return write_at(offset + done, data.subspan(done));
}

// How much of it the system took. A descriptor of its own each time: that costs a hundredth of such a write, and readers keep the cache.
Result<std::size_t> PosixFile::try_direct(std::uint64_t offset, base::ByteView data) {
  std::size_t done = 0;
  if (!writable_ || !direct_.load(std::memory_order_relaxed)) return done;
  const std::string self = "/proc/self/fd/" + std::to_string(descriptor_);  // its path may be another file's by now
  const Descriptor direct(retry([&] { return ::open(self.c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC); }));
  while (direct.get() >= 0 && done < data.size()) {
    const auto rest = data.subspan(done);
    const ssize_t put = retry([&] { return ::pwrite(direct.get(), rest.data(), rest.size(), static_cast<off_t>(offset + done)); });
    const bool cannot = put < 0 && (errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS);  // larger sectors, or none at all
    if (put < 0 && !cannot) return failed("write");
    if (put <= 0) break;
    done += static_cast<std::size_t>(put);
    if (static_cast<std::size_t>(put) % kDirectBytes != 0) break;
  }
  if (done < data.size()) direct_.store(false, std::memory_order_relaxed);
  return done;
}

Status PosixFile::write_zeros(std::uint64_t from, std::uint64_t to) {
  const base::Bytes zeros(std::min<std::uint64_t>(to - std::min(from, to), 1 << 20));
  while (from < to) {
    const auto step = std::min<std::uint64_t>(to - from, zeros.size());
    BATON_TRY(write_at(from, base::ByteView(zeros).first(step)));
    from += step;
  }
  return {};
}

Status PosixFile::allocate(std::uint64_t offset, std::uint64_t length) {
  if (length == 0) return {};
  BATON_TRY_ASSIGN(const std::uint64_t old_size, size());
  if (retry([&] { return ::fallocate(descriptor_, 0, static_cast<off_t>(offset), static_cast<off_t>(length)); }) == 0) {
    return {};
  }
  const int error_number = errno;
  Status result = posix_error("allocate space for", path_, error_number);
  if (error_number == EOPNOTSUPP || error_number == ENOSYS) {
    direct_.store(false, std::memory_order_relaxed);  // zeros are written beside other writes then: those go the same way
    // Holes below the old end stay holes on such a file system; the log never makes any.
    result = write_zeros(std::max(offset, old_size), offset + length);
  }
  // A full disk may have let the file grow by a part of it.
  if (!result) (void)::ftruncate(descriptor_, static_cast<off_t>(old_size));
  return result;
}

Result<std::unique_ptr<Mapping>> PosixFile::map() const {
  BATON_TRY_ASSIGN(const std::uint64_t length, size());
  if (length == 0) return std::unique_ptr<Mapping>(std::make_unique<PosixMapping>(nullptr, 0));
  void* address = ::mmap(nullptr, length, PROT_READ, MAP_SHARED, descriptor_, 0);
  if (address == MAP_FAILED) return failed("map");
  return std::unique_ptr<Mapping>(std::make_unique<PosixMapping>(address, length));
}

Result<std::unique_ptr<SharedMapping>> PosixFile::map_shared(std::uint64_t offset, std::uint64_t length) {
  if (length == 0 || offset % 4096 != 0) {
    return Error{Code::invalid_argument, "map " + path_ + ": the range must start at a multiple of 4096 and not be empty"};
  }
  BATON_TRY_ASSIGN(const std::uint64_t now, size());
  if (now < offset + length) {
    if (!writable_) {
      return Error{Code::unavailable, "map " + path_ + ": it has " + std::to_string(now) + " bytes, fewer than the " +
                                          std::to_string(offset + length) + " asked for; its writer may be starting"};
    }
    // Space is allocated, not only promised: a write through a mapping to a full disk would be a signal, not an error.
    BATON_TRY(allocate(now, offset + length - now));
  }
  void* address = ::mmap(nullptr, length, writable_ ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, descriptor_,
                         static_cast<off_t>(offset));
  if (address == MAP_FAILED) return failed("map");
  return std::unique_ptr<SharedMapping>(std::make_unique<PosixSharedMapping>(address, length));
}

int open_directory(const std::string& path) {
  return retry([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
}

}  // namespace

Result<std::size_t> send_file(int socket, const File& file, std::uint64_t offset, std::uint64_t length) {
  const auto* posix = dynamic_cast<const PosixFile*>(&file);
  if (posix == nullptr) return Error{Code::unavailable, "send a file: it is not a file of this machine"};
  auto from = static_cast<off_t>(offset);
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(length, 1u << 30));
  const ssize_t sent = retry([&] { return ::sendfile(socket, posix->descriptor(), &from, count); });
  if (sent > 0) return static_cast<std::size_t>(sent);
  if (sent == 0) return Error{Code::corrupt, "send a file: it ends before byte " + std::to_string(offset)};
  if (errno == EAGAIN || errno == EWOULDBLOCK) return std::size_t{0};
  if (errno == EINVAL || errno == ENOSYS)
    return Error{Code::unavailable, "send a file: its file system does not send from the page cache"};
  return posix_error("send", "a file", errno);
}

bool in_page_cache(const File& file, std::uint64_t offset, std::uint64_t length) {
  constexpr std::uint64_t kStep = 64u << 10;
  const auto* posix = dynamic_cast<const PosixFile*>(&file);
  if (posix == nullptr || length == 0) return true;
  const auto there = [&](std::uint64_t at) {
    char byte = 0;
    iovec into{&byte, 1};
    const ssize_t got = retry([&] { return ::preadv2(posix->descriptor(), &into, 1, static_cast<off_t>(at), RWF_NOWAIT); });
    return got >= 0 || errno != EAGAIN;
  };
  for (std::uint64_t at = 0; at < length; at += kStep) {
    if (!there(offset + at)) return false;
  }
  return there(offset + length - 1);
}

std::uint64_t descriptor_limit() {
  rlimit limit{};
  BATON_CHECK(::getrlimit(RLIMIT_NOFILE, &limit) == 0, "the limit on open files is always known");
  return limit.rlim_cur;
}

void ignore_broken_pipes() { ::signal(SIGPIPE, SIG_IGN); }

PosixFileSystem::~PosixFileSystem() = default;

PosixFileSystem::Device::~Device() { ::close(descriptor); }

// What is kept for `device`, opened on the directory `path` when there is none yet; null and errno on failure.
PosixFileSystem::Device* PosixFileSystem::device_of(const std::string& path, dev_t device) {
  const std::lock_guard guard(mutex_);
  if (const auto found = devices_.find(device); found != devices_.end()) return found->second.get();
  const int descriptor = open_directory(path);
  if (descriptor < 0) return nullptr;
  return devices_.emplace(device, std::make_unique<Device>(descriptor)).first->second.get();
}

Result<std::unique_ptr<File>> PosixFileSystem::open(const std::string& path, OpenOptions options) {
  int flags = O_CLOEXEC | (options.write ? O_RDWR : O_RDONLY);
  if (options.create) flags |= O_CREAT;
  if (options.exclusive) flags |= O_EXCL;
  if (options.truncate) flags |= O_TRUNC;
  const int descriptor = retry([&] { return ::open(path.c_str(), flags, options.secret ? 0600 : 0644); });
  if (descriptor < 0) return posix_error("open", path, errno);
  auto file = std::make_unique<PosixFile>(descriptor, path, options.write);
  struct stat info{};
  if (::fstat(descriptor, &info) != 0) return posix_error("stat", path, errno);
  if (S_ISDIR(info.st_mode)) return Error{Code::invalid_argument, "open " + path + ": it is a directory"};
  if (options.write) (void)device_of(parent(path), info.st_dev);
  return std::unique_ptr<File>(std::move(file));
}

Status PosixFileSystem::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return posix_error("rename to " + to + " from", from, errno);
  return {};
}

Status PosixFileSystem::remove(const std::string& path) {
  if (::remove(path.c_str()) != 0) return posix_error("remove", path, errno);
  return {};
}

Status PosixFileSystem::make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) == 0) return {};
  const int error_number = errno;
  struct stat info{};
  if (error_number == EEXIST && ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return {};
  return posix_error("make directory", path, error_number);
}

Status PosixFileSystem::sync_directory(const std::string& path) {
  const Descriptor directory(open_directory(path));
  if (directory.get() < 0) return posix_error("open directory", path, errno);
  if (::fsync(directory.get()) != 0) return sync_error("sync directory", path, errno);
  return {};
}

Result<std::vector<DirectoryEntry>> PosixFileSystem::list(const std::string& path) {
  DIR* stream = ::opendir(path.c_str());
  if (stream == nullptr) return posix_error("list", path, errno);
  const int directory = ::dirfd(stream);
  BATON_CHECK(directory >= 0, "an open directory has a descriptor");
  std::vector<DirectoryEntry> entries;
  int error_number = 0;
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(stream);
    if (entry == nullptr) {
      error_number = errno;
      break;
    }
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    bool is_directory = entry->d_type == DT_DIR;
    if (entry->d_type == DT_UNKNOWN || entry->d_type == DT_LNK) {
      struct stat info{};
      is_directory = ::fstatat(directory, entry->d_name, &info, 0) == 0 && S_ISDIR(info.st_mode);
    }
    entries.push_back({std::string(name), is_directory});
  }
  ::closedir(stream);
  if (error_number != 0) return posix_error("list", path, error_number);
  std::ranges::sort(entries, {}, &DirectoryEntry::name);
  return entries;
}

Result<bool> PosixFileSystem::exists(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return posix_error("look for", path, errno);
}

Result<SpaceInfo> PosixFileSystem::space(const std::string& path) {
  struct statvfs info{};
  if (retry([&] { return ::statvfs(path.c_str(), &info); }) != 0) return posix_error("ask for the space of", path, errno);
  return SpaceInfo{.available_bytes = std::uint64_t{info.f_bavail} * info.f_frsize,
                   .total_bytes = std::uint64_t{info.f_blocks} * info.f_frsize};
}

Status PosixFileSystem::sync_all(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return posix_error("stat", path, errno);
  Device* const device = device_of(path, info.st_dev);
  if (device == nullptr) return posix_error("open directory", path, errno);
  const std::lock_guard guard(device->mutex);
  if (device->synced && ::syncfs(device->descriptor) != 0) device->synced = sync_error("sync the file system of", path, errno);
  return device->synced;
}

}  // namespace baton::os
