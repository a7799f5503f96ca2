#include "store/filter.h"

#include <algorithm>
#include <span>

#include "store/event_codec.h"
#include "store/limits.h"

namespace baton::store {
namespace {

void make_bare(std::string_view context, std::vector<std::string>& types) {
  for (auto& type : types) type = std::string(bare_type(context, type));
}

template <typename Tags>
bool has_all(const Tags& tags, const std::vector<std::string>& wanted) {
  return std::ranges::all_of(wanted, [&](const std::string& tag) {
    return std::ranges::any_of(tags, [&](std::string_view have) { return have == tag; });
  });
}

bool has(const std::vector<std::string>& types, std::string_view type) {
  return std::ranges::any_of(types, [&](const std::string& t) { return t == type; });
}

}  // namespace

EventFilter::EventFilter(std::string_view context, const Filter& filter) : empty_(filter.empty()), filter_(filter) {
  make_bare(context, filter_.types);
}

bool EventFilter::test(const EventView& event) const {
  if (!filter_.types.empty() && !has(filter_.types, event.type)) return false;
  if (!filter_.tenant.empty() && event.tenant != filter_.tenant) return false;
  if (!filter_.category.empty() && category_of(event.stream) != filter_.category) return false;
  if (!filter_.stream_prefix.empty() && !event.stream.starts_with(filter_.stream_prefix)) return false;
  return filter_.tags.empty() || has_all(std::span(event.tags, event.tag_count), filter_.tags);
}

EventQuery::EventQuery(std::string_view context, const Query& query) : context_(context), query_(query) {
  for (auto& item : query_.items) make_bare(context, item.types);
}

bool EventQuery::matches(const EventView& event) const {
  if (!event.system.empty()) return false;
  return std::ranges::any_of(query_.items, [&](const QueryItem& item) {
    return (item.types.empty() || has(item.types, event.type)) && has_all(std::span(event.tags, event.tag_count), item.tags);
  });
}

bool EventQuery::matches(std::string_view type, const std::vector<std::string>& tags) const {
  return std::ranges::any_of(query_.items, [&](const QueryItem& item) {
    return (item.types.empty() || has(item.types, bare_type(context_, type))) && has_all(tags, item.tags);
  });
}

}  // namespace baton::store
