#include "cli/time_zone.h"

#include <gtest/gtest.h>

#include <baton/event.h>

namespace baton::cli {
namespace {

absl::TimeZone zone(const char* name) {
  auto out = load_time_zone(name);
  EXPECT_TRUE(out) << out.error().detail;
  return *out;
}

// What a text is in Los Angeles, or why it is nothing.
std::string read(std::string_view text, std::string_view format = "iso", Fold fold = Fold::earlier, Gap gap = Gap::reject) {
  const auto parsed = TimeFormat::parse(format);
  if (!parsed) return parsed.error().detail;
  const auto out = read_time(text, *parsed, zone("America/Los_Angeles"), fold, gap);
  return (out.problem != nullptr ? std::string(out.problem) : Time{out.ns}.to_string()) + (out.fold ? " fold" : "") + (out.gap ? " gap" : "");
}

TEST(LocalTime, IsReadInItsZone) {
  EXPECT_EQ(read("2014-01-01T00:14:00"), "2014-01-01T08:14:00Z");
  EXPECT_EQ(read("2014-07-01 00:14"), "2014-07-01T07:14:00Z");
  EXPECT_EQ(read("2014-01-01"), "2014-01-01T08:00:00Z");
  EXPECT_EQ(read("2014-01-01T00:14:00.123456789"), "2014-01-01T08:14:00.123456789Z");
  EXPECT_EQ(read("1883-11-18T00:00:00"), "1883-11-18T07:52:58Z");  // local mean time
}

TEST(LocalTime, AnOffsetWinsOverTheZone) {
  EXPECT_EQ(read("2014-01-01T00:14:00Z"), "2014-01-01T00:14:00Z");
  EXPECT_EQ(read("2014-01-01T00:14:00.5+01:30"), "2013-12-31T22:44:00.500Z");
  EXPECT_EQ(read("2014-01-01T00:14:00-0800"), "2014-01-01T08:14:00Z");
  EXPECT_EQ(read("2014-01-01 00:14:00 -08"), "2014-01-01T08:14:00Z");
}

TEST(LocalTime, ThatHappensTwiceIsReadAsTheMapSays) {
  EXPECT_EQ(read("2014-11-02T01:30:00"), "2014-11-02T08:30:00Z fold");
  EXPECT_EQ(read("2014-11-02T01:30:00", "iso", Fold::later), "2014-11-02T09:30:00Z fold");
  EXPECT_EQ(read("2014-11-02T01:30:00", "iso", Fold::reject), "a local time that happens twice fold");
  EXPECT_EQ(read("2014-11-02T00:59:59"), "2014-11-02T07:59:59Z");
  EXPECT_EQ(read("2014-11-02T02:00:00"), "2014-11-02T10:00:00Z");
  EXPECT_EQ(read("2014-11-02T01:30:00-08:00"), "2014-11-02T09:30:00Z");
}

TEST(LocalTime, ThatNeverHappensIsReadAsTheMapSays) {
  EXPECT_EQ(read("2014-03-09T02:30:00"), "a local time that never happens gap");
  EXPECT_EQ(read("2014-03-09T02:30:00", "iso", Fold::earlier, Gap::shift), "2014-03-09T10:30:00Z gap");  // 03:30 -07:00
  EXPECT_EQ(read("2014-03-09T03:00:00"), "2014-03-09T10:00:00Z");
}

TEST(LocalTime, OtherTextIsNoTime) {
  for (const char* wrong : {"", "2014", "2014-1-1", "2014-02-29", "2014-13-01", "2014-01-01T", "2014-01-01T24:00", "2014-01-01T00:60", "2014-01-01T00:00:60", "2014-01-01T00:00:00.",
                            "2014-01-01T00:00:00.1234567890", "2014-01-01T00:00:00 ", "2014-01-01T00:00:00+1", "2014-01-01T00:00:00+24:00", "x014-01-01"})
    EXPECT_EQ(read(wrong), "not a time") << wrong;
  EXPECT_EQ(read("1677-01-01"), "a time before 1677-09-22 or after 2262-04-10");
  EXPECT_EQ(read("9999-01-01T00:00:00Z"), "a time before 1677-09-22 or after 2262-04-10");
}

TEST(TimeFormat, ReadsOtherFormats) {
  EXPECT_EQ(read("1388535240", "unix"), "2014-01-01T00:14:00Z");
  EXPECT_EQ(read("-1", "unix_ms"), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(read("99999999999999999", "unix"), "a time before 1677-09-22 or after 2262-04-10");
  EXPECT_EQ(read("1.5", "unix"), "not a time");
  EXPECT_EQ(read("01/02/2014 00:14", "%d/%m/%Y %H:%M"), "2014-02-01T08:14:00Z");
  EXPECT_EQ(read("1/31/14 12:05 AM", "%m/%d/%y %I:%M %p"), "2014-01-31T08:05:00Z");
  EXPECT_EQ(read("2014-11-02 01:30", "%Y-%m-%d %H:%M", Fold::later), "2014-11-02T09:30:00Z fold");
  EXPECT_EQ(read("2014-01-01 00:14:00 +0100", "%F %T %z"), "2013-12-31T23:14:00Z");
  EXPECT_EQ(read("infinite-future", "%F"), "not a time");
  EXPECT_EQ(read("31/31/2014", "%d/%m/%Y"), "not a time");
}

TEST(TimeFormat, RefusesWhatIsNoFormat) {
  EXPECT_NE(read("x", "date").find("iso, unix, unix_ms"), std::string::npos);
  EXPECT_NE(read("x", "%Q").find("'%Q' is no conversion"), std::string::npos);
  EXPECT_NE(read("x", "%Y-%").find("'%' is no conversion"), std::string::npos);
  // What would be read as another time than it says.
  EXPECT_NE(read("2024-060", "%Y-%j").find("%j"), std::string::npos);
  EXPECT_NE(read("2024-01-01 03:15 PM", "%Y-%m-%d %H:%M %p").find("goes with %I"), std::string::npos);
  EXPECT_NE(read("2024-01-01 03:15", "%Y-%m-%d %I:%M").find("needs %p"), std::string::npos);
  EXPECT_NE(read("03:15", "%H:%M").find("needs a year"), std::string::npos);
  EXPECT_NE(read("2024 15", "%Y %d").find("needs its month"), std::string::npos);
  EXPECT_EQ(read("2024-02 +0000", "%E4Y-%m %z"), "2024-02-01T00:00:00Z");
  EXPECT_TRUE(TimeFormat::parse_rendering("%j %p"));
  EXPECT_FALSE(TimeFormat::parse_rendering(""));
  EXPECT_FALSE(TimeFormat::parse_rendering("%c"));
  EXPECT_FALSE(TimeFormat::parse_rendering(std::string(101, 'x')));
}

TEST(TimeFormat, RendersInAZone) {
  const auto show = [](std::string_view time, const char* format, const char* name) {
    std::string out;
    put_local_time(out, Time::parse(time)->ns, *TimeFormat::parse_rendering(format), zone(name));
    return out;
  };
  EXPECT_EQ(show("2014-01-01T08:14:00Z", "%Y-%m-%dT%H", "America/Los_Angeles"), "2014-01-01T00");
  EXPECT_EQ(show("2014-11-02T09:30:00Z", "%H:%M %Ez", "America/Los_Angeles"), "01:30 -08:00");
  EXPECT_EQ(show("2014-01-01T08:14:00.123456Z", "%a %d %b %E3S 100%%", "UTC"), "Wed 01 Jan 00.123 100%");
}

TEST(TimeZone, IsANameAndNeverAPath) {
  for (const char* wrong : {"", "America/Los_Angelos", "/etc/localtime", "../../../etc/passwd", "localtime", "UTC\n"}) EXPECT_FALSE(load_time_zone(wrong)) << wrong;
  EXPECT_TRUE(load_time_zone("UTC"));
  EXPECT_TRUE(load_time_zone("Etc/GMT+8"));
}

}  // namespace
}  // namespace baton::cli
