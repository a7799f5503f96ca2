#include "view/guard.h"

#include <array>

#include "view/sql_text.h"

namespace baton::view {
namespace {

bool begins_with(std::string_view name, std::string_view prefix) {
  return name.size() >= prefix.size() && equal_ignoring_case(name.substr(0, prefix.size()), prefix);
}
// Tables that are ours or SQLite's own.
bool is_reserved(std::string_view table) { return begins_with(table, "baton_") || begins_with(table, "sqlite_"); }

constexpr std::string_view kNotPure = " is not a function of the event: use @time, @recorded or a field of the event";

void fail_when_called(sqlite3_context* context, int, sqlite3_value**) {
  const auto* name = static_cast<const char*>(sqlite3_user_data(context));
  const std::string text = std::string(name) + std::string(kNotPure);
  sqlite3_result_error(context, text.c_str(), -1);
}

// One of SQLite's date functions, run by a connection that still has it.
struct DateFunction {
  const char* name;
  sqlite3* helper;
};

void call_date_function(sqlite3_context* context, int count, sqlite3_value** values) {
  const auto* function = static_cast<const DateFunction*>(sqlite3_user_data(context));
  const auto refuse = [&](std::string_view what) {
    const std::string text = std::string(function->name) + "(" + std::string(what) + ")" + std::string(kNotPure);
    sqlite3_result_error(context, text.c_str(), -1);
  };
  // strftime() without a time, and the others without any argument, mean now.
  const int least = std::string_view(function->name) == "strftime" ? 2 : 1;
  if (count < least) return refuse("");
  std::string sql = std::string("SELECT ") + function->name + "(";
  for (int i = 0; i < count; ++i) {
    const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(values[i]));
    const std::string_view word = text == nullptr ? "" : strip(text);
    for (const std::string_view impure : {"now", "localtime", "utc"}) {
      if (equal_ignoring_case(word, impure)) return refuse("'" + std::string(impure) + "'");
    }
    sql += i == 0 ? "?" : ",?";
  }
  sql += ")";
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(function->helper, sql.c_str(), -1, &raw, nullptr) != SQLITE_OK) {
    sqlite3_result_error(context, sqlite3_errmsg(function->helper), -1);
    return;
  }
  const Statement statement(raw);
  for (int i = 0; i < count; ++i) sqlite3_bind_value(raw, i + 1, values[i]);
  if (sqlite3_step(raw) == SQLITE_ROW) {
    sqlite3_result_value(context, sqlite3_column_value(raw, 0));
  } else {
    sqlite3_result_error(context, sqlite3_errmsg(function->helper), -1);
  }
}

}  // namespace

Status make_pure(Database& db, Database& helper) {
  static constexpr std::array<const char*, 14> kImpure = {"random",
                                                          "randomblob",
                                                          "changes",
                                                          "total_changes",
                                                          "last_insert_rowid",
                                                          "current_time",
                                                          "current_date",
                                                          "current_timestamp",
                                                          "load_extension",
                                                          "sqlite_version",
                                                          "sqlite_source_id",
                                                          "sqlite_compileoption_get",
                                                          "sqlite_compileoption_used",
                                                          "sqlite_log"};
  constexpr int kFlags = SQLITE_UTF8 | SQLITE_INNOCUOUS;
  for (const char* name : kImpure) {
    // A function of the connection hides SQLite's own of that name, whatever the number of arguments.
    const int rc = sqlite3_create_function_v2(db.get(), name, -1, kFlags, const_cast<char*>(name), fail_when_called, nullptr,
                                              nullptr, nullptr);
    if (rc != SQLITE_OK) return sqlite_error(db.get(), rc, "set up a connection");
  }
  for (const char* name : {"date", "time", "datetime", "julianday", "strftime", "unixepoch"}) {
    auto* function = new DateFunction{name, helper.get()};
    const int rc = sqlite3_create_function_v2(db.get(), name, -1, kFlags | SQLITE_DETERMINISTIC, function, call_date_function,
                                              nullptr, nullptr, [](void* f) { delete static_cast<DateFunction*>(f); });
    if (rc != SQLITE_OK) return sqlite_error(db.get(), rc, "set up a connection");
  }
  return {};
}

