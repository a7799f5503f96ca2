#include "store/server_json.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "base/base64.h"
#include "base/try.h"

namespace baton::store {
namespace {

namespace json = boost::json;

json::string text_of(std::string_view text) { return json::string(text.data(), text.size()); }

void set_if(json::object& object, std::string_view name, std::string_view value) {
  if (!value.empty()) object[json::string_view(name.data(), name.size())] = text_of(value);
}

json::array texts_of(const std::vector<std::string>& texts) {
  json::array out;
  for (const auto& text : texts) out.push_back(text_of(text));
  return out;
}

json::object event_object(const NewEvent& event) {
  json::object out;
  set_if(out, "type", event.type);
  set_if(out, "id", event.id);
  set_if(out, "source", event.source);
  set_if(out, "subject", event.subject);
  set_if(out, "tenant", event.tenant);
  set_if(out, "correlationid", event.correlation_id);
  set_if(out, "causationid", event.causation_id);
  set_if(out, "traceparent", event.traceparent);
  if (event.time) out["time"] = text_of(event.time->to_string());
  if (!event.tags.empty()) out["tags"] = texts_of(event.tags);
  if (!event.headers.empty()) {
    json::array headers;
    for (const auto& header : event.headers) headers.push_back(json::array{text_of(header.name), nullptr, text_of(base::to_base64(header.value))});
    out["headers"] = std::move(headers);
  }
  out["datacontenttype"] = text_of(event.content_type);
  if (event.has_data || !event.data.empty()) out["data_base64"] = text_of(base::to_base64(event.data));
  return out;
}

json::value expect_value(const Expect& expect) {
  switch (expect.kind) {
    case Expect::Kind::any: return "any";
    case Expect::Kind::no_stream: return "no-stream";
    case Expect::Kind::exists: return "exists";
    case Expect::Kind::exact: return expect.version;
  }
  return "any";
}

Result<json::object> object_of(Result<ServerAnswer> answer) {
  if (!answer) return std::move(answer).error();
  boost::system::error_code error;
  auto value = answer->body.empty() ? json::value(json::object()) : json::parse(answer->body, error);
  if (error || !value.is_object()) return Error{Code::internal, "the server's answer is not understood: status " + std::to_string(answer->status)};
  auto object = std::move(value.get_object());
  if (answer->status < 300) return object;
  const auto text = [&](std::string_view name) {
    const auto* found = object.if_contains(json::string_view(name.data(), name.size()));
    return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
  };
  const auto name = text("code");
  for (int code = 1; code <= static_cast<int>(Code::out_of_order); ++code) {
    if (code_name(static_cast<Code>(code)) == name) return Error{static_cast<Code>(code), text("detail")};
  }
  if (answer->status == 413) return Error{Code::too_large, text("detail")};
  return Error{Code::internal, "the server refused: " + std::to_string(answer->status) + " " + text("detail")};
}

std::string text_in(const json::object& object, std::string_view name) {
  const auto* found = object.if_contains(json::string_view(name.data(), name.size()));
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}

std::int64_t number_in(const json::object& object, std::string_view name) {
  const auto* found = object.if_contains(json::string_view(name.data(), name.size()));
  return found != nullptr && found->is_int64() ? found->get_int64() : -1;
}

}  // namespace

std::string percent_encoded(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kDigits[static_cast<unsigned char>(c) >> 4U];
      out += kDigits[static_cast<unsigned char>(c) & 15U];
    }
  }
  return out;
}

std::string append_json(const Append& append) {
  json::object out;
  json::array streams;
  for (const auto& stream : append.streams) {
    json::object one;
    one["stream"] = text_of(stream.stream);
    one["expect"] = expect_value(stream.condition);
    json::array events;
    for (const auto& event : stream.events) events.push_back(event_object(event));
    one["events"] = std::move(events);
    streams.push_back(std::move(one));
  }
  out["streams"] = std::move(streams);
  if (append.unless) {
    json::array items;
    for (const auto& item : append.unless->query.items) {
      items.push_back(json::object{{"types", texts_of(item.types)}, {"tags", texts_of(item.tags)}});
    }
    out["unless"] = json::object{{"query", std::move(items)}, {"after", text_of(append.unless->after.token)}};
  }
  if (append.duplicates == Append::Duplicates::skip) out["duplicates"] = "skip";
  set_if(out, "correlationid", append.correlation_id);
  set_if(out, "causationid", append.causation_id);
  set_if(out, "tenant", append.tenant);
  set_if(out, "traceparent", append.traceparent);
  return json::serialize(out);
}

std::string options_json(const ContextOptions& options) {
  json::object out;
  out["partitions"] = options.partitions;
  out["partitioner"] = text_of(options.partitioner);
  out["data_bytes_max"] = static_cast<std::int64_t>(options.data_bytes_max);
  out["default_type"] = text_of(options.default_type);
  out["history_deletable"] = options.history_deletable;
  out["retention_ms"] = options.retention_ms ? json::value(*options.retention_ms) : json::value(nullptr);
  out["retention_bytes"] = options.retention_bytes ? json::value(*options.retention_bytes) : json::value(nullptr);
  return json::serialize(out);
}

Status status_of(Result<ServerAnswer> answer) {
  BATON_TRY_ASSIGN(const auto object, object_of(std::move(answer)));
  return {};
}

Result<Appended> appended_of(Result<ServerAnswer> answer) {
  BATON_TRY_ASSIGN(const auto object, object_of(std::move(answer)));
  Appended out;
  out.position.token = text_in(object, "position");
  const auto* events = object.if_contains("events");
  if (events == nullptr || !events->is_array()) return Error{Code::internal, "the server's answer to an append is not understood"};
  for (const auto& value : events->get_array()) {
    if (!value.is_object()) return Error{Code::internal, "the server's answer to an append is not understood"};
    const auto& event = value.get_object();
    const auto* duplicate = event.if_contains("duplicate");
    out.events.push_back({.id = text_in(event, "id"),
                          .version = number_in(event, "version"),
                          .position = {text_in(event, "position")},
                          .offset = number_in(event, "offset"),
                          .duplicate = duplicate != nullptr && duplicate->is_bool() && duplicate->get_bool()});
  }
  return out;
}

Result<Position> position_of(Result<ServerAnswer> answer) {
  BATON_TRY_ASSIGN(const auto object, object_of(std::move(answer)));
  return Position{text_in(object, "position")};
}

}  // namespace baton::store
