#include "view/compare.h"

#include <algorithm>
#include <map>

#include "base/try.h"

namespace baton::view {
namespace {

struct Table {
  std::vector<std::string> key;      // quoted
  std::vector<std::string> columns;  // quoted, without the key
};

std::string quoted(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) {
    if (c == '"') out += c;
    out += c;
  }
  return out + "\"";
}

Result<Table> describe(Database& db, const char* schema, const std::string& name) {
  BATON_TRY_ASSIGN(Statement info,
                   db.prepare("SELECT name, pk FROM pragma_table_xinfo(?1, ?2) WHERE hidden <> 1 ORDER BY cid"));
  info.bind(1, name);
  info.bind(2, std::string_view(schema));
  std::map<std::int64_t, std::string> key;
  Table out;
  while (true) {
    BATON_TRY_ASSIGN(const bool row, info.step());
    if (!row) break;
    if (info.integer(1) > 0) {
      key[info.integer(1)] = quoted(info.text(0));
    } else {
      out.columns.push_back(quoted(info.text(0)));
    }
  }
  for (auto& [place, column] : key) out.key.push_back(std::move(column));
  if (out.key.empty()) {
    const bool shadowed = std::ranges::find(out.columns, "\"rowid\"") != out.columns.end();
    out.key.emplace_back(shadowed ? "_rowid_" : "rowid");
  }
  return out;
}

Result<std::vector<std::string>> tables(Database& db, const char* schema) {
  BATON_TRY_ASSIGN(
      Statement list,
      db.prepare("SELECT name FROM pragma_table_list WHERE schema = ?1 AND type IN ('table', 'virtual') "
                 "AND name NOT LIKE 'baton\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"));
  list.bind(1, std::string_view(schema));
  std::vector<std::string> out;
  while (true) {
    BATON_TRY_ASSIGN(const bool row, list.step());
    if (!row) return out;
    out.push_back(list.text(0));
  }
}

std::string joined(const std::vector<std::string>& parts, const std::string& before, const std::string& between,
                   const std::string& after = "") {
  std::string out;
  for (const auto& part : parts) out += (out.empty() ? "" : between) + before + part + after;
  return out;
}

class Comparison {
 public:
  Comparison(Database& db, std::size_t examples_max) : db_(db), examples_max_(examples_max) {}

  Result<TableDifference> both(const std::string& name) {
    TableDifference out{.table = name};
    BATON_TRY_ASSIGN(const Table older, describe(db_, "old", name));
    BATON_TRY_ASSIGN(const Table newer, describe(db_, "main", name));
    if (older.key != newer.key) {
      out.note = "not compared: its key is another";
      return out;
    }
    std::vector<std::string> common;
    std::vector<std::string> added;
    std::vector<std::string> removed;
    for (const auto& c : newer.columns)
      (std::ranges::find(older.columns, c) != older.columns.end() ? common : added).push_back(c);
    for (const auto& c : older.columns) {
      if (std::ranges::find(newer.columns, c) == newer.columns.end()) removed.push_back(c);
    }
    if (!added.empty()) out.note = "columns added: " + joined(added, "", ", ");
    if (!removed.empty())
      out.note += (out.note.empty() ? "" : "; ") + std::string("columns removed: ") + joined(removed, "", ", ");
    const std::string table = quoted(name);
    std::string same_key;
    for (const auto& k : newer.key) same_key += (same_key.empty() ? "" : " AND ") + ("o." + k + " IS n." + k);
    std::string differ;
    for (const auto& c : common) differ += (differ.empty() ? "" : " OR ") + ("o." + c + " IS NOT n." + c);
    std::vector<std::string> shown = newer.key;
    shown.insert(shown.end(), common.begin(), common.end());
    const std::string old_row = joined(shown, "quote(o.", " || ', ' || ", ")");
    const std::string new_row = joined(shown, "quote(n.", " || ', ' || ", ")");
    BATON_TRY(look(out, out.only_old, "'- ' || " + old_row,
                   "old." + table + " o WHERE NOT EXISTS (SELECT 1 FROM main." + table + " n WHERE " + same_key + ")"));
    BATON_TRY(look(out, out.only_new, "'+ ' || " + new_row,
                   "main." + table + " n WHERE NOT EXISTS (SELECT 1 FROM old." + table + " o WHERE " + same_key + ")"));
    if (!differ.empty()) {
      BATON_TRY(look(out, out.changed, "'~ ' || " + old_row + " || ' -> ' || " + new_row,
                     "main." + table + " n JOIN old." + table + " o ON " + same_key + " WHERE " + differ));
    }
    return out;
  }

  Result<TableDifference> one(const std::string& name, const char* schema) {
    TableDifference out{.table = name};
    const bool is_old = std::string_view(schema) == "old";
    BATON_TRY_ASSIGN((is_old ? out.only_old : out.only_new),
                     db_.number("SELECT count(*) FROM " + std::string(schema) + "." + quoted(name)));
    out.note = is_old ? "only in the old view" : "only in the new view";
    return out;
  }

 private:
  Status look(TableDifference& out, std::int64_t& count, const std::string& shown, const std::string& from) {
    BATON_TRY_ASSIGN(count, db_.number("SELECT count(*) FROM " + from));
    if (count == 0) return {};
    BATON_TRY_ASSIGN(Statement rows,
                     db_.prepare("SELECT " + shown + " FROM " + from + " LIMIT " + std::to_string(examples_max_)));
    while (true) {
      BATON_TRY_ASSIGN(const bool row, rows.step());
      if (!row) return {};
      out.examples.push_back(rows.text(0));
    }
  }

  Database& db_;
  std::size_t examples_max_;
};

}  // namespace

Result<std::vector<TableDifference>> compare_databases(const Vfs& vfs, const std::string& old_path, const std::string& new_path,
                                                       std::size_t examples_max) {
  BATON_TRY_ASSIGN(Database db, Database::open(vfs, new_path, Database::Mode::read, 32 << 10));
  {
    BATON_TRY_ASSIGN(Statement attach, db.prepare("ATTACH ?1 AS old"));
    attach.bind(1, old_path);
    BATON_TRY(attach.run());
  }
  BATON_TRY_ASSIGN(const auto old_tables, tables(db, "old"));
  BATON_TRY_ASSIGN(const auto new_tables, tables(db, "main"));
  Comparison comparison(db, examples_max);
  std::vector<TableDifference> out;
  for (const auto& name : new_tables) {
    const bool there = std::ranges::find(old_tables, name) != old_tables.end();
    auto difference = there ? comparison.both(name) : comparison.one(name, "main");
    if (!difference) difference = TableDifference{.table = name, .note = "not compared: " + difference.error().detail};
    out.push_back(std::move(*difference));
  }
  for (const auto& name : old_tables) {
    if (std::ranges::find(new_tables, name) != new_tables.end()) continue;
    BATON_TRY_ASSIGN(auto difference, comparison.one(name, "old"));
    out.push_back(std::move(difference));
  }
  std::ranges::sort(out, {}, &TableDifference::table);
  return out;
}

}  // namespace baton::view
