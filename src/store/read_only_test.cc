// A store that is opened read-only, beside a writer on the simulated machine: what its readers see while it takes in what is new.
#include <algorithm>
#include <functional>
#include <utility>

#include "store/read_only_store.h"
#include "store/store_test_support.h"
#include "store/watched_env_for_test.h"

namespace baton::store::testing {
namespace {

class ReadOnly : public StoreTest {
 protected:
  ReadOnly() : beside_(world_) {
    options_.segment_bytes = 16 << 10;
    options_.journal_bytes = 32 << 10;
    options_.index_table_entries = 64;
    reopen();
  }
  ~ReadOnly() override { reader_ = nullptr; }

  // Event number i goes to stream i % 10, and its data begins with i.
  void append_numbers(int count) {
    for (; count > 0; --count, ++appended_) {
      const std::string data = std::to_string(appended_) + std::string(300, ' ');
      ASSERT_FALSE(appended("ride-" + std::to_string(appended_ % 10), {event("A", data)}).events.empty());
    }
  }
  void open_reader() {
    auto opened = open_read_only(beside_, "/data", {});
    ASSERT_TRUE(opened) << opened.error().to_string();
    reader_ = *std::move(opened);
  }
  // As `look` sees it before each step of the refresh, which is where another thread may read.
  int refresh_watched(const std::function<void(const std::string&)>& look) {
    int looks = 0;
    beside_.watch() = [&](const std::string& path) {
      ++looks;
      look(path);
    };
    const Status done = reader_->refresh();
    EXPECT_TRUE(done) << done.error().to_string();
    beside_.watch() = nullptr;
    return looks;
  }

