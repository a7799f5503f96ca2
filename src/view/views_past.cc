// Queries of a view as it was: from the nearest start that is valid, forward to the moment asked for, in a temporary file.
#include <algorithm>

#include "base/try.h"
#include "view/views_state.h"

namespace baton::view {
namespace {

// A file that is in use while this lives, and gone after it.
class TemporaryFile {
 public:
  static Result<TemporaryFile> make(os::FileSystem& fs, const std::string& path) {
    BATON_TRY_ASSIGN(auto file, fs.open(path, {.write = true, .create = true, .exclusive = true}));
    BATON_TRY_ASSIGN(const bool locked, file->try_lock(os::LockKind::exclusive, Generations::kInUseByte, 1));
    if (!locked) return Error{Code::unavailable, path + " is in use"};
    return TemporaryFile(fs, path, std::move(file));
  }
  ~TemporaryFile() {
    if (file_ == nullptr) return;
    for (const char* suffix : {"-wal", "-shm", "-journal", ""}) (void)fs_->remove(path_ + suffix);
  }
  TemporaryFile(TemporaryFile&&) = default;
  TemporaryFile& operator=(TemporaryFile&&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  TemporaryFile(os::FileSystem& fs, std::string path, std::unique_ptr<os::File> file)
      : fs_(&fs), path_(std::move(path)), file_(std::move(file)) {}
  os::FileSystem* fs_;
  std::string path_;
  std::unique_ptr<os::File> file_;
};

}  // namespace

Result<std::unique_ptr<Projector>> ViewManager::build_past(View& view, const AsOf& target, const std::string& path) {
  Current current;
  BATON_TRY_ASSIGN(Database live, open_live(view, &current));
  BATON_TRY_ASSIGN(const ViewDefinition definition, read_definition(live));
  // Where each partition is read up to; nothing: everywhere to its end (by event time).
  std::optional<std::vector<std::int64_t>> until;
  if (target.position) {
    BATON_TRY_ASSIGN(until, engine_->next_offsets(definition.context, *target.position));
  }
  // What is read on from there must be a part of the past that is asked for, and nothing that is missing may have been removed.
  BATON_TRY_ASSIGN(const Position origin, read_origin(live));
  BATON_TRY_ASSIGN(const auto begun, engine_->next_offsets(definition.context, origin));
  const auto may_start_at = [&](const Position& position) {
    const auto next = engine_->next_offsets(definition.context, position);
    const auto start = engine_->start_of(definition.context);
    if (!next || !start) return false;
    const auto first = engine_->next_offsets(definition.context, *start);
    if (!first || (until && until->size() != next->size()) || first->size() != next->size() || begun.size() != next->size()) return false;
    for (std::size_t p = 0; p < next->size(); ++p) {
      // Of a partition of which nothing is wanted nothing may have been applied.
      if (until && (*until)[p] == 0 && (*next)[p] <= begun[p]) continue;
      if (until && ((*next)[p] > (*until)[p] || (*until)[p] < begun[p])) return false;
      const bool reads_on = !until || (*next)[p] < (*until)[p];
      if (reads_on && (*next)[p] < (*first)[p]) return false;
    }
    return true;
  };
  const auto valid = [&](const Checkpoint& checkpoint) {
    if (checkpoint.position.is_beginning()) return false;  // no better than nothing
    if (target.time && checkpoint.time_max_ns && *checkpoint.time_max_ns > target.time->ns) return false;
    return may_start_at(checkpoint.position);
  };
  // The live generation first, then the copies from the newest back: the first valid one has the most events.
  const auto start_from = [&](Database& from) -> Result<std::unique_ptr<Projector>> {
    BATON_TRY_ASSIGN(const Checkpoint before, read_checkpoint(from));
    if (!valid(before)) return std::unique_ptr<Projector>();
    BATON_TRY_ASSIGN(auto copy, Projector::copy_of(vfs_, from, path, options_.tuning));
    // The live generation may have gone on since the look at its checkpoint.
    if (valid(copy->checkpoint())) return copy;
    copy.reset();
    BATON_TRY_ASSIGN(auto file, env_.fs().open(path, {.write = true}));
    BATON_TRY(file->truncate(0));
    return std::unique_ptr<Projector>();
  };
  BATON_TRY_ASSIGN(auto start, start_from(live));
  if (start != nullptr) return start;
  BATON_TRY_ASSIGN(auto copies, view.files.copies(current.live));
  for (auto copy = copies.rbegin(); copy != copies.rend(); ++copy) {
    auto db = Database::open(vfs_, copy->path, Database::Mode::immutable);
    if (!db) continue;  // thinned out meanwhile
    BATON_TRY_ASSIGN(start, start_from(*db));
    if (start != nullptr) return start;
  }
  if (!may_start_at(origin)) {
    return Error{Code::removed, "view '" + view.name + "' cannot be told as it was then: a retention has removed events that would be needed, and no kept copy lies behind them"};
  }
  BATON_TRY_ASSIGN(auto empty, Projector::create(vfs_, path, definition, Database::Mode::scratch, options_.tuning));
  if (!origin.is_beginning()) BATON_TRY(empty->begin_at(origin));
  return empty;
}

Result<QueryResult> ViewManager::query_as_of(const std::string& name, std::string_view sql, const AsOf& as_of,
                                             const QueryLimits& limits,
                                             const std::function<bool(const FeedProgress&)>& progress) {
  const int given = (as_of.position ? 1 : 0) + (as_of.recorded ? 1 : 0) + (as_of.time ? 1 : 0);
  if (given != 1) return Error{Code::invalid_argument, "as of: say a position, an append time, or an event time"};
  BATON_TRY_ASSIGN(View* const view, find(name));
  if (engine_ == nullptr)
    return Error{Code::unavailable, "a query of the past needs the log, and this program has opened views only"};
  AsOf target = as_of;
  if (as_of.recorded) {
    // An append time stands for a prefix of the log, and so for a position.
    Current current;
    BATON_TRY_ASSIGN(Database live, open_live(*view, &current));
    BATON_TRY_ASSIGN(const ViewDefinition definition, read_definition(live));
    BATON_TRY_ASSIGN(target.position, engine_->position_at(definition.context, as_of.recorded));
    target.recorded.reset();
    // What was appended by then may have been all that was removed, or a part of it: nothing tells.
    BATON_TRY_ASSIGN(const Position start, engine_->start_of(definition.context));
    BATON_TRY_ASSIGN(const auto first, engine_->next_offsets(definition.context, start));
    BATON_TRY_ASSIGN(const auto until, engine_->next_offsets(definition.context, *target.position));
    for (std::size_t p = 0; p < first.size() && p < until.size(); ++p) {
      if (until[p] < first[p])
        return Error{Code::removed, "view '" + name + "' cannot be told as it was then: a retention has removed what had been appended by that time, or a part of it"};
    }
  }
  BATON_TRY_ASSIGN(const TemporaryFile file, TemporaryFile::make(env_.fs(), view->files.path(temporary_name("as-of"))));
  BATON_TRY_ASSIGN(const auto past, build_past(*view, target, file.path()));
  if (!target.position || !target.position->is_beginning()) {
    FeedRequest request{.as_of = target, .batch_events = options_.batch_events, .may_begin_late = false, .progress = progress};
    BATON_TRY_ASSIGN(const FeedOutcome fed, feed(*engine_, env_.clock(), *past, request));
    if (fed.stop) return fed.stop->to_error();
  }
  return run_query(past->database(), past->guard(), env_.clock(), sql, limits);
}

}  // namespace baton::view
