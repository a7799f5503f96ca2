#include "kafka/wire/decoder.h"

#include "base/varint.h"

namespace baton::kafka::wire {
namespace {

constexpr std::int64_t kStringBytesMax = 32767;  // of compact strings too, as in Kafka

}  // namespace

bool Decoder::uvarint(std::uint32_t& v) {
  base::Reader reader({next_, end_});
  const auto read = reader.uvarint32();
  if (!read) return fail(remaining() < base::kMaxVarint32Bytes ? "the bytes end in a varint" : "a varint of more than 32 bits");
  v = *read;
  next_ += reader.offset();
  return true;
}

bool Decoder::string_length(std::int64_t& size, bool compact) {
  if (compact) {
    std::uint32_t length = 0;
    if (!uvarint(length)) return false;
    size = std::int64_t{length} - 1;
  } else {
    std::int16_t length = 0;
    if (!fixed(length)) return false;
    size = length;
  }
  if (size < -1) return fail("a length of " + std::to_string(size));
  if (size > kStringBytesMax) return fail("a string of " + std::to_string(size) + " bytes");
  return size <= static_cast<std::int64_t>(remaining()) || too_short(static_cast<std::size_t>(size));
}

bool Decoder::bytes_length(std::int64_t& size) {
  if (flexible_) {
    std::uint32_t length = 0;
    if (!uvarint(length)) return false;
    size = std::int64_t{length} - 1;
  } else {
    std::int32_t length = 0;
    if (!fixed(length)) return false;
    size = length;
  }
  if (size < -1) return fail("a length of " + std::to_string(size));
  return size <= static_cast<std::int64_t>(remaining()) || too_short(static_cast<std::size_t>(size));
}

bool Decoder::array_count(std::int64_t& count, std::size_t element_bytes) {
  if (flexible_) {
    std::uint32_t length = 0;
    if (!uvarint(length)) return false;
    count = std::int64_t{length} - 1;
  } else {
    std::int32_t length = 0;
    if (!fixed(length)) return false;
    count = length;
  }
  if (count < -1) return fail("a count of " + std::to_string(count));
  if (count <= 0) return true;
  if (static_cast<std::uint64_t>(count) > remaining() / element_bytes) {
    return fail("a count of " + std::to_string(count) + ", and " + std::to_string(remaining()) + " bytes are left");
  }
  if (count > limits_.elements_max - elements_) {
    return fail("more than " + std::to_string(limits_.elements_max) + " elements in one message");
  }
  elements_ += static_cast<std::uint32_t>(count);
  return true;
}

bool Decoder::string_bytes(std::string_view& v, bool compact) {
  std::int64_t size = 0;
  if (!string_length(size, compact)) return false;
  if (size < 0) return null_refused();
  v = base::as_text(take(static_cast<std::size_t>(size)));
  return true;
}

bool Decoder::owned_string(std::string& v, bool compact) {
  std::string_view view;
  if (!string_bytes(view, compact)) return false;
  v = view;
  return true;
}

bool Decoder::get(base::ByteView& v) {
  std::int64_t size = 0;
  if (!bytes_length(size)) return false;
  if (size < 0) return null_refused();
  v = take(static_cast<std::size_t>(size));
  return true;
}

bool Decoder::get(base::Bytes& v) {
  base::ByteView view;
  if (!get(view)) return false;
  v.assign(view.begin(), view.end());
  return true;
}

Tags Decoder::begin_tags() {
  Tags tags;
  if (!flexible_ || !uvarint(tags.left)) return {};
  if (tags.left > remaining() / 2) {
    fail("a count of " + std::to_string(tags.left) + " tags, and " + std::to_string(remaining()) + " bytes are left");
    return {};
  }
  return tags;
}

bool Decoder::next_tag(Tags& tags) {
  if (!ok_ || tags.left == 0) return false;
  --tags.left;
  std::uint32_t size = 0;
  if (!uvarint(tags.tag)) return false;
  if (tags.tag <= tags.before) return fail("tag " + std::to_string(tags.tag) + " behind tag " + std::to_string(tags.before));
  tags.before = tags.tag;
  if (!uvarint(size)) return false;
  if (size > remaining()) return too_short(size);
  tags.outer_end = end_;
  end_ = next_ + size;  // the field cannot read past its size
  return true;
}

bool Decoder::end_tag(Tags& tags) {
  if (next_ != end_) return fail(std::to_string(remaining()) + " bytes more than tag " + std::to_string(tags.tag) + " needs");
  end_ = tags.outer_end;
  return true;
}

void Decoder::skip_tag(Tags& tags) {
  if (++unknown_tags_ > limits_.unknown_tags_max) {
    fail("more than " + std::to_string(limits_.unknown_tags_max) + " unknown tags in one message");
    return;
  }
  next_ = end_;
  end_ = tags.outer_end;
}

bool Decoder::skip_given_tags() {
  for (Tags tags = begin_tags(); next_tag(tags);) skip_tag(tags);
  return ok_;
}

bool Decoder::finish() {
  return ok_ && (next_ == end_ || fail(std::to_string(remaining()) + " bytes are left over behind the message"));
}

bool Decoder::fail(std::string reason) {
  if (ok_) reason_ = std::move(reason);
  ok_ = false;
  return false;
}

bool Decoder::failed(std::string_view field) {
  const bool joined = path_.empty() || path_.front() == '[';
  path_.insert(0, joined ? "" : ".").insert(0, field);
  return false;
}

bool Decoder::failed_at(std::int64_t index) {
  const bool joined = path_.empty() || path_.front() == '[';
  path_.insert(0, "[" + std::to_string(index) + (joined ? "]" : "]."));
  return false;
}

bool Decoder::too_short(std::size_t wanted) {
  return fail(std::to_string(wanted) + " bytes wanted, and " + std::to_string(remaining()) + " are left");
}

bool Decoder::null_refused() { return fail("null, which this version does not allow"); }

Error Decoder::error(std::string_view message, std::int16_t version) const {
  std::string detail(message);
  detail += " v" + std::to_string(version) + ": ";
  if (!path_.empty()) detail += path_ + ", ";
  return {Code::invalid_argument, detail + "byte " + std::to_string(offset()) + ": " + reason_};
}

}  // namespace baton::kafka::wire
