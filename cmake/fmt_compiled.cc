// The compiled part of {fmt}: Debian 12 ships it as a shared library only, and used as headers alone it adds seconds to
// every file that formats a text. These are the templates that its headers leave to a compiled library.
#include <fmt/format-inl.h>

#include <locale>

template auto fmt::detail::thousands_sep_impl<char>(locale_ref) -> thousands_sep_result<char>;
template auto fmt::detail::decimal_point_impl<char>(locale_ref) -> char;
template auto fmt::detail::locale_ref::get<std::locale>() const -> std::locale;
