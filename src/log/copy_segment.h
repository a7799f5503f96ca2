// Copies one segment of a store that another process may be writing to, up to an offset that was visible.
//
// All that is copied is checked: by the marks where there are some, by the batches' own CRCs and their order behind them. The copy gets
// marks up to its end, whatever the writer has got to.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <baton/result.h>

#include "base/bytes.h"
#include "log/types.h"
#include "os/file.h"

namespace baton::log {

struct SegmentToCopy {
  PartitionKey key;
  Offset base;
  Offset until;                        // after the last record of the copy
  std::optional<std::uint64_t> bytes;  // up to there, when that is known
  bool sealed = false;                 // its marks reach its end
  Epoch epoch_max;                     // of a batch
};

struct CopiedSegment {
  std::uint64_t bytes = 0;
  std::int64_t arrival_ms = 0;  // of the last batch
  base::Bytes lead;             // the bytes from the last sector boundary to the end
};

// `from` and `to` are data directories; the partition's directory is there in both. `now_ms`: the arrival of batches that have no append time
// and no mark. Both files are durable when this returns. corrupt, not_found: with file and position.
[[nodiscard]] Result<CopiedSegment> copy_segment(os::FileSystem& fs, const std::string& from, const std::string& to,
                                                 const SegmentToCopy& segment, std::int64_t now_ms,
                                                 const std::function<void(std::uint64_t bytes)>& copied);

}  // namespace baton::log
