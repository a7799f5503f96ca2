#include <optional>

#include "store/store_test_support.h"

namespace baton::store::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Append_ = StoreTest;

// Design rule 9: a clock that is more than a year ahead of the log is not believed before an operator says that it is right.
TEST_F(Append_, AClockThatIsFarAheadIsTakenWhenItIsConfirmed) {
  constexpr std::int64_t kDayNs = 24LL * 3600 * 1'000'000'000;
  const auto append = [&](const std::string& data) {
    const auto added = appended("ride-1", {event("A", data)});
    EXPECT_EQ(added.events.size(), 1u);
    return store_->read_stream({.context = "rides", .stream = "ride-1", .backward = true, .limit = 1})->events.front().recorded.ns;
  };
  const std::int64_t first = append("1");
  world_.step_wall_ms(400 * kDayNs / 1'000'000);
  reopen();
  EXPECT_LT(append("2"), first + kDayNs);
  reopen();
  EXPECT_LT(append("3"), first + kDayNs);
  ASSERT_TRUE(store_->confirm_clock());
  EXPECT_GE(append("4"), first + 400 * kDayNs);
  reopen();
  EXPECT_GE(append("5"), first + 400 * kDayNs);
  // Confirmed by a command that appends nothing.
  world_.step_wall_ms(400 * kDayNs / 1'000'000);
  reopen();
  ASSERT_TRUE(store_->confirm_clock());
  reopen();
  EXPECT_GE(append("6"), first + 800 * kDayNs);
}

TEST_F(Append_, OneWhoseConditionsCannotHoldMakesNoContext) {
  const auto to_new = [](const Expect& expect) {
    Append append = append_of("ride-1", expect, {event("A", "1")});
    append.context = "fresh";
    return append;
  };
  const Position elsewhere = appended("ride-1", {event("A", "1")}).position;
  EXPECT_THAT(store_->append(to_new(Expect::exists())), FailsWith(Code::wrong_version));
  const auto refused = store_->append(to_new(Expect::exact(3)));
  EXPECT_THAT(refused, FailsWith(Code::wrong_version));
  EXPECT_THAT(refused.error().detail, HasSubstr("expected version 3, found no stream"));
  Append unless = to_new(Expect::any());
  unless.unless = Unless{.query = {.items = {{.types = {"A"}}}}, .after = elsewhere};
  EXPECT_THAT(store_->append(unless), FailsWith(Code::position_lost));
  Append second = to_new(Expect::no_stream());
  second.streams.push_back({.stream = "ride-2", .condition = Expect::exact(0), .events = {event("A", "1")}});
  EXPECT_THAT(store_->append(second), FailsWith(Code::wrong_version));
  for (const bool same : {true, false}) {  // an id that is given twice is looked at before all that
    Append twice = to_new(Expect::any());
    twice.streams[0].events = {event("A", "1", "x"), event("A", same ? "1" : "2", "x")};
    EXPECT_THAT(store_->append(twice), FailsWith(same ? Code::invalid_argument : Code::duplicate_mismatch));
  }
  EXPECT_THAT(store_->context("fresh"), FailsWith(Code::not_found));
  // A stream that the append itself begins.
  second.streams[1].stream = "ride-1";
  second.unless = Unless{.query = {.items = {{.types = {"A"}}}}, .after = {}};
  ASSERT_TRUE(store_->append(second));
  EXPECT_TRUE(store_->context("fresh"));
}

TEST_F(Append_, VersionsOfAStreamAreDenseFromZero) {
  const Appended first = appended("ride-1", {event("RideStarted", "a"), event("RidePaused", "b")});
  const Appended second = appended("ride-1", {event("RideEnded", "c")});
  EXPECT_EQ(first.events[0].version, 0);
  EXPECT_EQ(first.events[1].version, 1);
  EXPECT_EQ(second.events[0].version, 2);
  EXPECT_EQ(second.events[0].offset, 2);
  EXPECT_THAT(stream_data("ride-1"), ElementsAre("a", "b", "c"));
}

