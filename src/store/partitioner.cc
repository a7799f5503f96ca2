#include "store/partitioner.h"

#include <array>

#include "base/bytes.h"

namespace baton::store {
namespace {

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ ((c & 1) != 0 ? 0xEDB88320U : 0U);
    table[i] = c;
  }
  return table;
}
constexpr auto kCrcTable = make_crc_table();

}  // namespace

namespace internal {

// MurmurHash2 with 32 bits and the seed that Kafka's Java client uses.
std::uint32_t murmur2(std::string_view key) {
  constexpr std::uint32_t kMultiplier = 0x5bd1e995;
  constexpr std::uint32_t kSeed = 0x9747b28c;
  const char* p = key.data();
  std::size_t left = key.size();
  std::uint32_t h = kSeed ^ static_cast<std::uint32_t>(left);
  for (; left >= 4; left -= 4, p += 4) {
    std::uint32_t k = base::load_le<std::uint32_t>(p);
    k *= kMultiplier;
    k ^= k >> 24;
    h = (h * kMultiplier) ^ (k * kMultiplier);
  }
  for (std::size_t i = left; i > 0; --i) h ^= static_cast<std::uint32_t>(static_cast<unsigned char>(p[i - 1])) << (8 * (i - 1));
  if (left > 0) h *= kMultiplier;
  h ^= h >> 13;
  h *= kMultiplier;
  return h ^ (h >> 15);
}

std::uint32_t crc32_ieee(std::string_view key) {
  std::uint32_t c = 0xFFFFFFFFU;
  for (const char ch : key) c = kCrcTable[(c ^ static_cast<unsigned char>(ch)) & 0xFF] ^ (c >> 8);
  return c ^ 0xFFFFFFFFU;
}

std::uint32_t fnv1a_32(std::string_view key) {
  std::uint32_t h = 2166136261U;
  for (const char ch : key) h = (h ^ static_cast<unsigned char>(ch)) * 16777619U;
  return h;
}

}  // namespace internal

std::optional<Partitioner> parse_partitioner(std::string_view name) {
  if (name == "murmur2") return Partitioner::murmur2;
  if (name == "crc32") return Partitioner::crc32;
  if (name == "fnv1a") return Partitioner::fnv1a;
  return std::nullopt;
}

log::PartitionId partition_of(Partitioner partitioner, std::string_view stream, std::int32_t partitions) {
  if (partitions <= 1) return log::PartitionId(0);
  const auto count = static_cast<std::uint32_t>(partitions);
  switch (partitioner) {
    case Partitioner::murmur2: return log::PartitionId(static_cast<std::int32_t>((internal::murmur2(stream) & 0x7fffffffU) % count));
    case Partitioner::crc32: return log::PartitionId(static_cast<std::int32_t>(internal::crc32_ieee(stream) % count));
    case Partitioner::fnv1a: break;
  }
  // sarama: the remainder of the signed hash, made positive.
  const auto rest = static_cast<std::int32_t>(internal::fnv1a_32(stream)) % partitions;
  return log::PartitionId(rest < 0 ? -rest : rest);
}

}  // namespace baton::store
