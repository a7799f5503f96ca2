#include "cli/time_zone.h"

#include <algorithm>

#include "cli/map_value.h"

namespace baton::cli {

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kSecondsMax = INT64_MAX / kSecond - 1;
// Their text depends on nothing but the time and its zone, and strptime reads them too.
constexpr std::string_view kConversions = "YmdHMSyjeIpaAbBFTRz";
constexpr std::string_view kNotATime = "not a time";
constexpr const char* kOutOfRange = "a time before 1677-09-22 or after 2262-04-10";

bool digits(std::string_view& text, std::size_t count, int& out) {
  if (text.size() < count) return false;
  out = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    out = out * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return true;
}

bool skip(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

struct Written {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  std::int64_t fraction_ns = 0;
  std::optional<int> offset_s;
};

bool read_fraction(std::string_view& text, std::int64_t& ns) {
  std::int64_t unit = kSecond;
  std::size_t count = 0;
  while (count < text.size() && text[count] >= '0' && text[count] <= '9') {
    if (++count > 9) return false;
    unit /= 10;
    ns += (text[count - 1] - '0') * unit;
  }
  text.remove_prefix(count);
  return count > 0;
}

bool read_offset(std::string_view text, std::optional<int>& out) {
  if (text == "Z" || text == "z") {
    out = 0;
    return true;
  }
  const int sign = text.starts_with('-') ? -1 : 1;
  if (!skip(text, '+') && !skip(text, '-')) return false;
  int hours = 0, minutes = 0;
  if (!digits(text, 2, hours)) return false;
  if (!text.empty()) {
    skip(text, ':');
    if (!digits(text, 2, minutes)) return false;
  }
  if (!text.empty() || hours > 23 || minutes > 59) return false;
  out = sign * (hours * 3600 + minutes * 60);
  return true;
}

bool read_iso(std::string_view text, Written& out) {
  if (!digits(text, 4, out.year) || !skip(text, '-') || !digits(text, 2, out.month) || !skip(text, '-') || !digits(text, 2, out.day)) return false;
  if (text.empty()) return true;
  if (!skip(text, 'T') && !skip(text, 't') && !skip(text, ' ')) return false;
  if (!digits(text, 2, out.hour) || !skip(text, ':') || !digits(text, 2, out.minute)) return false;
  if (skip(text, ':')) {
    if (!digits(text, 2, out.second)) return false;
    if (skip(text, '.') && !read_fraction(text, out.fraction_ns)) return false;
  }
  if (text.empty()) return true;
  if (text.size() > 1) skip(text, ' ');
  return read_offset(text, out.offset_s);
}

ReadTime problem(const char* what) { return {.problem = what}; }

ReadTime from_absolute(absl::Time time) {
  const auto seconds = absl::ToUnixSeconds(time);
  if (seconds > kSecondsMax || seconds < -kSecondsMax) return problem(kOutOfRange);
  return {.ns = absl::ToUnixNanos(time)};
}

ReadTime from_civil(absl::CivilSecond civil, std::int64_t fraction_ns, const absl::TimeZone& zone, Fold fold, Gap gap) {
  const auto found = zone.At(civil);
  absl::Time time = found.pre;
  bool folded = false, gapped = false;
  if (found.kind == absl::TimeZone::TimeInfo::REPEATED) {
    folded = true;
    if (fold == Fold::reject) return {.problem = "a local time that happens twice", .fold = true};
    if (fold == Fold::later) time = found.post;
  } else if (found.kind == absl::TimeZone::TimeInfo::SKIPPED) {
    gapped = true;
    if (gap == Gap::reject) return {.problem = "a local time that never happens", .gap = true};
  }
  auto out = from_absolute(time);
  if (out.problem != nullptr) return out;
  out.ns += fraction_ns;
  out.fold = folded;
  out.gap = gapped;
  return out;
}

ReadTime read_written(const Written& w, const absl::TimeZone& zone, Fold fold, Gap gap) {
  const absl::CivilSecond civil(w.year, w.month, w.day, w.hour, w.minute, w.second);
  // CivilSecond carries 31 February over into March.
  if (civil.month() != w.month || civil.day() != w.day || w.hour > 23 || w.minute > 59 || w.second > 59) return problem(kNotATime.data());
  if (!w.offset_s) return from_civil(civil, w.fraction_ns, zone, fold, gap);
  auto out = from_absolute(absl::FromCivil(civil, absl::UTCTimeZone()) - absl::Seconds(*w.offset_s));
  if (out.problem == nullptr) out.ns += w.fraction_ns;
  return out;
}

ReadTime read_unix(std::string_view text, std::int64_t unit_ns) {
  std::int64_t count = 0, ns = 0;
  if (!parse_integer(text, count)) return problem(kNotATime.data());
  if (__builtin_mul_overflow(count, unit_ns, &ns) || ns / kSecond > kSecondsMax || ns / kSecond < -kSecondsMax) return problem(kOutOfRange);
  return {.ns = ns};
}

ReadTime read_pattern(std::string_view text, const TimeFormat& format, const absl::TimeZone& zone, Fold fold, Gap gap) {
  absl::Time time;
  std::string error;
  if (!absl::ParseTime(format.pattern, absl::string_view(text.data(), text.size()), absl::UTCTimeZone(), &time, &error)) return problem(kNotATime.data());
  if (time == absl::InfiniteFuture() || time == absl::InfinitePast()) return problem(kNotATime.data());
  if (format.has_zone) return from_absolute(time);
  const auto civil = absl::UTCTimeZone().At(time);
  return from_civil(civil.cs, absl::ToInt64Nanoseconds(civil.subsecond), zone, fold, gap);
}

// Every '%' begins a conversion that is known here. `zone`: one of them is an offset.
Status check_pattern(std::string_view text, bool& zone) {
  if (text.size() > 100) return Error{Code::invalid_argument, "a format has at most 100 characters"};
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\0') return Error{Code::invalid_argument, "a format has no zero bytes"};
    if (text[at] != '%') continue;
    auto rest = text.substr(at + 1);
    std::size_t length = 0;
    for (const std::string_view known : {"%", "E*S", "E3S", "E6S", "E9S", "Ez", "E4Y"})
      if (rest.starts_with(known)) length = known.size();
    if (length == 0 && !rest.empty() && kConversions.find(rest[0]) != std::string_view::npos) length = 1;
    if (length == 0) {
      return Error{Code::invalid_argument, "'" + std::string(text.substr(at, 2)) +
                                               "' is no conversion of times; there are %Y %m %d %H %M %S %y %j %e %I %p %a %A %b %B %F %T %R %z %Ez %E*S %E3S %E6S %E9S %E4Y %%"};
    }
    zone = zone || rest[0] == 'z' || rest.starts_with("Ez");
    at += length;
  }
  return {};
}

}  // namespace

