// /streams: the events of one aggregate.
#include "base/try.h"
#include "gateway/event_json.h"
#include "gateway/event_pages.h"
#include "gateway/handlers/handlers.h"
#include "gateway/json.h"
#include "gateway/problem.h"

namespace baton::gateway {
namespace {

constexpr std::int64_t kPageDefault = 100;
constexpr std::int64_t kPageMax = 10'000;

// The event that ?type= and the body make, for those who have no CloudEvents client: curl -d '{"a":1}' '.../streams/rides/ride-7?type=RideStarted'.
Result<std::vector<Incoming>> event_of_parameters(const Call& call) {
  const Request& request = call.request;
  if (!call.has("type")) {
    return Error{Code::invalid_argument,
                 "say what happened: a CloudEvent (headers ce-..., or Content-Type: application/cloudevents+json or "
                 "application/cloudevents-batch+json), or ?type=TYPE with the data as the body"};
  }
  Incoming out;
  out.event.type = std::string(call.given("type"));
  out.event.id = std::string(call.given("id"));
  out.event.tags = call.all("tag");
  out.event.data = request.body;
  out.event.has_data = !request.body.empty();
  // What clients send when nobody has chosen a type says nothing about the data.
  const auto type = request.header("content-type");
  if (!type.empty() && !type.starts_with("application/x-www-form-urlencoded")) out.event.content_type = std::string(type);
  if (out.event.has_data && out.event.content_type.find("json") != std::string::npos && !is_json(out.event.data))
    return Error{Code::invalid_argument, "the body is no JSON; if it is not meant to be, say what it is in Content-Type"};
  return std::vector<Incoming>{std::move(out)};
}

Result<Append> make_append(const Call& call) {
  Append append{.context = call.in_path("context")};
  StreamAppend& stream = append.streams.emplace_back();
  stream.stream = call.in_path("stream");
  BATON_TRY_ASSIGN(stream.condition, call.condition());
  if (call.given("duplicates") == "skip") append.duplicates = Append::Duplicates::skip;
  else if (call.has("duplicates") && call.given("duplicates") != "refuse")
    return Error{Code::invalid_argument, "parameter 'duplicates' is refuse or skip"};
  const auto mode = mode_of(call.request);
  if (mode != EventMode::none && (call.has("type") || call.has("id") || call.has("tag")))
    return Error{Code::invalid_argument, "a CloudEvent says its type, id and tags itself: leave the parameters out"};
  BATON_TRY_ASSIGN(auto events, mode == EventMode::none ? event_of_parameters(call) : read_events(call.request, mode));
  for (auto& incoming : events) {
    if (!incoming.partition_key.empty() && incoming.partition_key != stream.stream)
      return Error{Code::invalid_argument, "an event's 'partitionkey' is not the stream of the path"};
    stream.events.push_back(std::move(incoming.event));
  }
  return append;
}

Response appended_response(const Appended& appended) {
  std::string body;
  put_appended(body, appended);
  Response response = json_response(std::move(body));
  if (!appended.events.empty()) {
    response.headers.emplace_back("ETag", etag(appended.events.back().version));
    const bool is_new = appended.events.front().version == 0 && !appended.events.front().duplicate;
    if (is_new) response.status = 201;
  }
  return response;
}

std::string page_body(const StreamPage& page, const ReadStream& request, std::string_view events) {
  std::string body;
  JsonObject out(body);
  out.text("context", request.context);
  out.text("stream", request.stream);
  out.number("last_version", page.last_version);
  if (page.next_version) out.number("next_version", *page.next_version);
  out.key("events");
  body += events;
  out.end();
  return body;
}

Result<ReadStream> stream_request(const Call& call) {
  ReadStream read{.context = call.in_path("context"), .stream = call.in_path("stream")};
  BATON_TRY_ASSIGN(read.backward, call.flag("backward"));
  BATON_TRY_ASSIGN(read.from_version, call.number("from", -1, 0, INT64_MAX));
  BATON_TRY_ASSIGN(const auto limit, call.number("limit", kPageDefault, 1, kPageMax));
  read.limit = static_cast<std::size_t>(limit);
  BATON_TRY_ASSIGN(read.as_of, call.as_of());
  return read;
}

Result<Response> read_page(Store& store, const ReadStream& request, const Call& call) {
  std::string events = "[";
  BATON_TRY_ASSIGN(const auto written, write_stream(store, request, kPageBytes, events, [&](const Event& event) {
    if (events.size() > 1) events += ',';
    put_cloud_event(events, event);
  }));
  const StreamPage& page = written.page;
  events += ']';
  const bool past = request.as_of.position || request.as_of.recorded || request.as_of.time;
  if (page.deleted && written.events == 0) return problem(404, "stream-deleted", "stream '" + request.stream + "' was deleted", "not_found");
  if (page.last_version < 0) return problem(404, "not-found", "context '" + request.context + "' has no stream '" + request.stream + "'", "not_found");
  const auto tag = etag(page.last_version);
  Response response;
  if (!past && call.has_etag(tag)) {
    response.status = 304;
  } else if (call.accepts("application/cloudevents-batch+json")) {
    response.content_type = "application/cloudevents-batch+json";
    response.body = std::move(events);
  } else {
    response = json_response(page_body(page, request, events));
  }
  response.headers.emplace_back("ETag", tag);
  response.headers.emplace_back("Vary", "Accept");
  if (page.next_version) response.headers.emplace_back("Baton-Next-Version", std::to_string(*page.next_version));
  return response;
}

}  // namespace

void append_to_stream(Gateway& gateway, const CallPtr& call) {
  auto append = make_append(*call);
  if (!append) return call->fail(append.error());
  gateway.store().append_async(*std::move(append), [call](Result<Appended> appended) {
    // The store's thread has other things to do than to write JSON.
    call->core().post([call, appended = std::move(appended)] {
      if (appended) call->respond(appended_response(*appended));
      else call->fail(appended.error());
    });
  });
}

void read_stream(Gateway& gateway, const CallPtr& call) {
  auto read = stream_request(*call);
  if (!read) return call->fail(read.error());
  gateway.read(call, [&gateway, call, read = *std::move(read)] { return read_page(gateway.store(), read, *call); });
}

void list_streams(Gateway& gateway, const CallPtr& call) {
  const auto limit = call->number("limit", kPageDefault, 1, kPageMax);
  if (!limit) return call->fail(limit.error());
  gateway.read(call, [&gateway, call, limit = *limit]() -> Result<Response> {
    BATON_TRY_ASSIGN(const auto page, gateway.store().streams(call->in_path("context"), std::string(call->given("prefix")),
                                                              std::string(call->given("after")), static_cast<std::size_t>(limit)));
    std::string body;
    JsonObject out(body);
    out.key("streams");
    put_json_array(body, page.streams, [&](const auto& head) {
      JsonObject one(body);
      one.text("stream", head.stream);
      one.number("last_version", head.last_version);
      if (head.deleted) one.boolean("deleted", true);
      one.end();
    });
    out.text_if("next", page.next);
    out.end();
    return json_response(std::move(body));
  });
}

namespace {

// Appends of system records block: they run on a reader.
void change_stream(Gateway& gateway, const CallPtr& call, std::function<Result<Position>(Store&, Expect)> change) {
  const auto condition = call->condition();
  if (!condition) return call->fail(condition.error());
  gateway.read(call, [&gateway, condition = *condition, change = std::move(change)]() -> Result<Response> {
    BATON_TRY_ASSIGN(const auto position, change(gateway.store(), condition));
    std::string body;
    JsonObject out(body);
    out.text("position", position.token);
    out.end();
    return json_response(std::move(body));
  });
}

}  // namespace

void delete_stream(Gateway& gateway, const CallPtr& call) {
  change_stream(gateway, call, [call](Store& store, Expect condition) {
    return store.delete_stream(call->in_path("context"), call->in_path("stream"), condition);
  });
}

void truncate_stream(Gateway& gateway, const CallPtr& call) {
  const auto before = call->number("before", -1, 0, INT64_MAX);
  if (!before) return call->fail(before.error());
  if (*before < 0) return call->fail({Code::invalid_argument, "parameter 'before' is missing: the version before which events are hidden"});
  change_stream(gateway, call, [call, before = *before](Store& store, Expect condition) {
    return store.truncate_stream(call->in_path("context"), call->in_path("stream"), before, condition);
  });
}

}  // namespace baton::gateway
