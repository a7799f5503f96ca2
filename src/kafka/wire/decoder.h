// Reads the primitive types of the protocol (Kafka protocol guide, "Protocol Primitive Types"; KIP-482 for flexible versions)
// from bytes that a stranger has sent.
//
// A read that fails returns false, and everything after it fails too; error() then names the field, the byte and the reason.
// No count or length is believed before as many bytes are there, and a message's elements and unknown tags are counted.
#pragma once

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <baton/result.h>

#include "base/bytes.h"
#include "kafka/wire/types.h"

namespace baton::kafka::wire {

struct DecodeLimits {
  std::uint32_t elements_max = 200'000;    // of all arrays of a message together
  std::uint32_t unknown_tags_max = 1'000;  // of a message; they are skipped
};

// Where a reader stands in the tagged fields of a struct.
struct Tags {
  std::uint32_t tag = 0;
  std::uint32_t left = 0;
  std::int64_t before = -1;
  const std::byte* outer_end = nullptr;
};

class Decoder;

template <typename T>
concept MessageStruct = requires(T& t, Decoder& in) {
  { t.read(in, std::int16_t{}) } -> std::same_as<bool>;
};

class Decoder {
 public:
  explicit Decoder(base::ByteView bytes, const DecodeLimits& limits = {})
      : begin_(bytes.data()), next_(begin_), end_(begin_ + bytes.size()), limits_(limits) {}

  // Flexible versions have compact lengths and tagged fields.
  void set_flexible(bool flexible) { flexible_ = flexible; }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::size_t offset() const { return static_cast<std::size_t>(next_ - begin_); }
  [[nodiscard]] std::size_t remaining() const { return static_cast<std::size_t>(end_ - next_); }
  [[nodiscard]] base::ByteView rest() const { return {next_, end_}; }

  [[nodiscard]] bool get(std::int8_t& v) { return fixed(v); }
  [[nodiscard]] bool get(std::int16_t& v) { return fixed(v); }
  [[nodiscard]] bool get(std::uint16_t& v) { return fixed(v); }
  [[nodiscard]] bool get(std::int32_t& v) { return fixed(v); }
  [[nodiscard]] bool get(std::int64_t& v) { return fixed(v); }
  [[nodiscard]] bool get(bool& v) {
    std::int8_t byte = 0;
    const bool done = fixed(byte);
    v = byte != 0;
    return done;
  }
  [[nodiscard]] bool get(double& v) {
    std::uint64_t bits = 0;
    const bool done = fixed(bits);
    v = std::bit_cast<double>(bits);
    return done;
  }
  [[nodiscard]] bool get(ErrorCode& v) {
    std::int16_t code = 0;
    const bool done = fixed(code);
    v = static_cast<ErrorCode>(code);
    return done;
  }
  [[nodiscard]] bool get(Uuid& v) {
    if (remaining() < v.bytes.size()) return too_short(v.bytes.size());
    std::copy_n(next_, v.bytes.size(), v.bytes.begin());
    next_ += v.bytes.size();
    return true;
  }

  [[nodiscard]] bool get_string(std::string_view& v) { return string_bytes(v, flexible_); }
  [[nodiscard]] bool get_string(std::string& v) { return owned_string(v, flexible_); }
  [[nodiscard]] bool get_string(std::optional<std::string_view>& v, bool nullable) {
    return maybe_string(v, nullable, flexible_);
  }
  [[nodiscard]] bool get_string(std::optional<std::string>& v, bool nullable) { return maybe_string(v, nullable, flexible_); }
  // With a length of two bytes in every version.
  [[nodiscard]] bool get_legacy_string(std::optional<std::string_view>& v, bool nullable) {
    return maybe_string(v, nullable, false);
  }

  [[nodiscard]] bool get(base::ByteView& v);
  [[nodiscard]] bool get(base::Bytes& v);
  [[nodiscard]] bool get(Records& v) { return get(v.bytes); }
  template <typename T>
  [[nodiscard]] bool get(std::optional<T>& v, bool nullable) {
    std::int64_t size = 0;
    if (!bytes_length(size)) return false;
    if (size < 0) return null(v, nullable);
    const base::ByteView bytes = take(static_cast<std::size_t>(size));
    if constexpr (std::same_as<T, base::Bytes>) {
      v.emplace(bytes.begin(), bytes.end());
    } else {
      v.emplace(T{bytes});
    }
    return true;
  }

  // `element_bytes`: the least that an element takes.
  template <typename T, typename... Version>
  [[nodiscard]] bool get_array(std::vector<T>& v, Version... version_and_element_bytes) {
    return array_of(v, version_and_element_bytes...);
  }
  template <MessageStruct T>
  [[nodiscard]] bool get_array(std::optional<std::vector<T>>& v, std::int16_t version, std::size_t element_bytes,
                               bool nullable) {
    std::int64_t count = 0;
    if (!array_count(count, element_bytes)) return false;
    return count < 0 ? null(v, nullable) : elements(v.emplace(), count, version);
  }
  template <typename T>
  [[nodiscard]] bool get_array(std::optional<std::vector<T>>& v, std::size_t element_bytes, bool nullable) {
    std::int64_t count = 0;
    if (!array_count(count, element_bytes)) return false;
    return count < 0 ? null(v, nullable) : elements(v.emplace(), count);
  }

