// Rebuild beside the live view, swap, and rollback. CURRENT is the one thing that decides; it is written when all else is on the disk.
#include <algorithm>

#include "base/try.h"
#include "view/views_state.h"

namespace baton::view {
namespace {

// Says that a rebuild is under way, for as long as it lives.
class Flag {
 public:
  explicit Flag(std::atomic<bool>& flag) : flag_(flag), mine_(!flag.exchange(true)) {}
  ~Flag() {
    if (mine_) flag_ = false;
  }
  Flag(const Flag&) = delete;
  Flag& operator=(const Flag&) = delete;
  [[nodiscard]] bool mine() const { return mine_; }

 private:
  std::atomic<bool>& flag_;
  bool mine_;
};

}  // namespace

Result<RebuildReport> ViewManager::rebuild(const std::string& name, const std::function<bool(const FeedProgress&)>& progress) {
  BATON_TRY_ASSIGN(Held held, hold(name));
  View* const view = held.view;
  const Flag rebuilding(view->rebuilding);
  if (!rebuilding.mine()) return Error{Code::unavailable, "view '" + name + "' is being rebuilt already"};
  const std::int64_t started_ns = env_.clock().monotonic_ns();
  ViewDefinition definition;
  std::int64_t generation = 0;
  {
    const auto guard = std::move(held.lock);
    definition = view->projector->definition();
    generation = std::max(view->current.live, view->current.previous) + 1;
    BATON_TRY(view->files.remove_generation(generation));  // of a rebuild that did not end
  }
  const std::string next = view->files.path("next.yaml");
  if (auto content = os::read_file(env_.fs(), next, kViewFileBytesMax); content) {
    BATON_TRY_ASSIGN(auto waiting, parse_view_file(base::as_text(*content), next));
    waiting.front().keep = definition.keep;
    definition = std::move(waiting.front());
  } else if (content.error().code != Code::not_found) {
    return content.error();
  }
  const std::string path = view->files.database_path(generation);
  Tuning tuning = options_.tuning;
  tuning.cache_kib *= 4;
  BATON_TRY_ASSIGN(auto fresh, Projector::create(vfs_, path, definition, Database::Mode::write, tuning));
  std::int64_t copy_at = definition.keep.every;
  FeedRequest request{.batch_events = options_.batch_events, .progress = progress};
  request.after_commit = [&](const Checkpoint& checkpoint) -> Status {
    if (definition.keep.copies == 0 || checkpoint.events < copy_at) return {};
    if (auto kept = keep_copy(view->files, generation, *fresh); !kept)
      warn("view '" + name + "': no copy was kept: " + kept.error().detail);
    BATON_TRY_ASSIGN(copy_at, view->files.next_copy_at(generation, definition.keep.every, definition.keep.copies));
    copy_at = std::max(copy_at, checkpoint.events + 1);
    return {};
  };
  const auto give_up = [&](Error error) -> Error {
    fresh.reset();
    // When the last step of the swap failed, CURRENT may name the new generation, now or after a crash: then both stay.
    const auto current = view->files.read_current();
    if (current && *current && (*current)->live != generation) {
      (void)view->files.remove_generation(generation);
    } else {
      const std::lock_guard guard(view->mutex);
      drop_projector(*view);
    }
    return error;
  };
  auto fed = feed(*engine_, env_.clock(), *fresh, request);
  if (!fed) return give_up(fed.error());
  if (fed->stop) return give_up(fed->stop->to_error());
  auto report = finish_rebuild(*view, std::move(fresh), generation);
  if (!report) return give_up(report.error());
  report->seconds = static_cast<double>(env_.clock().monotonic_ns() - started_ns) / 1e9;
  return report;
}

// With the live view held still: both to one position, compare, swap.
Result<RebuildReport> ViewManager::finish_rebuild(View& view, std::unique_ptr<Projector> fresh, std::int64_t generation) {
  const std::lock_guard guard(view.mutex);
  BATON_TRY(open_projector(view));
  RebuildReport report;
  AsOf until;
  const std::string& context_before = view.projector->definition().context;
  const bool same_context = context_before == fresh->definition().context;
  if (!same_context) {
    // A position of the one says nothing in the other.
    report.note = "not compared: the one before is of context " + context_before;
  } else if (auto applied = apply(view, INT64_MAX, {}); applied) {
    until.position = view.projector->checkpoint().position;
  } else if (applied.error().code == Code::incompatible || applied.error().code == Code::position_lost || applied.error().code == Code::removed ||
             applied.error().code == Code::store_failed) {
    report.note = "the old view had stopped, and is compared as it stood: " + applied.error().detail;
  } else {
    return applied.error();
  }
  if (!until.position || !until.position->is_beginning()) {
    BATON_TRY_ASSIGN(const FeedOutcome fed,
                     feed(*engine_, env_.clock(), *fresh, {.as_of = until, .batch_events = options_.batch_events}));
    if (fed.stop) return fed.stop->to_error();
  }
  BATON_TRY(fresh->flush());
  report.events = fresh->checkpoint().events;
  auto tables = !same_context ? Result<std::vector<TableDifference>>(std::vector<TableDifference>())
                              : compare_databases(vfs_, view.files.database_path(view.current.live), view.files.database_path(generation), options_.examples_max);
  if (!same_context) {
    report.equal = false;
  } else if (tables) {
    report.tables = std::move(*tables);
    report.equal = std::ranges::all_of(report.tables, &TableDifference::equal);
  } else {
    report.note += (report.note.empty() ? "" : "; ") + std::string("not compared: ") + tables.error().detail;
  }
  const Current before = view.current;
  const Current after{.live = generation, .previous = before.live};
  BATON_TRY(view.files.write_current(after));
  view.current = after;
  // The swap is done; what fails now is tidied by the next writer.
  retire(view, before.live);
  view.projector = std::move(fresh);
  view.next_copy_at = 0;
  (void)env_.fs().remove(view.files.path("next.yaml"));
  if (before.previous != 0) (void)view.files.remove_generation(before.previous);
  if (auto synced = env_.fs().sync_directory(view.files.directory()); !synced) warn("view '" + view.name + "': " + synced.error().detail);
  return report;
}

// The projector of a generation that is live no more: its WAL goes into its file, so that a rollback opens a whole one.
void ViewManager::retire(View& view, std::int64_t generation) {
  if (auto flushed = flush(view, generation); !flushed) warn("view '" + view.name + "', the one before: " + flushed.error().detail);
}

Status ViewManager::rollback(const std::string& name) {
  BATON_TRY_ASSIGN(const Held held, hold(name));
  View* const view = held.view;
  if (view->rebuilding) return Error{Code::unavailable, "view '" + name + "' is being rebuilt: wait for it"};
  if (view->current.previous == 0)
    return Error{Code::not_found, "view '" + name + "' has no previous generation: only a rebuild keeps one"};
  const Current after{.live = view->current.previous, .previous = view->current.live};
  BATON_TRY_ASSIGN(auto projector, Projector::open(vfs_, view->files.database_path(after.live), options_.tuning));
  if (auto written = view->files.write_current(after); !written) {
    drop_projector(*view);  // opened again by what CURRENT says
    return written;
  }
  retire(*view, after.previous);
  view->current = after;
  view->projector = std::move(projector);
  view->next_copy_at = 0;
  return {};
}

}  // namespace baton::view
