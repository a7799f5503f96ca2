#include "store/identity.h"

#include <algorithm>
#include <span>

#include "store/event_codec.h"

namespace baton::store {
namespace {

// Whether each tag of `a` is one of `b`. At most 16 each, and most events have none to three.
template <typename A, typename B>
bool all_in(const A& a, const B& b) {
  return std::ranges::all_of(a, [&](std::string_view tag) {
    return std::ranges::any_of(b, [&](std::string_view other) { return other == tag; });
  });
}

template <typename A, typename B>
bool same_set(const A& a, const B& b) {
  return all_in(a, b) && all_in(b, a);
}

}  // namespace

std::string default_source(std::string_view context) {
  std::string source = "/contexts/";
  source += context;
  return source;
}

bool same_content(std::string_view context, const EventView& stored, const NewEvent& given) {
  return stored.system.empty() && bare_type(context, stored.type) == bare_type(context, given.type) &&
         stored.has_data == given.has_data && (!given.has_data || stored.data == given.data) &&
         same_set(std::span(stored.tags, stored.tag_count), given.tags);
}

bool same_content(std::string_view context, const NewEvent& a, const NewEvent& b) {
  return bare_type(context, a.type) == bare_type(context, b.type) && a.has_data == b.has_data && (!a.has_data || a.data == b.data) &&
         same_set(a.tags, b.tags);
}

}  // namespace baton::store
