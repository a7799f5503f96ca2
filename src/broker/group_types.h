// The words of consumer groups. Each name and number has a type of its own: a member id is never passed for an instance id.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/strong.h"
#include "log/types.h"

namespace baton::broker {

template <typename Tag>
struct Name {
  std::string value;
  [[nodiscard]] bool empty() const { return value.empty(); }
  friend auto operator<=>(const Name&, const Name&) = default;
};

using GroupId = Name<struct GroupIdTag>;
using MemberId = Name<struct MemberIdTag>;      // given by the coordinator: "<client or instance id>-<uuid>"
using InstanceId = Name<struct InstanceIdTag>;  // chosen by the user: group.instance.id, of a static member

using GenerationId = base::Strong<struct GenerationTag, std::int32_t>;
using LeaderEpoch = base::Strong<struct LeaderEpochTag, std::int32_t>;
inline constexpr GenerationId kNoGeneration{-1};
inline constexpr LeaderEpoch kNoLeaderEpoch{-1};
inline constexpr log::Offset kNoOffset{-1};

struct TopicPartition {
  std::string topic;
  log::PartitionId partition;
  friend auto operator<=>(const TopicPartition&, const TopicPartition&) = default;
};

// What a request of this layer ends with. Named as Kafka's errors, so that the one place that maps them is a table; the numbers
// are Baton's own.
enum class GroupError : std::uint8_t {
  none,
  coordinator_load_in_progress,
  coordinator_not_available,  // a write that failed, a group that is being removed, a stop: try again
  invalid_group_id,
  invalid_request,
  invalid_session_timeout,
  inconsistent_group_protocol,
  unknown_member_id,
  member_id_required,
  fenced_instance_id,
  illegal_generation,
  rebalance_in_progress,
  group_max_size_reached,
  group_id_not_found,
  non_empty_group,
  group_subscribed_to_topic,
  offset_metadata_too_large,
  invalid_commit_offset_size,  // over the limit of offsets, or of what one commit may write
  policy_violation,            // over another limit of GroupOptions
};
[[nodiscard]] std::string_view error_name(GroupError error) noexcept;  // "UNKNOWN_MEMBER_ID"

enum class GroupState : std::uint8_t {
  empty,                 // no members; perhaps offsets
  preparing_rebalance,   // waits for its members to join
  completing_rebalance,  // has a generation; waits for the leader's assignment to be durable
  stable,
  dead,  // its removal is on the way to the disk
};
[[nodiscard]] std::string_view state_name(GroupState state) noexcept;  // "PreparingRebalance"

}  // namespace baton::broker
