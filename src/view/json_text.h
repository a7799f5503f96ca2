// Text as a JSON string.
#pragma once

#include <string>
#include <string_view>

namespace baton::view {

// Appends `text` in quotes. Control characters are escaped; other bytes stay as they are.
void put_json_text(std::string& out, std::string_view text);

}  // namespace baton::view
