// Base64 with the alphabet of RFC 4648, section 4, and padding.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace baton::base {

[[nodiscard]] std::string to_base64(std::string_view bytes);
// Nothing for text that is no Base64, or whose padding is missing.
[[nodiscard]] std::optional<std::string> from_base64(std::string_view text);

}  // namespace baton::base
