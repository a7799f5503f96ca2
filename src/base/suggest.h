// What somebody may have meant who wrote a name that nobody knows.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace baton::base {

// How many bytes must be added, removed or changed to make `b` of `a`; ASCII letters are the same in either case.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

// "did you mean 'x'?" for the nearest of `known` that at most half its length would change to; else all of them.
[[nodiscard]] std::string suggest(std::string_view given, const std::vector<std::string>& known);

}  // namespace baton::base