std::string Guard::explain(sqlite3* db) const {
  if (!reason_.empty()) return reason_;
  return sqlite3_errmsg(db);
}

int Guard::refuse(std::string reason) {
  if (reason_.empty()) reason_ = std::move(reason);
  return SQLITE_DENY;
}

int Guard::authorize(void* self, int action, const char* a, const char* b, const char*, const char*) {
  const auto view = [](const char* text) { return text == nullptr ? std::string_view() : std::string_view(text); };
  return static_cast<Guard*>(self)->check(action, view(a), view(b));
}

int Guard::check(int action, std::string_view a, std::string_view b) {
  if (allowed_ == Allowed::everything) return SQLITE_OK;
  switch (action) {
    case SQLITE_SELECT:
    case SQLITE_RECURSIVE: return SQLITE_OK;
    case SQLITE_PRAGMA:
      // FTS5 asks for this one by itself.
      if (equal_ignoring_case(a, "data_version") && b.empty()) return SQLITE_OK;
      break;
    case SQLITE_FUNCTION:
      if (equal_ignoring_case(b, "load_extension")) return refuse("load_extension() is not allowed");
      // One call of it takes time with the product of two lengths, and nothing can end it.
      if (allowed_ == Allowed::queries && equal_ignoring_case(b, "json_patch")) return refuse("json_patch() is not allowed in a query: take both values, and merge them where they are used");
      if (allowed_ != Allowed::queries && is_impure_function(b)) return refuse(std::string(b) + "()" + std::string(kNotPure));
      return SQLITE_OK;
    case SQLITE_ATTACH:
    case SQLITE_DETACH: return refuse("ATTACH and DETACH are not allowed: a view is one database");
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT: return refuse("transactions are not allowed: Baton commits rows and checkpoint together");
    case SQLITE_CREATE_TEMP_TABLE:
    case SQLITE_CREATE_TEMP_INDEX:
    case SQLITE_CREATE_TEMP_TRIGGER:
    case SQLITE_CREATE_TEMP_VIEW: return refuse("temporary tables, indexes, triggers and views are not allowed");
    default: break;
  }
  switch (allowed_) {
    case Allowed::tables: return check_tables(action, a, b);
    case Allowed::changes: return check_changes(action, a, b);
    default: return check_queries(action, a, b);
  }
}

int Guard::check_tables(int action, std::string_view a, std::string_view b) {
  switch (action) {
    case SQLITE_CREATE_TABLE:
    case SQLITE_CREATE_VIEW:
    case SQLITE_CREATE_TRIGGER:
    case SQLITE_CREATE_VTABLE:
      if (action == SQLITE_CREATE_VTABLE && !equal_ignoring_case(b, "fts5")) {
        return refuse("virtual table module '" + std::string(b) + "' is not allowed: fts5 is");
      }
      if (begins_with(a, "baton_"))
        return refuse("the name '" + std::string(a) + "' is reserved: choose one that does not begin with baton_");
      return SQLITE_OK;
    case SQLITE_CREATE_INDEX:
    case SQLITE_REINDEX:  // part of CREATE INDEX
    case SQLITE_READ:
    case SQLITE_INSERT:  // into sqlite_schema, and FTS5's own tables
    case SQLITE_UPDATE:
    case SQLITE_DELETE:
    case SQLITE_ALTER_TABLE: return SQLITE_OK;
    default:
      return refuse("only CREATE TABLE, INDEX, VIEW, TRIGGER and VIRTUAL TABLE ... USING fts5 are allowed under `tables`");
  }
}

int Guard::check_changes(int action, std::string_view a, std::string_view) {
  switch (action) {
    case SQLITE_READ:
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
    case SQLITE_DELETE:
      if (is_reserved(a)) return refuse("the table '" + std::string(a) + "' is not one of the view's own");
      return SQLITE_OK;
    default: return refuse("only INSERT, REPLACE, UPDATE and DELETE are allowed");
  }
}

int Guard::check_queries(int action, std::string_view, std::string_view) {
  if (action == SQLITE_READ) return SQLITE_OK;
  return refuse("a query only reads: SELECT, VALUES or WITH ... SELECT");
}

}  // namespace baton::view
