// Cells: the columns of a row that a map names, the same for CSV and NDJSON.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <baton/result.h>

#include "cli/row_reader.h"
#include "os/env.h"

namespace baton::cli {

struct Cell {
  enum class Kind : std::uint8_t { missing, null, text, number, boolean, compound };  // CSV: text only; compound: an object or array
  Kind kind = Kind::missing;
  std::string_view text;  // a number as it is written; lives until the next row
};

enum class RowFormat : std::uint8_t { by_name, csv, ndjson };

// Picks values out of one JSON object by dotted paths; a number in a path is an index of an array or a name. Strict (RFC 8259), 64 levels.
// When a name is repeated in an object, its last value counts.
class JsonCells {
 public:
  explicit JsonCells(const std::vector<std::string>& paths);
  ~JsonCells();
  JsonCells(JsonCells&&) noexcept;
  JsonCells& operator=(JsonCells&&) noexcept;
  // Why it is not JSON, or not an object; empty when it is. `cells` has one entry a path.
  [[nodiscard]] std::string extract(std::string_view json, std::vector<Cell>& cells);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Rows of a file with the cells of `columns`.
class CellReader {
 public:
  // `shown`: the file's name where `path` is not it. With by_name the name decides: .ndjson, .jsonl and .json (packed or not) are NDJSON, all else CSV.
  // not_found; invalid_argument: the header of a CSV file is wrong. A column that it does not have is in missing().
  [[nodiscard]] static Result<std::unique_ptr<CellReader>> open(os::Env& env, const std::string& path, RowFormat format,
                                                                const std::vector<std::string>& columns, const std::string& shown = {});
  // False at the end. `row.problem`: the row does not fit the format, and has no cells.
  struct Next {
    std::uint64_t number = 0;
    std::string_view raw;
    std::string problem;
    std::vector<Cell> cells;
  };
  [[nodiscard]] Result<bool> next(Next& row);
  [[nodiscard]] std::uint64_t consumed() const { return input_->consumed(); }
  [[nodiscard]] std::uint64_t total() const { return input_->total(); }
  [[nodiscard]] const std::vector<std::string>& header() const { return rows_->columns(); }  // of a CSV file
  [[nodiscard]] const std::vector<std::size_t>& missing() const { return missing_; }         // indexes of `columns`

 private:
  CellReader() = default;
  InputStream* input_ = nullptr;  // owned by rows_
  std::unique_ptr<RowReader> rows_;
  std::unique_ptr<JsonCells> json_;
  std::vector<std::size_t> positions_;
  std::vector<std::size_t> missing_;
  Row row_;
};

}  // namespace baton::cli
