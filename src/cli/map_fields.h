// The parts of the map parser: fields with their look-ups, and what is made of fields (templates, expressions, data).
#pragma once

#include "cli/map_file.h"
#include "cli/map_yaml.h"

namespace baton::cli {

// Reads `lookups` and `fields` into the map.
class FieldParser {
 public:
  FieldParser(const MapYaml& yaml, ImportMap& map, const absl::TimeZone& zone) : yaml_(yaml), map_(map), zone_(zone) {}
  void lookups(const YAML::Node& node);
  void fields(const YAML::Node& node);

 private:
  void field(const YAML::Node& name, const YAML::Node& node);
  void column(const YAML::Node& node, const std::string& what, MapField& out);
  void lookup(const YAML::Node& node, const std::string& what, MapField& out);
  void local(const YAML::Node& node, const std::string& what, MapField& out);
  void typed(const YAML::Node& node, const std::string& what, MapField& out);
  void boolean_words(const YAML::Node& node, const std::string& what, MapField& out);
  [[nodiscard]] std::vector<std::string> words(const YAML::Node& node, const std::string& what) const;
  [[nodiscard]] absl::TimeZone zone(const YAML::Node& node) const;

  const MapYaml& yaml_;
  ImportMap& map_;
  const absl::TimeZone& zone_;
};

// Things that name fields. All throw with the place in the map.
[[nodiscard]] std::size_t parse_field_name(const MapYaml& yaml, const ImportMap& map, const YAML::Node& node, const std::string& what);
[[nodiscard]] Template parse_template(const MapYaml& yaml, const ImportMap& map, const YAML::Node& node, const std::string& what);
[[nodiscard]] Expression parse_expression(const MapYaml& yaml, const ImportMap& map, const YAML::Node& node, const std::string& what);
[[nodiscard]] DataNode parse_data(const MapYaml& yaml, const ImportMap& map, const YAML::Node& node, const std::string& what);

}  // namespace baton::cli
