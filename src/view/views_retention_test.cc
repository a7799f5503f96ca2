// Views of a context of which a retention removes events.
#include <gtest/gtest.h>
#include <stdlib.h>

#include "view/fake_engine_for_test.h"
#include "view/views.h"

namespace baton::view {
namespace {

constexpr char kSum[] = R"(
views:
  sum:
    context: rides
    tables: CREATE TABLE sum (one INTEGER PRIMARY KEY, n INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL) STRICT
    on:
      A: INSERT INTO sum VALUES (1, 1, :v, :v) ON CONFLICT (one) DO UPDATE SET n = n + 1, last = :v
    keep: {every: 10, copies: 20}
)";

class ViewsRetention : public testing::Test {
 protected:
  ViewsRetention() : env_(os::make_posix_env()), engine_(*env_) {
    std::string pattern = testing::TempDir() + "baton-view-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    auto opened = ViewManager::open(*env_, &engine_, directory_, {.batch_events = 7, .on_warning = [this](const std::string& text) {
      const std::lock_guard guard(mutex_);
      warnings_ += text + "\n";
    }});
    EXPECT_TRUE(opened);
    manager_ = *std::move(opened);
  }
  ~ViewsRetention() override {
    manager_.reset();
    (void)os::remove_tree(env_->fs(), directory_);
  }
  void load() { ASSERT_TRUE(manager_->load_text(kSum, "views.yaml")); }
  void add(int to) {
    for (; added_ < to; ++added_) engine_.add("A", "{\"v\":" + std::to_string(added_) + "}");
  }
  static std::string text(const Result<QueryResult>& result) {
    if (!result) return std::string(code_name(result.error().code));
    if (result->rows.empty()) return "nothing";
    std::string out;
    for (const auto& value : result->rows.front()) out += (out.empty() ? "" : " ") + to_text(value);
    return out;
  }
  std::string now() { return text(manager_->query("sum", "SELECT n, first, last FROM sum")); }
  // After the first n events.
  std::string then(std::size_t n) { return text(manager_->query_as_of("sum", "SELECT n, first, last FROM sum", {.position = FakeEngine::position(n)})); }
  void wait_for_state(ViewInfo::State state) {
    const auto end = env_->clock().monotonic_ns() + 20'000'000'000;
    while (manager_->info("sum")->state != state && env_->clock().monotonic_ns() < end) (void)env_->make_waiter()->wait(1'000'000);
    EXPECT_EQ(manager_->info("sum")->state, state);
  }

  std::unique_ptr<os::Env> env_;
  FakeEngine engine_;
  std::string directory_;
  std::unique_ptr<ViewManager> manager_;
  int added_ = 0;
  std::mutex mutex_;
  std::string warnings_;
};

TEST_F(ViewsRetention, AViewThatHasAppliedWhatIsRemovedGoesOnAndItsCopiesTellThePast) {
  load();
  add(95);
  ASSERT_EQ(manager_->catch_up("sum").value(), 95);
  engine_.remove_before(50);
  add(100);
  EXPECT_EQ(manager_->catch_up("sum").value(), 5);
  EXPECT_EQ(now(), "100 0 99");
  EXPECT_EQ(then(97), "97 0 96");
  EXPECT_EQ(then(60), "60 0 59");   // from the copy at 56: with batches of 7
  EXPECT_EQ(then(42), "42 0 41");   // a copy stands there
  EXPECT_EQ(then(45), "removed");
  EXPECT_EQ(then(3), "removed");
  EXPECT_EQ(text(manager_->query_as_of("sum", "SELECT n, first, last FROM sum", {.recorded = Time{(1'700'000'000'000 + 30 * 1000) * 1'000'000LL}})), "removed");
}

TEST_F(ViewsRetention, AViewThatHasNotAppliedWhatIsRemovedStopsAndARebuildBeginsWithWhatIsLeft) {
  load();
  add(20);
  ASSERT_EQ(manager_->catch_up("sum").value(), 20);
  add(100);
  engine_.remove_before(40);
  const auto behind = manager_->catch_up("sum");
  ASSERT_FALSE(behind);
  EXPECT_EQ(behind.error().code, Code::removed);
  EXPECT_NE(behind.error().detail.find("removed up to 20 events"), std::string::npos) << behind.error().detail;
  EXPECT_EQ(now(), "20 0 19");
  EXPECT_EQ(manager_->info("sum")->state, ViewInfo::State::stopped);
  ASSERT_TRUE(manager_->rebuild("sum"));
  EXPECT_EQ(now(), "60 40 99");
  EXPECT_EQ(then(41), "1 40 40");
  EXPECT_EQ(then(40), "nothing");
  EXPECT_EQ(then(39), "removed");
  // The retention goes on; what the generation has of it stays.
  engine_.remove_before(70);
  EXPECT_EQ(then(90), "50 40 89");
  EXPECT_EQ(then(41), "removed");
  add(110);
  EXPECT_EQ(manager_->catch_up("sum").value(), 10);
  EXPECT_EQ(now(), "70 40 109");
}

TEST_F(ViewsRetention, AViewThatReadsEventsWhileTheyAreRemovedHasThem) {
  load();
  add(50);
  engine_.remove_while_read(7);  // a batch
  EXPECT_EQ(manager_->catch_up("sum").value(), 50);
  EXPECT_EQ(now(), "50 0 49");
  add(100);
  engine_.remove_while_read(60);
  const auto behind = manager_->catch_up("sum");
  ASSERT_FALSE(behind);
  EXPECT_NE(behind.error().detail.find("removed up to 3 events"), std::string::npos) << behind.error().detail;
  EXPECT_EQ(now(), "57 0 56");
}

TEST_F(ViewsRetention, ALiveViewStopsInsteadOfPassingOverWhatWasRemoved) {
  load();
  add(20);
  ASSERT_TRUE(manager_->start("sum"));
  const auto end = env_->clock().monotonic_ns() + 20'000'000'000;
  while (now() != "20 0 19" && env_->clock().monotonic_ns() < end) (void)env_->make_waiter()->wait(1'000'000);
  manager_->stop("sum");
  add(60);
  engine_.remove_before(30);
  ASSERT_TRUE(manager_->start("sum"));
  const auto warned = [&] {
    const std::lock_guard guard(mutex_);
    return warnings_.find("view rebuild sum") != std::string::npos;
  };
  while (!warned() && env_->clock().monotonic_ns() < end + 20'000'000'000) (void)env_->make_waiter()->wait(1'000'000);
  EXPECT_TRUE(warned());
  EXPECT_EQ(now(), "20 0 19");
  EXPECT_EQ(manager_->info("sum")->state, ViewInfo::State::stopped);
  manager_->stop("sum");
  ASSERT_TRUE(manager_->rebuild("sum"));
  ASSERT_TRUE(manager_->start("sum"));
  wait_for_state(ViewInfo::State::live);
  EXPECT_EQ(now(), "30 30 59");
}

TEST_F(ViewsRetention, AViewThatIsStartedLateBeginsWithWhatIsLeft) {
  add(50);
  engine_.remove_before(30);
  load();
  ASSERT_TRUE(manager_->start("sum"));
  const auto end = env_->clock().monotonic_ns() + 20'000'000'000;
  while (now() != "20 30 49" && env_->clock().monotonic_ns() < end) (void)env_->make_waiter()->wait(1'000'000);
  EXPECT_EQ(now(), "20 30 49");
  EXPECT_EQ(then(35), "5 30 34");
  EXPECT_EQ(then(20), "removed");
}

}  // namespace
}  // namespace baton::view
