#include "view/statements.h"

#include <array>
#include <utility>

#include "base/check.h"
#include "base/try.h"

namespace baton::view {
namespace {

constexpr std::array<std::pair<std::string_view, Envelope>, 17> kNames = {{
    {"id", Envelope::id},
    {"type", Envelope::type},
    {"source", Envelope::source},
    {"subject", Envelope::subject},
    {"stream", Envelope::stream},
    {"tenant", Envelope::tenant},
    {"correlation", Envelope::correlation},
    {"causation", Envelope::causation},
    {"version", Envelope::version},
    {"offset", Envelope::offset},
    {"partition", Envelope::partition},
    {"time", Envelope::time},
    {"recorded", Envelope::recorded},
    {"time_ms", Envelope::time_ms},
    {"recorded_ms", Envelope::recorded_ms},
    {"position", Envelope::position},
    {"data", Envelope::data},
}};

Error at(const StatementDefinition& statement, const std::string& what, std::string_view cause) {
  return {Code::invalid_argument, (statement.where.empty() ? "" : statement.where + ": ") + what + ": " + std::string(cause)};
}

std::string name_of(const ViewDefinition& view, std::string_view type, std::size_t index) {
  return "view '" + view.name + "', " + std::string(type) + ", statement " + std::to_string(index + 1);
}

Binding bind_to(const Parameter& parameter, JsonFields& fields) {
  Binding out{.written = parameter.written};
  if (parameter.source == Parameter::Source::field) {
    out.field = fields.add(parameter.path);
    out.optional = parameter.optional;
    return out;
  }
  for (const auto& [name, envelope] : kNames) {
    if (name == parameter.path[0]) out.envelope = envelope;
  }
  BATON_CHECK(out.envelope.has_value(), "sql_text.cc knows an envelope name that statements.cc does not");
  return out;
}

}  // namespace

Status create_tables(Database& db, Guard& guard, const ViewDefinition& view) {
  for (std::size_t i = 0; i < view.tables.size(); ++i) {
    const auto& table = view.tables[i];
    const std::string what = name_of(view, "tables", i);
    if (first_word(table.sql) != "CREATE") return at(table, what, "only CREATE statements are allowed under `tables`");
    if (const auto word = impure_word(table.sql); !word.empty()) {
      return at(table, what, word + " is not a function of the event: give the column a value in the statements");
    }
    guard.allow(Allowed::tables);
    const int rc = sqlite3_exec(db.get(), table.sql.c_str(), nullptr, nullptr, nullptr);
    const std::string cause = guard.explain(db.get());
    guard.allow(Allowed::everything);
    if (is_machine_failure(rc) && rc != SQLITE_OK) return sqlite_error(db.get(), rc, what);
    if (rc != SQLITE_OK) return at(table, what, cause);
  }
  return {};
}

Result<CompiledView> compile(Database& db, Guard& guard, const ViewDefinition& view) {
  BATON_TRY(db.connect_virtual_tables());
  CompiledView out;
  for (const auto& type : view.on) {
    CompiledType& compiled = out[type.type];
    for (std::size_t i = 0; i < type.statements.size(); ++i) {
      const auto& definition = type.statements[i];
      const std::string what = name_of(view, type.type, i);
      auto numbered = number_parameters(definition.sql);
      if (!numbered) return at(definition, what, numbered.error().detail);
      const std::string word = first_word(numbered->sql);
      if (word != "INSERT" && word != "REPLACE" && word != "UPDATE" && word != "DELETE" && word != "WITH") {
        return at(definition, what, "only INSERT, REPLACE, UPDATE and DELETE are allowed, also after WITH");
      }
      guard.allow(Allowed::changes);
      auto prepared = db.prepare(numbered->sql, true);
      const std::string cause = guard.explain(db.get());
      guard.allow(Allowed::everything);
      if (!prepared) return at(definition, what, cause);
      if (sqlite3_stmt_readonly(prepared->get()) != 0) return at(definition, what, "the statement changes nothing");
      if (sqlite3_column_count(prepared->get()) != 0) return at(definition, what, "RETURNING has no use in a view");
      CompiledStatement statement{.statement = std::move(*prepared), .bindings = {}, .rows = definition.rows};
      for (const auto& parameter : numbered->parameters) statement.bindings.push_back(bind_to(parameter, compiled.fields));
      compiled.statements.push_back(std::move(statement));
    }
  }
  return out;
}

Status check_view(const Vfs& vfs, const ViewDefinition& view) {
  BATON_TRY_ASSIGN(Database helper, Database::open_memory(vfs));
  Guard guard;
  BATON_TRY_ASSIGN(Database db, Database::open_memory(vfs));
  guard.attach(db);
  BATON_TRY(make_pure(db, helper));
  BATON_TRY(create_tables(db, guard, view));
  auto compiled = compile(db, guard, view);
  if (!compiled) return compiled.error();
  return {};
}

}  // namespace baton::view
