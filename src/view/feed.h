// Feeding a projector from the engine: scan, apply in batches, commit each with the position that it reached.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "engine/engine.h"
#include "os/env.h"
#include "view/projector.h"

namespace baton::view {

struct FeedProgress {
  std::int64_t events = 0;  // applied by this feed
  double events_per_second = 0;
  double done = 0;  // 0..1 of the log between start and target
  std::optional<double> seconds_left;
};

struct FeedRequest {
  AsOf as_of;                           // where to end; empty: at the last visible event
  std::int64_t events_max = INT64_MAX;  // at most so many applied events
  std::size_t batch_events = 10'000;
  bool may_begin_late = true;           // an empty generation begins at what a retention has left; else that is `removed`
  std::function<bool(const FeedProgress&)> progress;      // after each commit; false ends the feed (cancelled)
  std::function<Status(const Checkpoint&)> after_commit;  // e.g. keeps a copy
};

struct FeedOutcome {
  std::int64_t events = 0;
  std::optional<Stop> stop;  // the event that stopped the view; all before it is committed
};

// removed: a retention has taken up to `events` that a view has not passed, so that its tables would lack them in silence.
[[nodiscard]] Error lacks_removed(const std::string& view, const std::string& context, std::int64_t events);
// That, when a view at `position` would lack any if it went on now.
[[nodiscard]] Status check_gap(engine::Engine& engine, const std::string& view, const std::string& context, const Position& position);
// A generation that has passed nothing yet begins at what is left of the log.
[[nodiscard]] Status begin_at_what_is_left(engine::Engine& engine, Projector& projector);

// Returns when the end is reached. Errors are those of the engine and of the machine; what was committed stays. Code::cancelled by progress.
[[nodiscard]] Result<FeedOutcome> feed(engine::Engine& engine, const os::Clock& clock, Projector& projector,
                                       const FeedRequest& request);

}  // namespace baton::view
