// Errors over HTTP: problem details (RFC 9457). The only place where Baton's errors become statuses.
#pragma once

#include <string>
#include <string_view>

#include <baton/result.h>

#include "gateway/http.h"

namespace baton::gateway {

// A member `type` of "/problems/TYPE", which docs/http.md explains; `code` is the name of Baton's code, if it is one.
[[nodiscard]] Response problem(int status, std::string_view type, std::string_view detail, std::string_view code = {});
[[nodiscard]] Response problem_of(const Error& error);
[[nodiscard]] int status_of(Code code);
// 403: `needed` is what is missing, as "Read on context 'rides'".
[[nodiscard]] Response forbidden(std::string_view needed);

}  // namespace baton::gateway
