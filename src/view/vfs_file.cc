#include "view/vfs_file.h"

#include <atomic>
#include <cstring>

#include "view/vfs.h"

namespace baton::view::internal {
namespace {

// The lock bytes, beyond the first GiB of the file: "The Database File Format", section 1.3.16 (the lock-byte page).
constexpr std::uint64_t kPendingByte = 0x4000'0000;
constexpr std::uint64_t kReservedByte = kPendingByte + 1;
constexpr std::uint64_t kSharedFirst = kPendingByte + 2;
constexpr std::uint64_t kSharedBytes = 510;

// "WAL-mode File Format", section 2.3: eight lock bytes in the -shm file, and one more that everyone who uses the file holds shared.
constexpr std::uint64_t kShmLockBase = 120;
constexpr std::uint64_t kShmInUse = kShmLockBase + SQLITE_SHM_NLOCK;

}  // namespace

int SharedMemory::open(os::FileSystem& fs, const std::string& path, std::unique_ptr<SharedMemory>* out) {
  std::unique_ptr<SharedMemory> made(new SharedMemory(fs, path));
  auto file = fs.open(path, {.write = true, .create = true});
  if (!file) {
    file = fs.open(path, {});
    made->read_only_ = true;
  }
  if (!file) return note_failure(file.error(), SQLITE_CANTOPEN);
  made->file_ = std::move(*file);
  // Whoever is alone with the file empties it: what a dead process left there may be half written.
  if (!made->read_only_) {
    auto alone = made->file_->try_lock(os::LockKind::exclusive, kShmInUse, 1);
    if (!alone) return note_failure(alone.error(), SQLITE_IOERR_SHMLOCK);
    if (*alone) {
      if (auto emptied = made->file_->truncate(0); !emptied) return note_failure(emptied.error(), SQLITE_IOERR_SHMOPEN);
    }
  }
  auto shared = made->file_->try_lock(os::LockKind::shared, kShmInUse, 1);
  if (!shared) return note_failure(shared.error(), SQLITE_IOERR_SHMLOCK);
  if (!*shared) return SQLITE_BUSY;
  *out = std::move(made);
  return SQLITE_OK;
}

int SharedMemory::map(int region, int region_bytes, bool extend, void volatile** out) {
  *out = nullptr;
  const auto bytes = static_cast<std::uint64_t>(region_bytes);
  while (regions_.size() <= static_cast<std::size_t>(region)) {
    const std::uint64_t start = regions_.size() * bytes;
    if (!extend || read_only_) {
      auto size = file_->size();
      if (!size) return note_failure(size.error(), SQLITE_IOERR_SHMSIZE);
      if (*size < start + bytes) return read_only_ ? SQLITE_READONLY_CANTINIT : SQLITE_OK;
    }
    auto mapped = file_->map_shared(start, bytes);
    if (!mapped) return note_failure(mapped.error(), SQLITE_IOERR_SHMMAP);
    regions_.push_back(std::move(*mapped));
  }
  *out = regions_[static_cast<std::size_t>(region)]->data();
  return read_only_ ? SQLITE_READONLY : SQLITE_OK;
}

int SharedMemory::lock(int slot, int count, int flags) {
  const std::uint64_t start = kShmLockBase + static_cast<std::uint64_t>(slot);
  const auto length = static_cast<std::uint64_t>(count);
  if ((flags & SQLITE_SHM_UNLOCK) != 0) {
    if (auto done = file_->unlock(start, length); !done) return note_failure(done.error(), SQLITE_IOERR_SHMLOCK);
    return SQLITE_OK;
  }
  const auto kind = (flags & SQLITE_SHM_SHARED) != 0 ? os::LockKind::shared : os::LockKind::exclusive;
  auto locked = file_->try_lock(kind, start, length);
  if (!locked) return note_failure(locked.error(), SQLITE_IOERR_SHMLOCK);
  return *locked ? SQLITE_OK : SQLITE_BUSY;
}

void SharedMemory::close(bool remove_file) {
  regions_.clear();
  file_.reset();
  if (remove_file) (void)fs_.remove(path_);  // it is made again when it is missed
}

int OpenFile::close() {
  (void)shm_unmap(false);
  file_.reset();
  if (delete_on_close_) (void)env_.fs().remove(path_);
  return SQLITE_OK;
}

int OpenFile::read(void* out, int bytes, sqlite3_int64 offset) {
  const auto wanted = static_cast<std::size_t>(bytes);
  auto got = file_->read_at(static_cast<std::uint64_t>(offset), {static_cast<std::byte*>(out), wanted});
  if (!got) return note_failure(got.error(), SQLITE_IOERR_READ);
  if (*got == wanted) return SQLITE_OK;
  std::memset(static_cast<char*>(out) + *got, 0, wanted - *got);  // sqlite3_io_methods demands it
  return SQLITE_IOERR_SHORT_READ;
}

int OpenFile::write(const void* data, int bytes, sqlite3_int64 offset) {
  auto put = file_->write_at(static_cast<std::uint64_t>(offset),
                             base::ByteView(static_cast<const std::byte*>(data), static_cast<std::size_t>(bytes)));
  return put ? SQLITE_OK : note_failure(put.error(), SQLITE_IOERR_WRITE);
}

int OpenFile::truncate(sqlite3_int64 size) {
  auto done = file_->truncate(static_cast<std::uint64_t>(size));
  return done ? SQLITE_OK : note_failure(done.error(), SQLITE_IOERR_TRUNCATE);
}

int OpenFile::sync() {
  // A second sync after a failed one would succeed without having written anything.
  if (sync_failed_) return SQLITE_IOERR_FSYNC;
  auto done = file_->sync_data();
  if (done && name_is_new_) {
    done = env_.fs().sync_directory(os::parent(path_));
    name_is_new_ = !done.ok();
  }
  if (done) return SQLITE_OK;
  sync_failed_ = true;
  return note_failure(done.error(), SQLITE_IOERR_FSYNC);
}

int OpenFile::size(sqlite3_int64* out) {
  auto now = file_->size();
  if (!now) return note_failure(now.error(), SQLITE_IOERR_FSTAT);
  *out = static_cast<sqlite3_int64>(*now);
  return SQLITE_OK;
}

int OpenFile::take(os::LockKind kind, std::uint64_t start, std::uint64_t length) {
  auto locked = file_->try_lock(kind, start, length);
  if (!locked) return note_failure(locked.error(), SQLITE_IOERR_LOCK);
  return *locked ? SQLITE_OK : SQLITE_BUSY;
}

int OpenFile::release(std::uint64_t start, std::uint64_t length) {
  auto done = file_->unlock(start, length);
  return done ? SQLITE_OK : note_failure(done.error(), SQLITE_IOERR_UNLOCK);
}

int OpenFile::lock(int level) {
  if (level <= level_) return SQLITE_OK;
  if (level == SQLITE_LOCK_SHARED) {
    // Who waits to write holds the pending byte, and keeps new readers out.
    if (const int rc = take(os::LockKind::shared, kPendingByte, 1); rc != SQLITE_OK) return rc;
    const int rc = take(os::LockKind::shared, kSharedFirst, kSharedBytes);
    if (const int released = release(kPendingByte, 1); released != SQLITE_OK) return released;
    if (rc == SQLITE_OK) level_ = SQLITE_LOCK_SHARED;
    return rc;
  }
  if (level == SQLITE_LOCK_RESERVED) {
    const int rc = take(os::LockKind::exclusive, kReservedByte, 1);
    if (rc == SQLITE_OK) level_ = SQLITE_LOCK_RESERVED;
    return rc;
  }
  if (!holds_pending_) {
    if (const int rc = take(os::LockKind::exclusive, kPendingByte, 1); rc != SQLITE_OK) return rc;
    holds_pending_ = true;
    level_ = SQLITE_LOCK_PENDING;
  }
  if (level == SQLITE_LOCK_EXCLUSIVE) {
    if (const int rc = take(os::LockKind::exclusive, kSharedFirst, kSharedBytes); rc != SQLITE_OK) return rc;
    level_ = SQLITE_LOCK_EXCLUSIVE;
  }
  return SQLITE_OK;
}

int OpenFile::unlock(int level) {
  if (level >= level_) return SQLITE_OK;
  if (level == SQLITE_LOCK_SHARED) {
    if (level_ == SQLITE_LOCK_EXCLUSIVE) {
      if (take(os::LockKind::shared, kSharedFirst, kSharedBytes) != SQLITE_OK) return SQLITE_IOERR_RDLOCK;
    }
    if (const int rc = release(kPendingByte, 2); rc != SQLITE_OK) return rc;
  } else {
    if (const int rc = release(kPendingByte, 2 + kSharedBytes); rc != SQLITE_OK) return rc;
  }
  holds_pending_ = false;
  level_ = level;
  return SQLITE_OK;
}

int OpenFile::check_reserved(int* out) {
  *out = level_ > SQLITE_LOCK_SHARED ? 1 : 0;
  if (*out != 0) return SQLITE_OK;
  auto locked = file_->is_locked(os::LockKind::exclusive, kReservedByte, 1);
  if (!locked) return note_failure(locked.error(), SQLITE_IOERR_CHECKRESERVEDLOCK);
  *out = *locked ? 1 : 0;
  return SQLITE_OK;
}

int OpenFile::shm_map(int region, int region_bytes, bool extend, void volatile** out) {
  if (shm_ == nullptr) {
    if (const int rc = SharedMemory::open(env_.fs(), path_ + "-shm", &shm_); rc != SQLITE_OK) return rc;
  }
  return shm_->map(region, region_bytes, extend, out);
}

int OpenFile::shm_lock(int slot, int count, int flags) {
  return shm_ == nullptr ? SQLITE_IOERR_SHMLOCK : shm_->lock(slot, count, flags);
}

int OpenFile::shm_unmap(bool remove_file) {
  if (shm_ != nullptr) shm_->close(remove_file);
  shm_.reset();
  return SQLITE_OK;
}

}  // namespace baton::view::internal
