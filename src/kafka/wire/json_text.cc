#include "kafka/wire/json_text.h"

#include <charconv>

#include "base/hex.h"

namespace baton::kafka::wire {
namespace {

constexpr char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr char kHex[] = "0123456789ABCDEF";

}  // namespace

void JsonText::key(std::string_view name) {
  if (!first_) text_ += ',';
  first_ = false;
  text_.append("\"").append(name).append("\":");
}

void JsonText::records_size(std::string_view name, std::optional<std::size_t> size) {
  if (size) {
    key(std::string(name) + "SizeInBytes");
    value(*size);
  } else {
    key(name);
    text_ += "null";
  }
}

void JsonText::value(double v) {
  char digits[64];
  const auto end = std::to_chars(digits, digits + sizeof digits, v).ptr;
  const std::string_view shown(digits, end);
  text_.append(shown);
  if (shown.find_first_not_of("-0123456789") == std::string_view::npos) text_ += ".0";
}

void JsonText::value(const Uuid& v) {
  text_ += '"';
  text_ += base::to_base64url(v.bytes);
  text_ += '"';
}

void JsonText::value(std::string_view v) {
  text_ += '"';
  for (const char c : v) {
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '"': text_ += "\\\""; break;
      case '\\': text_ += "\\\\"; break;
      case '\n': text_ += "\\n"; break;
      case '\r': text_ += "\\r"; break;
      case '\t': text_ += "\\t"; break;
      case '\b': text_ += "\\b"; break;
      case '\f': text_ += "\\f"; break;
      default:
        if (byte < 0x20) {
          text_.append("\\u00").append({kHex[byte >> 4], kHex[byte & 15]});
        } else {
          text_ += c;
        }
    }
  }
  text_ += '"';
}

void JsonText::value(base::ByteView v) {
  text_ += '"';
  for (std::size_t i = 0; i < v.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, v.size() - i);
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k) bits = bits << 8 | (k < count ? std::to_integer<std::uint32_t>(v[i + k]) : 0);
    for (std::size_t k = 0; k < 4; ++k) text_ += k <= count ? kBase64[bits >> (18 - 6 * k) & 63] : '=';
  }
  text_ += '"';
}

}  // namespace baton::kafka::wire
