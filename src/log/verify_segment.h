// The check of one segment: batches, marks, hash. Reads only, goes on after damage where a mark says how.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/sha256.h"
#include "log/log.h"
#include "log/marks.h"
#include "os/file.h"

namespace baton::log {

struct SegmentToVerify {
  PartitionKey key;
  Offset base;
  Offset end;                      // the first offset that need not be there (of the next segment, or visible)
  std::string log_name;            // relative to the data directory
  std::string marks_name;
  std::size_t batch_bytes_max = 0;
  Epoch epoch_max;
  std::optional<std::uint64_t> bytes;  // exactly so many, when it is sealed
  Hash256 previous{};              // of the chain, when it is hashed
  bool hashed = false;
};

struct SegmentVerified {
  std::uint64_t bytes = 0;         // that were looked at
  std::uint64_t batches = 0;
  std::uint64_t records = 0;
  Hash256 hash{};                  // when asked for
};

// Findings go to `found`; an error is one of reading (a file that is gone is not_found).
[[nodiscard]] Result<SegmentVerified> verify_segment(os::FileSystem& fs, const std::string& directory, const SegmentToVerify& segment,
                                                     const std::function<void(Finding)>& found,
                                                     const std::function<void(std::uint64_t bytes)>& progress);

}  // namespace baton::log
