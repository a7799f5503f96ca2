// What age removes: offsets that nobody has used for the retention, and groups that hold nothing any more.
#include <utility>

#include "broker/coordinator.h"

namespace baton::broker {
namespace {
// Offsets that one turn looks at, about: a sweep over millions must not hold the executor.
constexpr std::size_t kOffsetsPerTurn = 10'000;
}  // namespace

void Coordinator::sweep() {
  const Turn turn(*this);
  std::size_t seen = 0;
  auto next = sweep_from_ ? groups_.lower_bound(*sweep_from_) : groups_.begin();
  for (; next != groups_.end() && seen < kOffsetsPerTurn;) {
    Group& group = next->second;
    ++next;  // the group may go
    seen += 1 + group.offsets.size();
    sweep(group);
  }
  if (next != groups_.end()) {
    sweep_from_ = next->first;
    (void)deadlines_.at(deadlines_.in_ms(1), [this] { sweep(); });
  } else {
    sweep_from_.reset();
    (void)deadlines_.at(deadlines_.in_ms(options_.offsets_check_interval_ms), [this] { sweep(); });
  }
}

void Coordinator::sweep(Group& group) {
  if (group.state == GroupState::dead) return;
  if (group.state == GroupState::empty && group.members_recorded && group.in_flight == 0 && group.held.empty())
    record_empty(group);
  const auto remove_if_idle = [this](Group& then) {
    const bool idle =
        then.state == GroupState::empty && then.offsets.empty() && then.pending.empty() && then.offsets_in_flight == 0;
    if (idle && !then.members_recorded) remove_group(then, nullptr);
  };
  const auto topics = expired(group, log_.time_ms());
  if (topics.empty()) return remove_if_idle(group);
  const std::size_t before = group.offsets.size();
  remove_offsets(group, topics, [this, before, remove_if_idle](Group& then, bool ok) {
    if (!ok) return;
    counts_.expired_offsets += before - std::min(before, then.offsets.size());
    remove_if_idle(then);
  });
}

// A group's offsets age from when its last member went; those of a consumer that manages itself from their commit; those of a topic that no
// member of a stable group is subscribed to any more, too. (Kafka 4.3.1 counts from when the group became empty also for an
// offset that an administrator committed later; here it lives as long as any other.)
std::vector<RemovedTopic> Coordinator::expired(const Group& group, std::int64_t now_ms) const {
  std::vector<RemovedTopic> out;
  const bool simple = group.protocol_type.empty();
  const bool empty = group.state == GroupState::empty;
  if (!empty && group.state != GroupState::stable) return out;
  const std::string* topic = nullptr;
  bool used = false;
  for (const auto& [partition, offset] : group.offsets) {
    if (topic == nullptr || *topic != partition.topic) {
      topic = &partition.topic;
      used = !empty && (group.subscribed(partition.topic) || !group.reads_subscriptions());
    }
    if (used) continue;
    const std::int64_t since_ms = empty && !simple ? std::max(group.since_ms, offset.commit_ms) : offset.commit_ms;
    const bool old = offset.expire_ms != kNoExpiry
                         ? now_ms >= offset.expire_ms
                         : options_.offsets_retention_ms > 0 && now_ms - since_ms >= options_.offsets_retention_ms;
    if (!old) continue;
    if (out.empty() || out.back().topic != partition.topic) out.push_back({.topic = partition.topic, .partitions = {}});
    out.back().partitions.push_back(partition.partition);
  }
  return out;
}

}  // namespace baton::broker
