// ReplayPace: keeps one reader that works through history from slowing down those who append.
//
// While rounds of appends end, a reader may take so many bytes a second (a token bucket); as long as none does, it may take all it can. One
// for each reader, on the reader's thread.
#pragma once

#include <climits>
#include <cstdint>

#include "os/env.h"
#include "store/wake_list.h"

namespace baton::store {

class ReplayPace {
 public:
  static constexpr std::uint64_t kBytesPerSecond = 96u << 20;   // while others append
  static constexpr std::uint64_t kBurstBytes = 512u << 10;
  static constexpr std::int64_t kQuietNs = 20'000'000;          // without a round for so long, nobody appends

  // `rounds` may be null (another process writes): then there is no limit. Both outlive it.
  ReplayPace(os::Clock& clock, const WakeList* rounds, std::uint64_t bytes_per_second = kBytesPerSecond)
      : clock_(clock),
        rounds_(rounds),
        bytes_per_second_(bytes_per_second),
        seen_rounds_(rounds == nullptr ? 0 : rounds->rounds()),
        filled_ns_(clock.monotonic_ns()) {}

  // `bytes` were read. Returns for how many nanoseconds the reader is to rest before it reads more; 0: go on.
  [[nodiscard]] std::int64_t took(std::uint64_t bytes);

 private:
  os::Clock& clock_;
  const WakeList* rounds_;
  std::uint64_t bytes_per_second_;
  std::uint64_t seen_rounds_;
  std::int64_t quiet_from_ns_ = INT64_MIN;
  std::int64_t filled_ns_;
  double tokens_ = kBurstBytes;
};

}  // namespace baton::store
