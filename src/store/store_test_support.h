// What the tests of the store share: a store on the simulated machine, and short ways to say what is appended and read.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include <baton/store.h>

#include "os/sim_env.h"
#include "store/store_impl.h"

namespace baton::store::testing {

inline Options small_options() {
  Options options;
  options.segment_bytes = 1u << 20;
  options.journal_bytes = 1u << 20;
  options.index_table_entries = 256;
  return options;
}

inline NewEvent event(std::string type, std::string data = "{}", std::string id = {}, std::vector<std::string> tags = {}) {
  NewEvent out;
  out.type = std::move(type);
  out.data = std::move(data);
  out.id = std::move(id);
  out.tags = std::move(tags);
  return out;
}

inline Append append_of(std::string stream, Expect condition, std::vector<NewEvent> events, std::string context = "rides") {
  Append append;
  append.context = std::move(context);
  append.streams.push_back({.stream = std::move(stream), .condition = condition, .events = std::move(events)});
  return append;
}

inline std::vector<std::string> data_of(const std::vector<Event>& events) {
  std::vector<std::string> out;
  for (const Event& e : events) out.push_back(e.data);
  return out;
}

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() { start(); }
  ~StoreTest() override {
    store_ = nullptr;
    env_ = nullptr;
  }

  void start() {
    env_ = std::make_unique<os::SimEnv>(world_);
    auto opened = open_store(*env_, "/data", options_);
    ASSERT_TRUE(opened) << opened.error().to_string();
    store_ = *std::move(opened);
  }
  void reopen() {
    const Status closed = store_->close();
    ASSERT_TRUE(closed) << closed.error().to_string();
    store_ = nullptr;
    env_ = nullptr;
    start();
  }
  // Without a close; what was acknowledged is there again.
  void kill_and_reopen() {
    env_->kill();
    store_ = nullptr;
    env_ = nullptr;
    start();
  }

  Result<Appended> append(std::string stream, Expect condition, std::vector<NewEvent> events) {
    return store_->append(append_of(std::move(stream), condition, std::move(events)));
  }
  // Must succeed.
  Appended appended(std::string stream, std::vector<NewEvent> events, Expect condition = Expect::any()) {
    auto done = append(std::move(stream), condition, std::move(events));
    EXPECT_TRUE(done) << done.error().to_string();
    return done ? *std::move(done) : Appended{};
  }
  std::vector<std::string> stream_data(std::string stream) {
    auto page = store_->read_stream({.context = "rides", .stream = std::move(stream)});
    EXPECT_TRUE(page) << page.error().to_string();
    return page ? data_of(page->events) : std::vector<std::string>{};
  }
  ContextPage read(ReadContext request = {}) {
    request.context = "rides";
    auto page = store_->read_context(request);
    EXPECT_TRUE(page) << page.error().to_string();
    return page ? *std::move(page) : ContextPage{};
  }

  os::SimWorld world_{os::SimOptions{.seed = 1}};
  Options options_ = small_options();
  std::unique_ptr<os::SimEnv> env_;
  std::unique_ptr<Store> store_;
};

MATCHER_P(FailsWith, code, "") {
  if (arg.ok()) {
    *result_listener << "succeeded";
    return false;
  }
  *result_listener << arg.error().to_string();
  return arg.error().code == code;
}

}  // namespace baton::store::testing
