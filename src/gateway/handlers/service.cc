// What operators and tools ask: is it alive, is it ready, what does it count, what routes are there.
#include "base/try.h"
#include "gateway/handlers/handlers.h"
#include "gateway/json.h"
#include "gateway/problem.h"

namespace baton::gateway {

void get_index(Gateway& gateway, const CallPtr& call) {
  (void)gateway;
  std::string body;
  JsonObject out(body);
  out.text("name", "baton");
  out.text("openapi", "/openapi.json");
  out.key("routes");
  put_json_array(body, routes(), [&](const auto& route) {
    JsonObject one(body);
    one.text("method", route.method);
    one.text("path", route.path);
    one.text("what", route.what);
    one.end();
  });
  out.end();
  call->respond(json_response(std::move(body)));
}

// The process runs and its event loop turns.
void get_health(Gateway& gateway, const CallPtr& call) {
  (void)gateway;
  call->respond(json_response(R"({"status":"pass"})"));
}

// Appends are taken, and no view has stopped.
void get_ready(Gateway& gateway, const CallPtr& call) {
  gateway.read(call, [&gateway, call]() -> Result<Response> {
    const bool told = gateway.may_describe_store(call->request);  // what is wrong may name paths, streams and events
    if (const Status health = gateway.broker().health(); !health) {
      return problem(503, "unavailable", told ? health.error().to_string() : "the store takes no appends", code_name(health.error().code));
    }
    if (const Status room = gateway.broker().room(); !room) {
      return problem(503, "unavailable", told ? room.error().to_string() : "what is appended may be refused", code_name(room.error().code));
    }
    std::string body;
    JsonObject out(body);
    out.text("status", "pass");
    if (gateway.views() != nullptr) {
      BATON_TRY_ASSIGN(const auto views, gateway.views()->list());
      for (const auto& view : views) {
        if (view.state != view::ViewInfo::State::stopped) continue;
        return problem(503, "unavailable", told ? "view '" + view.name + "' has stopped: " + view.detail : "a view has stopped");
      }
      if (told) out.number("views", views.size());
    }
    out.end();
    return json_response(std::move(body));
  });
}

void get_metrics(Gateway& gateway, const CallPtr& call) {
  gateway.read(call, [&gateway]() -> Result<Response> {
    Response response;
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    response.body = gateway.metrics();
    return response;
  });
}

void get_openapi(Gateway& gateway, const CallPtr& call) {
  (void)gateway;
  call->respond(json_response(openapi()));
}

void get_store(Gateway& gateway, const CallPtr& call) {
  gateway.read(call, [&gateway]() -> Result<Response> {
    BATON_TRY_ASSIGN(const auto info, gateway.store().info());
    std::string body;
    JsonObject out(body);
    out.text("store_id", info.store_id);
    out.number("epoch", info.epoch);
    out.number("events", info.events);
    if (info.streams) out.number("streams", *info.streams);
    out.number("bytes", info.bytes);
    out.text("root", info.root);
    out.end();
    return json_response(std::move(body));
  });
}

namespace {

// 204 when it is done.
void run(Gateway& gateway, const CallPtr& call, Status (Store::*task)()) {
  gateway.read(call, [&gateway, task]() -> Result<Response> {
    BATON_TRY((gateway.store().*task)());
    Response response;
    response.status = 204;
    return response;
  });
}

}  // namespace

void apply_retention(Gateway& gateway, const CallPtr& call) { run(gateway, call, &Store::apply_retention); }
void confirm_clock(Gateway& gateway, const CallPtr& call) { run(gateway, call, &Store::confirm_clock); }

}  // namespace baton::gateway
