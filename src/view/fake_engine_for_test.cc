#include "view/fake_engine_for_test.h"

// What the store defines, and is not linked here.
namespace baton {

Position EventView::position() const { return fake_position(*this); }

Result<Time> Time::parse(std::string_view text) {
  const auto ns = base::parse_rfc3339_ns(text);
  if (!ns) return Error{Code::invalid_argument, "not a time"};
  return Time{*ns};
}

}  // namespace baton
