// What the writer knows of its contexts beside what every reader sees. Lives on the store's executor.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "log/types.h"
#include "store/event_codec.h"
#include "store/head_cache.h"
#include "store/position_codec.h"
#include "store/read_view.h"
#include "store/record_fetcher.h"
#include "store/round.h"

namespace baton::store {

inline constexpr std::size_t kHeadCacheEntries = 64u << 10;  // of one partition

struct PartitionState {
  PartitionState(const ContextView& context, std::shared_ptr<PartitionView> partition, const PositionContext* positions,
                 std::size_t cached_heads)
      : view(std::move(partition)), heads(cached_heads), fetcher(context, *view, positions) {}

  std::shared_ptr<PartitionView> view;
  HeadCache heads;             // as of what is staged: a round that fails ends the store
  RecordFetcher fetcher;       // for the checks
  StagedEvents staged;         // of the round that is on its way to the disk, and of the one that is being made
  std::int64_t streams = 0;    // that have a head, staged ones included

  // The end of what was staged in the round that is being made, for the index.
  bool touched = false;
  log::Offset staged_end;
  log::Epoch staged_epoch;
  std::uint32_t staged_crc = 0;
};

// Where a round ends in a partition, for the index.
struct StagedEnd {
  PartitionState* partition = nullptr;
  log::Offset end;
  log::Epoch epoch;
  std::uint32_t crc = 0;
  std::int64_t streams = 0;
};

struct ContextState {
  std::shared_ptr<const ContextView> view;
  std::string source;          // the default one
  PositionContext positions;
  EventEncoder encoder;
  std::vector<std::unique_ptr<PartitionState>> partitions;

  explicit ContextState(std::shared_ptr<const ContextView> context);
};

}  // namespace baton::store
