// What a map makes of fields: names, templates, expressions and data.
#include <algorithm>

#include "base/suggest.h"
#include "cli/map_fields.h"
#include "cli/output.h"

namespace baton::cli {

namespace {

constexpr std::size_t kTemplateMax = 1000;
constexpr std::size_t kPartsMax = 32;
constexpr std::size_t kDataDepthMax = 7;
constexpr std::size_t kDataValuesMax = 255;

std::optional<std::size_t> find_field(const ImportMap& map, std::string_view name) {
  const auto found = std::ranges::find(map.fields, name, &MapField::name);
  if (found != map.fields.end()) return static_cast<std::size_t>(found - map.fields.begin());
  return std::nullopt;
}

std::string unknown_field(const ImportMap& map, std::string_view name) {
  std::vector<std::string> names;
  for (const auto& field : map.fields) names.push_back(field.name);
  return "there is no field '" + std::string(name) + "' (before this place): " + base::suggest(name, names);
}

class DataParser {
 public:
  DataParser(const MapYaml& yaml, const ImportMap& map) : yaml_(yaml), map_(map) {}

  DataNode parse(const YAML::Node& node, const std::string& what, std::size_t depth) {
    if (depth > kDataDepthMax) yaml_.fail(node, "data has more than 7 levels in it");
    if (depth > 0 && ++values_ > kDataValuesMax) yaml_.fail(node, "data has more than 255 values in it");
    DataNode out;
    if (node.IsScalar()) {
      out.field = parse_field_name(yaml_, map_, node, what);
    } else if (node.IsSequence()) {
      out.kind = DataNode::Kind::list;
      for (const auto& item : node) out.children.push_back(parse(item, what, depth + 1));
    } else if (node.IsMap()) {
      out.kind = DataNode::Kind::object;
      yaml_.check_keys(node, {}, what);
      for (const auto& entry : node) {
        auto child = parse(entry.second, what, depth + 1);
        put_json_string(child.key, yaml_.text(entry.first, "a key of the data"));
        out.children.push_back(std::move(child));
      }
    } else {
      yaml_.fail(node, what + " is made of names of fields, maps and lists of them");
    }
    return out;
  }

 private:
  const MapYaml& yaml_;
  const ImportMap& map_;
  std::size_t values_ = 0;
};

}  // namespace

std::size_t parse_field_name(const MapYaml& yaml, const ImportMap& map, const YAML::Node& node, const std::string& what) {
  const auto name = yaml.text(node, what);
  const auto found = find_field(map, name);
  if (!found) yaml.fail(node, what + ": " + unknown_field(map, name));
  return *found;
}

Template parse_template(const MapYaml& yaml, const ImportMap& map, const YAML::Node& node, const std::string& what) {
  const auto text = yaml.text(node, what, kTemplateMax);
  Template out;
  out.parts.emplace_back();
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    const bool doubled = (c == '{' || c == '}') && at + 1 < text.size() && text[at + 1] == c;
    if (doubled || (c != '{' && c != '}')) {
      out.parts.back().literal.push_back(c);
      at += doubled ? 1 : 0;
      continue;
    }
    const auto close = c == '{' ? text.find('}', at) : std::string::npos;
    if (close == std::string::npos) yaml.fail(node, what + ": character " + std::to_string(at + 1) + ": a brace has no partner; write {field}, and {{ or }} for a brace");
    const auto name = text.substr(at + 1, close - at - 1);
    const auto found = find_field(map, name);
    if (!found) yaml.fail(node, what + ": character " + std::to_string(at + 2) + ": " + unknown_field(map, name));
    out.parts.back().field = found;
    out.parts.emplace_back();
    if (out.parts.size() > kPartsMax) yaml.fail(node, what + " has more than 31 fields");
    at = close;
  }
  return out;
}

Expression parse_expression(const MapYaml& yaml, const ImportMap& map, const YAML::Node& node, const std::string& what) {
  const FieldResolver resolve = [&](std::string_view name) -> std::optional<ExpressionField> {
    const auto found = find_field(map, name);
    if (!found) return std::nullopt;
    return ExpressionField{*found, map.fields[*found].type};
  };
  auto out = Expression::parse(yaml.text(node, what, Expression::kBytesMax), resolve);
  if (!out) yaml.fail(node, what + ": " + out.error().detail);
  return *std::move(out);
}

DataNode parse_data(const MapYaml& yaml, const ImportMap& map, const YAML::Node& node, const std::string& what) {
  if (!node.IsMap()) yaml.fail(node, what + " must be a map from keys to fields");
  return DataParser(yaml, map).parse(node, what, 0);
}

}  // namespace baton::cli
