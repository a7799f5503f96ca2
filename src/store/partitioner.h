// Which partition of a context a stream belongs to (design rule 6). The same hashes as the clients', so that a record that
// one of them produces with the stream as its key lies where the store puts it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "log/types.h"

namespace baton::store {

enum class Partitioner : std::uint8_t {
  murmur2,  // Java, kafkajs, kafka-python: (murmur2(key) & 0x7fffffff) % partitions
  crc32,    // librdkafka "consistent": crc32(key) % partitions
  fnv1a,    // sarama: |fnv1a(key) as signed 32 bits| % partitions
};

// nullopt: not one of "murmur2", "crc32", "fnv1a".
[[nodiscard]] std::optional<Partitioner> parse_partitioner(std::string_view name);

[[nodiscard]] log::PartitionId partition_of(Partitioner partitioner, std::string_view stream, std::int32_t partitions);

namespace internal {
[[nodiscard]] std::uint32_t murmur2(std::string_view key);
[[nodiscard]] std::uint32_t crc32_ieee(std::string_view key);
[[nodiscard]] std::uint32_t fnv1a_32(std::string_view key);
}  // namespace internal

}  // namespace baton::store
