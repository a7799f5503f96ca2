// Call: one request on its way through a handler: what its route has read of it, and how it is answered.
#pragma once

#include <charconv>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <baton/store.h>

#include "gateway/http.h"
#include "os/env.h"

namespace baton::gateway {

struct Route;

// Shared by whoever still works for the answer; answered exactly once. Dropped unanswered, it answers that the server is stopping.
class Call {
 public:
  using Parameters = std::vector<std::pair<std::string, std::string>>;

  Call(Request r, const Route& route, os::Executor& core, std::function<void(Response)> respond)
      : request(std::move(r)), route_(route), core_(core), respond_(std::move(respond)) {}
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  const Request request;
  Parameters path, query;  // decoded; of the query in the order given
  std::int64_t arrived_ns = 0;

  [[nodiscard]] const std::string& in_path(std::string_view name) const;
  // Empty when it is not given; the last one when it is given more than once.
  [[nodiscard]] std::string_view given(std::string_view name) const;
  [[nodiscard]] bool has(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> all(std::string_view name) const;
  // invalid_argument names the parameter.
  [[nodiscard]] Result<std::int64_t> number(std::string_view name, std::int64_t fallback, std::int64_t min, std::int64_t max) const;
  [[nodiscard]] Result<bool> flag(std::string_view name) const;
  // as_of_position, as_of_recorded, as_of_time.
  [[nodiscard]] Result<AsOf> as_of() const;
  // If-Match, If-None-Match and baton-expected-version: what a stream must be for an append.
  [[nodiscard]] Result<Expect> condition() const;
  // If-None-Match of a read: does the client have what has this ETag?
  [[nodiscard]] bool has_etag(std::string_view tag) const;
  // Does the client ask for this media type by name?
  [[nodiscard]] bool accepts(std::string_view type) const;

  [[nodiscard]] const Route& route() const { return route_; }
  [[nodiscard]] os::Executor& core() const { return core_; }
  void respond(Response response);  // any thread
  void fail(const Error& error);

 private:
  const Route& route_;
  os::Executor& core_;
  std::function<void(Response)> respond_;
};
using CallPtr = std::shared_ptr<Call>;

// "%2F" -> "/". Nothing when an escape is broken. With `plus`, "+" is a space (queries).
[[nodiscard]] std::optional<std::string> percent_decoded(std::string_view text, bool plus);
[[nodiscard]] std::optional<Call::Parameters> parse_query(std::string_view query);

[[nodiscard]] Response json_response(std::string body, int status = 200);
// The ETag of a stream: its last event's version (design rule 1).
[[nodiscard]] std::string etag(std::int64_t version);

}  // namespace baton::gateway
