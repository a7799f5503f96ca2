#include "gateway/event_json.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <algorithm>

#include "base/base64.h"
#include "base/try.h"
#include "broker/cloud_event.h"
#include "broker/json_raw.h"
#include "gateway/call.h"
#include "gateway/json.h"

namespace baton::gateway {
namespace {

namespace json = boost::json;

constexpr std::string_view kStructuredType = "application/cloudevents+json";
constexpr std::string_view kBatchType = "application/cloudevents-batch+json";
constexpr std::size_t kEventsMax = 10'000;  // of one request

Error bad(std::string text) { return {Code::invalid_argument, std::move(text)}; }

Result<json::value> parse(std::string_view text) {
  boost::system::error_code error;
  auto value = json::parse(json::string_view(text.data(), text.size()), error, {}, {.max_depth = broker::kJsonDepthMax});
  if (error == json::error::too_deep) return bad("the body is nested too deep: 128 levels are allowed in an event's data");
  if (error) return bad("the body is no JSON: " + error.message());
  return value;
}

// A header of the binary mode (HTTP binding, section 3.1.3.2): a quoted string is taken out of its quotes, then per cent signs are decoded. A value with a broken
// escape stands for itself.
std::string decoded(std::string_view value) {
  std::string plain;
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
    for (value = value.substr(1, value.size() - 2); !value.empty(); value.remove_prefix(1)) {
      if (value.front() == '\\' && value.size() > 1) value.remove_prefix(1);
      plain += value.front();
    }
  } else {
    plain = value;
  }
  auto out = percent_decoded(plain, false);
  return out ? *std::move(out) : plain;
}

Status read_binary_attribute(const HeaderField& field, Incoming& out) {
  constexpr std::string_view kPrefix = "ce-";
  const auto name = std::string_view(field.name).substr(kPrefix.size());
  std::string value = decoded(field.value);
  if (const auto* known = broker::find_text_attribute(name)) {
    out.event.*known->field = std::move(value);
    return {};
  }
  if (name == "specversion") return broker::check_specversion(value, field.name);
  if (name == "time") {
    BATON_TRY_ASSIGN(out.event.time, broker::parse_event_time(value, field.name));
    return {};
  }
  if (name == "partitionkey") {
    out.partition_key = std::move(value);
    return {};
  }
  if (name == "batontags") {
    BATON_TRY_ASSIGN(out.event.tags, broker::split_tags(value));
    return {};
  }
  if (name == "batonheaders") {
    BATON_TRY_ASSIGN(out.event.headers, broker::split_headers(value));
    return {};
  }
  if (name.starts_with("baton")) return {};  // where a copied event was
  return bad("header " + std::string(field.name.substr(0, 64)) + " is no attribute that a context keeps: put it into the data");
}

Result<Incoming> read_binary(const Request& request) {
  Incoming out;
  std::vector<std::string_view> seen;
  for (const auto& field : request.headers) {
    if (!field.name.starts_with("ce-")) continue;
    if (std::ranges::find(seen, field.name) != seen.end()) return bad("header " + field.name.substr(0, 64) + " is given twice");
    seen.push_back(field.name);
    BATON_TRY(read_binary_attribute(field, out));
  }
  if (std::ranges::find(seen, "ce-specversion") == seen.end()) return bad("header ce-specversion is missing: 1.0");
  if (const auto type = request.header("content-type"); !type.empty()) out.event.content_type = std::string(type);
  out.event.data = request.body;
  out.event.has_data = !request.body.empty() || request.has("content-type");
  if (out.event.has_data && broker::is_json_type(out.event.content_type)) {
    if (!is_json(out.event.data)) return bad("the body is no JSON, as Content-Type says that it is");
  }
  return out;
}

Result<Incoming> read_one(std::string_view text, broker::EventForm form, const std::string& place) {
  Incoming out;
  if (const Status read = broker::read_structured_event(text, out.event, form, &out.partition_key); !read)
    return Error{read.error().code, place + read.error().detail};
  return out;
}

Result<std::string> text_of(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  if (value == nullptr || value->is_null()) return std::string();
  if (!value->is_string()) return bad("'" + std::string(name) + "' is a string");
  return std::string(value->get_string());
}

Result<std::vector<std::string>> texts_of(const json::object& object, std::string_view name, const std::string& place) {
  std::vector<std::string> out;
  const auto* value = object.if_contains(name);
  if (value == nullptr) return out;
  if (!value->is_array()) return bad(place + "'" + std::string(name) + "' is an array of strings");
  for (const auto& one : value->get_array()) {
    if (!one.is_string()) return bad(place + "'" + std::string(name) + "' is an array of strings");
    out.emplace_back(one.get_string());
  }
  return out;
}

// `raw` is the object as it is written.
Status only(const json::object& object, std::string_view raw, std::initializer_list<std::string_view> names, const std::string& place) {
  for (const auto& [name, value] : object) {
    const std::string_view text(name.data(), name.size());
    if (std::ranges::find(names, text) != names.end()) continue;
    std::string all;
    for (const auto known : names) all += (all.empty() ? "" : ", ") + std::string(known);
    return bad(place + "'" + std::string(text.substr(0, 64)) + "' is not known there: " + all);
  }
  const Status repeats = broker::check_repeats(raw);
  return repeats ? Status() : Status(bad(place + repeats.error().detail));
}

Result<Expect> read_expect(const json::object& object, const std::string& place) {
  const auto* value = object.if_contains("expect");
  if (value == nullptr) return Expect::any();
  if (value->is_int64() && value->get_int64() >= 0) return Expect::exact(value->get_int64());
  if (value->is_string()) return broker::parse_expected(std::string_view(value->get_string()));
  return bad(place + "'expect' is \"no-stream\", \"exists\", \"any\", or a version");
}

Result<StreamAppend> read_stream_append(const json::value& value, std::string_view raw, const std::string& place) {
  if (!value.is_object()) return bad(place + "an element of 'streams' is an object");
  const auto& object = value.get_object();
  BATON_TRY(only(object, raw, {"stream", "expect", "events"}, place));
  StreamAppend out;
  BATON_TRY_ASSIGN(out.stream, text_of(object, "stream"));
  BATON_TRY_ASSIGN(out.condition, read_expect(object, place));
  const auto* events = object.if_contains("events");
  if (events == nullptr) return out;
  const auto raw_events = broker::member(raw, "events");
  if (!events->is_array() || raw_events.empty()) return bad(place + "'events' is an array");
  Status read;
  broker::each_element(raw_events, [&](std::string_view text) {
    if (!read) return;
    auto one = read_one(text, broker::EventForm::own, place + "event " + std::to_string(out.events.size()) + ": ");
    if (!one) {
      read = one.error();
    } else if (!one->partition_key.empty() && one->partition_key != out.stream) {
      read = bad(place + "event " + std::to_string(out.events.size()) + ": its 'partitionkey' is not the stream");
    } else {
      out.events.push_back(std::move(one->event));
    }
  });
  BATON_TRY(read);
  return out;
}

Result<Unless> read_unless(const json::value& value, std::string_view raw) {
  const std::string place = "unless: ";
  if (!value.is_object()) return bad("'unless' is an object: {\"query\": [{\"types\": [...], \"tags\": [...]}], \"after\": \"POSITION\"}");
  const auto& object = value.get_object();
  BATON_TRY(only(object, raw, {"query", "after"}, place));
  Unless out;
  BATON_TRY_ASSIGN(out.after.token, text_of(object, "after"));
  const auto* query = object.if_contains("query");
  if (query == nullptr || !query->is_array()) return bad(place + "'query' is an array of objects with 'types' and 'tags'");
  std::vector<std::string_view> raw_items;
  broker::each_element(broker::member(raw, "query"), [&](std::string_view item) { raw_items.push_back(item); });
  for (std::size_t i = 0; i < raw_items.size(); ++i) {
    const auto& item = query->get_array()[i];
    if (!item.is_object()) return bad(place + "'query' is an array of objects with 'types' and 'tags'");
    BATON_TRY(only(item.get_object(), raw_items[i], {"types", "tags"}, place + "query: "));
    QueryItem& added = out.query.items.emplace_back();
    BATON_TRY_ASSIGN(added.types, texts_of(item.get_object(), "types", place));
    BATON_TRY_ASSIGN(added.tags, texts_of(item.get_object(), "tags", place));
  }
  return out;
}

}  // namespace

