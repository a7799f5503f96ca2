// Points in time as text: RFC 3339 ("2024-02-29T23:59:59.123456789Z", "2024-03-01T01:29:59+01:30").
//
// A point in time is a count since 1970-01-01T00:00:00Z without leap seconds, in nanoseconds or milliseconds as the name
// says. There are no time zones here, only the numeric offsets that the text may carry.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace baton::base {

// Nothing for text that is not RFC 3339 with at most 9 digits of fraction, or for a time that the result cannot hold:
// nanoseconds reach from 1677-09-21 to 2262-04-11, milliseconds over the years 0000 to 9999 (finer digits are cut off, down).
// A leap second (:60) is the first instant of the next minute. 'T' and 'Z' may be lower case, and 'T' a space.
[[nodiscard]] std::optional<std::int64_t> parse_rfc3339_ns(std::string_view text);
[[nodiscard]] std::optional<std::int64_t> parse_rfc3339_ms(std::string_view text);

// In UTC, with as many digits of fraction as the value needs, of 0, 3, 6 and 9.
[[nodiscard]] std::string format_rfc3339_ns(std::int64_t ns);
// In UTC, always with 3 digits of fraction, so that all texts have one length and sort as the times do. The time must lie in the
// years 0000 to 9999; another one is shown as the nearest that does.
[[nodiscard]] std::string format_rfc3339_ms(std::int64_t ms);

inline constexpr std::int64_t kMinUnixMs = -62'167'219'200'000;  // 0000-01-01T00:00:00.000Z
inline constexpr std::int64_t kMaxUnixMs = 253'402'300'799'999;  // 9999-12-31T23:59:59.999Z

}  // namespace baton::base
