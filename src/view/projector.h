// Projector: one generation of a view that is being written: a SQLite database, its compiled statements and its checkpoint.
//
// Exactly once: what apply() changes and the checkpoint that commit() writes are one transaction. An event that cannot be applied leaves no
// trace after rollback(), and the caller applies again what came before it.
//
// Belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <baton/event.h>
#include <baton/result.h>

#include "view/statements.h"

namespace baton::view {

struct Checkpoint {
  Position position;
  std::int64_t events = 0;                      // applied
  std::optional<std::int64_t> time_max_ns;      // the largest ce_time of them
  std::optional<std::int64_t> recorded_max_ms;  // append time of the last of them
};

// Why a view has stopped: an event that its statements cannot take.
struct Stop {
  std::string view, type, id, stream;
  std::int64_t version = -1;
  std::string position;
  int statement = 0;  // from 1; 0: the event itself
  std::string cause;
  [[nodiscard]] std::string to_json() const;
  [[nodiscard]] Error to_error() const;  // incompatible
};

struct Tuning {
  std::int64_t cache_kib = 16 << 10;
  int wal_pages_max = 4096;  // then the WAL is copied into the database: 16 MiB
};

class Projector {
 public:
  // Makes tables and an empty checkpoint in a new file, durably. Where a file is, it is an error.
  [[nodiscard]] static Result<std::unique_ptr<Projector>> create(const Vfs& vfs, const std::string& path,
                                                                 const ViewDefinition& view, Database::Mode mode,
                                                                 const Tuning& tuning);
  // Opens what create() made, with the definition that it holds.
  [[nodiscard]] static Result<std::unique_ptr<Projector>> open(const Vfs& vfs, const std::string& path, const Tuning& tuning);
  // A new scratch file with the pages of `from`.
  [[nodiscard]] static Result<std::unique_ptr<Projector>> copy_of(const Vfs& vfs, Database& from, const std::string& path,
                                                                  const Tuning& tuning);

  [[nodiscard]] const ViewDefinition& definition() const { return view_; }
  // Changes the rule for kept copies, which is no part of the digest.
  [[nodiscard]] Status set_keep(const KeepRule& keep);
  [[nodiscard]] const Checkpoint& checkpoint() const { return checkpoint_; }
  [[nodiscard]] Database& database() { return db_; }
  [[nodiscard]] Guard& guard() { return guard_; }

  // Runs the statements for an event; another type's is passed over. Begins the transaction that commit() ends. After an error
  // (stop() says whether the event is the reason) only rollback() may follow.
  [[nodiscard]] Status apply(const EventView& event);
  [[nodiscard]] const std::optional<Stop>& stop() const { return stop_; }
  // Of a generation that is empty: it begins behind `position`, since what is before was removed.
  [[nodiscard]] Status begin_at(const Position& position);
  // Where it began: the beginning, unless begin_at() said otherwise.
  [[nodiscard]] const Position& origin() const { return origin_; }
  // Makes what was applied and `position` the state. Then, when the WAL has grown, copies it into the database.
  [[nodiscard]] Status commit(const Position& position);
  void rollback();
  // Events applied since the last commit.
  [[nodiscard]] std::int64_t pending() const { return pending_.events - checkpoint_.events; }

  // Everything into the database file, and synced: after it the WAL is empty.
  [[nodiscard]] Status flush();
  // A sync of the file failed: what is on the disk is unknown, and nothing may be built on this generation.
  [[nodiscard]] bool spoiled() const { return spoiled_; }

 private:
  explicit Projector(const Vfs& vfs) : vfs_(vfs) {}
  Status connect(const std::string& path, Database::Mode mode, const Tuning& tuning);
  Status make_schema(const ViewDefinition& view);
  Status load();
  Status prepare_own();
  Status begin();
  Status bind(CompiledType& type, CompiledStatement& statement, const EventView& event);
  void bind_envelope(sqlite3_stmt* statement, int position, Envelope part, const EventView& event);
  Status fail(int sqlite_code, const std::string& what);
  Status stopped(const EventView& event, int statement, std::string cause);
  static int on_wal(void* self, sqlite3*, const char*, int pages);
  static int on_progress(void* self);

  const Vfs& vfs_;
  Tuning tuning_;
  Guard guard_;
  std::optional<Database> helper_;
  Database db_{};
  ViewDefinition view_;
  CompiledView compiled_;
  Statement begin_, commit_, save_;
  Checkpoint checkpoint_;
  Checkpoint pending_;
  Position origin_;
  std::optional<Stop> stop_;
  bool in_transaction_ = false;
  bool synced_commit_ = false;  // this transaction ends with a sync, and a checkpoint of the WAL after it
  bool wal_ = false;
  bool spoiled_ = false;
  int wal_pages_ = 0;
  int steps_ = 0;
  // Texts that are made for an event; they live until its statements have run.
  std::string time_, recorded_, position_;
  std::int64_t time_ns_ = 0;
};

// What a generation or copy says of itself, whoever writes it. corrupt, or unsupported_format.
[[nodiscard]] Result<ViewDefinition> read_definition(Database& db);
[[nodiscard]] Status check_format(Database& db);  // unsupported_format: a newer program has made it; corrupt
[[nodiscard]] Result<Checkpoint> read_checkpoint(Database& db);
[[nodiscard]] Result<Position> read_origin(Database& db);

}  // namespace baton::view
