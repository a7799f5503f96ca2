// baton view load | list | update | query | rebuild | rollback | drop.
#include <cmath>
#include <memory>

#include <fmt/format.h>

#include "base/hex.h"
#include "base/try.h"
#include "cli/session.h"
#include "engine/embedded.h"
#include "os/terminal.h"
#include "view/views.h"

namespace baton::cli {

namespace {

// A store, the engine over it, and its views, in the order in which they must end.
struct Opened {
  std::unique_ptr<Store> store;
  std::unique_ptr<engine::Engine> engine;
  std::unique_ptr<view::ViewManager> views;
};

// Views are files of their own: writing them needs no right to write events, so they can be kept beside a running writer.
Result<Opened> open_views(Session& session, bool write) {
  Opened opened;
  BATON_TRY_ASSIGN(opened.store, session.open_for_reading());
  opened.engine = engine::make_embedded(*opened.store);
  view::ViewOptions options;
  options.read_only = !write;
  options.on_warning = print_warning;
  BATON_TRY_ASSIGN(opened.views, view::ViewManager::open(session.env(), opened.engine.get(), os::join(session.data(), "views"), options));
  return opened;
}

std::function<bool(const view::FeedProgress&)> progress_of(Session& session, std::string what) {
  return [&session, what = std::move(what)](const view::FeedProgress& p) {
    const auto total = p.done > 0 ? static_cast<std::uint64_t>(static_cast<double>(p.events) / p.done) : 0;
    session.out().progress(session.env().clock(), what, static_cast<std::uint64_t>(p.events), total, "events");
    return !os::interrupted();
  };
}

void put_json_value(std::string& out, const view::Value& value) {
  if (std::holds_alternative<std::monostate>(value)) out += "null";
  else if (const auto* text = std::get_if<std::string>(&value)) put_json_string(out, *text);
  else if (const auto* blob = std::get_if<view::Blob>(&value)) put_json_string(out, base::to_hex(base::as_bytes(blob->bytes)));
  else if (const auto* real = std::get_if<double>(&value)) out += std::isfinite(*real) ? fmt::format("{}", *real) : "null";
  else out += std::to_string(std::get<std::int64_t>(value));
}

void print_result(Session& session, const view::QueryResult& result) {
  auto& out = session.out();
  if (out.json()) {
    for (const auto& row : result.rows) {
      std::string text = "{";
      for (std::size_t i = 0; i < row.size(); ++i) {
        if (i > 0) text.push_back(',');
        put_json_string(text, result.columns[i]);
        text.push_back(':');
        put_json_value(text, row[i]);
      }
      if (!out.line(text + "}")) return;
    }
  } else {
    std::vector<Output::Column> columns;
    for (std::size_t i = 0; i < result.columns.size(); ++i) {
      const auto is_number = [i](const auto& row) { return std::holds_alternative<std::int64_t>(row[i]) || std::holds_alternative<double>(row[i]); };
      const bool numbers = !result.rows.empty() && std::all_of(result.rows.begin(), result.rows.end(), is_number);
      columns.push_back({result.columns[i], numbers ? Output::Align::right : Output::Align::left});
    }
    std::vector<std::vector<std::string>> rows;
    for (const auto& row : result.rows) {
      auto& cells = rows.emplace_back();
      for (const auto& value : row) cells.push_back(view::to_text(value));
    }
    out.table(columns, rows);
  }
  if (result.truncated) print_note("there are more rows; add LIMIT, or raise --rows");
}

const char* state_name(view::ViewInfo::State state) {
  switch (state) {
    case view::ViewInfo::State::ready: return "ready";
    case view::ViewInfo::State::live: return "live";
    case view::ViewInfo::State::needs_rebuild: return "needs rebuild";
    case view::ViewInfo::State::stopped: return "stopped";
  }
  return "";
}

Status list(Session& session) {
  BATON_TRY_ASSIGN(auto opened, open_views(session, false));
  BATON_TRY_ASSIGN(const auto views, opened.views->list());
  std::vector<std::vector<std::string>> rows;
  for (const auto& v : views) {
    if (session.out().json()) {
      std::string text = "{\"view\":";
      put_json_string(text, v.name);
      text += ",\"context\":";
      put_json_string(text, v.context);
      text += fmt::format(",\"state\":\"{}\",\"events\":{},\"lag\":{},\"generation\":{},\"previous\":{},\"copies\":{},\"position\":\"{}\",\"detail\":", state_name(v.state),
                          v.events, v.lag ? std::to_string(*v.lag) : "null", v.generation, v.previous, v.copies, v.position.token);
      put_json_string(text, v.detail);
      session.out().line(text + "}");
    } else {
      rows.push_back({v.name, v.context, state_name(v.state), with_commas(static_cast<std::uint64_t>(v.events)), v.lag ? std::to_string(*v.lag) : "",
                      std::to_string(v.copies), v.detail});
    }
  }
  if (!session.out().json())
    session.out().table({{"view"}, {"context"}, {"state"}, {"events", Output::Align::right}, {"behind", Output::Align::right}, {"copies", Output::Align::right}, {""}}, rows);
  return {};
}

Status update(Session& session, Opened& opened, std::vector<std::string> names) {
  if (names.empty()) {
    BATON_TRY_ASSIGN(const auto views, opened.views->list());
    for (const auto& v : views) names.push_back(v.name);
  }
  // One that cannot go on keeps no other from it: what the last of them says is the outcome, and what the ones before it say is told, too.
  Status outcome;
  for (const auto& name : names) {
    const auto applied = opened.views->catch_up(name, INT64_MAX, progress_of(session, "view " + name + ":"));
    if (!applied) {
      session.out().end_progress();
      if (!outcome) print_warning(outcome.error().detail);
      const std::string& detail = applied.error().detail;
      outcome = Error{applied.error().code, detail.starts_with("view '") ? detail : "view '" + name + "': " + detail};
      if (applied.error().code == Code::cancelled) break;
      continue;
    }
    session.out().line(session.out().json() ? fmt::format("{{\"view\":\"{}\",\"applied\":{}}}", name, *applied)
                                            : fmt::format("view {}: {} events applied", name, with_commas(static_cast<std::uint64_t>(*applied))));
  }
  Status closed = opened.views->close();
  return outcome ? std::move(closed) : std::move(outcome);
}

Status load(Session& session, const std::string& file, bool only_load) {
  BATON_TRY_ASSIGN(auto opened, open_views(session, true));
  BATON_TRY_ASSIGN(const auto loaded, opened.views->load_file(file));
  std::vector<std::string> names, waiting;
  for (const auto& v : loaded) {
    const char* outcome = v.outcome == view::LoadedView::Outcome::created ? "created" : v.outcome == view::LoadedView::Outcome::unchanged ? "unchanged" : "needs rebuild";
    session.out().line(session.out().json() ? fmt::format("{{\"view\":\"{}\",\"outcome\":\"{}\"}}", v.name, outcome)
                                            : fmt::format("view {}: {}{}{}", v.name, outcome, v.detail.empty() ? "" : "; ", v.detail));
    (v.outcome == view::LoadedView::Outcome::needs_rebuild ? waiting : names).push_back(v.name);
  }
  BATON_TRY(only_load || names.empty() ? opened.views->close() : update(session, opened, names));
  if (waiting.empty()) return {};
  // What was loaded is not what is in force: a script must not take that for done.
  session.end_with(Exit::conflict);
  std::string todo;
  for (const auto& name : waiting) todo += (todo.empty() ? "" : " && ") + ("baton view rebuild " + name);
  return Error{Code::incompatible, "the old definition goes on, since the one that was loaded differs from it, until: " + todo};
}

Status rebuild(Session& session, const std::string& name) {
  BATON_TRY_ASSIGN(auto opened, open_views(session, true));
  BATON_TRY_ASSIGN(const auto report, opened.views->rebuild(name, progress_of(session, "rebuilding " + name + ":")));
  session.out().end_progress();
  if (session.out().json()) {
    std::string text = fmt::format("{{\"view\":\"{}\",\"events\":{},\"seconds\":{:.3f},\"equal\":{},\"note\":", name, report.events, report.seconds, report.equal);
    put_json_string(text, report.note);
    text += ",\"tables\":[";
    for (std::size_t i = 0; i < report.tables.size(); ++i) {
      const auto& t = report.tables[i];
      text += i > 0 ? ",{\"table\":" : "{\"table\":";
      put_json_string(text, t.table);
      text += fmt::format(",\"only_old\":{},\"only_new\":{},\"changed\":{}}}", t.only_old, t.only_new, t.changed);
    }
    session.out().line(text + "]}");
    return opened.views->close();
  }
  session.out().line(fmt::format("view {} rebuilt from {} events in {:.1f} s; {}", name, with_commas(static_cast<std::uint64_t>(report.events)), report.seconds,
                                 report.equal            ? "equal to the one before"
                                 : report.tables.empty() ? "not compared with the one before"
                                                         : "it differs from the one before:"));
  for (const auto& t : report.tables) {
    if (t.equal()) continue;
    session.out().line(fmt::format("  {}: {} rows gone, {} new, {} changed{}{}", t.table, t.only_old, t.only_new, t.changed, t.note.empty() ? "" : "; ", t.note));
    for (const auto& example : t.examples) session.out().line("    " + example);
  }
  if (!report.note.empty()) session.out().line("note: " + report.note);
  session.out().line("the one before is kept: baton view rollback " + name);
  return opened.views->close();
}

}  // namespace

void add_view_commands(CLI::App& app, Session& session) {
  auto* group = app.add_subcommand("view", "Views: tables kept up to date from events");
  group->require_subcommand(1);
  group->add_subcommand("list", "The views, how far they are, and what is wrong with them")->callback([&session] {
    session.run([&] { return list(session); });
  });
  {
    struct Options {
      std::string file;
      bool only_load = false;
    };
    auto o = std::make_shared<Options>();
    auto* sub = group->add_subcommand("load", "Load view definitions from a YAML file, and bring them up to date");
    sub->add_option("file", o->file, "docs/formats/views.md says what is in it")->required();
    sub->add_flag("--no-update", o->only_load, "Load only");
    sub->footer(with_exit_codes("4 also says that a definition has changed, and that the old one goes on until 'baton view rebuild'."));
    sub->callback([&session, o] { session.run([&] { return load(session, o->file, o->only_load); }); });
  }
  {
    auto names = std::make_shared<std::vector<std::string>>();
    auto* sub = group->add_subcommand("update", "Apply the events that came since");
    sub->add_option("names", *names, "Views; all when none is named");
    sub->callback([&session, names] {
      session.run([&]() -> Status {
        BATON_TRY_ASSIGN(auto opened, open_views(session, true));
        return update(session, opened, *names);
      });
    });
  }
  {
    struct Options {
      std::string name, sql;
      AsOfOptions as_of;
      view::QueryLimits limits;
    };
    auto o = std::make_shared<Options>();
    auto* sub = group->add_subcommand("query", "Ask a view, as it is or as it was");
    sub->add_option("name", o->name, "The view")->required();
    sub->add_option("sql", o->sql, "One SELECT")->required();
    sub->add_option("--timeout-ms", o->limits.timeout_ms, "Give up after so long")->capture_default_str()->check(at_least(1));
    sub->add_option("--rows", o->limits.rows_max, "At most so many rows")->capture_default_str();
    o->as_of.add_to(*sub);
    sub->callback([&session, o] {
      session.run([&]() -> Status {
        BATON_TRY_ASSIGN(auto opened, open_views(session, false));
        BATON_TRY_ASSIGN(const auto as_of, o->as_of.parse());
        const bool past = as_of.position || as_of.recorded || as_of.time;
        BATON_TRY_ASSIGN(const auto result, past ? opened.views->query_as_of(o->name, o->sql, as_of, o->limits, progress_of(session, "going back:"))
                                                 : opened.views->query(o->name, o->sql, o->limits));
        session.out().end_progress();
        print_result(session, result);
        return {};
      });
    });
  }
  const auto named = [&](const char* command, const char* help, const std::function<Status(const std::string&)>& body) {
    auto name = std::make_shared<std::string>();
    auto* sub = group->add_subcommand(command, help);
    sub->add_option("name", *name, "The view")->required();
    sub->callback([&session, name, body] { session.run([&] { return body(*name); }); });
  };
  named("rebuild", "Build a view again beside the live one, compare, and swap", [&session](const std::string& name) { return rebuild(session, name); });
  named("rollback", "Go back to the view before the last rebuild", [&session](const std::string& name) -> Status {
    BATON_TRY_ASSIGN(auto opened, open_views(session, true));
    BATON_TRY(opened.views->rollback(name));
    session.out().line(session.out().json() ? "{\"rolled_back\":true}" : "view " + name + ": back to the one before; 'rollback' again undoes it");
    return opened.views->close();
  });
  named("drop", "Remove a view and its files; the events stay", [&session](const std::string& name) -> Status {
    BATON_TRY_ASSIGN(auto opened, open_views(session, true));
    BATON_TRY(opened.views->drop(name));
    session.out().line(session.out().json() ? "{\"dropped\":true}" : "view " + name + " removed");
    return {};
  });
}

}  // namespace baton::cli
