// The few types that messages share.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/uuid.h"
#include "kafka/wire/api_key.h"
#include "kafka/wire/error_code.h"

namespace baton::kafka::wire {

using base::Uuid;

struct VersionRange {
  std::int16_t first = 0;
  std::int16_t last = -1;

  [[nodiscard]] constexpr bool contains(std::int16_t version) const { return version >= first && version <= last; }
  friend bool operator==(const VersionRange&, const VersionRange&) = default;
};

// Record batches of an answer. They may lie somewhere else than in memory, so that they can go from a file to a socket without
// a copy: then `bytes` is empty, the message only holds their length, and whoever sends it looks at Encoder::elsewhere().
struct Records {
  base::ByteView bytes;
  std::uint32_t elsewhere_bytes = 0;
  std::uint64_t source = 0;  // means something to the caller only

  [[nodiscard]] std::size_t size() const { return bytes.size() + elsewhere_bytes; }
  [[nodiscard]] bool empty() const { return size() == 0; }
};

}  // namespace baton::kafka::wire
