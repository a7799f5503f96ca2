// The threads that read: nothing waits behind a slow read while a thread is free, and neither queries nor streams take all of them.
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "gateway/read_lanes.h"

namespace baton::gateway {
namespace {

using Lane = ReadLanes::Lane;

class Lanes : public testing::Test {
 protected:
  // A task that runs until release().
  void post_slow(ReadLanes& lanes, Lane lane) {
    const auto begun = std::make_shared<std::promise<void>>();
    ASSERT_TRUE(lanes.post(lane, [this, begun] {
      begun->set_value();
      released_.wait();
    }));
    begun->get_future().wait();
  }
  static void run(ReadLanes& lanes, Lane lane) {
    const auto done = std::make_shared<std::promise<void>>();
    ASSERT_TRUE(lanes.post(lane, [done] { done->set_value(); }));
    done->get_future().wait();
  }
  void release() { release_.set_value(); }

  std::unique_ptr<os::Env> env_ = os::make_posix_env();
  std::promise<void> release_;
  std::shared_future<void> released_ = release_.get_future().share();
};

TEST_F(Lanes, ReadsGoOnBesideSlowQueriesAndStreams) {
  for (const Lane slow : {Lane::queries, Lane::streams}) {
    ReadLanes lanes(*env_, 2, 100);
    post_slow(lanes, slow);
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(lanes.post(slow, [this] { released_.wait(); }));
    for (int i = 0; i < 10; ++i) run(lanes, Lane::reads);
    release();
    lanes.end();
    release_ = {};
    released_ = release_.get_future().share();
  }
}

TEST_F(Lanes, NothingWaitsBehindASlowReadWhileAThreadIsFree) {
  ReadLanes lanes(*env_, 2, 100);
  post_slow(lanes, Lane::reads);
  for (const Lane lane : {Lane::reads, Lane::streams, Lane::queries}) {
    for (int i = 0; i < 5; ++i) run(lanes, lane);
  }
  release();
}

TEST_F(Lanes, WhoWaitsForThousandsOfStreamsLeavesPlacesToReads) {
  ReadLanes lanes(*env_, 1, 10);
  post_slow(lanes, Lane::reads);
  int taken = 0;
  while (lanes.post(Lane::streams, [] {})) ++taken;
  EXPECT_EQ(taken, 5);
  EXPECT_TRUE(lanes.post(Lane::reads, [] {}));
  while (lanes.post(Lane::reads, [] {})) {
  }
  EXPECT_EQ(lanes.waiting(), 10U);
  release();
}

TEST_F(Lanes, AnEndWaitsForWhatHasBegunAndDropsWhatWaits) {
  ReadLanes lanes(*env_, 1, 10);
  post_slow(lanes, Lane::queries);
  const auto held = std::make_shared<int>(0);
  ASSERT_TRUE(lanes.post(Lane::reads, [held] { ++*held; }));
  std::thread end([&] { lanes.end(); });
  while (lanes.post(Lane::reads, [] {})) std::this_thread::yield();
  while (lanes.waiting() > 1) std::this_thread::yield();
  release();
  end.join();
  EXPECT_EQ(*held, 0);
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_FALSE(lanes.post(Lane::reads, [] {}));
}

}  // namespace
}  // namespace baton::gateway
