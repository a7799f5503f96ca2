#include "broker/group_types.h"

namespace baton::broker {

std::string_view error_name(GroupError error) noexcept {
  switch (error) {
    case GroupError::none: return "NONE";
    case GroupError::coordinator_load_in_progress: return "COORDINATOR_LOAD_IN_PROGRESS";
    case GroupError::coordinator_not_available: return "COORDINATOR_NOT_AVAILABLE";
    case GroupError::invalid_group_id: return "INVALID_GROUP_ID";
    case GroupError::invalid_request: return "INVALID_REQUEST";
    case GroupError::invalid_session_timeout: return "INVALID_SESSION_TIMEOUT";
    case GroupError::inconsistent_group_protocol: return "INCONSISTENT_GROUP_PROTOCOL";
    case GroupError::unknown_member_id: return "UNKNOWN_MEMBER_ID";
    case GroupError::member_id_required: return "MEMBER_ID_REQUIRED";
    case GroupError::fenced_instance_id: return "FENCED_INSTANCE_ID";
    case GroupError::illegal_generation: return "ILLEGAL_GENERATION";
    case GroupError::rebalance_in_progress: return "REBALANCE_IN_PROGRESS";
    case GroupError::group_max_size_reached: return "GROUP_MAX_SIZE_REACHED";
    case GroupError::group_id_not_found: return "GROUP_ID_NOT_FOUND";
    case GroupError::non_empty_group: return "NON_EMPTY_GROUP";
    case GroupError::group_subscribed_to_topic: return "GROUP_SUBSCRIBED_TO_TOPIC";
    case GroupError::offset_metadata_too_large: return "OFFSET_METADATA_TOO_LARGE";
    case GroupError::invalid_commit_offset_size: return "INVALID_COMMIT_OFFSET_SIZE";
    case GroupError::policy_violation: return "POLICY_VIOLATION";
  }
  return "?";
}

std::string_view state_name(GroupState state) noexcept {
  switch (state) {
    case GroupState::empty: return "Empty";
    case GroupState::preparing_rebalance: return "PreparingRebalance";
    case GroupState::completing_rebalance: return "CompletingRebalance";
    case GroupState::stable: return "Stable";
    case GroupState::dead: return "Dead";
  }
  return "?";
}

}  // namespace baton::broker
