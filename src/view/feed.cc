#include "view/feed.h"

#include <algorithm>

#include "base/try.h"

namespace baton::view {
namespace {

// Rate and time left of one feed, from the ranks of positions.
class Meter {
 public:
  static Result<Meter> start(engine::Engine& engine, const os::Clock& clock, const std::string& context, const Position& from,
                             const AsOf& as_of) {
    Meter meter(engine, clock, context);
    Position end;
    if (as_of.position) {
      end = *as_of.position;
    } else {
      BATON_TRY_ASSIGN(end, engine.position_at(context, as_of.recorded));
    }
    BATON_TRY_ASSIGN(meter.first_, from.is_beginning() ? Result<std::int64_t>(0) : engine.rank(context, from));
    BATON_TRY_ASSIGN(meter.last_, end.is_beginning() ? Result<std::int64_t>(0) : engine.rank(context, end));
    return meter;
  }

  Result<FeedProgress> at(const Position& position, std::int64_t events) const {
    BATON_TRY_ASSIGN(const std::int64_t now,
                     position.is_beginning() ? Result<std::int64_t>(0) : engine_->rank(context_, position));
    const double seconds = std::max(1e-9, static_cast<double>(clock_->monotonic_ns() - started_ns_) / 1e9);
    FeedProgress out{
        .events = events, .events_per_second = static_cast<double>(events) / seconds, .done = 1, .seconds_left = {}};
    if (last_ > first_)
      out.done = std::clamp(static_cast<double>(now - first_) / static_cast<double>(last_ - first_), 0.0, 1.0);
    if (out.done > 0) out.seconds_left = seconds / out.done * (1 - out.done);
    return out;
  }

 private:
  Meter(engine::Engine& engine, const os::Clock& clock, std::string context)
      : engine_(&engine), clock_(&clock), context_(std::move(context)), started_ns_(clock.monotonic_ns()) {}
  engine::Engine* engine_;
  const os::Clock* clock_;
  std::string context_;
  std::int64_t started_ns_;
  std::int64_t first_ = 0;
  std::int64_t last_ = 0;
};

}  // namespace

Error lacks_removed(const std::string& view, const std::string& context, std::int64_t events) {
  return {Code::removed, "view '" + view + "': a retention has removed up to " + std::to_string(events) + " events of context " + context +
                             " that it has not applied. Run: baton view rebuild " + view + ", which builds it from what is left"};
}

Status check_gap(engine::Engine& engine, const std::string& view, const std::string& context, const Position& position) {
  BATON_TRY_ASSIGN(const Position start, engine.start_of(context));
  if (start.is_beginning()) return {};
  BATON_TRY_ASSIGN(const auto first, engine.next_offsets(context, start));
  BATON_TRY_ASSIGN(const auto next, engine.next_offsets(context, position));
  std::int64_t removed = 0;
  for (std::size_t p = 0; p < first.size() && p < next.size(); ++p) removed += std::max<std::int64_t>(0, first[p] - next[p]);
  return removed == 0 ? Status() : Status(lacks_removed(view, context, removed));
}

Status begin_at_what_is_left(engine::Engine& engine, Projector& projector) {
  if (projector.checkpoint().position != projector.origin()) return {};
  BATON_TRY_ASSIGN(const Position start, engine.start_of(projector.definition().context));
  return start == projector.origin() ? Status() : projector.begin_at(start);
}

Result<FeedOutcome> feed(engine::Engine& engine, const os::Clock& clock, Projector& projector, const FeedRequest& request) {
  const ViewDefinition& view = projector.definition();
  FeedOutcome out;
  std::optional<Meter> meter;
  if (request.progress) {
    BATON_TRY_ASSIGN(meter, Meter::start(engine, clock, view.context, projector.checkpoint().position, request.as_of));
  }
  if (request.may_begin_late) BATON_TRY(begin_at_what_is_left(engine, projector));
  std::optional<std::size_t> before_stop;  // visits until just before the event that could not be applied
  while (out.events < request.events_max) {
    const Checkpoint start = projector.checkpoint();
    const auto room = static_cast<std::size_t>(request.events_max - out.events);
    ReadContext read{.context = view.context, .after = start.position, .limit = std::min(request.batch_events, room)};
    if (before_stop) read.limit = std::min(read.limit, *std::exchange(before_stop, std::nullopt));
    read.filter.types = view.types();
    read.as_of = request.as_of;
    std::size_t visited = 0;
    Status applied;
    auto reached = engine.scan(read, [&](const EventView& event) {
      ++visited;
      applied = projector.apply(event);
      return applied.ok() && visited < read.limit;
    });
    if (!applied) {
      // The batch is undone; what came before the event is applied again and committed, then the event is the first of its batch.
      std::optional<Stop> stop = projector.stop();
      projector.rollback();
      if (!stop) return applied.error();
      if (visited == 1) {
        out.stop = std::move(stop);
        return out;
      }
      before_stop = visited - 1;
      continue;
    }
    if (!reached) {
      projector.rollback();
      if (reached.error().code != Code::position_lost) return reached.error();
      return Error{Code::position_lost, "view '" + view.name + "' stands at a position that the log no longer has (" +
                                            reached.error().detail + "). Run: baton view rebuild " + view.name};
    }
    if (reached->removed > 0) {
      projector.rollback();
      return lacks_removed(view.name, view.context, reached->removed);
    }
    const Position& position = reached->position;
    if (visited == 0 && (position.is_beginning() || position == start.position)) return out;
    BATON_TRY(projector.commit(position));
    out.events += projector.checkpoint().events - start.events;
    if (request.after_commit) BATON_TRY(request.after_commit(projector.checkpoint()));
    if (!meter) continue;
    BATON_TRY_ASSIGN(const FeedProgress progress, meter->at(projector.checkpoint().position, out.events));
    if (!request.progress(progress)) return Error{Code::cancelled, "ended by the caller; what was applied stays"};
  }
  return out;
}

}  // namespace baton::view
