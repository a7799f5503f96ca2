#include <set>

#include "store/store_test_support.h"

namespace baton::store::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using Read = StoreTest;

NewEvent at_time(NewEvent event, const char* time) {
  event.time = *Time::parse(time);
  return event;
}

TEST_F(Read, AStreamIsReadForwardAndBackwardInPages) {
  for (int i = 0; i < 10; ++i) {
    appended("ride-1", {event("A", std::to_string(i))});
    appended("ride-2", {event("A", "x")});
  }
  ReadStream request{.context = "rides", .stream = "ride-1", .limit = 4};
  const auto first = store_->read_stream(request);
  EXPECT_THAT(data_of(first->events), ElementsAre("0", "1", "2", "3"));
  EXPECT_EQ(first->last_version, 9);
  ASSERT_TRUE(first->next_version);
  request.from_version = *first->next_version;
  EXPECT_THAT(data_of(store_->read_stream(request)->events), ElementsAre("4", "5", "6", "7"));
  request.from_version = 8;
  const auto last = store_->read_stream(request);
  EXPECT_THAT(data_of(last->events), ElementsAre("8", "9"));
  EXPECT_FALSE(last->next_version);

  ReadStream backward{.context = "rides", .stream = "ride-1", .backward = true, .limit = 3};
  const auto newest = store_->read_stream(backward);
  EXPECT_THAT(data_of(newest->events), ElementsAre("9", "8", "7"));
  EXPECT_EQ(newest->next_version, 6);
  backward.from_version = 1;
  const auto oldest = store_->read_stream(backward);
  EXPECT_THAT(data_of(oldest->events), ElementsAre("1", "0"));
  EXPECT_FALSE(oldest->next_version);
}

TEST_F(Read, AStreamThatIsNotThereIsEmptyAndAContextThatIsNotThereIsNotFound) {
  appended("ride-1", {event("A")});
  const auto page = store_->read_stream({.context = "rides", .stream = "ride-2"});
  ASSERT_TRUE(page);
  EXPECT_EQ(page->last_version, -1);
  EXPECT_THAT(page->events, IsEmpty());
  EXPECT_THAT(store_->read_stream({.context = "payments", .stream = "x"}), FailsWith(Code::not_found));
  EXPECT_THAT(store_->read_context({.context = "payments"}), FailsWith(Code::not_found));
}

TEST_F(Read, AContextIsReadInPagesThatNeitherRepeatNorMissAnEvent) {
  std::vector<std::string> all;
  for (int i = 0; i < 100; ++i) {
    all.push_back(std::to_string(i));
    appended("ride-" + std::to_string(i % 7), {event("A", all.back())});
  }
  for (const std::size_t limit : {1u, 3u, 50u, 1000u}) {
    std::vector<std::string> seen;
    ReadContext request{.limit = limit};
    while (true) {
      const ContextPage page = read(request);
      for (const Event& e : page.events) seen.push_back(e.data);
      if (page.at_end) break;
      request.after = page.next;
    }
    EXPECT_EQ(seen, all) << limit;
    std::vector<std::string> reversed;
    request = {.backward = true, .limit = limit};
    while (true) {
      const ContextPage page = read(request);
      for (const Event& e : page.events) reversed.push_back(e.data);
      if (page.at_end) break;
      request.after = page.next;
    }
    std::ranges::reverse(reversed);
    EXPECT_EQ(reversed, all) << limit;
  }
}

TEST_F(Read, PositionsAreExclusiveAndNameTheirEvent) {
  const Appended one = appended("ride-1", {event("A", "0"), event("A", "1"), event("A", "2")});
  EXPECT_THAT(data_of(read({.after = one.events[1].position}).events), ElementsAre("2"));
  EXPECT_THAT(data_of(read({.after = one.events[1].position, .backward = true}).events), ElementsAre("0"));
  EXPECT_EQ(read().events[1].position, one.events[1].position);
  EXPECT_EQ(*store_->rank("rides", one.events[1].position), 2);
  EXPECT_EQ(*store_->rank("rides", {}), 0);
  EXPECT_EQ(*store_->position_at("rides", std::nullopt), one.position);
  EXPECT_EQ(store_->context("rides")->end, one.position);
}

