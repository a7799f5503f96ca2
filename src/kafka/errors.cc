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

ErrorCode read_error(const Error& error) {
  switch (error.code) {
    case Code::invalid_argument: return ErrorCode::offset_out_of_range;
    case Code::corrupt: return ErrorCode::corrupt_message;
    case Code::not_found: return ErrorCode::unknown_topic_or_partition;
    default: return ErrorCode::kafka_storage_error;
  }
}

}  // namespace baton::kafka
