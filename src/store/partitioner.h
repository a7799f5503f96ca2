// Which partition a stream belongs to (design rule 6): the key hashes of the three families of Kafka clients, so that a record which such
// a client sends by its key lands where the store would put it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "log/types.h"

namespace baton::store {

enum class Partitioner : std::uint8_t {
  murmur2,  // Java, kafkajs, kafka-python
  crc32,    // librdkafka and what stands on it ("consistent"): confluent-kafka, kcat
  fnv1a,    // sarama (its hash partitioner)
};

[[nodiscard]] std::optional<Partitioner> parse_partitioner(std::string_view name);

// From 0 to partitions - 1. `partitions` is at least 1.
[[nodiscard]] log::PartitionId partition_of(Partitioner partitioner, std::string_view stream, std::int32_t partitions);

namespace internal {
// The hashes themselves, for tests.
[[nodiscard]] std::uint32_t murmur2(std::string_view key);
[[nodiscard]] std::uint32_t crc32_ieee(std::string_view key);
[[nodiscard]] std::uint32_t fnv1a_32(std::string_view key);
}  // namespace internal

}  // namespace baton::store
