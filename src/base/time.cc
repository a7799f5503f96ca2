#include "base/time.h"

#include <algorithm>
#include <chrono>
#include <cstddef>

namespace baton::base {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;
constexpr std::int64_t kSecondsPerDay = 86'400;

struct Instant {
  std::int64_t seconds;  // since 1970
  std::int64_t ns;       // 0 to 999'999'999
};

// Takes pieces from the front of a text; once one does not fit, all that follow fail too.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}
  int number(std::size_t digits) {
    int value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      if (i >= text_.size() || text_[i] < '0' || text_[i] > '9') return fail();
      value = value * 10 + (text_[i] - '0');
    }
    text_.remove_prefix(digits);
    return value;
  }
  // The next character if it is one of `wanted`, else 0 and nothing is taken.
  char optional(std::string_view wanted) {
    if (text_.empty() || wanted.find(text_.front()) == std::string_view::npos) return 0;
    const char c = text_.front();
    text_.remove_prefix(1);
    return c;
  }
  char required(std::string_view wanted) {
    const char c = optional(wanted);
    if (c == 0) fail();
    return c;
  }
  [[nodiscard]] std::size_t leading_digits() const {
    return static_cast<std::size_t>(std::ranges::find_if(text_, [](char c) { return c < '0' || c > '9'; }) - text_.begin());
  }
  [[nodiscard]] bool done() const { return ok_ && text_.empty(); }

 private:
  int fail() {
    ok_ = false;
    text_ = {};
    return 0;
  }
  std::string_view text_;
  bool ok_ = true;
};

std::optional<Instant> parse(std::string_view text) {
  Scanner in(text);
  const int year = in.number(4);
  in.required("-");
  const int month = in.number(2);
  in.required("-");
  const int day = in.number(2);
  in.required("Tt ");
  const int hour = in.number(2);
  in.required(":");
  const int minute = in.number(2);
  in.required(":");
  const int second = in.number(2);
  std::int64_t ns = 0;
  if (in.optional(".") != 0) {
    const std::size_t digits = in.leading_digits();
    if (digits == 0 || digits > 9) return std::nullopt;
    ns = in.number(digits);
    for (std::size_t i = digits; i < 9; ++i) ns *= 10;
  }
  std::int64_t offset = 0;  // seconds east
  const char sign = in.required("Zz+-");
  if (sign == '+' || sign == '-') {
    const int hours = in.number(2);
    in.required(":");
    const int minutes = in.number(2);
    if (hours > 23 || minutes > 59) return std::nullopt;
    offset = (sign == '+' ? 1 : -1) * (hours * 3600 + minutes * 60);
  }
  if (!in.done() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  const auto date =
      std::chrono::year(year) / std::chrono::month(static_cast<unsigned>(month)) / std::chrono::day(static_cast<unsigned>(day));
  if (!date.ok()) return std::nullopt;
  if (second == 60) ns = 0;
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return Instant{days * kSecondsPerDay + hour * 3600 + minute * 60 + second - offset, ns};
}

void put_number(std::string& out, std::int64_t value, std::size_t digits) {
  const std::size_t at = out.size();
  out.resize(at + digits);
  for (std::size_t i = digits; i > 0; --i, value /= 10) out[at + i - 1] = static_cast<char>('0' + value % 10);
}

std::string format(Instant t, std::size_t fraction_digits) {
  const std::chrono::sys_seconds instant{std::chrono::seconds(t.seconds)};
  const auto midnight = std::chrono::floor<std::chrono::days>(instant);
  const std::chrono::year_month_day date(midnight);
  const std::int64_t second_of_day = (instant - midnight).count();
  std::string out;
  out.reserve(30);
  put_number(out, static_cast<int>(date.year()), 4);
  out += '-';
  put_number(out, static_cast<unsigned>(date.month()), 2);
  out += '-';
  put_number(out, static_cast<unsigned>(date.day()), 2);
  out += 'T';
  put_number(out, second_of_day / 3600, 2);
  out += ':';
  put_number(out, second_of_day / 60 % 60, 2);
  out += ':';
  put_number(out, second_of_day % 60, 2);
  if (fraction_digits > 0) {
    out += '.';
    put_number(out, t.ns, 9);
    out.resize(out.size() - (9 - fraction_digits));
  }
  out += 'Z';
  return out;
}

// Splits so that the remainder is never negative.
Instant split(std::int64_t value, std::int64_t per_second) {
  std::int64_t seconds = value / per_second;
  std::int64_t rest = value % per_second;
  if (rest < 0) {
    rest += per_second;
    --seconds;
  }
  return {seconds, rest * (kNsPerSecond / per_second)};
}

}  // namespace

std::optional<std::int64_t> parse_rfc3339_ns(std::string_view text) {
  const auto t = parse(text);
  if (!t) return std::nullopt;
  // Near the lower end seconds * 10^9 alone would not fit although the sum does.
  std::int64_t seconds = t->seconds;
  std::int64_t ns = t->ns;
  if (seconds < 0 && ns > 0) {
    ++seconds;
    ns -= kNsPerSecond;
  }
  std::int64_t result = 0;
  if (__builtin_mul_overflow(seconds, kNsPerSecond, &result) || __builtin_add_overflow(result, ns, &result)) {
    return std::nullopt;
  }
  return result;
}

std::optional<std::int64_t> parse_rfc3339_ms(std::string_view text) {
  const auto t = parse(text);
  if (!t) return std::nullopt;
  const std::int64_t ms = t->seconds * 1000 + t->ns / 1'000'000;
  if (ms < kMinUnixMs || ms > kMaxUnixMs) return std::nullopt;
  return ms;
}

std::string format_rfc3339_ns(std::int64_t ns) {
  const Instant t = split(ns, kNsPerSecond);
  const std::size_t digits = t.ns == 0 ? 0 : t.ns % 1'000'000 == 0 ? 3 : t.ns % 1000 == 0 ? 6 : 9;
  return format(t, digits);
}

std::string format_rfc3339_ms(std::int64_t ms) { return format(split(std::clamp(ms, kMinUnixMs, kMaxUnixMs), 1000), 3); }

}  // namespace baton::base
