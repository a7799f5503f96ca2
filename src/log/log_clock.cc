#include "log/log_clock.h"

#include <algorithm>

#include "base/time.h"

namespace baton::log {
namespace {

constexpr std::int64_t kFarAheadMs = 366LL * 24 * 3600 * 1000;

}  // namespace

LogClock::LogClock(os::Clock& clock, std::int64_t last_ms)
    : clock_(clock), base_ms_(clock.wall_ms()), base_monotonic_ns_(clock.monotonic_ns()), last_ms_(last_ms) {
  if (last_ms == 0) return;
  const bool behind = base_ms_ < last_ms;
  if (!behind && base_ms_ - last_ms <= kFarAheadMs) return;
  warning_ = "the clock of this machine says " + base::format_rfc3339_ms(base_ms_) + ", " +
             (behind ? "before" : "more than a year after") + " the last record of the log, " + base::format_rfc3339_ms(last_ms) +
             ": time goes on from the last record, and nothing is removed by age until the clock is confirmed (baton confirm-clock)";
  base_ms_ = last_ms;
}

std::int64_t LogClock::now_ms() {
  const std::int64_t now = base_ms_ + (clock_.monotonic_ns() - base_monotonic_ns_) / 1'000'000;
  last_ms_ = std::max(last_ms_, now);
  return last_ms_;
}

void LogClock::confirm() {
  base_ms_ = clock_.wall_ms();
  base_monotonic_ns_ = clock_.monotonic_ns();
  warning_.clear();
}

}  // namespace baton::log
