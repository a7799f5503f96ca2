// One index against the batches of its partition, in one pass over each and little memory.
//
// Entries are not looked up one by one. The offsets are divided into up to 4096 ranges; for each, the entries that the log asks for and
// those that the index has are counted and their keyed hashes summed up. Equal sums: the same entries.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <baton/result.h>

#include "log/verify.h"
#include "store/event_codec.h"
#include "store/heads_snapshot.h"
#include "store/index.h"

namespace baton::store {

// How damage of an index is told.
[[nodiscard]] std::string index_finding(const std::string& what);

class IndexCheck {
 public:
  using Found = std::function<void(log::Finding)>;

  // `name`: of the partition's directory, relative to the store's. `index` may be null: then only the events are decoded.
  IndexCheck(std::string name, const std::string& context, log::PartitionId partition, std::unique_ptr<Index> index,
             std::shared_ptr<const HeadsReader> heads, std::uint64_t seed, Found found);

  // The next batch of the partition. A record that is not an event is a finding.
  void add(const log::VerifiedBatch& batch);
  // All batches are there. `whole`: nothing was left out at the end. `may_lose`: a power cut may have taken what the index covers already, since the
  // context does not sync what it acknowledges, and the store was not closed.
  struct Outcome {
    bool compared = false;
    std::uint64_t entries = 0;
    std::string note;  // why something was not compared
  };
  [[nodiscard]] Outcome finish(bool whole, bool may_lose);

 private:
  struct Range {
    std::uint64_t wanted = 0;
    std::uint64_t there = 0;
    std::uint64_t wanted_sum = 0;
    std::uint64_t there_sum = 0;
  };
  [[nodiscard]] std::uint64_t sum_of(const IndexEntry& entry) const;
  void want(std::uint64_t hash, const IndexHit& hit);
  void want_all(const EventView& event, IndexHit hit);
  [[nodiscard]] Result<StreamVersion> version_of_system(const EventView& event, log::Offset offset) const;
  [[nodiscard]] bool was_read(log::Offset offset) const;
  void bad_index(std::string what);
  void compare();

  const std::string name_;
  EventDecoder decoder_;
  std::unique_ptr<Index> index_;
  std::optional<IndexSnapshot> snapshot_;
  std::shared_ptr<const HeadsReader> heads_;
  const std::uint64_t seed_;
  const Found found_;
  log::RecordCursor cursor_;
  IndexCovered covered_;
  int shift_ = 0;  // of an offset, to its range
  std::vector<Range> ranges_;
  std::optional<log::Offset> first_;  // that was read
  log::Offset next_;
  std::vector<std::pair<log::Offset, log::Offset>> gaps_;  // between, that were not: the log is damaged there
  bool usable_ = true;                                     // no damage was met while the log was read
  bool belongs_ = false;                                   // the batch at the end of the index is the one that it names
};

}  // namespace baton::store
