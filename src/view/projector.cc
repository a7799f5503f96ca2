#include "view/projector.h"

#include "base/check.h"
#include "base/time.h"
#include "base/try.h"
#include "view/json_text.h"

namespace baton::view {
namespace {

constexpr int kFormat = 1;
constexpr int kProgressSteps = 1'000'000;  // of SQLite's machine between two looks at the count
constexpr int kProgressMax = 500;          // then the statement is taken for endless

constexpr char kOwnTables[] = R"(
  CREATE TABLE baton_view (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    format INTEGER NOT NULL,
    name TEXT NOT NULL, context TEXT NOT NULL,
    digest TEXT NOT NULL,
    definition TEXT NOT NULL,
    keep_every INTEGER NOT NULL, keep_copies INTEGER NOT NULL) STRICT;
  CREATE TABLE baton_checkpoint (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    position TEXT NOT NULL,
    events INTEGER NOT NULL,
    time_max_ns INTEGER,
    recorded_max_ms INTEGER) STRICT;
  INSERT INTO baton_checkpoint VALUES (1, '', 0, NULL, NULL);
)";

bool is_json(std::string_view content_type) {
  content_type = content_type.substr(0, content_type.find(';'));
  return content_type == "application/json" || content_type.ends_with("+json") || content_type == "text/json";
}

// "2014-01-01T08:14:00Z": RFC 3339 as it is written for UTC.
bool is_canonical_utc(std::string_view text) { return text.size() >= 20 && text[10] == 'T' && text.back() == 'Z'; }

}  // namespace

std::string Stop::to_json() const {
  std::string out = "{\"view\":";
  put_json_text(out, view);
  const auto text = [&](const char* key, const std::string& value) {
    out += std::string(",\"") + key + "\":";
    put_json_text(out, value);
  };
  text("type", type);
  text("id", id);
  text("stream", stream);
  out += ",\"version\":" + std::to_string(version);
  text("position", position);
  out += ",\"statement\":" + std::to_string(statement);
  text("cause", cause);
  return out + "}\n";
}

Error Stop::to_error() const {
  if (type.empty())
    return {Code::incompatible, "view '" + view + "' has stopped: " + cause + ". Run: baton view rebuild " + view};
  std::string where = "view '" + view + "' has stopped at event " + type + " " + id + " (stream " + stream + ", version " +
                      std::to_string(version) + ", position " + position + ")";
  if (statement > 0) where += ", statement " + std::to_string(statement);
  return {Code::incompatible, where + ": " + cause + ". Correct the view file, then run: baton view rebuild " + view};
}

Result<std::unique_ptr<Projector>> Projector::create(const Vfs& vfs, const std::string& path, const ViewDefinition& view,
                                                     Database::Mode mode, const Tuning& tuning) {
  std::unique_ptr<Projector> made(new Projector(vfs));
  BATON_TRY(made->connect(path, mode, tuning));
  BATON_TRY(made->make_schema(view));
  BATON_TRY(made->load());
  return made;
}

Result<std::unique_ptr<Projector>> Projector::open(const Vfs& vfs, const std::string& path, const Tuning& tuning) {
  std::unique_ptr<Projector> made(new Projector(vfs));
  BATON_TRY(made->connect(path, Database::Mode::write, tuning));
  BATON_TRY(made->load());
  return made;
}

Result<std::unique_ptr<Projector>> Projector::copy_of(const Vfs& vfs, Database& from, const std::string& path,
                                                      const Tuning& tuning) {
  std::unique_ptr<Projector> made(new Projector(vfs));
  BATON_TRY(made->connect(path, Database::Mode::scratch, tuning));
  BATON_TRY(copy_pages(from, made->db_));
  // The copied first page says WAL.
  BATON_TRY(made->db_.exec("PRAGMA journal_mode=MEMORY", "set up a copy"));
  BATON_TRY(made->load());
  return made;
}

