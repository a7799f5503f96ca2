#include <gtest/gtest.h>

#include <baton/store.h>

namespace baton {
namespace {

NewEvent order(std::string data) {
  return {.type = "OrderPlaced", .data = std::move(data), .id = "o-1", .tenant = "shop", .tags = {"customer:7"}};
}

TEST(SplitByList, MakesAHeadAndOneEventAnElement) {
  const auto events = split_by_list(order(R"({"order":"o-1", "lines":[{"sku":"a","n":1}, {"sku":"b"}], "total":3})"),
                                    {.list_field = "lines", .item_type = "OrderLineAdded", .carry = {"order"}});
  ASSERT_TRUE(events) << events.error().to_string();
  ASSERT_EQ(events->size(), 3u);
  EXPECT_EQ((*events)[0].type, "OrderPlaced");
  EXPECT_EQ((*events)[0].data, R"({"order":"o-1", "total":3})");
  EXPECT_EQ((*events)[0].id, "o-1");
  EXPECT_EQ((*events)[1].type, "OrderLineAdded");
  EXPECT_EQ((*events)[1].data, R"({"order":"o-1","sku":"a","n":1})");
  EXPECT_EQ((*events)[1].id, "o-1/1");
  EXPECT_EQ((*events)[1].correlation_id, "o-1");
  EXPECT_EQ((*events)[2].data, R"({"order":"o-1","sku":"b"})");
  EXPECT_EQ((*events)[2].id, "o-1/2");
  EXPECT_EQ((*events)[2].tenant, "shop");
  EXPECT_EQ((*events)[2].tags, (std::vector<std::string>{"customer:7"}));
}

TEST(SplitByList, NumbersAndTextKeepTheirSpelling) {
  const auto events = split_by_list(
      order(R"({"id":12345678901234567890123, "lines":[ { "price" : 0.10000000000000000001, "e":1E+2, "t":"\u00e4 \"}],\\" } ] })"),
      {.list_field = "lines", .item_type = "L", .carry = {"id"}});
  ASSERT_TRUE(events) << events.error().to_string();
  EXPECT_EQ((*events)[0].data, R"({"id":12345678901234567890123 })");
  EXPECT_EQ((*events)[1].data, R"({"id":12345678901234567890123,"price" : 0.10000000000000000001,"e":1E+2,"t":"\u00e4 \"}],\\"})");
}

TEST(SplitByList, TheListMayBeFirstAloneNestedOrEmpty) {
  const auto head = [](const char* data, const char* list) {
    const auto events = split_by_list(order(data), {.list_field = list, .item_type = "L", .carry = {}});
    return events ? (*events)[0].data + " +" + std::to_string(events->size() - 1) : events.error().detail;
  };
  EXPECT_EQ(head(R"({"l":[{},{}],"a":1})", "l"), R"({"a":1} +2)");
  EXPECT_EQ(head(R"({"l":[{}]})", "l"), "{} +1");
  EXPECT_EQ(head(R"({"a":1,"l":[]})", "l"), R"({"a":1} +0)");
  EXPECT_EQ(head(R"({"o":{"x":[1,{"l":[]}],"l":[{"b":[{}]}]},"l":1})", "o.l"), R"({"o":{"x":[1,{"l":[]}]},"l":1} +1)");
  EXPECT_EQ(head(R"({"\u006C":[{}],"a":1})", "l"), R"({"a":1} +1)");
}

TEST(SplitByList, WithoutAnIdTheItemsGetTheirOwn) {
  NewEvent event = order(R"({"l":[{}]})");
  event.id.clear();
  const auto events = split_by_list(event, {.list_field = "l", .item_type = "L", .carry = {}});
  ASSERT_TRUE(events);
  EXPECT_TRUE((*events)[1].id.empty());
}

TEST(SplitByList, WhatCannotBeSplitIsRefused) {
  const auto refused = [](NewEvent event, SplitBy split, std::string_view part) {
    const auto events = split_by_list(event, split);
    ASSERT_FALSE(events);
    EXPECT_EQ(events.error().code, Code::invalid_argument);
    EXPECT_NE(events.error().detail.find(part), std::string::npos) << events.error().detail;
  };
  const SplitBy by{.list_field = "l", .item_type = "L", .carry = {}};
  refused(order("{"), by, "not JSON");
  refused(order("[]"), by, "not a JSON object");
  refused(order("{}"), by, "no field 'l'");
  refused(order(R"({"l":{}})"), by, "not a list");
  refused(order(R"({"l":[{},3]})"), by, "element 1");
  refused(order(R"({"l":[],"l":[]})"), by, "twice");
  refused(order(R"({"o":1})"), {.list_field = "o.l", .item_type = "L", .carry = {}}, "'o' is not an object");
  refused(order(R"({"l":[]})"), {.list_field = "l", .item_type = "L", .carry = {"id"}}, "'id' to carry");
  refused(order(R"({"id":1,"l":[{"id":2}]})"), {.list_field = "l", .item_type = "L", .carry = {"id"}}, "of its own");
  refused(order(R"({"l":[]})"), {.list_field = "l", .item_type = "", .carry = {}}, "item_type");
  NewEvent binary = order("{}");
  binary.content_type = "application/octet-stream";
  refused(binary, by, "no JSON data");
}

}  // namespace
}  // namespace baton
