// The numbers of the log, each its own type, and the states of an offset (docs/architecture.md, "The life of an offset").
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>

#include "base/strong.h"

namespace baton::log {

using Offset = base::Strong<struct OffsetTag>;            // a record's place in its partition, from 0
using PartitionId = base::Strong<struct PartitionTag, std::int32_t>;
using Epoch = base::Strong<struct EpochTag, std::int32_t>;  // raised by each open for writing and each restore
using Round = base::Strong<struct RoundTag, std::uint64_t>;
using FilePosition = base::Strong<struct FilePositionTag, std::uint64_t>;  // a byte in a segment file

// written >= durable >= visible >= last stable. Each names the offset after the last record in that state.
using WrittenOffset = base::Strong<struct WrittenTag>;        // on the tail of the open segment
using DurableOffset = base::Strong<struct DurableTag>;        // survives a power loss
using VisibleOffset = base::Strong<struct VisibleTag>;        // acknowledgeable; readers stop here
using LastStableOffset = base::Strong<struct LastStableTag>;  // before the first open transaction

// Where a batch lies.
struct BatchPlace {
  Offset base_offset;
  FilePosition position;  // within the segment that holds base_offset
};

struct TopicId {
  std::array<std::uint8_t, 16> bytes{};
  friend auto operator<=>(const TopicId&, const TopicId&) = default;
  [[nodiscard]] std::string to_hex() const;  // 32 digits: the directory's name
};

struct PartitionKey {
  TopicId topic;
  PartitionId partition;
  friend auto operator<=>(const PartitionKey&, const PartitionKey&) = default;
};

enum class TopicKind : std::uint8_t { plain = 0, event = 1 };
enum class Durability : std::uint8_t { fsync, interval, memory };
enum class Codec : std::uint8_t { none = 0, gzip = 1, snappy = 2, lz4 = 3, zstd = 4 };

}  // namespace baton::log
