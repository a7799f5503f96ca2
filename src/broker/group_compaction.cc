// The whole state, written again behind the log of its changes, so that what lies before can be removed (docs/formats/groups.md).
//
// Group by group. A group's state is what was reported as durable; what is on its way to the log lies before the snapshot there and is not in
// that state yet, so it would be lost with what lies before. Hence a group is written when nothing of it is on its way: further writes of it are
// held back for the round that takes.
#include <algorithm>
#include <utility>

#include "broker/coordinator.h"

namespace baton::broker {
namespace {
constexpr std::size_t kOffsetsRecordBytes = 64u << 10;
constexpr std::size_t kBytesPerTurn = 1u << 20;   // of groups that are written together
constexpr std::size_t kGroupsWaitingMax = 1'000;  // for their own writes
}  // namespace

void Coordinator::maybe_compact() {
  if (phase_ != Phase::running) return;
  if (compaction_) return compact_more();
  const std::uint64_t bytes = log_.bytes();
  if (bytes > std::max(options_.compact_bytes_min, compact_above_) && bytes > 4 * state_bytes_) compact();
}

void Coordinator::compact() {
  if (phase_ != Phase::running || compaction_) return;
  const Turn turn(*this);
  log_.begin_snapshot();
  compaction_.emplace();
  if (!groups_.empty()) compaction_->next = groups_.begin()->first;
  compact_more();
}

void Coordinator::compact_more() {
  Compaction& c = *compaction_;
  std::uint64_t bytes = 0;
  // One round of appends at a time; failing ones end it.
  if (c.in_flight == 0 && !c.failed) {
    while (c.next && bytes < kBytesPerTurn && c.waiting < kGroupsWaitingMax) {
      const auto at = groups_.lower_bound(*c.next);
      if (at == groups_.end()) {
        c.next.reset();
        break;
      }
      Group& group = at->second;
      const auto after = std::next(at);
      c.next = after == groups_.end() ? std::nullopt : std::optional(after->first);
      bytes += group.snapshot_bytes();
      if (group.in_flight == 0) {
        write_snapshot(group);
      } else {
        group.snapshot_waits = true;
        ++c.waiting;
      }
    }
  }
  if (c.in_flight > 0 || c.waiting > 0 || (c.next && !c.failed)) return;
  const bool complete = !c.failed;
  compaction_.reset();
  log_.end_snapshot(complete);
  if (complete) ++counts_.snapshots;
  compact_above_ = log_.bytes() + options_.compact_bytes_min;
}

void Coordinator::write_snapshot(Group& group) {
  Compaction& c = *compaction_;
  if (std::exchange(group.snapshot_waits, false)) --c.waiting;
  std::vector<base::Bytes> records;
  std::size_t bytes = 0;
  const auto flush = [&] {
    if (records.empty()) return;
    ++c.in_flight;
    log_.append(std::exchange(records, {}), [weak = weak_from_this()](const Status& status) {
      if (const auto self = weak.lock()) self->snapshot_written(status);
    });
    bytes = 0;
  };
  const auto add = [&](base::Bytes record) {
    if (bytes + record.size() > kGroupAppendBytesMax) flush();
    bytes += record.size();
    records.push_back(std::move(record));
  };
  // One whose removal waits behind this is written all the same: the removal may fail.
  if (!c.failed) {
    if (!group.recorded_generation.empty()) add(group.recorded_generation);
    const GenerationId reserved = std::max(group.reserved, group.told);
    if (reserved > GenerationId(0)) add(encode_group_record(ReservedRecord{.group = group.id, .generation = reserved}));
    for (auto& record : encode_offsets(group.id, group.offsets, kOffsetsRecordBytes)) add(std::move(record));
    flush();
  }
  while (!group.held.empty()) {
    auto held = std::move(group.held.front());
    group.held.pop_front();
    submit(group, std::move(held.records), held.write);
  }
}

void Coordinator::snapshot_written(const Status& status) {
  if (!compaction_) return;
  const Turn turn(*this);
  --compaction_->in_flight;
  if (!status) {
    ++counts_.failed_writes;
    compaction_->failed = true;
  }
  maybe_compact();
}

}  // namespace baton::broker
