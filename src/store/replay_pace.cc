#include "store/replay_pace.h"

#include <algorithm>

namespace baton::store {

std::int64_t ReplayPace::took(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  const std::int64_t now = clock_.monotonic_ns();
  const std::uint64_t rounds = rounds_.rounds();
  if (rounds != seen_rounds_) {
    // Since the last look somebody has appended; how long ago is not known, and is taken as just now.
    seen_rounds_ = rounds;
    quiet_from_ns_ = now + kQuietNs;
  }
  const auto rate = static_cast<double>(bytes_per_second_);
  tokens_ = std::min(static_cast<double>(kBurstBytes), tokens_ + static_cast<double>(now - filled_ns_) * rate / 1e9);
  filled_ns_ = now;
  if (now >= quiet_from_ns_) return 0;
  tokens_ -= static_cast<double>(bytes);
  return tokens_ >= 0 ? 0 : static_cast<std::int64_t>(-tokens_ * 1e9 / rate);
}

}  // namespace baton::store
