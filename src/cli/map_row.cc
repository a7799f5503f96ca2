#include "cli/map_row.h"

#include <algorithm>

#include "base/bytes.h"
#include "store/limits.h"

namespace baton::cli {

namespace {

// Of a field of the payload: 4 bytes of length, then the text.
void put_part(std::string& out, std::string_view text) {
  char length[4];
  base::store_le<std::uint32_t>(length, static_cast<std::uint32_t>(text.size()));
  out.append(length, sizeof length);
  out += text;
}

class Parts {
 public:
  explicit Parts(std::string_view payload) : rest_(payload) {}
  std::string_view next() {
    if (rest_.size() < 4) return fail();
    const auto length = base::load_le<std::uint32_t>(rest_.data());
    rest_.remove_prefix(4);
    if (length > rest_.size()) return fail();
    const auto out = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return out;
  }
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] bool empty() const { return rest_.empty(); }

 private:
  std::string_view fail() {
    failed_ = true;
    rest_ = {};
    return {};
  }
  std::string_view rest_;
  bool failed_ = false;
};

Rejection reject(std::string column, std::string reason, std::string detail = {}) {
  constexpr std::size_t kShown = 60;
  if (detail.size() > kShown) detail = detail.substr(0, kShown) + "...";
  return {std::move(column), std::move(reason), std::move(detail)};
}

bool is_empty(const Cell& cell, FieldType type) {
  return cell.kind == Cell::Kind::missing || cell.kind == Cell::Kind::null || (cell.text.empty() && (cell.kind == Cell::Kind::text || type != FieldType::string));
}

}  // namespace

RowMapper::RowMapper(const ImportMap& map, const std::vector<LookupTable>& lookups, std::uint64_t data_bytes_max)
    : map_(map), lookups_(lookups), data_bytes_max_(data_bytes_max), values_(map.fields.size()), rendered_(map.fields.size()) {
  counts_.checks.resize(map.checks.size());
}

std::optional<Rejection> RowMapper::read(const CellReader::Next& row) {
  events_.clear();
  starts_.clear();
  payload_.clear();
  row_folds_ = row_gaps_ = 0;
  if (!row.problem.empty()) return reject("", "not a row of the format", row.problem);
  for (std::size_t i = 0; i < map_.fields.size(); ++i)
    if (auto problem = read_field(map_.fields[i], i, row)) return problem;
  for (std::size_t i = 0; i < map_.events.size(); ++i) {
    const auto& event = map_.events[i];
    if (event.when && !event.when->holds(values_)) continue;
    if (auto problem = write_event(i, row.number)) {
      events_.clear();
      return problem;
    }
  }
  for (std::size_t i = 0; i < events_.size(); ++i) {
    const auto end = i + 1 < events_.size() ? starts_[i + 1] : payload_.size();
    events_[i].payload = std::string_view(payload_).substr(starts_[i], end - starts_[i]);
  }
  for (std::size_t i = 0; i < map_.checks.size(); ++i)
    if (map_.checks[i].when.holds(values_)) ++counts_.checks[i];
  counts_.folds += row_folds_;
  counts_.gaps += row_gaps_;
  return std::nullopt;
}

std::optional<Rejection> RowMapper::read_field(const MapField& field, std::size_t index, const CellReader::Next& row) {
  Value& out = values_[index];
  out = {};
  switch (field.kind) {
    case MapField::Kind::row: out = Value::of_integer(static_cast<std::int64_t>(row.number)); return std::nullopt;
    case MapField::Kind::column: return convert(field, row.cells[field.column], map_.columns[field.column], out);
    case MapField::Kind::lookup: return look_up(field, out);
    case MapField::Kind::local: break;
  }
  const Value& time = values_[field.from];
  if (time.is_null()) {
    out = time;
    return std::nullopt;
  }
  auto& text = rendered_[index];
  text.clear();
  put_local_time(text, time.number, field.rendering, field.zone);
  out = Value::of_string(text);
  return std::nullopt;
}

std::optional<Rejection> RowMapper::look_up(const MapField& field, Value& out) {
  const Value& by = values_[field.from];
  if (by.is_null()) {  // no key, no answer: what an empty cell would be
    return convert(field, {}, field.name, out);
  }
  key_.clear();
  put_text(key_, by);
  const auto& table = lookups_[field.lookup];
  const auto found = table.find(key_);
  if (found) return convert(field, table.cell(*found, field.column), field.name, out);
  if (field.missing_is_null) return std::nullopt;
  return reject(map_.fields[field.from].name, "not in look-up " + map_.lookups[field.lookup].name, key_);
}

std::optional<Rejection> RowMapper::convert(const MapField& field, const Cell& cell, const std::string& column, Value& out) {
  if (is_empty(cell, field.type)) {
    switch (field.empty) {
      case Empty::keep:
        if (cell.kind == Cell::Kind::text) out = Value::of_string(cell.text);
        return std::nullopt;
      case Empty::null: return std::nullopt;
      case Empty::omit: out.kind = Value::Kind::omitted; return std::nullopt;
      case Empty::reject: return reject(column, "empty");
    }
  }
  if (cell.kind == Cell::Kind::compound) return reject(column, "an object or a list where one value is wanted");
  switch (field.type) {
    case FieldType::string:
      if (!store::valid_utf8(cell.text)) return reject(column, "not UTF-8");
      out = Value::of_string(cell.text);
      return std::nullopt;
    case FieldType::integer: {
      std::int64_t n = 0;
      if (!parse_integer(cell.text, n)) return reject(column, "not an integer of 64 bits", std::string(cell.text));
      out = Value::of_integer(n);
      return std::nullopt;
    }
    case FieldType::decimal:
      if (!is_decimal(cell.text)) return reject(column, "not a decimal", std::string(cell.text));
      out = Value::of_decimal(cell.text);
      return std::nullopt;
    case FieldType::boolean: {
      const bool yes = std::ranges::find(field.yes, cell.text) != field.yes.end();
      if (!yes && std::ranges::find(field.no, cell.text) == field.no.end()) return reject(column, "not a boolean", std::string(cell.text));
      out = Value::of_boolean(yes);
      return std::nullopt;
    }
    case FieldType::time: return convert_time(field, cell, column, out);
  }
  return std::nullopt;
}

