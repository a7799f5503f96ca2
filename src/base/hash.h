// A fast 64-bit hash (XXH3) for tables and index keys. Its values are the same on every machine and may be stored. It is not
// for adversaries: who can choose keys and knows the seed can make them collide.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"

namespace baton::base {

[[nodiscard]] std::uint64_t hash64(ByteView data, std::uint64_t seed = 0) noexcept;
[[nodiscard]] inline std::uint64_t hash64(std::string_view text, std::uint64_t seed = 0) noexcept {
  return hash64(as_bytes(text), seed);
}

}  // namespace baton::base
