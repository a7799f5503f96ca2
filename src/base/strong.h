// Strong<Tag, Rep>: a number with a meaning. Two strong types never mix, so an offset cannot be passed for a version.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace baton::base {

template <typename Tag, typename Rep = std::int64_t>
class Strong {
 public:
  using rep = Rep;
  constexpr Strong() = default;
  constexpr explicit Strong(Rep value) : value_(value) {}
  [[nodiscard]] constexpr Rep value() const noexcept { return value_; }
  friend constexpr auto operator<=>(Strong, Strong) = default;
  [[nodiscard]] constexpr Strong plus(Rep n) const noexcept { return Strong(static_cast<Rep>(value_ + n)); }
  constexpr Strong& operator++() noexcept {
    ++value_;
    return *this;
  }

 private:
  Rep value_{};
};

}  // namespace baton::base

template <typename Tag, typename Rep>
struct std::hash<baton::base::Strong<Tag, Rep>> {
  std::size_t operator()(baton::base::Strong<Tag, Rep> v) const noexcept { return std::hash<Rep>{}(v.value()); }
};
