// /contexts/{context}/events and /append: the events of a whole context, and appends that span streams.
#include "base/try.h"
#include "gateway/event_json.h"
#include "gateway/event_pages.h"
#include "gateway/event_stream.h"
#include "gateway/handlers/handlers.h"
#include "gateway/json.h"
#include "gateway/problem.h"

namespace baton::gateway {
namespace {

constexpr std::int64_t kPageDefault = 100;
constexpr std::int64_t kPageMax = 10'000;
constexpr std::string_view kEventStream = "text/event-stream";

Result<ReadContext> context_request(const Call& call) {
  ReadContext read{.context = call.in_path("context")};
  read.after.token = std::string(call.given("after"));
  BATON_TRY_ASSIGN(read.backward, call.flag("backward"));
  BATON_TRY_ASSIGN(const auto limit, call.number("limit", kPageDefault, 1, kPageMax));
  read.limit = static_cast<std::size_t>(limit);
  read.filter.types = call.all("type");
  read.filter.tags = call.all("tag");
  read.filter.category = std::string(call.given("category"));
  read.filter.tenant = std::string(call.given("tenant"));
  read.filter.stream_prefix = std::string(call.given("key_prefix"));
  BATON_TRY_ASSIGN(read.as_of, call.as_of());
  return read;
}

Result<Response> read_page(Store& store, const ReadContext& request, const Call& call) {
  const bool batch = call.accepts("application/cloudevents-batch+json");
  std::string events = "[";
  BATON_TRY_ASSIGN(const auto written, write_context(store, request, kPageBytes, events, [&](const Event& event) {
    if (events.size() > 1) events += ',';
    put_cloud_event(events, event);
  }));
  const ContextPage& page = written.page;
  events += ']';
  Response response;
  if (batch) {
    response.content_type = "application/cloudevents-batch+json";
    response.body = std::move(events);
  } else {
    std::string body;
    JsonObject out(body);
    out.text("context", request.context);
    out.text("next", page.next.token);
    out.boolean("at_end", page.at_end);
    if (page.removed > 0) out.number("removed", page.removed);
    out.key("events");
    body += events;
    out.end();
    response = json_response(std::move(body));
  }
  response.headers.emplace_back("Vary", "Accept");
  response.headers.emplace_back("Baton-Next-Position", page.next.token);
  if (page.removed > 0) response.headers.emplace_back("Baton-Removed", std::to_string(page.removed));
  return response;
}

// The partitions of a context; not_found.
Result<std::vector<log::PartitionKey>> partitions_of(Gateway& gateway, const std::string& context) {
  const auto topic = gateway.broker().view()->find_topic(context);
  if (!topic || topic->kind != log::TopicKind::event) return Error{Code::not_found, "there is no context '" + context + "'"};
  std::vector<log::PartitionKey> out;
  for (std::size_t i = 0; i < topic->partitions.size(); ++i) {
    out.push_back({topic->id, log::PartitionId(static_cast<std::int32_t>(i))});
  }
  return out;
}

Result<Position> start_of(Store& store, ReadContext read, bool from_end) {
  if (from_end) return store.position_at(read.context, std::nullopt);
  read.limit = 1;
  read.examined_max = 1;
  BATON_TRY(store.read_context(read));
  return std::move(read.after);
}

Status begin_stream(Gateway& gateway, const CallPtr& call, ReadContext read) {
  if (read.backward || call->has("limit") || read.as_of.position || read.as_of.recorded || read.as_of.time)
    return Error{Code::invalid_argument, "a stream of server-sent events goes forward without an end: leave backward, limit and as_of_... out"};
  const auto from = call->given("from");
  if (!from.empty() && from != "beginning" && from != "end") return Error{Code::invalid_argument, "parameter 'from' is beginning or end"};
  if (!from.empty() && !read.after.is_beginning()) return Error{Code::invalid_argument, "parameters 'from' and 'after' exclude one another"};
  // A browser that comes back asks for the same address again, and says with this header how far it had come.
  const auto last = call->request.header("last-event-id");
  if (!last.empty()) read.after.token = std::string(last);
  BATON_TRY_ASSIGN(auto partitions, partitions_of(gateway, read.context));
  if (gateway.open_streams() >= gateway.options().streams_max)
    return Error{Code::resource_exhausted, "too many streams of events are open (http.event_streams)"};
  const auto answer = [&gateway, call, partitions = std::move(partitions)](ReadContext start) {
    Response response;
    response.content_type = kEventStream;
    response.headers.emplace_back("Cache-Control", "no-store");
    const auto refused = [&gateway, host = call->request.host, local = call->request.local, context = call->in_path("context")] {
      Request from;
      from.host = host;
      from.local = local;
      return gateway.refuse(from, broker::Operation::read, context);
    };
    response.stream = stream_events(gateway, call->core(), std::move(start), partitions, refused);
    call->respond(std::move(response));
  };
  // Where it begins is looked at first: a position that leads nowhere is an error, not a stream that a browser would ask for again for ever.
  const bool taken = gateway.readers().post(ReadLanes::Lane::reads, [&gateway, call, read = std::move(read), from_end = from == "end" && last.empty(), answer]() mutable {
    auto start = start_of(gateway.store(), read, from_end);
    call->core().post([call, start = std::move(start), read = std::move(read), answer]() mutable {
      if (!start) return call->fail(start.error());
      read.after = *std::move(start);
      answer(std::move(read));
    });
  });
  return taken ? Status() : Status(Error{Code::resource_exhausted, "too many reads are waiting: try again in a moment"});
}

void append(Gateway& gateway, const CallPtr& call, Append request) {
  gateway.store().append_async(std::move(request), [call](Result<Appended> appended) {
    call->core().post([call, appended = std::move(appended)] {
      if (!appended) return call->fail(appended.error());
      std::string body;
      put_appended(body, *appended);
      call->respond(json_response(std::move(body)));
    });
  });
}

Result<Append> append_of_events(const Call& call) {
  const auto mode = mode_of(call.request);
  if (mode == EventMode::none) {
    return Error{Code::invalid_argument,
                 "the body holds CloudEvents: headers ce-..., or Content-Type: application/cloudevents+json or application/cloudevents-batch+json"};
  }
  BATON_TRY_ASSIGN(auto events, read_events(call.request, mode));
  Append out{.context = call.in_path("context")};
  if (call.given("duplicates") == "skip") out.duplicates = Append::Duplicates::skip;
  // In the order of the batch, in the log and in the answer: a stream may come again behind another.
  for (std::size_t i = 0; i < events.size(); ++i) {
    auto& [event, key] = events[i];
    const std::string& name = key.empty() ? event.subject : key;
    if (name.empty()) {
      return Error{Code::invalid_argument, "event " + std::to_string(i) + " names no stream: give the attribute 'partitionkey' (or 'subject'), or post to /streams/" +
                                               out.context + "/STREAM"};
    }
    if (out.streams.empty() || out.streams.back().stream != name) out.streams.push_back({.stream = name, .condition = Expect::any(), .events = {}});
    out.streams.back().events.push_back(std::move(event));
  }
  return out;
}

}  // namespace

void read_events_of_context(Gateway& gateway, const CallPtr& call) {
  auto read = context_request(*call);
  if (!read) return call->fail(read.error());
  if (call->accepts(kEventStream)) {
    if (const Status begun = begin_stream(gateway, call, *std::move(read)); !begun) call->fail(begun.error());
    return;
  }
  if (call->has("from")) return call->fail({Code::invalid_argument, "parameter 'from' is for Accept: text/event-stream; a page has 'after'"});
  gateway.read(call, [&gateway, call, read = *std::move(read)] { return read_page(gateway.store(), read, *call); });
}

void post_events(Gateway& gateway, const CallPtr& call) {
  auto request = append_of_events(*call);
  if (!request) return call->fail(request.error());
  append(gateway, call, *std::move(request));
}

void append_to_context(Gateway& gateway, const CallPtr& call) {
  auto request = read_append(call->request.body, call->in_path("context"));
  if (!request) return call->fail(request.error());
  // The answer to a condition on what is there tells what is there.
  if (request->unless) {
    if (auto refused = gateway.refuse(call->request, broker::Operation::read, call->in_path("context"))) return call->respond(*std::move(refused));
  }
  append(gateway, call, *std::move(request));
}

}  // namespace baton::gateway
