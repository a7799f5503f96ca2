// View files: YAML that defines views (docs/formats/views.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <baton/result.h>

namespace baton::view {

// How many rows a statement must change.
struct RowsRule {
  std::int64_t min = 0;
  std::int64_t max = INT64_MAX;
  [[nodiscard]] std::string to_string() const;  // "1", "0..1", "1.."
};

struct StatementDefinition {
  std::string sql;
  std::optional<RowsRule> rows;
  std::string where;  // "views.yaml:12:9"
};

struct TypeDefinition {
  std::string type;
  std::vector<StatementDefinition> statements;
};

struct KeepRule {
  std::int64_t every = 100'000;  // applied events
  std::int64_t copies = 8;       // 0: none are kept
};

struct ViewDefinition {
  std::string name;
  std::string context;
  std::vector<StatementDefinition> tables;  // one CREATE statement each
  std::vector<TypeDefinition> on;           // sorted by type
  KeepRule keep;
  std::string where;
  std::string json;    // the canonical text
  std::string digest;  // its SHA-256, 64 hex digits

  [[nodiscard]] std::vector<std::string> types() const;
};

inline constexpr std::size_t kViewFileBytesMax = 1 << 20;

// The views of a file, in its order. `file` heads the positions in errors. Checks the form; view_check.h compiles the SQL.
// invalid_argument with "file:line:column: what".
[[nodiscard]] Result<std::vector<ViewDefinition>> parse_view_file(std::string_view text, const std::string& file);

// A view's or context's name: [a-z][a-z0-9_-]{0,62}.
[[nodiscard]] bool is_name(std::string_view text);

}  // namespace baton::view
