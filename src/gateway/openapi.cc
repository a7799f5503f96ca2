// The OpenAPI document, from the table of routes.
#include <algorithm>

#include "gateway/json.h"
#include "gateway/routes.h"

namespace baton::gateway {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

void put_schema(std::string& out, std::string_view type) {
  if (type == "array") out += R"({"type":"array","items":{"type":"string"}})";
  else out += "{\"type\":\"" + std::string(type) + "\"}";
}

void put_parameter(std::string& out, std::string_view name, std::string_view in, std::string_view type, std::string_view what) {
  JsonObject object(out);
  object.text("name", name);
  object.text("in", in);
  if (in == "path") object.boolean("required", true);
  object.text_if("description", what);
  object.key("schema");
  put_schema(out, type);
  if (type == "array") object.boolean("explode", true);
  object.end();
}

void put_parameters(std::string& out, const Route& route) {
  out += '[';
  bool first = true;
  const auto comma = [&] {
    if (!first) out += ',';
    first = false;
  };
  for (auto at = route.path.find('{'); at != std::string_view::npos; at = route.path.find('{', at + 1)) {
    comma();
    put_parameter(out, route.path.substr(at + 1, route.path.find('}', at) - at - 1), "path", "string", "");
  }
  for (const auto& parameter : route.parameters) {
    comma();
    put_parameter(out, parameter.name, parameter.in == Parameter::In::query ? "query" : "header", parameter.type, parameter.what);
  }
  out += ']';
}

void put_content(std::string& out, JsonObject& object, std::string_view media_type) {
  object.key(media_type);
  out += "{}";
}

void put_answers(std::string& out, const Route& route) {
  JsonObject answers(out);
  const auto put = [&](std::string_view status, std::string_view what, std::string_view media_type) {
    answers.key(status);
    JsonObject answer(out);
    answer.text("description", what);
    if (!media_type.empty()) {
      answer.key("content");
      JsonObject content(out);
      put_content(out, content, media_type);
      content.end();
    }
    answer.end();
  };
  for (const auto& [status, what] : route.answers) {
    const bool good = status < 300;
    put(std::to_string(status), what, good ? route.gives : status < 400 ? "" : "application/problem+json");
  }
  if (route.right != Right::open && route.id != "list_contexts" && route.id != "list_views") put("403", "Access control is on, and the client has not the right.", "application/problem+json");
  put("default", "Problem details (RFC 9457): 400 for a request that is wrong, 503 when it cannot be done now.", "application/problem+json");
  answers.end();
}

void put_operation(std::string& out, const Route& route) {
  JsonObject operation(out);
  operation.text("operationId", route.id);
  operation.text("summary", route.what);
  operation.key("tags");
  out += "[\"" + std::string(route.group) + "\"]";
  operation.key("parameters");
  put_parameters(out, route);
  if (!route.takes.empty()) {
    operation.key("requestBody");
    JsonObject body(out);
    body.key("content");
    JsonObject content(out);
    for (const auto type : route.takes) put_content(out, content, type);
    content.end();
    body.end();
  }
  operation.key("responses");
  put_answers(out, route);
  operation.end();
}

std::string make() {
  std::string out;
  JsonObject document(out);
  document.text("openapi", "3.1.0");
  document.key("info");
  out += R"({"title":"Baton","version":"1","description":"Events, streams and views over HTTP."})";
  document.key("paths");
  JsonObject paths(out);
  std::vector<std::string_view> done;
  for (const auto& route : routes()) {
    if (std::ranges::find(done, route.path) != done.end()) continue;
    done.push_back(route.path);
    paths.key(route.path);
    JsonObject path(out);
    for (const auto& other : routes()) {
      if (other.path != route.path) continue;
      path.key(lower(other.method));
      put_operation(out, other);
    }
    path.end();
  }
  paths.end();
  document.end();
  return out;
}

}  // namespace

const std::string& openapi() {
  static const std::string document = make();
  return document;
}

}  // namespace baton::gateway