TEST_F(Append_, WhatTheCallerLeavesEmptyIsFilledInAndWhatItGivesIsKept) {
  NewEvent given = event("RideStarted", "{\"a\":1}", "my-id", {"bike:7", "city:nyc"});
  given.source = "/scooters";
  given.time = *Time::parse("2014-01-01T08:14:00Z");
  given.tenant = "nyc";
  given.correlation_id = "trip-1";
  given.causation_id = "tap-1";
  given.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  given.subject = "bike 7";
  given.headers = {{"x-app", "1"}};
  Append request = append_of("ride-1", Expect::any(), {given, event("RideEnded")});
  request.correlation_id = "trip-2";
  request.tenant = "sf";
  ASSERT_TRUE(store_->append(request));
  const ContextPage page = read();
  const Event& kept = page.events[0];
  EXPECT_EQ(kept.id, "my-id");
  EXPECT_EQ(kept.source, "/scooters");
  EXPECT_EQ(kept.time.to_string(), "2014-01-01T08:14:00Z");
  EXPECT_EQ(kept.tenant, "nyc");
  EXPECT_EQ(kept.correlation_id, "trip-1");
  EXPECT_EQ(kept.causation_id, "tap-1");
  EXPECT_EQ(kept.traceparent, given.traceparent);
  EXPECT_EQ(kept.subject, "bike 7");
  EXPECT_THAT(kept.tags, ElementsAre("bike:7", "city:nyc"));
  ASSERT_EQ(kept.headers.size(), 1u);
  EXPECT_EQ(kept.headers[0].value, "1");
  const Event& filled = page.events[1];
  EXPECT_EQ(filled.id.size(), 36u);
  EXPECT_EQ(filled.source, "/contexts/rides");
  EXPECT_EQ(filled.tenant, "sf");
  EXPECT_EQ(filled.correlation_id, "trip-2");
  EXPECT_EQ(filled.time, filled.recorded);
  EXPECT_EQ(filled.content_type, "application/json");
  appended("ride-2", {event("RideStarted")});
  const Event own = read().events[2];
  EXPECT_EQ(own.correlation_id, own.id);
}

TEST_F(Append_, AStreamConditionThatDoesNotHoldSaysWhatWasExpectedAndWhatWasFound) {
  appended("ride-1", {event("RideStarted"), event("RideEnded")});
  const auto wrong = append("ride-1", Expect::exact(0), {event("RideEnded")});
  ASSERT_THAT(wrong, FailsWith(Code::wrong_version));
  EXPECT_THAT(wrong.error().detail, HasSubstr("stream ride-1: expected version 0, found version 1"));
  EXPECT_THAT(append("ride-1", Expect::no_stream(), {event("X")}), FailsWith(Code::wrong_version));
  EXPECT_THAT(append("ride-2", Expect::exists(), {event("X")}), FailsWith(Code::wrong_version));
  EXPECT_THAT(append("ride-2", Expect::exact(0), {event("X")}), FailsWith(Code::wrong_version));
  EXPECT_TRUE(append("ride-1", Expect::exact(1), {event("X")}));
  EXPECT_TRUE(append("ride-1", Expect::exists(), {event("X")}));
  EXPECT_TRUE(append("ride-2", Expect::no_stream(), {event("X")}));
  EXPECT_EQ(store_->info()->events, 5);
}

TEST_F(Append_, SeveralStreamsAreAppendedToAtOnceOrNotAtAll) {
  appended("bike-1", {event("BikeBought")});
  Append both = append_of("ride-1", Expect::no_stream(), {event("RideStarted", "s")});
  both.streams.push_back({.stream = "bike-1", .condition = Expect::no_stream(), .events = {event("BikeTaken", "t")}});
  EXPECT_THAT(store_->append(both), FailsWith(Code::wrong_version));
  EXPECT_THAT(stream_data("ride-1"), IsEmpty());
  both.streams[1].condition = Expect::exact(0);
  const auto done = store_->append(both);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->events[1].version, 1);
  EXPECT_EQ(done->position, done->events[1].position);
}

TEST_F(Append_, AStreamNamedTwiceSeesItsOwnEarlierEvents) {
  Append twice = append_of("ride-1", Expect::no_stream(), {event("RideStarted")});
  twice.streams.push_back({.stream = "ride-1", .condition = Expect::exact(0), .events = {event("RideEnded")}});
  const auto done = store_->append(twice);
  ASSERT_TRUE(done) << done.error().to_string();
  EXPECT_EQ(done->events[1].version, 1);
  twice.streams[0].condition = Expect::exact(1);
  twice.streams[1].condition = Expect::exact(1);
  EXPECT_THAT(store_->append(twice), FailsWith(Code::wrong_version));
}

