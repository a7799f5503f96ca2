// errno as an Error. Private to the POSIX twin.
#pragma once

#include <string_view>

#include <baton/result.h>

namespace baton::os {

// {code for `error_number`, "what path: reason[; what to do]"}.
[[nodiscard]] Error posix_error(std::string_view what, std::string_view path, int error_number);
// The same of a sync, which is never no_space: what was written before it may be lost, and cannot be tried again.
[[nodiscard]] Error sync_error(std::string_view what, std::string_view path, int error_number);

}  // namespace baton::os
