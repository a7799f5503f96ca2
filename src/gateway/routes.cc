#include "gateway/routes.h"

#include "gateway/handlers/handlers.h"

namespace baton::gateway {
namespace {

using In = Parameter::In;

const Parameter kIfMatch{In::header, "If-Match", "string", "The stream's ETag (the version of its last event), or *: it must exist."};
const Parameter kIfNoneMatch{In::header, "If-None-Match", "string", "*: the stream must not exist."};
const Parameter kExpected{In::header, "Baton-Expected-Version", "string", "no-stream, exists, any, or a version; instead of the two."};
const Parameter kExpectQuery{In::query, "expect", "string", "The same as a parameter, for clients that cannot set headers."};
const Parameter kAsOfPosition{In::query, "as_of_position", "string", "As it was after this event."};
const Parameter kAsOfRecorded{In::query, "as_of_recorded", "string", "As it was at this time (RFC 3339), by the times of append."};
const Parameter kAsOfTime{In::query, "as_of_time", "string", "The events that happened up to this time (RFC 3339)."};
const Parameter kBackward{In::query, "backward", "boolean", "From the end to the beginning."};
const Parameter kDuplicates{In::query, "duplicates", "string", "skip: events whose ids are known are passed over. refuse (the default): a mixture is refused."};

Parameter limit(std::string_view what) { return {In::query, "limit", "integer", what}; }

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kCloudEvent = "application/cloudevents+json";
constexpr std::string_view kBatch = "application/cloudevents-batch+json";
constexpr std::string_view kAny = "*/*";

const std::pair<int, std::string_view> kNotFound{404, "There is no such thing."};
const std::pair<int, std::string_view> kConflict{409, "A query condition does not hold, or an event id is known with other content."};
const std::pair<int, std::string_view> kWrongVersion{412, "The stream is not at the version that was expected."};
const std::pair<int, std::string_view> kGone{410, "The position is not of this log: its tail was lost, or it is another store's."};

std::vector<Route> stream_routes() {
  return {
      {"POST", "/streams/{context}/{stream}", "append_to_stream", "streams",
       "Appends events to a stream: CloudEvents in binary, structured or batch mode, or any data with ?type=.",
       {kIfMatch, kIfNoneMatch, kExpected, kExpectQuery, kDuplicates,
        {In::query, "type", "string", "Without a CloudEvent: what happened, in the past tense. The body is the data."},
        {In::query, "id", "string", "Without a CloudEvent: the event's id. The same id again adds nothing."},
        {In::query, "tag", "array", "Without a CloudEvent: name:value."}},
       {kCloudEvent, kBatch, kAny},
       {{200, "Appended, and on disk."}, {201, "Appended; the stream is new."}, kConflict, kWrongVersion, {413, "An event or the append is too large."}},
       kJson, Right::write, &append_to_stream, true},
      {"GET", "/streams/{context}/{stream}", "read_stream", "streams", "Reads the events of a stream.",
       {{In::query, "from", "integer", "The first version to read."}, kBackward, limit("Events at most: 100, up to 10,000."), kAsOfPosition, kAsOfRecorded, kAsOfTime},
       {},
       {{200, "A page of events; ETag is the version of the stream's last one."}, {304, "The stream is still at the version in If-None-Match."}, kNotFound, kGone},
       kJson, Right::read, &read_stream},
      {"DELETE", "/streams/{context}/{stream}", "delete_stream", "streams", "Hides all events of a stream; versions go on.",
       {kIfMatch, kExpected, kExpectQuery}, {}, {{200, "Deleted."}, kNotFound, kWrongVersion}, kJson, Right::remove, &delete_stream},
      {"POST", "/streams/{context}/{stream}/truncate", "truncate_stream", "streams", "Hides the events of a stream before a version.",
       {{In::query, "before", "integer", "The first version that stays."}, kIfMatch, kExpected, kExpectQuery}, {}, {{200, "Truncated."}, kNotFound, kWrongVersion}, kJson, Right::remove, &truncate_stream},
      {"GET", "/streams/{context}/{stream}/aggregate", "load_aggregate", "streams", "The newest snapshot of a stream and the events behind it.",
       {{In::query, "shape", "integer", "The shape of the state; snapshots of another one are not used."},
        {In::query, "snapshot_every", "integer", "After how many events a snapshot is due: 100."}},
       {}, {{200, "What is needed to build the state."}, kNotFound}, kJson, Right::read, &load_aggregate},
      {"GET", "/streams/{context}/{stream}/snapshot", "get_snapshot", "streams", "The newest snapshot of a stream; its ETag is its version.",
       {{In::query, "shape", "integer", "The shape of the state."}}, {}, {{200, "The state as it was saved."}, kNotFound}, kAny, Right::read, &get_snapshot},
      {"PUT", "/streams/{context}/{stream}/snapshot", "put_snapshot", "streams", "Saves a snapshot.",
       {{In::query, "version", "integer", "Of the last event that went into it."}, {In::query, "shape", "integer", "The shape of the state: 0."}},
       {kAny}, {{204, "Saved."}, kNotFound}, {}, Right::write, &put_snapshot},
      {"GET", "/streams/{context}", "list_streams", "streams", "The streams of a context, in no order that means anything.",
       {{In::query, "prefix", "string", "Of their names."}, {In::query, "after", "string", "'next' of the page before."}, limit("Streams at most: 100.")},
       {}, {{200, "A page of names."}, kNotFound}, kJson, Right::read, &list_streams},
  };
}

std::vector<Route> context_routes() {
  return {
      {"GET", "/contexts", "list_contexts", "contexts", "All contexts.", {}, {}, {{200, "Their names and settings."}}, kJson, Right::handler, &list_contexts},
      {"GET", "/contexts/{context}", "get_context", "contexts", "One context.", {}, {}, {{200, "Its settings, and how much there is in it."}, kNotFound}, kJson, Right::describe, &get_context},
      {"PUT", "/contexts/{context}", "create_context", "contexts", "Makes a context; the body may hold its options.", {}, {kJson},
       {{201, "Made; 'events', 'bytes' and 'end' only for who may describe it."}, {409, "There is one of this name."}}, kJson, Right::create, &create_context},
      {"PATCH", "/contexts/{context}", "configure_context", "contexts", "Changes options of a context that are not fixed.", {}, {kJson},
       {{200, "Changed; how much there is in it only for who may describe it."}, kNotFound}, kJson, Right::alter_configs, &configure_context},
      {"GET", "/contexts/{context}/events", "read_events", "contexts",
       "Reads the events of a context in the order of the log; with Accept: text/event-stream, goes on with those that come.",
       {{In::query, "after", "string", "A position: read on behind this event."},
        {In::header, "Last-Event-ID", "string", "The same, for server-sent events."},
        {In::query, "from", "string", "For server-sent events: beginning (the default) or end."},
        {In::query, "type", "array", "Events of any of these types."},
        {In::query, "tag", "array", "Events with all of these tags."},
        {In::query, "key_prefix", "string", "Events of streams whose names begin so."},
        {In::query, "category", "string", "Events of this category of streams."},
        {In::query, "tenant", "string", "Events of this tenant."},
        kBackward, limit("Events at most: 100, up to 10,000."), kAsOfPosition, kAsOfRecorded, kAsOfTime},
       {}, {{200, "A page of events; 'next' is the position to read on behind."}, kNotFound, kGone}, kJson, Right::read, &read_events_of_context},
      {"POST", "/contexts/{context}/events", "post_events", "contexts",
       "Appends CloudEvents, each to the stream that its 'partitionkey' names (or 'subject'), all or none.",
       {kDuplicates}, {kCloudEvent, kBatch, kAny}, {{200, "Appended, and on disk."}, kConflict}, kJson, Right::write, &post_events, true},
      {"POST", "/contexts/{context}/append", "append", "contexts",
       "Appends events to several streams, all or none, with a condition on each stream and one on a query.", {}, {kJson},
       {{200, "Appended, and on disk."}, kConflict, kWrongVersion}, kJson, Right::write, &append_to_context, true},
      {"GET", "/contexts/{context}/position", "find_position", "contexts", "The last event's position, now or at a time.",
       {{In::query, "recorded", "string", "Of the last event that was appended up to this time (RFC 3339)."}}, {}, {{200, "A position."}, kNotFound}, kJson, Right::describe, &find_position},
      {"GET", "/contexts/{context}/checkpoints/{name}", "get_checkpoint", "contexts", "How far a subscription has come, as it was saved.", {}, {},
       {{200, "A position."}, kNotFound}, kJson, Right::read, &get_checkpoint},
      {"PUT", "/contexts/{context}/checkpoints/{name}", "put_checkpoint", "contexts", "Saves how far a subscription has come.",
       {{In::query, "position", "string", "Of the last event that was handled."}}, {}, {{204, "Saved, and on disk."}, kNotFound, kGone}, {}, Right::read, &put_checkpoint},
  };
}

std::vector<Route> other_routes() {
  return {
      {"GET", "/views", "list_views", "views", "The views that are kept.", {}, {}, {{200, "Their states."}}, kJson, Right::handler, &list_views},
      {"GET", "/views/{view}", "query_view", "views", "Asks a view in SQL; without 'sql', tells its tables and how far it has come.",
       {{In::query, "sql", "string", "One SELECT."}, limit("Rows at most: 1,000, up to 100,000."), kAsOfPosition, kAsOfRecorded, kAsOfTime},
       {}, {{200, "Columns and rows; 'truncated': there are more."}, {400, "What SQLite says of the SQL."}, kNotFound, {504, "The query took too long."}}, kJson, Right::handler, &query_view},
      {"GET", "/views/{view}/{table}", "read_view_table", "views", "The rows of one table of a view, an object each.",
       {{In::query, "where", "array", "COLUMN=VALUE; all of them hold."}, {In::query, "order", "string", "A column; -COLUMN: downward."},
        limit("Rows at most: 1,000, up to 100,000."), {In::query, "offset", "integer", "Rows to pass over."}, kAsOfPosition, kAsOfRecorded, kAsOfTime},
       {}, {{200, "Rows; 'truncated': there are more, which 'offset' passes on to."}, kNotFound}, kJson, Right::handler, &read_view_table},

      {"GET", "/", "get_index", "service", "What there is.", {}, {}, {{200, "The routes."}}, kJson, Right::open, &get_index},
      {"GET", "/health", "get_health", "service", "Says that the process runs.", {}, {}, {{200, "It does."}}, kJson, Right::open, &get_health},
      {"GET", "/ready", "get_ready", "service", "Says whether appends are taken and all views go on.", {}, {}, {{200, "Yes."}, {503, "No; the detail says why."}}, kJson, Right::open, &get_ready},
      {"GET", "/metrics", "get_metrics", "service", "What it counts, in Prometheus' text format.", {}, {}, {{200, "Metrics."}}, "text/plain", Right::describe_store, &get_metrics},
      {"GET", "/openapi.json", "get_openapi", "service", "This description.", {}, {}, {{200, "OpenAPI 3.1."}}, kJson, Right::open, &get_openapi},
      {"GET", "/store", "get_store", "service", "The store as a whole.", {}, {}, {{200, "Its id, epoch, size and root hash."}}, kJson, Right::describe_store, &get_store},
      {"POST", "/clock", "confirm_clock", "service", "Says that the machine's clock is right, after it was found to contradict the log.", {}, {}, {{204, "Done."}}, {}, Right::alter_store, &confirm_clock},
      {"POST", "/retention", "apply_retention", "service", "Removes now what retention lets go.", {}, {}, {{204, "Done."}}, {}, Right::alter_store, &apply_retention},
  };
}

}  // namespace

const std::vector<Route>& routes() {
  static const std::vector<Route> all = [] {
    auto out = stream_routes();
    for (auto part : {context_routes(), other_routes()}) out.insert(out.end(), part.begin(), part.end());
    return out;
  }();
  return all;
}

}  // namespace baton::gateway