TEST_F(Append_, AQueryConditionSeesOnlyWhatCameAfterItsPosition) {
  const Appended first = appended("ride-1", {event("RideStarted", "{}", "", {"bike:7", "city:nyc"})});
  const auto take = [&](Position after, std::vector<QueryItem> items) {
    Append request = append_of("ride-2", Expect::any(), {event("RideStarted", "{}", "", {"bike:7"})});
    request.unless = Unless{.query = {.items = std::move(items)}, .after = std::move(after)};
    return store_->append(request);
  };
  EXPECT_THAT(take({}, {{.types = {}, .tags = {"bike:7"}}}), FailsWith(Code::condition_failed));
  EXPECT_THAT(take({}, {{.types = {"RideStarted"}, .tags = {}}}), FailsWith(Code::condition_failed));
  EXPECT_THAT(take({}, {{.types = {"rides.RideStarted"}, .tags = {"city:nyc", "bike:7"}}}), FailsWith(Code::condition_failed));
  EXPECT_THAT(take({}, {{.types = {"Other"}, .tags = {}}, {.types = {}, .tags = {"bike:7"}}}), FailsWith(Code::condition_failed));
  EXPECT_TRUE(take({}, {{.types = {"RideEnded"}, .tags = {"bike:7"}}}));
  EXPECT_TRUE(take({}, {{.types = {}, .tags = {"bike:7", "city:sf"}}}));
  EXPECT_THAT(take(first.position, {{.types = {}, .tags = {"bike:7"}}}), FailsWith(Code::condition_failed));  // the two since
  const Position now = read({.backward = true, .limit = 1}).next;
  EXPECT_TRUE(take(now, {{.types = {}, .tags = {"bike:7"}}}));
}

TEST_F(Append_, AQueryConditionSeesEventsOfItsOwnRound) {
  appended("ride-0", {event("RideStarted")});
  int succeeded = 0;
  int refused = 0;
  for (int i = 0; i < 5; ++i) {
    Append request = append_of("ride-" + std::to_string(i), Expect::any(), {event("BikeTaken", "{}", "", {"bike:9"})});
    request.unless = Unless{.query = {.items = {{.types = {}, .tags = {"bike:9"}}}}, .after = {}};
    store_->append_async(std::move(request), [&](Result<Appended> done) {
      done ? ++succeeded : ++refused;
      if (!done) EXPECT_EQ(done.error().code, Code::condition_failed);
    });
  }
  ASSERT_TRUE(world_.run_until([&] { return succeeded + refused == 5; }));
  EXPECT_EQ(succeeded, 1);
}

// Rule 3: identity before conditions, streams before the query, everything before versions.
TEST_F(Append_, ARetryOfAnAppendWithAnExactVersionDoesNotConflictWithItself) {
  const Appended first = appended("ride-1", {event("RideStarted", "a", "id-1")}, Expect::no_stream());
  const auto again = append("ride-1", Expect::no_stream(), {event("RideStarted", "a", "id-1")});
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_TRUE(again->events[0].duplicate);
  EXPECT_EQ(again->events[0].position, first.events[0].position);
  EXPECT_EQ(again->events[0].version, 0);
  EXPECT_EQ(again->position, first.position);
  EXPECT_EQ(store_->info()->events, 1);
}

TEST_F(Append_, ARetryOfAnAppendWithAQueryConditionDoesNotConflictWithItself) {
  Append request = append_of("ride-1", Expect::no_stream(), {event("RideStarted", "a", "id-1", {"bike:1"})});
  request.unless = Unless{.query = {.items = {{.types = {}, .tags = {"bike:1"}}}}, .after = {}};
  const auto first = store_->append(request);
  ASSERT_TRUE(first);
  const auto again = store_->append(request);
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_EQ(again->position, first->position);
}

