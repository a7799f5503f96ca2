// Snapshots of aggregates, and loading an aggregate from one.
#include "base/base64.h"
#include "base/try.h"
#include "gateway/event_json.h"
#include "gateway/event_pages.h"
#include "gateway/handlers/handlers.h"
#include "gateway/json.h"
#include "gateway/problem.h"

namespace baton::gateway {
namespace {

constexpr std::int64_t kShapeMax = INT32_MAX;

Result<Loaded> load(Gateway& gateway, const Call& call) {
  LoadOptions options;
  BATON_TRY_ASSIGN(const auto shape, call.number("shape", 0, 0, kShapeMax));
  options.shape = static_cast<std::int32_t>(shape);
  options.bytes_max = kPageBytes;
  BATON_TRY_ASSIGN(options.snapshot_every, call.number("snapshot_every", options.snapshot_every, 0, INT64_MAX));
  return gateway.store().load(call.in_path("context"), call.in_path("stream"), options);
}

void put_snapshot_json(std::string& out, const Snapshot& snapshot) {
  JsonObject object(out);
  object.number("version", snapshot.version);
  object.number("shape", snapshot.shape);
  if (is_json(snapshot.bytes)) {
    object.key("state");
    out += snapshot.bytes;
  } else {
    object.text("state_base64", base::to_base64(snapshot.bytes));
  }
  object.end();
}

}  // namespace

void load_aggregate(Gateway& gateway, const CallPtr& call) {
  gateway.read(call, [&gateway, call]() -> Result<Response> {
    BATON_TRY_ASSIGN(const auto loaded, load(gateway, *call));
    if (loaded.version < 0) return problem(404, "not-found", "there is no stream '" + call->in_path("stream") + "'", "not_found");
    // As a read of the stream says it: with its last version nothing could be appended.
    if (loaded.deleted) return problem(404, "stream-deleted", "stream '" + call->in_path("stream") + "' was deleted", "not_found");
    std::string body;
    JsonObject out(body);
    out.number("version", loaded.version);
    out.boolean("snapshot_due", loaded.snapshot_due);
    if (loaded.removed > 0) out.number("removed", loaded.removed);
    if (loaded.snapshot) {
      out.key("snapshot");
      put_snapshot_json(body, *loaded.snapshot);
    }
    out.key("events");
    put_json_array(body, loaded.events, [&](const auto& event) { put_cloud_event(body, event); });
    if (loaded.next_version) out.number("next_version", *loaded.next_version);
    out.end();
    Response response = json_response(std::move(body));
    response.headers.emplace_back("ETag", etag(loaded.version));
    return response;
  });
}

void get_snapshot(Gateway& gateway, const CallPtr& call) {
  gateway.read(call, [&gateway, call]() -> Result<Response> {
    BATON_TRY_ASSIGN(auto loaded, load(gateway, *call));
    if (!loaded.snapshot) return problem(404, "not-found", "stream '" + call->in_path("stream") + "' has no snapshot of this shape", "not_found");
    Response response;
    response.content_type = is_json(loaded.snapshot->bytes) ? "application/json" : "application/octet-stream";
    response.headers.emplace_back("ETag", etag(loaded.snapshot->version));
    response.headers.emplace_back("Baton-Snapshot-Shape", std::to_string(loaded.snapshot->shape));
    response.body = std::move(loaded.snapshot->bytes);
    return response;
  });
}

void put_snapshot(Gateway& gateway, const CallPtr& call) {
  gateway.read(call, [&gateway, call]() -> Result<Response> {
    Snapshot snapshot;
    BATON_TRY_ASSIGN(snapshot.version, call->number("version", -1, 0, INT64_MAX));
    if (snapshot.version < 0) return Error{Code::invalid_argument, "parameter 'version' is missing: of the last event that went into the state"};
    BATON_TRY_ASSIGN(const auto shape, call->number("shape", 0, 0, kShapeMax));
    snapshot.shape = static_cast<std::int32_t>(shape);
    snapshot.bytes = call->request.body;
    BATON_TRY(gateway.store().save_snapshot(call->in_path("context"), call->in_path("stream"), snapshot));
    Response response;
    response.status = 204;
    return response;
  });
}

}  // namespace baton::gateway
