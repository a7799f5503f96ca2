// RowMapper: one row becomes events, or a reason why it does not fit.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <baton/event.h>
#include <baton/result.h>

#include "cli/lookup.h"
#include "cli/map_file.h"

namespace baton::cli {

// An event as it waits for its turn: the texts behind one another, each with its length, so that it can be sorted outside memory.
// The type and the source are the map's, by `event`.
struct MappedEvent {
  std::int64_t time_ns = 0;   // 0 without a time
  std::uint64_t row = 0;
  std::uint32_t event = 0;    // in the map
  std::string_view payload;   // until the next row
};

// Why a row was not taken.
struct Rejection {
  std::string column;   // or the field, or the part of an event, that does not fit
  std::string reason;   // the same for all rows that fail in the same way
  std::string detail;   // what was found; may be empty
};

struct MapCounts {
  std::vector<std::uint64_t> checks;  // as in the map
  std::uint64_t folds = 0, gaps = 0;
};

class RowMapper {
 public:
  // All must outlive it. `data_bytes_max`: of the context.
  RowMapper(const ImportMap& map, const std::vector<LookupTable>& lookups, std::uint64_t data_bytes_max);

  // Nothing when the row fits: then events() has what it says, and counts() what was noticed.
  [[nodiscard]] std::optional<Rejection> read(const CellReader::Next& row);
  [[nodiscard]] const std::vector<MappedEvent>& events() const { return events_; }
  [[nodiscard]] const MapCounts& counts() const { return counts_; }

 private:
  using Problem = std::optional<Rejection>;
  [[nodiscard]] Problem read_field(const MapField& field, std::size_t index, const CellReader::Next& row);
  [[nodiscard]] Problem convert(const MapField& field, const Cell& cell, const std::string& column, Value& out);
  [[nodiscard]] Problem convert_time(const MapField& field, const Cell& cell, const std::string& column, Value& out);
  [[nodiscard]] Problem look_up(const MapField& field, Value& out);
  [[nodiscard]] Problem write_event(std::size_t number, std::uint64_t row);
  // Appends a length and the filled template; nothing is left when it has a field without a value.
  [[nodiscard]] bool fill(const Template& t, std::string& out) const;
  [[nodiscard]] Problem put_required(const MapEvent& event, const char* part, const Template& t);
  [[nodiscard]] Problem put_optional(const MapEvent& event, const char* part, const Template& t);
  [[nodiscard]] Problem put_tags(const MapEvent& event);
  void put_data(const DataNode& node);

  const ImportMap& map_;
  const std::vector<LookupTable>& lookups_;
  std::uint64_t data_bytes_max_;
  std::vector<Value> values_;
  std::vector<std::string> rendered_;  // of `local` fields
  std::string key_, text_, data_, payload_;
  std::vector<std::size_t> starts_;    // in payload_, of each event
  std::vector<MappedEvent> events_;
  MapCounts counts_;
  std::uint64_t row_folds_ = 0, row_gaps_ = 0;
};

// The event that a payload is, and its stream. corrupt: it was not written by a RowMapper of this map.
struct UnpackedEvent {
  std::string stream;
  NewEvent event;
};
[[nodiscard]] Result<UnpackedEvent> unpack_event(const ImportMap& map, const MappedEvent& event);

}  // namespace baton::cli
