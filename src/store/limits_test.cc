#include "store/limits.h"

#include <gtest/gtest.h>

#include "log/batch.h"

namespace baton::store {
namespace {

Append append_of(NewEvent event) {
  Append append{.context = "rides"};
  append.streams.push_back({.stream = "ride-1", .condition = {}, .events = {{.type = "Fine"}, std::move(event)}});
  return append;
}

// The error of an append whose second event is `event`; internal when there is none.
Error refusal(NewEvent event, const ContextOptions& options = {}) {
  const auto checked = check_append(append_of(std::move(event)), options, log::kEventBatchBytesMax);
  return checked ? Error{Code::internal, "accepted"} : checked.error();
}

TEST(Limits, Utf8IsWellFormedOrRefused) {
  for (const auto* good : {"", "a", "ride-139545 and more", "Straße", "注文", "🎼", "\xED\x9F\xBF", "\xF4\x8F\xBF\xBF", "\xEF\xBF\xBF", "01234567ß"}) {
    EXPECT_TRUE(valid_utf8(good)) << good;
  }
  for (const auto* bad : {"\x80", "\xC0\x80", "\xC1\xBF", "\xC3", "\xE0\x80\x80", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xE2\x82", "\xF0\x8F\xBF\xBF",
                          "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "01234567\xC3", "\xC3(", "0123456\xC3"}) {
    EXPECT_FALSE(valid_utf8(bad));
  }
  EXPECT_TRUE(valid_utf8(std::string_view("a\0b", 3)));
}

TEST(Limits, ContextNames) {
  for (const auto* good : {"a", "rides", "r2-d2_x"}) EXPECT_TRUE(check_context_name(good)) << good;
  EXPECT_TRUE(check_context_name(std::string(63, 'a')));
  for (const auto& bad : {std::string(), std::string("Rides"), std::string("2rides"), std::string("-a"), std::string("a.b"), std::string("ä"),
                          std::string("a/b"), std::string(64, 'a')}) {
    const auto checked = check_context_name(bad);
    ASSERT_FALSE(checked) << bad;
    EXPECT_EQ(checked.error().code, Code::invalid_argument);
  }
}

TEST(Limits, StreamNamesHave1To255BytesOfUtf8) {
  EXPECT_TRUE(check_stream_name(std::string(255, 's')));
  EXPECT_TRUE(check_stream_name("注文-1"));
  EXPECT_EQ(check_stream_name("").error().code, Code::invalid_argument);
  EXPECT_EQ(check_stream_name(std::string(256, 's')).error().code, Code::too_large);
  EXPECT_EQ(check_stream_name("a\xFF").error().code, Code::invalid_argument);
}

TEST(Limits, Tags) {
  EXPECT_TRUE(check_tag("bike:7"));
  EXPECT_TRUE(check_tag("url:http://x"));
  EXPECT_TRUE(check_tag("n:" + std::string(126, 'x')));
  for (const auto* bad : {"", "bike", ":7", "bike:", ":", "a:\xFF"}) EXPECT_EQ(check_tag(bad).error().code, Code::invalid_argument) << bad;
  EXPECT_EQ(check_tag("n:" + std::string(127, 'x')).error().code, Code::too_large);
}

TEST(Limits, AnErrorNamesStreamEventFieldRuleAndSetting) {
  const Error error = refusal({.type = "A", .data = std::string(1025, 'x')});
  EXPECT_EQ(error.code, Code::too_large);
  for (const auto* part : {"'ride-1'", "event 1", "1025", "1024", "data_bytes_max", "split_by_list"}) {
    EXPECT_NE(error.detail.find(part), std::string::npos) << part << " is not in: " << error.detail;
  }
  EXPECT_EQ(refusal({.type = "A", .data = std::string(1025, 'x')}, {.data_bytes_max = 2000}).detail, "accepted");
}

TEST(Limits, EveryFieldOfAnEventIsChecked) {
  const std::string long_text(256, 'x');
  EXPECT_EQ(refusal({.type = "A"}).detail, "accepted");
  EXPECT_EQ(refusal({.type = ""}).code, Code::invalid_argument);
  EXPECT_EQ(refusal({.type = long_text}).code, Code::too_large);
  EXPECT_EQ(refusal({.type = "baton.stream.deleted"}).code, Code::invalid_argument);
  EXPECT_EQ(refusal({.type = "A", .id = long_text}).code, Code::too_large);
  EXPECT_EQ(refusal({.type = "A", .source = long_text}).code, Code::too_large);
  EXPECT_EQ(refusal({.type = "A", .content_type = long_text}).code, Code::too_large);
  EXPECT_EQ(refusal({.type = "A", .tenant = long_text}).code, Code::too_large);
  EXPECT_EQ(refusal({.type = "A", .correlation_id = long_text}).code, Code::too_large);
  EXPECT_EQ(refusal({.type = "A", .causation_id = long_text}).code, Code::too_large);
  EXPECT_EQ(refusal({.type = "A", .traceparent = long_text}).code, Code::too_large);
  EXPECT_EQ(refusal({.type = "A", .subject = long_text}).code, Code::too_large);
  EXPECT_EQ(refusal({.type = "A", .id = "\xFF"}).code, Code::invalid_argument);
  EXPECT_EQ(refusal({.type = "A", .data = "x", .has_data = false}).code, Code::invalid_argument);
  EXPECT_EQ(refusal({.type = "A", .tags = std::vector<std::string>(16, "a:1")}).detail, "accepted");
  EXPECT_EQ(refusal({.type = "A", .tags = std::vector<std::string>(17, "a:1")}).code, Code::invalid_argument);
  EXPECT_EQ(refusal({.type = "A", .tags = {"a"}}).code, Code::invalid_argument);
  EXPECT_EQ(refusal({.type = "A", .headers = std::vector<Header>(64, {"h", "v"})}).detail, "accepted");
  EXPECT_EQ(refusal({.type = "A", .headers = std::vector<Header>(65, {"h", "v"})}).code, Code::invalid_argument);
  EXPECT_EQ(refusal({.type = "A", .headers = {{"h", std::string(4096, 'v')}}}).code, Code::too_large);
  for (const auto* name : {"ce_id", "ce_anything", "baton-key-id", "baton-version", "content-type", "", "\xFF"}) {
    EXPECT_EQ(refusal({.type = "A", .headers = {{name, "v"}}}).code, Code::invalid_argument) << name;
  }
  EXPECT_EQ(refusal({.type = "A", .headers = {{"h", "\xFF\x00"}}}).detail, "accepted");  // values are bytes
}

TEST(Limits, TheShapeOfAnAppend) {
  const ContextOptions options;
  const auto code = [&](const Append& append) {
    const auto checked = check_append(append, options, log::kEventBatchBytesMax);
    return checked ? Code::internal : checked.error().code;
  };
  Append append = append_of({.type = "A"});
  EXPECT_EQ(code(append), Code::internal);
  EXPECT_EQ(code({.context = "rides"}), Code::invalid_argument);
  Append changed = append;
  changed.context = "Rides";
  EXPECT_EQ(code(changed), Code::invalid_argument);
  changed = append;
  changed.streams[0].events.clear();
  EXPECT_EQ(code(changed), Code::invalid_argument);
  changed = append;
  changed.streams[0].condition = Expect::exact(-1);
  EXPECT_EQ(code(changed), Code::invalid_argument);
  changed = append;
  changed.tenant = std::string(256, 't');
  EXPECT_EQ(code(changed), Code::too_large);
  changed = append;
  changed.streams[0].events.assign(2000, {.type = "A", .data = std::string(600, 'x')});
  EXPECT_EQ(code(changed), Code::too_large);
  EXPECT_TRUE(check_batch_bytes(1u << 20, log::kEventBatchBytesMax));
  EXPECT_EQ(check_batch_bytes((1u << 20) + 1, log::kEventBatchBytesMax).error().code, Code::too_large);
}

TEST(Limits, AQueryConditionNamesTypesOrTagsAndNeedsOnePartition) {
  Append append = append_of({.type = "A"});
  append.unless = Unless{.query = {.items = {{.types = {"A"}}, {.tags = {"a:1"}}}}, .after = {}};
  EXPECT_TRUE(check_append(append, {}, log::kEventBatchBytesMax));
  EXPECT_NE(check_append(append, {.partitions = 2}, log::kEventBatchBytesMax).error().detail.find("one partition"), std::string::npos);
  append.unless->query.items.push_back({});
  EXPECT_NE(check_append(append, {}, log::kEventBatchBytesMax).error().detail.find("item 2"), std::string::npos);
  EXPECT_FALSE(check_query({}));
  EXPECT_FALSE(check_query({std::vector<QueryItem>(17, {.types = {"A"}})}));
  EXPECT_FALSE(check_query({{{.types = std::vector<std::string>(17, "A")}}}));
  EXPECT_FALSE(check_query({{{.tags = std::vector<std::string>(17, "a:1")}}}));
  EXPECT_FALSE(check_query({{{.tags = {"a"}}}}));
}

TEST(Limits, OptionsFiltersAndAsOf) {
  EXPECT_TRUE(check_context_options({}));
  EXPECT_FALSE(check_context_options({.partitions = 0}));
  EXPECT_FALSE(check_context_options({.partitioner = "md5"}));
  EXPECT_FALSE(check_context_options({.data_bytes_max = 0}));
  EXPECT_FALSE(check_context_options({.history_deletable = true, .retention_ms = -1}));
  EXPECT_TRUE(check_context_options({.history_deletable = true, .retention_ms = 1, .retention_bytes = 1}));
  EXPECT_FALSE(check_context_options({.retention_ms = 1}));
  EXPECT_FALSE(check_context_options({.retention_bytes = 1}));
  EXPECT_TRUE(check_filter({.types = {"A"}, .tags = {"a:1"}, .category = "ride", .tenant = "t", .stream_prefix = "ride-"}));
  EXPECT_FALSE(check_filter({.tags = {"a"}}));
  EXPECT_FALSE(check_filter({.tenant = "\xFF"}));
  EXPECT_TRUE(check_as_of({.position = Position{}}));
  EXPECT_FALSE(check_as_of({.position = Position{}, .time = Time{}}));
  EXPECT_EQ(category_of("ride-139545"), "ride");
  EXPECT_EQ(category_of("ride"), "ride");
  EXPECT_EQ(category_of("-x"), "");
}

}  // namespace
}  // namespace baton::store
