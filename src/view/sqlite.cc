#include "view/sqlite.h"

#include "base/try.h"

namespace baton::view {
namespace {

constexpr int kLengthMax = 64 << 20;  // of one value or row
constexpr int kBusyMs = 5000;

Code code_of(int sqlite_code) {
  switch (sqlite_code & 0xFF) {
    case SQLITE_FULL: return Code::no_space;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN: return Code::io_error;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL: return Code::unavailable;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return Code::corrupt;
    case SQLITE_INTERRUPT: return Code::timed_out;
    case SQLITE_NOMEM: return Code::resource_exhausted;
    case SQLITE_READONLY: return Code::read_only;
    case SQLITE_TOOBIG: return Code::too_large;
    default: return Code::invalid_argument;
  }
}

// A path as part of a file: URI, where '%', '?' and '#' have a meaning.
std::string uri_path(const std::string& path) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : path) {
    if (c == '%' || c == '?' || c == '#') {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

bool is_machine_failure(int sqlite_code) {
  switch (code_of(sqlite_code)) {
    case Code::invalid_argument:
    case Code::too_large: return false;
    default: return true;
  }
}

Error sqlite_error(sqlite3* db, int sqlite_code, std::string_view what) {
  std::string text(what);
  text += ": ";
  text += db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(sqlite_code);
  if (is_machine_failure(sqlite_code) && !Vfs::last_failure().empty()) text += " (" + Vfs::last_failure() + ")";
  return {code_of(sqlite_code), std::move(text)};
}

void Statement::bind(int position, std::string_view text) {
  // SQLite takes a null pointer for NULL; an empty text is not NULL.
  const char* data = text.data() == nullptr ? "" : text.data();
  (void)sqlite3_bind_text64(statement_, position, data, text.size(), SQLITE_STATIC, SQLITE_UTF8);
}
void Statement::bind(int position, std::int64_t number) { (void)sqlite3_bind_int64(statement_, position, number); }
void Statement::bind_null(int position) { (void)sqlite3_bind_null(statement_, position); }

Result<bool> Statement::step() {
  const int rc = sqlite3_step(statement_);
  if (rc == SQLITE_ROW) return true;
  if (rc == SQLITE_DONE) return false;
  return sqlite_error(sqlite3_db_handle(statement_), rc, "SQLite");
}

Status Statement::run() {
  auto stepped = step();
  reset();
  if (!stepped) return stepped.error();
  return {};
}

std::string Statement::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (data == nullptr) return {};
  return std::string(data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)));
}

Result<Database> Database::open(const Vfs& vfs, const std::string& path, Mode mode, std::int64_t cache_kib) {
  Vfs::clear_last_failure();
  sqlite3* raw = nullptr;
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  std::string name = path;
  switch (mode) {
    case Mode::write:
    case Mode::scratch: flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE; break;
    case Mode::read: flags |= SQLITE_OPEN_READONLY; break;
    case Mode::immutable:
      flags |= SQLITE_OPEN_READONLY | SQLITE_OPEN_URI;
      name = "file:" + uri_path(path) + "?immutable=1";
      break;
  }
  const int rc = sqlite3_open_v2(name.c_str(), &raw, flags, vfs.name().c_str());
  Database db(raw);
  if (rc != SQLITE_OK) return sqlite_error(raw, rc, "open " + path);
  BATON_TRY(db.configure(mode, cache_kib));
  return db;
}

Result<Database> Database::open_memory(const Vfs& vfs) {
  sqlite3* raw = nullptr;
  const int rc = sqlite3_open_v2(":memory:", &raw,
                                 SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                                 vfs.name().c_str());
  Database db(raw);
  if (rc != SQLITE_OK) return sqlite_error(raw, rc, "open a database in memory");
  BATON_TRY(db.configure(Mode::scratch, 2048));
  return db;
}

Status Database::configure(Mode mode, std::int64_t cache_kib) {
  sqlite3* const db = db_.get();
  sqlite3_limit(db, SQLITE_LIMIT_LENGTH, kLengthMax);
  sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 1);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, nullptr);
  // A double-quoted name that names nothing is an error, not a string: SQLite's old leniency hides misspelt columns.
  sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
  sqlite3_busy_timeout(db, kBusyMs);
  std::string pragmas = "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-" + std::to_string(cache_kib) + "; ";
  switch (mode) {
    case Mode::write:
      pragmas +=
          "PRAGMA page_size=4096; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0; "
          "PRAGMA secure_delete=OFF; PRAGMA foreign_keys=OFF;";
      break;
    case Mode::scratch:
      pragmas += "PRAGMA page_size=4096; PRAGMA synchronous=OFF; PRAGMA journal_mode=MEMORY; PRAGMA secure_delete=OFF;";
      break;
    case Mode::read: pragmas += "PRAGMA query_only=ON; PRAGMA wal_autocheckpoint=0;"; break;
    case Mode::immutable: pragmas += "PRAGMA query_only=ON;"; break;
  }
  return exec(pragmas.c_str(), "set up a connection");
}

Status Database::exec(const char* sql, std::string_view what) {
  const int rc = sqlite3_exec(get(), sql, nullptr, nullptr, nullptr);
  if (rc != SQLITE_OK) return sqlite_error(get(), rc, what);
  return {};
}

Result<Statement> Database::prepare(std::string_view sql, bool keep) {
  sqlite3_stmt* raw = nullptr;
  const int rc =
      sqlite3_prepare_v3(get(), sql.data(), static_cast<int>(sql.size()), keep ? SQLITE_PREPARE_PERSISTENT : 0, &raw, nullptr);
  Statement statement(raw);
  if (rc != SQLITE_OK) return sqlite_error(get(), rc, "SQLite");
  if (raw == nullptr) return Error{Code::invalid_argument, "SQLite: the statement is empty"};
  return statement;
}

Result<std::int64_t> Database::number(std::string_view sql) {
  BATON_TRY_ASSIGN(Statement statement, prepare(sql));
  BATON_TRY_ASSIGN(const bool row, statement.step());
  if (!row) return Error{Code::not_found, "no row"};
  return statement.integer(0);
}

Status copy_pages(Database& from, Database& to) {
  sqlite3_backup* backup = sqlite3_backup_init(to.get(), "main", from.get(), "main");
  if (backup == nullptr) return sqlite_error(to.get(), sqlite3_errcode(to.get()), "copy a view");
  const int rc = sqlite3_backup_step(backup, -1);
  const int finished = sqlite3_backup_finish(backup);
  if (rc != SQLITE_DONE) return sqlite_error(to.get(), rc, "copy a view");
  if (finished != SQLITE_OK) return sqlite_error(to.get(), finished, "copy a view");
  return {};
}

}  // namespace baton::view
