// A map, and what may follow it behind a line "---8<---": rows that it is applied to. Nothing of it may end the process, and what a row
// becomes must be readable again.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "cli/map_file.h"
#include "cli/map_row.h"
#include "cli/text_input_for_test.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace baton;
  using namespace baton::cli;
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  constexpr std::string_view kCut = "\n---8<---\n";
  const auto cut = std::min(all.find(kCut), all.size());
  const auto map = parse_map(all.substr(0, cut), "m.yaml");
  if (!map) {
    BATON_CHECK(!map.error().detail.empty(), "an error that says nothing");
    return 0;
  }
  std::vector<LookupTable> lookups;
  if (!map->lookups.empty()) return 0;
  // The rows as CSV whose columns are those of the map, or as JSON.
  RowMapper mapper(*map, lookups, 1024);
  const auto take = [&](const CellReader::Next& row) {
    if (mapper.read(row)) return;
    for (const auto& event : mapper.events()) {
      const auto unpacked = unpack_event(*map, event);
      BATON_CHECK(unpacked.ok() && !unpacked->stream.empty() && !unpacked->event.id.empty(), "an event that cannot be read again");
    }
  };
  const std::string rows(all.substr(std::min(cut + kCut.size(), all.size())));
  JsonCells json(map->columns);
  auto lines = read_ndjson(std::make_unique<for_test::TextInput>(rows), "f");
  CellReader::Next next;
  for (Row row;;) {
    const auto have = (*lines)->next(row);
    if (!have || !have->have) break;
    next.number = row.number;
    next.raw = row.raw;
    next.problem = json.extract(row.raw, next.cells);
    take(next);
    next.problem.clear();
    next.cells.assign(map->columns.size(), {Cell::Kind::text, row.raw});
    take(next);
  }
  return 0;
}