  WatchedEnv beside_;
  std::unique_ptr<Store> reader_;
  int appended_ = 0;
};

TEST_F(ReadOnly, AReadDoesNotWaitForARefreshThatIsAtWork) {
  append_numbers(10);
  open_reader();
  append_numbers(100);
  const int looks = refresh_watched([&](const std::string& path) {
    const auto head = reader_->stream_head("rides", "ride-3");
    ASSERT_TRUE(head) << head.error().to_string() << ", before " << path;
  });
  EXPECT_GT(looks, 0);
  EXPECT_EQ(reader_->stream_head("rides", "ride-3")->last_version, 10);
}

TEST_F(ReadOnly, AStreamThatRetentionHasEmptiedIsThereInEveryMomentOfARefresh) {
  ASSERT_TRUE(store_->create_context("rides", {.history_deletable = true, .retention_bytes = 48 << 10}));
  ASSERT_FALSE(appended("old", {event("A"), event("B")}).events.empty());
  append_numbers(30);
  open_reader();
  int looks = 0;
  for (int round = 0; round < 8; ++round) {
    append_numbers(200);
    ASSERT_TRUE(store_->apply_retention());
    append_numbers(5);
    looks += refresh_watched([&](const std::string& path) {
      const auto head = reader_->stream_head("rides", "old");
      ASSERT_TRUE(head) << head.error().to_string() << ", before " << path;
      EXPECT_EQ(head->last_version, 1) << "round " << round << ", before " << path;
    });
    ASSERT_EQ(reader_->stream_head("rides", "old")->last_version, 1);
  }
  EXPECT_GT(looks, 0);
  EXPECT_GT(reader_->read_context({.context = "rides"})->events.front().offset, 1);
}

TEST_F(ReadOnly, HeadsThatAreReplacedWhileTheyAreLookedForAreFoundUnderTheirNewNameAndMissingOnesAreDamage) {
  ASSERT_TRUE(store_->create_context("rides", {.history_deletable = true, .retention_bytes = 48 << 10}));
  ASSERT_FALSE(appended("old", {event("A"), event("B")}).events.empty());
  append_numbers(30);
  open_reader();
  append_numbers(200);
  ASSERT_TRUE(store_->apply_retention());
  int replaced = 0;
  (void)refresh_watched([&](const std::string& path) {
    if (path.find("/heads-") == std::string::npos || ++replaced > 3) return;
    append_numbers(100);
    ASSERT_TRUE(store_->apply_retention());
  });
  EXPECT_EQ(replaced, 4);
  EXPECT_EQ(reader_->stream_head("rides", "old")->last_version, 1);

  append_numbers(100);
  ASSERT_TRUE(store_->apply_retention());
  beside_.watch() = [&](const std::string& path) {
    if (path.find("/heads-") != std::string::npos) (void)env_->fs().remove(path);
  };
  EXPECT_THAT(reader_->refresh(), FailsWith(Code::corrupt));
  beside_.watch() = nullptr;
  EXPECT_EQ(reader_->stream_head("rides", "old")->last_version, 1);
}

TEST_F(ReadOnly, DamagedHeadsAreToldToWhomNeedsThemAndTheRestIsRead) {
  ASSERT_TRUE(store_->create_context("rides", {.history_deletable = true, .retention_bytes = 48 << 10}));
  ASSERT_TRUE(store_->append({.context = "other", .streams = {{.stream = "s", .condition = Expect::any(), .events = {event("A")}}}}));
  ASSERT_FALSE(appended("old", {event("A"), event("B")}).events.empty());
  append_numbers(230);
  ASSERT_TRUE(store_->apply_retention());
  const std::string id = store_->context("rides")->id;
  ASSERT_TRUE(store_->close());
  const std::string directory = "/data/topics/" + id + "/0";
  std::string file;
  for (const auto& entry : *beside_.fs().list(directory)) {
    if (entry.name.starts_with("heads-")) file = directory + "/" + entry.name;
  }
  ASSERT_FALSE(file.empty());
  world_.disk().flip_bit(file, 20, 3);
  open_reader();
  EXPECT_EQ(reader_->read_context({.context = "other"})->events.size(), 1u);
  EXPECT_EQ(reader_->stream_head("other", "s")->last_version, 0);
  EXPECT_GT(reader_->read_context({.context = "rides"})->events.size(), 50u);
  const auto head = reader_->stream_head("rides", "old");
  EXPECT_THAT(head, FailsWith(Code::corrupt));
  EXPECT_THAT(head.error().detail, ::testing::HasSubstr(file));
  EXPECT_THAT(reader_->read_stream({.context = "rides", .stream = "old"}), FailsWith(Code::corrupt));
  EXPECT_FALSE(reader_->info()->streams);
}

// What is found without a writer is of two moments when one comes meanwhile, and is looked at again: before each look one opens, appends and closes, or
// is still there.
TEST_F(ReadOnly, AWriterThatComesWhileAClosedStoreIsOpenedOrFollowedIsNotTakenForDamage) {
  append_numbers(30);
  for (const bool follows : {false, true}) {
    for (const bool stays : {false, true}) {
      int looks = 0;
      for (int at = 1; at == 1 || looks >= at; ++at) {
        reader_ = nullptr;
        ASSERT_TRUE(store_->close());
        store_ = nullptr;
        env_ = nullptr;
        world_.disk().remove("/data/live");  // as after a restart of the machine
        if (follows) open_reader();
        looks = 0;
        beside_.watch() = [&](const std::string&) {
          if (++looks != at) return;
          start();
          append_numbers(3);
          if (!stays) ASSERT_TRUE(store_->close());
        };
        if (follows) {
          const Status done = reader_->refresh();
          EXPECT_TRUE(done) << done.error().to_string() << ", before look " << at;
        } else {
          open_reader();
        }
        beside_.watch() = nullptr;
        if (HasFailure()) return;
        if (store_ == nullptr) start();
      }
      EXPECT_GT(looks, 5);
    }
  }
}

TEST_F(ReadOnly, ARetentionThatPassesWhatAReaderHasSeenIsFollowedThoughNoIndexWasWritten) {
  options_.index_table_entries = 1 << 16;
  reopen();
  ASSERT_TRUE(store_->create_context("rides", {.history_deletable = true, .retention_bytes = 48 << 10}));
  ASSERT_FALSE(appended("old", {event("A"), event("B")}).events.empty());
  append_numbers(30);
  open_reader();
  append_numbers(400);
  ASSERT_TRUE(store_->apply_retention());
  append_numbers(5);
  const Status done = reader_->refresh();
  ASSERT_TRUE(done) << done.error().to_string();
  EXPECT_GT(reader_->read_context({.context = "rides"})->events.front().offset, 32);
  EXPECT_EQ(reader_->stream_head("rides", "old")->last_version, 1);
  EXPECT_EQ(reader_->stream_head("rides", "ride-4")->last_version, 43);
  EXPECT_EQ(reader_->info()->streams, 11);
}

TEST_F(ReadOnly, MarksThatAreReadJustBeforeTheNextWriterComesAreReadAgain) {
  append_numbers(30);
  open_reader();
  append_numbers(30);
  int writers = 0;
  beside_.opened() = [&](const std::string& path) {
    if (path != "/data/live" || ++writers > 2) return;
    kill_and_reopen();
    append_numbers(10);
  };
  const Status done = reader_->refresh();
  beside_.opened() = nullptr;
  ASSERT_TRUE(done) << done.error().to_string();
  EXPECT_EQ(writers, 3);
  EXPECT_EQ(reader_->info()->epoch, store_->info()->epoch);
  EXPECT_EQ(reader_->read_context({.context = "rides", .limit = 1'000})->events.size(), 80u);
}

TEST_F(ReadOnly, AReaderSeesAllWhereverAWriterDiesWhileItOpensTheStore) {
  append_numbers(60);
  open_reader();
  bool survived = false;
  for (std::uint64_t n = 1; n < 500 && !survived; ++n) {
    append_numbers(1);
    env_->kill();
    store_ = nullptr;
    const Status before = reader_->refresh();
    ASSERT_TRUE(before) << before.error().to_string() << ", before " << n << " steps";
    const Position end = reader_->context("rides")->end;
    {
      os::SimEnv starter(world_);
      starter.kill_in(n);
      (void)open_store(starter, "/data", options_);
      survived = starter.alive();
      const Status done = reader_->refresh();
      ASSERT_TRUE(done) << done.error().to_string() << ", after " << n << " steps";
      EXPECT_EQ(reader_->context("rides")->events, appended_) << "after " << n << " steps";
      EXPECT_EQ(reader_->context("rides")->end, end) << "after " << n << " steps";
      EXPECT_TRUE(reader_->read_context({.context = "rides", .after = end})) << "after " << n << " steps";
    }
    env_ = nullptr;
    start();
  }
  EXPECT_TRUE(survived);
}

TEST_F(ReadOnly, AnEventThatAReadOfTheContextShowsIsInItsStreamInEveryMomentOfARefresh) {
  append_numbers(30);
  open_reader();
  for (int round = 0; round < 4; ++round) {
    append_numbers(100 + round);
    const int looks = refresh_watched([&](const std::string& path) {
      const auto last = reader_->read_context({.context = "rides", .backward = true, .limit = 1});
      ASSERT_TRUE(last) << last.error().to_string() << ", before " << path;
      const Event& shown = last->events.front();
      const auto head = reader_->stream_head("rides", shown.stream);
      ASSERT_TRUE(head) << head.error().to_string() << ", before " << path;
      EXPECT_GE(head->last_version, shown.version) << "round " << round << ", before " << path;
    });
    EXPECT_GT(looks, 0);
  }
  EXPECT_EQ(reader_->context("rides")->events, appended_);
}

// A retention is faster than readers that have begun: each goes on with what is left.
TEST_F(ReadOnly, ARetentionThatOvertakesAReaderTakesNothingElseFromIt) {
  ASSERT_TRUE(store_->create_context("rides", {.history_deletable = true, .retention_bytes = 48 << 10}));
  append_numbers(1'500);
  open_reader();
  struct Reading {
    std::unique_ptr<Subscription> subscription;
    std::int64_t last = -1;
    std::size_t count = 0;
    std::string error;

    void go_on(std::size_t max) {
      const auto read = subscription->next(max, 0, [&](const EventView& seen) {
        EXPECT_GT(seen.offset, last);
        last = seen.offset;
        ++count;
        return true;
      });
      if (!read) error = read.error().to_string();
    }
  };
  std::vector<Reading> readings;
  for (Store* const store : {store_.get(), reader_.get()}) {
    for (const Filter& filter : {Filter{}, Filter{.types = {"A"}}}) {
      auto subscription = store->subscribe({.context = "rides", .filter = filter, .live = true});
      ASSERT_TRUE(subscription) << subscription.error().to_string();
      readings.push_back({.subscription = *std::move(subscription)});
      readings.back().go_on(1);
      EXPECT_EQ(readings.back().last, 0);
    }
  }
  ASSERT_TRUE(store_->apply_retention());
  world_.run_until_idle();  // the worker removes
  append_numbers(5);
  const std::int64_t first = store_->read_context({.context = "rides", .limit = 1})->events.front().offset;
  ASSERT_GT(first, 1'000);
  for (Reading& reading : readings) {
    // Until it has all: what is appended later comes too.
    for (int i = 0; i < 1'000 && reading.error.empty() && reading.last < appended_ - 1; ++i) reading.go_on(100);
    EXPECT_EQ(reading.error, "");
    EXPECT_EQ(reading.last, appended_ - 1);
    EXPECT_GE(reading.count, static_cast<std::size_t>(appended_ - first));
    EXPECT_LT(reading.count, 1'000u);
  }
}

TEST_F(ReadOnly, APageThatARetentionOvertakesIsMadeOfWhatIsLeft) {
  ASSERT_TRUE(store_->create_context("rides", {.history_deletable = true, .retention_bytes = 48 << 10}));
  std::int64_t removed = 0;
  for (const bool indexed : {true, false}) {
    SCOPED_TRACE(indexed);
    options_.index_table_entries = indexed ? 64 : 1 << 16;
    reopen();
    const auto each = [&](const std::function<void()>& read) {
      append_numbers(300);
      open_reader();
      ASSERT_TRUE(store_->apply_retention());
      world_.run_until_idle();
      removed = store_->read_context({.context = "rides", .limit = 1})->events.front().offset;
      read();
    };
    each([&] {
      const auto page = reader_->read_stream({.context = "rides", .stream = "ride-3"});
      ASSERT_TRUE(page) << page.error().to_string();
      EXPECT_EQ(page->events.back().version, appended_ / 10 - 1);
      EXPECT_EQ(page->last_version, appended_ / 10 - 1);
    });
    for (const bool backward : {false, true}) {
      for (const Filter& filter : {Filter{}, Filter{.types = {"A"}}}) {
        each([&] {
          auto page = reader_->read_context({.context = "rides", .backward = backward, .limit = 10'000, .filter = filter});
          ASSERT_TRUE(page) << page.error().to_string();
          // What the reader had open it may still show.
          if (backward) std::ranges::reverse(page->events);
          EXPECT_LE(page->events.front().offset, removed);
          EXPECT_EQ(page->events.back().offset, appended_ - 1);
          EXPECT_EQ(page->events.back().offset - page->events.front().offset + 1, static_cast<std::int64_t>(page->events.size()));
          EXPECT_TRUE(page->at_end);
        });
      }
    }
    each([&] {
      const auto page = reader_->streams("rides", "", "", 100);
      ASSERT_TRUE(page) << page.error().to_string();
      EXPECT_EQ(page->streams.size(), 10u);
    });
    each([&] {
      const auto head = reader_->stream_head("rides", "ride-7");
      ASSERT_TRUE(head) << head.error().to_string();
      EXPECT_EQ(head->last_version, appended_ / 10 - 1);
    });
    each([&] {
      const auto loaded = reader_->load("rides", "ride-3", {});
      ASSERT_TRUE(loaded) << loaded.error().to_string();
      EXPECT_EQ(loaded->version, appended_ / 10 - 1);
    });
    each([&] {
      const auto position = reader_->position_at("rides", Time{0});
      EXPECT_TRUE(position) << position.error().to_string();
    });
    each([&] {
      const auto subscription = reader_->subscribe({.context = "rides", .start = {.kind = StartAt::Kind::time, .time = Time{1}}});
      EXPECT_TRUE(subscription) << subscription.error().to_string();
    });
  }
}

TEST_F(ReadOnly, AScanBackwardThatARetentionOvertakesEndsWhereTheLogBegins) {
  ASSERT_TRUE(store_->create_context("rides", {.history_deletable = true, .retention_bytes = 48 << 10}));
  for (const Filter& filter : {Filter{}, Filter{.types = {"A"}}}) {
    append_numbers(600);
    std::vector<std::int64_t> seen;
    const auto scanned = store_->scan({.context = "rides", .backward = true, .filter = filter}, [&](const EventView& event) {
      if (seen.empty()) EXPECT_TRUE(store_->apply_retention());
      seen.push_back(event.offset);
      return true;
    });
    ASSERT_TRUE(scanned) << scanned.error().to_string();
    const std::int64_t first = store_->read_context({.context = "rides", .limit = 1})->events.front().offset;
    ASSERT_GT(first, appended_ - 600);
    EXPECT_TRUE(std::ranges::is_sorted(seen, std::ranges::greater()));
    EXPECT_EQ(seen.front(), appended_ - 1);
    EXPECT_LE(seen.back(), first);
  }
}

// 300 MiB pass, of which no more than a few are ever behind what its writer has indexed.
TEST_F(ReadOnly, AReaderThatFollowsAWriterForLongKeepsItsIndex) {
  options_.segment_bytes = 4 << 20;
  options_.journal_bytes = 8 << 20;
  reopen();
  ASSERT_TRUE(store_->create_context("rides", {.data_bytes_max = 1 << 20, .history_deletable = true, .retention_bytes = 16 << 20}));
  open_reader();
  const std::string data(900 << 10, 'x');
  for (int i = 0; i < 340; ++i) {
    ASSERT_FALSE(appended("ride-" + std::to_string(i % 10), {event("A", data)}).events.empty());
    if (i % 20 != 19) continue;
    ASSERT_TRUE(store_->apply_retention());
    world_.run_until_idle();
    const Status done = reader_->refresh();
    ASSERT_TRUE(done) << done.error().to_string();
    const auto streams = reader_->streams("rides", "", "", 100);
    ASSERT_TRUE(streams) << "after " << i << " events: " << streams.error().to_string();
    EXPECT_EQ(streams->streams.size(), 10u);
    EXPECT_EQ(reader_->info()->streams, 10);
    EXPECT_EQ(reader_->stream_head("rides", "ride-3")->last_version, i / 10);
  }
}

}  // namespace
}  // namespace baton::store::testing
