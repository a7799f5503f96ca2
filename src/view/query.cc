#include "view/query.h"

#include "base/hex.h"
#include "base/try.h"
#include "view/allowance.h"
#include "view/query_functions.h"
#include "view/sql_text.h"

namespace baton::view {
namespace {

constexpr int kProgressSteps = 500;  // with values of kValueBytesMax they take a second or two at most

// What one step of SQLite's machine may take follows from how long values are, how long it may go without a look at the clock from the statement's size. A row that is
// made of one event holds at most its data (1 MiB), once as fields and once whole: 2 MiB, and some more for its names.
constexpr int kValueBytesMax = (2 << 20) + (256 << 10);
constexpr std::size_t kSqlBytesMax = 64u << 10;  // as a statement of a view
constexpr int kOperationsMax = 5'400;            // of the compiled statement
constexpr int kPatternBytesMax = 1'000;

std::string mib(std::size_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

// What ended a query before SQLite was done with it. The allowance goes first: without memory SQLite says all kinds of things.
Error failure(sqlite3* db, int rc, const Allowance& allowance, const QueryLimits& limits) {
  switch (allowance.end()) {
    case Allowance::End::stop: return {Code::cancelled, "the query was ended: the program is stopping"};
    case Allowance::End::time:
      return {Code::timed_out, "the query took longer than " + std::to_string(limits.timeout_ms) + " ms: narrow it, or add an index to the view's tables"};
    case Allowance::End::memory:
      return {Code::too_large, "the query needs more than " + mib(limits.memory_max) +
                                   " of memory: sort or group fewer rows and columns, or add an index to the view's tables"};
    case Allowance::End::none: break;
  }
  switch (rc & 0xFF) {
    case SQLITE_TOOBIG: return {Code::too_large, "a value or a row in the query is larger than " + std::to_string(kValueBytesMax >> 10) + " KiB: take fewer columns, or make shorter values"};
    case SQLITE_NOMEM: return {Code::too_large, "the query is compiled to more than 5,000 operations: shorten its lists, or ask several queries"};
    default: return sqlite_error(db, rc, "query");
  }
}

// Of SQLite; a text or blob still has to be made.
std::size_t size_of(sqlite3_stmt* statement, int column) {
  const int type = sqlite3_column_type(statement, column);
  return 16 + (type == SQLITE_TEXT || type == SQLITE_BLOB ? static_cast<std::size_t>(sqlite3_column_bytes(statement, column)) : 0);
}

Value value_of(sqlite3_stmt* statement, int column) {
  const auto size = [&] { return static_cast<std::size_t>(sqlite3_column_bytes(statement, column)); };
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER: return std::int64_t{sqlite3_column_int64(statement, column)};
    case SQLITE_FLOAT: return sqlite3_column_double(statement, column);
    case SQLITE_TEXT: {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
      return text == nullptr ? std::string() : std::string(text, size());  // without memory: the next step says so
    }
    case SQLITE_BLOB: {
      const auto* data = static_cast<const char*>(sqlite3_column_blob(statement, column));
      const std::size_t n = size();
      return Blob{data == nullptr ? std::string() : std::string(data, n)};
    }
    default: return std::monostate{};
  }
}

// False: the row has more than is left of `bytes_left`, and is not taken.
bool take_row(sqlite3_stmt* statement, std::size_t& bytes_left, std::vector<Value>& row) {
  const int columns = sqlite3_column_count(statement);
  std::size_t bytes = 0;
  for (int i = 0; i < columns; ++i) bytes += size_of(statement, i);
  if (bytes > bytes_left) return false;
  bytes_left -= bytes;
  row.reserve(static_cast<std::size_t>(columns));
  for (int i = 0; i < columns; ++i) row.push_back(value_of(statement, i));
  return true;
}

Result<QueryResult> rows_of(Database& db, Guard& guard, const Allowance& allowance, std::string_view sql, const QueryLimits& limits) {
  sqlite3_stmt* raw = nullptr;
  const char* tail = nullptr;
  if (sql.size() > kSqlBytesMax) return Error{Code::too_large, "a query has at most " + std::to_string(kSqlBytesMax >> 10) + " KiB"};
  const int rc = sqlite3_prepare_v3(db.get(), sql.data(), static_cast<int>(sql.size()), 0, &raw, &tail);
  const Statement statement(raw);
  if (rc != SQLITE_OK) {
    if (allowance.end() != Allowance::End::none || is_machine_failure(rc) || rc == SQLITE_TOOBIG) return failure(db.get(), rc, allowance, limits);
    return Error{Code::invalid_argument, "query: " + guard.explain(db.get())};
  }
  if (raw == nullptr) return Error{Code::invalid_argument, "the query is empty"};
  const auto rest = Tokenizer(std::string_view(tail, static_cast<std::size_t>(sql.data() + sql.size() - tail))).next();
  if (!rest || rest->kind != TokenKind::end)
    return Error{Code::invalid_argument, "a query is one statement: leave out what follows the first ';'"};
  if (sqlite3_stmt_readonly(raw) == 0)
    return Error{Code::invalid_argument, "a query only reads: SELECT, VALUES or WITH ... SELECT"};
  if (sqlite3_bind_parameter_count(raw) > 0)
    return Error{Code::invalid_argument, "a query has no parameters: write the values into the SQL"};
  QueryResult out;
  const int columns = sqlite3_column_count(raw);
  for (int i = 0; i < columns; ++i) out.columns.emplace_back(sqlite3_column_name(raw, i));
  std::size_t bytes_left = limits.bytes_max;
  while (true) {
    const int stepped = sqlite3_step(raw);
    if (stepped == SQLITE_DONE) return out;
    if (stepped != SQLITE_ROW) return failure(db.get(), stepped, allowance, limits);
    out.truncated = out.rows.size() == limits.rows_max;
    if (out.truncated) return out;
    std::vector<Value> row;
    out.truncated = !take_row(raw, bytes_left, row);
    if (out.truncated && out.rows.empty())
      return Error{Code::too_large, "the first row has more than " + std::to_string(limits.bytes_max) + " bytes: take fewer columns, or parts of values (substr)"};
    if (out.truncated) return out;
    out.rows.push_back(std::move(row));
  }
}

}  // namespace

Result<QueryResult> run_query(Database& db, Guard& guard, const os::Clock& clock, std::string_view sql,
                              const QueryLimits& limits) {
  BATON_TRY(db.connect_virtual_tables());
  BATON_TRY(give_query_functions(db, sql));
  sqlite3_limit(db.get(), SQLITE_LIMIT_LENGTH, kValueBytesMax);
  sqlite3_limit(db.get(), SQLITE_LIMIT_VDBE_OP, kOperationsMax);
  sqlite3_limit(db.get(), SQLITE_LIMIT_LIKE_PATTERN_LENGTH, kPatternBytesMax);
  Allowance allowance(clock, limits.timeout_ms, limits.memory_max, limits.stop);
  sqlite3_progress_handler(
      db.get(), kProgressSteps, [](void* p) { return static_cast<Allowance*>(p)->is_over() ? 1 : 0; }, &allowance);
  guard.allow(Allowed::queries);
  auto out = rows_of(db, guard, allowance, sql, limits);
  guard.allow(Allowed::everything);
  sqlite3_progress_handler(db.get(), 0, nullptr, nullptr);
  return out;
}

std::string to_text(const Value& value) {
  struct Text {
    std::string operator()(std::monostate) const { return "NULL"; }
    std::string operator()(std::int64_t number) const { return std::to_string(number); }
    std::string operator()(double number) const {
      char text[64];
      sqlite3_snprintf(sizeof text, text, "%!.15g", number);  // as SQLite shows it
      return text;
    }
    std::string operator()(const std::string& text) const { return text; }
    std::string operator()(const Blob& blob) const { return "x'" + base::to_hex(base::as_bytes(blob.bytes)) + "'"; }
  };
  return std::visit(Text{}, value);
}

}  // namespace baton::view
