// Buffer: bytes that are read into, and not set to anything before. OwnedBytes: bytes and whatever keeps them.
#pragma once

#include <cstring>
#include <memory>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"

namespace baton::base {

class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(ByteView bytes) { put(bytes); }
  Buffer(Buffer&& other) noexcept : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)), capacity_(std::exchange(other.capacity_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    bytes_ = std::move(other.bytes_);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
    return *this;
  }

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  [[nodiscard]] ByteView bytes() const { return {bytes_.get(), size_}; }
  [[nodiscard]] MutableByteView bytes() { return {bytes_.get(), size_}; }

  // Memory for `capacity` bytes, if there is less.
  void reserve(std::size_t capacity) {
    if (capacity <= capacity_) return;
    auto larger = std::make_unique_for_overwrite<std::byte[]>(capacity);
    if (size_ > 0) std::memcpy(larger.get(), bytes_.get(), size_);
    bytes_ = std::move(larger);
    capacity_ = capacity;
  }
  // What is reserved behind the bytes, to be written to; then grow() says how many were.
  [[nodiscard]] MutableByteView room() { return {bytes_.get() + size_, capacity_ - size_}; }
  void grow(std::size_t count) {
    BATON_CHECK(count <= capacity_ - size_, "a buffer grows into its room");
    size_ += count;
  }
  void put(ByteView bytes) {
    reserve(size_ + bytes.size());
    if (!bytes.empty()) std::memcpy(bytes_.get() + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
  }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

// A buffer of its own, or a part of something that others hold, too. Who has an OwnedBytes may write to its bytes, and is the only one who does.
class OwnedBytes {
 public:
  OwnedBytes() = default;
  OwnedBytes(Bytes bytes) : own_(std::move(bytes)), bytes_(own_) {}  // NOLINT(google-explicit-constructor): the same bytes
  OwnedBytes(MutableByteView part, std::shared_ptr<const void> owner) : owner_(std::move(owner)), bytes_(part) {}
  OwnedBytes(OwnedBytes&& other) noexcept
      : own_(std::move(other.own_)), owner_(std::move(other.owner_)), bytes_(std::exchange(other.bytes_, {})) {}  // a vector that moves keeps its place
  OwnedBytes& operator=(OwnedBytes&& other) noexcept {
    own_ = std::move(other.own_);
    owner_ = std::move(other.owner_);
    bytes_ = std::exchange(other.bytes_, {});
    return *this;
  }

  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] const std::byte* data() const { return bytes_.data(); }
  [[nodiscard]] MutableByteView mutable_bytes() { return bytes_; }
  operator ByteView() const { return bytes_; }  // NOLINT(google-explicit-constructor)

 private:
  Bytes own_;
  std::shared_ptr<const void> owner_;
  MutableByteView bytes_;
};

}  // namespace baton::base
