#include "cli/kafka_record.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/base64.h"
#include "base/hex.h"
#include "base/suggest.h"
#include "base/time.h"
#include "base/try.h"
#include "broker/json_raw.h"
#include "cli/output.h"

namespace baton::cli {
namespace {

void put_field(std::string& out, std::string_view name, const std::optional<std::string>& value) {
  const bool text = !value || is_utf8(*value);
  out += fmt::format("\"{}{}\":", name, text ? "" : "_base64");
  if (!value)
    out += "null";
  else if (text)
    put_json_string(out, *value);
  else
    put_json_string(out, base::to_base64(*value));
}

Error wrong(std::string_view key, std::string_view what) { return {Code::invalid_argument, fmt::format("'{}' {}", key, what)}; }

// `name` or `name`_base64; nothing when neither is there, or null.
Result<std::optional<std::string>> field_of(const boost::json::object& object, const std::string& name) {
  const auto* plain = object.if_contains(name);
  const auto* coded = object.if_contains(name + "_base64");
  if (plain != nullptr && coded != nullptr) return wrong(name, "and '" + name + "_base64' exclude each other");
  if (coded != nullptr) {
    if (!coded->is_string()) return wrong(name + "_base64", "must be a string");
    auto bytes = base::from_base64(coded->get_string());
    if (!bytes) return wrong(name + "_base64", "is not base64");
    return bytes;
  }
  if (plain == nullptr || plain->is_null()) return std::optional<std::string>();
  if (plain->is_string()) return std::optional(std::string(plain->get_string()));
  return std::optional(boost::json::serialize(*plain));
}

Result<std::int64_t> number_of(const boost::json::value& value, std::string_view key, std::int64_t least, std::int64_t most) {
  std::int64_t number = 0;
  bool fits = true;
  if (value.is_int64())
    number = value.get_int64();
  else
    fits = false;
  if (!fits || number < least || number > most)
    return wrong(key, fmt::format("must be a whole number from {} to {}", least, most));
  return number;
}

Result<std::int64_t> timestamp_of(const boost::json::value& value) {
  std::int64_t ms = 0;
  if (value.is_string()) {
    const auto parsed = base::parse_rfc3339_ms(std::string(value.get_string()));
    if (!parsed) return wrong("timestamp", "is neither a time (RFC 3339) nor a number of milliseconds");
    ms = *parsed;
  } else {
    BATON_TRY_ASSIGN(
        ms, number_of(value, "timestamp", std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()));
  }
  // librdkafka takes 0 for 'now', and cannot send what is before it: that would change a record silently.
  if (ms <= 0) return wrong("timestamp", "must be after 1970-01-01T00:00:00.000Z; librdkafka cannot send an earlier one");
  return ms;
}

Result<std::vector<RecordHeader>> headers_of(const boost::json::value& value) {
  std::vector<RecordHeader> headers;
  if (value.is_null()) return headers;
  if (!value.is_array()) return wrong("headers", R"(must be an array of {"name": .., "value": ..})");
  for (const auto& item : value.get_array()) {
    if (!item.is_object()) return wrong("headers", R"(must be an array of {"name": .., "value": ..})");
    for (const auto& [key, ignored] : item.get_object()) {
      const std::string_view name = key;
      if (name != "name" && name != "name_base64" && name != "value" && name != "value_base64")
        return wrong(name, "is unknown in a header; a header has 'name' and 'value', or 'value_base64'");
    }
    BATON_TRY_ASSIGN(auto name, field_of(item.get_object(), "name"));
    BATON_TRY_ASSIGN(auto content, field_of(item.get_object(), "value"));
    if (!name) return wrong("headers", "has a header without a 'name'");
    headers.push_back({*std::move(name), std::move(content)});
  }
  return headers;
}

}  // namespace

void put_json_record(std::string& out, const RecordPlace& place, const KafkaRecord& record) {
  out += "{\"topic\":";
  put_json_string(out, place.topic);
  out += fmt::format(",\"partition\":{},\"offset\":{}", place.partition, place.offset);
  if (record.timestamp_ms) {
    const auto ms = *record.timestamp_ms;
    if (ms < base::kMinUnixMs || ms > base::kMaxUnixMs)
      out += fmt::format(",\"timestamp\":{}", ms);
    else
      out += fmt::format(",\"timestamp\":\"{}\"", base::format_rfc3339_ms(ms));
    out += place.broker_time ? ",\"timestamp_type\":\"append\"" : ",\"timestamp_type\":\"create\"";
  }
  out.push_back(',');
  put_field(out, "key", record.key);
  out.push_back(',');
  put_field(out, "value", record.value);
  out += ",\"headers\":[";
  for (std::size_t i = 0; i < record.headers.size(); ++i) {
    out += i > 0 ? ",{" : "{";
    put_field(out, "name", record.headers[i].name);
    out.push_back(',');
    put_field(out, "value", record.headers[i].value);
    out.push_back('}');
  }
  out += "]}";
}

Result<KafkaRecord> parse_json_record(std::string_view line) {
  boost::system::error_code error;
  const auto parsed = boost::json::parse(line, error);
  if (error) return Error{Code::invalid_argument, "not JSON (" + error.message() + ")"};
  if (!parsed.is_object()) return Error{Code::invalid_argument, R"(not a JSON object, as in {"key":"k","value":"v"})"};
  const auto& object = parsed.get_object();
  static const std::vector<std::string> known = {"key",       "key_base64", "value", "value_base64", "headers",
                                                 "partition", "timestamp",  "topic", "offset",       "timestamp_type"};
  for (const auto& [key, ignored] : object) {
    const std::string name(key);
    if (std::find(known.begin(), known.end(), name) == known.end())
      return wrong(name, "is no key of a record; " + base::suggest(name, known));
  }
  BATON_TRY(broker::check_repeats(line));
  KafkaRecord record;
  BATON_TRY_ASSIGN(record.key, field_of(object, "key"));
  BATON_TRY_ASSIGN(record.value, field_of(object, "value"));
  if (const auto* headers = object.if_contains("headers")) {
    BATON_TRY_ASSIGN(record.headers, headers_of(*headers));
  }
  if (const auto* partition = object.if_contains("partition"); partition != nullptr && !partition->is_null()) {
    BATON_TRY_ASSIGN(const auto number, number_of(*partition, "partition", 0, std::numeric_limits<std::int32_t>::max()));
    record.partition = static_cast<std::int32_t>(number);
  }
  if (const auto* timestamp = object.if_contains("timestamp"); timestamp != nullptr && !timestamp->is_null()) {
    BATON_TRY_ASSIGN(record.timestamp_ms, timestamp_of(*timestamp));
  }
  return record;
}

Result<KafkaRecord> parse_text_record(std::string_view line, const LineFormat& format) {
  KafkaRecord record;
  const auto content = [&](std::string_view text) -> std::optional<std::string> {
    if (format.null_text && text == *format.null_text) return std::nullopt;
    return std::string(text);
  };
  if (format.key_separator.empty()) {
    record.value = content(line);
    return record;
  }
  const auto at = line.find(format.key_separator);
  if (at == std::string_view::npos) {
    return Error{Code::invalid_argument, "no " + json_string(format.key_separator) + " that ends the key (--key-separator)"};
  }
  record.key = content(line.substr(0, at));
  record.value = content(line.substr(at + format.key_separator.size()));
  return record;
}

Result<std::pair<std::string, std::string>> parse_pair(const std::string& text, std::string_view option) {
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    return Error{Code::invalid_argument, fmt::format("{} takes NAME=VALUE, not '{}'", option, text)};
  return std::pair(text.substr(0, equals), text.substr(equals + 1));
}

Result<std::string> unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out.push_back(text[i]);
      continue;
    }
    const char next = i + 1 < text.size() ? text[i + 1] : ' ';
    if (next == 'x') {
      const auto byte = base::from_hex(text.substr(std::min(i + 2, text.size()), 2));
      if (!byte || byte->size() != 1) return Error{Code::invalid_argument, "\\x must be followed by two hexadecimal digits"};
      out.push_back(static_cast<char>(byte->front()));
      i += 3;
      continue;
    }
    constexpr std::string_view kNames = "tn0\\";
    constexpr std::string_view kBytes{"\t\n\0\\", 4};
    const auto which = kNames.find(next);
    if (which == std::string_view::npos)
      return Error{Code::invalid_argument, fmt::format("'\\{}' is none of: \\t \\n \\0 \\\\ \\xHH", next)};
    out.push_back(kBytes[which]);
    ++i;
  }
  return out;
}

}  // namespace baton::cli
