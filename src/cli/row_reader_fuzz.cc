// Rows of any bytes, as CSV and as NDJSON: every byte is read once, and a row without a problem has the columns of the header.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "cli/map_cells.h"
#include "cli/row_reader.h"
#include "cli/text_input_for_test.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace baton;
  using namespace baton::cli;
  const std::string text(reinterpret_cast<const char*>(data), size);
  Row row;
  if (auto csv = read_csv(std::make_unique<for_test::TextInput>(text), "f")) {
    for (std::uint64_t number = 1;; ++number) {
      const auto next = (*csv)->next(row);
      if (!next || !next->have) break;
      BATON_CHECK(row.number == number, "rows are counted");
      BATON_CHECK(!next->problem.empty() || row.fields.size() == (*csv)->columns().size(), "a row has the columns of the header");
      for (const auto field : row.fields) BATON_CHECK(field.size() <= row.raw.size(), "a field is in its row");
    }
  }
  auto lines = read_ndjson(std::make_unique<for_test::TextInput>(text), "f");
  JsonCells json({"a", "a.b", "l.0", "l.1.x", ""});
  std::vector<Cell> cells;
  for (;;) {
    const auto next = (*lines)->next(row);
    if (!next || !next->have) break;
    const auto problem = json.extract(row.raw, cells);
    BATON_CHECK(cells.size() == (problem.empty() ? 5U : 0U), "a cell for each path");
  }
  return 0;
}
