// ViewManager: the views of one data directory: loads their files, keeps them up to date, answers queries of now and of the past, rebuilds
// them beside the live ones and swaps (docs/formats/views.md).
//
// Threads: every method may be called from any thread; a view is changed by one thread at a time, and queries do not wait for that.
// Processes: one process writes a view (its LOCK); managers that are opened read-only query beside it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <baton/result.h>
#include <baton/store.h>

#include "engine/engine.h"
#include "os/env.h"
#include "view/compare.h"
#include "view/feed.h"
#include "view/generations.h"
#include "view/query.h"
#include "view/view_file.h"

namespace baton::view {

struct ViewOptions {
  bool read_only = false;
  std::size_t batch_events = 10'000;            // at most so many events in a transaction
  Tuning tuning;                                // of each view that is written; a rebuild takes four times the cache
  std::size_t examples_max = 5;                 // rows shown of each kind of difference after a rebuild
  std::function<void(std::string)> on_warning;  // a live view has stopped, ...; any thread
};

struct LoadedView {
  std::string name;
  enum class Outcome {
    created,  // empty: catch_up() or start() fills it
    unchanged,
    needs_rebuild,  // the definition changed; the old one goes on until rebuild()
  } outcome = Outcome::unchanged;
  std::string detail;  // of needs_rebuild, and of a `keep` that could not be taken: what to run
};

struct ViewInfo {
  std::string name, context;
  std::int64_t generation = 0;
  std::int64_t previous = 0;  // 0: no rollback
  Position position;
  std::int64_t events = 0;          // applied
  std::optional<std::int64_t> lag;  // offsets between the checkpoint and the end of the context; empty without an engine
  std::size_t copies = 0;           // kept for as-of
  enum class State { ready, live, needs_rebuild, stopped } state = State::ready;
  std::string detail;  // why it stopped, what to run
};

struct RebuildReport {
  std::int64_t events = 0;
  double seconds = 0;
  std::vector<TableDifference> tables;
  bool equal = false;  // no table differs
  std::string note;    // e.g. the old view had stopped, so that it stands further back
};

class ViewManager {
 public:
  // `directory` is DIR/views. `engine` may be null: then only load, list and query of now work. Env and engine outlive the manager.
  [[nodiscard]] static Result<std::unique_ptr<ViewManager>> open(os::Env& env, engine::Engine* engine,
                                                                 const std::string& directory, ViewOptions options = {});
  // Ends live views, and copies what is in their WAL into their files; the first failure of it. A view whose sync fails here has stopped.
  // Nobody else uses the manager meanwhile.
  [[nodiscard]] Status close();
  // Closes; what fails then is only a warning.
  ~ViewManager();
  ViewManager(const ViewManager&) = delete;
  ViewManager& operator=(const ViewManager&) = delete;

  // Checks the whole file before it changes anything; then makes the views that are not there. invalid_argument with file:line:column.
  [[nodiscard]] Result<std::vector<LoadedView>> load_file(const std::string& path);
  [[nodiscard]] Result<std::vector<LoadedView>> load_text(std::string_view text, const std::string& file);
  // Sorted by name.
  [[nodiscard]] Result<std::vector<ViewInfo>> list();
  [[nodiscard]] Result<ViewInfo> info(const std::string& name);

  // Applies what is there, at most `events_max` events; returns how many. incompatible when an event stops the view, now or before.
  [[nodiscard]] Result<std::int64_t> catch_up(const std::string& name, std::int64_t events_max = INT64_MAX,
                                              const std::function<bool(const FeedProgress&)>& progress = {});
  // Keeps a view up to date from now on, on an executor of its own, until stop() or the end of the manager.
  [[nodiscard]] Status start(const std::string& name);
  void stop(const std::string& name);

  [[nodiscard]] Result<QueryResult> query(const std::string& name, std::string_view sql, const QueryLimits& limits = {});
  // The view as it was. Exactly one of as_of's three must be set.
  [[nodiscard]] Result<QueryResult> query_as_of(const std::string& name, std::string_view sql, const AsOf& as_of,
                                                const QueryLimits& limits = {},
                                                const std::function<bool(const FeedProgress&)>& progress = {});

  // Builds the view anew beside the live one, by the newest definition loaded; compares; swaps; keeps the old one for rollback().
  [[nodiscard]] Result<RebuildReport> rebuild(const std::string& name,
                                              const std::function<bool(const FeedProgress&)>& progress = {});
  // Makes the previous generation the live one, and the other way round. not_found when there is none.
  [[nodiscard]] Status rollback(const std::string& name);
  // Removes a view and its files.
  [[nodiscard]] Status drop(const std::string& name);

 private:
  class Live;
  struct View;
  struct Held;
  ViewManager(os::Env& env, engine::Engine* engine, std::string directory, ViewOptions options);

  Result<View*> find(const std::string& name);              // not_found
  Result<Held> hold(const std::string& name);               // takes LOCK and opens the projector
  View& slot(const std::string& name);
  Status writable(const std::string& name) const;
  [[nodiscard]] Result<std::unique_ptr<os::File>> lock_file(const View& view);
  Status take_lock(View& view);
  void drop_projector(View& view);    // after a swap that failed; what its file has suffered is kept on record
  Status open_projector(View& view);  // by what CURRENT says; after a swap that failed there is none
  Result<LoadedView> load_one(const ViewDefinition& definition);
  Result<std::int64_t> apply(View& view, std::int64_t events_max, const std::function<bool(const FeedProgress&)>& progress);
  Status after_commit(View& view, const Checkpoint& checkpoint);
  Status keep_copy(Generations& files, std::int64_t generation, Projector& projector);
  Status record_stop(View& view, std::int64_t generation, const Stop& stop);
  Status record_spoiled(View& view, std::int64_t generation);
  Status set_keep(View& view, const KeepRule& keep, std::string& detail);
  Status flush(View& view, std::int64_t generation);
  void retire(View& view, std::int64_t generation);
  Result<std::optional<std::string>> stored_stop(const View& view, std::int64_t generation);
  Result<ViewInfo> describe(View& view);
  Result<Database> open_live(View& view, Current* current);
  Result<std::unique_ptr<Projector>> build_past(View& view, const AsOf& target, const std::string& path);
  Result<RebuildReport> finish_rebuild(View& view, std::unique_ptr<Projector> fresh, std::int64_t generation);
  void warn(const std::string& text) const;
  std::string temporary_name(const char* purpose);

  os::Env& env_;
  engine::Engine* engine_;
  std::string directory_;
  ViewOptions options_;
  Vfs vfs_;
  // What makes names in directory_ durable. A sync that has failed is not tried again (F12): whoever asks later gets the failure, too.
  Status sync_names(const std::function<Status()>& sync);

  std::mutex names_mutex_;
  Status names_synced_;
  std::mutex mutex_;  // of views_ only
  std::map<std::string, std::unique_ptr<View>> views_;
};

}  // namespace baton::view
