#include "view/query.h"

#include "base/hex.h"
#include "base/try.h"
#include "view/sql_text.h"

namespace baton::view {
namespace {

constexpr int kProgressSteps = 10'000;

struct Deadline {
  const os::Clock& clock;
  std::int64_t at_ns;
  const std::atomic<bool>* stop;
  [[nodiscard]] bool stopped() const { return stop != nullptr && stop->load(std::memory_order_relaxed); }
};

Value value_of(sqlite3_stmt* statement, int column, std::size_t& bytes) {
  bytes += 16;
  const auto size = [&] {
    const auto n = static_cast<std::size_t>(sqlite3_column_bytes(statement, column));
    bytes += n;
    return n;
  };
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER: return std::int64_t{sqlite3_column_int64(statement, column)};
    case SQLITE_FLOAT: return sqlite3_column_double(statement, column);
    case SQLITE_TEXT: {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
      return std::string(text, size());
    }
    case SQLITE_BLOB: {
      const auto* data = static_cast<const char*>(sqlite3_column_blob(statement, column));
      const std::size_t n = size();
      return Blob{data == nullptr ? std::string() : std::string(data, n)};
    }
    default: return std::monostate{};
  }
}

Result<QueryResult> rows_of(Database& db, Guard& guard, std::string_view sql, const QueryLimits& limits) {
  sqlite3_stmt* raw = nullptr;
  const char* tail = nullptr;
  if (sql.size() > (1u << 20)) return Error{Code::too_large, "a query has at most 1 MiB"};
  const int rc = sqlite3_prepare_v3(db.get(), sql.data(), static_cast<int>(sql.size()), 0, &raw, &tail);
  const Statement statement(raw);
  if (rc != SQLITE_OK) {
    if (is_machine_failure(rc)) return sqlite_error(db.get(), rc, "query");
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
  std::size_t bytes = 0;
  while (true) {
    const int stepped = sqlite3_step(raw);
    if (stepped == SQLITE_DONE) return out;
    if (stepped == SQLITE_INTERRUPT && limits.stop != nullptr && limits.stop->load(std::memory_order_relaxed)) {
      return Error{Code::cancelled, "the query was ended: the program is stopping"};
    }
    if (stepped == SQLITE_INTERRUPT) {
      return Error{Code::timed_out, "the query took longer than " + std::to_string(limits.timeout_ms) +
                                        " ms: narrow it, or add an index to the view's tables"};
    }
    if (stepped != SQLITE_ROW) return sqlite_error(db.get(), stepped, "query");
    if (out.rows.size() == limits.rows_max || bytes >= limits.bytes_max) {
      out.truncated = true;
      return out;
    }
    auto& row = out.rows.emplace_back();
    row.reserve(static_cast<std::size_t>(columns));
    for (int i = 0; i < columns; ++i) row.push_back(value_of(raw, i, bytes));
  }
}

}  // namespace

Result<QueryResult> run_query(Database& db, Guard& guard, const os::Clock& clock, std::string_view sql,
                              const QueryLimits& limits) {
  BATON_TRY(db.connect_virtual_tables());
  Deadline deadline{clock, clock.monotonic_ns() + limits.timeout_ms * 1'000'000, limits.stop};
  sqlite3_progress_handler(
      db.get(), kProgressSteps,
      [](void* p) {
        const auto* d = static_cast<const Deadline*>(p);
        return d->stopped() || d->clock.monotonic_ns() > d->at_ns ? 1 : 0;
      },
      &deadline);
  guard.allow(Allowed::queries);
  auto out = rows_of(db, guard, sql, limits);
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
