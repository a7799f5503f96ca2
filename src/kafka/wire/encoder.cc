#include "kafka/wire/encoder.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

namespace baton::kafka::wire {
namespace {

constexpr std::size_t kFirstCapacity = 512;
constexpr std::size_t kInt32Max = std::numeric_limits<std::int32_t>::max();

}  // namespace

void Encoder::truncate(std::size_t size) {
  size_ = size;
  std::erase_if(elsewhere_, [size](const Elsewhere& e) { return e.at >= size; });
  path_.clear();
  reason_.clear();
}

base::Bytes Encoder::take() {
  buffer_.resize(size_);
  base::Bytes bytes = std::move(buffer_);
  buffer_.clear();
  clear();
  return bytes;
}

void Encoder::reallocate(std::size_t more) { buffer_.resize(std::max({kFirstCapacity, buffer_.size() * 2, size_ + more})); }

// Records are large: the space for them is not filled with zeros first.
void Encoder::append_behind(base::ByteView bytes) {
  buffer_.resize(size_);
  base::put_bytes(buffer_, bytes);
  size_ = buffer_.size();
}

bool Encoder::string_bytes(std::string_view v, bool compact) {
  if (v.size() > 32767) return fail("a string of " + std::to_string(v.size()) + " bytes; 32767 is the most");
  if (compact) {
    uvarint(static_cast<std::uint32_t>(v.size() + 1));
  } else {
    put(static_cast<std::int16_t>(v.size()));
  }
  append(base::as_bytes(v));
  return true;
}

bool Encoder::put(const Records& v) {
  if (v.size() >= kInt32Max) return fail(std::to_string(v.size()) + " bytes in one field");
  if (flexible_) {
    uvarint(static_cast<std::uint32_t>(v.size() + 1));
  } else {
    put(static_cast<std::int32_t>(v.size()));
  }
  append(v.bytes);
  if (v.elsewhere_bytes != 0) elsewhere_.push_back({size_, v.elsewhere_bytes, v.source});
  return true;
}

bool Encoder::array_count(std::size_t count) {
  if (count >= kInt32Max) return fail(std::to_string(count) + " elements");
  if (flexible_) {
    uvarint(static_cast<std::uint32_t>(count + 1));
  } else {
    put(static_cast<std::int32_t>(count));
  }
  return true;
}

bool Encoder::null(bool allowed, bool compact, std::size_t length_bytes) {
  if (!allowed) return fail("null, which this version does not allow");
  if (compact) {
    uvarint(0);
  } else if (length_bytes == 2) {
    put(std::int16_t{-1});
  } else {
    put(std::int32_t{-1});
  }
  return true;
}

std::size_t Encoder::begin_tag(std::uint32_t tag) {
  uvarint(tag);
  grow(1);  // of the size, which is written at the end: one byte does for most
  return size_;
}

void Encoder::end_tag(std::size_t at) {
  const std::size_t field_bytes = size_ - at;
  const std::size_t more = base::uvarint_size(field_bytes) - 1;
  if (more != 0) {
    grow(more);
    std::memmove(buffer_.data() + at + more, buffer_.data() + at, field_bytes);
  }
  base::write_uvarint(buffer_.data() + at - 1, field_bytes);
}

bool Encoder::fail(std::string reason) {
  reason_ = std::move(reason);
  return false;
}

bool Encoder::failed(std::string_view field) {
  const bool joined = path_.empty() || path_.front() == '[';
  path_.insert(0, joined ? "" : ".").insert(0, field);
  return false;
}

bool Encoder::failed_at(std::size_t index) {
  const bool joined = path_.empty() || path_.front() == '[';
  path_.insert(0, "[" + std::to_string(index) + (joined ? "]" : "]."));
  return false;
}

bool Encoder::missing(std::string_view field) {
  fail("has a value, and this version has no such field");
  return failed(field);
}

Error Encoder::error(std::string_view message, std::int16_t version) const {
  std::string detail(message);
  detail += " v" + std::to_string(version) + ": " + path_ + ": " + reason_;
  return {Code::invalid_argument, detail};
}

}  // namespace baton::kafka::wire
