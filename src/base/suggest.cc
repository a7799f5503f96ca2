#include "base/suggest.h"

#include <algorithm>

namespace baton::base {
namespace {

constexpr std::size_t kGivenBytesMax = 64;  // of a long text the start tells enough

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t up = row[j];
      row[j] = std::min({up + 1, row[j - 1] + 1, diagonal + (lower(a[i - 1]) == lower(b[j - 1]) ? 0U : 1U)});
      diagonal = up;
    }
  }
  return row[b.size()];
}

std::string suggest(std::string_view given, const std::vector<std::string>& known) {
  given = given.substr(0, kGivenBytesMax);
  std::string list;
  const std::string* nearest = nullptr;
  std::size_t best = 0;
  for (const auto& name : known) {
    list += (list.empty() ? "" : ", ") + name;
    const std::size_t distance = edit_distance(given, name);
    if (distance > std::max<std::size_t>(1, name.size() / 2) || (nearest != nullptr && distance >= best)) continue;
    best = distance;
    nearest = &name;
  }
  return nearest == nullptr ? "known are " + list : "did you mean '" + *nearest + "'?";
}

}  // namespace baton::base
