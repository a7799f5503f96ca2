#include "cli/session.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <new>
#include <system_error>

#include "base/suggest.h"
#include "base/try.h"
#include "os/terminal.h"

namespace baton::cli {

Output& Session::out() {
  if (!out_) {
    const auto standard = os::terminal(1);
    const auto errors = os::terminal(2);
    const bool colour = standard.interactive && !json_ && !no_colour_ && !os::environment_variable("NO_COLOR");
    out_.emplace(json_, colour, errors.interactive, standard.interactive ? standard.columns : errors.columns);
  }
  return *out_;
}

std::string with_exit_codes(std::string_view footer) { return std::string(footer) + "\n\n" + std::string(kExitCodes); }

CLI::Validator not_empty() {
  const auto check = [](const std::string& text) { return text.empty() ? std::string("takes a value, and was given an empty one") : std::string(); };
  return {check, ""};
}

CLI::Validator at_least(std::int64_t least) {
  const auto check = [least](const std::string& text) -> std::string {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc{} && end == text.data() + text.size() && number >= least) return {};
    return "takes a whole number, " + std::to_string(least) + " or more, not '" + printable(text) + "'";
  };
  return {check, ">= " + std::to_string(least)};
}

void print_warning(const std::string& text) { std::fprintf(stderr, "baton: warning: %s\n", text.c_str()); }
void print_note(const std::string& text) { std::fprintf(stderr, "baton: %s\n", text.c_str()); }

namespace {
Options options_with_warnings() {
  Options options;
  options.on_warning = print_warning;
  options.on_fatal = [](const Error& error) { std::fprintf(stderr, "baton: the store has ended: %s\n", error.to_string().c_str()); };
  return options;
}
}  // namespace

Result<std::unique_ptr<Store>> Session::open_for_reading() {
  BATON_TRY_ASSIGN(const bool there, env_.fs().exists(os::join(data_, "catalogue")));
  if (!there)
    return Error{Code::not_found, "no store in '" + data_ + "': name its directory with --data, or make one with 'baton import' or 'baton append'"};
  auto options = options_with_warnings();
  options.create = false;
  options.read_only = true;
  auto store = Store::open(data_, options);
  if (store || store.error().code != Code::unavailable) return store;
  options.read_only = false;  // nobody writes, and the machine went down meanwhile: recover
  return Store::open(data_, std::move(options));
}

Status Session::need_store() {
  BATON_TRY_ASSIGN(const bool there, env_.fs().exists(os::join(data_, "catalogue")));
  return there ? Status() : Status(Error{Code::not_found, "no store in '" + data_ + "': name its directory with --data"});
}

Result<std::unique_ptr<Store>> Session::open_for_writing(bool create) {
  if (!create) BATON_TRY(need_store());
  auto options = options_with_warnings();
  options.create = create;
  return Store::open(data_, std::move(options));
}

Result<std::string> Session::context_or_only(Store& store, const std::string& given) {
  if (!given.empty()) return given;
  BATON_TRY_ASSIGN(const auto contexts, store.contexts());
  if (contexts.size() == 1) return contexts.front().name;
  if (contexts.empty()) return Error{Code::not_found, "the store has no context yet"};
  std::string names;
  for (const auto& c : contexts) names += (names.empty() ? "" : ", ") + c.name;
  return Error{Code::invalid_argument, "the store has several contexts; name one of them: " + names};
}

Status Session::close(Store& store) {
  const Status closed = store.close();
  if (closed) return {};
  exit_ = Exit::done_before;
  return Error{closed.error().code, "what was asked is done and on disk, there is no need to repeat it; but then the store could not be closed: " + closed.error().detail};
}

void Session::run(const std::function<Status()>& body) {
  auto status = body();
  out().end_progress();
  // A reader that has gone has seen enough; a disk that is full has not.
  if (!out().flush() && status && !os::output_closed()) status = Error{Code::io_error, "standard output cannot be written: what was printed is not whole"};
  if (status) return;
  if (exit_ == Exit::ok) exit_ = exit_of(status.error());
  if (json_) {
    std::string text = "{\"error\":";
    put_json_string(text, code_name(status.error().code));
    text += ",\"detail\":";
    put_json_string(text, status.error().detail);
    std::fprintf(stderr, "%s}\n", text.c_str());
  } else {
    std::fprintf(stderr, "baton: %s\n", status.error().to_string().c_str());
  }
}

void FilterOptions::add_to(CLI::App& app) {
  app.add_option("--type", filter.types, "Only events of this type; may be repeated (any of them)");
  app.add_option("--tag", filter.tags, "Only events with this tag, name:value; may be repeated (all of them)");
  app.add_option("--category", filter.category, "Only streams whose name begins with this up to the first '-'");
  app.add_option("--tenant", filter.tenant, "Only events of this tenant");
  app.add_option("--prefix", filter.stream_prefix, "Only streams whose name begins with this");
}

void AsOfOptions::add_to(CLI::App& app) {
  app.add_option("--as-of", recorded, "The past: what had been appended by this time (RFC 3339)")->check(not_empty());
  app.add_option("--as-of-event-time", time, "The past: what had happened by this time, by the events' own times")->check(not_empty());
  app.add_option("--as-of-position", position, "The past: up to and including the event at this position")->check(not_empty());
}

