// What is staged in one partition and not visible: the events that the index knows already and that no reader may see yet.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include <baton/event.h>

#include "log/types.h"

namespace baton::store {

// Points into its request, which lives until its round has ended.
struct StagedEvent {
  const NewEvent* event = nullptr;  // null: a system record
  std::string_view stream;
  std::string_view source;
  std::string_view id;
  std::int64_t version = -1;
};

// In order of offset. An offset without an event (a duplicate that a producer sent again is dropped, and its offset stays free) has an
// entry as a system record has.
class StagedEvents {
 public:
  [[nodiscard]] bool empty() const { return events_.empty(); }
  // Null when `offset` is not staged.
  [[nodiscard]] const StagedEvent* find(log::Offset offset) const {
    const std::int64_t i = offset.value() - first_.value();
    return i < 0 || i >= static_cast<std::int64_t>(events_.size()) ? nullptr : &events_[static_cast<std::size_t>(i)];
  }
  void add(log::Offset offset, const StagedEvent& event) {
    if (events_.empty()) first_ = offset;
    events_.resize(static_cast<std::size_t>(offset.value() - first_.value()));
    events_.push_back(event);
  }
  // A round has ended. Its last offsets may have had no events, and then what is here can begin behind them.
  void drop_below(log::Offset end) {
    if (end <= first_) return;
    const auto count = static_cast<std::size_t>(std::clamp<std::int64_t>(end.value() - first_.value(), 0, static_cast<std::int64_t>(events_.size())));
    events_.erase(events_.begin(), events_.begin() + static_cast<std::ptrdiff_t>(count));
    first_ = end;
  }

 private:
  log::Offset first_;
  std::vector<StagedEvent> events_;
};

}  // namespace baton::store
