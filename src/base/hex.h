// Bytes as printable text: hexadecimal, and base64url (RFC 4648, section 5) without padding.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace baton::base {

// Two lower-case digits a byte.
[[nodiscard]] std::string to_hex(ByteView data);
// Upper and lower case are fine. Nothing for an odd length or another character.
[[nodiscard]] std::optional<Bytes> from_hex(std::string_view text);

[[nodiscard]] std::string to_base64url(ByteView data);
// Nothing for padding, another character, a length that no encoding has, or unused bits that are not zero: each sequence of
// bytes has exactly one text.
[[nodiscard]] std::optional<Bytes> from_base64url(std::string_view text);

}  // namespace baton::base
