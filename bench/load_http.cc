// Conditional appends over Baton's HTTP: POST /contexts/C/append, on a connection that stays open.
#include <charconv>

#include "appends.h"

namespace baton::bench {
namespace {

std::string render_request(const AppendShape& shape) {
  const auto bike = AppendText::digits();
  const auto ride = R"("ride:)" + shape.run + '-' + AppendText::digits() + '"';
  const auto body = R"({"streams":[{"stream":"bike-)" + bike + R"(","events":[{"type":"RideEnded","data":)" +
                    record_value(shape.bytes) + R"(,"tags":["bike:)" + bike + R"(",)" + ride +
                    R"(]}]}],"unless":{"query":[{"tags":[)" + ride + "]}]}}";
  return "POST /contexts/" + shape.context +
         "/append HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

class HttpLink final : public Link {
 public:
  explicit HttpLink(const AppendShape& shape) : Link(shape.port), request_(render_request(shape), shape.run) {}

  void put(std::int64_t n) override {
    sent_ns_ = now_ns();
    out_ += request_.render(n);
  }

 protected:
  std::size_t understand(std::string_view in, std::vector<std::int64_t>& nanoseconds) override {
    static constexpr std::string_view kOk = "HTTP/1.1 200 ";
    static constexpr std::string_view kLength = "\r\nContent-Length: ";
    const auto end = in.find("\r\n\r\n");
    if (end == std::string_view::npos) return 0;
    const auto length_at = in.substr(0, end).find(kLength);
    if (length_at == std::string_view::npos) fail("an answer without a length: " + std::string(in));
    std::size_t length = 0;
    std::from_chars(in.data() + length_at + kLength.size(), in.data() + end, length);
    if (in.size() < end + 4 + length) return 0;
    if (!in.starts_with(kOk)) fail("an append was refused: " + std::string(in));
    nanoseconds.push_back(now_ns() - sent_ns_);
    return in.size();
  }

 private:
  AppendText request_;
  std::int64_t sent_ns_ = 0;
};

}  // namespace

std::unique_ptr<Link> http_link(const AppendShape& shape) { return std::make_unique<HttpLink>(shape); }

}  // namespace baton::bench
