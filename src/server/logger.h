// Logger: what the server tells its operator, a line at a time, on standard error.
//
//   text   2026-11-25T19:03:03.123Z warning connection refused listener=kafka peer=127.0.0.1:40312 times=17
//   json   {"time":"2026-11-25T19:03:03.123Z","level":"warning","message":"connection refused","listener":"kafka",...}
//
// Whatever a client sent is quoted, so that nobody writes a line of their own into the log. Secrets and payloads are never given to it.
// Any thread. A line is one write.
#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

#include "os/env.h"

namespace baton::server {

enum class LogLevel { debug, info, warning, error };
enum class LogFormat { text, json };

struct LogField {
  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, std::integral auto v) : key(k), value(std::to_string(v)), number(true) {}
  std::string_view key;
  std::string value;
  bool number = false;
};

// One kind of event that others can cause at will: a line a second at most.
struct LogLimit {
  std::atomic<std::int64_t> next_ns{0};
  std::atomic<std::uint64_t> silent{0};
};

class Logger {
 public:
  using Sink = std::function<void(std::string_view line)>;  // the line ends with '\n'
  // Without a sink: standard error.
  Logger(os::Clock& clock, LogLevel level, LogFormat format, Sink sink = {});

  void log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});
  // The same, at most once a second for each `limit`; the next line says in `times` how many it stands for.
  void limited(LogLimit& limit, LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});
  [[nodiscard]] bool wants(LogLevel level) const { return level >= level_; }

 private:
  void write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields, std::uint64_t times);

  os::Clock& clock_;
  LogLevel level_;
  LogFormat format_;
  Sink sink_;
};

}  // namespace baton::server
