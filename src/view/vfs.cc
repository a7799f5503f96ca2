#include "view/vfs.h"

#include <atomic>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <new>

#include "base/check.h"
#include "view/allowance.h"
#include "view/vfs_file.h"

namespace baton::view {
namespace {

thread_local std::string last_failure_text;

using internal::OpenFile;

struct Handle {
  sqlite3_file base;
  OpenFile* file;
};

OpenFile& of(sqlite3_file* file) { return *reinterpret_cast<Handle*>(file)->file; }
os::Env& env_of(sqlite3_vfs* vfs) { return *static_cast<os::Env*>(vfs->pAppData); }

int x_close(sqlite3_file* file) {
  auto* handle = reinterpret_cast<Handle*>(file);
  const int rc = handle->file->close();
  delete handle->file;
  handle->file = nullptr;
  return rc;
}
int x_read(sqlite3_file* f, void* out, int n, sqlite3_int64 at) { return of(f).read(out, n, at); }
int x_write(sqlite3_file* f, const void* data, int n, sqlite3_int64 at) { return of(f).write(data, n, at); }
int x_truncate(sqlite3_file* f, sqlite3_int64 size) { return of(f).truncate(size); }
int x_sync(sqlite3_file* f, int) { return of(f).sync(); }
int x_file_size(sqlite3_file* f, sqlite3_int64* out) { return of(f).size(out); }
int x_lock(sqlite3_file* f, int level) { return of(f).lock(level); }
int x_unlock(sqlite3_file* f, int level) { return of(f).unlock(level); }
int x_check_reserved(sqlite3_file* f, int* out) { return of(f).check_reserved(out); }
int x_file_control(sqlite3_file* f, int op, void* arg) {
  if (op != SQLITE_FCNTL_LOCKSTATE) return SQLITE_NOTFOUND;
  *static_cast<int*>(arg) = of(f).lock_state();
  return SQLITE_OK;
}
int x_sector_size(sqlite3_file*) { return 4096; }
// Nothing is promised, 'powersafe overwrite' neither: a write that is cut may spoil the whole sector that it touches.
int x_device_characteristics(sqlite3_file*) { return 0; }
int x_shm_map(sqlite3_file* f, int region, int bytes, int extend, void volatile** out) {
  return of(f).shm_map(region, bytes, extend != 0, out);
}
int x_shm_lock(sqlite3_file* f, int slot, int n, int flags) { return of(f).shm_lock(slot, n, flags); }
void x_shm_barrier(sqlite3_file*) { std::atomic_thread_fence(std::memory_order_seq_cst); }
int x_shm_unmap(sqlite3_file* f, int remove_file) { return of(f).shm_unmap(remove_file != 0); }

constexpr sqlite3_io_methods kMethods = {
    .iVersion = 2,
    .xClose = x_close,
    .xRead = x_read,
    .xWrite = x_write,
    .xTruncate = x_truncate,
    .xSync = x_sync,
    .xFileSize = x_file_size,
    .xLock = x_lock,
    .xUnlock = x_unlock,
    .xCheckReservedLock = x_check_reserved,
    .xFileControl = x_file_control,
    .xSectorSize = x_sector_size,
    .xDeviceCharacteristics = x_device_characteristics,
    .xShmMap = x_shm_map,
    .xShmLock = x_shm_lock,
    .xShmBarrier = x_shm_barrier,
    .xShmUnmap = x_shm_unmap,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

int x_open(sqlite3_vfs* vfs, sqlite3_filename name, sqlite3_file* file, int flags, int* out_flags) {
  file->pMethods = nullptr;
  if (name == nullptr) return SQLITE_CANTOPEN;  // a temporary file: those stay in memory
  os::Env& env = env_of(vfs);
  const std::string path = name;
  const bool write = (flags & SQLITE_OPEN_READWRITE) != 0;
  const bool create = (flags & SQLITE_OPEN_CREATE) != 0;
  auto opened = env.fs().open(path, {.write = write, .create = create, .exclusive = (flags & SQLITE_OPEN_EXCLUSIVE) != 0});
  if (!opened && write && opened.error().code != Code::not_found && opened.error().code != Code::no_space) {
    opened = env.fs().open(path, {});
    flags = (flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
  }
  if (!opened) return internal::note_failure(opened.error(), SQLITE_CANTOPEN);
  auto* handle = reinterpret_cast<Handle*>(file);
  // A file that was there may have been made by a process that died before it synced the directory, so it counts as new.
  handle->file = new OpenFile(env, path, std::move(*opened), create, (flags & SQLITE_OPEN_DELETEONCLOSE) != 0);
  file->pMethods = &kMethods;
  if (out_flags != nullptr) *out_flags = flags;
  return SQLITE_OK;
}

int x_delete(sqlite3_vfs* vfs, const char* name, int sync_directory) {
  os::FileSystem& fs = env_of(vfs).fs();
  if (auto removed = fs.remove(name); !removed) {
    if (removed.error().code == Code::not_found) return SQLITE_IOERR_DELETE_NOENT;
    return internal::note_failure(removed.error(), SQLITE_IOERR_DELETE);
  }
  if (sync_directory == 0) return SQLITE_OK;
  auto synced = fs.sync_directory(os::parent(name));
  return synced ? SQLITE_OK : internal::note_failure(synced.error(), SQLITE_IOERR_DIR_FSYNC);
}

int x_access(sqlite3_vfs* vfs, const char* name, int, int* out) {
  // As in SQLite's own VFS, an empty file counts as none: an empty journal is no journal.
  *out = 0;
  auto file = env_of(vfs).fs().open(name, {});
  if (!file)
    return file.error().code == Code::not_found ? SQLITE_OK : internal::note_failure(file.error(), SQLITE_IOERR_ACCESS);
  auto size = (*file)->size();
  if (!size) return internal::note_failure(size.error(), SQLITE_IOERR_ACCESS);
  *out = *size > 0 ? 1 : 0;
  return SQLITE_OK;
}

int x_full_pathname(sqlite3_vfs*, const char* name, int out_bytes, char* out) {
  const std::size_t length = std::strlen(name);
  if (length >= static_cast<std::size_t>(out_bytes)) return SQLITE_CANTOPEN;
  std::memcpy(out, name, length + 1);
  return SQLITE_OK;
}

int x_randomness(sqlite3_vfs* vfs, int bytes, char* out) {
  env_of(vfs).random().fill({reinterpret_cast<std::byte*>(out), static_cast<std::size_t>(bytes)});
  return bytes;
}

int x_sleep(sqlite3_vfs* vfs, int microseconds) {
  (void)env_of(vfs).make_waiter()->wait(std::int64_t{microseconds} * 1000);
  return microseconds;
}

constexpr sqlite3_int64 kUnixEpochJulianMs = 210'866'760'000'000;

int x_current_time_ms(sqlite3_vfs* vfs, sqlite3_int64* out) {
  *out = kUnixEpochJulianMs + env_of(vfs).clock().wall_ms();
  return SQLITE_OK;
}

int x_current_time(sqlite3_vfs* vfs, double* out) {
  sqlite3_int64 ms = 0;
  const int rc = x_current_time_ms(vfs, &ms);
  *out = static_cast<double>(ms) / 86'400'000.0;
  return rc;
}

int x_last_error(sqlite3_vfs*, int, char*) { return 0; }

std::mutex registering;
std::uint64_t registered = 0;

}  // namespace

int internal::note_failure(const Error& error, int otherwise) {
  last_failure_text = error.detail;
  return error.code == Code::no_space ? SQLITE_FULL : otherwise;
}

const std::string& Vfs::last_failure() { return last_failure_text; }
void Vfs::clear_last_failure() { last_failure_text.clear(); }

void give_sqlite_zeroed_memory() {
  static sqlite3_mem_methods original;
  BATON_CHECK(sqlite3_shutdown() == SQLITE_OK && sqlite3_config(SQLITE_CONFIG_GETMALLOC, &original) == SQLITE_OK,
              "SQLite is in use");
  sqlite3_mem_methods zeroing = original;
  zeroing.xMalloc = [](int bytes) -> void* {
    void* memory = original.xMalloc(bytes);
    if (memory != nullptr) std::memset(memory, 0, static_cast<std::size_t>(original.xSize(memory)));
    return memory;
  };
  zeroing.xRealloc = [](void* old, int bytes) -> void* {
    const int before = original.xSize(old);
    void* memory = original.xRealloc(old, bytes);
    if (memory == nullptr) return nullptr;
    const int after = original.xSize(memory);
    if (after > before) std::memset(static_cast<char*>(memory) + before, 0, static_cast<std::size_t>(after - before));
    return memory;
  };
  BATON_CHECK(sqlite3_config(SQLITE_CONFIG_MALLOC, &zeroing) == SQLITE_OK, "SQLite keeps its memory functions");
}

Vfs::Vfs(os::Env& env) : env_(env), vfs_(std::make_unique<sqlite3_vfs>()) {
  const std::lock_guard guard(registering);
  if (registered == 0) give_sqlite_counted_memory();
  BATON_CHECK(sqlite3_initialize() == SQLITE_OK, "SQLite does not start");
  name_ = "baton-" + std::to_string(++registered);
  *vfs_ = sqlite3_vfs{
      .iVersion = 2,
      .szOsFile = sizeof(Handle),
      .mxPathname = 4096,
      .zName = name_.c_str(),
      .pAppData = &env,
      .xOpen = x_open,
      .xDelete = x_delete,
      .xAccess = x_access,
      .xFullPathname = x_full_pathname,
      .xRandomness = x_randomness,
      .xSleep = x_sleep,
      .xCurrentTime = x_current_time,
      .xGetLastError = x_last_error,
      .xCurrentTimeInt64 = x_current_time_ms,
  };
  // SQLite seeds its generator from the default VFS, once. Seeding it here from the Env keeps a simulation deterministic; the default of
  // the host program is put back.
  sqlite3_vfs* const host_default = sqlite3_vfs_find(nullptr);
  BATON_CHECK(sqlite3_vfs_register(vfs_.get(), 1) == SQLITE_OK, "SQLite refuses a VFS");
  sqlite3_randomness(0, nullptr);
  char first = 0;
  sqlite3_randomness(1, &first);
  if (host_default != nullptr) (void)sqlite3_vfs_register(host_default, 1);
}

Vfs::~Vfs() {
  const std::lock_guard guard(registering);
  (void)sqlite3_vfs_unregister(vfs_.get());
}

}  // namespace baton::view
