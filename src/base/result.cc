#include <baton/result.h>

#include <cstdio>
#include <cstdlib>

namespace baton {

std::string_view code_name(Code code) noexcept {
  switch (code) {
    case Code::invalid_argument: return "invalid_argument";
    case Code::not_found: return "not_found";
    case Code::already_exists: return "already_exists";
    case Code::wrong_version: return "wrong_version";
    case Code::condition_failed: return "condition_failed";
    case Code::duplicate_mismatch: return "duplicate_mismatch";
    case Code::partial_duplicate: return "partial_duplicate";
    case Code::position_lost: return "position_lost";
    case Code::too_large: return "too_large";
    case Code::no_space: return "no_space";
    case Code::io_error: return "io_error";
    case Code::corrupt: return "corrupt";
    case Code::store_failed: return "store_failed";
    case Code::locked: return "locked";
    case Code::unsupported_format: return "unsupported_format";
    case Code::read_only: return "read_only";
    case Code::timed_out: return "timed_out";
    case Code::cancelled: return "cancelled";
    case Code::resource_exhausted: return "resource_exhausted";
    case Code::unavailable: return "unavailable";
    case Code::incompatible: return "incompatible";
    case Code::internal: return "internal";
    case Code::fenced: return "fenced";
    case Code::out_of_order: return "out_of_order";
    case Code::removed: return "removed";
  }
  return "unknown";
}

std::string Error::to_string() const {
  std::string text(code_name(code));
  if (!detail.empty()) {
    text += ": ";
    text += detail;
  }
  return text;
}

namespace detail {

void bad_result_access(const Error* error) noexcept {
  if (error != nullptr) {
    std::fprintf(stderr, "baton: the value of a failed Result was used: %.*s: %s\n",
                 static_cast<int>(code_name(error->code).size()), code_name(error->code).data(), error->detail.c_str());
  } else {
    std::fputs("baton: the error of a successful Result was used\n", stderr);
  }
  std::abort();
}

}  // namespace detail
}  // namespace baton
