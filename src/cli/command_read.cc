// baton read, tail, streams, contexts.
#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "base/try.h"
#include "cli/session.h"
#include "os/terminal.h"

namespace baton::cli {

namespace {

// Nothing of a stream is shown: because there is none, none yet, or none any more.
Status nothing_of(Store& store, const ReadStream& request, const StreamPage& page) {
  const std::string stream = "stream '" + request.stream + "' in context '" + request.context + "'";
  if (page.deleted) {
    return Error{Code::not_found, stream + " was deleted; its last event, version " + std::to_string(page.last_version) +
                                      ", and those before it are shown by --as-of (or --as-of-position) a moment before that"};
  }
  if (page.last_version >= 0) return {};  // it has events, elsewhere
  const auto now = store.stream_head(request.context, request.stream);
  if (now && now->last_version >= 0) return Error{Code::not_found, stream + " did not exist yet at that moment; name a later one, or leave it out"};
  return Error{Code::not_found, "no " + stream + "; 'baton streams' lists them"};
}

Status read_stream(Session& session, ReadStream request, std::size_t limit, const AsOfOptions& as_of) {
  BATON_TRY_ASSIGN(auto store, session.open_for_reading());
  BATON_TRY_ASSIGN(request.context, session.context_or_only(*store, request.context));
  BATON_TRY_ASSIGN(request.as_of, as_of.parse());
  std::size_t shown = 0;
  for (;;) {
    request.limit = std::min<std::size_t>(limit - shown, 1000);
    BATON_TRY_ASSIGN(const auto page, store->read_stream(request));
    for (const auto& event : page.events) session.out().event(event);
    shown += page.events.size();
    if (shown == 0 && !page.next_version) return nothing_of(*store, request, page);
    if (!page.next_version || shown >= limit || os::interrupted()) return {};
    request.from_version = *page.next_version;
  }
}

struct TailOptions {
  std::string context;
  std::string from;  // empty: not given
  std::string checkpoint;
  std::size_t count = 0;
  std::size_t rate = 0;
  bool no_follow = false;
  FilterOptions filter;
};

Result<StartAt> start_of(const std::string& from) {
  StartAt start;
  if (from == "end") {
    start.kind = StartAt::Kind::end;
  } else if (from == "beginning") {
    start.kind = StartAt::Kind::beginning;
  } else if (from.starts_with("p1.")) {
    start.kind = StartAt::Kind::position;
    start.position.token = from;
  } else {
    start.kind = StartAt::Kind::time;
    auto time = Time::parse(from);
    if (!time) return Error{Code::invalid_argument, "--from '" + from + "' is none of: beginning, end, a position (p1...), a time (RFC 3339)"};
    start.time = *time;
  }
  return start;
}

// A checkpoint says where to go on; --from, where a new one begins.
Result<StartAt> start_of(const TailOptions& options, const std::optional<Position>& saved) {
  if (options.checkpoint.empty()) return start_of(options.from.empty() ? "end" : options.from);
  if (!saved) return start_of(options.from.empty() ? "beginning" : options.from);
  if (!options.from.empty())
    return Error{Code::invalid_argument, "checkpoint '" + options.checkpoint + "' is there and says where to go on: leave out --from, or name a new checkpoint to begin there"};
  return StartAt{.kind = StartAt::Kind::checkpoint, .position = {}, .time = {}, .checkpoint = options.checkpoint};
}

// What is told next is not what came next.
void warn_of_a_gap(std::int64_t removed) {
  print_warning("a retention has removed up to " + with_commas(static_cast<std::uint64_t>(removed)) + " events behind the last position; what is left is told");
}

Status tail(Session& session, const TailOptions& options) {
  // A checkpoint is state of the store, so moving one needs the right to write.
  BATON_TRY_ASSIGN(auto store, options.checkpoint.empty() ? session.open_for_reading() : session.open_for_writing(false));
  SubscribeOptions subscribe;
  BATON_TRY_ASSIGN(subscribe.context, session.context_or_only(*store, options.context));
  std::optional<Position> saved;
  if (!options.checkpoint.empty()) {
    BATON_TRY_ASSIGN(saved, store->checkpoint(subscribe.context, options.checkpoint));
  }
  BATON_TRY_ASSIGN(subscribe.start, start_of(options, saved));
  subscribe.filter = options.filter.filter;
  subscribe.live = !options.no_follow;
  subscribe.events_per_second_max = options.rate;
  BATON_TRY_ASSIGN(auto subscription, store->subscribe(subscribe));
  // From the beginning means from the beginning of what is left.
  const bool from_beginning = subscribe.start.kind == StartAt::Kind::beginning || (saved && saved->is_beginning());
  // Else a new one that is ended before its first event would begin elsewhere the next time.
  if (!options.checkpoint.empty() && !saved && !from_beginning) BATON_TRY(subscription->save_checkpoint(options.checkpoint));
  std::int64_t told = from_beginning ? subscription->removed() : 0;
  std::size_t shown = 0;
  while (!os::interrupted() && !subscription->at_end()) {
    const auto want = options.count == 0 ? std::size_t{256} : std::min<std::size_t>(256, options.count - shown);
    BATON_TRY_ASSIGN(const auto got, subscription->next(want, 100, [&](const EventView& view) {
      session.out().event(view.to_event());
      return true;
    }));
    if (const std::int64_t removed = subscription->removed(); removed > told) warn_of_a_gap(removed - std::exchange(told, removed));
    if (!session.out().flush()) break;  // nobody has seen these: the checkpoint stays before them
    shown += got;
    if (!options.checkpoint.empty() && got > 0) BATON_TRY(subscription->save_checkpoint(options.checkpoint));
    if (options.count != 0 && shown >= options.count) break;
  }
  return {};
}

Status streams(Session& session, const std::string& given, const std::string& prefix, std::size_t limit) {
  BATON_TRY_ASSIGN(auto store, session.open_for_reading());
  BATON_TRY_ASSIGN(const auto context, session.context_or_only(*store, given));
  std::vector<std::vector<std::string>> rows;
  std::string after;
  bool more = true;
  std::size_t shown = 0;
  while (more && shown < limit && !os::interrupted()) {
    BATON_TRY_ASSIGN(const auto page, store->streams(context, prefix, after, std::min<std::size_t>(limit - shown, 1000)));
    for (const auto& head : page.streams) {
      if (session.out().json()) {
        std::string text = "{\"stream\":";
        put_json_string(text, head.stream);
        text += fmt::format(",\"last_version\":{},\"deleted\":{}}}", head.last_version, head.deleted);
        session.out().line(text);
      } else {
        rows.push_back({head.stream, std::to_string(head.last_version), head.deleted ? "deleted" : ""});
      }
    }
    shown += page.streams.size();
    after = page.next;
    more = !page.next.empty();
  }
  if (!session.out().json()) session.out().table({{"stream"}, {"last version", Output::Align::right}, {""}}, rows);
  if (more && shown >= limit && session.out().flush()) print_note("there are more streams; raise --limit, or narrow the list with --prefix");
  return {};
}

Status contexts(Session& session) {
  BATON_TRY_ASSIGN(auto store, session.open_for_reading());
  BATON_TRY_ASSIGN(const auto all, store->contexts());
  std::vector<std::vector<std::string>> rows;
  for (const auto& c : all) {
    if (session.out().json()) {
      std::string text = "{\"context\":";
      put_json_string(text, c.name);
      text += fmt::format(",\"id\":\"{}\",\"partitions\":{},\"partitioner\":\"{}\",\"events\":{},\"bytes\":{},\"data_bytes_max\":{},\"end\":\"{}\"}}", c.id,
                          c.options.partitions, c.options.partitioner, c.events, c.bytes, c.options.data_bytes_max, c.end.token);
      session.out().line(text);
    } else {
      rows.push_back({c.name, with_commas(static_cast<std::uint64_t>(c.events)), human_bytes(c.bytes), std::to_string(c.options.partitions), c.end.token});
    }
  }
  if (!session.out().json())
    session.out().table({{"context"}, {"events", Output::Align::right}, {"size", Output::Align::right}, {"partitions", Output::Align::right}, {"end"}}, rows);
  return {};
}

}  // namespace

void add_read_commands(CLI::App& app, Session& session) {
  {
    struct Options {
      ReadStream request;
      std::size_t limit = SIZE_MAX;
      AsOfOptions as_of;
    };
    auto o = std::make_shared<Options>();
    auto* sub = app.add_subcommand("read", "Show the events of one stream");
    sub->add_option("stream", o->request.stream, "The stream, e.g. ride-139545")->required();
    sub->add_option("--context", o->request.context, "Its context; not needed when there is only one");
    sub->add_flag("--backward", o->request.backward, "Newest first");
    sub->add_option("--from", o->request.from_version, "Start at this version (inclusive)")->check(at_least(0));
    sub->add_option("-n,--limit", o->limit, "At most so many events")->check(at_least(1));
    o->as_of.add_to(*sub);
    sub->callback([&session, o] { session.run([&] { return read_stream(session, o->request, o->limit, o->as_of); }); });
  }
  {
    auto o = std::make_shared<TailOptions>();
    auto* sub = app.add_subcommand("tail", "Follow the events of a context as they come");
    sub->add_option("context", o->context, "The context; not needed when there is only one");
    sub->add_option("--from", o->from, "beginning, end, a position, or a time; not with a --checkpoint that is there")
        ->check(not_empty())
        ->default_str("end, or the beginning with a new --checkpoint");
    sub->add_option("--checkpoint", o->checkpoint, "Go on where this checkpoint stands, and move it; a new one begins at --from; opens the store for writing")->check(not_empty());
    sub->add_option("-n,--count", o->count, "End after so many events")->check(at_least(1));
    sub->add_option("--rate", o->rate, "At most so many events a second");
    sub->add_flag("--no-follow", o->no_follow, "End at what is there now");
    o->filter.add_to(*sub);
    sub->callback([&session, o] { session.run([&] { return tail(session, *o); }); });
  }
  {
    struct Options {
      std::string context, prefix;
      std::size_t limit = 100;
    };
    auto o = std::make_shared<Options>();
    auto* sub = app.add_subcommand("streams", "List streams and their last versions");
    sub->add_option("context", o->context, "The context; not needed when there is only one");
    sub->add_option("--prefix", o->prefix, "Only names that begin with this");
    sub->add_option("-n,--limit", o->limit, "At most so many")->check(at_least(1))->capture_default_str();
    sub->callback([&session, o] { session.run([&] { return streams(session, o->context, o->prefix, o->limit); }); });
  }
  app.add_subcommand("contexts", "List the contexts")->callback([&session] { session.run([&] { return contexts(session); }); });
}

}  // namespace baton::cli