Result<AsOf> AsOfOptions::parse() const {
  if ((recorded.empty() ? 0 : 1) + (time.empty() ? 0 : 1) + (position.empty() ? 0 : 1) > 1)
    return Error{Code::invalid_argument, "--as-of, --as-of-event-time and --as-of-position exclude each other"};
  AsOf as_of;
  if (!recorded.empty()) {
    BATON_TRY_ASSIGN(as_of.recorded, Time::parse(recorded));
  }
  if (!time.empty()) {
    BATON_TRY_ASSIGN(as_of.time, Time::parse(time));
  }
  if (!position.empty()) as_of.position = Position{position};
  return as_of;
}

namespace {

// What a parse error means, with the command or option that is near. CLI11 says only that something was not expected, or that a subcommand
// is missing where one was misspelt.
Error explain(const CLI::App& app, const std::vector<std::string>& arguments, const CLI::ParseError& error) {
  std::vector<std::string> commands, options;
  const CLI::App* innermost = &app;
  const std::vector<std::string> left = app.remaining(true);
  const auto place_of = [&](const std::string& text) { return std::ranges::find(arguments, text) - arguments.begin(); };
  for (const auto* at = &app;;) {
    for (const auto* option : at->get_options()) {
      for (const auto& name : option->get_lnames()) {
        if (std::ranges::find(options, "--" + name) == options.end()) options.push_back("--" + name);
      }
    }
    innermost = at;
    const auto chosen = at->get_subcommands();
    if (chosen.empty()) break;
    if (!left.empty() && place_of(left.front()) < place_of(chosen.front()->get_name())) break;  // a wrong command before a right one
    at = chosen.front();
  }
  for (const auto* command : innermost->get_subcommands([](const CLI::App*) { return true; })) commands.push_back(command->get_name());
  std::string said = error.what();
  const auto option = std::ranges::find_if(left, [](const std::string& text) { return text.starts_with("-") && text.size() > 1; });
  if (option != left.end()) {
    said = "there is no option '" + printable(*option) + "' here; " + base::suggest(option->substr(0, option->find('=')), options);
  } else if (!left.empty() && !commands.empty()) {
    said = "there is no command '" + printable(left.front()) + "'; " + base::suggest(left.front(), commands);
  } else if (!left.empty()) {
    said = "'" + printable(left.front()) + "' is more than is expected here";
  } else if (!commands.empty() && dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
    said = "say what to do:";
    for (const auto& command : commands) said += (&command == commands.data() ? " " : ", ") + command;
  }
  std::string name;
  for (const auto* at = innermost; at != nullptr; at = at->get_parent()) name = at->get_name() + (name.empty() ? "" : " ") + name;
  return {Code::invalid_argument, said + (said.ends_with('?') ? " '" : "; '") + name + " --help' says more"};
}

// `baton help view query` is `baton view query --help`.
std::vector<std::string> arguments_of(const CLI::App& app, int argc, char** argv) {
  std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  auto at = arguments.begin();
  while (at != arguments.end() && at->starts_with("-")) at += *at == "--data" && at + 1 != arguments.end() ? 2 : 1;
  if (at == arguments.end() || *at != "help") return arguments;
  at = arguments.erase(at);
  for (const CLI::App* command = &app; at != arguments.end(); ++at) {
    const auto named = command->get_subcommands([&](const CLI::App* sub) { return sub->get_name() == *at; });
    if (named.empty()) return arguments;  // there is no such command: that is said
    command = named.front();
  }
  arguments.emplace_back("--help");
  return arguments;
}

}  // namespace

int run_program(int argc, char** argv, const char* version, server::Services services) {
  os::prepare_program();
  const auto env = os::make_posix_env();
  os::watch_interrupts();
  Session session(*env);
  if (const auto data = os::environment_variable("BATON_DATA")) session.data_ = *data;
  CLI::App app{"Baton keeps every event. One binary: an event store with SQL views.", "baton"};
  app.set_version_flag("--version", std::string("baton ") + version);
  app.add_option("--data", session.data_, "The data directory (or BATON_DATA)")->capture_default_str();
  app.add_flag("--json", session.json_, "For programs: JSON, one object a line");
  app.add_flag("--no-color", session.no_colour_, "No colours, also on a terminal");
  app.require_subcommand(1);
  app.fallthrough();
  app.footer(std::string(kExitCodes));
  add_append_commands(app, session);
  add_read_commands(app, session);
  add_store_commands(app, session);
  add_view_commands(app, session);
  add_import_command(app, session);
  add_topics_commands(app, session);
  add_produce_command(app, session);
  add_consume_command(app, session);
  add_groups_commands(app, session);
  add_acls_commands(app, session);
  add_serve_commands(app, session, std::move(services));
  const std::vector<std::string> arguments = arguments_of(app, argc, argv);
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    session.run([&] { return explain(app, arguments, error); });
  } catch (const std::system_error& error) {  // of a thread that cannot be made
    session.run([&] { return Status(Error{Code::resource_exhausted, std::string("the system refuses what is needed: ") + error.what()}); });
  } catch (const std::bad_alloc&) {
    session.run([&] { return Status(Error{Code::resource_exhausted, "the system refuses what is needed: there is no memory"}); });
  }
  return session.exit_code();
}

}  // namespace baton::cli
