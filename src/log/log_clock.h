// The append time (design rule 9): monotone, and not led astray by the wall clock. [owner]
#pragma once

#include <cstdint>
#include <string>

#include "os/env.h"

namespace baton::log {

class LogClock {
 public:
  // `last_ms`: the newest time that the store knows; 0: none yet.
  LogClock(os::Clock& clock, std::int64_t last_ms);

  // Milliseconds since 1970: the wall clock as read at open, moved on by the monotonic clock.
  [[nodiscard]] std::int64_t now_ms();
  // False while the wall clock contradicts the log: nothing may be removed by age.
  [[nodiscard]] bool trusted() const { return warning_.empty(); }
  [[nodiscard]] const std::string& warning() const { return warning_; }
  // An operator says that the wall clock is right. Time still never goes back.
  void confirm();

 private:
  os::Clock& clock_;
  std::int64_t base_ms_ = 0;
  std::int64_t base_monotonic_ns_ = 0;
  std::int64_t last_ms_ = 0;
  std::string warning_;
};

}  // namespace baton::log