Status Projector::connect(const std::string& path, Database::Mode mode, const Tuning& tuning) {
  BATON_TRY_ASSIGN(helper_, Database::open_memory(vfs_));
  BATON_TRY_ASSIGN(db_, Database::open(vfs_, path, mode, tuning.cache_kib));
  tuning_ = tuning;
  wal_ = mode == Database::Mode::write;
  guard_.attach(db_);
  BATON_TRY(make_pure(db_, *helper_));
  if (wal_) sqlite3_wal_hook(db_.get(), &Projector::on_wal, this);
  sqlite3_progress_handler(db_.get(), kProgressSteps, &Projector::on_progress, this);
  return {};
}

int Projector::on_wal(void* self, sqlite3*, const char*, int pages) {
  static_cast<Projector*>(self)->wal_pages_ = pages;
  return SQLITE_OK;
}

int Projector::on_progress(void* self) { return ++static_cast<Projector*>(self)->steps_ > kProgressMax ? 1 : 0; }

Status Projector::make_schema(const ViewDefinition& view) {
  BATON_TRY(db_.exec("BEGIN IMMEDIATE", "make a view"));
  BATON_TRY(create_tables(db_, guard_, view));
  BATON_TRY(db_.exec(kOwnTables, "make a view"));
  {
    BATON_TRY_ASSIGN(Statement row, db_.prepare("INSERT INTO baton_view VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7)"));
    row.bind(1, std::int64_t{kFormat});
    row.bind(2, view.name);
    row.bind(3, view.context);
    row.bind(4, view.digest);
    row.bind(5, view.json);
    row.bind(6, view.keep.every);
    row.bind(7, view.keep.copies);
    BATON_TRY(row.run());
  }
  BATON_TRY(db_.exec("COMMIT", "make a view"));
  return flush();
}

Status check_format(Database& db) {
  const Error nothing{Code::corrupt, "it has no definition"};
  auto row = db.prepare("SELECT format FROM baton_view");
  if (!row) return row.error().code == Code::invalid_argument ? nothing : row.error();  // an empty file is a database without tables
  BATON_TRY_ASSIGN(const bool there, row->step());
  if (!there) return nothing;
  if (row->integer(0) == kFormat) return {};
  return Error{Code::unsupported_format, "the view's database has format " + row->text(0) + ", and this program knows format 1"};
}

Result<ViewDefinition> read_definition(Database& db) {
  BATON_TRY(check_format(db));
  BATON_TRY_ASSIGN(Statement row, db.prepare("SELECT definition, keep_every, keep_copies FROM baton_view"));
  BATON_TRY(row.step());
  BATON_TRY_ASSIGN(auto views, parse_view_file(row.text(0), "the view's database"));
  ViewDefinition& view = views.front();
  view.keep = {.every = row.integer(1), .copies = row.integer(2)};
  // Places in a file that is not there would not help anybody.
  for (auto& table : view.tables) table.where.clear();
  for (auto& type : view.on) {
    for (auto& statement : type.statements) statement.where.clear();
  }
  return std::move(view);
}

Status Projector::load() {
  BATON_TRY_ASSIGN(view_, read_definition(db_));
  BATON_TRY_ASSIGN(checkpoint_, read_checkpoint(db_));
  BATON_TRY_ASSIGN(origin_, read_origin(db_));
  pending_ = checkpoint_;
  BATON_TRY_ASSIGN(compiled_, compile(db_, guard_, view_));
  return prepare_own();
}

Status Projector::set_keep(const KeepRule& keep) {
  BATON_TRY_ASSIGN(Statement row, db_.prepare("UPDATE baton_view SET keep_every = ?1, keep_copies = ?2"));
  row.bind(1, keep.every);
  row.bind(2, keep.copies);
  if (!row.run()) return fail(sqlite3_extended_errcode(db_.get()), "change 'keep' of view '" + view_.name + "'");
  view_.keep = keep;
  return {};
}

