#include "kafka/errors.h"

namespace baton::kafka {

using wire::ErrorCode;

ErrorCode to_wire(broker::ProduceError error) {
  using enum broker::ProduceError;
  switch (error) {
    case none: return ErrorCode::none;
    case corrupt_message: return ErrorCode::corrupt_message;
    case invalid_record: return ErrorCode::invalid_record;
    case invalid_timestamp: return ErrorCode::invalid_timestamp;
    case message_too_large: return ErrorCode::message_too_large;
    case unsupported_version: return ErrorCode::unsupported_version;
    case unsupported_compression_type: return ErrorCode::unsupported_compression_type;
    case unknown_topic_or_partition: return ErrorCode::unknown_topic_or_partition;
    case out_of_order_sequence_number: return ErrorCode::out_of_order_sequence_number;
    case invalid_producer_epoch: return ErrorCode::invalid_producer_epoch;
    case invalid_txn_state: return ErrorCode::invalid_txn_state;
    // Retriable in every client; THROTTLING_QUOTA_EXCEEDED is not for Produce.
    case throttling_quota_exceeded: return ErrorCode::request_timed_out;
    case kafka_storage_error: return ErrorCode::kafka_storage_error;
  }
  return ErrorCode::unknown_server_error;
}

ErrorCode to_wire(broker::TopicError error) {
  using enum broker::TopicError;
  switch (error) {
    case none: return ErrorCode::none;
    case topic_already_exists: return ErrorCode::topic_already_exists;
    case invalid_topic_exception: return ErrorCode::invalid_topic_exception;
    case invalid_partitions: return ErrorCode::invalid_partitions;
    case invalid_replication_factor: return ErrorCode::invalid_replication_factor;
    case invalid_config: return ErrorCode::invalid_config;
    case invalid_request: return ErrorCode::invalid_request;
    case policy_violation: return ErrorCode::policy_violation;
    case unknown_topic_or_partition: return ErrorCode::unknown_topic_or_partition;
    case unknown_topic_id: return ErrorCode::unknown_topic_id;
    case offset_out_of_range: return ErrorCode::offset_out_of_range;
    case kafka_storage_error: return ErrorCode::kafka_storage_error;
  }
  return ErrorCode::unknown_server_error;
}

ErrorCode to_wire(broker::GroupError error) {
  using enum broker::GroupError;
  switch (error) {
    case none: return ErrorCode::none;
    case coordinator_load_in_progress: return ErrorCode::coordinator_load_in_progress;
    case coordinator_not_available: return ErrorCode::coordinator_not_available;
    case invalid_group_id: return ErrorCode::invalid_group_id;
    case invalid_request: return ErrorCode::invalid_request;
    case invalid_session_timeout: return ErrorCode::invalid_session_timeout;
    case inconsistent_group_protocol: return ErrorCode::inconsistent_group_protocol;
    case unknown_member_id: return ErrorCode::unknown_member_id;
    case member_id_required: return ErrorCode::member_id_required;
    case fenced_instance_id: return ErrorCode::fenced_instance_id;
    case illegal_generation: return ErrorCode::illegal_generation;
    case rebalance_in_progress: return ErrorCode::rebalance_in_progress;
    case group_max_size_reached: return ErrorCode::group_max_size_reached;
    case group_id_not_found: return ErrorCode::group_id_not_found;
    case non_empty_group: return ErrorCode::non_empty_group;
    case group_subscribed_to_topic: return ErrorCode::group_subscribed_to_topic;
    case offset_metadata_too_large: return ErrorCode::offset_metadata_too_large;
    case invalid_commit_offset_size: return ErrorCode::invalid_commit_offset_size;
    case policy_violation: return ErrorCode::policy_violation;
  }
  return ErrorCode::unknown_server_error;
}

ErrorCode read_error(const Error& error) {
  switch (error.code) {
    case Code::invalid_argument:
    case Code::removed: return ErrorCode::offset_out_of_range;
    case Code::corrupt: return ErrorCode::corrupt_message;
    case Code::not_found: return ErrorCode::unknown_topic_or_partition;
    default: return ErrorCode::kafka_storage_error;
  }
}

}  // namespace baton::kafka
