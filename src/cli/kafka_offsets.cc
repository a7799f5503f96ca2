#include "cli/kafka_offsets.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include <fmt/format.h>

#include "base/time.h"

namespace baton::cli {

Result<OffsetSpec> parse_offset_spec(const std::string& text, std::string_view option) {
  using Kind = OffsetSpec::Kind;
  if (text == "beginning" || text == "earliest") return OffsetSpec{Kind::beginning, 0};
  if (text == "end" || text == "latest") return OffsetSpec{Kind::end, 0};
  std::int64_t number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && rest == text.data() + text.size()) {
    if (text.starts_with('-'))
      return OffsetSpec{Kind::before_end, -std::max(number, -std::numeric_limits<std::int64_t>::max())};
    return OffsetSpec{Kind::offset, number};
  }
  if (const auto ms = base::parse_rfc3339_ms(text); ms && *ms >= 0) return OffsetSpec{Kind::time, *ms};
  return Error{
      Code::invalid_argument,
      fmt::format("{} '{}' is none of: beginning, end, an offset, -N (N before the end), a time (2026-01-02T03:04:05Z)", option,
                  text)};
}

ResolvedOffset resolve_offset(const OffsetSpec& spec, OffsetSpan span, std::optional<std::int64_t> at_time) {
  switch (spec.kind) {
    case OffsetSpec::Kind::beginning: return {span.first, false};
    case OffsetSpec::Kind::end: return {span.end, false};
    case OffsetSpec::Kind::time: return {std::clamp(at_time.value_or(span.end), span.first, span.end), false};
    case OffsetSpec::Kind::before_end: return {spec.value > span.end - span.first ? span.first : span.end - spec.value, false};
    case OffsetSpec::Kind::offset: break;
  }
  const auto offset = std::clamp(spec.value, span.first, span.end);
  return {offset, offset != spec.value};
}

std::optional<std::int64_t> lag_of(std::optional<std::int64_t> committed, OffsetSpan span) {
  if (!committed) return std::nullopt;
  // What retention has removed can no longer be read; a commit beyond the end (a topic made anew) is not behind.
  return std::max<std::int64_t>(0, span.end - std::max(*committed, span.first));
}

}  // namespace baton::cli