  template <MessageStruct T>
  [[nodiscard]] bool get_struct(T& v, std::int16_t version) {
    return v.read(*this, version);
  }
  template <MessageStruct T>
  [[nodiscard]] bool get_struct(std::optional<T>& v, std::int16_t version) {
    std::int8_t present = 0;
    if (!fixed(present)) return false;
    if (present < 0) return null(v, true);
    // Not emplace(): within their message, nested structs are not yet known to have a default.
    return v.emplace(T{}).read(*this, version);
  }

  // The tagged fields of a struct: for (Tags t = begin_tags(); next_tag(t);) either read one and end_tag, or skip_tag.
  [[nodiscard]] Tags begin_tags();
  [[nodiscard]] bool next_tag(Tags& tags);
  [[nodiscard]] bool end_tag(Tags& tags);
  void skip_tag(Tags& tags);
  [[nodiscard]] bool skip_tags() {
    if (!flexible_) return true;
    if (next_ != end_ && *next_ == std::byte{0}) {
      ++next_;
      return true;
    }
    return skip_given_tags();
  }

  // Nothing may be left behind a message.
  [[nodiscard]] bool finish();

  // For the readers of structs: notes in which field it was; false.
  [[gnu::cold, gnu::noinline]] bool failed(std::string_view field);
  // Why it failed: "ProduceRequest v9: topic_data[0].name, byte 45: ...".
  [[nodiscard]] Error error(std::string_view message, std::int16_t version) const;

 private:
  template <typename T>
  [[nodiscard]] bool fixed(T& v) {
    if (remaining() < sizeof(T)) [[unlikely]]
      return too_short(sizeof(T));
    v = base::load_be<T>(next_);
    next_ += sizeof(T);
    return true;
  }
  template <MessageStruct T>
  [[nodiscard]] bool array_of(std::vector<T>& v, std::int16_t version, std::size_t element_bytes) {
    std::int64_t count = 0;
    if (!array_count(count, element_bytes)) return false;
    return count < 0 ? null_refused() : elements(v, count, version);
  }
  template <typename T>
  [[nodiscard]] bool array_of(std::vector<T>& v, std::size_t element_bytes) {
    std::int64_t count = 0;
    if (!array_count(count, element_bytes)) return false;
    return count < 0 ? null_refused() : elements(v, count);
  }
  template <MessageStruct T>
  [[nodiscard]] bool elements(std::vector<T>& v, std::int64_t count, std::int16_t version) {
    reserve(v, count);
    for (std::int64_t i = 0; i < count; ++i) {
      if (!v.emplace_back().read(*this, version)) return failed_at(i);
    }
    return true;
  }
  template <typename T>
  [[nodiscard]] bool elements(std::vector<T>& v, std::int64_t count) {
    reserve(v, count);
    for (std::int64_t i = 0; i < count; ++i) {
      T& element = v.emplace_back();
      if constexpr (std::same_as<T, std::string> || std::same_as<T, std::string_view>) {
        if (!get_string(element)) return failed_at(i);
      } else {
        if (!get(element)) return failed_at(i);
      }
    }
    return true;
  }
  // Memory follows the bytes that were read, not the count that was announced: an element is larger here than on the wire.
  template <typename T>
  static void reserve(std::vector<T>& v, std::int64_t count) {
    v.reserve(static_cast<std::size_t>(std::min<std::int64_t>(count, 256)));
  }
  template <typename T>
  [[nodiscard]] bool maybe_string(std::optional<T>& v, bool nullable, bool compact) {
    std::int64_t size = 0;
    if (!string_length(size, compact)) return false;
    if (size < 0) return null(v, nullable);
    v.emplace(base::as_text(take(static_cast<std::size_t>(size))));
    return true;
  }
  template <typename T>
  [[nodiscard]] bool null(std::optional<T>& v, bool nullable) {
    v.reset();
    return nullable || null_refused();
  }

  // Lengths and counts: -1 is null; what is returned fits into what remains.
  [[nodiscard]] bool string_length(std::int64_t& size, bool compact);
  [[nodiscard]] bool bytes_length(std::int64_t& size);
  [[nodiscard]] bool array_count(std::int64_t& count, std::size_t element_bytes);
  [[nodiscard]] bool string_bytes(std::string_view& v, bool compact);
  [[nodiscard]] bool owned_string(std::string& v, bool compact);
  [[nodiscard]] bool uvarint(std::uint32_t& v);
  [[nodiscard]] bool skip_given_tags();
  base::ByteView take(std::size_t size) {
    const base::ByteView bytes(next_, size);
    next_ += size;
    return bytes;
  }

  [[gnu::cold, gnu::noinline]] bool fail(std::string reason);
  [[gnu::cold, gnu::noinline]] bool failed_at(std::int64_t index);
  [[gnu::cold, gnu::noinline]] bool too_short(std::size_t wanted);
  [[gnu::cold, gnu::noinline]] bool null_refused();

  const std::byte* begin_;
  const std::byte* next_;
  const std::byte* end_;
  bool flexible_ = false;
  bool ok_ = true;
  std::uint32_t elements_ = 0;
  std::uint32_t unknown_tags_ = 0;
  DecodeLimits limits_;
  std::string path_;
  std::string reason_;
};

}  // namespace baton::kafka::wire
