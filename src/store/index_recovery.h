// IndexRecovery: brings the indexes of partitions up to what the log holds: after open, and when damage was found (F19).
//
// Lives on the store's executor. step() works until it is done or an index is full and wants the worker to write; then it is called again
// when there is room. Memory: one chunk of the log.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <baton/result.h>

#include "base/bytes.h"
#include "store/context_state.h"
#include "store/index_feed.h"

namespace baton::store {

// Whether the batch that ends where the runs of an index end is the one that they were made from.
[[nodiscard]] Result<bool> index_matches_log(const log::PartitionReader& reader, const IndexCovered& covered);

class IndexRecovery {
 public:
  // Adds a partition whose index may lag behind or disagree with the log. `rebuild`: its index is not to be trusted at all.
  void add(ContextState& context, PartitionState& partition, bool rebuild);

  // True when all is done. An error ends it: the log could not be read, or the index not be written.
  [[nodiscard]] Result<bool> step();

 private:
  struct Job {
    ContextState* context = nullptr;
    PartitionState* partition = nullptr;
    bool rebuild = false;
    bool begun = false;
    log::Offset next;          // to be read
    std::int64_t streams = 0;  // that began below it
    std::unique_ptr<IndexFeeder> feeder;
  };
  [[nodiscard]] Status begin(Job& job);
  [[nodiscard]] Status feed_chunk(Job& job);
  [[nodiscard]] Result<bool> step_job(Job& job);

  std::vector<Job> jobs_;  // the last is at work
  base::Bytes chunk_;
};

}  // namespace baton::store
