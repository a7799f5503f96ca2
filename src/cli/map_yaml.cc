#include "cli/map_yaml.h"

#include <algorithm>

#include "base/suggest.h"
#include "store/limits.h"

namespace baton::cli {

std::string MapYaml::place(const YAML::Mark& mark) const {
  if (mark.is_null()) return file_;
  return file_ + ":" + std::to_string(mark.line + 1) + ":" + std::to_string(mark.column + 1);
}

void MapYaml::fail(const YAML::Node& node, const std::string& what) const {
  throw Error{Code::invalid_argument, place(node.Mark()) + ": " + what};
}

void MapYaml::check_keys(const YAML::Node& map, const std::vector<std::string>& known, const std::string& what) const {
  if (map.size() > 256) fail(map, what + " has more than 256 keys");
  std::vector<std::string> seen;
  for (const auto& entry : map) {
    if (!entry.first.IsScalar()) fail(entry.first, "a key of " + what + " must be a text");
    const std::string& key = entry.first.Scalar();
    if (std::ranges::find(seen, key) != seen.end()) fail(entry.first, "the key '" + key + "' is there twice");
    if (!known.empty() && std::ranges::find(known, key) == known.end())
      fail(entry.first, "unknown key '" + key + "' in " + what + ": " + base::suggest(key, known));
    seen.push_back(key);
  }
}

void MapYaml::need_map(const YAML::Node& node, const std::string& what) const {
  if (!node.IsMap() || node.size() == 0) fail(node, what + " must be a map with at least one key");
}

std::string MapYaml::text(const YAML::Node& node, const std::string& what, std::size_t max) const {
  if (!node.IsScalar()) fail(node, what + " must be a text");
  const std::string& out = node.Scalar();
  if (out.empty()) fail(node, what + " is empty");
  if (out.size() > max) fail(node, what + " has more than " + std::to_string(max) + " bytes");
  if (!store::valid_utf8(out) || out.find('\0') != std::string::npos) fail(node, what + " is not UTF-8 text");
  return out;
}

std::size_t MapYaml::word(const YAML::Node& node, const std::string& what, const std::vector<std::string>& words) const {
  const std::string given = node.IsNull() ? "null" : text(node, what);
  const auto found = std::ranges::find(words, given);
  if (found == words.end()) fail(node, "'" + given + "' is no value of " + what + ": " + base::suggest(given, words));
  return static_cast<std::size_t>(found - words.begin());
}

YAML::Node MapYaml::need(const YAML::Node& map, const char* key, const std::string& what) const {
  const YAML::Node node = map[key];
  if (!node) fail(map, what + " has no '" + key + "'");
  return node;
}

bool is_field_name(std::string_view text) {
  static constexpr std::string_view kWords[] = {"and", "or", "not", "is", "null", "matches", "true", "false"};
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  if (text.empty() || text.size() > 63 || !letter(text[0])) return false;
  if (!std::ranges::all_of(text, [&](char c) { return letter(c) || (c >= '0' && c <= '9'); })) return false;
  return std::ranges::find(kWords, text) == std::end(kWords);
}

}  // namespace baton::cli