void put_cloud_event(std::string& out, const Event& event) {
  JsonObject object(out);
  object.text("specversion", "1.0");
  object.text("id", event.id.empty() ? event.position.token : event.id);
  object.text("source", event.source.empty() ? "/contexts/" + event.context : event.source);
  object.text("type", !event.type.empty() ? event.type : "baton.stream." + event.system);
  object.text_if("subject", event.subject);
  object.text("time", event.time.to_string());
  object.text_if("tenant", event.tenant);
  object.text_if("correlationid", event.correlation_id);
  object.text_if("causationid", event.causation_id);
  object.text_if("traceparent", event.traceparent);
  object.text("partitionkey", event.stream);
  object.text("batoncontext", event.context);
  if (event.version >= 0) object.number("batonversion", event.version);
  object.text("batonposition", event.position.token);
  object.number("batonoffset", event.offset);
  if (event.partition != 0) object.number("batonpartition", event.partition);
  object.text("batonrecorded", event.recorded.to_string());
  if (!event.tags.empty()) object.text("batontags", broker::join_tags(event.tags));
  if (!event.headers.empty()) object.text("batonheaders", broker::join_headers(event.headers));
  object.text_if("batonsystem", event.system);
  if (event.has_data) {
    object.text_if("datacontenttype", event.content_type);
    if (broker::is_json_type(event.content_type) && is_json(event.data)) {
      object.key("data");
      out += event.data;
    } else {
      object.text("data_base64", base::to_base64(event.data));
    }
  }
  object.end();
}

