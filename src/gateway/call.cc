#include "gateway/call.h"

#include <algorithm>

#include "base/try.h"
#include "broker/cloud_event.h"
#include "gateway/problem.h"

namespace baton::gateway {
namespace {

Error bad(std::string text) { return {Code::invalid_argument, std::move(text)}; }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

Result<std::int64_t> parse_etag(std::string_view text) {
  std::int64_t version = -1;
  const bool quoted = text.size() > 2 && text.front() == '"' && text.back() == '"';
  const auto digits = quoted ? text.substr(1, text.size() - 2) : std::string_view();
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), version);
  if (!quoted || error != std::errc() || end != digits.data() + digits.size() || version < 0)
    return bad("If-Match is * or the ETag of a stream, as in \"3\": the version of its last event");
  return version;
}

}  // namespace

Call::~Call() {
  if (respond_) respond(problem(503, "unavailable", "the server is stopping"));
}

void Call::respond(Response response) { std::exchange(respond_, nullptr)(std::move(response)); }

void Call::fail(const Error& error) { respond(problem_of(error)); }

const std::string& Call::in_path(std::string_view name) const {
  static const std::string none;
  const auto found = std::ranges::find(path, name, &std::pair<std::string, std::string>::first);
  return found == path.end() ? none : found->second;
}

std::string_view Call::given(std::string_view name) const {
  std::string_view out;
  for (const auto& [key, value] : query) {
    if (key == name) out = value;
  }
  return out;
}

bool Call::has(std::string_view name) const {
  return std::ranges::find(query, name, &std::pair<std::string, std::string>::first) != query.end();
}

std::vector<std::string> Call::all(std::string_view name) const {
  std::vector<std::string> out;
  for (const auto& [key, value] : query) {
    if (key == name) out.push_back(value);
  }
  return out;
}

Result<std::int64_t> Call::number(std::string_view name, std::int64_t fallback, std::int64_t min, std::int64_t max) const {
  if (!has(name)) return fallback;
  const auto text = given(name);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < min || value > max)
    return bad("parameter '" + std::string(name) + "' is a number from " + std::to_string(min) + " to " + std::to_string(max));
  return value;
}

Result<bool> Call::flag(std::string_view name) const {
  const auto text = given(name);
  if (!has(name) || text == "false") return false;
  if (text == "true" || text.empty()) return true;
  return bad("parameter '" + std::string(name) + "' is true or false");
}

Result<AsOf> Call::as_of() const {
  AsOf out;
  if (has("as_of_position")) out.position = Position{std::string(given("as_of_position"))};
  if (has("as_of_recorded")) {
    BATON_TRY_ASSIGN(out.recorded, Time::parse(given("as_of_recorded")));
  }
  if (has("as_of_time")) {
    BATON_TRY_ASSIGN(out.time, Time::parse(given("as_of_time")));
  }
  return out;
}

Result<Expect> Call::condition() const {
  const auto times = [&](std::string_view name) { return std::ranges::count(request.headers, name, &HeaderField::name); };
  const auto own = times("baton-expected-version"), match = times("if-match"), none = times("if-none-match");
  if (own + match + none + std::ranges::count(query, "expect", &std::pair<std::string, std::string>::first) > 1) return bad("give one of If-Match, If-None-Match, Baton-Expected-Version and ?expect=");
  if (has("expect")) return broker::parse_expected(given("expect"));
  if (own > 0) return broker::parse_expected(request.header("baton-expected-version"));
  if (none > 0) {
    if (request.header("if-none-match") != "*") return bad("If-None-Match is * here: the stream must not exist yet");
    return Expect::no_stream();
  }
  if (match == 0) return Expect::any();
  if (request.header("if-match") == "*") return Expect::exists();
  BATON_TRY_ASSIGN(const auto version, parse_etag(request.header("if-match")));
  return Expect::exact(version);
}

// A list, in one header or several; the comparison is the weak one (RFC 9110, section 13.1.2).
bool Call::has_etag(std::string_view tag) const {
  for (const auto& field : request.headers) {
    if (field.name != "if-none-match") continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const auto end = std::min(rest.find(','), rest.size());
      auto one = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      while (one.starts_with(' ') || one.starts_with('\t')) one.remove_prefix(1);
      while (one.ends_with(' ') || one.ends_with('\t')) one.remove_suffix(1);
      if (one.starts_with("W/")) one.remove_prefix(2);
      if (one == tag || one == "*") return true;
    }
  }
  return false;
}

bool Call::accepts(std::string_view type) const { return request.header("accept").find(type) != std::string_view::npos; }

std::optional<std::string> percent_decoded(std::string_view text, bool plus) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += plus && text[i] == '+' ? ' ' : text[i];
      continue;
    }
    if (i + 2 >= text.size() || hex_digit(text[i + 1]) < 0 || hex_digit(text[i + 2]) < 0) return std::nullopt;
    out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
    i += 2;
  }
  return out;
}

std::optional<Call::Parameters> parse_query(std::string_view query) {
  Call::Parameters out;
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const auto part = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (part.empty()) continue;
    const auto equals = std::min(part.find('='), part.size());
    auto name = percent_decoded(part.substr(0, equals), true);
    auto value = percent_decoded(part.substr(std::min(equals + 1, part.size())), true);
    if (!name || !value) return std::nullopt;
    out.emplace_back(*std::move(name), *std::move(value));
  }
  return out;
}

Response json_response(std::string body, int status) {
  Response response;
  response.status = status;
  response.content_type = "application/json";
  response.body = std::move(body);
  return response;
}

std::string etag(std::int64_t version) { return '"' + std::to_string(version) + '"'; }

}  // namespace baton::gateway
