// The past of a context of which a retention has removed a part: what can be told is, and nothing else is made up.
#include "store/store_test_support.h"

namespace baton::store::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class PastRetention : public StoreTest {
 protected:
  PastRetention() { options_.segment_bytes = 16 << 10; }

  void begin(std::int32_t partitions, std::optional<std::int64_t> ms, std::optional<std::int64_t> bytes) {
    reopen();  // with the small segments
    ContextOptions options{.partitions = partitions, .history_deletable = true};
    options.retention_ms = ms;
    options.retention_bytes = bytes;
    ASSERT_TRUE(store_->create_context("rides", options));
  }
  // A stream of each of two partitions.
  std::array<std::string, 2> streams_of_both() {
    std::array<std::string, 2> out;
    for (int i = 0; out[0].empty() || out[1].empty(); ++i) {
      const std::string name = "ride-" + std::to_string(i);
      const Appended done = appended(name, {event("A", name)});
      const bool second = done.position.token.find(".-,") != std::string::npos;
      if (out[second].empty()) out[second] = name;
    }
    return out;
  }
  Time now() { return Time{env_->clock().wall_ms() * 1'000'000}; }
  void retain() {
    ASSERT_TRUE(store_->apply_retention());
    world_.run_until_idle();  // the worker removes
  }
  std::int64_t first_offset() { return store_->read_context({.context = "rides", .limit = 1})->events.front().offset; }
};

