#include "broker/batch_check.h"

#include <algorithm>
#include <optional>

#include "base/crc32c.h"
#include "broker/cloud_event.h"

namespace baton::broker {
namespace {

constexpr std::size_t kMagicAt = 16;  // of every format, in each message or batch
constexpr std::size_t kRecordErrorsMax = 100;

BatchVerdict refuse(ProduceError error, std::string message) { return {error, std::move(message), {}}; }

// Whether the client has made the batch as it is: clients send a batch again after CORRUPT_MESSAGE, and this one would be as wrong then.
bool is_as_sent(base::ByteView batch) {
  constexpr std::size_t kCovered = log::kBatchCrcAt + sizeof(std::uint32_t);
  return batch.size() > kCovered && batch[kMagicAt] == std::byte{2} &&
         base::load_be<std::uint32_t>(batch.data() + log::kBatchCrcAt) == base::crc32c(0, batch.subspan(kCovered));
}

// Whether `later` lies more than `by` behind `earlier`. Both may be anything.
bool is_further(std::int64_t later, std::int64_t earlier, std::int64_t by) {
  std::int64_t distance = 0;
  if (__builtin_sub_overflow(later, earlier, &distance)) return later > earlier && by < INT64_MAX;
  return distance > by;
}

// Of a writer that takes the topic for a context, and would believe its condition to have held.
bool has_condition(const log::RecordView& record) {
  return std::ranges::any_of(record.headers, [](const auto& header) { return header.key == kExpectedVersionHeader; });
}

// What the header alone says against it.
std::optional<BatchVerdict> check_header(const log::BatchHeader& header) {
  if (header.control()) return refuse(ProduceError::invalid_record, "a control batch: only the broker writes those");
  if (header.transactional()) return refuse(ProduceError::invalid_txn_state, "transactions are not supported yet");
  if (header.record_count < 1) return refuse(ProduceError::invalid_record, "a batch without records");
  if (header.record_count != header.last_offset_delta + 1) {
    return refuse(ProduceError::invalid_record, "a batch of " + std::to_string(header.record_count) +
                                                    " records whose last offset delta is " + std::to_string(header.last_offset_delta));
  }
  if (header.producer_id >= 0 && (header.base_sequence < 0 || header.producer_epoch < 0)) {
    return refuse(ProduceError::invalid_record, "a producer id with epoch " + std::to_string(header.producer_epoch) + " and sequence " +
                                                    std::to_string(header.base_sequence));
  }
  return std::nullopt;
}

}  // namespace

std::string_view error_name(ProduceError error) noexcept {
  switch (error) {
    case ProduceError::none: return "NONE";
    case ProduceError::corrupt_message: return "CORRUPT_MESSAGE";
    case ProduceError::invalid_record: return "INVALID_RECORD";
    case ProduceError::invalid_timestamp: return "INVALID_TIMESTAMP";
    case ProduceError::message_too_large: return "MESSAGE_TOO_LARGE";
    case ProduceError::unsupported_version: return "UNSUPPORTED_VERSION";
    case ProduceError::unsupported_compression_type: return "UNSUPPORTED_COMPRESSION_TYPE";
    case ProduceError::unknown_topic_or_partition: return "UNKNOWN_TOPIC_OR_PARTITION";
    case ProduceError::out_of_order_sequence_number: return "OUT_OF_ORDER_SEQUENCE_NUMBER";
    case ProduceError::invalid_producer_epoch: return "INVALID_PRODUCER_EPOCH";
    case ProduceError::invalid_txn_state: return "INVALID_TXN_STATE";
    case ProduceError::throttling_quota_exceeded: return "THROTTLING_QUOTA_EXCEEDED";
    case ProduceError::kafka_storage_error: return "KAFKA_STORAGE_ERROR";
  }
  return "UNKNOWN_SERVER_ERROR";
}

BatchVerdict BatchChecker::check(base::ByteView batch, const log::TopicConfig& topic, std::int64_t now_ms, bool may_be_zstd) {
  unpacked_bytes_ = 0;
  if (batch.size() > kMagicAt && static_cast<std::int8_t>(batch[kMagicAt]) < 2 && static_cast<std::int8_t>(batch[kMagicAt]) >= 0) {
    return refuse(ProduceError::unsupported_version, "message format v" + std::to_string(static_cast<int>(batch[kMagicAt])) +
                                                         ": only record batches (v2, of clients since 0.11) are taken");
  }
  const auto size = log::batch_size(batch, SIZE_MAX);
  if (!size) return refuse(ProduceError::corrupt_message, size.error().detail);
  if (!*size || **size > batch.size()) return refuse(ProduceError::invalid_record, "the bytes are no whole record batch");
  if (**size < batch.size()) return refuse(ProduceError::invalid_record, "more than one record batch for a partition in one request");
  if (batch.size() > topic.produced_bytes_max) {
    return refuse(ProduceError::message_too_large, "a batch of " + std::to_string(batch.size()) + " bytes: the topic takes at most " +
                                                       std::to_string(topic.produced_bytes_max) + " (max.message.bytes)");
  }
  const auto header = log::check_batch(batch);
  if (!header) return refuse(is_as_sent(batch) ? ProduceError::invalid_record : ProduceError::corrupt_message, header.error().detail);
  if (auto bad = check_header(*header)) return *std::move(bad);
  if (header->codec() == log::Codec::zstd && !may_be_zstd) {
    return refuse(ProduceError::unsupported_compression_type, "zstd needs Produce v7 or newer");
  }
  const bool packed = header->codec() != log::Codec::none;
  if (packed) unpacked_bytes_ = unpacked_bytes_max_;
  std::size_t bytes = 0;
  BatchVerdict verdict = check_records(batch, topic, now_ms, bytes);
  if (packed && cursor_.status()) unpacked_bytes_ = bytes;
  return verdict;
}

BatchVerdict BatchChecker::check_records(base::ByteView batch, const log::TopicConfig& topic, std::int64_t now_ms, std::size_t& bytes) {
  if (const Status started = cursor_.start(batch); !started) {
    const bool large = started.error().code == Code::too_large;
    return refuse(large ? ProduceError::message_too_large : ProduceError::invalid_record, started.error().detail);
  }
  BatchVerdict verdict;
  std::int32_t number = 0;
  while (cursor_.next()) {
    const log::RecordView& record = cursor_.record();
    bytes += record.bytes.size();
    if (record.offset.value() != cursor_.header().base_offset.value() + number) {
      return refuse(ProduceError::invalid_record, "record " + std::to_string(number) + " has offset delta " +
                                                      std::to_string(record.offset.value() - cursor_.header().base_offset.value()));
    }
    if (!topic.append_time && verdict.records.size() < kRecordErrorsMax) {
      if (is_further(now_ms, record.client_timestamp, topic.timestamp_before_ms_max) ||
          is_further(record.client_timestamp, now_ms, topic.timestamp_after_ms_max)) {
        verdict.records.push_back({number, "timestamp " + std::to_string(record.client_timestamp) +
                                               " is too far from the time of the append, " + std::to_string(now_ms) +
                                               " (message.timestamp.before.max.ms, message.timestamp.after.max.ms)"});
      }
    }
    if (topic.kind == log::TopicKind::plain && verdict.records.size() < kRecordErrorsMax && has_condition(record)) {
      verdict.error = ProduceError::invalid_record;
      verdict.records.push_back({number, "it has the header baton-expected-version, and nobody looks at that in a plain topic: make a context (baton create-context, or a topic with baton.kind=event)"});
    }
    ++number;
  }
  if (!cursor_.status()) {
    const bool large = cursor_.status().error().code == Code::too_large;
    return refuse(large ? ProduceError::message_too_large : ProduceError::invalid_record, cursor_.status().error().detail);
  }
  if (verdict.error == ProduceError::invalid_record) {
    verdict.message = "one or more records have a condition, which a plain topic does not know";
  } else if (!verdict.records.empty()) {
    verdict.error = ProduceError::invalid_timestamp;
    verdict.message = "one or more records have a timestamp that is not allowed";
  }
  return verdict;
}

}  // namespace baton::broker
