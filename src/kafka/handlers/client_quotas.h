// What the two requests about quotas have in common: how they name those whose quotas are meant.
#pragma once

#include <string>
#include <string_view>

namespace baton::kafka {

inline constexpr std::string_view kUserType = "user";
inline constexpr std::string_view kClientType = "client-id";
inline constexpr std::string_view kAddressType = "ip";

// Of a text that a client has chosen, for an error.
[[nodiscard]] inline std::string shortened(std::string_view text) { return std::string(text.substr(0, 64)); }

}  // namespace baton::kafka
