// Where in a partition: what --from, --to and --time say, and how far behind a group is.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <baton/result.h>

namespace baton::cli {

// The offsets that a partition holds: from `first` up to but not including `end`.
struct OffsetSpan {
  std::int64_t first = 0;
  std::int64_t end = 0;
};

struct OffsetSpec {
  enum class Kind { beginning, end, offset, before_end, time };
  Kind kind = Kind::beginning;
  std::int64_t value = 0;  // the offset; how many before the end; milliseconds since 1970
};

// beginning (earliest), end (latest), an offset, -N (N before the end), or a time (RFC 3339). invalid_argument names `option`.
[[nodiscard]] Result<OffsetSpec> parse_offset_spec(const std::string& text, std::string_view option);

// The offset that is meant, moved into the span. `at_time`: the first offset of that time or later, nothing when there is none.
struct ResolvedOffset {
  std::int64_t offset = 0;
  bool moved = false;  // the offset that was given is not there
};
[[nodiscard]] ResolvedOffset resolve_offset(const OffsetSpec& spec, OffsetSpan span, std::optional<std::int64_t> at_time);

// How many records a group has not read: nothing for a partition where it has committed nothing.
[[nodiscard]] std::optional<std::int64_t> lag_of(std::optional<std::int64_t> committed, OffsetSpan span);

}  // namespace baton::cli
