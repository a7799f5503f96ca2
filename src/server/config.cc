#include "server/config.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>

#include "base/suggest.h"
#include "base/try.h"

namespace baton::server {
namespace {

constexpr std::uint64_t kFileBytesMax = 1u << 20;

const ConfigKey* find_key(std::string_view name) {
  const auto found = std::ranges::find(config_keys(), name, &ConfigKey::name);
  return found == config_keys().end() ? nullptr : &*found;
}

bool is_group(std::string_view name) {
  return std::ranges::any_of(config_keys(), [&](const ConfigKey& key) {
    return key.name.size() > name.size() && key.name.starts_with(name) && key.name[name.size()] == '.';
  });
}

Status set_key(EffectiveConfig& to, const std::string& name, const std::string& text, const std::string& source) {
  const ConfigKey* key = find_key(name);
  if (key == nullptr) {
    std::vector<std::string> names;
    for (const auto& known : config_keys()) names.push_back(known.name);
    return Error{Code::invalid_argument, source + ": unknown key '" + name + "': " + base::suggest(name, names)};
  }
  if (auto status = key->set(to.config, text); !status)
    return Error{status.error().code, source + ": " + status.error().detail};
  to.sources[name] = source;
  return {};
}

// One file while it is read. Errors are thrown as Error inside, and caught once in apply_config_text.
class Reader {
 public:
  Reader(EffectiveConfig& to, const std::string& file) : to_(to), file_(file) {}

  void read(std::string_view text) {
    const auto documents = YAML::LoadAll(std::string(text));
    if (documents.size() > 1) fail(documents[1].Mark(), "a configuration file is one document");
    if (documents.empty() || documents[0].IsNull()) return;
    group(documents[0], "");
  }

  [[nodiscard]] std::string place(const YAML::Mark& mark) const {
    return mark.is_null() ? file_ : file_ + ":" + std::to_string(mark.line + 1);
  }
  [[noreturn]] void fail(const YAML::Mark& mark, const std::string& what) const {
    throw Error{Code::invalid_argument, place(mark) + ": " + what};
  }

 private:
  // Only names of the table are followed, so that no file leads deeper than the table does, whatever its aliases refer to.
  void group(const YAML::Node& node, const std::string& prefix) {
    const std::string what = prefix.empty() ? "the file" : "'" + prefix.substr(0, prefix.size() - 1) + "'";
    if (!node.IsMap()) fail(node.Mark(), what + " must be a map of keys and values");
    std::vector<std::string> seen;
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) fail(entry.first.Mark(), "a key of " + what + " must be a text");
      const std::string& word = entry.first.Scalar();
      if (std::ranges::find(seen, word) != seen.end())
        fail(entry.first.Mark(), "the key '" + prefix + word + "' is there twice");
      seen.push_back(word);
      const std::string name = prefix + word;
      if (find_key(name) != nullptr) {
        if (!entry.second.IsScalar()) fail(entry.first.Mark(), "'" + name + "' must be one value");
        if (auto status = set_key(to_, name, entry.second.Scalar(), place(entry.first.Mark())); !status)
          throw std::move(status).error();
      } else if (is_group(name)) {
        if (!entry.second.IsNull()) group(entry.second, name + ".");
      } else {
        fail(entry.first.Mark(), "unknown key '" + name + "': " + base::suggest(word, words_of(prefix)));
      }
    }
  }

  // The next level of the table below `prefix`.
  static std::vector<std::string> words_of(const std::string& prefix) {
    std::vector<std::string> out;
    for (const auto& key : config_keys()) {
      if (!key.name.starts_with(prefix)) continue;
      const auto word = key.name.substr(prefix.size(), key.name.find('.', prefix.size()) - prefix.size());
      if (std::ranges::find(out, word) == out.end()) out.push_back(word);
    }
    return out;
  }

  EffectiveConfig& to_;
  const std::string& file_;
};

}  // namespace

Status apply_config_text(EffectiveConfig& to, std::string_view text, const std::string& file) {
  Reader reader(to, file);
  // yaml-cpp throws; nothing leaves this function that way.
  try {
    reader.read(text);
  } catch (const Error& error) {
    return error;
  } catch (const YAML::Exception& error) {
    return Error{Code::invalid_argument, reader.place(error.mark) + ": " + error.msg};
  }
  return {};
}

namespace {

// A variable whose name is near to that of a key, and is none. Others that begin so are left alone: there may be a service of this name, for which its
// orchestrator sets BATON_PORT and the like.
void warn_of_variables(EffectiveConfig& to, const std::vector<std::string>& given) {
  constexpr std::size_t kNear = 2;
  std::vector<std::string> known = {"BATON_CONFIG", "BATON_BOOTSTRAP"};
  for (const auto& key : config_keys()) known.push_back(key.environment());
  for (const auto& name : given) {
    if (!name.starts_with("BATON_") || std::ranges::find(known, name) != known.end()) continue;
    const auto near = std::ranges::find_if(known, [&](const std::string& one) { return base::edit_distance(name, one) <= kNear; });
    if (near != known.end()) to.warnings.push_back("the variable " + name + " has no effect: did you mean " + *near + "?");
  }
}

}  // namespace

Result<EffectiveConfig> load_config(os::FileSystem& fs, const ConfigInputs& inputs) {
  EffectiveConfig out;
  for (const auto& key : config_keys()) out.sources[key.name] = "default";
  auto file = inputs.file;
  if (!file) file = inputs.environment("BATON_CONFIG");
  if (!file && fs.exists("baton.yaml").value_or(false)) file = "baton.yaml";
  if (file) {
    BATON_TRY_ASSIGN(const auto bytes, os::read_file(fs, *file, kFileBytesMax));
    BATON_TRY(apply_config_text(out, base::as_text(bytes), *file));
  }
  for (const auto& key : config_keys()) {
    if (const auto value = inputs.environment(key.environment())) BATON_TRY(set_key(out, key.name, *value, key.environment()));
  }
  for (const auto& flag : inputs.flags) BATON_TRY(set_key(out, flag.key, flag.value, flag.source));
  warn_of_variables(out, inputs.environment_names);
  BATON_TRY(check_config(out));
  return out;
}

}  // namespace baton::server
