#include "view/view_file.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>

#include "base/hex.h"
#include "base/sha256.h"
#include "base/suggest.h"
#include "base/try.h"
#include "view/json_text.h"
#include "view/sql_text.h"

namespace baton::view {
namespace {

constexpr std::size_t kViewsMax = 64;
constexpr std::size_t kTypesMax = 256;
constexpr std::size_t kStatementsMax = 64;
constexpr std::size_t kTextMax = 64 << 10;
constexpr std::size_t kTypeNameMax = 255;

std::string canonical_json(const ViewDefinition& view) {
  std::string out = "{\"views\":{";
  put_json_text(out, view.name);
  out += ":{\"context\":";
  put_json_text(out, view.context);
  out += ",\"tables\":[";
  for (std::size_t i = 0; i < view.tables.size(); ++i) {
    if (i > 0) out += ',';
    put_json_text(out, view.tables[i].sql);
  }
  out += "],\"on\":{";
  for (std::size_t i = 0; i < view.on.size(); ++i) {
    if (i > 0) out += ',';
    put_json_text(out, view.on[i].type);
    out += ":[";
    for (std::size_t k = 0; k < view.on[i].statements.size(); ++k) {
      const auto& statement = view.on[i].statements[k];
      out += k > 0 ? ",{\"sql\":" : "{\"sql\":";
      put_json_text(out, statement.sql);
      if (statement.rows) out += ",\"rows\":\"" + statement.rows->to_string() + "\"";
      out += '}';
    }
    out += ']';
  }
  out += "}}}}";
  return out;
}

// One file while it is read. Errors are thrown as Error inside, and caught once in parse_view_file.
class Parser {
 public:
  explicit Parser(const std::string& file) : file_(file) {}

  std::vector<ViewDefinition> parse(std::string_view text) {
    const YAML::Node root = YAML::Load(std::string(text));
    std::vector<ViewDefinition> out;
    if (!root.IsMap()) fail(root, "a view file is a map with the key 'views'");
    check_keys(root, {"views"}, "the file");
    const YAML::Node views = root["views"];
    if (!views || !views.IsMap() || views.size() == 0)
      fail(root, "'views' must be a map of at least one view: `views: {bikes: {...}}`");
    if (views.size() > kViewsMax) fail(views, "more than " + std::to_string(kViewsMax) + " views in one file");
    check_keys(views, {}, "'views'");
    for (const auto& entry : views) out.push_back(view(entry.first, entry.second));
    return out;
  }

  [[nodiscard]] std::string place(const YAML::Mark& mark) const {
    if (mark.is_null()) return file_ + ": ";
    return file_ + ":" + std::to_string(mark.line + 1) + ":" + std::to_string(mark.column + 1);
  }

 private:
  [[noreturn]] void fail(const YAML::Node& node, const std::string& what) const {
    throw Error{Code::invalid_argument, place(node.Mark()) + ": " + what};
  }

  // Every key is a text, is there once, and is one of `known` (any, when that is empty).
  void check_keys(const YAML::Node& map, const std::vector<std::string>& known, const std::string& what) const {
    std::vector<std::string> seen;
    for (const auto& entry : map) {
      if (!entry.first.IsScalar()) fail(entry.first, "a key of " + what + " must be a text");
      const std::string& key = entry.first.Scalar();
      if (std::ranges::find(seen, key) != seen.end()) fail(entry.first, "the key '" + key + "' is there twice");
      if (!known.empty() && std::ranges::find(known, key) == known.end()) {
        fail(entry.first, "unknown key '" + key + "' in " + what + ": " + base::suggest(key, known));
      }
      seen.push_back(key);
    }
  }

  ViewDefinition view(const YAML::Node& name, const YAML::Node& node) const {
    ViewDefinition out;
    out.name = name.Scalar();
    out.where = place(name.Mark());
    if (!is_name(out.name))
      fail(name, "'" + out.name + "' is not a name: lower-case letters, digits, '_' and '-', a letter first, at most 63");
    const std::string what = "view '" + out.name + "'";
    if (!node.IsMap()) fail(name, what + " must be a map with 'context', 'tables' and 'on'");
    check_keys(node, {"context", "tables", "on", "keep"}, what);
    for (const char* key : {"context", "tables", "on"}) {
      if (!node[key]) fail(name, what + " has no '" + key + "'");
    }
    if (!node["context"].IsScalar() || !is_name(node["context"].Scalar())) {
      fail(node["context"], what + ": 'context' must be the name of one context");
    }
    out.context = node["context"].Scalar();
    tables(node["tables"], out);
    on(node["on"], out);
    if (node["keep"]) keep(node["keep"], out.keep);
    out.json = canonical_json(out);
    out.digest = base::to_hex(base::sha256(base::as_bytes(out.json)));
    return out;
  }

  void tables(const YAML::Node& node, ViewDefinition& out) const {
    std::vector<YAML::Node> texts;
    if (node.IsScalar()) {
      texts.push_back(node);
    } else if (node.IsSequence()) {
      for (const auto& item : node) texts.push_back(item);
    } else {
      fail(node, "'tables' must be SQL, or a list of SQL");
    }
    std::size_t bytes = 0;
    for (const auto& text : texts) {
      if (!text.IsScalar()) fail(text, "'tables' must be SQL, or a list of SQL");
      bytes += text.Scalar().size();
      if (bytes > kTextMax) fail(text, "'tables' has more than 64 KiB");
      auto split = split_statements(text.Scalar());
      if (!split) fail(text, split.error().detail);
      for (auto& sql : *split) out.tables.push_back({std::move(sql), {}, place(text.Mark())});
    }
    if (out.tables.empty()) fail(node, "'tables' makes no table");
  }

