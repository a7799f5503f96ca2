#include "derived.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "engine/embedded.h"

namespace baton::simulation {
namespace {

constexpr char kCheckpoint[] = "reader";
constexpr char kView[] = "folded";
constexpr char kViewFile[] = R"yaml(
views:
  folded:
    context: one
    tables: |
      CREATE TABLE seen (at INTEGER PRIMARY KEY, n INTEGER NOT NULL, stream TEXT NOT NULL, version INTEGER NOT NULL) STRICT;
      CREATE TABLE total (stream TEXT PRIMARY KEY, events INTEGER NOT NULL, sum INTEGER NOT NULL) STRICT, WITHOUT ROWID;
      CREATE INDEX by_stream ON seen (stream);
    on:
      Started:
        - INSERT INTO seen VALUES (@offset, :n, @stream, @version)
        - INSERT INTO total VALUES (@stream, 1, :n) ON CONFLICT (stream) DO UPDATE SET events = events + 1, sum = sum + :n
      Moved:
        - INSERT INTO seen VALUES (@offset, :n, @stream, @version)
      Ended:
        - {sql: "INSERT INTO seen VALUES (@offset, :n, @stream, @version)", rows: 1}
        - UPDATE total SET sum = sum - :n WHERE stream = @stream
    keep: {every: 15, copies: 3}
)yaml";
constexpr char kDump[] = R"sql(
    SELECT coalesce((SELECT group_concat(at || ':' || n || ':' || stream || ':' || version, ' ') FROM (SELECT * FROM seen ORDER BY at)), '')
        || ' | ' || coalesce((SELECT group_concat(stream || ':' || events || ':' || sum, ' ') FROM (SELECT * FROM total ORDER BY stream)), '')
)sql";

std::int64_t number_of(const Fact& fact) { return std::strtoll(fact.data.c_str() + 5, nullptr, 10); }  // {"n":12,...

bool in_view(const Fact& fact) { return fact.system.empty() && fact.type != "Paused"; }

// The fold, made without SQL, of the first `events` facts that the view takes.
std::string fold(const std::vector<Fact>& facts, std::int64_t events) {
  std::string seen;
  std::map<std::string, std::pair<std::int64_t, std::int64_t>> totals;
  for (std::size_t i = 0; i < facts.size() && events > 0; ++i) {
    const Fact& fact = facts[i];
    if (!in_view(fact)) continue;
    --events;
    const std::int64_t n = number_of(fact);
    if (!seen.empty()) seen += ' ';
    seen += std::to_string(i) + ":" + std::to_string(n) + ":" + fact.stream + ":" + std::to_string(fact.version);
    if (fact.type == "Started") {
      auto& [count, sum] = totals[fact.stream];
      ++count;
      sum += n;
    } else if (fact.type == "Ended" && totals.contains(fact.stream)) {
      totals[fact.stream].second -= n;
    }
  }
  std::string out = seen + " | ";
  for (const auto& [stream, total] : totals) {
    if (!out.ends_with("| ")) out += ' ';
    out += stream + ":" + std::to_string(total.first) + ":" + std::to_string(total.second);
  }
  return out;
}

// The state of an aggregate after its event `version`, as a snapshot holds it.
std::string state_of(const History& history, const std::string& stream, std::int64_t version) {
  std::string text = stream;
  const auto& facts = history.partitions()[history.partition_of(stream)].facts;
  for (const std::int64_t offset : history.stream(stream).offsets) {
    const Fact& fact = facts[static_cast<std::size_t>(offset)];
    if (fact.version <= version) text += "," + std::to_string(number_of(fact));
  }
  return text;
}

}  // namespace

Derived::~Derived() {
  subscription_ = nullptr;
  views_ = nullptr;
}

void Derived::open() {
  subscribe();
  if (run_.going() && run_.plan_.views) open_views();
}

