// os/: the only layer that calls the operating system. This header is files and directories.
//
// Two implementations stand behind these classes: PosixFileSystem (posix_file.cc) and SimFileSystem (sim_disk.h), whose
// disk forgets what was not synced. Everything above os/ is written against these interfaces only, so that the code that
// ships is the code that is simulated.
//
// Threads: every method may be called from any thread; two writes to the same range at once are the caller's mistake.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <baton/result.h>

#include "base/bytes.h"

namespace baton::os {

// Read-only memory over a file that does not change while it is mapped (index runs). Unmapped by the destructor.
class Mapping {
 public:
  virtual ~Mapping() = default;
  [[nodiscard]] virtual base::ByteView bytes() const = 0;
};

// Memory over a file that several processes share (the live marks, SQLite's -shm). Never synced; lost with the machine.
class SharedMapping {
 public:
  virtual ~SharedMapping() = default;
  [[nodiscard]] virtual std::byte* data() const = 0;
  [[nodiscard]] virtual std::uint64_t size() const = 0;
};

// What a direct write is made of: the sector that disks have had from of old, which is also what the simulated one tears.
inline constexpr std::size_t kDirectBytes = 512;

enum class LockKind { shared, exclusive };

class File {
 public:
  virtual ~File() = default;  // closes; releases the locks taken through this object

  // Reads up to out.size() bytes at `offset`; fewer only at the end of the file. EINTR and short reads are looped. A pipe or terminal has no
  // offsets: it gives its next bytes, as many as are there, and none at its end.
  [[nodiscard]] virtual Result<std::size_t> read_at(std::uint64_t offset, base::MutableByteView out) const = 0;
  // Writes all of `data` at `offset`, growing the file if need be. On an error an unknown prefix may have been written.
  [[nodiscard]] virtual Status write_at(std::uint64_t offset, base::ByteView data) = 0;
  // The same for several pieces that follow one another in the file.
  [[nodiscard]] virtual Status write_at(std::uint64_t offset, std::span<const base::ByteView> pieces) = 0;
  // write_at that leaves nothing in the page cache, where system, file system and disk can do that: for bytes that nobody is about to read.
  // `offset`, `data.size()` and the address of `data` are multiples of kDirectBytes (invalid_argument). Durable after sync_data, as any write.
  [[nodiscard]] virtual Status write_direct(std::uint64_t offset, base::ByteView data) = 0;
  // fdatasync. After an error the state of every earlier write is unknown, and every later call fails as well, also one that another thread
  // has begun already: the system reports an error only once, and would tell that thread that all is on the disk.
  [[nodiscard]] virtual Status sync_data() = 0;
  [[nodiscard]] virtual Result<std::uint64_t> size() const = 0;
  [[nodiscard]] virtual Status truncate(std::uint64_t size) = 0;
  // Makes sure that [offset, offset + length) has space on the disk, growing the file with zeros. Code::no_space when full;
  // then nothing has changed that a reader could see.
  [[nodiscard]] virtual Status allocate(std::uint64_t offset, std::uint64_t length) = 0;
  // Maps the whole file as it is now.
  [[nodiscard]] virtual Result<std::unique_ptr<Mapping>> map() const = 0;
  // Maps `length` bytes from `offset` (a multiple of 4096) shared; a writer grows the file to reach if need be.
  [[nodiscard]] virtual Result<std::unique_ptr<SharedMapping>> map_shared(std::uint64_t offset, std::uint64_t length) = 0;
  // Open-file-description locks on a byte range (length 0: to the end). False when another description holds it. Does not wait.
  [[nodiscard]] virtual Result<bool> try_lock(LockKind kind, std::uint64_t start, std::uint64_t length) = 0;
  [[nodiscard]] virtual Status unlock(std::uint64_t start, std::uint64_t length) = 0;
  // Whether another description holds a lock that conflicts with `kind` on the range.
  [[nodiscard]] virtual Result<bool> is_locked(LockKind kind, std::uint64_t start, std::uint64_t length) const = 0;
  // A hint that sync_data will follow soon: what was written there may begin to go to the disk, while the caller does something else. It says nothing of
  // what is durable, and every error is told by sync_data. Never fails.
  virtual void start_write_back(std::uint64_t offset, std::uint64_t length) = 0;
  // A hint that the bytes will not be read again soon (a scan), so that they may leave the page cache. Never fails.
  virtual void drop_cache(std::uint64_t offset, std::uint64_t length) = 0;
};

struct OpenOptions {
  bool write = false;
  bool create = false;     // make it if it is not there (mode 0600 when `secret`, else 0644 less the umask)
  bool exclusive = false;  // with create: fail with already_exists if it is there
  bool truncate = false;
  bool secret = false;
};

struct DirectoryEntry {
  std::string name;
  bool is_directory = false;
};

struct SpaceInfo {
  std::uint64_t available_bytes = 0;
  std::uint64_t total_bytes = 0;
};

// Paths are plain strings with '/' between names. Errors carry path and reason; a missing file is Code::not_found.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  [[nodiscard]] virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenOptions options) = 0;
  // Both change a directory: the change is durable after sync_directory on the parent of each path.
  [[nodiscard]] virtual Status rename(const std::string& from, const std::string& to) = 0;  // replaces `to` atomically
  [[nodiscard]] virtual Status remove(const std::string& path) = 0;                         // a file or an empty directory
  [[nodiscard]] virtual Status make_directory(const std::string& path) = 0;                 // fine if it is there already
  [[nodiscard]] virtual Status sync_directory(const std::string& path) = 0;
  // Sorted by name, so that nothing above depends on the order that a file system chose.
  [[nodiscard]] virtual Result<std::vector<DirectoryEntry>> list(const std::string& path) = 0;
  [[nodiscard]] virtual Result<bool> exists(const std::string& path) = 0;
  [[nodiscard]] virtual Result<SpaceInfo> space(const std::string& path) = 0;
  // syncfs: makes all that was written to the file system under `path` durable. Never again after an error: who calls later, or waits, gets it, too.
  [[nodiscard]] virtual Status sync_all(const std::string& path) = 0;
};

// What File::write_direct asks of its arguments.
[[nodiscard]] Status check_direct(std::uint64_t offset, base::ByteView data);
// make_directory for every missing parent, each parent synced. In file.cc: written against the interface.
[[nodiscard]] Status make_directories(FileSystem& fs, const std::string& path);
// Reads a whole file of at most `limit` bytes; too_large otherwise.
[[nodiscard]] Result<base::Bytes> read_file(FileSystem& fs, const std::string& path, std::uint64_t limit);
// The same of a file of a store's own, which is never longer: corrupt when it is, as any other damage.
[[nodiscard]] Result<base::Bytes> read_state_file(FileSystem& fs, const std::string& path, std::uint64_t limit);
// Writes `path` so that after a crash it holds the old or the new content: temporary file, sync, rename, directory sync.
[[nodiscard]] Status replace_file(FileSystem& fs, const std::string& path, base::ByteView content);
// The same for a file that several processes write: `temporary` is this one's own, on the same file system.
[[nodiscard]] Status replace_file(FileSystem& fs, const std::string& path, base::ByteView content, const std::string& temporary);
// remove for a whole tree; fine if it is not there.
[[nodiscard]] Status remove_tree(FileSystem& fs, const std::string& path);
[[nodiscard]] std::string join(std::string_view directory, std::string_view name);
[[nodiscard]] std::string parent(std::string_view path);

}  // namespace baton::os
