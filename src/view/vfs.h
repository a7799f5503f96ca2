// A SQLite VFS over os::Env: how SQLite reaches files, locks, shared memory, time, sleep and randomness. The same SQLite therefore runs
// on the real and on the simulated disk, and a database may be read by other processes while one writes it.
//
// SQLite opens nothing else: connections keep temporary tables and sorters in memory (sqlite.cc).
#pragma once

#include <memory>
#include <string>

#include "os/env.h"

struct sqlite3_vfs;

namespace baton::view {

// Registers a VFS with a name of its own for its lifetime. Outlives every connection opened through it; the Env outlives it. Any thread.
class Vfs {
 public:
  explicit Vfs(os::Env& env);
  ~Vfs();
  Vfs(const Vfs&) = delete;
  Vfs& operator=(const Vfs&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] os::Env& env() const { return env_; }

  // What the last operation that failed on this thread said: SQLite's own codes hold no path and no reason.
  [[nodiscard]] static const std::string& last_failure();
  static void clear_last_failure();

 private:
  os::Env& env_;
  std::string name_;
  std::unique_ptr<sqlite3_vfs> vfs_;
};

// For simulations, before anything else uses SQLite in this process: SQLite gets zeroed memory. When it recovers the index of an empty WAL it
// copies memory that it never wrote into the -shm file, where it does no harm, but makes two runs of a seed differ.
void give_sqlite_zeroed_memory();

}  // namespace baton::view
