#include "gateway/json.h"

#include <fmt/format.h>

#include "store/limits.h"
#include "view/json_fields.h"

namespace baton::gateway {
namespace {

// How many bytes the character at `at` has; 0 when it is no UTF-8 (Unicode, table 3-7).
std::size_t utf8_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U; };
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xc0U) == 0x80U; };
  const auto b = byte(0);
  if (b < 0x80) return 1;
  if (b >= 0xc2 && b < 0xe0 && tail(1)) return 2;
  if (b >= 0xe0 && b < 0xf0 && tail(1) && tail(2) && !(b == 0xe0 && byte(1) < 0xa0) && !(b == 0xed && byte(1) > 0x9f)) return 3;
  if (b >= 0xf0 && b < 0xf5 && tail(1) && tail(2) && tail(3) && !(b == 0xf0 && byte(1) < 0x90) && !(b == 0xf4 && byte(1) > 0x8f)) return 4;
  return 0;
}

}  // namespace

void put_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    const auto length = utf8_length(text, i);
    if (length == 0) {
      out += "\\ufffd";
      ++i;
      continue;
    }
    if (c == '"' || c == '\\') out.push_back('\\'), out.push_back(text[i]);
    else if (c == '\n') out += "\\n";
    else if (c == '\t') out += "\\t";
    else if (c == '\r') out += "\\r";
    else if (c < 0x20 || c == 0x7f) out += fmt::format("\\u{:04x}", c);
    else out.append(text.substr(i, length));
    i += length;
  }
  out.push_back('"');
}

bool is_json(std::string_view text) {
  thread_local view::JsonFields checker;  // looks for no field
  return store::valid_utf8(text) && checker.extract(text).ok();
}

}  // namespace baton::gateway