TEST_F(Read, APageEndsWhenSoManyEventsWereLookedAtAndTheNextOneGoesOn) {
  for (int i = 0; i < 200; ++i) {
    NewEvent e = event(i % 50 == 7 ? "Rare" : "Common", std::to_string(i));
    e.tenant = i % 50 == 7 ? "rare" : "common";
    appended("ride-" + std::to_string(i % 7), {e});
  }
  for (const int c : {0, 1, 2, 3}) {
    const bool by_type = c % 2 == 1;  // through the index; else by a scan
    const bool backward = c >= 2;
    ReadContext request{.context = "rides", .backward = backward, .limit = 1000, .examined_max = 10};
    if (by_type) request.filter.types = {"Rare"};
    else request.filter.tenant = "rare";
    std::vector<std::string> seen;
    std::size_t pages = 0;
    for (bool at_end = false; !at_end; ++pages) {
      const auto page = store_->read_context(request);
      ASSERT_TRUE(page) << page.error().to_string();
      for (auto& data : data_of(page->events)) seen.push_back(data);
      EXPECT_FALSE(page->next == request.after);
      request.after = page->next;
      at_end = page->at_end;
    }
    if (backward) std::ranges::reverse(seen);
    EXPECT_THAT(seen, ElementsAre("7", "57", "107", "157"));
    if (!by_type) EXPECT_EQ(pages, 20u);
  }
}

TEST_F(Read, APositionOfAnotherContextOrFromTheFutureIsLost) {
  appended("ride-1", {event("A")});
  ASSERT_TRUE(store_->append(append_of("p-1", Expect::any(), {event("B")}, "payments")));
  const Position other = store_->context("payments")->end;
  EXPECT_THAT(store_->read_context({.context = "rides", .after = other}), FailsWith(Code::position_lost));
  Position future = store_->context("rides")->end;
  future.token.back() = '7';
  EXPECT_THAT(store_->read_context({.context = "rides", .after = future}), FailsWith(Code::position_lost));
  EXPECT_THAT(store_->read_context({.context = "rides", .after = {"nonsense"}}), FailsWith(Code::invalid_argument));
}

TEST_F(Read, FiltersMustAllMatchWhetherTheIndexOrAScanAnswers) {
  for (int i = 0; i < 600; ++i) {
    NewEvent e = event(i % 2 == 0 ? "Even" : "Odd", std::to_string(i), "", {"n:" + std::to_string(i % 3)});
    if (i % 100 == 0) e.tags.push_back("rare:yes");
    e.tenant = i % 5 == 0 ? "five" : "other";
    appended((i % 4 == 0 ? "bike-" : "ride-") + std::to_string(i % 11), {e});
  }
  struct Case {
    Filter filter;
    std::function<bool(int)> wanted;
  };
  const std::vector<Case> cases = {
      {{.types = {"Even"}}, [](int i) { return i % 2 == 0; }},
      {{.types = {"rides.Odd", "Even"}}, [](int) { return true; }},
      {{.tags = {"rare:yes"}}, [](int i) { return i % 100 == 0; }},
      {{.tags = {"rare:yes", "n:0"}}, [](int i) { return i % 300 == 0; }},
      {{.types = {"Odd"}, .tags = {"n:1"}}, [](int i) { return i % 2 == 1 && i % 3 == 1; }},
      {{.category = "bike"}, [](int i) { return i % 4 == 0; }},
      {{.tenant = "five"}, [](int i) { return i % 5 == 0; }},
      {{.types = {"Even"}, .category = "bike", .tenant = "five"}, [](int i) { return i % 20 == 0; }},
      {{.tags = {"none:such"}}, [](int) { return false; }},
  };
  for (std::size_t c = 0; c < cases.size(); ++c) {
    std::vector<std::string> expected;
    for (int i = 0; i < 600; ++i) {
      if (cases[c].wanted(i)) expected.push_back(std::to_string(i));
    }
    for (const bool backward : {false, true}) {
      std::vector<std::string> seen;
      ReadContext request{.backward = backward, .limit = 37, .filter = cases[c].filter};
      while (true) {
        const ContextPage page = read(request);
        for (const Event& e : page.events) seen.push_back(e.data);
        if (page.at_end) break;
        request.after = page.next;
      }
      if (backward) std::ranges::reverse(seen);
      EXPECT_EQ(seen, expected) << "case " << c << (backward ? " backward" : "");
    }
  }
}

TEST_F(Read, AScanHandsOutViewsInOrderAndStopsWhenTold) {
  for (int i = 0; i < 50; ++i) appended("ride-1", {event("A", std::to_string(i), "", {"t:1"})});
  int seen = 0;
  const auto stopped = store_->scan({.context = "rides"}, [&](const EventView& view) {
    EXPECT_EQ(view.data, std::to_string(seen));
    EXPECT_EQ(view.offset, seen);
    EXPECT_EQ(view.stream, "ride-1");
    EXPECT_EQ(view.tag_count, 1u);
    return ++seen < 10;
  });
  ASSERT_TRUE(stopped);
  EXPECT_EQ(seen, 10);
  int rest = 0;
  ASSERT_TRUE(store_->scan({.context = "rides", .after = stopped->position}, [&](const EventView&) { return ++rest > 0; }));
  EXPECT_EQ(rest, 40);
}