Result<absl::TimeZone> load_time_zone(const std::string& name) {
  const auto fine = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '+' || c == '-' || c == '/'; };
  absl::TimeZone zone;
  // A name is never a path; and `localtime` would be the machine's.
  if (name.empty() || name.size() > 64 || name.front() == '/' || !std::all_of(name.begin(), name.end(), fine) || name == "localtime" ||
      !absl::LoadTimeZone(name, &zone)) {
    return Error{Code::invalid_argument, "'" + name + "' is no time zone of this machine; name one as America/Los_Angeles or UTC, and see that tzdata is installed"};
  }
  return zone;
}

// What strptime would pass over in silence, so that a time is another than what is written.
Status check_reading(std::string_view text) {
  std::string seen;
  for (std::size_t at = 0; at + 1 < text.size(); ++at) {
    if (text[at] != '%') continue;
    auto c = text[++at];
    if (c == 'E' && text.substr(at).starts_with("E4Y")) c = 'Y';
    seen += c;
  }
  const auto any = [&](std::string_view of) { return seen.find_first_of(of) != std::string::npos; };
  if (any("j")) return Error{Code::invalid_argument, "%j, the day of the year, can be written and not read; name month and day"};
  if (any("p") != any("I"))
    return Error{Code::invalid_argument, any("p") ? "%p, AM or PM, goes with %I, the hour of 12" : "%I, the hour of 12, needs %p, AM or PM, to be a time"};
  if (!any("YyF")) return Error{Code::invalid_argument, "a time needs a year, %Y"};
  if (any("de") && !any("mbBF")) return Error{Code::invalid_argument, "the day of a time needs its month, %m or %b"};
  return {};
}

Result<TimeFormat> TimeFormat::parse(std::string_view text) {
  TimeFormat out;
  if (text == "iso") return out;
  if (text == "unix" || text == "unix_ms") {
    out.kind = text == "unix" ? Kind::unix_s : Kind::unix_ms;
    return out;
  }
  if (text.find('%') == std::string_view::npos)
    return Error{Code::invalid_argument, "the format of a time is iso, unix, unix_ms, or conversions as in \"%d/%m/%Y %H:%M\""};
  if (auto checked = check_pattern(text, out.has_zone); !checked) return checked.error();
  if (auto checked = check_reading(text); !checked) return checked.error();
  out.kind = Kind::pattern;
  out.pattern = text;
  return out;
}

Result<std::string> TimeFormat::parse_rendering(std::string_view text) {
  bool zone = false;
  if (text.empty()) return Error{Code::invalid_argument, "the format is empty"};
  if (auto checked = check_pattern(text, zone); !checked) return checked.error();
  return std::string(text);
}

ReadTime read_time(std::string_view text, const TimeFormat& format, const absl::TimeZone& zone, Fold fold, Gap gap) {
  switch (format.kind) {
    case TimeFormat::Kind::iso: {
      Written written;
      if (!read_iso(text, written)) return problem(kNotATime.data());
      return read_written(written, zone, fold, gap);
    }
    case TimeFormat::Kind::unix_s: return read_unix(text, kSecond);
    case TimeFormat::Kind::unix_ms: return read_unix(text, 1'000'000);
    case TimeFormat::Kind::pattern: return read_pattern(text, format, zone, fold, gap);
  }
  return problem(kNotATime.data());
}

void put_local_time(std::string& out, std::int64_t ns, const std::string& format, const absl::TimeZone& zone) {
  out += absl::FormatTime(format, absl::FromUnixNanos(ns), zone);
}

}  // namespace baton::cli