Status Projector::prepare_own() {
  BATON_TRY_ASSIGN(begin_, db_.prepare("BEGIN IMMEDIATE", true));
  BATON_TRY_ASSIGN(commit_, db_.prepare("COMMIT", true));
  BATON_TRY_ASSIGN(
      save_,
      db_.prepare("UPDATE baton_checkpoint SET position = ?1, events = ?2, time_max_ns = ?3, recorded_max_ms = ?4", true));
  return {};
}

Result<Checkpoint> read_checkpoint(Database& db) {
  BATON_TRY_ASSIGN(Statement row, db.prepare("SELECT position, events, time_max_ns, recorded_max_ms FROM baton_checkpoint"));
  BATON_TRY_ASSIGN(const bool there, row.step());
  if (!there) return Error{Code::corrupt, "it has no checkpoint"};
  Checkpoint out;
  out.position.token = row.text(0);
  out.events = row.integer(1);
  if (!row.is_null(2)) out.time_max_ns = row.integer(2);
  if (!row.is_null(3)) out.recorded_max_ms = row.integer(3);
  return out;
}

Result<Position> read_origin(Database& db) {
  BATON_TRY_ASSIGN(Statement table, db.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'baton_origin'"));
  BATON_TRY_ASSIGN(const bool late, table.step());
  if (!late) return Position{};
  BATON_TRY_ASSIGN(Statement row, db.prepare("SELECT position FROM baton_origin"));
  BATON_TRY_ASSIGN(const bool there, row.step());
  return there ? Position{row.text(0)} : Position{};
}

Status Projector::fail(int sqlite_code, const std::string& what) {
  if (sqlite_code == SQLITE_IOERR_FSYNC || sqlite_code == SQLITE_IOERR_DIR_FSYNC) spoiled_ = true;
  return sqlite_error(db_.get(), sqlite_code, what);
}

Status Projector::stopped(const EventView& event, int statement, std::string cause) {
  stop_ = Stop{.view = view_.name,
               .type = std::string(event.type),
               .id = std::string(event.id),
               .stream = std::string(event.stream),
               .version = event.version,
               .position = event.position().token,
               .statement = statement,
               .cause = std::move(cause)};
  return stop_->to_error();
}

Status Projector::begin() {
  if (in_transaction_) return {};
  stop_.reset();
  pending_ = checkpoint_;
  if (wal_ && wal_pages_ >= tuning_.wal_pages_max) {
    BATON_TRY(db_.exec("PRAGMA synchronous=FULL", "begin a batch"));
    synced_commit_ = true;
  }
  const int rc = sqlite3_step(begin_.get());
  begin_.reset();
  if (rc != SQLITE_DONE) return fail(rc, "begin a batch of view '" + view_.name + "'");
  in_transaction_ = true;
  return {};
}

Status Projector::apply(const EventView& event) {
  if (!event.system.empty()) return {};
  const auto found = compiled_.find(event.type);
  if (found == compiled_.end()) return {};
  CompiledType& type = found->second;
  BATON_TRY(begin());
  if (type.fields.count() > 0) {
    if (event.has_data && !is_json(event.content_type)) {
      return stopped(event, 0,
                     "its data is " + std::string(event.content_type) + ", and the view names fields, which only JSON has");
    }
    if (!event.has_data) {
      type.fields.clear();
    } else if (auto extracted = type.fields.extract(event.data); !extracted) {
      return stopped(event, 0, extracted.error().detail);
    }
  }
  const auto time_ns = base::parse_rfc3339_ns(event.time_text);
  if (!time_ns) return stopped(event, 0, "its time '" + std::string(event.time_text) + "' is not RFC 3339");
  time_ns_ = *time_ns;
  int number = 0;
  for (CompiledStatement& statement : type.statements) {
    ++number;
    if (auto bound = bind(type, statement, event); !bound) return stopped(event, number, bound.error().detail);
    sqlite3_stmt* const raw = statement.statement.get();
    steps_ = 0;
    const int rc = sqlite3_step(raw);
    if (rc != SQLITE_DONE) {
      const bool endless = rc == SQLITE_INTERRUPT && steps_ > kProgressMax;
      const std::string cause = endless ? "the statement does not end" : sqlite3_errmsg(db_.get());
      if (is_machine_failure(rc) && !endless) {
        auto failed = fail(rc, "apply an event to view '" + view_.name + "'");
        sqlite3_reset(raw);
        return failed;
      }
      sqlite3_reset(raw);
      return stopped(event, number, cause);
    }
    const std::int64_t rows = statement.rows ? sqlite3_changes64(db_.get()) : 0;
    sqlite3_reset(raw);
    if (statement.rows && (rows < statement.rows->min || rows > statement.rows->max)) {
      return stopped(
          event, number,
          "it changed " + std::to_string(rows) + " rows, and `rows: " + statement.rows->to_string() + "` is declared");
    }
  }
  ++pending_.events;
  if (!pending_.time_max_ns || *pending_.time_max_ns < time_ns_) pending_.time_max_ns = time_ns_;
  pending_.recorded_max_ms = event.recorded_ms;
  return {};
}

Status Projector::bind(CompiledType& type, CompiledStatement& statement, const EventView& event) {
  sqlite3_stmt* const raw = statement.statement.get();
  int position = 0;
  for (const Binding& binding : statement.bindings) {
    ++position;
    if (binding.envelope) {
      bind_envelope(raw, position, *binding.envelope, event);
      continue;
    }
    const JsonValue& value = type.fields[binding.field];
    switch (value.kind) {
      case JsonValue::Kind::missing:
        if (!binding.optional) {
          return Error{Code::incompatible,
                       "the event has no field " + binding.written + " (write " + binding.written + "? if it may be missing)"};
        }
        sqlite3_bind_null(raw, position);
        break;
      case JsonValue::Kind::null: sqlite3_bind_null(raw, position); break;
      case JsonValue::Kind::boolean:
      case JsonValue::Kind::integer: sqlite3_bind_int64(raw, position, value.integer); break;
      case JsonValue::Kind::real: sqlite3_bind_double(raw, position, value.real); break;
      case JsonValue::Kind::text:
        sqlite3_bind_text64(raw, position, value.text.data(), value.text.size(), SQLITE_STATIC, SQLITE_UTF8);
        break;
    }
  }
  return {};
}

void Projector::bind_envelope(sqlite3_stmt* statement, int position, Envelope part, const EventView& event) {
  const auto text = [&](std::string_view value) {
    if (value.empty()) {
      sqlite3_bind_null(statement, position);
    } else {
      sqlite3_bind_text64(statement, position, value.data(), value.size(), SQLITE_STATIC, SQLITE_UTF8);
    }
  };
  const auto number = [&](std::int64_t value) { sqlite3_bind_int64(statement, position, value); };
  switch (part) {
    case Envelope::id: return text(event.id);
    case Envelope::type: return text(event.type);
    case Envelope::source: return text(event.source);
    case Envelope::subject: return text(event.subject);
    case Envelope::stream: return text(event.stream);
    case Envelope::tenant: return text(event.tenant);
    case Envelope::correlation: return text(event.correlation_id);
    case Envelope::causation: return text(event.causation_id);
    case Envelope::version: return number(event.version);
    case Envelope::offset: return number(event.offset);
    case Envelope::partition: return number(event.partition);
    case Envelope::time:
      if (is_canonical_utc(event.time_text)) return text(event.time_text);
      return text(time_ = base::format_rfc3339_ns(time_ns_));
    case Envelope::recorded: return text(recorded_ = base::format_rfc3339_ms(event.recorded_ms));
    case Envelope::time_ms: return number(time_ns_ >= 0 ? time_ns_ / 1'000'000 : -((999'999 - time_ns_) / 1'000'000));
    case Envelope::recorded_ms: return number(event.recorded_ms);
    case Envelope::position: return text(position_ = event.position().token);
    case Envelope::data:
      if (!event.has_data) {
        sqlite3_bind_null(statement, position);
      } else {
        sqlite3_bind_text64(statement, position, event.data.empty() ? "" : event.data.data(), event.data.size(), SQLITE_STATIC,
                            SQLITE_UTF8);
      }
  }
}

Status Projector::begin_at(const Position& position) {
  const std::string what = "begin view '" + view_.name + "' behind what was removed";
  BATON_TRY(begin());
  const Status saved = [&]() -> Status {
    BATON_TRY(db_.exec("CREATE TABLE IF NOT EXISTS baton_origin (one INTEGER PRIMARY KEY CHECK (one = 1), position TEXT NOT NULL) STRICT", what.c_str()));
    BATON_TRY_ASSIGN(Statement row, db_.prepare("INSERT OR REPLACE INTO baton_origin VALUES (1, ?1)"));
    row.bind(1, position.token);
    return row.run();
  }();
  if (!saved) {
    rollback();
    return saved;
  }
  BATON_TRY(commit(position));
  origin_ = position;
  return {};
}

Status Projector::commit(const Position& position) {
  if (!in_transaction_ && position == checkpoint_.position) return {};
  BATON_TRY(begin());
  pending_.position = position;
  save_.bind(1, pending_.position.token);
  save_.bind(2, pending_.events);
  if (pending_.time_max_ns)
    save_.bind(3, *pending_.time_max_ns);
  else
    save_.bind_null(3);
  if (pending_.recorded_max_ms)
    save_.bind(4, *pending_.recorded_max_ms);
  else
    save_.bind_null(4);
  steps_ = 0;
  const std::string what = "commit a batch of view '" + view_.name + "'";
  int rc = sqlite3_step(save_.get());
  Status failed;
  if (rc != SQLITE_DONE) failed = fail(rc, what);
  save_.reset();
  if (!failed) {
    rollback();
    return failed;
  }
  rc = sqlite3_step(commit_.get());
  if (rc != SQLITE_DONE) failed = fail(rc, what);
  commit_.reset();
  if (!failed) {
    rollback();
    return failed;
  }
  in_transaction_ = false;
  checkpoint_ = pending_;
  if (!synced_commit_) return {};
  // The WAL is on the disk to its last sector: now it may go into the database. Readers are not waited for.
  synced_commit_ = false;
  rc = sqlite3_wal_checkpoint_v2(db_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  if (rc != SQLITE_OK && rc != SQLITE_BUSY) return fail(rc, "copy the WAL of view '" + view_.name + "'");
  return db_.exec("PRAGMA synchronous=NORMAL", what);
}

void Projector::rollback() {
  if (in_transaction_ && sqlite3_get_autocommit(db_.get()) == 0) (void)db_.exec("ROLLBACK", "roll a batch back");
  in_transaction_ = false;
  pending_ = checkpoint_;
}

Status Projector::flush() {
  if (!wal_) return {};
  BATON_CHECK(!in_transaction_, "flush inside a batch");
  if (spoiled_)
    return Error{Code::store_failed, "a sync of view '" + view_.name + "' failed: run baton view rebuild " + view_.name};
  // An empty commit writes no frame; a checkpoint row that is written again gives the commit that syncs and pads.
  int rc = sqlite3_exec(db_.get(), "PRAGMA synchronous=FULL; UPDATE baton_checkpoint SET one = 1", nullptr, nullptr, nullptr);
  if (rc != SQLITE_OK) return fail(rc, "flush view '" + view_.name + "'");
  rc = sqlite3_wal_checkpoint_v2(db_.get(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  if (rc != SQLITE_OK && rc != SQLITE_BUSY) return fail(rc, "flush view '" + view_.name + "'");
  return db_.exec("PRAGMA synchronous=NORMAL", "flush a view");
}

}  // namespace baton::view
