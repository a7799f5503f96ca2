// Import maps: YAML that says how rows become events (docs/formats/map.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <baton/result.h>

#include "cli/expression.h"
#include "cli/lookup.h"
#include "cli/map_cells.h"
#include "cli/map_value.h"
#include "cli/time_zone.h"

namespace baton::cli {

inline constexpr std::size_t kMapBytesMax = 256u << 10;

// What becomes of a field whose cell is empty.
enum class Empty : std::uint8_t { keep, null, omit, reject };

struct MapLookup {
  std::string name;
  std::string file;
  RowFormat format = RowFormat::by_name;
  std::string key;
  LookupDuplicates duplicates = LookupDuplicates::refuse;
  std::vector<std::string> columns;  // those that fields use
  std::string where;                 // "map.yaml:7:3"
};

struct MapField {
  enum class Kind : std::uint8_t { row, column, lookup, local };  // row: its number
  std::string name;
  Kind kind = Kind::column;
  FieldType type = FieldType::string;
  Empty empty = Empty::keep;
  std::size_t column = 0;  // column: of ImportMap::columns; lookup: of MapLookup::columns
  std::size_t lookup = 0;  // of ImportMap::lookups
  std::size_t from = 0;    // lookup: the field that is the key; local: the field of type time
  bool missing_is_null = false;  // lookup: a key that is not there
  TimeFormat format;       // type time
  Fold fold = Fold::earlier;
  Gap gap = Gap::reject;
  absl::TimeZone zone;     // type time, local
  std::string rendering;   // local
  std::vector<std::string> yes{"true"}, no{"false"};  // type boolean
};

// A text with fields in it: `literal` before each field, and one behind the last.
struct Template {
  struct Part {
    std::string literal;
    std::optional<std::size_t> field;
  };
  std::vector<Part> parts;
  [[nodiscard]] bool empty() const { return parts.empty(); }
};

// What a key of the data becomes.
struct DataNode {
  enum class Kind : std::uint8_t { field, object, list };
  Kind kind = Kind::field;
  std::string key;        // as JSON, quoted; in an object
  std::size_t field = 0;
  std::vector<DataNode> children;
};

struct MapEvent {
  std::string type;
  std::optional<Expression> when;
  Template stream, id;                               // never empty
  std::optional<std::size_t> time;                   // a field of type time
  Template tenant, correlation, causation, subject;  // empty: none
  std::vector<Template> tags;
  DataNode data;
};

struct MapCheck {
  std::string name;
  Expression when;
};

struct ImportMap {
  std::string context;
  std::string source;
  RowFormat format = RowFormat::by_name;
  bool by_time = false;
  std::vector<std::string> columns;        // of the file, each once
  std::vector<std::string> columns_where;  // where the map names them first
  std::vector<MapLookup> lookups;
  std::vector<MapField> fields;            // `row` first; one uses only those before it
  std::vector<MapEvent> events;
  std::vector<MapCheck> checks;
  std::uint64_t digest = 0;                // of the text

  static constexpr std::size_t kEventsMax = 64;
};

// `file` heads the positions in errors. invalid_argument: `file:line:column: what`.
[[nodiscard]] Result<ImportMap> parse_map(std::string_view text, const std::string& file);

}  // namespace baton::cli
