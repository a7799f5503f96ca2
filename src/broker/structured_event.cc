// CloudEvents in JSON (JSON format 1.0). The document is parsed by a library; the data is then cut out of it as it stands, so that it keeps its bytes.
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <array>
#include <string>

#include "base/base64.h"
#include "base/try.h"
#include "broker/cloud_event.h"
#include "broker/json_raw.h"

namespace baton::broker {
namespace {

namespace json = boost::json;

const std::string kPlace = "structured CloudEvent: ";

Error bad(const std::string& text) { return {Code::invalid_argument, kPlace + text}; }

// What is read of other documents, too, does not name this one.
Status in_place(Status read) { return read ? std::move(read) : Status(bad(read.error().detail)); }

Status set(const json::object& object, std::string_view name, std::string& field);

// What is read beside the texts, and those attributes with which Baton describes a stored event: a copy that comes back brings them along, and they are given anew.
constexpr std::array<std::string_view, 15> kKnown = {"specversion", "time", "datacontenttype", "data", "data_base64", "partitionkey", "batontags", "batonheaders", "batoncontext",
                                                     "batonversion", "batonposition", "batonoffset", "batonpartition", "batonrecorded", "batonsystem"};
// In Baton's own form only.
constexpr std::array<std::string_view, 2> kOwn = {"tags", "headers"};

Status check_names(const json::object& object, EventForm form) {
  for (const auto& [name, value] : object) {
    const std::string_view text(name.data(), name.size());
    if (find_text_attribute(text) != nullptr || std::ranges::find(kKnown, text) != kKnown.end()) continue;
    if (form == EventForm::own && std::ranges::find(kOwn, text) != kOwn.end()) continue;
    return bad("'" + std::string(text.substr(0, 64)) + "' is no attribute that a context keeps: put it into the data");
  }
  return {};
}

Status set_tags(const json::object& object, NewEvent& out) {
  std::string joined;
  BATON_TRY(set(object, "batontags", joined));
  BATON_TRY_ASSIGN(out.tags, split_tags(joined));
  const json::value* const tags = object.if_contains("tags");
  if (tags == nullptr) return {};
  if (!tags->is_array()) return bad("'tags' is an array of strings");
  for (const auto& tag : tags->get_array()) {
    if (!tag.is_string()) return bad("'tags' is an array of strings");
    out.tags.emplace_back(tag.get_string());
  }
  return {};
}

Status set_headers(const json::object& object, NewEvent& out) {
  std::string joined;
  BATON_TRY(set(object, "batonheaders", joined));
  BATON_TRY_ASSIGN(auto headers, split_headers(joined));
  for (auto& header : headers) out.headers.push_back(std::move(header));
  const json::value* const list = object.if_contains("headers");
  return list == nullptr ? Status() : in_place(read_header_list(*list, out.headers));
}

Status set(const json::object& object, std::string_view name, std::string& field) {
  const json::value* const value = object.if_contains(name);
  if (value == nullptr || value->is_null()) return {};
  if (!value->is_string()) return bad("'" + std::string(name) + "' is a string");
  field = std::string(value->get_string());
  return {};
}

}  // namespace

Result<std::vector<std::string>> split_tags(std::string_view joined) {
  std::vector<std::string> out;
  if (joined.empty()) return out;
  out.emplace_back();
  for (std::size_t i = 0; i < joined.size(); ++i) {
    if (joined[i] == ',') {
      out.emplace_back();
    } else if (joined.substr(i).starts_with("%2C") || joined.substr(i).starts_with("%25")) {
      out.back() += joined[i + 2] == 'C' ? ',' : '%';
      i += 2;
    } else if (joined[i] == '%') {
      return bad("'batontags' has tags with a comma between them; in a tag, a comma is written %2C and a per cent sign %25");
    } else {
      out.back() += joined[i];
    }
  }
  return out;
}

std::string join_tags(const std::vector<std::string>& tags) {
  std::string out;
  for (const auto& tag : tags) {
    if (!out.empty()) out += ',';
    for (const char c : tag) {
      if (c == ',') out += "%2C";
      else if (c == '%') out += "%25";
      else out += c;
    }
  }
  return out;
}

Status read_data(std::string_view text, const json::object& object, NewEvent& out) {
  const auto wrong = [](const char* what) { return Error{Code::invalid_argument, what}; };
  const json::value* const data = object.if_contains("data");
  const json::value* const base64 = object.if_contains("data_base64");
  if (data != nullptr && base64 != nullptr) return wrong("'data' and 'data_base64' are given both");
  out.has_data = data != nullptr || base64 != nullptr;
  out.data.clear();
  if (base64 != nullptr) {
    auto bytes = base64->is_string() ? base::from_base64(base64->get_string()) : std::nullopt;
    if (!bytes) return wrong("'data_base64' is no Base64 text");
    out.data = *std::move(bytes);
  } else if (data != nullptr) {
    // A text that is not JSON stands in the document as a string of JSON; everything else is JSON, byte for byte.
    const std::string_view raw = member(text, "data");
    out.data = data->is_string() && !is_json_type(out.content_type) ? std::string(data->get_string()) : std::string(raw);
  }
  return {};
}

Status read_header_list(const json::value& list, std::vector<Header>& out) {
  const auto wrong = [] { return Error{Code::invalid_argument, "'headers' is an array of [\"name\", \"value\"], or [\"name\", null, \"value in Base64\"]"}; };
  if (!list.is_array()) return wrong();
  for (const auto& one : list.get_array()) {
    if (!one.is_array()) return wrong();
    const auto& parts = one.get_array();
    if (parts.size() == 2 && parts[0].is_string() && parts[1].is_string()) {
      out.push_back({std::string(parts[0].get_string()), std::string(parts[1].get_string())});
    } else if (parts.size() == 3 && parts[0].is_string() && parts[1].is_null() && parts[2].is_string()) {
      auto bytes = base::from_base64(parts[2].get_string());
      if (!bytes) return wrong();
      out.push_back({std::string(parts[0].get_string()), *std::move(bytes)});
    } else {
      return wrong();
    }
  }
  return {};
}

std::string join_headers(const std::vector<Header>& headers) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  const auto put = [&](std::string_view text) {
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte > 0x20 && byte < 0x7f && c != ',' && c != '=' && c != '%') out += c;
      else out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  };
  for (const auto& [name, value] : headers) {
    if (!out.empty()) out += ',';
    put(name);
    out += '=';
    put(value);
  }
  return out;
}

