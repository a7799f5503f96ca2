#include "cli/map_file.h"

#include "base/hash.h"
#include "cli/map_fields.h"
#include "cli/map_yaml.h"
#include "store/limits.h"

namespace baton::cli {

namespace {

constexpr std::size_t kChecksMax = 64;

class MapParser {
 public:
  MapParser(const MapYaml& yaml, ImportMap& map) : yaml_(yaml), map_(map) {}

  void parse(const YAML::Node& root) {
    yaml_.need_map(root, "a map file");
    yaml_.check_keys(root, {"context", "source", "format", "time_zone", "order_by", "lookups", "fields", "events", "checks"}, "the map");
    const auto context = yaml_.need(root, "context", "the map");
    map_.context = yaml_.text(context, "'context'");
    if (!store::is_context_name(map_.context)) yaml_.fail(context, "'" + map_.context + "' is no context: lower-case letters, digits, '_' and '-', a letter first, at most 63");
    if (root["source"]) map_.source = yaml_.text(root["source"], "'source'");
    if (root["format"]) map_.format = yaml_.word(root["format"], "'format'", {"csv", "ndjson"}) == 0 ? RowFormat::csv : RowFormat::ndjson;
    if (root["order_by"]) map_.by_time = yaml_.word(root["order_by"], "'order_by'", {"row", "time"}) == 1;
    absl::TimeZone zone = absl::UTCTimeZone();
    if (root["time_zone"]) {
      auto named = load_time_zone(yaml_.text(root["time_zone"], "'time_zone'"));
      if (!named) yaml_.fail(root["time_zone"], named.error().detail);
      zone = *named;
    }
    FieldParser fields(yaml_, map_, zone);
    if (root["lookups"]) fields.lookups(root["lookups"]);
    fields.fields(yaml_.need(root, "fields", "the map"));
    events(yaml_.need(root, "events", "the map"));
    if (root["checks"]) checks(root["checks"]);
  }

 private:
  void events(const YAML::Node& node) {
    if (!node.IsSequence() || node.size() == 0) yaml_.fail(node, "'events' must be a list of at least one event");
    if (node.size() > ImportMap::kEventsMax) yaml_.fail(node, "more than 64 events");
    for (const auto& item : node) map_.events.push_back(event(item));
  }

  MapEvent event(const YAML::Node& node) {
    yaml_.need_map(node, "an event");
    MapEvent out;
    out.type = yaml_.text(yaml_.need(node, "type", "the event"), "'type'");
    if (out.type.starts_with("baton.")) yaml_.fail(node["type"], "'type' is " + out.type + ": types that start with baton. belong to the store");
    const std::string what = "event '" + out.type + "'";
    yaml_.check_keys(node, {"type", "when", "stream", "id", "time", "tenant", "correlation", "causation", "subject", "tags", "data"}, what);
    if (node["when"]) out.when = parse_expression(yaml_, map_, node["when"], "'when'");
    out.stream = parse_template(yaml_, map_, yaml_.need(node, "stream", what), "'stream'");
    const YAML::Node id = node["id"];
    if (!id) yaml_.fail(node, what + " has no 'id': a text that is the same whenever the file is imported, as \"trip-{trip}-started\"; \"{row}\" where rows have no key");
    out.id = parse_template(yaml_, map_, id, "'id'");
    time(node, what, out);
    const std::pair<const char*, Template&> texts[] = {
        {"tenant", out.tenant}, {"correlation", out.correlation}, {"causation", out.causation}, {"subject", out.subject}};
    for (const auto& [key, into] : texts)
      if (node[key]) into = parse_template(yaml_, map_, node[key], std::string("'") + key + "'");
    if (node["tags"]) tags(node["tags"], out);
    out.data = parse_data(yaml_, map_, yaml_.need(node, "data", what), "'data'");
    return out;
  }

  void time(const YAML::Node& node, const std::string& what, MapEvent& out) {
    if (!node["time"]) {
      if (map_.by_time) yaml_.fail(node, what + " has no 'time', by which the map orders");
      return;
    }
    out.time = parse_field_name(yaml_, map_, node["time"], "'time'");
    if (map_.fields[*out.time].type != FieldType::time) yaml_.fail(node["time"], "'time' must be a field of type time");
  }

  void tags(const YAML::Node& node, MapEvent& out) {
    if (!node.IsSequence()) yaml_.fail(node, "'tags' must be a list, as [\"bike:{bike}\"]");
    if (node.size() > store::kTagsMax) yaml_.fail(node, "an event has at most 16 tags");
    for (const auto& item : node) {
      auto tag = parse_template(yaml_, map_, item, "a tag");
      const auto& name = tag.parts.front().literal;
      if (name.find(':') == std::string::npos || name.starts_with(':')) yaml_.fail(item, "a tag is a name, a colon and a value, as \"bike:{bike}\"");
      out.tags.push_back(std::move(tag));
    }
  }

  void checks(const YAML::Node& node) {
    if (!node.IsSequence()) yaml_.fail(node, "'checks' must be a list, as [{name: longer than a day, when: \"ended - started > 24h\"}]");
    if (node.size() > kChecksMax) yaml_.fail(node, "more than 64 checks");
    for (const auto& item : node) {
      yaml_.need_map(item, "a check");
      yaml_.check_keys(item, {"name", "when"}, "a check");
      MapCheck check{.name = yaml_.text(yaml_.need(item, "name", "the check"), "'name'"),
                     .when = parse_expression(yaml_, map_, yaml_.need(item, "when", "the check"), "'when'")};
      for (const auto& other : map_.checks)
        if (other.name == check.name) yaml_.fail(item["name"], "the check '" + check.name + "' is there twice");
      map_.checks.push_back(std::move(check));
    }
  }

  const MapYaml& yaml_;
  ImportMap& map_;
};

}  // namespace

Result<ImportMap> parse_map(std::string_view text, const std::string& file) {
  if (text.size() > kMapBytesMax) return Error{Code::too_large, file + ": a map has at most 256 KiB"};
  const MapYaml yaml(file);
  ImportMap out;
  out.digest = base::hash64(text);
  try {
    MapParser(yaml, out).parse(YAML::Load(std::string(text)));
    return out;
  } catch (Error& error) {
    return std::move(error);
  } catch (const YAML::Exception& error) {
    return Error{Code::invalid_argument, yaml.place(error.mark) + ": not YAML: " + error.msg};
  }
}

}  // namespace baton::cli
