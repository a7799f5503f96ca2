// baton serve, baton config.
#include <memory>
#include <vector>

#include "base/try.h"
#include "cli/session.h"
#include "os/terminal.h"
#include "server/config.h"
#include "server/server.h"

namespace baton::cli {
namespace {

struct ConfigOptions {
  std::string file, kafka_port, http_port, log_level;
  std::vector<std::string> set, views;
  bool insecure = false;
  bool page = false;
};

void add_to(CLI::App& command, ConfigOptions& o) {
  command.add_option("--config", o.file,
                     "The configuration file (or BATON_CONFIG, or ./baton.yaml); see docs/configuration.md");
  command.add_option("--set", o.set, "KEY=VALUE: any key of the configuration; may be repeated");
  command.add_option("--kafka-port", o.kafka_port, "The port of the Kafka protocol: kafka.port");
  command.add_option("--http-port", o.http_port, "The port of HTTP: http.port");
  command.add_option("--views", o.views, "A file of views to keep up to date; may be repeated: views");
  command.add_option("--log-level", o.log_level, "debug, info, warning or error: log.level");
  command.add_flag("--insecure", o.insecure,
                   "Allow listeners that other machines reach, without authentication and TLS: insecure");
}

Result<server::EffectiveConfig> load(Session& session, const CLI::App& app, const ConfigOptions& o) {
  server::ConfigInputs inputs;
  if (!o.file.empty()) inputs.file = o.file;
  inputs.environment = os::environment_variable;
  inputs.environment_names = os::environment_names();
  for (const auto& pair : o.set) {
    const auto equals = pair.find('=');
    if (equals == std::string::npos)
      return Error{Code::invalid_argument, "--set takes KEY=VALUE, as in --set kafka.port=9092, not '" + pair + "'"};
    inputs.flags.push_back({pair.substr(0, equals), pair.substr(equals + 1), "--set"});
  }
  if (app.get_option("--data")->count() > 0) inputs.flags.push_back({"data", session.data(), "--data"});
  if (!o.kafka_port.empty()) inputs.flags.push_back({"kafka.port", o.kafka_port, "--kafka-port"});
  if (!o.http_port.empty()) inputs.flags.push_back({"http.port", o.http_port, "--http-port"});
  if (!o.views.empty()) {
    std::string all;
    for (const auto& file : o.views) all += (all.empty() ? "" : ",") + file;
    inputs.flags.push_back({"views", all, "--views"});
  }
  if (!o.log_level.empty()) inputs.flags.push_back({"log.level", o.log_level, "--log-level"});
  if (o.insecure) inputs.flags.push_back({"insecure", "true", "--insecure"});
  auto config = server::load_config(session.env().fs(), inputs);
  // A file that is missing is a wrong argument here, not a store that is missing.
  if (!config && config.error().code == Code::not_found) return Error{Code::invalid_argument, config.error().detail};
  if (config) {
    for (const auto& warning : config->warnings) print_warning(warning);
  }
  return config;
}

Status serve(Session& session, const CLI::App& app, const ConfigOptions& o, const server::Services& services) {
  BATON_TRY_ASSIGN(const auto config, load(session, app, o));
  os::keep_freed_memory();
  server::Server server(session.env(), config.config, services);
  if (auto bound = server.bind(); !bound) {
    session.end_with(Exit::address);
    return bound;
  }
  BATON_TRY(server.start());
  session.out().line(server.ready_line(session.out().json()));
  session.out().flush();
  return server.run();
}

}  // namespace

void add_serve_commands(CLI::App& app, Session& session, server::Services services) {
  auto o = std::make_shared<ConfigOptions>();
  auto* serve_command = app.add_subcommand("serve", "Serve the data directory until SIGTERM or SIGINT");
  add_to(*serve_command, *o);
  serve_command->callback(
      [&app, &session, o, services = std::move(services)] { session.run([&] { return serve(session, app, *o, services); }); });

  auto* config_command =
      app.add_subcommand("config", "Show the configuration of 'serve' as it is in force, and where each value comes from");
  add_to(*config_command, *o);
  config_command->add_flag("--page", o->page, "Print the description of all keys instead (docs/configuration.md)");
  config_command->callback([&app, &session, o] {
    session.run([&]() -> Status {
      auto text = server::configuration_page();
      if (!o->page) {
        BATON_TRY_ASSIGN(const auto config, load(session, app, *o));
        text = session.out().json() ? config.to_json() : config.to_yaml();
      }
      if (text.ends_with('\n')) text.pop_back();
      session.out().line(text);
      return {};
    });
  });
}

}  // namespace baton::cli