Result<std::vector<Header>> split_headers(std::string_view joined) {
  const auto wrong = [] {
    return bad("'batonheaders' has NAME=VALUE with a comma between them; in both, a comma is written %2C, an equals sign %3D, a per cent sign %25, and so on");
  };
  const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
  std::vector<Header> out;
  if (joined.empty()) return out;
  std::string* field = &out.emplace_back().name;
  for (std::size_t i = 0; i < joined.size(); ++i) {
    if (joined[i] == ',') {
      if (field == &out.back().name) return wrong();
      field = &out.emplace_back().name;
    } else if (joined[i] == '=') {
      if (field == &out.back().value) return wrong();
      field = &out.back().value;
    } else if (joined[i] == '%') {
      const int high = i + 2 < joined.size() ? digit(joined[i + 1]) : -1;
      const int low = i + 2 < joined.size() ? digit(joined[i + 2]) : -1;
      if (high < 0 || low < 0) return wrong();
      *field += static_cast<char>(high << 4 | low);
      i += 2;
    } else {
      *field += joined[i];
    }
  }
  if (field == &out.back().name) return wrong();
  return out;
}

Status read_structured_event(std::string_view text, NewEvent& out, EventForm form, std::string* partition_key) {
  boost::system::error_code error;
  const json::value document = json::parse(json::string_view(text.data(), text.size()), error, {}, {.max_depth = kJsonDepthMax});
  if (error) return bad("the value is no JSON: " + error.message());
  if (!document.is_object()) return bad("the value is no JSON object");
  const json::object& object = document.get_object();
  std::string version;
  std::string time;
  BATON_TRY(check_names(object, form));
  BATON_TRY(in_place(check_repeats(text)));
  BATON_TRY(set(object, "specversion", version));
  if (form != EventForm::own || !version.empty()) BATON_TRY(check_specversion(version, kPlace + "'specversion'"));
  for (const auto& [name, field] : kTextAttributes) BATON_TRY(set(object, name, out.*field));
  BATON_TRY(set(object, "datacontenttype", out.content_type));
  BATON_TRY(set(object, "time", time));
  if (!time.empty()) {
    BATON_TRY_ASSIGN(out.time, parse_event_time(time, kPlace + "'time'"));
  }
  if (partition_key != nullptr) BATON_TRY(set(object, "partitionkey", *partition_key));
  BATON_TRY(set_tags(object, out));
  BATON_TRY(set_headers(object, out));
  return in_place(read_data(text, object, out));
}

}  // namespace baton::broker
