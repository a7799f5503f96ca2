// Rows of an import file: CSV with a header line (RFC 4180), or NDJSON (one JSON object a line).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <baton/result.h>

#include "cli/input.h"

namespace baton::cli {

inline constexpr std::size_t kRowBytesMax = 4u << 20;
inline constexpr std::size_t kColumnsMax = 4096;

// One row. `fields` belong to the columns of the header; the views live until the next row is read.
struct Row {
  std::uint64_t number = 0;  // 1 is the first row of data; empty lines are no rows
  std::uint64_t line = 0;    // of the file, from 1; NDJSON only
  std::vector<std::string_view> fields;
  std::string_view raw;      // the row as it stands in the file, without its line end
};

class RowReader {
 public:
  virtual ~RowReader() = default;
  // False at the end. A row that does not fit the format is handed out with `problem` set and its raw text; reading goes on behind it.
  // An error ends reading: the input cannot be unpacked, or a row is larger than kRowBytesMax.
  struct Next {
    bool have = false;
    std::string problem;
  };
  [[nodiscard]] virtual Result<Next> next(Row& row) = 0;
  [[nodiscard]] virtual const std::vector<std::string>& columns() const = 0;  // NDJSON: empty, fields has one entry: the line
};

// Reads the header at once. invalid_argument: no header, a column named twice.
[[nodiscard]] Result<std::unique_ptr<RowReader>> read_csv(std::unique_ptr<InputStream> input, std::string name);
[[nodiscard]] Result<std::unique_ptr<RowReader>> read_ndjson(std::unique_ptr<InputStream> input, std::string name);

}  // namespace baton::cli
