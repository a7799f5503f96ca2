// verify() for a layer above, which checks what it derives from the log in the same pass.
#pragma once

#include "log/log.h"

namespace baton::log {

// A batch that is what was written, as the pass comes to it: by partition, and in it by offset. Valid during the call.
struct VerifiedBatch {
  PartitionKey key;
  Offset segment_base;
  FilePosition position;  // within the segment
  BatchHeader header;
  base::ByteView bytes;
};
using VisitBatch = std::function<void(const VerifiedBatch&)>;

[[nodiscard]] Result<VerifyReport> verify_and_visit(
    os::Env& env, const std::string& directory, std::optional<Hash256> root,
    const std::function<void(std::uint64_t done, std::uint64_t total)>& progress, const VisitBatch& visit);

}  // namespace baton::log