void Derived::subscribe() {
  SubscribeOptions options{.context = "one", .start = {.kind = StartAt::Kind::checkpoint, .position = {}, .time = {}, .checkpoint = kCheckpoint}, .filter = {}};
  auto opened = run_.store_->subscribe(options);
  if (!run_.fine(opened, "subscribe from a checkpoint")) return;
  subscription_ = *std::move(opened);
  // It begins behind what the last successful save, or one that was under way when its process died, has named.
  const auto rank = run_.store_->rank("one", subscription_->position());
  if (!run_.fine(rank, "rank of a checkpoint")) {
    subscription_ = nullptr;
    return;
  }
  next_ = *rank;
  if (!run_.checkpoints_.contains(next_)) run_.wrong("the checkpoint is at offset " + std::to_string(next_) + ", and was not saved there");
  // A save that was never answered may still be lost, also after it was seen: what it stood at before remains possible.
}

void Derived::do_something() {
  const std::uint64_t dice = run_.random_.below(8);
  if (dice < 2) {
    follow();
  } else if (dice < 4) {
    load_or_save();
  } else if (views_ != nullptr) {
    use_views();
  }
}

// Each event once, in order, without a gap, also over restarts (from the checkpoint on).
void Derived::follow() {
  if (subscription_ == nullptr) return;
  auto& facts = run_.histories_[0].partitions()[0].facts;
  const std::int64_t timeout_ms = run_.random_.chance(300) ? static_cast<std::int64_t>(run_.random_.below(40)) : 0;
  const auto got = subscription_->next(1 + run_.random_.below(40), timeout_ms, [&](const EventView& view) {
    if (!run_.alive()) return false;
    const auto at = static_cast<std::size_t>(next_);
    if (view.offset != next_ || at >= facts.size()) {
      run_.wrong("a subscription shows offset " + std::to_string(view.offset) + " after " + std::to_string(next_ - 1));
    } else if (const std::string what = difference(facts[at], next_, view.to_event()); !what.empty()) {
      run_.wrong("a subscription: " + what);
    }
    ++next_;
    return run_.wrong_.empty() && run_.random_.below(20) != 0;
  });
  if (!run_.fine(got, "a subscription's next")) return;
  if (*got == 0 && subscription_->live() && next_ < static_cast<std::int64_t>(facts.size())) {
    run_.wrong("a live subscription waits at offset " + std::to_string(next_) + " of " + std::to_string(facts.size()));
  }
  if (!run_.random_.chance(400)) return;
  run_.checkpoints_.insert(next_);
  if (run_.fine(subscription_->save_checkpoint(kCheckpoint), "save_checkpoint")) run_.checkpoints_ = {next_};
}

void Derived::load_or_save() {
  const History& history = run_.histories_[0];
  const std::string stream = run_.some_stream();
  const auto loaded = run_.store_->load("one", stream, {.shape = 7, .snapshot_every = 5});
  if (!run_.fine(loaded, "load " + stream)) return;
  const History::Stream head = history.stream(stream);
  if (loaded->version != head.last_version) run_.wrong("load " + stream + ": version " + std::to_string(loaded->version));
  if (head.empty()) return;
  std::int64_t from = head.visible_from;
  if (loaded->snapshot) {
    const Snapshot& snapshot = *loaded->snapshot;
    if (snapshot.bytes != state_of(history, stream, snapshot.version)) {
      run_.wrong("load " + stream + ": the snapshot of version " + std::to_string(snapshot.version) + " is of another history: " +
                 snapshot.bytes + ", not " + state_of(history, stream, snapshot.version));
      return;
    }
    from = std::max(from, snapshot.version + 1);
  }
  std::vector<std::int64_t> offsets;
  for (const std::int64_t offset : history.visible(stream)) {
    if (history.partitions()[0].facts[static_cast<std::size_t>(offset)].version >= from) offsets.push_back(offset);
  }
  run_.expect(0, 0, offsets, loaded->events, "load " + stream);
  if (!run_.going() || loaded->events.empty() || !run_.random_.chance(600)) return;
  const std::int64_t version = loaded->events[run_.random_.below(loaded->events.size())].version;
  (void)run_.fine(run_.store_->save_snapshot("one", stream, {.version = version, .shape = 7, .bytes = state_of(history, stream, version)}),
                  "save_snapshot of " + stream);
}

