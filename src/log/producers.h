// What idempotent producers have written last, per partition (docs/formats/producers.md): duplicates are recognised, gaps and old epochs refused.
//
// A table belongs to the owner of the log. It is derived from the batches of the log.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <baton/result.h>

#include "base/bytes.h"
#include "log/batch.h"
#include "log/catalogue.h"
#include "log/types.h"

namespace baton::log {

inline constexpr const char* kProducersName = "producers";  // of the file, in the data directory
inline constexpr std::uint64_t kProducersFileBytesMax = 1u << 30;
inline constexpr std::size_t kProducerBatchesKept = 5;  // as many as a client may have in flight (Kafka: NUM_BATCHES_TO_RETAIN)
inline constexpr std::size_t kProducersMax = 10'000;    // of one partition
inline constexpr std::int64_t kProducerIdleMsMax = 86'400'000;

// A batch that a producer has written.
struct ProducedBatch {
  std::int32_t first_sequence = 0;
  std::int32_t last_sequence = 0;
  Offset base_offset;
  Offset last_offset;
  std::int64_t timestamp = -1;  // of the append; -1: the producer's own times are kept
  friend bool operator==(const ProducedBatch&, const ProducedBatch&) = default;
};

class ProducerTable {
 public:
  struct Producer {
    std::int16_t epoch = 0;
    std::int64_t last_used_ms = 0;
    std::vector<ProducedBatch> batches;  // the last ones, oldest first
    friend bool operator==(const Producer&, const Producer&) = default;
  };

  // What is to be done with a batch whose header has a producer id: nothing is changed. nullopt: take it. A batch: it is a duplicate of that one.
  // fenced, out_of_order.
  [[nodiscard]] Result<std::optional<ProducedBatch>> check(const BatchHeader& header) const;
  // A batch has been accepted, or was found in the log; its offsets are set. Without a producer id: nothing. Control batches carry no sequence.
  void take(const BatchHeader& header, std::int64_t now_ms);
  // Forgets those that have been idle for too long.
  void expire(std::int64_t now_ms);

  [[nodiscard]] bool empty() const { return producers_.empty(); }
  [[nodiscard]] std::size_t size() const { return producers_.size(); }
  [[nodiscard]] std::map<std::int64_t, Producer> sorted() const;  // by id
  void put(std::int64_t id, Producer producer) { producers_[id] = std::move(producer); }

 private:
  void forget_oldest();

  std::unordered_map<std::int64_t, Producer> producers_;
};

// One entry of the file `producers`.
struct ProducerSnapshot {
  PartitionKey key;
  Offset next;
  Epoch epoch;
  std::uint32_t batch_crc = 0;
  ProducerTable table;
};

// Entries ascend by key.
[[nodiscard]] base::Bytes encode_producers(const StoreId& store_id, const std::vector<const ProducerSnapshot*>& entries);
// corrupt: not such a file, of another store, or with a wrong CRC. Reads nothing beyond `bytes`.
[[nodiscard]] Result<std::vector<ProducerSnapshot>> decode_producers(const StoreId& store_id, base::ByteView bytes);

}  // namespace baton::log
