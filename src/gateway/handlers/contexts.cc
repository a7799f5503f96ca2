// /contexts: what contexts there are, and their settings.
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <array>
#include <limits>

#include "base/try.h"
#include "broker/json_raw.h"
#include "gateway/handlers/handlers.h"
#include "gateway/json.h"
#include "gateway/problem.h"

namespace baton::gateway {
namespace {

namespace json = boost::json;

Error bad(std::string text) { return {Code::invalid_argument, std::move(text)}; }

// `with_size`: how much there is in it, too, which takes Describe to know.
void put_context(std::string& out, const ContextInfo& context, bool with_size) {
  JsonObject object(out);
  object.text("name", context.name);
  object.text("id", context.id);
  if (with_size) {
    object.number("events", context.events);
    object.number("bytes", context.bytes);
    object.text("end", context.end.token);
  }
  object.key("options");
  JsonObject options(out);
  options.number("partitions", context.options.partitions);
  options.text("partitioner", context.options.partitioner);
  options.number("data_bytes_max", context.options.data_bytes_max);
  options.text_if("default_type", context.options.default_type);
  options.boolean("history_deletable", context.options.history_deletable);
  if (context.options.retention_ms) options.number("retention_ms", *context.options.retention_ms);
  if (context.options.retention_bytes) options.number("retention_bytes", *context.options.retention_bytes);
  options.end();
  object.end();
}

Result<std::optional<std::int64_t>> read_number(const json::value& value, std::string_view name, std::int64_t min, std::int64_t max) {
  if (value.is_null()) return std::optional<std::int64_t>();
  if (!value.is_int64() || value.get_int64() < min || value.get_int64() > max)
    return bad("option '" + std::string(name) + "' is a number from " + std::to_string(min) + " to " + std::to_string(max));
  return std::optional(value.get_int64());
}

Status set_option(ContextOptions& options, std::string_view name, const json::value& value) {
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  const auto text = [&](std::string& into) -> Status {
    if (!value.is_string()) return bad("option '" + std::string(name) + "' is a string");
    into = std::string(value.get_string());
    return {};
  };
  if (name == "partitions" || name == "data_bytes_max") {
    BATON_TRY_ASSIGN(const auto n, read_number(value, name, 1, name == "partitions" ? std::numeric_limits<std::int32_t>::max() : kMax));
    if (!n) return bad("option '" + std::string(name) + "' is a number");
    if (name == "partitions") options.partitions = static_cast<std::int32_t>(*n);
    else options.data_bytes_max = static_cast<std::uint64_t>(*n);
    return {};
  }
  if (name == "partitioner") return text(options.partitioner);
  if (name == "default_type") return text(options.default_type);
  if (name == "history_deletable") {
    if (!value.is_bool()) return bad("option 'history_deletable' is true or false");
    options.history_deletable = value.get_bool();
    return {};
  }
  if (name == "retention_ms" || name == "retention_bytes") {
    BATON_TRY_ASSIGN((name == "retention_ms" ? options.retention_ms : options.retention_bytes), read_number(value, name, 0, kMax));
    return {};
  }
  return bad("option '" + std::string(name.substr(0, 64)) +
             "' is not known: partitions, partitioner, data_bytes_max, default_type, history_deletable, retention_ms, retention_bytes");
}

// What the body says over what `options` are.
Status read_options(std::string_view body, ContextOptions& options) {
  if (body.empty()) return {};
  boost::system::error_code error;
  const auto document = json::parse(json::string_view(body.data(), body.size()), error);
  if (error || !document.is_object()) return bad("the body is a JSON object of options, as in {\"partitions\": 1}");
  for (const auto& [name, value] : document.get_object()) BATON_TRY(set_option(options, std::string_view(name.data(), name.size()), value));
  BATON_TRY(broker::check_repeats(body));
  return {};
}

Result<Response> context_response(Gateway& gateway, const CallPtr& call, int status) {
  BATON_TRY_ASSIGN(const auto context, gateway.store().context(call->in_path("context")));
  std::string body;
  put_context(body, context, !gateway.refuse(call->request, broker::Operation::describe, context.name));
  return json_response(std::move(body), status);
}

}  // namespace

void list_contexts(Gateway& gateway, const CallPtr& call) {
  gateway.read(call, [&gateway, call]() -> Result<Response> {
    BATON_TRY_ASSIGN(auto contexts, gateway.store().contexts());
    std::erase_if(contexts, [&](const auto& context) { return gateway.refuse(call->request, broker::Operation::describe, context.name).has_value(); });
    std::string body = "{\"contexts\":[";
    for (const auto& context : contexts) {
      if (&context != contexts.data()) body += ',';
      put_context(body, context, true);
    }
    return json_response(body + "]}");
  });
}

void get_context(Gateway& gateway, const CallPtr& call) {
  gateway.read(call, [&gateway, call] { return context_response(gateway, call, 200); });
}

void create_context(Gateway& gateway, const CallPtr& call) {
  gateway.read(call, [&gateway, call]() -> Result<Response> {
    ContextOptions options;
    BATON_TRY(read_options(call->request.body, options));
    BATON_TRY(gateway.store().create_context(call->in_path("context"), options));
    return context_response(gateway, call, 201);
  });
}

void configure_context(Gateway& gateway, const CallPtr& call) {
  gateway.read(call, [&gateway, call]() -> Result<Response> {
    BATON_TRY_ASSIGN(const auto context, gateway.store().context(call->in_path("context")));
    ContextOptions options = context.options;
    BATON_TRY(read_options(call->request.body, options));
    BATON_TRY(gateway.store().configure_context(call->in_path("context"), options));
    return context_response(gateway, call, 200);
  });
}

void find_position(Gateway& gateway, const CallPtr& call) {
  gateway.read(call, [&gateway, call]() -> Result<Response> {
    std::optional<Time> recorded;
    if (call->has("recorded")) {
      BATON_TRY_ASSIGN(recorded, Time::parse(call->given("recorded")));
    }
    BATON_TRY_ASSIGN(const auto position, gateway.store().position_at(call->in_path("context"), recorded));
    std::string body;
    JsonObject out(body);
    out.text("position", position.token);
    out.end();
    return json_response(std::move(body));
  });
}

namespace {

// A checkpoint is what a consumer group is to Kafka's clients.
bool may_use_checkpoint(Gateway& gateway, const CallPtr& call) {
  if (gateway.may(call->request, broker::Operation::read, broker::Resource::group, call->in_path("name"))) return true;
  call->respond(forbidden("Read on group '" + call->in_path("name") + "' (the checkpoint)"));
  return false;
}

}  // namespace

void get_checkpoint(Gateway& gateway, const CallPtr& call) {
  if (!may_use_checkpoint(gateway, call)) return;
  gateway.read(call, [&gateway, call]() -> Result<Response> {
    BATON_TRY_ASSIGN(const auto position, gateway.store().checkpoint(call->in_path("context"), call->in_path("name")));
    if (!position) return Error{Code::not_found, "context " + call->in_path("context") + " has no checkpoint '" + call->in_path("name") + "'"};
    std::string body;
    JsonObject out(body);
    out.text("position", position->token);
    out.end();
    return json_response(std::move(body));
  });
}

void put_checkpoint(Gateway& gateway, const CallPtr& call) {
  if (!may_use_checkpoint(gateway, call)) return;
  gateway.read(call, [&gateway, call]() -> Result<Response> {
    if (!call->has("position")) return bad("parameter 'position' is missing: of the last event that was handled");
    SubscribeOptions options{.context = call->in_path("context"), .live = false};
    options.start = {.kind = StartAt::Kind::position, .position = {std::string(call->given("position"))}};
    BATON_TRY_ASSIGN(const auto subscription, gateway.store().subscribe(options));
    BATON_TRY(subscription->save_checkpoint(call->in_path("name")));
    Response response;
    response.status = 204;
    return response;
  });
}

}  // namespace baton::gateway
