// baton append, delete, truncate, context.
#include <algorithm>
#include <array>
#include <memory>

#include <boost/json/parse.hpp>
#include <fmt/format.h>

#include "base/try.h"
#include "broker/cloud_event.h"
#include "broker/json_raw.h"
#include "cli/row_reader.h"
#include "cli/session.h"
#include "os/terminal.h"
#include "store/limits.h"

namespace baton::cli {

namespace {

Result<Expect> parse_expect(const std::string& text) {
  if (text == "any") return Expect::any();
  if (text == "no-stream") return Expect::no_stream();
  if (text == "exists") return Expect::exists();
  std::int64_t version = 0;
  std::size_t used = 0;
  for (; used < text.size() && used < 18 && text[used] >= '0' && text[used] <= '9'; ++used) version = version * 10 + (text[used] - '0');
  if (text.empty() || used != text.size())
    return Error{Code::invalid_argument, "--expect '" + text + "' is none of: any, no-stream, exists, or the version of the stream's last event"};
  return Expect::exact(version);
}

struct AppendOptions {
  std::string context, stream, expect = "any", data, time;
  NewEvent event;
  bool no_data = false;
  std::vector<std::string> unless_types, unless_tags;
  std::string after;
  std::string ndjson;
  bool skip_duplicates = false;
};

void print_appended(Session& session, const Appended& appended) {
  for (const auto& event : appended.events) {
    if (session.out().json()) {
      std::string text = "{\"id\":";
      put_json_string(text, event.id);
      text += fmt::format(",\"version\":{},\"position\":\"{}\",\"offset\":{},\"duplicate\":{}}}", event.version, event.position.token, event.offset, event.duplicate);
      session.out().line(text);
    } else {
      session.out().line(fmt::format("{} version {} at {}{}", session.out().green("appended"), event.version, event.position.token,
                                     event.duplicate ? " (was there already)" : ""));
    }
  }
}

// A file's text, or standard input for '-'.
Result<std::string> text_argument(Session& session, const std::string& given) {
  if (!given.starts_with('@')) return given;
  BATON_TRY_ASSIGN(const auto bytes, os::read_file(session.env().fs(), given.substr(1), 1u << 20));
  return std::string(base::as_text(bytes));
}

Status append_one(Session& session, AppendOptions& o) {
  BATON_TRY_ASSIGN(const auto expect, parse_expect(o.expect));
  if (!o.no_data) {
    BATON_TRY_ASSIGN(o.event.data, text_argument(session, o.data));
  }
  o.event.has_data = !o.no_data;
  if (o.event.content_type == "application/json" && o.event.has_data) {
    boost::system::error_code error;
    boost::json::parse(o.event.data, error);
    if (error)
      return Error{Code::invalid_argument, "--data is not JSON (" + error.message() + "); quote it for the shell, or say what it is with --content-type"};
  }
  if (!o.time.empty()) {
    BATON_TRY_ASSIGN(o.event.time, Time::parse(o.time));
  }
  Append append;
  append.context = o.context;
  append.streams.push_back({.stream = o.stream, .condition = expect, .events = {o.event}});
  append.duplicates = o.skip_duplicates ? Append::Duplicates::skip : Append::Duplicates::refuse_partial;
  if (!o.unless_types.empty() || !o.unless_tags.empty())
    append.unless = Unless{.query = {.items = {{.types = o.unless_types, .tags = o.unless_tags}}}, .after = {o.after}};
  BATON_TRY(store::check_context_name(o.context));  // a mistake makes no store
  BATON_TRY(store::check_stream_name(o.stream));
  // Nor does a condition that nothing meets in a store that is not there.
  const bool may_begin = (expect.kind == Expect::Kind::any || expect.kind == Expect::Kind::no_stream) && o.after.empty();
  if (!may_begin) BATON_TRY(session.need_store());
  BATON_TRY_ASSIGN(auto store, session.open_for_writing(true));
  BATON_TRY_ASSIGN(const auto appended, store->append(std::move(append)));
  print_appended(session, appended);
  return session.close(*store);
}

// Of an event as --json prints it: where it was, which the store gives anew.
constexpr std::array<std::string_view, 6> kOfItsPlace = {"context", "version", "recorded", "position", "offset", "partition"};

// One line of --ndjson: {"stream": .., "type": .., "data": .., and optionally id, source, time, tenant, correlation, causation, tags, headers}, or an event that --json printed.
Result<StreamAppend> parse_line(std::string_view line) {
  boost::system::error_code error;
  const auto value = boost::json::parse(line, error);
  if (error || !value.is_object()) return Error{Code::invalid_argument, "not a JSON object"};
  StreamAppend result;
  NewEvent event;
  const std::array<std::pair<std::string_view, std::string*>, 11> texts{{{"stream", &result.stream}, {"type", &event.type}, {"id", &event.id},
      {"source", &event.source}, {"tenant", &event.tenant}, {"correlation", &event.correlation_id}, {"causation", &event.causation_id},
      {"traceparent", &event.traceparent}, {"subject", &event.subject}, {"content_type", &event.content_type}, {"time", nullptr}}};
  for (const auto& [key, field] : value.get_object()) {
    const std::string_view name = key;
    if (name == "data" || name == "data_base64") continue;  // below: how depends on content_type
    if (std::ranges::find(kOfItsPlace, name) != kOfItsPlace.end()) continue;
    if (name == "system") return Error{Code::invalid_argument, "a record of the store's own (it hides events) is not appended: leave it out"};
    if (name == "headers") {
      BATON_TRY(broker::read_header_list(field, event.headers));
      continue;
    }
    if (name == "tags" && field.is_array()) {
      for (const auto& tag : field.get_array()) {
        if (!tag.is_string()) return Error{Code::invalid_argument, "a tag must be a string"};
        event.tags.emplace_back(tag.get_string());
      }
      continue;
    }
    const auto* known = std::find_if(texts.begin(), texts.end(), [&](const auto& t) { return t.first == name; });
    if (known == texts.end() || !field.is_string())
      return Error{Code::invalid_argument, "key '" + std::string(name) + "' is unknown, or its value is not a string"};
    const std::string text(field.get_string());
    if (known->second != nullptr) {
      *known->second = text;
    } else {
      BATON_TRY_ASSIGN(event.time, Time::parse(text));
    }
  }
  BATON_TRY(broker::check_repeats(line));
  BATON_TRY(broker::read_data(line, value.get_object(), event));
  result.events.push_back(std::move(event));
  return result;
}

Status append_lines(Session& session, const AppendOptions& o) {
  if (o.ndjson == "-") BATON_TRY(os::read_standard_input({}, 0));  // one that is closed is not an empty one
  BATON_TRY_ASSIGN(auto input, InputStream::open(session.env(), o.ndjson == "-" ? "/dev/stdin" : o.ndjson));
  BATON_TRY_ASSIGN(auto rows, read_ndjson(std::move(input), o.ndjson));
  BATON_TRY(store::check_context_name(o.context));
  BATON_TRY_ASSIGN(auto store, session.open_for_writing(true));
  std::uint64_t events = 0, duplicates = 0;
  Row row;
  const auto at_line = [&](const Error& error) {
    return Error{error.code, o.ndjson + ": line " + std::to_string(row.line) + ": " + error.detail +
                                 (events == 0 ? "" : "; what stands before it has been appended (" + with_commas(events) + " events), and is passed over another time where it has an id")};
  };
  for (;;) {
    BATON_TRY_ASSIGN(const auto next, rows->next(row));
    if (!next.have) break;
    auto parsed = parse_line(row.raw);
    if (!parsed) return at_line(parsed.error());
    Append append;
    append.context = o.context;
    append.streams.push_back(*std::move(parsed));
    auto appended = store->append(std::move(append));
    if (!appended) return at_line(appended.error());
    ++events;
    duplicates += appended->events.front().duplicate ? 1 : 0;
    session.out().progress(session.env().clock(), "appended", events, 0, "events");
  }
  session.out().line(session.out().json() ? fmt::format("{{\"events\":{},\"duplicates\":{}}}", events, duplicates)
                                          : fmt::format("{} events appended, {} were there already", events - duplicates, duplicates));
  return session.close(*store);
}

void add_append(CLI::App& app, Session& session) {
  auto o = std::make_shared<AppendOptions>();
  auto* sub = app.add_subcommand("append", "Append an event, or one a line from a file");
  sub->add_option("context", o->context, "The context, e.g. rides; it is made if it is not there")->required();
  sub->add_option("stream", o->stream, "The stream, e.g. ride-7");
  sub->add_option("--type", o->event.type, "What happened, in the past tense: RideStarted");
  auto* data = sub->add_option("--data", o->data, "Its data, JSON; @FILE reads a file")->default_str("{}");
  sub->add_flag("--no-data", o->no_data, "No data at all")->excludes(data);
  sub->add_option("--content-type", o->event.content_type, "When the data is not JSON")->capture_default_str();
  sub->add_option("--id", o->event.id, "Its id: appending the same id again adds nothing");
  sub->add_option("--source", o->event.source, "Where it comes from");
  sub->add_option("--time", o->time, "When it happened (RFC 3339); else now");
  sub->add_option("--tenant", o->event.tenant, "Whose it is");
  sub->add_option("--correlation", o->event.correlation_id, "The correlation id");
  sub->add_option("--causation", o->event.causation_id, "The id of the event that caused it");
  sub->add_option("--subject", o->event.subject, "The CloudEvents subject");
  sub->add_option("--tag", o->event.tags, "name:value; may be repeated");
  sub->add_option("--expect", o->expect, "any, no-stream, exists, or the version of the stream's last event")->capture_default_str();
  sub->add_option("--unless-type", o->unless_types, "Refuse if there is an event of this type (and with the tags given) ...");
  sub->add_option("--unless-tag", o->unless_tags, "... or with this tag; may be repeated (all of them)");
  sub->add_option("--after", o->after, "... after this position")->check(not_empty());
  auto* ndjson = sub->add_option("--ndjson", o->ndjson, "Append an event for each line of FILE ('-': standard input): {\"stream\":..,\"type\":..,\"data\":..}");
  sub->add_flag("--skip-duplicates", o->skip_duplicates, "Pass over events whose ids are known");
  // What is said of one event is not said of every line of a file.
  for (CLI::Option* one : sub->get_options()) {
    const std::string name = one->get_name();
    if (name == "context" || name == "--ndjson" || name.starts_with("--help") || name == "-h,--help") continue;
    ndjson->excludes(one);
  }
  sub->callback([&session, o, data] {
    session.run([&]() -> Status {
      if (!o->ndjson.empty()) return append_lines(session, *o);
      if (o->stream.empty() || o->event.type.empty())
        return Error{Code::invalid_argument, "name a stream and --type, or a file with --ndjson"};
      if (!o->after.empty() && o->unless_types.empty() && o->unless_tags.empty())
        return Error{Code::invalid_argument, "--after goes with --unless-type or --unless-tag: it says from where on they look"};
      if (data->count() == 0) o->data = "{}";
      return append_one(session, *o);
    });
  });
}

void add_delete(CLI::App& app, Session& session) {
  struct Options {
    std::string context, stream, expect = "any";
    std::int64_t before = -1;
  };
  const auto common = [&session](CLI::App* sub, const std::shared_ptr<Options>& o) {
    sub->add_option("stream", o->stream, "The stream")->required();
    sub->add_option("--context", o->context, "Its context; not needed when there is only one");
    sub->add_option("--expect", o->expect, "any, exists, or the version of its last event")->capture_default_str();
    (void)session;
  };
  const auto body = [&session](const Options& o, bool truncate) -> Status {
    BATON_TRY_ASSIGN(const auto expect, parse_expect(o.expect));
    BATON_TRY_ASSIGN(auto store, session.open_for_writing(false));
    BATON_TRY_ASSIGN(const auto context, session.context_or_only(*store, o.context));
    BATON_TRY_ASSIGN(const auto position, truncate ? store->truncate_stream(context, o.stream, o.before, expect) : store->delete_stream(context, o.stream, expect));
    session.out().line(session.out().json() ? "{\"position\":\"" + position.token + "\"}"
                                            : (truncate ? "truncated at " : "deleted at ") + position.token + "; the events stay in the log, hidden from stream reads");
    return session.close(*store);
  };
  auto o = std::make_shared<Options>();
  auto* sub = app.add_subcommand("delete", "Hide a stream's events from stream reads");
  common(sub, o);
  sub->callback([&session, o, body] { session.run([&] { return body(*o, false); }); });
  auto t = std::make_shared<Options>();
  sub = app.add_subcommand("truncate", "Hide a stream's events before a version from stream reads");
  common(sub, t);
  sub->add_option("--before", t->before, "The first version that stays")->required()->check(at_least(0));
  sub->callback([&session, t, body] { session.run([&] { return body(*t, true); }); });
}

void add_context(CLI::App& app, Session& session) {
  struct Options {
    std::string name;
    ContextOptions options;
    std::int64_t retention_ms = -1, retention_bytes = -1;
  };
  auto o = std::make_shared<Options>();
  auto* sub = app.add_subcommand("create-context", "Make a context with settings other than the defaults");
  sub->add_option("name", o->name, "[a-z][a-z0-9_-]{0,62}")->required();
  sub->add_option("--partitions", o->options.partitions, "Fixed; more than one gives up tag conditions and total order")->capture_default_str();
  sub->add_option("--partitioner", o->options.partitioner, "murmur2 (Java), crc32 (librdkafka), fnv1a (sarama)")->capture_default_str();
  sub->add_option("--data-bytes-max", o->options.data_bytes_max, "The largest data of one event")->capture_default_str();
  sub->add_option("--default-type", o->options.default_type, "The type of records that name none");
  sub->add_flag("--history-deletable", o->options.history_deletable, "Allow that history is deleted");
  sub->add_option("--retention-ms", o->retention_ms, "Remove segments older than this, with --history-deletable; default: keep for ever")->check(at_least(0));
  sub->add_option("--retention-bytes", o->retention_bytes, "Remove the oldest segments above this size, likewise; default: keep all")->check(at_least(0));
  sub->callback([&session, o] {
    session.run([&]() -> Status {
      if (o->retention_ms >= 0) o->options.retention_ms = o->retention_ms;
      if (o->retention_bytes >= 0) o->options.retention_bytes = o->retention_bytes;
      BATON_TRY(store::check_context_name(o->name));
      BATON_TRY(store::check_context_options(o->options));
      BATON_TRY_ASSIGN(auto store, session.open_for_writing(true));
      BATON_TRY(store->create_context(o->name, o->options));
      session.out().line(session.out().json() ? "{\"created\":\"" + o->name + "\"}" : "context '" + o->name + "' made");
      return session.close(*store);
    });
  });
}

}  // namespace

void add_append_commands(CLI::App& app, Session& session) {
  add_append(app, session);
  add_delete(app, session);
  add_context(app, session);
}

}  // namespace baton::cli
