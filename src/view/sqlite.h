// SQLite as the rest of view/ uses it: a connection and a prepared statement, each closed by its destructor, with errors as baton::Error.
// Both belong to one thread at a time.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <baton/result.h>

#include "view/vfs.h"

namespace baton::view {

// Whether a SQLite code tells of the machine (disk full, I/O, memory, locks), not of the statement and its values.
[[nodiscard]] bool is_machine_failure(int sqlite_code);
// The last error of a connection: "<what>: <SQLite's text>", with the reason of the operating system if there is one.
[[nodiscard]] Error sqlite_error(sqlite3* db, int sqlite_code, std::string_view what);

class Statement {
 public:
  Statement() = default;
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(Statement&& other) noexcept : statement_(std::exchange(other.statement_, nullptr)) {}
  Statement& operator=(Statement&& other) noexcept {
    std::swap(statement_, other.statement_);
    return *this;
  }
  [[nodiscard]] sqlite3_stmt* get() const { return statement_; }

  // Values must outlive the next reset. Positions from 1; a bad one is our own mistake.
  void bind(int position, std::string_view text);
  void bind(int position, std::int64_t number);
  void bind_null(int position);

  // True while there is a row.
  [[nodiscard]] Result<bool> step();
  // Runs a statement that gives no rows, and resets it.
  [[nodiscard]] Status run();
  void reset() { sqlite3_reset(statement_); }

  [[nodiscard]] std::string text(int column) const;
  [[nodiscard]] std::int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }
  [[nodiscard]] bool is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

 private:
  sqlite3_stmt* statement_ = nullptr;
};

class Database {
 public:
  enum class Mode {
    write,      // made when it is not there; WAL, synchronous NORMAL
    scratch,    // made; no journal and no syncs, for a file that is removed again
    read,       // beside a writer
    immutable,  // a file that nobody writes
  };
  Database() = default;  // not open
  [[nodiscard]] static Result<Database> open(const Vfs& vfs, const std::string& path, Mode mode, std::int64_t cache_kib = 2048);
  [[nodiscard]] static Result<Database> open_memory(const Vfs& vfs);

  [[nodiscard]] sqlite3* get() const { return db_.get(); }
  // Runs statements without results. `what` heads the error.
  [[nodiscard]] Status exec(const char* sql, std::string_view what);
  [[nodiscard]] Result<Statement> prepare(std::string_view sql, bool keep = false);
  // FTS5 declares its tables by SQL when they are first named, which must not happen under a Guard that refuses it.
  [[nodiscard]] Status connect_virtual_tables() { return exec("PRAGMA table_list", "read the schema"); }
  [[nodiscard]] Result<std::int64_t> number(std::string_view sql);

 private:
  struct Close {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  };
  explicit Database(sqlite3* db) : db_(db) {}
  Status configure(Mode mode, std::int64_t cache_kib);
  std::unique_ptr<sqlite3, Close> db_;
};

// Copies every page of one database over another.
[[nodiscard]] Status copy_pages(Database& from, Database& to);

}  // namespace baton::view
