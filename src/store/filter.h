// Whether an event is wanted: Filter and Query in the form that scans use.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <baton/event.h>
#include <baton/store.h>

namespace baton::store {

// A Filter whose types are in their bare form, so that `rides.RideStarted` and `RideStarted` are one. Immutable.
class EventFilter {
 public:
  EventFilter() = default;
  EventFilter(std::string_view context, const Filter& filter);
  [[nodiscard]] bool matches(const EventView& event) const { return empty_ || test(event); }
  [[nodiscard]] bool empty() const { return empty_; }

 private:
  [[nodiscard]] bool test(const EventView& event) const;
  bool empty_ = true;
  Filter filter_;
};

// A Query in the same way: items ORed, types of an item ORed, its tags ANDed. System records match nothing.
class EventQuery {
 public:
  EventQuery(std::string_view context, const Query& query);
  [[nodiscard]] bool matches(const EventView& event) const;
  // For an event that is not stored yet. `type` in any form.
  [[nodiscard]] bool matches(std::string_view type, const std::vector<std::string>& tags) const;
  [[nodiscard]] const Query& query() const { return query_; }  // with bare types

 private:
  std::string context_;
  Query query_;
};

}  // namespace baton::store
