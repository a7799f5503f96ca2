#include "cli/map_fields.h"

#include <algorithm>

namespace baton::cli {

namespace {

constexpr std::size_t kLookupsMax = 16;
constexpr std::size_t kPathMax = 4096;
constexpr std::string_view kRowField = "row";

// The index of `text` in `list`, added if it is new.
std::size_t index_in(std::vector<std::string>& list, const std::string& text) {
  const auto found = std::ranges::find(list, text);
  if (found == list.end()) list.push_back(text);
  return static_cast<std::size_t>(std::ranges::find(list, text) - list.begin());
}

}  // namespace

void FieldParser::lookups(const YAML::Node& node) {
  yaml_.need_map(node, "'lookups'");
  yaml_.check_keys(node, {}, "'lookups'");
  if (node.size() > kLookupsMax) yaml_.fail(node, "more than 16 look-ups");
  for (const auto& entry : node) {
    MapLookup out;
    out.name = entry.first.Scalar();
    out.where = yaml_.place(entry.first.Mark());
    if (!is_field_name(out.name)) yaml_.fail(entry.first, "'" + out.name + "' is no name: letters, digits and '_', at most 63");
    const std::string what = "look-up '" + out.name + "'";
    const YAML::Node& value = entry.second;
    yaml_.need_map(value, what);
    yaml_.check_keys(value, {"file", "format", "key", "duplicates"}, what);
    out.file = yaml_.text(yaml_.need(value, "file", what), "'file'", kPathMax);
    out.key = yaml_.text(yaml_.need(value, "key", what), "'key'");
    if (value["format"]) out.format = yaml_.word(value["format"], "'format'", {"csv", "ndjson"}) == 0 ? RowFormat::csv : RowFormat::ndjson;
    if (value["duplicates"])
      out.duplicates = static_cast<LookupDuplicates>(yaml_.word(value["duplicates"], "'duplicates'", {"refuse", "first", "last"}));
    map_.lookups.push_back(std::move(out));
  }
}

void FieldParser::fields(const YAML::Node& node) {
  yaml_.need_map(node, "'fields'");
  yaml_.check_keys(node, {}, "'fields'");
  map_.fields.push_back({.name = std::string(kRowField), .kind = MapField::Kind::row, .type = FieldType::integer});
  for (const auto& entry : node) field(entry.first, entry.second);
}

void FieldParser::field(const YAML::Node& name, const YAML::Node& node) {
  MapField out;
  out.name = name.Scalar();
  if (out.name == kRowField) yaml_.fail(name, "'row' is always there: the number of the row; give the field another name");
  if (!is_field_name(out.name)) yaml_.fail(name, "'" + out.name + "' is no name for a field: letters, digits and '_', a letter first, at most 63, and no word of expressions");
  const std::string what = "field '" + out.name + "'";
  if (!node.IsMap()) yaml_.fail(node, what + " must be a map, as {column: trip_id, type: integer}");
  if (node["lookup"]) lookup(node, what, out);
  else if (node["local"]) local(node, what, out);
  else column(node, what, out);
  map_.fields.push_back(std::move(out));
}

void FieldParser::column(const YAML::Node& node, const std::string& what, MapField& out) {
  const auto column = yaml_.text(yaml_.need(node, "column", what), "'column'");
  out.column = index_in(map_.columns, column);
  if (map_.columns_where.size() < map_.columns.size()) map_.columns_where.push_back(yaml_.place(node["column"].Mark()));
  typed(node, what, out);
}

void FieldParser::lookup(const YAML::Node& node, const std::string& what, MapField& out) {
  out.kind = MapField::Kind::lookup;
  const auto name = yaml_.text(node["lookup"], "'lookup'");
  std::vector<std::string> names;
  for (const auto& l : map_.lookups) names.push_back(l.name);
  if (names.empty()) yaml_.fail(node["lookup"], "there is no look-up '" + name + "': the map has no 'lookups'");
  out.lookup = yaml_.word(node["lookup"], "the look-ups", names);
  out.from = parse_field_name(yaml_, map_, yaml_.need(node, "by", what), "'by'");
  out.column = index_in(map_.lookups[out.lookup].columns, yaml_.text(yaml_.need(node, "column", what), "'column'"));
  if (node["missing"]) out.missing_is_null = yaml_.word(node["missing"], "'missing'", {"reject", "null"}) == 1;
  typed(node, what, out);
}

void FieldParser::local(const YAML::Node& node, const std::string& what, MapField& out) {
  out.kind = MapField::Kind::local;
  yaml_.check_keys(node, {"local", "format", "time_zone"}, what);
  out.from = parse_field_name(yaml_, map_, node["local"], "'local'");
  const auto& source = map_.fields[out.from];
  if (source.type != FieldType::time) yaml_.fail(node["local"], "'local' renders a time, and this field is none");
  out.zone = node["time_zone"] ? zone(node["time_zone"]) : source.zone;
  const auto format = yaml_.need(node, "format", what);
  auto rendering = TimeFormat::parse_rendering(yaml_.text(format, "'format'"));
  if (!rendering) yaml_.fail(format, rendering.error().detail);
  out.rendering = *std::move(rendering);
}

void FieldParser::typed(const YAML::Node& node, const std::string& what, MapField& out) {
  if (node["type"]) out.type = static_cast<FieldType>(yaml_.word(node["type"], "'type'", {"string", "integer", "decimal", "boolean", "time"}));
  std::vector<std::string> known = {"column", "type", "empty"};
  if (out.kind == MapField::Kind::lookup) known.insert(known.end(), {"lookup", "by", "missing"});
  if (out.type == FieldType::time) known.insert(known.end(), {"format", "time_zone", "fold", "gap"});
  if (out.type == FieldType::boolean) known.insert(known.end(), {"yes", "no"});
  yaml_.check_keys(node, known, what + " of type " + std::string(type_name(out.type)));
  out.empty = out.type == FieldType::string ? Empty::keep : Empty::reject;
  if (node["empty"]) {
    out.empty = static_cast<Empty>(yaml_.word(node["empty"], "'empty'", {"keep", "null", "omit", "reject"}));
    if (out.empty == Empty::keep && out.type != FieldType::string) yaml_.fail(node["empty"], "only a string can be kept empty; say null, omit or reject");
  }
  if (out.type == FieldType::boolean) boolean_words(node, what, out);
  if (out.type != FieldType::time) return;
  out.zone = node["time_zone"] ? zone(node["time_zone"]) : zone_;
  if (node["fold"]) out.fold = static_cast<Fold>(yaml_.word(node["fold"], "'fold'", {"earlier", "later", "reject"}));
  if (node["gap"]) out.gap = yaml_.word(node["gap"], "'gap'", {"shift", "reject"}) == 0 ? Gap::shift : Gap::reject;
  if (!node["format"]) return;
  auto format = TimeFormat::parse(yaml_.text(node["format"], "'format'"));
  if (!format) yaml_.fail(node["format"], format.error().detail);
  out.format = *std::move(format);
}

void FieldParser::boolean_words(const YAML::Node& node, const std::string& what, MapField& out) {
  if (node["yes"].IsDefined() != node["no"].IsDefined()) yaml_.fail(node, what + " must name 'yes' and 'no' both, or neither");
  if (!node["yes"]) return;
  out.yes = words(node["yes"], "'yes'");
  out.no = words(node["no"], "'no'");
  for (const auto& word : out.yes)
    if (std::ranges::find(out.no, word) != out.no.end()) yaml_.fail(node, "'" + word + "' cannot be yes and no");
}

std::vector<std::string> FieldParser::words(const YAML::Node& node, const std::string& what) const {
  if (node.IsScalar()) return {yaml_.text(node, what)};
  if (!node.IsSequence() || node.size() == 0 || node.size() > 16) yaml_.fail(node, what + " must be a text, or a list of 1 to 16 texts");
  std::vector<std::string> out;
  for (const auto& item : node) out.push_back(yaml_.text(item, what));
  return out;
}

absl::TimeZone FieldParser::zone(const YAML::Node& node) const {
  auto out = load_time_zone(yaml_.text(node, "'time_zone'"));
  if (!out) yaml_.fail(node, out.error().detail);
  return *out;
}

}  // namespace baton::cli
