// A view that is queried by another process while this one writes it.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "view/fake_engine_for_test.h"
#include "view/views.h"

namespace baton::view {
namespace {

constexpr char kView[] = R"(
views:
  counts:
    context: rides
    tables: CREATE TABLE n (k INTEGER PRIMARY KEY, v INTEGER NOT NULL)
    on:
      Counted:
        - INSERT INTO n VALUES (:k, 1) ON CONFLICT (k) DO UPDATE SET v = v + 1
        - INSERT INTO n VALUES (:k + 1000, 1) ON CONFLICT (k) DO UPDATE SET v = v + 1
)";

// What the other process does: looks until it has seen everything. Both halves of the table grow in one transaction, so that they are equal
// at every look, and never shrink.
int look(const std::string& directory, std::int64_t all) {
  const auto env = os::make_posix_env();
  auto views = ViewManager::open(*env, nullptr, directory, {.read_only = true});
  if (!views) return 1;
  std::int64_t before = 0;
  const auto until = env->clock().monotonic_ns() + 60'000'000'000;
  while (env->clock().monotonic_ns() < until) {
    auto result = (*views)->query(
        "counts", "SELECT coalesce(sum(v) FILTER (WHERE k < 1000), 0), coalesce(sum(v) FILTER (WHERE k >= 1000), 0) FROM n");
    if (!result) {
      ::fprintf(stderr, "%s\n", result.error().to_string().c_str());
      return 2;
    }
    const auto low = std::get<std::int64_t>(result->rows[0][0]);
    const auto high = std::get<std::int64_t>(result->rows[0][1]);
    if (low != high) return 3;
    if (low < before) return 4;
    before = low;
    if (low == all) return 0;
  }
  return 5;
}

TEST(OtherProcess, QueriesALiveViewWhileItIsWrittenAndRebuilt) {
  std::string pattern = testing::TempDir() + "baton-other-XXXXXX";
  const std::string directory = ::mkdtemp(pattern.data());
  constexpr std::int64_t kEvents = 60'000;
  const auto env = os::make_posix_env();
  {
    FakeEngine engine(*env);
    ViewOptions options{.batch_events = 100};
    options.tuning.wal_pages_max = 8;  // so that the WAL starts again and again
    auto views = *ViewManager::open(*env, &engine, directory, options);
    ASSERT_TRUE(views->load_text(kView, "v.yaml"));
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) ::_exit(look(directory, kEvents));
    for (std::int64_t i = 0; i < kEvents; ++i) {
      engine.add("Counted", R"({"k":)" + std::to_string(i % 500) + "}");
      if (i % 1000 == 999) ASSERT_TRUE(views->catch_up("counts"));
      if (i == kEvents / 2) {
        ASSERT_TRUE(views->catch_up("counts"));
        auto report = views->rebuild("counts");
        ASSERT_TRUE(report) << report.error().to_string();
        EXPECT_TRUE(report->equal);
      }
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
  }
  (void)os::remove_tree(env->fs(), directory);
}

}  // namespace
}  // namespace baton::view
