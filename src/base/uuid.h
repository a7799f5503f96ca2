// UUIDs (RFC 9562): 16 bytes, their canonical text, and version 7, whose first 48 bits are a time, so that ids made later
// sort later.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace baton::base {

struct Uuid {
  std::array<std::byte, 16> bytes{};  // in the order of the text: most significant first

  friend auto operator<=>(const Uuid&, const Uuid&) = default;
  [[nodiscard]] bool is_nil() const { return *this == Uuid{}; }
  // 36 characters: "0190163d-8694-739b-aea5-966c26f8ad91".
  [[nodiscard]] std::string to_string() const;
};

// Canonical text in either case; nothing for anything else (braces, "urn:uuid:", missing dashes).
[[nodiscard]] std::optional<Uuid> parse_uuid(std::string_view text);

// A version 7 UUID from a time in milliseconds since 1970 (its low 48 bits are used) and 74 random bits: the low 12 bits of
// `random_a` and the low 62 of `random_b`.
[[nodiscard]] Uuid uuid_v7(std::int64_t unix_ms, std::uint16_t random_a, std::uint64_t random_b);

// Makes version 7 UUIDs that never go back, though the clock may: in a millisecond that was used already, or that lies in
// the past, the random part grows by a random step (RFC 9562, section 6.2, method 2). Asks for 512 random bytes at a time,
// which last for about 100 ids. Belongs to one thread.
class UuidV7Source {
 public:
  using FillRandom = std::function<void(MutableByteView)>;
  explicit UuidV7Source(FillRandom fill) : fill_(std::move(fill)) {}

  [[nodiscard]] Uuid next(std::int64_t unix_ms);

 private:
  std::uint64_t random_bits(unsigned bytes);

  FillRandom fill_;
  std::array<std::byte, 512> pool_{};
  std::size_t used_ = sizeof(pool_);
  std::int64_t last_ms_ = -1;
  std::uint64_t high_ = 0;  // 12 bits
  std::uint64_t low_ = 0;   // 62 bits
};

}  // namespace baton::base

template <>
struct std::hash<baton::base::Uuid> {
  // Not the first bytes: those of version 7 are a time.
  std::size_t operator()(const baton::base::Uuid& id) const noexcept {
    return baton::base::load_le<std::uint64_t>(id.bytes.data() + 8) * 0x9E3779B97F4A7C15U ^
           baton::base::load_le<std::uint64_t>(id.bytes.data());
  }
};