std::optional<Rejection> RowMapper::convert_time(const MapField& field, const Cell& cell, const std::string& column, Value& out) {
  const auto read = read_time(cell.text, field.format, field.zone, field.fold, field.gap);
  if (read.problem != nullptr) return reject(column, read.problem, std::string(cell.text));
  row_folds_ += read.fold ? 1 : 0;
  row_gaps_ += read.gap ? 1 : 0;
  out = Value::of_time(read.ns);
  return std::nullopt;
}

bool RowMapper::fill(const Template& t, std::string& out) const {
  out.clear();
  for (const auto& part : t.parts) {
    out += part.literal;
    if (!part.field) continue;
    const Value& value = values_[*part.field];
    if (value.is_null()) return false;
    put_text(out, value);
  }
  return true;
}

std::optional<Rejection> RowMapper::put_required(const MapEvent& event, const char* part, const Template& t) {
  const auto name = [&] { return event.type + "." + part; };
  if (!fill(t, text_)) return reject(name(), "made of a field that is empty");
  if (text_.empty()) return reject(name(), "empty");
  if (text_.size() > store::kNameBytesMax) return reject(name(), "longer than 255 bytes", text_);
  put_part(payload_, text_);
  return std::nullopt;
}

std::optional<Rejection> RowMapper::put_optional(const MapEvent& event, const char* part, const Template& t) {
  if (t.empty() || !fill(t, text_)) text_.clear();
  if (text_.size() > store::kNameBytesMax) return reject(event.type + "." + part, "longer than 255 bytes", text_);
  put_part(payload_, text_);
  return std::nullopt;
}

std::optional<Rejection> RowMapper::put_tags(const MapEvent& event) {
  for (const auto& tag : event.tags) {
    if (!fill(tag, text_) || text_.ends_with(':')) continue;  // a tag without a value is none
    if (text_.size() > store::kTagBytesMax) return reject(event.type + ".tags", "longer than 128 bytes", text_);
    put_part(payload_, text_);
  }
  return std::nullopt;
}

std::optional<Rejection> RowMapper::write_event(std::size_t number, std::uint64_t row) {
  const auto& event = map_.events[number];
  MappedEvent out{.row = row, .event = static_cast<std::uint32_t>(number)};
  if (event.time) {
    const Value& time = values_[*event.time];
    if (time.is_null()) return reject(event.type + ".time", "made of a field that is empty");
    out.time_ns = time.number;
  }
  starts_.push_back(payload_.size());
  if (auto problem = put_required(event, "stream", event.stream)) return problem;
  if (auto problem = put_required(event, "id", event.id)) return problem;
  if (auto problem = put_optional(event, "tenant", event.tenant)) return problem;
  if (auto problem = put_optional(event, "correlation", event.correlation)) return problem;
  if (auto problem = put_optional(event, "causation", event.causation)) return problem;
  if (auto problem = put_optional(event, "subject", event.subject)) return problem;
  data_.clear();
  put_data(event.data);
  if (data_.size() > data_bytes_max_)
    return reject(event.type + ".data", "larger than the context's limit of " + std::to_string(data_bytes_max_) + " bytes", std::to_string(data_.size()) + " bytes");
  put_part(payload_, data_);
  if (auto problem = put_tags(event)) return problem;
  events_.push_back(out);
  return std::nullopt;
}

void RowMapper::put_data(const DataNode& node) {
  if (node.kind == DataNode::Kind::field) return put_json(data_, values_[node.field]);
  const bool object = node.kind == DataNode::Kind::object;
  data_ += object ? '{' : '[';
  bool first = true;
  for (const auto& child : node.children) {
    if (child.kind == DataNode::Kind::field && values_[child.field].kind == Value::Kind::omitted) continue;
    if (!first) data_ += ',';
    first = false;
    if (object) data_ += child.key, data_ += ':';
    put_data(child);
  }
  data_ += object ? '}' : ']';
}

Result<UnpackedEvent> unpack_event(const ImportMap& map, const MappedEvent& event) {
  const Error damaged{Code::corrupt, "a temporary file of the import is damaged; run the import again"};
  if (event.event >= map.events.size()) return damaged;
  const auto& from = map.events[event.event];
  UnpackedEvent out;
  Parts parts(event.payload);
  out.stream = parts.next();
  out.event.type = from.type;
  out.event.source = map.source;
  out.event.id = parts.next();
  out.event.tenant = parts.next();
  out.event.correlation_id = parts.next();
  out.event.causation_id = parts.next();
  out.event.subject = parts.next();
  out.event.data = parts.next();
  while (!parts.empty()) out.event.tags.emplace_back(parts.next());
  if (from.time) out.event.time = Time{event.time_ns};
  if (parts.failed()) return damaged;
  return out;
}

}  // namespace baton::cli