TEST_F(PastRetention, AReadOfAMomentOfWhichAPartWasRemovedIsRefusedAndOneOfWhatIsLeftIsWhole) {
  begin(1, std::nullopt, 48 << 10);
  std::vector<Position> positions;
  std::vector<Time> times;
  for (int i = 0; i < 600; ++i) {
    positions.push_back(appended("ride-" + std::to_string(i % 3), {event("A", std::to_string(i) + std::string(300, ' '))}).position);
    times.push_back(now());
    world_.advance(5'000'000);
  }
  retain();
  const auto first = static_cast<std::size_t>(first_offset());
  ASSERT_GT(first, 10u);
  ASSERT_LT(first, 590u);
  const auto context_as_of = [&](const AsOf& as_of) { return store_->read_context({.context = "rides", .limit = 1'000, .as_of = as_of}); };
  for (const std::size_t gone : {std::size_t{0}, first / 2, first - 1}) {
    EXPECT_THAT(context_as_of({.position = positions[gone]}), FailsWith(Code::removed)) << gone;
    EXPECT_THAT(store_->read_stream({.context = "rides", .stream = "ride-1", .as_of = {.position = positions[gone]}}), FailsWith(Code::removed)) << gone;
    EXPECT_THAT(context_as_of({.recorded = times[gone]}), FailsWith(Code::removed)) << gone;
  }
  EXPECT_EQ(context_as_of({.position = positions[first]})->events.size(), 1u);
  EXPECT_EQ(context_as_of({.position = positions[599]})->events.size(), 600 - first);
  EXPECT_EQ(context_as_of({.recorded = times[599]})->events.size(), 600 - first);
  // Behind the moment itself nothing is missing; and the beginning is before all of it.
  EXPECT_TRUE(store_->read_context({.context = "rides", .after = positions[first / 2], .limit = 10, .as_of = {.position = positions[first / 2]}}));
  EXPECT_THAT(context_as_of({.position = Position{}})->events, IsEmpty());
  const Position start = store_->context("rides")->start;
  EXPECT_EQ(*store_->rank("rides", start), static_cast<std::int64_t>(first));
  EXPECT_EQ(*store_->rank("rides", positions[3]), 4);
  // Page by page, backward, until there is no more.
  ReadContext read{.context = "rides", .backward = true, .limit = 100, .as_of = {.recorded = times[599]}};
  std::size_t seen = 0;
  for (int pages = 0; pages < 20; ++pages) {
    const auto page = store_->read_context(read);
    ASSERT_TRUE(page) << page.error().to_string();
    seen += page->events.size();
    if (page->events.empty()) break;
    read.after = page->next;
  }
  EXPECT_EQ(seen, 600 - first);
}

TEST_F(PastRetention, APageBackwardThatIsOvertakenHasAPositionToGoOnFrom) {
  begin(1, std::nullopt, 48 << 10);
  for (int i = 0; i < 600; ++i) appended("ride-1", {event("A", std::to_string(i) + std::string(300, ' '))});
  bool overtaken = false;
  const auto reached = store_->scan({.context = "rides", .backward = true}, [&](const EventView& seen) {
    if (seen.offset > 5) return true;
    retain();
    overtaken = first_offset() > 5;
    return false;
  });
  ASSERT_TRUE(reached) << reached.error().to_string();
  ASSERT_TRUE(overtaken);
  for (const bool backward : {true, false}) {
    const auto page = store_->read_context({.context = "rides", .after = reached->position, .backward = backward, .limit = 10});
    ASSERT_TRUE(page) << page.error().to_string();
    EXPECT_EQ(page->events.size(), backward ? 0u : 10u);
  }
}

TEST_F(PastRetention, APartitionThatIsWholeIsToldThoughAnotherHasLostItsPart) {
  begin(2, std::nullopt, 48 << 10);
  const auto streams = streams_of_both();
  const Position early = appended(streams[0], {event("A", "kept")}).position;
  const Time then = now();
  world_.advance(5'000'000);
  for (int i = 0; i < 600; ++i) appended(streams[1], {event("A", std::to_string(i) + std::string(300, ' '))});
  retain();
  ASSERT_GT(*store_->rank("rides", store_->context("rides")->start), 0);
  for (const AsOf& as_of : {AsOf{.recorded = then}, AsOf{.position = early}}) {
    const auto page = store_->read_stream({.context = "rides", .stream = streams[0], .as_of = as_of});
    ASSERT_TRUE(page) << page.error().to_string();
    EXPECT_EQ(page->events.back().data, "kept");
  }
  EXPECT_THAT(store_->read_stream({.context = "rides", .stream = streams[1], .as_of = {.recorded = then}}), FailsWith(Code::removed));
  EXPECT_THAT(store_->read_context({.context = "rides", .limit = 10, .as_of = {.recorded = then}}), FailsWith(Code::removed));
}

TEST_F(PastRetention, AContextThatAgeHasEmptiedIsEmptyNowAndHasAnEnd) {
  for (const std::int32_t partitions : {1, 2}) {
    if (partitions == 2) {
      store_ = nullptr;
      env_ = nullptr;
      world_.disk().remove("/data");
      start();
    }
    begin(partitions, 1'000, std::nullopt);
    std::int64_t events = 0;
    for (; events < 20; ++events) appended("ride-" + std::to_string(events), {event("A", "1")});
    world_.advance(60'000'000'000);
    retain();
    retain();  // what the first one has rolled
    const auto info = store_->context("rides");
    ASSERT_TRUE(info);
    ASSERT_EQ(info->events, 0) << partitions;
    EXPECT_EQ(*store_->rank("rides", info->end), events);
    EXPECT_EQ(info->end, info->start);
    for (const AsOf& as_of : {AsOf{.recorded = now()}, AsOf{.position = info->end}}) {
      for (const bool backward : {false, true}) {
        if (backward && partitions > 1) continue;  // there is no such order
        const auto page = store_->read_context({.context = "rides", .backward = backward, .limit = 10, .as_of = as_of});
        ASSERT_TRUE(page) << page.error().to_string();
        EXPECT_THAT(page->events, IsEmpty());
      }
    }
    appended("ride-1", {event("A", "again")});
    const auto page = store_->read_context({.context = "rides", .after = info->end, .limit = 10});
    ASSERT_TRUE(page) << page.error().to_string();
    EXPECT_THAT(data_of(page->events), ElementsAre("again"));
  }
}

TEST_F(PastRetention, WhatAReaderMissesIsCounted) {
  begin(1, std::nullopt, 48 << 10);
  std::vector<Position> positions;
  const auto append_to = [&](int end) {
    for (int i = static_cast<int>(positions.size()); i < end; ++i) {
      positions.push_back(appended("ride-1", {event("A", std::to_string(i) + std::string(300, ' '), "", {i % 3 == 0 ? "t:0" : "t:1"})}).position);
    }
  };
  append_to(20);
  // They begin before the retention, and two of them look into the index, which forgets what was removed as well.
  std::vector<std::unique_ptr<Subscription>> slow;
  for (const Filter& filter : {Filter{}, Filter{.types = {"A"}}, Filter{.tags = {"t:0"}}}) {
    auto made = store_->subscribe({.context = "rides", .start = {.kind = StartAt::Kind::position, .position = positions[9]}, .filter = filter});
    ASSERT_TRUE(made);
    slow.push_back(*std::move(made));
  }
  auto whole = store_->subscribe({.context = "rides"});
  ASSERT_TRUE(whole);
  append_to(1'200);  // more than the index merges at a time
  retain();
  append_to(1'600);
  world_.run_until_idle();
  const std::int64_t first = first_offset();
  ASSERT_GT(first, 1'024);
  const auto read_all = [](Subscription& subscription) {
    std::int64_t seen = 0;
    const auto count = [&](const EventView&) { return ++seen > 0; };
    while (subscription.next(50, 0, count).value() > 0) {
    }
    return seen;
  };
  EXPECT_EQ(read_all(*slow[0]), 1'600 - first);
  EXPECT_EQ(read_all(*slow[1]), 1'600 - first);
  EXPECT_EQ(read_all(*slow[2]), 1'599 / 3 - (first - 1) / 3);
  EXPECT_EQ(read_all(**whole), 1'600 - first);
  for (const auto& subscription : slow) EXPECT_EQ(subscription->removed(), first - 10);
  EXPECT_EQ((*whole)->removed(), first);
  const auto from_first = store_->subscribe({.context = "rides", .start = {.kind = StartAt::Kind::time, .time = store_->read_context({.context = "rides", .limit = 1})->events.front().recorded}});
  ASSERT_TRUE(from_first);
  EXPECT_EQ((*from_first)->removed(), 0);
  EXPECT_EQ(read({.after = positions[9], .limit = 1}).removed, first - 10);
  EXPECT_EQ(read({.after = positions[9], .limit = 1, .filter = {.types = {"B"}}}).removed, first - 10);
  EXPECT_EQ(read({.after = positions[static_cast<std::size_t>(first) - 1]}).removed, 0);
  EXPECT_EQ(read({.limit = 1}).removed, first);
  EXPECT_EQ(read({.after = positions[9], .limit = 1, .as_of = {.position = positions[1'300]}}).removed, first - 10);
  EXPECT_EQ(store_->scan({.context = "rides", .after = positions[9]}, [](const EventView&) { return false; })->removed, first - 10);
}

TEST_F(PastRetention, WhatIsMissingIsToldOnceFromPageToPage) {
  begin(2, std::nullopt, 48 << 10);
  const auto streams = streams_of_both();
  const Position early = appended(streams[0], {event("A", "kept")}).position;
  for (int i = 0; i < 600; ++i) appended(streams[1], {event("A", std::to_string(i) + std::string(300, ' '))});
  retain();
  const std::int64_t removed = *store_->rank("rides", store_->context("rides")->start);
  ASSERT_GT(removed, 100);
  for (const Position& after : {Position{}, early}) {
    ReadContext request{.after = after, .limit = 2};
    std::int64_t told = 0;
    for (int pages = 0; pages < 1'000; ++pages) {
      const ContextPage page = read(request);
      told += page.removed;
      if (page.events.empty()) break;
      request.after = page.next;
    }
    EXPECT_EQ(told, removed);
    EXPECT_EQ(read(request).removed, 0);
  }
}

TEST_F(PastRetention, AfterAllWasRemovedItIsToldOnce) {
  begin(1, 1'000, std::nullopt);
  std::vector<Position> positions;
  for (int i = 0; i < 20; ++i) positions.push_back(appended("ride-1", {event("A", "1")}).position);
  reopen();  // the next epoch
  world_.advance(60'000'000'000);
  retain();
  retain();  // what the first one has rolled
  ASSERT_EQ(store_->context("rides")->events, 0);
  const ContextPage page = read({.after = positions[4]});
  EXPECT_EQ(page.removed, 15);
  EXPECT_EQ(page.next, store_->context("rides")->end);
  EXPECT_EQ(read({.after = page.next}).removed, 0);
  appended("ride-1", {event("A", "again")});
  EXPECT_THAT(data_of(read({.after = page.next}).events), ElementsAre("again"));
}

TEST_F(PastRetention, ASnapshotOutlivesItsEventAndWhatIsMissingBehindItIsTold) {
  begin(1, std::nullopt, 48 << 10);
  const auto fill = [&] {
    for (int i = 0; i < 600; ++i) appended("ride-1", {event("A", std::string(300, ' '))});
    retain();
  };
  for (int i = 0; i < 5; ++i) appended("account", {event("A")});
  ASSERT_TRUE(store_->save_snapshot("rides", "account", {.version = 4, .bytes = "ten"}));
  appended("other", {event("A"), event("A")});
  fill();
  const auto kept = store_->load("rides", "account", {});
  ASSERT_TRUE(kept) << kept.error().to_string();
  ASSERT_TRUE(kept->snapshot);
  EXPECT_EQ(kept->snapshot->bytes, "ten");
  EXPECT_EQ((std::tuple(kept->version, kept->removed, kept->events.size())), std::tuple(4, 0, 0u));
  const auto lost = store_->load("rides", "other", {});
  ASSERT_TRUE(lost);
  EXPECT_EQ((std::tuple(lost->version, lost->removed, lost->events.size())), std::tuple(1, 2, 0u));
  // Two behind it are removed with the next retention, a third one is there.
  appended("account", {event("A"), event("A")});
  fill();
  appended("account", {event("A")});
  for (const bool restart : {false, true}) {
    if (restart) kill_and_reopen();
    const auto gap = store_->load("rides", "account", {});
    ASSERT_TRUE(gap && gap->snapshot);
    EXPECT_EQ((std::tuple(gap->version, gap->removed, gap->events.size())), std::tuple(7, 2, 1u));
  }
  // What is truncated is no part of the state, whoever removes it.
  ASSERT_TRUE(store_->truncate_stream("rides", "account", 7, Expect::any()));
  const auto truncated = store_->load("rides", "account", {});
  ASSERT_TRUE(truncated);
  EXPECT_FALSE(truncated->snapshot);
  EXPECT_EQ((std::tuple(truncated->version, truncated->removed, truncated->events.size())), std::tuple(7, 0, 1u));
}

}  // namespace
}  // namespace baton::store::testing
