// What every command shares: the data directory, how to print, how to open the store, how to end.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <CLI/CLI.hpp>
#include <baton/store.h>

#include "cli/output.h"
#include "os/env.h"
#include "server/server.h"

namespace baton::cli {

class Session {
 public:
  explicit Session(os::Env& env) : env_(env) {}

  [[nodiscard]] os::Env& env() { return env_; }
  [[nodiscard]] Output& out();
  [[nodiscard]] const std::string& data() const { return data_; }

  // For reading: beside a running writer, or, when the last one was killed with the machine, by recovering first.
  // not_found when there is no store.
  [[nodiscard]] Result<std::unique_ptr<Store>> open_for_reading();
  [[nodiscard]] Result<std::unique_ptr<Store>> open_for_writing(bool create);
  [[nodiscard]] Status need_store();  // not_found when there is none
  // The context that was named, or the only one there is.
  [[nodiscard]] Result<std::string> context_or_only(Store& store, const std::string& given);

  // At the end of a command whose work is done and durable: an error says so, and the exit code tells it from a failure of the work (F12).
  [[nodiscard]] Status close(Store& store);

  // Runs a command's body when its subcommand was chosen; prints an error, remembers the exit code.
  void run(const std::function<Status()>& body);
  void end_with(Exit code) { exit_ = code; }
  [[nodiscard]] int exit_code() const { return static_cast<int>(exit_); }

  // Bound to the options of the program.
  std::string data_ = "./baton-data";
  bool json_ = false;
  bool no_colour_ = false;

 private:
  os::Env& env_;
  std::optional<Output> out_;
  Exit exit_ = Exit::ok;
};

// Below the help of every command; one that has a footer of its own ends it so.
inline constexpr std::string_view kExitCodes =
    "Exit codes: 0 done, 1 failed, 2 wrong usage or input, 3 some rows were rejected, 4 a condition did not hold,\n"
    "5 not found, 6 another process writes, 7 damaged data, 8 an address cannot be listened on,\n"
    "9 done, and then the store failed. See docs/cli.md.";
[[nodiscard]] std::string with_exit_codes(std::string_view footer);

// For an option's check(): a whole number that is not below `least`.
[[nodiscard]] CLI::Validator at_least(std::int64_t least);
[[nodiscard]] CLI::Validator not_empty();  // of a value whose absence means something else: of a variable that was not set

// What went wrong beside the command's work, on standard error.
void print_warning(const std::string& text);
// What is missing from standard output because it was asked for so, on standard error.
void print_note(const std::string& text);

// Options that several commands have.
struct FilterOptions {
  Filter filter;
  void add_to(CLI::App& app);
};
struct AsOfOptions {
  std::string position, recorded, time;
  void add_to(CLI::App& app);
  [[nodiscard]] Result<AsOf> parse() const;  // invalid_argument: two of them, or not a time
};

// Each adds its subcommands.
void add_append_commands(CLI::App& app, Session& session);
void add_read_commands(CLI::App& app, Session& session);
void add_store_commands(CLI::App& app, Session& session);
void add_view_commands(CLI::App& app, Session& session);
void add_import_command(CLI::App& app, Session& session);
void add_topics_commands(CLI::App& app, Session& session);
void add_produce_command(CLI::App& app, Session& session);
void add_consume_command(CLI::App& app, Session& session);
void add_groups_commands(CLI::App& app, Session& session);
void add_acls_commands(CLI::App& app, Session& session);
void add_serve_commands(CLI::App& app, Session& session, server::Services services);

// The program: parses, runs one command, returns its exit code. `services` is what 'serve' serves.
[[nodiscard]] int run_program(int argc, char** argv, const char* version, server::Services services = {});

}  // namespace baton::cli
