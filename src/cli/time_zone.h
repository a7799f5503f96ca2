// Times as files write them, and the rules of local time. The database of time zones is the machine's (tzdata).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <absl/time/time.h>
#include <baton/result.h>

namespace baton::cli {

// What a local time means that happens twice (clocks go back), or never (clocks go forward).
enum class Fold : std::uint8_t { earlier, later, reject };
enum class Gap : std::uint8_t { shift, reject };  // shift: as if the clocks had not gone forward yet; 02:30 becomes 03:30

// A zone of the IANA database by its name: "America/Los_Angeles", "UTC". invalid_argument.
[[nodiscard]] Result<absl::TimeZone> load_time_zone(const std::string& name);

// How a time is written. Checked by parse().
class TimeFormat {
 public:
  // "iso" (the default): 2014-01-01, 2014-01-01T00:14, ...:00, ...:00.123456789; a space for T; with Z, +01:00, +0100 or +01 behind it, or
  // without. "unix", "unix_ms": a whole number since 1970. Else conversions of strptime: %Y %m %d %H %M %S ... invalid_argument.
  [[nodiscard]] static Result<TimeFormat> parse(std::string_view text);
  // For rendering: conversions of strftime whose text depends on nothing but time and zone. invalid_argument.
  [[nodiscard]] static Result<std::string> parse_rendering(std::string_view text);

  enum class Kind : std::uint8_t { iso, unix_s, unix_ms, pattern };
  Kind kind = Kind::iso;
  std::string pattern;
  bool has_zone = false;  // the pattern reads an offset
};

struct ReadTime {
  std::int64_t ns = 0;
  const char* problem = nullptr;  // why it is no time; then nothing else counts but fold and gap
  bool fold = false, gap = false;
};
[[nodiscard]] ReadTime read_time(std::string_view text, const TimeFormat& format, const absl::TimeZone& zone, Fold fold, Gap gap);

// Appends `ns` as its zone's clocks show it.
void put_local_time(std::string& out, std::int64_t ns, const std::string& format, const absl::TimeZone& zone);

}  // namespace baton::cli
