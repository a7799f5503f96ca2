// The table of routes, and what is made of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <set>

#include "gateway/gateway.h"
#include "gateway/metrics.h"
#include "gateway/routes.h"

namespace baton::gateway {
namespace {

using testing::HasSubstr;

TEST(Routes, EachHasANameOfItsOwnAndSaysWhatItGives) {
  std::set<std::string_view> ids;
  for (const auto& route : routes()) {
    EXPECT_TRUE(ids.insert(route.id).second) << route.id;
    EXPECT_TRUE(route.path.starts_with('/')) << route.id;
    EXPECT_TRUE(route.what.ends_with('.')) << route.id;
    EXPECT_FALSE(route.answers.empty()) << route.id;
    for (const auto& parameter : route.parameters) EXPECT_TRUE(parameter.what.ends_with('.')) << route.id << " " << parameter.name;
  }
}

// RFC 9112, section 9.3.2. Appends are decided in the order in which they come, so that a client may have several on their way.
TEST(Routes, WhatARequestMayBeginBeside) {
  using net::Turn;
  const auto turn = [](std::string_view method, std::string_view target) { return Gateway::turn(method, target); };
  for (const std::string_view append : {"/streams/c/s", "/streams/c/s?type=A&id=1", "http://localhost:8081/streams/c/s", "/contexts/c/events", "/contexts/c/append"}) {
    EXPECT_EQ(turn("POST", append), Turn::append) << append;
  }
  for (const std::string_view other : {"/streams/c/s/truncate", "/retention", "/clock", "/nothing", "", "*", "?"}) EXPECT_EQ(turn("POST", other), Turn::alone) << other;
  for (const std::string_view method : {"PUT", "PATCH", "DELETE", "get"}) EXPECT_EQ(turn(method, "/streams/c/s"), Turn::alone) << method;
  for (const std::string_view method : {"GET", "HEAD", "OPTIONS"}) EXPECT_EQ(turn(method, "/contexts/c/events"), Turn::read) << method;
  for (const auto& route : routes()) {
    if (route.method != "GET") EXPECT_NE(turn(route.method, route.path), Turn::read) << route.id;
  }
}

TEST(Routes, TheOpenApiDocumentHasAllOfThem) {
  const auto document = boost::json::parse(openapi());
  EXPECT_EQ(document.at("openapi").as_string(), "3.1.0");
  std::size_t operations = 0;
  for (const auto& [path, methods] : document.at("paths").as_object()) operations += methods.as_object().size();
  EXPECT_EQ(operations, routes().size());
  for (const auto& route : routes()) {
    std::string method(route.method);
    for (char& c : method) c = static_cast<char>(c | 0x20);
    const auto& operation = document.at("paths").at(boost::json::string_view(route.path.data(), route.path.size())).at(method);
    EXPECT_EQ(operation.at("operationId").as_string(), boost::json::string_view(route.id.data(), route.id.size()));
    std::size_t in_path = 0;
    for (const auto& parameter : operation.at("parameters").as_array()) in_path += parameter.at("in").as_string() == "path" ? 1 : 0;
    EXPECT_EQ(in_path, static_cast<std::size_t>(std::count(route.path.begin(), route.path.end(), '{')));
  }
}

TEST(Metrics, LabelsAreEscapedAndBucketsAddUp) {
  MetricsText out;
  out.begin("a_total", MetricsText::Kind::counter, "Help.");
  out.sample(3, {{"name", "x\"\\\ny"}});
  Histogram histogram;
  histogram.add(50'000);
  histogram.add(2'000'000'000);
  out.begin("b_seconds", MetricsText::Kind::histogram, "Help.");
  out.samples(histogram, "route", "r");
  const auto text = out.take();
  EXPECT_THAT(text, HasSubstr("# TYPE a_total counter\na_total{name=\"x\\\"\\\\\\ny\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("b_seconds_bucket{route=\"r\",le=\"0.0001\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("b_seconds_bucket{route=\"r\",le=\"1\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("b_seconds_bucket{route=\"r\",le=\"+Inf\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("b_seconds_count{route=\"r\"} 2\n"));
}

}  // namespace
}  // namespace baton::gateway
