#include "gateway/problem.h"

#include "gateway/json.h"

namespace baton::gateway {

Response problem(int status, std::string_view type, std::string_view detail, std::string_view code) {
  Response response;
  response.status = status;
  response.content_type = "application/problem+json";
  JsonObject out(response.body);
  out.text("type", "/problems/" + std::string(type));
  out.text("title", reason_phrase(status));
  out.number("status", status);
  out.text("detail", detail);
  if (!code.empty()) out.text("code", code);
  out.end();
  if (status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

Response problem_of(const Error& error) {
  std::string type(code_name(error.code));
  for (char& c : type) c = c == '_' ? '-' : c;
  return problem(status_of(error.code), type, error.detail, code_name(error.code));
}

Response forbidden(std::string_view needed) { return problem(403, "forbidden", "this needs the right to " + std::string(needed)); }

int status_of(Code code) {
  switch (code) {
    case Code::invalid_argument: return 400;
    case Code::not_found: return 404;
    case Code::already_exists:
    case Code::condition_failed:
    case Code::duplicate_mismatch:
    case Code::partial_duplicate:
    case Code::fenced:
    case Code::out_of_order: return 409;
    case Code::wrong_version: return 412;
    case Code::position_lost:
    case Code::removed: return 410;
    case Code::too_large: return 413;
    case Code::incompatible: return 422;
    case Code::read_only: return 403;
    case Code::no_space: return 507;
    case Code::timed_out: return 504;
    case Code::cancelled:
    case Code::locked:
    case Code::resource_exhausted:
    case Code::store_failed:
    case Code::unavailable: return 503;
    case Code::io_error:
    case Code::corrupt:
    case Code::unsupported_format:
    case Code::internal: return 500;
  }
  return 500;
}

}  // namespace baton::gateway
