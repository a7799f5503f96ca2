// Writes the primitive types of the protocol. The counterpart of Decoder.
//
// The buffer grows and is kept between messages, until somebody takes it. A write that fails says so and why; the bytes are
// then of no use.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <baton/result.h>

#include "base/bytes.h"
#include "base/varint.h"
#include "kafka/wire/types.h"

namespace baton::kafka::wire {

// Records that belong at a place of the encoded bytes, and are not there.
struct Elsewhere {
  std::size_t at = 0;
  std::uint32_t bytes = 0;
  std::uint64_t source = 0;
};

class Encoder {
 public:
  void set_flexible(bool flexible) { flexible_ = flexible; }
  [[nodiscard]] base::ByteView bytes() const { return {buffer_.data(), size_}; }
  [[nodiscard]] std::span<const Elsewhere> elsewhere() const { return elsewhere_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  // Forgets what was written behind a place, and what has failed.
  void truncate(std::size_t size);
  void clear() { truncate(0); }
  // The bytes, without a copy; the encoder is empty then, so ask for elsewhere() first.
  [[nodiscard]] base::Bytes take();

  void put(bool v) { fixed<std::int8_t>(v ? 1 : 0); }
  void put(std::int8_t v) { fixed<std::int8_t>(v); }
  void put(std::int16_t v) { fixed<std::int16_t>(v); }
  void put(std::uint16_t v) { fixed<std::uint16_t>(v); }
  void put(std::int32_t v) { fixed<std::int32_t>(v); }
  void put(std::int64_t v) { fixed<std::int64_t>(v); }
  void put(double v) { fixed<std::uint64_t>(std::bit_cast<std::uint64_t>(v)); }
  void put(ErrorCode v) { fixed<std::int16_t>(static_cast<std::int16_t>(v)); }
  void put(const Uuid& v) { append(v.bytes); }

  [[nodiscard]] bool put_string(std::string_view v) { return string_bytes(v, flexible_); }
  template <typename T>
  [[nodiscard]] bool put_string(const std::optional<T>& v, bool nullable) {
    return v ? string_bytes(*v, flexible_) : null(nullable, flexible_, 2);
  }
  template <typename T>
  [[nodiscard]] bool put_legacy_string(const std::optional<T>& v, bool nullable) {
    return v ? string_bytes(*v, false) : null(nullable, false, 2);
  }

  [[nodiscard]] bool put(base::ByteView v) { return put(Records{.bytes = v}); }
  [[nodiscard]] bool put(const base::Bytes& v) { return put(base::ByteView(v)); }
  [[nodiscard]] bool put(const Records& v);
  template <typename T>
  [[nodiscard]] bool put(const std::optional<T>& v, bool nullable) {
    return v ? put(*v) : null(nullable, flexible_, 4);
  }

  template <typename T>
  [[nodiscard]] bool put_array(const std::vector<T>& v, std::int16_t version) {
    if (!array_count(v.size())) return false;
    for (std::size_t i = 0; i < v.size(); ++i) {
      if (!v[i].write(*this, version)) return failed_at(i);
    }
    return true;
  }
  template <typename T>
  [[nodiscard]] bool put_array(const std::vector<T>& v) {
    if (!array_count(v.size())) return false;
    for (std::size_t i = 0; i < v.size(); ++i) {
      if constexpr (std::is_convertible_v<T, std::string_view>) {
        if (!put_string(v[i])) return failed_at(i);
      } else {
        put(v[i]);
      }
    }
    return true;
  }
  template <typename T>
  [[nodiscard]] bool put_array(const std::optional<std::vector<T>>& v, std::int16_t version, bool nullable) {
    return v ? put_array(*v, version) : null(nullable, flexible_, 4);
  }
  template <typename T>
  [[nodiscard]] bool put_array(const std::optional<std::vector<T>>& v, bool nullable) {
    return v ? put_array(*v) : null(nullable, flexible_, 4);
  }

  template <typename T>
  [[nodiscard]] bool put_struct(const T& v, std::int16_t version) {
    return v.write(*this, version);
  }
  template <typename T>
  [[nodiscard]] bool put_struct(const std::optional<T>& v, std::int16_t version) {
    put(std::int8_t{v ? std::int8_t{1} : std::int8_t{-1}});
    return !v || v->write(*this, version);
  }

  // Tagged fields: their number, then each of them between begin_tag and end_tag. Nothing in versions that are not flexible.
  void put_tag_count(std::uint32_t count) {
    if (flexible_) uvarint(count);
  }
  [[nodiscard]] std::size_t begin_tag(std::uint32_t tag);
  void end_tag(std::size_t at);

  // Space for a size that is known later.
  [[nodiscard]] std::size_t reserve_int32() {
    put(std::int32_t{0});
    return size_ - sizeof(std::int32_t);
  }
  void set_int32(std::size_t at, std::int32_t v) { base::store_be<std::int32_t>(buffer_.data() + at, v); }

  // For the writers of structs: notes in which field it was; false.
  [[gnu::cold, gnu::noinline]] bool failed(std::string_view field);
  // The field has a value, and the version has no place for it.
  [[gnu::cold, gnu::noinline]] bool missing(std::string_view field);
  [[nodiscard]] Error error(std::string_view message, std::int16_t version) const;

 private:
  std::byte* grow(std::size_t bytes) {
    if (buffer_.size() - size_ < bytes) [[unlikely]]
      reallocate(bytes);
    std::byte* at = buffer_.data() + size_;
    size_ += bytes;
    return at;
  }
  template <typename T>
  void fixed(T v) {
    base::store_be<T>(grow(sizeof(T)), v);
  }
  void uvarint(std::uint32_t v) { base::write_uvarint(grow(base::uvarint_size(v)), v); }
  void append(base::ByteView bytes) {
    if (bytes.size() > buffer_.size() - size_) {
      append_behind(bytes);
    } else if (!bytes.empty()) {
      std::memcpy(buffer_.data() + size_, bytes.data(), bytes.size());
      size_ += bytes.size();
    }
  }
  [[nodiscard]] bool string_bytes(std::string_view v, bool compact);
  [[nodiscard]] bool array_count(std::size_t count);
  [[nodiscard]] bool null(bool allowed, bool compact, std::size_t length_bytes);

  void append_behind(base::ByteView bytes);
  [[gnu::cold, gnu::noinline]] void reallocate(std::size_t more);
  [[gnu::cold, gnu::noinline]] bool fail(std::string reason);
  [[gnu::cold, gnu::noinline]] bool failed_at(std::size_t index);

  base::Bytes buffer_;  // its size is the space that there is
  std::size_t size_ = 0;
  bool flexible_ = false;
  std::vector<Elsewhere> elsewhere_;
  std::string path_;
  std::string reason_;
};

}  // namespace baton::kafka::wire
