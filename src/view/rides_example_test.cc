// The views of examples/1-rides, fed with a few rides that have the oddities of the real ones.
#include <gtest/gtest.h>
#include <stdlib.h>

#include "view/fake_engine_for_test.h"
#include "view/views.h"

namespace baton::view {
namespace {

class RidesExample : public testing::Test {
 protected:
  RidesExample() : env_(os::make_posix_env()), engine_(*env_) {
    std::string pattern = testing::TempDir() + "baton-rides-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    views_ = *ViewManager::open(*env_, &engine_, directory_);
  }
  ~RidesExample() override {
    views_.reset();
    (void)os::remove_tree(env_->fs(), directory_);
  }
  void start(int trip, int bike, int station, const std::string& name, const std::string& city, const std::string& hour,
             const std::string& time) {
    add("RideStarted", trip, city, time,
        R"({"bike":)" + std::to_string(bike) + R"(,"station":)" + std::to_string(station) + R"(,"station_name":")" + name +
            R"(","city":")" + city + R"(","subscription":"Subscriber","zip":null,"local_hour":")" + hour + R"("})");
  }
  void end(int trip, int bike, int station, const std::string& name, const std::string& city, int seconds,
           const std::string& tenant, const std::string& time) {
    add("RideEnded", trip, tenant, time,
        R"({"bike":)" + std::to_string(bike) + R"(,"station":)" + std::to_string(station) + R"(,"station_name":")" + name +
            R"(","city":")" + city + R"(","duration_s":)" + std::to_string(seconds) + "}");
  }
  std::string ask(const std::string& view, std::string_view sql) {
    auto result = views_->query(view, sql);
    if (!result) return result.error().to_string();
    std::string out;
    for (const auto& row : result->rows) {
      for (const auto& value : row) out += to_text(value) + "|";
    }
    return out;
  }

  std::unique_ptr<os::Env> env_;
  FakeEngine engine_;
  std::string directory_;
  std::unique_ptr<ViewManager> views_;

 private:
  void add(const std::string& type, int trip, const std::string& tenant, const std::string& time, std::string data) {
    engine_.add(type, std::move(data), "ride-" + std::to_string(trip), time);
    engine_.at(engine_.size() - 1).tenant = tenant;
  }
};

TEST_F(RidesExample, TheViewsCountWhatHappenedAndWhatIsOdd) {
  auto loaded = views_->load_file(std::string(BATON_SOURCE_DIR) + "/examples/1-rides/views.yaml");
  ASSERT_TRUE(loaded) << loaded.error().to_string();
  start(1, 473, 58, "San Francisco City Hall", "San Francisco", "2014-01-01T00", "2014-01-01T08:14:00Z");
  end(1, 473, 65, "Townsend at 7th", "San Francisco", 435, "San Francisco", "2014-01-01T08:21:00Z");
  start(2, 473, 2, "San Jose Diridon", "San Jose", "2014-01-01T01", "2014-01-01T09:00:00Z");  // a van moved it
  start(3, 473, 2, "San Jose Diridon", "San Jose", "2014-01-01T01", "2014-01-01T09:10:00Z");  // before ride 2 ended
  end(2, 473, 58, "San Francisco City Hall", "San Francisco", 90'000, "San Jose", "2014-01-02T10:00:00Z");
  end(3, 473, 65, "Townsend at 8th", "San Francisco", 60, "San Jose", "2014-01-02T10:01:00Z");  // renamed
  for (const char* view : {"rides_by_hour", "stations", "bikes"}) {
    auto done = views_->catch_up(view);
    ASSERT_TRUE(done) << done.error().to_string();
  }
  EXPECT_EQ(ask("rides_by_hour", "SELECT city, hour, rides, subscribers FROM rides ORDER BY 1, 2"),
            "San Francisco|2014-01-01T00|1|1|San Jose|2014-01-01T01|2|2|");
  EXPECT_EQ(ask("stations", "SELECT id, name, departures, arrivals FROM station ORDER BY id"),
            "2|San Jose Diridon|2|0|58|San Francisco City Hall|1|1|65|Townsend at 8th|0|2|");
  EXPECT_EQ(
      ask("stations", "SELECT s.name FROM station_text t JOIN station s ON s.id = t.rowid WHERE station_text MATCH 'townsend'"),
      "Townsend at 8th|");
  EXPECT_EQ(ask("stations", "SELECT count(*) FROM station_text WHERE station_text MATCH '7th'"), "0|");
  EXPECT_EQ(ask("bikes", "SELECT last_seen, station, at, riding, rides, seconds FROM bike WHERE id = 473"),
            "Townsend at 8th|65|2014-01-02T10:01:00Z|NULL|3|90495|");
  EXPECT_EQ(
      ask("bikes", "SELECT what, rides FROM odd ORDER BY what"),
      "ended in another city|2|longer than a day|1|started before its last ride ended|1|started elsewhere than last seen|1|");
}

}  // namespace
}  // namespace baton::view
