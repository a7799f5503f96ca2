// HTTP from bytes that anybody may send: no crash, bounded memory; and however the bytes come in pieces, the same requests come out.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "gateway/call.h"
#include "gateway/event_json.h"
#include "gateway/http_protocol.h"

namespace {

using namespace baton;
using namespace baton::gateway;

struct Outcome {
  std::vector<std::string> requests;
  std::string replies;
  bool refused = false;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome play(base::ByteView bytes, std::size_t piece) {
  Outcome out;
  HttpLimits limits;
  limits.header_bytes_max = 1024;
  limits.body_bytes_max = 2048;
  const HttpHandler handler = [&](Request request, const net::ConnectionInfo&, const std::function<void(Response)>& respond) {
    std::string text = request.method + ' ' + request.target + ' ' + request.body;
    for (const auto& field : request.headers) text += '\n' + field.name + ':' + field.value;
    out.requests.push_back(std::move(text));
    const auto question = request.target.find('?');
    if (question != std::string::npos) (void)parse_query(std::string_view(request.target).substr(question + 1));
    (void)percent_decoded(request.target, false);
    if (const auto mode = mode_of(request); mode != EventMode::none) (void)read_events(request, mode);
    (void)read_append(request.body, "c");
    respond({});
  };
  const auto protocol = http(handler, limits, [](std::string_view, std::string_view) { return net::Turn::free; })(net::ConnectionInfo{});
  for (std::size_t at = 0; at < bytes.size() && !out.refused; at += piece) {
    auto in = bytes.subspan(at, std::min(piece, bytes.size() - at));
    while (!in.empty() && !out.refused) {
      auto taken = protocol->take(in);
      // A word before the end of a request depends on where the pieces meet.
      if (taken.state == net::Protocol::Taken::State::refused) {
        out.refused = true;
        BATON_CHECK(taken.reply && taken.reply->last, "a refusal is told");
      }
      if (taken.state == net::Protocol::Taken::State::complete) {
        protocol->handle([&](net::ReplyResult result) { out.replies += base::as_text((*result)->head); });
      }
    }
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto bytes = std::as_bytes(std::span(data, size));
  const std::size_t piece = 1 + std::to_integer<std::size_t>(bytes[0]) % 32;
  // What cannot be a request is refused at once when its line comes whole, and else at the end of its header: so there is an end.
  base::Bytes rest(bytes.begin() + 1, bytes.end());
  base::put_bytes(rest, base::as_bytes(std::string_view("\r\n\r\n")));
  const auto whole = play(rest, rest.size() + 1);
  const auto in_pieces = play(rest, piece);
  BATON_CHECK(whole == in_pieces, "the pieces in which bytes come change nothing");
  return 0;
}