EventMode mode_of(const Request& request) {
  const auto type = request.header("content-type");
  const auto plain = type.substr(0, type.find(';'));
  if (plain == kStructuredType) return EventMode::structured;
  if (plain == kBatchType) return EventMode::batch;
  if (request.has("ce-specversion") || request.has("ce-type") || request.has("ce-id")) return EventMode::binary;
  return EventMode::none;
}

Result<std::vector<Incoming>> read_events(const Request& request, EventMode mode) {
  std::vector<Incoming> out;
  if (mode == EventMode::binary) {
    BATON_TRY_ASSIGN(auto one, read_binary(request));
    out.push_back(std::move(one));
  } else if (mode == EventMode::structured) {
    BATON_TRY_ASSIGN(auto one, read_one(request.body, broker::EventForm::cloud_event, ""));
    out.push_back(std::move(one));
  } else {
    BATON_TRY_ASSIGN(const auto document, parse(request.body));
    if (!document.is_array()) return bad("a batch is an array of CloudEvents");
    if (document.get_array().size() > kEventsMax) return bad("a request has at most " + std::to_string(kEventsMax) + " events");
    Status read;
    broker::each_element(request.body, [&](std::string_view text) {
      if (!read) return;
      auto one = read_one(text, broker::EventForm::cloud_event, "event " + std::to_string(out.size()) + ": ");
      if (one) out.push_back(*std::move(one));
      else read = one.error();
    });
    BATON_TRY(read);
  }
  return out;
}

Result<Append> read_append(std::string_view body, const std::string& context) {
  BATON_TRY_ASSIGN(const auto document, parse(body));
  if (!document.is_object()) return bad("the body is an object: {\"streams\": [{\"stream\": ..., \"events\": [...]}]}");
  const auto& object = document.get_object();
  BATON_TRY(only(object, body, {"streams", "unless", "duplicates", "correlationid", "causationid", "tenant", "traceparent"}, ""));
  Append out{.context = context};
  BATON_TRY_ASSIGN(out.correlation_id, text_of(object, "correlationid"));
  BATON_TRY_ASSIGN(out.causation_id, text_of(object, "causationid"));
  BATON_TRY_ASSIGN(out.tenant, text_of(object, "tenant"));
  BATON_TRY_ASSIGN(out.traceparent, text_of(object, "traceparent"));
  BATON_TRY_ASSIGN(const auto duplicates, text_of(object, "duplicates"));
  if (duplicates == "skip") out.duplicates = Append::Duplicates::skip;
  else if (!duplicates.empty() && duplicates != "refuse") return bad("'duplicates' is \"refuse\" or \"skip\"");
  if (const auto* unless = object.if_contains("unless")) {
    BATON_TRY_ASSIGN(out.unless, read_unless(*unless, broker::member(body, "unless")));
  }
  const auto* streams = object.if_contains("streams");
  const auto raw = broker::member(body, "streams");
  if (streams == nullptr || !streams->is_array() || raw.empty()) return bad("'streams' is missing: an array of {\"stream\": ..., \"events\": [...]}");
  Status read;
  broker::each_element(raw, [&](std::string_view text) {
    if (!read) return;
    const auto n = out.streams.size();
    auto one = read_stream_append(streams->get_array()[n], text, "stream " + std::to_string(n) + ": ");
    if (one) out.streams.push_back(*std::move(one));
    else read = one.error();
  });
  BATON_TRY(read);
  return out;
}

void put_appended(std::string& out, const Appended& appended) {
  JsonObject object(out);
  object.text("position", appended.position.token);
  object.key("events");
  put_json_array(out, appended.events, [&](const auto& event) {
    JsonObject one(out);
    one.text("id", event.id);
    one.number("version", event.version);
    one.text("position", event.position.token);
    one.number("offset", event.offset);
    one.boolean("duplicate", event.duplicate);
    one.end();
  });
  object.end();
}

}  // namespace baton::gateway
