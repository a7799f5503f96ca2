// HTTP requests and responses as the gateway's handlers see them: without a socket, without a parser.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/protocol.h"

namespace baton::gateway {

struct HeaderField {
  std::string name;  // lower case
  std::string value;
};

struct Request {
  std::string method;  // "GET"
  std::string target;  // as it came: path and query
  std::vector<HeaderField> headers;
  std::string body;
  std::string host;         // the client's address
  bool local = false;       // through the unix socket
  bool keep_alive = true;
  bool http_1_0 = false;

  // The first header of that name (in lower case); empty when there is none.
  [[nodiscard]] std::string_view header(std::string_view name) const {
    for (const auto& field : headers) {
      if (field.name == name) return field.value;
    }
    return {};
  }
  [[nodiscard]] bool has(std::string_view name) const {
    for (const auto& field : headers) {
      if (field.name == name) return true;
    }
    return false;
  }
};

struct Response {
  int status = 200;
  std::string content_type;  // empty: there is no body
  std::vector<std::pair<std::string_view, std::string>> headers;  // names are constants; values hold no control characters
  std::string body;
  std::unique_ptr<net::Stream> stream;  // instead of a body; ends with the connection, or in chunks (http_protocol.cc)
};

// "Not Found"
[[nodiscard]] std::string_view reason_phrase(int status);

}  // namespace baton::gateway
