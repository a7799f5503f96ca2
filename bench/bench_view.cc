// A view with three statements an event, beside the same statements run from a loop of prepared statements.
#include <sqlite3.h>

#include <cstdio>

#include "engine/embedded.h"
#include "harness.h"
#include "os/env.h"
#include "view/views.h"

namespace baton::bench {
namespace {

constexpr const char* kTables =
    "CREATE TABLE line (id INTEGER PRIMARY KEY, sku TEXT NOT NULL, quantity INTEGER NOT NULL) STRICT;"
    "CREATE TABLE sku (sku TEXT PRIMARY KEY, lines INTEGER NOT NULL, quantity INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE tenant (tenant TEXT PRIMARY KEY, lines INTEGER NOT NULL, last TEXT NOT NULL) STRICT, WITHOUT ROWID;";

constexpr const char* kViews = R"(views:
  lines:
    context: orders
    tables: |
      CREATE TABLE line (id INTEGER PRIMARY KEY, sku TEXT NOT NULL, quantity INTEGER NOT NULL) STRICT;
      CREATE TABLE sku (sku TEXT PRIMARY KEY, lines INTEGER NOT NULL, quantity INTEGER NOT NULL) STRICT, WITHOUT ROWID;
      CREATE TABLE tenant (tenant TEXT PRIMARY KEY, lines INTEGER NOT NULL, last TEXT NOT NULL) STRICT, WITHOUT ROWID;
    on:
      OrderLineAdded:
        - INSERT INTO line VALUES (NULL, :sku, :quantity)
        - INSERT INTO sku VALUES (:sku, 1, :quantity) ON CONFLICT (sku) DO UPDATE SET lines = lines + 1, quantity = quantity + excluded.quantity
        - INSERT INTO tenant VALUES (@tenant, 1, @correlation) ON CONFLICT (tenant) DO UPDATE SET lines = lines + 1, last = excluded.last
    keep: {copies: 0}
)";

void check(sqlite3* db, int rc) {
  if (rc == SQLITE_OK || rc == SQLITE_ROW || rc == SQLITE_DONE) return;
  std::fprintf(stderr, "bench: sqlite: %s\n", sqlite3_errmsg(db));
  std::exit(2);
}

// The loop: values are at hand, nothing is read or parsed; transactions of the same size, the same settings.
double loop_rate(const std::string& path, std::uint64_t events) {
  sqlite3* db = nullptr;
  check(db, sqlite3_open(path.c_str(), &db));
  const auto exec = [&](const char* sql) { check(db, sqlite3_exec(db, sql, nullptr, nullptr, nullptr)); };
  exec("PRAGMA journal_mode=WAL");
  exec("PRAGMA synchronous=NORMAL");
  exec("PRAGMA cache_size=-16384");
  exec(kTables);
  sqlite3_stmt* statements[3];
  const char* sql[3] = {
      "INSERT INTO line VALUES (NULL, ?1, ?2)",
      R"(INSERT INTO sku VALUES (?1, 1, ?2)
         ON CONFLICT (sku) DO UPDATE SET lines = lines + 1, quantity = quantity + excluded.quantity)",
      "INSERT INTO tenant VALUES (?1, 1, ?2) ON CONFLICT (tenant) DO UPDATE SET lines = lines + 1, last = excluded.last"};
  for (int i = 0; i < 3; ++i) check(db, sqlite3_prepare_v3(db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &statements[i], nullptr));
  double making = 0;
  const double start = now_s();
  for (std::uint64_t n = 0; n < events;) {
    double before = now_s();
    std::vector<NewEvent> batch;
    std::vector<std::string> skus;
    for (int i = 0; i < 10'000 && n + batch.size() < events; ++i) {
      batch.push_back(make_event(n + batch.size()));
      skus.push_back("sku-" + std::to_string((n + skus.size()) % 99991));
    }
    making += now_s() - before;
    exec("BEGIN");
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const auto quantity = static_cast<sqlite3_int64>((n + i) % 12 + 1);
      const auto text = [&](sqlite3_stmt* s, int at, const std::string& v) {
        check(db, sqlite3_bind_text(s, at, v.data(), static_cast<int>(v.size()), SQLITE_STATIC));
      };
      text(statements[0], 1, skus[i]);
      check(db, sqlite3_bind_int64(statements[0], 2, quantity));
      text(statements[1], 1, skus[i]);
      check(db, sqlite3_bind_int64(statements[1], 2, quantity));
      text(statements[2], 1, batch[i].tenant);
      text(statements[2], 2, batch[i].correlation_id);
      for (auto* s : statements) {
        check(db, sqlite3_step(s));
        sqlite3_reset(s);
      }
    }
    exec("COMMIT");
    n += batch.size();
  }
  const double taken = now_s() - start - making;
  for (auto* s : statements) sqlite3_finalize(s);
  sqlite3_close(db);
  return static_cast<double>(events) / taken;
}

void view_apply() {
  const auto events = setting("BATON_BENCH_VIEW_EVENTS", 1'000'000);
  Scratch scratch("view");
  const auto env = os::make_posix_env();
  auto store = must(Store::open(scratch.file("store")), "open");
  for (std::uint64_t n = 0; n < events; n += 100)
    must(store->append(make_append("orders", n / 100 % 10'000, n, 100)), "append");
  const auto engine = engine::make_embedded(*store);
  std::vector<double> ratios, views, loops;
  for (int i = 0; i < 3; ++i) {
    const auto loop = loop_rate(scratch.file("loop" + std::to_string(i) + ".sqlite"), events);
    auto manager = must(view::ViewManager::open(*env, engine.get(), scratch.file("views" + std::to_string(i))), "views");
    must(manager->load_text(kViews, "bench"), "load");
    const double start = now_s();
    must(manager->catch_up("lines"), "catch up");
    const double rate = static_cast<double>(events) / (now_s() - start);
    loops.push_back(loop);
    views.push_back(rate);
    ratios.push_back(rate / loop);
  }
  char detail[160];
  std::snprintf(detail, sizeof detail, "view %.0f events/s (read, decoded, parsed, applied), prepared loop %.0f events/s",
                median(views), median(loops));
  report({.name = "view apply", .unit = "x", .measured = median(ratios), .target = 0.7, .detail = detail});
}

const Registered r{{"view", "store", &view_apply}};

}  // namespace
}  // namespace baton::bench
