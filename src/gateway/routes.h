// The routes of the HTTP API: one table (routes.cc), from which requests are told apart, their parameters are checked, and the OpenAPI document is made.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/call.h"

namespace baton::gateway {

class Gateway;

struct Parameter {
  enum class In { query, header } in = In::query;
  std::string_view name;
  std::string_view type;  // of JSON Schema: string, integer, boolean; "array": a string that may be repeated
  std::string_view what;
};

// What a client needs for a request of a route (broker/rights.h): on the context in its path, or on the store as a whole. Kafka's rights: a context is a topic.
enum class Right : std::uint8_t {
  open,              // nothing
  handler,           // the handler asks, when it knows about what
  read, write, create, remove, alter_configs, describe,  // on the context
  describe_store, alter_store
};

struct Route {
  std::string_view method;
  std::string_view path;  // "/streams/{context}/{stream}"
  std::string_view id;    // in OpenAPI and in metrics
  std::string_view group;
  std::string_view what;  // one sentence
  std::vector<Parameter> parameters;
  std::vector<std::string_view> takes;  // media types of the body; none: there is no body
  std::vector<std::pair<int, std::string_view>> answers;  // statuses, besides those that every route may give
  std::string_view gives;               // the media type of a good answer
  Right right;
  void (*run)(Gateway& gateway, const CallPtr& call);  // on the core of the connection; does not block
  bool appends = false;  // hands an append to the store before it returns: those of a connection are decided in their order
};

[[nodiscard]] const std::vector<Route>& routes();
// OpenAPI 3.1, as JSON.
[[nodiscard]] const std::string& openapi();

}  // namespace baton::gateway
