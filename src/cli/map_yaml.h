// Reading YAML with errors that say where: what the parts of the map parser share. Errors are thrown as Error, and caught in parse_map.
#pragma once

#include <yaml-cpp/yaml.h>

#include <string>
#include <string_view>
#include <vector>

#include <baton/result.h>

namespace baton::cli {

class MapYaml {
 public:
  explicit MapYaml(std::string file) : file_(std::move(file)) {}

  [[nodiscard]] std::string place(const YAML::Mark& mark) const;
  [[noreturn]] void fail(const YAML::Node& node, const std::string& what) const;

  // Every key is a text, is there once, and is one of `known` (any, when that is empty).
  void check_keys(const YAML::Node& map, const std::vector<std::string>& known, const std::string& what) const;
  void need_map(const YAML::Node& node, const std::string& what) const;
  // A scalar of 1 to `max` bytes of UTF-8.
  [[nodiscard]] std::string text(const YAML::Node& node, const std::string& what, std::size_t max = 255) const;
  // One of `words`: its index.
  [[nodiscard]] std::size_t word(const YAML::Node& node, const std::string& what, const std::vector<std::string>& words) const;
  // The value of a key, or an error at `map` that it is missing.
  [[nodiscard]] YAML::Node need(const YAML::Node& map, const char* key, const std::string& what) const;

 private:
  std::string file_;
};

// [A-Za-z_][A-Za-z0-9_]{0,62}, and no word of expressions.
[[nodiscard]] bool is_field_name(std::string_view text);

}  // namespace baton::cli
