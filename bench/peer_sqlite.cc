#include <sqlite3.h>

#include <cstdio>
#include <cstdlib>

#include "peers.h"

namespace baton::bench {

struct SqlitePeer::State {
  sqlite3* db = nullptr;
  sqlite3_stmt* begin = nullptr;
  sqlite3_stmt* commit = nullptr;
  sqlite3_stmt* insert_event = nullptr;
  sqlite3_stmt* insert_tag = nullptr;
  sqlite3_stmt* find_tag = nullptr;

  void check(int rc) const {
    if (rc == SQLITE_OK || rc == SQLITE_DONE || rc == SQLITE_ROW) return;
    std::fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(db));
    std::exit(2);
  }
  void exec(const char* sql) const { check(sqlite3_exec(db, sql, nullptr, nullptr, nullptr)); }
  sqlite3_stmt* prepare(const char* sql) const {
    sqlite3_stmt* s = nullptr;
    check(sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s, nullptr));
    return s;
  }
  void step(sqlite3_stmt* s) const {
    check(sqlite3_step(s));
    sqlite3_reset(s);
  }
  void insert(const PeerRow& row) {
    int i = 0;
    const auto text = [&](const std::string& v) {
      check(sqlite3_bind_text(insert_event, ++i, v.data(), static_cast<int>(v.size()), SQLITE_STATIC));
    };
    text(row.stream);
    check(sqlite3_bind_int64(insert_event, ++i, row.version));
    text(row.event.id);
    text(row.event.source);
    text(row.event.type);
    check(sqlite3_bind_int64(insert_event, ++i, row.event.time ? row.event.time->ns : 0));
    text(row.event.tenant);
    text(row.event.correlation_id);
    text(row.event.causation_id);
    text(row.event.traceparent);
    text(row.event.content_type);
    text(row.event.data);
    step(insert_event);
    const auto position = sqlite3_last_insert_rowid(db);
    for (const auto& tag : row.event.tags) {
      check(sqlite3_bind_text(insert_tag, 1, tag.data(), static_cast<int>(tag.size()), SQLITE_STATIC));
      check(sqlite3_bind_int64(insert_tag, 2, position));
      step(insert_tag);
    }
  }
};

SqlitePeer::SqlitePeer(const std::string& path) : s_(std::make_unique<State>()) {
  if (sqlite3_open(path.c_str(), &s_->db) != SQLITE_OK) s_->check(SQLITE_CANTOPEN);
  s_->exec("PRAGMA journal_mode=WAL");
  s_->exec("PRAGMA synchronous=FULL");
  s_->exec("PRAGMA cache_size=-262144");
  s_->exec("CREATE TABLE event(position INTEGER PRIMARY KEY, stream TEXT, version INTEGER, id TEXT, source TEXT, type TEXT, time INTEGER,"
           " tenant TEXT, correlation TEXT, causation TEXT, trace TEXT, content_type TEXT, data BLOB)");
  s_->exec("CREATE UNIQUE INDEX event_version ON event(stream, version)");
  s_->exec("CREATE UNIQUE INDEX event_id ON event(stream, source, id)");
  s_->exec("CREATE INDEX event_type ON event(type)");
  s_->exec("CREATE INDEX event_time ON event(time)");
  s_->exec("CREATE TABLE tag(tag TEXT, position INTEGER, PRIMARY KEY(tag, position)) WITHOUT ROWID");
  s_->begin = s_->prepare("BEGIN IMMEDIATE");
  s_->commit = s_->prepare("COMMIT");
  s_->insert_event = s_->prepare(
      "INSERT INTO event(stream, version, id, source, type, time, tenant, correlation, causation, trace, content_type, data)"
      " VALUES(?,?,?,?,?,?,?,?,?,?,?,?)");
  s_->insert_tag = s_->prepare("INSERT INTO tag(tag, position) VALUES(?,?)");
  s_->find_tag = s_->prepare("SELECT 1 FROM tag WHERE tag = ? AND position > ? LIMIT 1");
}

SqlitePeer::~SqlitePeer() {
  for (auto* s : {s_->begin, s_->commit, s_->insert_event, s_->insert_tag, s_->find_tag}) sqlite3_finalize(s);
  sqlite3_close(s_->db);
}

void SqlitePeer::append(const std::vector<PeerRow>& rows) {
  s_->step(s_->begin);
  for (const auto& row : rows) s_->insert(row);
  s_->step(s_->commit);
}

std::size_t SqlitePeer::append_unless_tag(const std::vector<PeerRow>& rows, std::int64_t after) {
  std::size_t inserted = 0;
  s_->step(s_->begin);
  for (const auto& row : rows) {
    const auto& tag = row.event.tags.front();
    s_->check(sqlite3_bind_text(s_->find_tag, 1, tag.data(), static_cast<int>(tag.size()), SQLITE_STATIC));
    s_->check(sqlite3_bind_int64(s_->find_tag, 2, after));
    const int rc = sqlite3_step(s_->find_tag);
    s_->check(rc);
    sqlite3_reset(s_->find_tag);
    if (rc == SQLITE_ROW) continue;
    s_->insert(row);
    ++inserted;
  }
  s_->step(s_->commit);
  return inserted;
}

std::int64_t SqlitePeer::last_position() const { return sqlite3_last_insert_rowid(s_->db); }

}  // namespace baton::bench
