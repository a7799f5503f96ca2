// One index entry: where the record of a key lies (docs/formats/index.md). 24 bytes in memory and on disk.
#pragma once

#include <bit>
#include <compare>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/bytes.h"
#include "base/check.h"
#include "base/strong.h"
#include "log/types.h"

namespace baton::store {

using StreamVersion = base::Strong<struct StreamVersionTag>;  // an event's number in its stream, from 0

// What a key is. The number is the seed of its hash, so that a tag never meets a stream of the same text.
enum class KeyKind : std::uint8_t { stream = 1, id = 2, tag = 3, type = 4 };

// The hashes that entries are found by. Two keys may share one: whoever gets a hit compares the record with the key.
[[nodiscard]] std::uint64_t stream_hash(std::string_view stream) noexcept;
[[nodiscard]] std::uint64_t id_hash(std::string_view stream, std::string_view source, std::string_view id);
[[nodiscard]] std::uint64_t tag_hash(std::string_view tag) noexcept;
[[nodiscard]] std::uint64_t type_hash(std::string_view type) noexcept;

// Where a record lies.
struct IndexHit {
  log::Offset offset;
  StreamVersion version;           // of a stream key; 0 otherwise
  log::FilePosition position;      // of the batch, within the segment that holds `offset`
  std::uint32_t record_delta = 0;  // from the batch's first byte to the record; 0: unpack the batch to find it
  friend bool operator==(const IndexHit&, const IndexHit&) = default;
};

// hash, then offset (40 bits) | version (36) | position (32) | record_delta (20) as one 128-bit number. Ordered by hash and
// that number: by key, and within a key by offset.
struct IndexEntry {
  static constexpr std::size_t kBytes = 24;
  static constexpr std::int64_t kOffsetLimit = std::int64_t{1} << 40;
  static constexpr std::int64_t kVersionLimit = std::int64_t{1} << 36;
  static constexpr std::uint64_t kPositionLimit = std::uint64_t{1} << 32;
  static constexpr std::uint32_t kDeltaLimit = 1u << 20;

  // Not set by a declaration alone: a table takes room for thousands of entries, and pays for those that come.
  std::uint64_t hash;
  std::uint64_t high;  // offset (40) | the upper 24 bits of the version
  std::uint64_t low;   // the lower 12 bits of the version | position (32) | record_delta (20)

  [[nodiscard]] static IndexEntry pack(std::uint64_t hash, const IndexHit& hit) {
    const auto offset = static_cast<std::uint64_t>(hit.offset.value());
    const auto version = static_cast<std::uint64_t>(hit.version.value());
    BATON_CHECK(offset < kOffsetLimit && version < kVersionLimit && hit.position.value() < kPositionLimit,
                "an index entry has an offset, version or position beyond what its format can hold");
    // A record so far into its batch is found by unpacking the batch.
    const std::uint64_t delta = hit.record_delta < kDeltaLimit ? hit.record_delta : 0;
    return {hash, offset << 24 | version >> 12, version << 52 | hit.position.value() << 20 | delta};
  }
  [[nodiscard]] std::int64_t offset() const { return static_cast<std::int64_t>(high >> 24); }
  [[nodiscard]] IndexHit unpack() const {
    return {.offset = log::Offset(offset()),
            .version = StreamVersion(static_cast<std::int64_t>((high & 0xffffff) << 12 | low >> 52)),
            .position = log::FilePosition(low >> 20 & 0xffffffff),
            .record_delta = static_cast<std::uint32_t>(low & 0xfffff)};
  }

  [[nodiscard]] static IndexEntry load(const std::byte* p) {
    return {base::load_le<std::uint64_t>(p), base::load_le<std::uint64_t>(p + 16), base::load_le<std::uint64_t>(p + 8)};
  }
  void save(std::byte* p) const {
    base::store_le<std::uint64_t>(p, hash);
    base::store_le<std::uint64_t>(p + 8, low);
    base::store_le<std::uint64_t>(p + 16, high);
  }
  friend auto operator<=>(const IndexEntry&, const IndexEntry&) = default;  // hash, high, low
};

}  // namespace baton::store
