// Queries of a view: read-only SQL, bounded in time, memory, rows and bytes (docs/formats/views.md).
#pragma once

#include <cstddef>
#include <atomic>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include <baton/result.h>

#include "os/env.h"
#include "view/guard.h"
#include "view/sqlite.h"

namespace baton::view {

struct Blob {
  std::string bytes;
  friend bool operator==(const Blob&, const Blob&) = default;
};
using Value = std::variant<std::monostate, std::int64_t, double, std::string, Blob>;

struct QueryLimits {
  std::int64_t timeout_ms = 10'000;
  std::size_t rows_max = 100'000;
  std::size_t bytes_max = 64u << 20;  // of values
  std::size_t memory_max = 64u << 20;  // of SQLite: what is sorted and grouped, values on their way, the statement itself
  const std::atomic<bool>* stop = nullptr;  // true ends the query (cancelled)
};

struct QueryResult {
  std::vector<std::string> columns;
  std::vector<std::vector<Value>> rows;
  bool truncated = false;  // there were more rows than rows_max, or more bytes than bytes_max
};

// Runs one statement that only reads. Takes `guard` (attached to `db`), and gives it back; `db` is for queries only from then on, with their limits and functions.
// invalid_argument: what SQLite says of the SQL; timed_out; too_large: memory, a value, the statement; cancelled.
[[nodiscard]] Result<QueryResult> run_query(Database& db, Guard& guard, const os::Clock& clock, std::string_view sql,
                                            const QueryLimits& limits);

// For people: text as it is, numbers in decimal, "NULL", x'0aff' for bytes.
[[nodiscard]] std::string to_text(const Value& value);

}  // namespace baton::view
