// Positions as text (docs/formats/position.md), their check against the epoch table, and their bookkeeping while reading.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <baton/event.h>
#include <baton/result.h>

#include "log/catalogue.h"
#include "log/log.h"
#include "log/types.h"

namespace baton::store {

inline constexpr std::size_t kPositionBytesMax = 65'535;
inline constexpr std::int64_t kNoOffset = -1;

// What a position says. `offsets`: per partition the last event seen, kNoOffset for none. An empty vector: the beginning.
struct PositionParts {
  std::string topic;               // 16 hex digits
  log::Epoch epoch;
  std::vector<std::int64_t> offsets;
  [[nodiscard]] bool is_beginning() const { return offsets.empty(); }
};

// invalid_argument when it is not a position at all. The empty text is the beginning.
[[nodiscard]] Result<PositionParts> parse_position(const Position& position);
[[nodiscard]] std::string topic_text(const log::TopicId& topic);  // the 16 digits
[[nodiscard]] Position make_position(const log::TopicId& topic, log::Epoch epoch, std::span<const std::int64_t> offsets);
[[nodiscard]] inline Position make_position(const log::TopicId& topic, log::Epoch epoch, std::int64_t offset) {
  return make_position(topic, epoch, std::span<const std::int64_t>(&offset, 1));
}

// Where the events of `epoch` end in a partition, by its table: the start of the next listed epoch, else `visible`.
[[nodiscard]] std::int64_t epoch_end(std::span<const log::EpochStart> table, log::Epoch epoch, log::VisibleOffset visible);

// position_lost unless the topic agrees, the epoch is not above `newest`, and each offset lies below the end of that epoch:
// `end_of(partition, epoch)`, never above what is visible. invalid_argument for text that is no position. Returns where to read on
// (the next offset) per partition; for the beginning `partitions` zeros.
using EpochEnd = std::function<std::int64_t(std::int32_t partition, log::Epoch epoch)>;
[[nodiscard]] Result<std::vector<std::int64_t>> check_position(const Position& position, const log::TopicId& topic, std::int32_t partitions,
                                                               log::Epoch newest, const EpochEnd& end_of);
// The same by readers (one a partition, in order), which know their own tables. `newest` is the largest of their epochs.
[[nodiscard]] Result<std::vector<std::int64_t>> check_position(
    const Position& position, const log::TopicId& topic,
    std::span<const std::shared_ptr<const log::PartitionReader>> readers);

// The epoch that a position at `offset` names: that of its record, or, when a retention has removed it meanwhile, that of what is left first.
[[nodiscard]] Result<log::Epoch> epoch_at(const log::PartitionReader& reader, log::Offset offset);

// What EventView::position() needs beside the event: lives as long as the reader that fills views. With several partitions it also counts
// what was seen in each: a position holds an offset a partition.
class PositionContext {
 public:
  PositionContext(const log::TopicId& topic, std::int32_t partitions);
  // Says that everything up to `offset` of a partition was seen, in an epoch. Not needed with one partition.
  void saw(log::PartitionId partition, std::int64_t offset, log::Epoch epoch);
  // From a position that was checked: the next offsets, as check_position gives them, and its epoch.
  void resume(std::span<const std::int64_t> next, log::Epoch epoch);
  // What was seen, and nothing else. The beginning when nothing was.
  [[nodiscard]] Position position() const;
  // The position of an event: what was seen, and this event of `partition`.
  [[nodiscard]] Position position_of(std::int32_t partition, std::int64_t offset, std::int32_t epoch) const;
  [[nodiscard]] std::int32_t partitions() const { return static_cast<std::int32_t>(seen_.size()); }

 private:
  std::string prefix_;              // "p1.<topic>."
  log::Epoch epoch_;                // the largest seen
  std::vector<std::int64_t> seen_;
  bool any_seen_ = false;           // something may be in seen_
};

}  // namespace baton::store
