#include "cli/lookup.h"

#include "base/hash.h"
#include "base/suggest.h"
#include "base/try.h"

namespace baton::cli {

Result<LookupTable> LookupTable::load(os::Env& env, const Spec& spec) {
  LookupTable out;
  out.columns_ = spec.columns.size();
  out.slots_.resize(1024);
  auto columns = spec.columns;
  columns.push_back(spec.key);
  BATON_TRY_ASSIGN(const auto rows, CellReader::open(env, spec.path, spec.format, columns));
  if (!rows->missing().empty()) {
    const auto& name = columns[rows->missing().front()];
    return Error{Code::invalid_argument, spec.path + " has no column '" + name + "': " + base::suggest(name, rows->header())};
  }
  CellReader::Next row;
  for (;;) {
    BATON_TRY_ASSIGN(const bool have, rows->next(row));
    if (!have) return out;
    if (!row.problem.empty())
      return Error{Code::invalid_argument, spec.path + ": row " + std::to_string(row.number) + ": " + row.problem};
    BATON_TRY(out.add(spec, row));
  }
}

Status LookupTable::add(const Spec& spec, const CellReader::Next& row) {
  const auto& key = row.cells.back();
  const auto where = [&] { return spec.path + ": row " + std::to_string(row.number); };
  if (key.kind == Cell::Kind::missing || key.kind == Cell::Kind::null || key.kind == Cell::Kind::compound)
    return Error{Code::invalid_argument, where() + " has no '" + spec.key + "' to look it up by"};
  const auto slot = slot_of(key.text);
  if (slots_[slot] != 0) {
    if (spec.duplicates == LookupDuplicates::first) return {};
    if (spec.duplicates == LookupDuplicates::last) return put_cells(spec, row, slots_[slot] - 1);
    return Error{Code::invalid_argument, where() + ": the " + spec.key + " '" + std::string(key.text) +
                                             "' occurs twice; say `duplicates: first` or `duplicates: last` in the map when that is meant"};
  }
  if (keys_.size() >= spec.rows_max) return Error{Code::too_large, spec.path + " has too many keys: look-ups are read into memory whole, at most 1,000,000 keys together"};
  keys_.push_back({static_cast<std::uint32_t>(text_.size()), static_cast<std::uint32_t>(key.text.size())});
  text_ += key.text;
  cells_.resize(keys_.size() * columns_);
  kinds_.resize(keys_.size() * columns_);
  slots_[slot] = static_cast<std::uint32_t>(keys_.size());
  BATON_TRY(put_cells(spec, row, keys_.size() - 1));
  if (keys_.size() * 2 > slots_.size()) grow();
  return {};
}

Status LookupTable::put_cells(const Spec& spec, const CellReader::Next& row, std::size_t at) {
  for (std::size_t i = 0; i < columns_; ++i) {
    const auto cell = row.cells[i].text;
    if (text_.size() + cell.size() > spec.bytes_max)
      return Error{Code::too_large, spec.path + " has too much text in the columns that the map uses: look-ups are read into memory whole, at most 32 MiB together"};
    cells_[at * columns_ + i] = {static_cast<std::uint32_t>(text_.size()), static_cast<std::uint32_t>(cell.size())};
    kinds_[at * columns_ + i] = row.cells[i].kind;
    text_ += cell;
  }
  return {};
}

std::size_t LookupTable::slot_of(std::string_view key) const {
  auto at = base::hash64(key) & (slots_.size() - 1);
  while (slots_[at] != 0 && text(keys_[slots_[at] - 1]) != key) at = (at + 1) & (slots_.size() - 1);
  return at;
}

void LookupTable::grow() {
  slots_.assign(slots_.size() * 2, 0);
  for (std::size_t i = 0; i < keys_.size(); ++i) slots_[slot_of(text(keys_[i]))] = static_cast<std::uint32_t>(i + 1);
}

std::optional<std::size_t> LookupTable::find(std::string_view key) const {
  const auto row = slots_[slot_of(key)];
  if (row == 0) return std::nullopt;
  return row - 1;
}

Cell LookupTable::cell(std::size_t row, std::size_t column) const {
  const auto at = row * columns_ + column;
  return {kinds_[at], text(cells_[at])};
}

}  // namespace baton::cli
