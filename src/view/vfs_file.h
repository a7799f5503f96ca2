// One open file of the VFS: data, byte-range locks as SQLite's own ("File Locking And Concurrency In SQLite Version 3", section 3), and the
// shared memory of a WAL database.
//
// Locks belong to an open file description, so that two connections of one process exclude each other as two processes do, and nothing has
// to be shared between connections inside the process.
#pragma once

#include <sqlite3.h>

#include <memory>
#include <string>
#include <vector>

#include "os/env.h"

namespace baton::view::internal {

// Notes why, for Vfs::last_failure(), and gives the SQLite code: SQLITE_FULL when the disk is full, else `otherwise`.
int note_failure(const Error& error, int otherwise);

// The -shm file: the WAL's index and its locks. Layout and lock bytes are SQLite's (walformat.html, section 2).
class SharedMemory {
 public:
  // SQLITE_OK, or SQLITE_BUSY while another process is emptying the file.
  static int open(os::FileSystem& fs, const std::string& path, std::unique_ptr<SharedMemory>* out);
  int map(int region, int region_bytes, bool extend, void volatile** out);
  int lock(int slot, int count, int flags);
  // Gives the file up; removes it when `remove_file`.
  void close(bool remove_file);

 private:
  SharedMemory(os::FileSystem& fs, std::string path) : fs_(fs), path_(std::move(path)) {}
  os::FileSystem& fs_;
  std::string path_;
  bool read_only_ = false;
  // Mapped memory must go before the file, whose locks tell others that it is in use.
  std::unique_ptr<os::File> file_;
  std::vector<std::unique_ptr<os::SharedMapping>> regions_;
};

class OpenFile {
 public:
  OpenFile(os::Env& env, std::string path, std::unique_ptr<os::File> file, bool name_is_new, bool delete_on_close)
      : env_(env),
        path_(std::move(path)),
        file_(std::move(file)),
        name_is_new_(name_is_new),
        delete_on_close_(delete_on_close) {}

  int close();
  int read(void* out, int bytes, sqlite3_int64 offset);
  int write(const void* data, int bytes, sqlite3_int64 offset);
  int truncate(sqlite3_int64 size);
  int sync();
  int size(sqlite3_int64* out);
  int lock(int level);
  int unlock(int level);
  int check_reserved(int* out);
  int lock_state() const { return level_; }
  int shm_map(int region, int region_bytes, bool extend, void volatile** out);
  int shm_lock(int slot, int count, int flags);
  int shm_unmap(bool remove_file);

 private:
  // SQLITE_OK or SQLITE_BUSY.
  int take(os::LockKind kind, std::uint64_t start, std::uint64_t length);
  int release(std::uint64_t start, std::uint64_t length);

  os::Env& env_;
  std::string path_;
  std::unique_ptr<os::File> file_;
  bool name_is_new_;  // the directory must be synced with the first sync of the file
  bool delete_on_close_;
  bool sync_failed_ = false;
  int level_ = SQLITE_LOCK_NONE;
  bool holds_pending_ = false;
  std::unique_ptr<SharedMemory> shm_;
};

}  // namespace baton::view::internal
