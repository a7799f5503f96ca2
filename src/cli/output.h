// What a command prints: tables and colours for people, JSON for programs, progress on standard error.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <baton/event.h>
#include <baton/result.h>

#include "gateway/json.h"
#include "os/env.h"

namespace baton::cli {

// Exit codes (docs/cli.md).
enum class Exit : int { ok = 0, failed = 1, usage = 2, rejected = 3, conflict = 4, not_found = 5, locked = 6, corrupt = 7, address = 8, done_before = 9 };
[[nodiscard]] Exit exit_of(const Error& error);

using gateway::put_json_string;
[[nodiscard]] std::string json_string(std::string_view text);
[[nodiscard]] bool is_utf8(std::string_view text);
// Control characters as escapes, since text of others could write on the terminal.
[[nodiscard]] std::string printable(std::string_view text);

// An event as one JSON object: the CloudEvents attributes and Baton's own. JSON data stands as it is, other data as a string.
void put_json_event(std::string& out, const Event& event);

class Output {
 public:
  Output(bool json, bool colour, bool interactive_progress, int columns)
      : json_(json), colour_(colour), progress_(interactive_progress), columns_(columns) {}

  [[nodiscard]] bool json() const { return json_; }
  // Standard output, buffered; false once nobody reads it any more.
  bool line(std::string_view text);
  bool flush();  // what was printed is with its reader; false: that is gone

  enum class Align { left, right };
  struct Column {
    std::string title;
    Align align = Align::left;
  };
  // Nothing is cut: a line that is longer than the terminal is wide goes on in the next one.
  void table(const std::vector<Column>& columns, const std::vector<std::vector<std::string>>& rows);
  void event(const Event& event);  // a line of JSON, or a short block for people

  // One line on standard error that replaces itself, at most ten times a second; nothing when no person looks.
  void progress(os::Clock& clock, std::string_view what, std::uint64_t done, std::uint64_t total, std::string_view unit);
  void end_progress();

  [[nodiscard]] std::string bold(std::string_view text) const { return paint("1", text); }
  [[nodiscard]] std::string green(std::string_view text) const { return paint("32", text); }
  [[nodiscard]] std::string red(std::string_view text) const { return paint("31", text); }
  [[nodiscard]] std::string dim(std::string_view text) const { return paint("2", text); }

 private:
  [[nodiscard]] std::string paint(std::string_view code, std::string_view text) const;

  bool json_, colour_, progress_;
  int columns_;
  bool closed_ = false;
  bool progress_shown_ = false;
  std::int64_t progress_start_ns_ = -1, progress_last_ns_ = 0;
};

// 1,234,567
[[nodiscard]] std::string with_commas(std::uint64_t n);
// 12.3 MiB
[[nodiscard]] std::string human_bytes(std::uint64_t n);

}  // namespace baton::cli
