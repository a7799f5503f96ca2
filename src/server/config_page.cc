// The configuration as people read it: what `baton config` prints, and docs/configuration.md.
#include <algorithm>
#include <cctype>

#include "gateway/json.h"
#include "server/config.h"

namespace baton::server {
namespace {

// The groups that `name` opens, given the key before it: one line for each level that is new.
void open_groups(std::string& out, const std::string& before, const std::string& name) {
  for (std::size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1)) {
    const auto group = name.substr(0, dot + 1);
    if (before.starts_with(group)) continue;
    const auto start = group.rfind('.', dot - 1) == std::string::npos ? 0 : group.rfind('.', dot - 1) + 1;
    out += std::string(static_cast<std::size_t>(std::ranges::count(group, '.') - 1) * 2, ' ') +
           group.substr(start, dot - start) + ":\n";
  }
}

// A value that YAML reads as this text again.
std::string yaml_value(const std::string& value) {
  const bool bare = !value.empty() && std::ranges::all_of(value, [](unsigned char c) {
    return std::isalnum(c) || c == '.' || c == '/' || c == '_' || c == '-';
  });
  if (bare && value[0] != '-') return value;
  std::string out = "'";
  for (const char c : value) {
    if (c == '\'') out += '\'';
    out += c;
  }
  return out + "'";
}

constexpr std::string_view kHead = R"(# Configuration

`baton serve` reads a YAML file: the one named by `--config`, else by `BATON_CONFIG`, else `baton.yaml` in the current directory, if it is there. Everything has a default, so that
no file is needed. A value is taken from, the later the stronger: the default, the file, an environment variable, the command line (`--set KEY=VALUE`, and `--data`, `--kafka-port`,
`--log-level`, `--insecure` for what is set often). `baton config` prints every value that is in force and where it comes from.

```yaml
data: /var/lib/baton
kafka:
  port: 9092
limits:
  frame_bytes: 16MiB
log:
  format: json
```

A key that is not known and a value that is out of range end the start with exit code 2; the message names the file, the line, and the key that may have been meant. Sizes take `KiB`, `MiB` and
`GiB`; times are milliseconds. A listener that other machines can reach is refused without `insecure`, since there is neither authentication nor TLS yet.

The tables are made from the program's own (`baton config --page` prints this page).
)";

}  // namespace

std::string EffectiveConfig::to_yaml() const {
  std::string out, before;
  for (const auto& key : config_keys()) {
    open_groups(out, before, key.name);
    const auto depth = static_cast<std::size_t>(std::ranges::count(key.name, '.'));
    std::string line =
        std::string(depth * 2, ' ') + key.name.substr(key.name.rfind('.') + 1) + ": " + yaml_value(key.get(config));
    line.resize(std::max<std::size_t>(line.size(), 40), ' ');
    const auto source = sources.find(key.name);
    out += line + " # " + (source == sources.end() ? "default" : source->second) + "\n";
    before = key.name;
  }
  return out;
}

std::string EffectiveConfig::to_json() const {
  std::string out;
  for (const auto& key : config_keys()) {
    out += out.empty() ? "{" : ",";
    gateway::put_json_string(out, key.name);
    out += ":{\"value\":";
    gateway::put_json_string(out, key.get(config));
    out += ",\"from\":";
    const auto source = sources.find(key.name);
    gateway::put_json_string(out, source == sources.end() ? "default" : source->second);
    out += "}";
  }
  return out + "}";
}

std::string configuration_page() {
  std::string out(kHead), section = "-";
  const Config defaults;
  for (const auto& key : config_keys()) {
    const auto dot = key.name.find('.');
    const std::string group = dot == std::string::npos ? "" : key.name.substr(0, dot);
    if (group != section) {
      out += "\n## " + (group.empty() ? "The process" : "`" + group + "`") +
             "\n\n| key | default | may be | environment | meaning |\n|---|---|---|---|---|\n";
      section = group;
    }
    const auto value = key.get(defaults);
    out += "| `" + key.name + "` | " + (value.empty() ? "empty" : "`" + value + "`") + " | " + key.values + " | `" +
           key.environment() + "` | " + key.what + " |\n";
  }
  return out;
}

}  // namespace baton::server
