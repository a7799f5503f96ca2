#include "view/views.h"

#include <algorithm>

#include "base/hex.h"
#include "base/try.h"
#include "view/views_state.h"

namespace baton::view {
namespace {

constexpr std::uint64_t kStopBytesMax = 1 << 20;

Error no_such_view(const std::string& name) {
  return {Code::not_found, "there is no view '" + name + "' here: load its file, or look at `baton view list`"};
}

// What Stop::to_json wrote.
Result<Stop> parse_stop(std::string_view json) {
  JsonFields fields;
  const auto number = [&](const char* name) { return fields.add({name}); };
  const std::size_t view = number("view"), type = number("type"), id = number("id"), stream = number("stream"),
                    version = number("version"), position = number("position"), statement = number("statement"),
                    cause = number("cause");
  BATON_TRY(fields.extract(json));
  const auto text = [&](std::size_t field) { return std::string(fields[field].text); };
  return Stop{.view = text(view),
              .type = text(type),
              .id = text(id),
              .stream = text(stream),
              .version = fields[version].integer,
              .position = text(position),
              .statement = static_cast<int>(fields[statement].integer),
              .cause = text(cause)};
}

// SQLite names neither the view nor the file. A rebuild would begin with the definition and the position in it: the way on begins with nothing.
Error of_file(const std::string& view, const std::string& file, const Error& error) {
  if (error.code != Code::corrupt) return error;
  return {Code::corrupt, "view '" + view + "': " + file + " is damaged (" + error.detail + "): run baton view drop " + view +
                             ", and load its view file again; it is built again from the log"};
}

}  // namespace

ViewManager::ViewManager(os::Env& env, engine::Engine* engine, std::string directory, ViewOptions options)
    : env_(env), engine_(engine), directory_(std::move(directory)), options_(std::move(options)), vfs_(env) {}

ViewManager::~ViewManager() {
  if (auto closed = close(); !closed) warn(closed.error().detail);
}

Status ViewManager::close() {
  for (auto& [name, view] : views_) {
    if (view->live) view->live->stop();
  }
  Status out;
  for (auto& [name, view] : views_) {
    const std::lock_guard guard(view->mutex);
    if (view->projector == nullptr) continue;
    view->projector->rollback();
    if (auto flushed = flush(*view, view->current.live); !flushed && out) out = Error{flushed.error().code, "view '" + name + "': " + flushed.error().detail};
    view->projector.reset();  // opened again by whoever goes on
  }
  return out;
}

Result<std::unique_ptr<ViewManager>> ViewManager::open(os::Env& env, engine::Engine* engine, const std::string& directory,
                                                       ViewOptions options) {
  if (options.batch_events == 0) return Error{Code::invalid_argument, "ViewOptions::batch_events must not be 0"};
  if (!options.read_only) BATON_TRY(os::make_directories(env.fs(), directory));
  return std::unique_ptr<ViewManager>(new ViewManager(env, engine, directory, std::move(options)));
}

void ViewManager::warn(const std::string& text) const {
  if (options_.on_warning) options_.on_warning(text);
}

std::string ViewManager::temporary_name(const char* purpose) {
  std::byte random[8];
  env_.random().fill(random);
  return std::string("tmp-") + purpose + "-" + base::to_hex(random) + ".sqlite";
}

ViewManager::View& ViewManager::slot(const std::string& name) {
  const std::lock_guard guard(mutex_);
  auto& view = views_[name];
  if (view == nullptr) view = std::make_unique<View>(env_.fs(), directory_, name);
  return *view;
}

Result<ViewManager::View*> ViewManager::find(const std::string& name) {
  if (!is_name(name)) return no_such_view(name);
  const Generations files(env_.fs(), os::join(directory_, name));
  BATON_TRY_ASSIGN(const auto current, files.read_current());
  if (!current) return no_such_view(name);
  return &slot(name);
}

Status ViewManager::writable(const std::string& name) const {
  if (options_.read_only)
    return Error{Code::read_only, "view '" + name + "': opened read-only; the process that writes the store changes views"};
  return {};
}

Result<std::unique_ptr<os::File>> ViewManager::lock_file(const View& view) {
  BATON_TRY(sync_names([&] { return os::make_directories(env_.fs(), view.files.directory()); }));
  BATON_TRY_ASSIGN(auto file, env_.fs().open(view.files.path("LOCK"), {.write = true, .create = true}));
  BATON_TRY_ASSIGN(const bool locked, file->try_lock(os::LockKind::exclusive, 0, 0));
  if (!locked) return Error{Code::locked, "view '" + view.name + "' is being written by another process: end it, or ask it"};
  return file;
}

Status ViewManager::take_lock(View& view) {
  if (view.lock != nullptr) return {};
  BATON_TRY_ASSIGN(auto file, lock_file(view));
  BATON_TRY_ASSIGN(const auto current, view.files.read_current());
  // What a writer before us renamed may not be durable yet, and what it replaced is removed now.
  BATON_TRY(env_.fs().sync_directory(view.files.directory()));
  BATON_TRY(view.files.remove_leftovers(current));
  view.lock = std::move(file);
  return {};
}

void ViewManager::drop_projector(View& view) {
  if (view.projector != nullptr && view.projector->spoiled()) (void)record_spoiled(view, view.current.live);
  view.projector.reset();
}

Status ViewManager::open_projector(View& view) {
  if (view.projector != nullptr) return {};
  BATON_TRY_ASSIGN(const auto current, view.files.read_current());
  if (!current) return no_such_view(view.name);
  view.current = *current;
  const std::string file = view.files.database_path(current->live);
  auto opened = Projector::open(vfs_, file, options_.tuning);
  if (!opened) return of_file(view.name, file, opened.error());
  view.projector = *std::move(opened);
  view.next_copy_at = 0;
  return {};
}

Result<ViewManager::Held> ViewManager::hold(const std::string& name) {
  BATON_TRY(writable(name));
  BATON_TRY_ASSIGN(View* const view, find(name));
  Held held{view, std::unique_lock(view->mutex)};
  BATON_TRY(take_lock(*view));
  BATON_TRY(open_projector(*view));
  return held;
}

Result<std::vector<LoadedView>> ViewManager::load_file(const std::string& path) {
  BATON_TRY_ASSIGN(const auto bytes, os::read_file(env_.fs(), path, kViewFileBytesMax));
  return load_text(base::as_text(bytes), path);
}

Result<std::vector<LoadedView>> ViewManager::load_text(std::string_view text, const std::string& file) {
  BATON_TRY_ASSIGN(const auto definitions, parse_view_file(text, file));
  for (const auto& definition : definitions) BATON_TRY(check_view(vfs_, definition));
  std::vector<LoadedView> out;
  for (const auto& definition : definitions) {
    BATON_TRY(writable(definition.name));
    BATON_TRY_ASSIGN(auto loaded, load_one(definition));
    out.push_back(std::move(loaded));
  }
  return out;
}

Result<LoadedView> ViewManager::load_one(const ViewDefinition& definition) {
  View& view = slot(definition.name);
  const std::lock_guard guard(view.mutex);
  BATON_TRY(take_lock(view));
  LoadedView out{.name = definition.name, .detail = {}};
  BATON_TRY_ASSIGN(const auto current, view.files.read_current());
  const std::string next = view.files.path("next.yaml");
  if (!current) {
    const std::string path = view.files.database_path(1);
    BATON_TRY(view.files.remove_generation(1));  // of an attempt that failed
    BATON_TRY_ASSIGN(view.projector, Projector::create(vfs_, path, definition, Database::Mode::write, options_.tuning));
    view.current = {.live = 1, .previous = 0};
    view.next_copy_at = 0;
    if (auto written = view.files.write_current(view.current); !written) {
      view.projector.reset();
      return written.error();
    }
    out.outcome = LoadedView::Outcome::created;
    return out;
  }
  BATON_TRY(open_projector(view));
  if (view.projector->definition().digest == definition.digest) {
    const KeepRule& keep = view.projector->definition().keep;
    if (keep.every != definition.keep.every || keep.copies != definition.keep.copies) {
      BATON_TRY(set_keep(view, definition.keep, out.detail));
    }
    BATON_TRY_ASSIGN(const bool waiting, env_.fs().exists(next));
    if (waiting) {
      BATON_TRY(env_.fs().remove(next));
      BATON_TRY(env_.fs().sync_directory(view.files.directory()));
    }
    out.outcome = LoadedView::Outcome::unchanged;
    return out;
  }
  BATON_TRY(os::replace_file(env_.fs(), next, base::as_bytes(definition.json)));
  out.outcome = LoadedView::Outcome::needs_rebuild;
  out.detail = "the definition of view '" + view.name + "' has changed; it goes on by the old one until: baton view rebuild " +
               view.name;
  return out;
}

// The caller holds view.mutex, and the projector is open. A generation that has stopped is not written: then `detail` says what to do.
Status ViewManager::set_keep(View& view, const KeepRule& keep, std::string& detail) {
  BATON_TRY_ASSIGN(const auto stopped, stored_stop(view, view.current.live));
  if (stopped) {
    detail = "'keep' stays as it was, because the view has stopped (" + *stopped + "); load the file again when it has been rebuilt";
    return {};
  }
  if (view.projector->spoiled()) return record_spoiled(view, view.current.live);
  auto set = view.projector->set_keep(keep);
  if (view.projector->spoiled()) (void)record_spoiled(view, view.current.live);
  if (set) view.next_copy_at = 0;
  return set;
}

Result<std::optional<std::string>> ViewManager::stored_stop(const View& view, std::int64_t generation) {
  auto content = os::read_file(env_.fs(), view.files.error_path(generation), kStopBytesMax);
  if (!content) {
    if (content.error().code == Code::not_found) return std::optional<std::string>();
    return content.error();
  }
  auto stop = parse_stop(base::as_text(*content));
  if (!stop) return std::optional<std::string>("view '" + view.name + "' has stopped: baton view rebuild " + view.name);
  return std::optional<std::string>(stop->to_error().detail);
}

Status ViewManager::record_stop(View& view, std::int64_t generation, const Stop& stop) {
  const std::string json = stop.to_json();
  BATON_TRY(os::replace_file(env_.fs(), view.files.error_path(generation), base::as_bytes(json)));
  return stop.to_error();
}

// After a failed sync the page cache shows what the disk may not have, and a later WAL checkpoint could mix the two. The generation is
// therefore not written again, by this process or another.
Status ViewManager::record_spoiled(View& view, std::int64_t generation) {
  return record_stop(view, generation,
                     {.view = view.name, .cause = "a sync of its file failed, so that the file cannot be trusted"});
}

// The WAL goes into the file, unless the generation has stopped: after a failed sync, of this process or one before, it is not written again.
Status ViewManager::flush(View& view, std::int64_t generation) {
  BATON_TRY_ASSIGN(const auto stopped, stored_stop(view, generation));
  if (stopped) return {};
  auto flushed = view.projector->flush();
  if (view.projector->spoiled()) (void)record_spoiled(view, generation);
  return flushed;
}

Status ViewManager::keep_copy(Generations& files, std::int64_t generation, Projector& projector) {
  const std::string temporary = files.path(temporary_name("copy"));
  const std::string path = files.copy_path(generation, projector.checkpoint().events);
  const auto make = [&]() -> Status {
    {
      BATON_TRY_ASSIGN(Database copy, Database::open(vfs_, temporary, Database::Mode::scratch));
      BATON_TRY(copy_pages(projector.database(), copy));
    }
    BATON_TRY_ASSIGN(auto file, env_.fs().open(temporary, {.write = true}));
    BATON_TRY(file->sync_data());
    BATON_TRY(env_.fs().rename(temporary, path));
    return env_.fs().sync_directory(files.directory());
  };
  auto made = make();
  if (!made) {
    (void)env_.fs().remove(temporary);
    return made;
  }
  const KeepRule& keep = projector.definition().keep;
  return files.thin_copies(generation, keep.every, keep.copies);
}

// The caller holds view.mutex.
Status ViewManager::after_commit(View& view, const Checkpoint& checkpoint) {
  const KeepRule keep = view.projector->definition().keep;
  if (keep.copies == 0) return {};
  if (view.next_copy_at == 0) {
    BATON_TRY_ASSIGN(view.next_copy_at, view.files.next_copy_at(view.current.live, keep.every, keep.copies));
  }
  if (checkpoint.events < view.next_copy_at) return {};
  // A view without copies is slower in the past, not wrong.
  if (auto kept = keep_copy(view.files, view.current.live, *view.projector); !kept) {
    warn("view '" + view.name + "': no copy was kept: " + kept.error().detail);
  }
  view.next_copy_at = 0;
  BATON_TRY_ASSIGN(view.next_copy_at, view.files.next_copy_at(view.current.live, keep.every, keep.copies));
  view.next_copy_at = std::max(view.next_copy_at, checkpoint.events + 1);
  return {};
}

// The caller holds view.mutex, and the projector is open.
Result<std::int64_t> ViewManager::apply(View& view, std::int64_t events_max,
                                        const std::function<bool(const FeedProgress&)>& progress) {
  BATON_TRY_ASSIGN(const auto stopped, stored_stop(view, view.current.live));
  if (stopped) return Error{Code::incompatible, *stopped};
  FeedRequest request{.events_max = events_max, .batch_events = options_.batch_events, .progress = progress};
  request.after_commit = [&](const Checkpoint& checkpoint) { return after_commit(view, checkpoint); };
  if (view.projector->spoiled()) return record_spoiled(view, view.current.live).error();
  auto fed = feed(*engine_, env_.clock(), *view.projector, request);
  if (!fed) {
    if (view.projector->spoiled()) (void)record_spoiled(view, view.current.live);
    return fed.error();
  }
  if (fed->stop) return record_stop(view, view.current.live, *fed->stop).error();
  return fed->events;
}

Result<std::int64_t> ViewManager::catch_up(const std::string& name, std::int64_t events_max,
                                           const std::function<bool(const FeedProgress&)>& progress) {
  BATON_TRY_ASSIGN(const Held held, hold(name));
  return apply(*held.view, events_max, progress);
}

Result<Database> ViewManager::open_live(View& view, Current* current) {
  // A rebuild may remove the generation that CURRENT named a moment ago; then CURRENT names another one.
  constexpr int kTries = 5;
  for (int i = 0;; ++i) {
    BATON_TRY_ASSIGN(const auto now, view.files.read_current());
    if (!now) return no_such_view(view.name);
    const std::string file = view.files.database_path(now->live);
    auto db = Database::open(vfs_, file, Database::Mode::read);
    if (db) {
      if (const Status known = check_format(*db); !known) return of_file(view.name, file, known.error());
      *current = *now;
      return db;
    }
    if (i == kTries) return of_file(view.name, file, db.error());
  }
}

Result<QueryResult> ViewManager::query(const std::string& name, std::string_view sql, const QueryLimits& limits) {
  BATON_TRY_ASSIGN(View* const view, find(name));
  Current current;
  Guard guard;  // outlives the connection
  BATON_TRY_ASSIGN(Database db, open_live(*view, &current));
  guard.attach(db);
  auto result = run_query(db, guard, env_.clock(), sql, limits);
  if (!result) return of_file(name, view->files.database_path(current.live), result.error());
  return result;
}

Result<ViewInfo> ViewManager::describe(View& view) {
  Current current;
  BATON_TRY_ASSIGN(Database db, open_live(view, &current));
  BATON_TRY_ASSIGN(const ViewDefinition definition, read_definition(db));
  BATON_TRY_ASSIGN(const Checkpoint checkpoint, read_checkpoint(db));
  ViewInfo out{.name = view.name, .context = definition.context, .generation = current.live, .previous = current.previous};
  out.position = checkpoint.position;
  out.events = checkpoint.events;
  BATON_TRY_ASSIGN(const auto copies, view.files.copies(current.live));
  out.copies = copies.size();
  {
    const std::lock_guard guard(view.mutex);
    if (view.live && view.live->running()) out.state = ViewInfo::State::live;
  }
  BATON_TRY_ASSIGN(const bool waiting, env_.fs().exists(view.files.path("next.yaml")));
  if (waiting) {
    out.state = ViewInfo::State::needs_rebuild;
    out.detail = "a changed definition waits: baton view rebuild " + view.name;
  }
  BATON_TRY_ASSIGN(const auto stopped, stored_stop(view, current.live));
  if (stopped) {
    out.state = ViewInfo::State::stopped;
    out.detail = *stopped;
  }
  if (engine_ == nullptr) return out;
  auto end = engine_->position_at(out.context, std::nullopt);
  if (!end) return out.lag = std::nullopt, out;
  auto last = end->is_beginning() ? Result<std::int64_t>(0) : engine_->rank(out.context, *end);
  auto here = out.position.is_beginning() ? Result<std::int64_t>(0) : engine_->rank(out.context, out.position);
  BATON_TRY_ASSIGN(const Position origin, read_origin(db));
  const Status whole = out.position.is_beginning() || out.position == origin ? Status() : check_gap(*engine_, out.name, out.context, out.position);
  if (last && here) {
    out.lag = std::max<std::int64_t>(0, *last - *here);
    if (!whole && whole.error().code == Code::removed) {
      out.state = ViewInfo::State::stopped;
      out.detail = whole.error().detail;
    }
  } else if (!here) {
    out.state = ViewInfo::State::stopped;
    out.detail = here.error().detail + ". Run: baton view rebuild " + view.name;
  }
  return out;
}

Result<ViewInfo> ViewManager::info(const std::string& name) {
  BATON_TRY_ASSIGN(View* const view, find(name));
  return describe(*view);
}

Result<std::vector<ViewInfo>> ViewManager::list() {
  std::vector<ViewInfo> out;
  auto entries = env_.fs().list(directory_);
  if (!entries) {
    if (entries.error().code == Code::not_found) return out;
    return entries.error();
  }
  for (const auto& entry : *entries) {
    if (!entry.is_directory || !is_name(entry.name)) continue;
    auto info_of = info(entry.name);
    if (info_of) {
      out.push_back(std::move(*info_of));
    } else if (info_of.error().code != Code::not_found) {
      ViewInfo broken{.name = entry.name, .state = ViewInfo::State::stopped};
      broken.detail = info_of.error().detail;
      out.push_back(std::move(broken));
    }
  }
  return out;
}

Status ViewManager::drop(const std::string& name) {
  BATON_TRY(writable(name));
  const auto found = find(name);
  const bool damaged = !found && found.error().code == Code::corrupt;  // it need not be read to be removed
  if (!found && !damaged) return found.error();
  View* const view = damaged ? &slot(name) : *found;
  stop(name);
  const std::lock_guard guard(view->mutex);
  if (damaged && view->lock == nullptr) {
    BATON_TRY_ASSIGN(view->lock, lock_file(*view));
  } else {
    BATON_TRY(take_lock(*view));
  }
  if (view->rebuilding) return Error{Code::unavailable, "view '" + name + "' is being rebuilt: wait for it"};
  view->projector.reset();
  // Without CURRENT there is no view, whatever else is left by a crash.
  BATON_TRY(env_.fs().remove(view->files.path("CURRENT")));
  BATON_TRY(env_.fs().sync_directory(view->files.directory()));
  BATON_TRY(os::remove_tree(env_.fs(), view->files.directory()));
  view->lock.reset();
  return sync_names([&] { return env_.fs().sync_directory(directory_); });
}

Status ViewManager::sync_names(const std::function<Status()>& sync) {
  const std::lock_guard guard(names_mutex_);
  BATON_TRY(names_synced_);
  Status synced = sync();
  if (!synced && synced.error().code == Code::io_error) names_synced_ = synced;
  return synced;
}

}  // namespace baton::view
