// errno as an Error. Private to the POSIX twin.
#pragma once

#include <string_view>

#include <baton/result.h>

namespace baton::os {

// {code for `error_number`, "what path: reason[; what to do]"}.
[[nodiscard]] Error posix_error(std::string_view what, std::string_view path, int error_number);

}  // namespace baton::os
