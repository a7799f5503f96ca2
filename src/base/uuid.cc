#include "base/uuid.h"

#include <algorithm>

namespace baton::base {
namespace {

constexpr std::size_t kTextSize = 36;
constexpr std::uint64_t kHighMask = (1U << 12) - 1;
constexpr std::uint64_t kLowMask = (std::uint64_t{1} << 62) - 1;

constexpr bool is_dash(std::size_t i) { return i == 8 || i == 13 || i == 18 || i == 23; }

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string Uuid::to_string() const {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text(kTextSize, '-');
  std::size_t at = 0;
  for (const std::byte b : bytes) {
    if (is_dash(at)) ++at;
    text[at++] = kDigits[static_cast<unsigned>(b) >> 4];
    text[at++] = kDigits[static_cast<unsigned>(b) & 15];
  }
  return text;
}

std::optional<Uuid> parse_uuid(std::string_view text) {
  if (text.size() != kTextSize) return std::nullopt;
  Uuid id;
  std::size_t at = 0;
  for (std::byte& b : id.bytes) {
    if (is_dash(at)) {
      if (text[at] != '-') return std::nullopt;
      ++at;
    }
    const int high = digit_value(text[at++]);
    const int low = digit_value(text[at++]);
    if (high < 0 || low < 0) return std::nullopt;
    b = static_cast<std::byte>(high * 16 + low);
  }
  return id;
}

Uuid uuid_v7(std::int64_t unix_ms, std::uint16_t random_a, std::uint64_t random_b) {
  Uuid id;
  store_be<std::uint64_t>(id.bytes.data(), (static_cast<std::uint64_t>(unix_ms) << 16) | 0x7000U | (random_a & kHighMask));
  store_be<std::uint64_t>(id.bytes.data() + 8, (std::uint64_t{1} << 63) | (random_b & kLowMask));
  return id;
}

std::uint64_t UuidV7Source::random_bits(unsigned bytes) {
  if (used_ + sizeof(std::uint64_t) > pool_.size()) {
    fill_(pool_);
    used_ = 0;
  }
  const auto value = load_le<std::uint64_t>(pool_.data() + used_);
  used_ += bytes;
  return bytes == 8 ? value : value & ((std::uint64_t{1} << (8 * bytes)) - 1);
}

Uuid UuidV7Source::next(std::int64_t unix_ms) {
  if (unix_ms > last_ms_) {
    last_ms_ = unix_ms;
    high_ = random_bits(2) & (kHighMask >> 1);  // the top bit stays free, so that a millisecond does not run over
    low_ = random_bits(8) & kLowMask;
  } else {
    low_ += 1 + random_bits(4);
    if (low_ > kLowMask) {
      low_ &= kLowMask;
      if (++high_ > kHighMask) {
        high_ = 0;
        ++last_ms_;
      }
    }
  }
  return uuid_v7(last_ms_, static_cast<std::uint16_t>(high_), low_);
}

}  // namespace baton::base