  void on(const YAML::Node& node, ViewDefinition& out) const {
    if (!node.IsMap() || node.size() == 0) fail(node, "'on' must be a map from event types to statements");
    if (node.size() > kTypesMax) fail(node, "more than " + std::to_string(kTypesMax) + " event types");
    check_keys(node, {}, "'on'");
    for (const auto& entry : node) {
      TypeDefinition type{.type = entry.first.Scalar(), .statements = {}};
      if (type.type.empty() || type.type.size() > kTypeNameMax) fail(entry.first, "an event type has 1 to 255 bytes");
      // Both spellings mean the same type, as in an append.
      if (type.type.starts_with(out.context + ".")) type.type.erase(0, out.context.size() + 1);
      if (std::ranges::find(out.on, type.type, &TypeDefinition::type) != out.on.end())
        fail(entry.first, "the key '" + type.type + "' is there twice");
      if (entry.second.IsSequence()) {
        if (entry.second.size() > kStatementsMax)
          fail(entry.second, "more than " + std::to_string(kStatementsMax) + " statements for one type");
        for (const auto& item : entry.second) type.statements.push_back(statement(item));
      } else {
        type.statements.push_back(statement(entry.second));
      }
      if (type.statements.empty()) fail(entry.first, type.type + " has no statement");
      out.on.push_back(std::move(type));
    }
    std::ranges::sort(out.on, {}, &TypeDefinition::type);
  }

  StatementDefinition statement(const YAML::Node& node) const {
    StatementDefinition out;
    out.where = place(node.Mark());
    YAML::Node sql = node;
    if (node.IsMap()) {
      check_keys(node, {"sql", "rows"}, "a statement");
      if (!node["sql"]) fail(node, "the statement has no 'sql'");
      sql.reset(node["sql"]);
      out.where = place(sql.Mark());
      if (node["rows"]) out.rows = rows(node["rows"]);
    }
    if (!sql.IsScalar()) fail(node, "a statement is SQL, or a map with 'sql' and 'rows'");
    out.sql = strip(sql.Scalar());
    if (out.sql.empty()) fail(node, "the statement is empty");
    if (out.sql.size() > kTextMax) fail(node, "the statement has more than 64 KiB");
    return out;
  }

  RowsRule rows(const YAML::Node& node) const {
    const std::string text = node.IsScalar() ? node.Scalar() : "";
    const auto dots = text.find("..");
    RowsRule out;
    const auto read = [](std::string_view digits, std::int64_t& into) {
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), into);
      return error == std::errc() && end == digits.data() + digits.size() && into >= 0;
    };
    bool fine = false;
    if (dots == std::string::npos) {
      fine = read(text, out.min);
      out.max = out.min;
    } else {
      fine = read(std::string_view(text).substr(0, dots), out.min) &&
             (dots + 2 == text.size() || read(std::string_view(text).substr(dots + 2), out.max)) && out.min <= out.max;
    }
    if (!fine) fail(node, "'rows' must be a number or a range, as in 1, 0..1 or 1..");
    return out;
  }

  void keep(const YAML::Node& node, KeepRule& out) const {
    if (!node.IsMap()) fail(node, "'keep' must be a map with 'every' and 'copies'");
    check_keys(node, {"every", "copies"}, "'keep'");
    const auto number = [&](const char* key, std::int64_t min, std::int64_t max, std::int64_t& into) {
      const YAML::Node value = node[key];
      if (!value) return;
      const std::string text = value.IsScalar() ? value.Scalar() : "";
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
      if (error != std::errc() || end != text.data() + text.size() || into < min || into > max) {
        fail(value, std::string("'") + key + "' must be a number from " + std::to_string(min) + " to " + std::to_string(max));
      }
    };
    number("every", 1, 1'000'000'000'000, out.every);
    number("copies", 0, 64, out.copies);
  }

  const std::string& file_;
};

}  // namespace

std::string RowsRule::to_string() const {
  if (min == max) return std::to_string(min);
  return std::to_string(min) + ".." + (max == INT64_MAX ? "" : std::to_string(max));
}

std::vector<std::string> ViewDefinition::types() const {
  std::vector<std::string> out;
  for (const auto& type : on) out.push_back(type.type);
  return out;
}

bool is_name(std::string_view text) {
  if (text.empty() || text.size() > 63 || text[0] < 'a' || text[0] > 'z') return false;
  return std::ranges::all_of(text,
                             [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'; });
}

Result<std::vector<ViewDefinition>> parse_view_file(std::string_view text, const std::string& file) {
  if (text.size() > kViewFileBytesMax) return Error{Code::too_large, file + ": a view file has at most 1 MiB"};
  Parser parser(file);
  // yaml-cpp throws; nothing leaves this function that way.
  try {
    return parser.parse(text);
  } catch (const Error& error) {
    return error;
  } catch (const YAML::Exception& error) {
    return Error{Code::invalid_argument, parser.place(error.mark) + ": " + error.msg};
  }
}

}  // namespace baton::view
