#include "cli/map_cells.h"

#include <algorithm>
#include <utility>

#include "base/try.h"

namespace baton::cli {

namespace {

RowFormat format_of(std::string name) {
  for (const std::string_view packed : {".gz", ".xz", ".zst"})
    if (name.ends_with(packed)) name.resize(name.size() - packed.size());
  const bool json = name.ends_with(".ndjson") || name.ends_with(".jsonl") || name.ends_with(".json");
  return json ? RowFormat::ndjson : RowFormat::csv;
}

}  // namespace

Result<std::unique_ptr<CellReader>> CellReader::open(os::Env& env, const std::string& path, RowFormat format,
                                                     const std::vector<std::string>& columns, const std::string& shown) {
  const std::string& name = shown.empty() ? path : shown;
  std::unique_ptr<CellReader> out(new CellReader);
  BATON_TRY_ASSIGN(auto input, InputStream::open(env, path));
  out->input_ = input.get();
  if (format == RowFormat::by_name) format = format_of(name);
  if (format == RowFormat::ndjson) {
    BATON_TRY_ASSIGN(out->rows_, read_ndjson(std::move(input), name));
    out->json_ = std::make_unique<JsonCells>(columns);
    return out;
  }
  BATON_TRY_ASSIGN(out->rows_, read_csv(std::move(input), name));
  const auto& header = out->rows_->columns();
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const auto at = static_cast<std::size_t>(std::ranges::find(header, columns[i]) - header.begin());
    if (at == header.size()) out->missing_.push_back(i);
    out->positions_.push_back(at);
  }
  return out;
}

Result<bool> CellReader::next(Next& row) {
  BATON_TRY_ASSIGN(auto read, rows_->next(row_));
  if (!read.have) return false;
  row.number = row_.number;
  row.raw = row_.raw;
  row.problem = std::move(read.problem);
  row.cells.clear();
  if (!row.problem.empty()) return true;
  if (json_) {
    row.problem = json_->extract(row_.raw, row.cells);
    return true;
  }
  for (const auto at : positions_) {
    if (at < row_.fields.size()) row.cells.push_back({Cell::Kind::text, row_.fields[at]});
    else row.cells.push_back({});
  }
  return true;
}

}  // namespace baton::cli
