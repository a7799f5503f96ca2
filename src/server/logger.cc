#include "server/logger.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/time.h"
#include "store/limits.h"

namespace baton::server {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::size_t kValueBytesMax = 1024;

constexpr std::string_view name_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return "debug";
    case LogLevel::info: return "info";
    case LogLevel::warning: return "warning";
    case LogLevel::error: return "error";
  }
  return "error";
}

// As a JSON string, which is unambiguous in a line of text, too.
void put_quoted(std::string& out, std::string_view text) {
  const bool cut = text.size() > kValueBytesMax;
  text = text.substr(0, kValueBytesMax);
  const bool utf8 = store::valid_utf8(text);
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", byte);
      out += escaped;
    } else {
      out += byte < 0x80 || utf8 ? c : '?';
    }
  }
  out += cut ? "...\"" : "\"";
}

bool plain(std::string_view text) {
  return !text.empty() && text.size() <= kValueBytesMax && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view(".:/_-+@[]").contains(c);
  });
}

}  // namespace

Logger::Logger(os::Clock& clock, LogLevel level, LogFormat format, Sink sink)
    : clock_(clock), level_(level), format_(format), sink_(std::move(sink)) {
  // Standard error is not buffered: one call is one write.
  if (!sink_) sink_ = [](std::string_view line) { std::fwrite(line.data(), 1, line.size(), stderr); };
}

void Logger::log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  if (wants(level)) write(level, message, fields, 1);
}

void Logger::limited(LogLimit& limit, LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  if (!wants(level)) return;
  const std::int64_t now = clock_.monotonic_ns();
  std::int64_t due = limit.next_ns.load(std::memory_order_relaxed);
  if (now < due || !limit.next_ns.compare_exchange_strong(due, now + kSecond)) {
    ++limit.silent;
    return;
  }
  write(level, message, fields, limit.silent.exchange(0) + 1);
}

void Logger::write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields, std::uint64_t times) {
  const bool json = format_ == LogFormat::json;
  std::string line = json ? "{\"time\":\"" : "";
  line += base::format_rfc3339_ms(clock_.wall_ms());
  line += json ? "\",\"level\":\"" : " ";
  line += name_of(level);
  if (json) {
    line += "\",\"message\":";
    put_quoted(line, message);
  } else {
    line += ' ';
    line += message;
  }
  const auto put = [&](const LogField& field) {
    line += json ? ",\"" : " ";
    line += field.key;
    line += json ? "\":" : "=";
    if (field.number || (!json && plain(field.value))) {
      line += field.value;
    } else {
      put_quoted(line, field.value);
    }
  };
  for (const auto& field : fields) put(field);
  if (times > 1) put({"times", times});
  line += json ? "}\n" : "\n";
  sink_(line);
}

}  // namespace baton::server
