// How two generations of a view differ, table by table.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <baton/result.h>

#include "view/sqlite.h"

namespace baton::view {

struct TableDifference {
  std::string table;
  std::int64_t only_old = 0;  // rows, by primary key (or rowid)
  std::int64_t only_new = 0;
  std::int64_t changed = 0;  // the key is in both, and a column that both have differs
  // The first few, for people: "- 7, 'a'", "+ 8, 'b'", "~ 9, 'c' -> 9, 'd'". The key comes first.
  std::vector<std::string> examples;
  std::string note;  // "only in old", "columns added: x", why it was not compared
  [[nodiscard]] bool equal() const { return only_old == 0 && only_new == 0 && changed == 0 && note.empty(); }
};

// Compares the tables of the view (full-text tables by their rows, views and indexes not at all), sorted by name. Tables of the same name
// are compared by the key of the new one.
[[nodiscard]] Result<std::vector<TableDifference>> compare_databases(const Vfs& vfs, const std::string& old_path,
                                                                     const std::string& new_path, std::size_t examples_max);

}  // namespace baton::view
