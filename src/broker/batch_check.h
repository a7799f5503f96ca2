// Judges what a producer sent for a partition before the owner of the log sees it: one whole record batch of format v2, with a CRC that holds, records that can be walked,
// times that are allowed. The rules and the names of the errors are Kafka's (its documentation, "Record Batch"; behaviour as of 4.3).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "log/batch.h"
#include "log/settings.h"

namespace baton::broker {

// How a batch that was produced ends. Named as Kafka's errors, so that the one place that maps them is a table.
enum class ProduceError : std::uint8_t {
  none,
  corrupt_message,            // the CRC does not hold, or the bytes are no batch
  invalid_record,             // a record breaks a rule: `records` and the message say which and what
  invalid_timestamp,
  message_too_large,
  unsupported_version,        // a format before v2
  unsupported_compression_type,
  unknown_topic_or_partition,
  out_of_order_sequence_number,
  invalid_producer_epoch,
  invalid_txn_state,          // transactions are not there yet
  throttling_quota_exceeded,  // too much waits: try again
  kafka_storage_error,        // the disk is full, or the store has ended
};
[[nodiscard]] std::string_view error_name(ProduceError error) noexcept;  // "CORRUPT_MESSAGE"

struct RecordError {
  std::int32_t record = 0;  // its number in the batch
  std::string message;
};

struct BatchVerdict {
  ProduceError error = ProduceError::none;
  std::string message;
  std::vector<RecordError> records;
};

// Keeps its memory from batch to batch. One thread.
class BatchChecker {
 public:
  explicit BatchChecker(const log::BatchLimits& limits = {}) : cursor_(limits), unpacked_bytes_max_(limits.uncompressed_bytes_max) {}
  // `now_ms`: the wall clock, for the limits on a producer's times. zstd needs a client that knows it (Produce v7 and up).
  [[nodiscard]] BatchVerdict check(base::ByteView batch, const log::TopicConfig& topic, std::int64_t now_ms, bool may_be_zstd);

  // What the batch that was checked last has unpacked to; the limit when it was no good. Nothing: it is not packed.
  [[nodiscard]] std::size_t unpacked_bytes() const { return unpacked_bytes_; }

 private:
  [[nodiscard]] BatchVerdict check_records(base::ByteView batch, const log::TopicConfig& topic, std::int64_t now_ms, std::size_t& bytes);
  log::RecordCursor cursor_;
  const std::size_t unpacked_bytes_max_;
  std::size_t unpacked_bytes_ = 0;
};

}  // namespace baton::broker
