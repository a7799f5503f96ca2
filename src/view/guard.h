// What SQL may do in a view. Statements of a view must be functions of the events; queries must not change anything. SQLite's authorizer is
// asked while a statement is compiled; functions that hide from it (in a DEFAULT, behind a value of an event) fail when they are called.
#pragma once

#include <baton/result.h>

#include "view/sqlite.h"

namespace baton::view {

enum class Allowed {
  everything,  // our own statements
  tables,      // the DDL of a view
  changes,     // the statements of a view
  queries,     // of users
};

// The last refusal explains itself in `reason`.
class Guard {
 public:
  // Belongs to the connection, and must outlive its use.
  Guard() = default;
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

  void attach(Database& db) { sqlite3_set_authorizer(db.get(), &Guard::authorize, this); }
  void allow(Allowed allowed) {
    allowed_ = allowed;
    reason_.clear();
  }
  [[nodiscard]] const std::string& reason() const { return reason_; }
  // The error of a statement that was refused or did not compile.
  [[nodiscard]] std::string explain(sqlite3* db) const;

 private:
  static int authorize(void* self, int action, const char* a, const char* b, const char* database, const char* inner);
  int check(int action, std::string_view a, std::string_view b);
  int check_tables(int action, std::string_view a, std::string_view b);
  int check_changes(int action, std::string_view a, std::string_view b);
  int check_queries(int action, std::string_view a, std::string_view b);
  int refuse(std::string reason);

  Allowed allowed_ = Allowed::everything;
  std::string reason_;
};

// Replaces what is not a function of its arguments by functions that fail, and the date functions by ones that refuse `now`, `localtime` and
// `utc`. `helper` is a connection of its own that lives as long as `db`.
[[nodiscard]] Status make_pure(Database& db, Database& helper);

}  // namespace baton::view