TEST_F(Append_, OtherContentUnderAKnownIdIsAMismatchWhateverTheConditions) {
  appended("ride-1", {event("RideStarted", "a", "id-1", {"bike:1"})});
  for (const auto& changed : {event("RideStarted", "b", "id-1", {"bike:1"}), event("RideEnded", "a", "id-1", {"bike:1"}),
                              event("RideStarted", "a", "id-1", {"bike:2"}), event("RideStarted", "a", "id-1")}) {
    EXPECT_THAT(append("ride-1", Expect::exact(99), {changed}), FailsWith(Code::duplicate_mismatch));
  }
  NewEvent same = event("rides.RideStarted", "a", "id-1", {"bike:1"});
  same.time = Time{5};
  same.correlation_id = "other";
  EXPECT_TRUE(append("ride-1", Expect::exact(99), {same}));
}

TEST_F(Append_, TheSameIdInAnotherStreamOrFromAnotherSourceIsAnotherEvent) {
  appended("ride-1", {event("RideStarted", "a", "id-1")});
  EXPECT_FALSE(appended("ride-2", {event("RideStarted", "b", "id-1")}).events[0].duplicate);
  NewEvent other = event("RideStarted", "c", "id-1");
  other.source = "/elsewhere";
  EXPECT_FALSE(appended("ride-1", {other}).events[0].duplicate);
}

TEST_F(Append_, SomeKnownAndSomeNewWritesNothingUnlessTheKnownAreToBeSkipped) {
  appended("ride-1", {event("RideStarted", "a", "id-1")});
  Append both = append_of("ride-1", Expect::any(), {event("RideStarted", "a", "id-1"), event("RideEnded", "b", "id-2")});
  EXPECT_THAT(store_->append(both), FailsWith(Code::partial_duplicate));
  EXPECT_THAT(stream_data("ride-1"), ElementsAre("a"));
  both.duplicates = Append::Duplicates::skip;
  const auto done = store_->append(both);
  ASSERT_TRUE(done) << done.error().to_string();
  EXPECT_TRUE(done->events[0].duplicate);
  EXPECT_EQ(done->events[0].version, 0);
  EXPECT_FALSE(done->events[1].duplicate);
  EXPECT_EQ(done->events[1].version, 1);
  EXPECT_THAT(stream_data("ride-1"), ElementsAre("a", "b"));
}

TEST_F(Append_, APartialDuplicateIsFoundBeforeAStreamConditionIsLookedAt) {
  appended("ride-1", {event("RideStarted", "a", "id-1")});
  EXPECT_THAT(append("ride-1", Expect::exact(42), {event("RideStarted", "a", "id-1"), event("RideEnded", "b", "id-2")}),
              FailsWith(Code::partial_duplicate));
}

TEST_F(Append_, AStreamConditionIsLookedAtBeforeTheQueryCondition) {
  appended("ride-1", {event("RideStarted", "a", "", {"bike:1"})});
  Append request = append_of("ride-1", Expect::no_stream(), {event("RideEnded")});
  request.unless = Unless{.query = {.items = {{.types = {}, .tags = {"bike:1"}}}}, .after = {}};
  EXPECT_THAT(store_->append(request), FailsWith(Code::wrong_version));
}

TEST_F(Append_, AMalformedRequestIsRefusedBeforeItsIdsAreLookedAt) {
  appended("ride-1", {event("RideStarted", "a", "id-1")});
  EXPECT_THAT(append("ride-1", Expect::any(), {event("RideStarted", "a", "id-1"), event("")}), FailsWith(Code::invalid_argument));
  EXPECT_THAT(append("ride-1", Expect::any(), {event("RideStarted", std::string(1025, 'x'))}), FailsWith(Code::too_large));
  EXPECT_THAT(append("", Expect::any(), {event("RideStarted")}), FailsWith(Code::invalid_argument));
}

TEST_F(Append_, AnIdThatIsGivenTwiceInOneAppendIsRefusedOrSkipped) {
  Append twice = append_of("ride-1", Expect::any(), {event("A", "a", "id-1"), event("A", "a", "id-1")});
  EXPECT_THAT(store_->append(twice), FailsWith(Code::invalid_argument));
  twice.duplicates = Append::Duplicates::skip;
  const auto done = store_->append(twice);
  ASSERT_TRUE(done) << done.error().to_string();
  EXPECT_TRUE(done->events[1].duplicate);
  EXPECT_EQ(done->events[1].position, done->events[0].position);
  twice.streams[0].events[1].data = "b";
  EXPECT_THAT(store_->append(twice), FailsWith(Code::duplicate_mismatch));
  EXPECT_EQ(store_->info()->events, 1);
}

