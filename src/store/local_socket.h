// Where a server takes requests of programs on its own machine that have its data directory: a unix socket in it, which speaks HTTP.
#pragma once

#include <string_view>

namespace baton::store {

inline constexpr std::string_view kLocalSocket = "socket";  // a name in the data directory

}  // namespace baton::store
