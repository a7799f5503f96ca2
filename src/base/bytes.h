// Bytes: the words for raw memory, and little- and big-endian access to it.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace baton::base {

using ByteView = std::span<const std::byte>;
using MutableByteView = std::span<std::byte>;
using Bytes = std::vector<std::byte>;

inline ByteView as_bytes(std::string_view s) { return {reinterpret_cast<const std::byte*>(s.data()), s.size()}; }
inline std::string_view as_text(ByteView b) { return {reinterpret_cast<const char*>(b.data()), b.size()}; }

// Loads and stores of fixed-width integers at any alignment. The caller has checked the size.
template <typename T>
T load_le(const void* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  if constexpr (std::endian::native == std::endian::big) v = std::byteswap(v);
  return v;
}
template <typename T>
T load_be(const void* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  if constexpr (std::endian::native == std::endian::little) v = std::byteswap(v);
  return v;
}
template <typename T>
void store_le(void* p, std::type_identity_t<T> v) {
  if constexpr (std::endian::native == std::endian::big) v = std::byteswap(v);
  std::memcpy(p, &v, sizeof v);
}
template <typename T>
void store_be(void* p, std::type_identity_t<T> v) {
  if constexpr (std::endian::native == std::endian::little) v = std::byteswap(v);
  std::memcpy(p, &v, sizeof v);
}

// Appends to a growing buffer.
inline void put_bytes(Bytes& out, ByteView b) { out.insert(out.end(), b.begin(), b.end()); }
template <typename T>
void put_le(Bytes& out, std::type_identity_t<T> v) {
  const auto at = out.size();
  out.resize(at + sizeof(T));
  store_le<T>(out.data() + at, v);
}
template <typename T>
void put_be(Bytes& out, std::type_identity_t<T> v) {
  const auto at = out.size();
  out.resize(at + sizeof(T));
  store_be<T>(out.data() + at, v);
}

}  // namespace baton::base