TEST_F(Append_, DuplicatesWithinOneRoundAreAnsweredWithThePositionOfTheFirst) {
  appended("ride-0", {event("RideStarted")});
  std::vector<std::optional<Result<Appended>>> answers(3);
  for (auto& answer : answers) {
    store_->append_async(append_of("ride-1", Expect::no_stream(), {event("RideStarted", "a", "id-1")}),
                         [&answer](Result<Appended> done) { answer = std::move(done); });
  }
  store_->append_async(append_of("ride-1", Expect::no_stream(), {event("RideStarted", "b", "id-1")}),
                       [](Result<Appended> done) { EXPECT_EQ(done.error().code, Code::duplicate_mismatch); });
  ASSERT_TRUE(world_.run_until([&] { return answers[2].has_value(); }));
  EXPECT_FALSE((*answers[0])->events[0].duplicate);
  EXPECT_TRUE((*answers[1])->events[0].duplicate);
  EXPECT_EQ((*answers[1])->position, (*answers[0])->position);
  EXPECT_EQ(store_->info()->events, 2);
}

TEST_F(Append_, OfAppendsWithOneExpectedVersionExactlyOneWins) {
  appended("ride-1", {event("RideStarted")});
  int won = 0;
  int lost = 0;
  for (int i = 0; i < 20; ++i) {
    store_->append_async(append_of("ride-1", Expect::exact(0), {event("RideEnded", std::to_string(i))}), [&](Result<Appended> done) {
      if (done) {
        ++won;
      } else {
        ++lost;
        EXPECT_EQ(done.error().code, Code::wrong_version);
      }
    });
  }
  ASSERT_TRUE(world_.run_until([&] { return won + lost == 20; }));
  EXPECT_EQ(won, 1);
}

TEST_F(Append_, CompletionsComeInOrderAndMayAppendAgain) {
  std::vector<std::string> order;
  store_->append_async(append_of("ride-1", Expect::any(), {event("A", "1")}), [&](Result<Appended>) {
    order.emplace_back("1");
    store_->append_async(append_of("ride-1", Expect::any(), {event("A", "3")}), [&](Result<Appended>) { order.emplace_back("3"); });
  });
  store_->append_async(append_of("ride-1", Expect::any(), {event("A", "2")}), [&](Result<Appended>) { order.emplace_back("2"); });
  ASSERT_TRUE(world_.run_until([&] { return order.size() == 3; }));
  EXPECT_THAT(order, ElementsAre("1", "2", "3"));
  EXPECT_THAT(stream_data("ride-1"), ElementsAre("1", "2", "3"));
}

TEST_F(Append_, ABlockingCallFromACompletionIsRefusedAndDoesNotHang) {
  std::optional<Code> code;
  store_->append_async(append_of("ride-1", Expect::any(), {event("A")}), [&](Result<Appended>) {
    code = store_->append(append_of("ride-1", Expect::any(), {event("B")})).error().code;
  });
  ASSERT_TRUE(world_.run_until([&] { return code.has_value(); }));
  EXPECT_EQ(*code, Code::invalid_argument);
}

TEST_F(Append_, MoreThanThePendingBytesAreRefusedAndLaterAcceptedAgain) {
  options_.pending_bytes_max = 4096;
  reopen();
  int refused = 0;
  int done = 0;
  for (int i = 0; i < 20; ++i) {
    store_->append_async(append_of("ride-1", Expect::any(), {event("A", std::string(1000, 'x'))}), [&](Result<Appended> r) {
      r ? ++done : ++refused;
      if (!r) EXPECT_EQ(r.error().code, Code::resource_exhausted);
    });
  }
  ASSERT_TRUE(world_.run_until([&] { return done + refused == 20; }));
  EXPECT_GT(refused, 0);
  EXPECT_GT(done, 0);
  EXPECT_TRUE(append("ride-1", Expect::any(), {event("A")}));
}

TEST_F(Append_, AContextIsMadeByItsFirstAppendOnlyWhenTheOptionsSaySo) {
  appended("ride-1", {event("A")});
  options_.create = false;
  reopen();
  EXPECT_THAT(store_->append(append_of("x-1", Expect::any(), {event("A")}, "payments")), FailsWith(Code::not_found));
  EXPECT_TRUE(append("ride-1", Expect::any(), {event("A")}));
}

}  // namespace
}  // namespace baton::store::testing
