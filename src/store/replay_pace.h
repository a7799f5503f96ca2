// ReplayPace: keeps those who read history from slowing down those who append.
//
// While rounds of appends end, all readers of a store together may take so many bytes a second (a token bucket); as long as none does, they
// may take all they can. One for each store. Any thread.
#pragma once

#include <climits>
#include <cstdint>
#include <mutex>

#include "os/env.h"
#include "store/wake_list.h"

namespace baton::store {

class ReplayPace {
 public:
  static constexpr std::uint64_t kBytesPerSecond = 64u << 20;   // while others append
  static constexpr std::uint64_t kBurstBytes = 512u << 10;
  static constexpr std::int64_t kQuietNs = 20'000'000;          // without a round for so long, nobody appends

  // Both outlive it.
  ReplayPace(os::Clock& clock, const WakeList& rounds, std::uint64_t bytes_per_second = kBytesPerSecond)
      : clock_(clock),
        rounds_(rounds),
        bytes_per_second_(bytes_per_second),
        seen_rounds_(rounds.rounds()),
        filled_ns_(clock.monotonic_ns()) {}

  // `bytes` were read. Returns for how many nanoseconds the reader is to rest before it reads more; 0: go on.
  [[nodiscard]] std::int64_t took(std::uint64_t bytes);

 private:
  os::Clock& clock_;
  const WakeList& rounds_;
  const std::uint64_t bytes_per_second_;
  std::mutex mutex_;
  std::uint64_t seen_rounds_;
  std::int64_t quiet_from_ns_ = INT64_MIN;
  std::int64_t filled_ns_;
  double tokens_ = kBurstBytes;
};

}  // namespace baton::store