void Derived::open_views() {
  engine_ = engine::make_embedded(*run_.store_);
  view::ViewOptions options{.batch_events = 1 + run_.random_.below(15)};
  options.tuning.wal_pages_max = static_cast<int>(2 + run_.random_.below(30));
  auto opened = view::ViewManager::open(*run_.env_, engine_.get(), std::string(kDirectory) + "/views", options);
  if (!run_.fine(opened, "open the views")) return;
  views_ = *std::move(opened);
  const auto loaded = views_->load_text(kViewFile, "views.yaml");
  if (!loaded && view_may_be_spoiled(loaded.error())) {
    (void)run_.fine(views_->drop(kView), "drop a spoiled view");
    views_ = nullptr;
    return;
  }
  if (!run_.fine(loaded, "load the view")) {
    views_ = nullptr;
    return;
  }
  use_views();
}

// A tail that was lost takes the view with it: it says so, and is built again.
bool Derived::view_may_be_spoiled(const Error& error) {
  if (!run_.alive()) return false;
  if (error.code == Code::position_lost) return run_.plan_.durability == Durability::interval;
  return (error.code == Code::corrupt || error.code == Code::incompatible) && run_.view_sync_failed_;
}

void Derived::use_views() {
  if (!run_.histories_[0].created) return;
  const std::uint64_t dice = run_.random_.below(10);
  if (run_.random_.chance(400)) run_.strike_soon(12, true);
  if (dice == 0) {
    const auto done = views_->rebuild(kView);
    if (run_.fine(done, "rebuild the view") && !done->equal && done->note.empty()) {
      std::string differences;
      for (const auto& table : done->tables) {
        const bool unread = run_.faulty_ && table.note.starts_with("not compared");
        if (!table.equal() && !unread) differences += ", table " + table.table + " " + table.note;
      }
      if (!differences.empty()) run_.wrong("a rebuild of the same view differs" + differences);
    }
  } else if (dice == 1) {
    const auto done = views_->rollback(kView);
    if (done.ok() || done.error().code != Code::not_found) (void)run_.fine(done, "roll the view back");
  } else if (dice == 2) {
    if (const auto position = run_.some_position()) {
      const auto& facts = run_.histories_[0].partitions()[0].facts;
      const auto events = std::count_if(facts.begin(), facts.begin() + position->first + 1, in_view);
      check_view(views_->query_as_of(kView, kDump, {.position = position->second, .recorded = {}, .time = {}}), events);
    }
  } else if (dice < 5) {
    const auto done = views_->start(kView);
    if (done.ok() || !view_may_be_spoiled(done.error())) (void)run_.fine(done, "start the view");
  } else {
    const auto done = views_->catch_up(kView, static_cast<std::int64_t>(1 + run_.random_.below(60)));
    if (!done && view_may_be_spoiled(done.error())) {
      (void)run_.fine(views_->rebuild(kView), "rebuild a view whose position was lost");
    } else {
      (void)run_.fine(done, "catch_up of the view");
    }
  }
  if (!run_.going()) return;
  const auto info = views_->info(kView);
  if (!run_.fine(info, "info of the view")) return;
  if (info->state == view::ViewInfo::State::stopped) return;  // by what catch_up has told
  check_view(views_->query(kView, kDump), info->events);
}

void Derived::check_view(const Result<view::QueryResult>& dump, std::int64_t events) {
  if (!run_.fine(dump, "query the view")) return;
  const std::string expected = fold(run_.histories_[0].partitions()[0].facts, events);
  const std::string found = view::to_text(dump->rows.at(0).at(0));
  if (found != expected) run_.wrong("after " + std::to_string(events) + " events the view is\n  " + found + "\nand not\n  " + expected);
}

}  // namespace baton::simulation
