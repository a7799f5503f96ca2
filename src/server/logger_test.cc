#include "server/logger.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <vector>

namespace baton::server {
namespace {

class StoppedClock : public os::Clock {
 public:
  std::int64_t monotonic_ns() const override { return now_ns; }
  std::int64_t wall_ms() const override { return 1'700'000'000'000; }
  std::int64_t now_ns = 5'000'000'000;
};

class Log : public testing::Test {
 protected:
  Logger make(LogLevel level, LogFormat format) {
    return {clock_, level, format, [this](std::string_view line) { lines_.emplace_back(line); }};
  }
  StoppedClock clock_;
  std::vector<std::string> lines_;
};

TEST_F(Log, ALineOfTextHasTimeLevelMessageAndFields) {
  make(LogLevel::info, LogFormat::text).log(LogLevel::warning, "connection closed", {{"peer", "127.0.0.1:1"}, {"bytes", 17}});
  EXPECT_EQ(lines_, std::vector<std::string>{"2023-11-14T22:13:20.000Z warning connection closed peer=127.0.0.1:1 bytes=17\n"});
}

TEST_F(Log, ALineOfJsonIsAnObjectWhateverItsValuesAre) {
  std::string value = "a\"\\\n\x01\x7f";
  value += "\xff\xc3";
  make(LogLevel::info, LogFormat::json).log(LogLevel::error, "m", {{"value", value}, {"n", -3}});
  const auto object = boost::json::parse(lines_.at(0)).as_object();
  EXPECT_EQ(object.at("level").as_string(), "error");
  EXPECT_EQ(object.at("value").as_string(), "a\"\\\n\x01\x7f??");
  EXPECT_EQ(object.at("n").as_int64(), -3);
}

TEST_F(Log, AClientCannotWriteALineOfItsOwn) {
  make(LogLevel::info, LogFormat::text).log(LogLevel::info, "m", {{"name", "x\n2023 error forged a=b"}});
  EXPECT_EQ(lines_.at(0), "2023-11-14T22:13:20.000Z info m name=\"x\\u000a2023 error forged a=b\"\n");
}

TEST_F(Log, ALongValueIsCut) {
  make(LogLevel::info, LogFormat::text).log(LogLevel::info, "m", {{"name", std::string(100'000, 'x')}});
  EXPECT_LT(lines_.at(0).size(), 1'200u);
}

TEST_F(Log, WhatIsBelowTheLevelIsNotWritten) {
  auto logger = make(LogLevel::warning, LogFormat::text);
  logger.log(LogLevel::info, "m");
  EXPECT_TRUE(lines_.empty());
  EXPECT_FALSE(logger.wants(LogLevel::info));
  logger.log(LogLevel::warning, "m");
  EXPECT_EQ(lines_.size(), 1u);
}

TEST_F(Log, WhatIsLimitedIsWrittenOnceASecondWithACount) {
  auto logger = make(LogLevel::info, LogFormat::json);
  LogLimit limit, other;
  for (int i = 0; i < 100; ++i) logger.limited(limit, LogLevel::warning, "refused");
  logger.limited(other, LogLevel::warning, "of another kind");
  EXPECT_EQ(lines_.size(), 2u);
  clock_.now_ns += 1'000'000'000;
  logger.limited(limit, LogLevel::warning, "refused");
  ASSERT_EQ(lines_.size(), 3u);
  EXPECT_NE(lines_[2].find("\"times\":100}"), std::string::npos) << lines_[2];
}

}  // namespace
}  // namespace baton::server
