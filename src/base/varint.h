// Variable-length integers as in Kafka's protocol guide ("Protocol Primitive Types"), and Reader, a cursor that never reads
// past its end.
//
// Unsigned: 7 bits a byte, the lowest first, the top bit set on all bytes but the last; at most 5 bytes for 32 bits and 10
// for 64. Signed: the same of the zigzag code (0, -1, 1, -2 ... become 0, 1, 2, 3 ...).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>

#include "base/bytes.h"

namespace baton::base {

inline constexpr std::size_t kMaxVarint32Bytes = 5;
inline constexpr std::size_t kMaxVarint64Bytes = 10;

constexpr std::uint32_t zigzag(std::int32_t v) {
  return (static_cast<std::uint32_t>(v) << 1) ^ static_cast<std::uint32_t>(v >> 31);
}
constexpr std::uint64_t zigzag(std::int64_t v) {
  return (static_cast<std::uint64_t>(v) << 1) ^ static_cast<std::uint64_t>(v >> 63);
}
constexpr std::int32_t unzigzag(std::uint32_t v) { return static_cast<std::int32_t>((v >> 1) ^ (0U - (v & 1))); }
constexpr std::int64_t unzigzag(std::uint64_t v) { return static_cast<std::int64_t>((v >> 1) ^ (std::uint64_t{0} - (v & 1))); }

// The encoded size in bytes, 1 to 10.
constexpr std::size_t uvarint_size(std::uint64_t v) { return (static_cast<std::size_t>(std::bit_width(v | 1)) + 6) / 7; }
constexpr std::size_t varint_size(std::int32_t v) { return uvarint_size(zigzag(v)); }
constexpr std::size_t varint_size(std::int64_t v) { return uvarint_size(zigzag(v)); }

// Encodes at `p`, which has room for uvarint_size(v) bytes, and returns the place behind.
inline std::byte* write_uvarint(std::byte* p, std::uint64_t v) {
  while (v >= 0x80) {
    *p++ = static_cast<std::byte>(v | 0x80);
    v >>= 7;
  }
  *p++ = static_cast<std::byte>(v);
  return p;
}
inline std::byte* write_varint(std::byte* p, std::int32_t v) { return write_uvarint(p, zigzag(v)); }
inline std::byte* write_varint(std::byte* p, std::int64_t v) { return write_uvarint(p, zigzag(v)); }

// Appends to a growing buffer.
inline void put_uvarint(Bytes& out, std::uint64_t v) {
  std::byte encoded[kMaxVarint64Bytes];
  out.insert(out.end(), encoded, write_uvarint(encoded, v));
}
inline void put_varint(Bytes& out, std::int32_t v) { put_uvarint(out, zigzag(v)); }
inline void put_varint(Bytes& out, std::int64_t v) { put_uvarint(out, zigzag(v)); }

// A cursor over bytes that it does not own. Each read takes what it returns and moves behind it; one that does not fit, or
// is not a valid encoding, returns nothing and does not move.
class Reader {
 public:
  Reader() = default;
  explicit Reader(ByteView data) : begin_(data.data()), next_(data.data()), end_(data.data() + data.size()) {}

  [[nodiscard]] std::size_t remaining() const { return static_cast<std::size_t>(end_ - next_); }
  [[nodiscard]] std::size_t offset() const { return static_cast<std::size_t>(next_ - begin_); }
  [[nodiscard]] bool empty() const { return next_ == end_; }
  [[nodiscard]] ByteView rest() const { return {next_, end_}; }

  template <typename T>
    requires std::is_integral_v<T>
  [[nodiscard]] std::optional<T> le() {
    if (remaining() < sizeof(T)) return std::nullopt;
    const T v = load_le<T>(next_);
    next_ += sizeof(T);
    return v;
  }
  template <typename T>
    requires std::is_integral_v<T>
  [[nodiscard]] std::optional<T> be() {
    if (remaining() < sizeof(T)) return std::nullopt;
    const T v = load_be<T>(next_);
    next_ += sizeof(T);
    return v;
  }

  // The next `count` bytes, in place. Any count is safe to ask for, one that came from the input too.
  [[nodiscard]] std::optional<ByteView> bytes(std::uint64_t count) {
    if (remaining() < count) return std::nullopt;
    const ByteView v{next_, static_cast<std::size_t>(count)};
    next_ += count;
    return v;
  }
  [[nodiscard]] bool skip(std::uint64_t count) {
    if (remaining() < count) return false;
    next_ += count;
    return true;
  }

  [[nodiscard]] std::optional<std::uint32_t> uvarint32() { return unsigned_varint<std::uint32_t>(); }
  [[nodiscard]] std::optional<std::uint64_t> uvarint64() { return unsigned_varint<std::uint64_t>(); }
  [[nodiscard]] std::optional<std::int32_t> varint32() {
    const auto v = unsigned_varint<std::uint32_t>();
    return v ? std::optional(unzigzag(*v)) : std::nullopt;
  }
  [[nodiscard]] std::optional<std::int64_t> varint64() {
    const auto v = unsigned_varint<std::uint64_t>();
    return v ? std::optional(unzigzag(*v)) : std::nullopt;
  }

 private:
  template <typename U>
  std::optional<U> unsigned_varint() {
    if (next_ == end_) return std::nullopt;
    if (const auto first = static_cast<unsigned char>(*next_); first < 0x80) {
      ++next_;
      return first;
    } else if (remaining() > 1) {  // what most lengths and offsets of a batch have
      if (const auto second = static_cast<unsigned char>(next_[1]); second < 0x80) {
        next_ += 2;
        return static_cast<U>(first & 0x7F) | static_cast<U>(second) << 7;
      }
    }
    return long_varint<U>();
  }

  template <typename U>
  std::optional<U> long_varint() {
    constexpr unsigned kBits = sizeof(U) * 8;
    U v = 0;
    unsigned shift = 0;
    for (const std::byte* p = next_; p != end_; ++p, shift += 7) {
      const auto byte = static_cast<U>(*p);
      if (shift + 7 > kBits && (byte >> (kBits - shift)) != 0) return std::nullopt;  // does not fit, or goes on
      v |= static_cast<U>((byte & 0x7F) << shift);
      if (byte < 0x80) {
        next_ = p + 1;
        return v;
      }
    }
    return std::nullopt;
  }

  const std::byte* begin_ = nullptr;
  const std::byte* next_ = nullptr;
  const std::byte* end_ = nullptr;
};

}  // namespace baton::base
