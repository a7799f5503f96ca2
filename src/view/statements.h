// The statements of a view compiled on a connection: its tables made, and for each event type what to bind and to run.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <baton/event.h>
#include <baton/result.h>

#include "view/guard.h"
#include "view/json_fields.h"
#include "view/sql_text.h"
#include "view/sqlite.h"
#include "view/view_file.h"

namespace baton::view {

enum class Envelope {
  id,
  type,
  source,
  subject,
  stream,
  tenant,
  correlation,
  causation,
  version,
  offset,
  partition,
  time,
  recorded,
  time_ms,
  recorded_ms,
  position,
  data
};

// What one ?N of a statement is bound to.
struct Binding {
  std::optional<Envelope> envelope;
  std::size_t field = 0;  // its number in JsonFields, without an envelope
  bool optional = false;
  std::string written;
};

struct CompiledStatement {
  Statement statement;
  std::vector<Binding> bindings;
  std::optional<RowsRule> rows;
};

// For the events of one type.
struct CompiledType {
  JsonFields fields;
  std::vector<CompiledStatement> statements;
};

using CompiledView = std::map<std::string, CompiledType, std::less<>>;

// Runs the DDL. Inside the caller's transaction, if there is one.
[[nodiscard]] Status create_tables(Database& db, Guard& guard, const ViewDefinition& view);
// Compiles against the tables that are there. Errors name view, event type and statement.
[[nodiscard]] Result<CompiledView> compile(Database& db, Guard& guard, const ViewDefinition& view);
// Both on a schema in memory: what is wrong with a view is said before there are any files.
[[nodiscard]] Status check_view(const Vfs& vfs, const ViewDefinition& view);

}  // namespace baton::view