TEST_F(Read, AsOfAPositionAnAppendTimeAndAnEventTimeAreThreeDifferentPasts) {
  const Appended first = appended("ride-1", {at_time(event("A", "0"), "2020-01-03T00:00:00Z")});
  const Time recorded = read().events[0].recorded;
  world_.advance(5'000'000'000);
  appended("ride-1", {at_time(event("A", "1"), "2020-01-01T00:00:00Z")});
  world_.advance(5'000'000'000);
  appended("ride-1", {at_time(event("A", "2"), "2020-01-02T00:00:00Z")});

  const AsOf position{.position = first.position};
  const AsOf append_time{.recorded = Time{recorded.ns + 6'000'000'000}};
  const AsOf event_time{.time = *Time::parse("2020-01-02T12:00:00Z")};
  EXPECT_THAT(data_of(read({.as_of = position}).events), ElementsAre("0"));
  EXPECT_THAT(data_of(read({.as_of = append_time}).events), ElementsAre("0", "1"));
  EXPECT_THAT(data_of(read({.as_of = event_time}).events), ElementsAre("1", "2"));
  EXPECT_THAT(data_of(read({.backward = true, .as_of = event_time}).events), ElementsAre("2", "1"));

  const auto stream = [&](const AsOf& as_of) { return *store_->read_stream({.context = "rides", .stream = "ride-1", .as_of = as_of}); };
  EXPECT_THAT(data_of(stream(position).events), ElementsAre("0"));
  EXPECT_EQ(stream(position).last_version, 0);
  EXPECT_THAT(data_of(stream(append_time).events), ElementsAre("0", "1"));
  EXPECT_EQ(stream(append_time).last_version, 1);
  EXPECT_THAT(data_of(stream(event_time).events), ElementsAre("1", "2"));
  EXPECT_EQ(*store_->position_at("rides", recorded), first.position);
  EXPECT_THAT(store_->read_context({.context = "rides", .as_of = {.position = first.position, .time = Time{0}}}),
              FailsWith(Code::invalid_argument));
}

TEST_F(Read, ADeletedStreamIsHiddenAndItsVersionsGoOn) {
  const Appended before = appended("ride-1", {event("A", "0", "id-0"), event("A", "1")});
  EXPECT_THAT(store_->delete_stream("rides", "ride-1", Expect::exact(5)), FailsWith(Code::wrong_version));
  const auto deleted = store_->delete_stream("rides", "ride-1", Expect::exact(1));
  ASSERT_TRUE(deleted) << deleted.error().to_string();
  auto page = *store_->read_stream({.context = "rides", .stream = "ride-1"});
  EXPECT_THAT(page.events, IsEmpty());
  EXPECT_TRUE(page.deleted);
  EXPECT_EQ(page.last_version, 1);
  EXPECT_THAT(store_->delete_stream("rides", "ride-1", Expect::any()), FailsWith(Code::not_found));
  EXPECT_THAT(append("ride-1", Expect::exact(1), {event("B")}), FailsWith(Code::wrong_version));
  EXPECT_THAT(append("ride-1", Expect::exists(), {event("B")}), FailsWith(Code::wrong_version));
  EXPECT_TRUE(append("ride-1", Expect::any(), {event("A", "0", "id-0")})->events[0].duplicate);  // ids stay known

  for (const bool restart : {false, true}) {
    if (restart) reopen();
    page = *store_->read_stream({.context = "rides", .stream = "ride-1", .as_of = {.position = before.position}});
    EXPECT_THAT(data_of(page.events), ElementsAre("0", "1"));  // the past is as it was
    const ContextPage all = read();
    ASSERT_THAT(all.events, SizeIs(3));  // context reads show everything
    EXPECT_EQ(all.events[2].system, "deleted");
    EXPECT_EQ(all.events[2].version, -1);
    EXPECT_EQ(all.events[2].position, *deleted);
    EXPECT_TRUE(store_->stream_head("rides", "ride-1")->deleted);
  }
  EXPECT_EQ(appended("ride-1", {event("B", "2")}, Expect::no_stream()).events[0].version, 2);
  EXPECT_THAT(stream_data("ride-1"), ElementsAre("2"));
  EXPECT_FALSE(store_->stream_head("rides", "ride-1")->deleted);
  reopen();
  EXPECT_THAT(stream_data("ride-1"), ElementsAre("2"));
  EXPECT_EQ(appended("ride-1", {event("B", "3")}, Expect::exact(2)).events[0].version, 3);
}

TEST_F(Read, ATruncatedStreamBeginsAtTheVersionThatWasNamed) {
  appended("ride-1", {event("A", "0"), event("A", "1"), event("A", "2")});
  EXPECT_THAT(store_->truncate_stream("rides", "ride-1", 3, Expect::any()), FailsWith(Code::invalid_argument));
  EXPECT_THAT(store_->truncate_stream("rides", "ride-2", 0, Expect::any()), FailsWith(Code::not_found));
  ASSERT_TRUE(store_->truncate_stream("rides", "ride-1", 2, Expect::any()));
  for (const bool restart : {false, true}) {
    if (restart) reopen();
    EXPECT_THAT(stream_data("ride-1"), ElementsAre("2"));
    EXPECT_THAT(data_of(store_->read_stream({.context = "rides", .stream = "ride-1", .backward = true})->events), ElementsAre("2"));
  }
  EXPECT_EQ(appended("ride-1", {event("A", "3")}, Expect::exact(2)).events[0].version, 3);
  ASSERT_TRUE(store_->truncate_stream("rides", "ride-1", 1, Expect::any()));  // hides no less than before
  EXPECT_THAT(stream_data("ride-1"), ElementsAre("2", "3"));
  EXPECT_EQ(store_->read_context({.context = "rides", .backward = true, .limit = 1})->events[0].truncated_before, 2);
}

// Of a large table the list sees a window at a time.
TEST_F(Read, StreamsOfWhichMostIsInMemoryAreAllListedWithTheirVersions) {
  options_.index_table_entries = 1 << 18;
  for (const auto& [streams, rounds] : {std::pair(1'000, 50), std::pair(40, 1'000), std::pair(2, 12'000)}) {
    store_ = nullptr;
    env_ = nullptr;
    world_.disk().remove("/data");
    start();
    for (int round = 0; round < rounds; ++round) {
      Append request{.context = "rides"};
      for (int i = 0; i < streams; ++i) {
        request.streams.push_back({.stream = "s-" + std::to_string((i + round) * 7919LL % streams), .condition = Expect::any(), .events = {event("A")}});
      }
      ASSERT_TRUE(store_->append(std::move(request)));
    }
    for (const std::size_t limit : {std::size_t{1'000}, std::size_t{7}}) {
      std::set<std::string> seen;
      std::string after;
      do {
        const auto page = store_->streams("rides", "", after, limit);
        ASSERT_TRUE(page) << page.error().to_string();
        for (const auto& head : page->streams) {
          EXPECT_EQ(head.last_version, rounds - 1) << head.stream;
          EXPECT_TRUE(seen.insert(head.stream).second) << head.stream;
        }
        after = page->next;
      } while (!after.empty());
      EXPECT_EQ(seen.size(), static_cast<std::size_t>(streams)) << limit;
    }
  }
}

TEST_F(Read, StreamsAreListedOnceEachInPages) {
  std::set<std::string> expected;
  for (int i = 0; i < 300; ++i) {
    const std::string name = (i % 3 == 0 ? "bike-" : "ride-") + std::to_string(i);
    appended(name, {event("A", "{}", "", {"n:" + std::to_string(i % 5)}), event("B")});
    expected.insert(name);
  }
  ASSERT_TRUE(store_->delete_stream("rides", "bike-0", Expect::any()));
  for (const bool restart : {false, true}) {
    if (restart) reopen();
    EXPECT_EQ(store_->info()->streams, 300);
    for (const std::string prefix : {"", "bike-"}) {
      std::set<std::string> seen;
      std::string after;
      std::size_t total = 0;
      do {
        const auto page = store_->streams("rides", prefix, after, 17);
        ASSERT_TRUE(page) << page.error().to_string();
        for (const auto& head : page->streams) {
          EXPECT_EQ(head.last_version, 1);
          EXPECT_EQ(head.deleted, head.stream == "bike-0");
          seen.insert(head.stream);
          ++total;
        }
        after = page->next;
      } while (!after.empty());
      EXPECT_EQ(total, seen.size());
      EXPECT_EQ(seen.size(), prefix.empty() ? 300u : 100u);
    }
  }
}

TEST_F(Read, AnAggregateLoadsFromItsSnapshotAndTheEventsAfterIt) {
  for (int i = 0; i < 250; ++i) appended("ride-1", {event("A", std::to_string(i))});
  auto loaded = *store_->load("rides", "ride-1", {.shape = 1});
  EXPECT_FALSE(loaded.snapshot);
  EXPECT_THAT(loaded.events, SizeIs(250));
  EXPECT_TRUE(loaded.snapshot_due);
  ASSERT_TRUE(store_->save_snapshot("rides", "ride-1", {.version = 199, .shape = 1, .bytes = "state"}));
  EXPECT_THAT(store_->save_snapshot("rides", "ride-1", {.version = 250, .shape = 1, .bytes = "x"}), FailsWith(Code::invalid_argument));
  for (const bool restart : {false, true}) {
    if (restart) reopen();
    loaded = *store_->load("rides", "ride-1", {.shape = 1});
    ASSERT_TRUE(loaded.snapshot);
    EXPECT_EQ(loaded.snapshot->bytes, "state");
    EXPECT_THAT(loaded.events, SizeIs(50));
    EXPECT_EQ(loaded.events[0].version, 200);
    EXPECT_EQ(loaded.version, 249);
    EXPECT_FALSE(loaded.snapshot_due);
    EXPECT_THAT(store_->load("rides", "ride-1", {.shape = 2})->events, SizeIs(250));
  }
  loaded = *store_->load("rides", "ride-1", {.shape = 1, .bytes_max = 3000});
  ASSERT_TRUE(loaded.next_version);
  EXPECT_TRUE(loaded.snapshot_due);
  ASSERT_FALSE(loaded.events.empty());
  EXPECT_EQ(loaded.events.back().version + 1, *loaded.next_version);
  EXPECT_THAT(store_->read_stream({.context = "rides", .stream = "ride-1", .from_version = *loaded.next_version, .limit = 1000})->events, SizeIs(50 - loaded.events.size()));
  EXPECT_THAT(store_->load("rides", "ride-1", {.shape = 1, .bytes_max = 1})->events, SizeIs(1));
  ASSERT_TRUE(store_->delete_stream("rides", "ride-1", Expect::any()));
  appended("ride-1", {event("A", "new")});
  loaded = *store_->load("rides", "ride-1", {.shape = 1});
  EXPECT_FALSE(loaded.snapshot);  // of the stream's life before
  EXPECT_THAT(data_of(loaded.events), ElementsAre("new"));
}

TEST_F(Read, AContextWithSeveralPartitionsIsReadWholeAndItsStreamsKeepTheirOrder) {
  ASSERT_TRUE(store_->create_context("rides", {.partitions = 4}));
  for (int i = 0; i < 200; ++i) appended("ride-" + std::to_string(i % 20), {event("A", std::to_string(i), "", {"n:" + std::to_string(i % 2)})});
  for (const bool tagged : {false, true}) {
    std::multiset<std::string> seen;
    std::map<std::string, std::int64_t> versions;
    ReadContext request{.limit = 7};
    if (tagged) request.filter.tags = {"n:1"};
    while (true) {
      const ContextPage page = read(request);
      for (const Event& e : page.events) {
        seen.insert(e.data);
        if (!tagged) EXPECT_EQ(e.version, versions[e.stream]++);
      }
      if (!page.events.empty() && page.events.size() == request.limit) EXPECT_EQ(page.events.back().position, page.next);
      if (page.at_end) break;
      request.after = page.next;
    }
    EXPECT_EQ(seen.size(), tagged ? 100u : 200u);
    EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), seen.size());
  }
  EXPECT_EQ(*store_->rank("rides", store_->context("rides")->end), 200);
  EXPECT_EQ(store_->streams("rides", "", "", 100)->streams.size(), 20u);
  Append crossing = append_of("ride-0", Expect::any(), {event("A")});
  for (int i = 1; i < 20; ++i) crossing.streams.push_back({.stream = "ride-" + std::to_string(i), .events = {event("A")}});
  EXPECT_THAT(store_->append(crossing), FailsWith(Code::invalid_argument));
  Append query = append_of("ride-0", Expect::any(), {event("A")});
  query.unless = Unless{.query = {.items = {{.types = {"A"}}}}, .after = {}};
  EXPECT_THAT(store_->append(query), FailsWith(Code::invalid_argument));
  EXPECT_THAT(store_->read_context({.context = "rides", .backward = true}), FailsWith(Code::invalid_argument));
}

}  // namespace
}  // namespace baton::store::testing
