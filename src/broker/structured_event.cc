// CloudEvents in JSON (JSON format 1.0). The document is parsed by a library; the data is then cut out of it as it stands, so that it keeps its bytes.
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <string>

#include "base/time.h"
#include "base/try.h"
#include "broker/cloud_event.h"

namespace baton::broker {
namespace {

namespace json = boost::json;

Error bad(std::string text) { return {Code::invalid_argument, "structured CloudEvent: " + std::move(text)}; }

// Where the value of the member `data` of a JSON object begins and ends. `text` has been parsed: it is well-formed.
std::string_view raw_data(std::string_view text) {
  std::size_t at = 0;
  const auto skip_space = [&] {
    while (at < text.size() && (text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || text[at] == '\r')) ++at;
  };
  const auto skip_string = [&] {
    for (++at; text[at] != '"'; ++at) {
      if (text[at] == '\\') ++at;
    }
    ++at;
  };
  const auto skip_value = [&] {
    int depth = 0;
    do {
      if (text[at] == '"') {
        skip_string();
        continue;
      }
      if (text[at] == '{' || text[at] == '[') ++depth;
      if (text[at] == '}' || text[at] == ']') --depth;
      ++at;
    } while (depth > 0 || (at < text.size() && text[at] != ',' && text[at] != '}' && text[at] != ' ' && text[at] != '\t' &&
                           text[at] != '\n' && text[at] != '\r'));
  };
  skip_space();
  ++at;  // {
  std::string_view found;
  while (true) {
    skip_space();
    if (text[at] == '}') return found;
    const std::size_t name_at = at;
    skip_string();
    const std::string_view name = text.substr(name_at, at - name_at);
    skip_space();
    ++at;  // :
    skip_space();
    const std::size_t value_at = at;
    skip_value();
    if (name == "\"data\"") found = text.substr(value_at, at - value_at);
    skip_space();
    if (text[at] == ',') ++at;
  }
}

std::optional<std::string> from_base64(std::string_view text) {
  static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.size() % 4 != 0) return std::nullopt;
  std::string out;
  std::uint32_t bits = 0;
  int have = 0;
  const std::size_t end = text.ends_with("==") ? text.size() - 2 : text.ends_with("=") ? text.size() - 1 : text.size();
  for (const char c : text.substr(0, end)) {
    const auto digit = kDigits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = (bits << 6) | static_cast<std::uint32_t>(digit);
    have += 6;
    if (have < 8) continue;
    have -= 8;
    out += static_cast<char>((bits >> have) & 0xFF);
  }
  return out;
}

Status set(const json::object& object, std::string_view name, std::string& field) {
  const json::value* const value = object.if_contains(name);
  if (value == nullptr || value->is_null()) return {};
  if (!value->is_string()) return bad("'" + std::string(name) + "' is a string");
  field = std::string(value->get_string());
  return {};
}

Status set_data(const json::object& object, std::string_view text, NewEvent& out) {
  const json::value* const data = object.if_contains("data");
  const json::value* const base64 = object.if_contains("data_base64");
  if (data != nullptr && base64 != nullptr) return bad("'data' and 'data_base64' are given both");
  out.has_data = data != nullptr || base64 != nullptr;
  out.data.clear();
  if (base64 != nullptr) {
    auto bytes = base64->is_string() ? from_base64(base64->get_string()) : std::nullopt;
    if (!bytes) return bad("'data_base64' is no Base64 text");
    out.data = *std::move(bytes);
  } else if (data != nullptr) {
    // A text that is not JSON stands in the document as a string of JSON; everything else is JSON, byte for byte.
    const bool is_json = out.content_type.find("json") != std::string::npos;
    out.data = data->is_string() && !is_json ? std::string(data->get_string()) : std::string(raw_data(text));
  }
  return {};
}

}  // namespace

Status read_structured_event(std::string_view text, NewEvent& out) {
  boost::system::error_code error;
  const json::value document = json::parse(json::string_view(text.data(), text.size()), error);
  if (error) return bad("the value is no JSON: " + error.message());
  if (!document.is_object()) return bad("the value is no JSON object");
  const json::object& object = document.get_object();
  std::string version;
  std::string time;
  BATON_TRY(set(object, "specversion", version));
  if (version != "1.0") return bad("'specversion' is 1.0, not '" + version.substr(0, 20) + "'");
  BATON_TRY(set(object, "id", out.id));
  BATON_TRY(set(object, "source", out.source));
  BATON_TRY(set(object, "type", out.type));
  BATON_TRY(set(object, "subject", out.subject));
  BATON_TRY(set(object, "tenant", out.tenant));
  BATON_TRY(set(object, "correlationid", out.correlation_id));
  BATON_TRY(set(object, "causationid", out.causation_id));
  BATON_TRY(set(object, "traceparent", out.traceparent));
  BATON_TRY(set(object, "datacontenttype", out.content_type));
  BATON_TRY(set(object, "time", time));
  if (!time.empty()) {
    const auto ns = base::parse_rfc3339_ns(time);
    if (!ns) return bad("'time' is a time as in 2024-02-29T23:59:59.123Z (RFC 3339), not '" + time.substr(0, 40) + "'");
    out.time = Time{*ns};
  }
  return set_data(object, text, out);
}

}  // namespace baton::broker
