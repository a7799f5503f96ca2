// BATON_CHECK: a broken invariant ends the process, in release builds too.
#pragma once

#include <string_view>

namespace baton::base {

// Prints file, line, condition and detail to standard error and aborts.
[[noreturn]] void check_failed(const char* file, int line, const char* condition, std::string_view detail) noexcept;

}  // namespace baton::base

#define BATON_CHECK(condition, detail)                                       \
  do {                                                                       \
    if (!(condition)) [[unlikely]]                                           \
      ::baton::base::check_failed(__FILE__, __LINE__, #condition, (detail)); \
  } while (false)
