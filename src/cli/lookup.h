// Look-up tables: a second file, read whole, that answers by key.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <baton/result.h>

#include "cli/map_cells.h"
#include "os/env.h"

namespace baton::cli {

enum class LookupDuplicates : std::uint8_t { refuse, first, last };

class LookupTable {
 public:
  static constexpr std::size_t kRowsMax = 1'000'000;   // of all tables of a map
  static constexpr std::size_t kBytesMax = 32u << 20;  // of text, the same

  struct Spec {
    std::string path;
    RowFormat format = RowFormat::by_name;
    std::string key;
    std::vector<std::string> columns;  // those that fields ask for
    LookupDuplicates duplicates = LookupDuplicates::refuse;
    std::size_t rows_max = kRowsMax, bytes_max = kBytesMax;  // what other tables have left
  };
  // invalid_argument: a column that is not there, a key that occurs twice and must not, a row that does not fit its format.
  // too_large: over the limits.
  [[nodiscard]] static Result<LookupTable> load(os::Env& env, const Spec& spec);

  [[nodiscard]] std::optional<std::size_t> find(std::string_view key) const;
  // `column`: an index of Spec::columns. What JSON has as null, or not at all, is missing.
  [[nodiscard]] Cell cell(std::size_t row, std::size_t column) const;
  [[nodiscard]] std::size_t rows() const { return keys_.size(); }
  [[nodiscard]] std::size_t bytes() const { return text_.size(); }

 private:
  struct Text {
    std::uint32_t offset = 0, length = 0;
  };
  [[nodiscard]] std::string_view text(Text t) const { return std::string_view(text_).substr(t.offset, t.length); }
  [[nodiscard]] Status add(const Spec& spec, const CellReader::Next& row);
  [[nodiscard]] Status put_cells(const Spec& spec, const CellReader::Next& row, std::size_t at);
  void grow();
  // The slot of a key: its row + 1, or 0 where it would go.
  [[nodiscard]] std::size_t slot_of(std::string_view key) const;

  std::string text_;
  std::vector<Text> keys_;
  std::vector<Text> cells_;  // rows() * columns
  std::vector<Cell::Kind> kinds_;
  std::vector<std::uint32_t> slots_;
  std::size_t columns_ = 0;
};

}  // namespace baton::cli
