#include "gateway/http_protocol.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/http/parser.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "gateway/event_pages.h"
#include "gateway/problem.h"

namespace baton::gateway {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using State = net::Protocol::Taken::State;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

// A body that grows with the bytes that have come. Beast's own takes as much memory as a request announces (F45).
struct GrowingBody {
  using value_type = std::string;
  class reader {
   public:
    template <bool kRequest, class Fields>
    reader(http::header<kRequest, Fields>& /*header*/, value_type& body) : body_(body) {}
    void init(const boost::optional<std::uint64_t>& /*length*/, boost::system::error_code& error) { error = {}; }
    template <class Buffers>
    std::size_t put(const Buffers& buffers, boost::system::error_code& error) {
      error = {};
      const auto before = body_.size();
      for (const auto buffer : beast::buffers_range_ref(buffers)) body_.append(static_cast<const char*>(buffer.data()), buffer.size());
      return body_.size() - before;
    }
    void finish(boost::system::error_code& error) { error = {}; }

   private:
    value_type& body_;
  };
};
using Parser = http::request_parser<GrowingBody>;

// What may stand around a body's chunks: a chunk of one byte has five around it, and those who send trailers or extensions have few.
constexpr std::size_t kFramingBytes = 64u << 10;
constexpr std::size_t kFramingTimes = 16;

// "example.com:8081" -> "example.com"; "[::1]:8081" -> "[::1]". Empty when it is neither a name nor one with a port.
std::string_view without_port(std::string_view host) {
  const auto end = host.starts_with('[') ? host.find(']') + 1 : std::min(host.find(':'), host.size());
  const auto rest = host.substr(end);
  if (!rest.empty() && (rest.front() != ':' || !std::ranges::all_of(rest.substr(1), [](char c) { return c >= '0' && c <= '9'; }))) return {};
  return host.substr(0, end);
}

bool is_loopback(std::string_view host) {
  if (host == "localhost" || host == "[::1]") return true;
  // 127.0.0.0/8, and nothing that only begins like it.
  return host.starts_with("127.") && std::ranges::count(host, '.') == 3 &&
         std::ranges::all_of(host, [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
}

// The rest of a response that comes in pieces: chunked (RFC 9112, section 7.1).
class Chunked final : public net::Stream {
 public:
  explicit Chunked(std::unique_ptr<net::Stream> inner) : inner_(std::move(inner)) {}
  void next(std::function<void(Piece)> give) override {
    inner_->next([give = std::move(give)](Piece piece) {
      Piece out{.bytes = {}, .last = piece.last};
      if (!piece.bytes.empty()) {
        base::put_bytes(out.bytes, base::as_bytes(fmt::format("{:x}\r\n", piece.bytes.size())));
        base::put_bytes(out.bytes, piece.bytes);
        base::put_bytes(out.bytes, base::as_bytes(std::string_view("\r\n")));
      }
      if (piece.last) base::put_bytes(out.bytes, base::as_bytes(std::string_view("0\r\n\r\n")));
      give(std::move(out));
    });
  }

 private:
  std::unique_ptr<net::Stream> inner_;
};

struct Form {
  bool head = false;        // no body goes out
  bool keep_alive = true;
  bool chunks = true;       // the client knows them
  bool http_1_0 = false;    // it takes the connection for ended unless it is told
};

net::Reply encode(Response response, const Form& form) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", response.status, reason_phrase(response.status));
  if (!response.content_type.empty()) head += fmt::format("Content-Type: {}\r\n", response.content_type);
  for (const auto& [name, value] : response.headers) head += fmt::format("{}: {}\r\n", name, value);
  net::Reply reply;
  if (response.stream) {
    if (form.chunks) head += "Transfer-Encoding: chunked\r\n";
  } else if (response.status != 204 && response.status != 304) {
    head += fmt::format("Content-Length: {}\r\n", response.body.size());
  }
  reply.last = !form.keep_alive || (response.stream && !form.chunks);
  if (reply.last) head += "Connection: close\r\n";
  else if (form.http_1_0) head += "Connection: keep-alive\r\n";
  head += "\r\n";
  reply.head.reserve(head.size() + response.body.size());
  base::put_bytes(reply.head, base::as_bytes(head));
  if (form.head) return reply;
  if (response.stream) {
    reply.stream = form.chunks ? std::make_unique<Chunked>(std::move(response.stream)) : std::move(response.stream);
  } else {
    base::put_bytes(reply.head, base::as_bytes(response.body));
  }
  return reply;
}

class Http final : public net::Protocol {
 public:
  Http(const HttpHandler& handler, const HttpLimits& limits, HttpTurn turn, net::ConnectionInfo info)
      : handler_(handler), limits_(limits), turn_(turn), info_(std::move(info)) {}

  Taken take(base::ByteView& in) override {
    if (ended_) {
      in = {};
      return {.state = State::ignored};
    }
    if (!parser_) begin();
    bool header_was_there = parser_->is_header_done();
    const std::size_t before = in.size();
    while (!in.empty() && !parser_->is_done()) {
      if (auto refused = put(in)) return *std::move(refused);
      if (!header_was_there && parser_->is_header_done()) {
        header_was_there = true;
        if (auto refused = check_header()) return *std::move(refused);
      }
    }
    came_ += before - in.size();
    if (came_ > limits_.header_bytes_max + kFramingBytes + kFramingTimes * parser_->get().body().size()) {
      return refuse(400, "the chunks of a body have more around them than in them", "the lines of the chunks are much longer than the chunks");
    }
    if (parser_->is_done()) return {.state = State::complete};
    if (header_was_there && !continued_ && expects_continue()) {
      continued_ = true;
      net::Reply go_on;
      base::put_bytes(go_on.head, base::as_bytes(std::string_view("HTTP/1.1 100 Continue\r\n\r\n")));
      return {.state = State::more, .reply = std::move(go_on)};
    }
    return {};
  }

  // A read may make a page, or the rows of a query; anything else tells what was done.
  [[nodiscard]] std::uint64_t expected_reply_bytes() const override {
    const auto& message = parser_->get();
    if (message.method() != http::verb::get) return 0;
    return message.target().starts_with("/views") ? kQueryBytes : kPageBytes;
  }

  [[nodiscard]] net::Turn turn() const override {
    const auto& message = parser_->get();
    return turn_(std::string_view(message.method_string()), std::string_view(message.target()));
  }

  void handle(net::ReplyDone done) override {
    Request request = make_request(parser_->release());
    parser_.reset();
    ended_ = !request.keep_alive;
    const Form form{.head = request.method == "HEAD", .keep_alive = request.keep_alive, .chunks = !request.http_1_0, .http_1_0 = request.http_1_0};
    handler_(std::move(request), info_, [done = std::move(done), form](Response response) {
      done(std::optional(encode(std::move(response), form)));
    });
  }

 private:
  void begin() {
    parser_.emplace();
    parser_->eager(false);  // the header is looked at before anything behind it is taken
    parser_->header_limit(limits_.header_bytes_max);
    parser_->body_limit(limits_.body_bytes_max);
    continued_ = false;
    came_ = 0;
    held_.clear();
    headers_.clear();
  }

  // Gives the parser what has come. It wants the header, and each chunk's line, in one piece: what it leaves of them is kept until there is more.
  std::optional<Taken> put(base::ByteView& in) {
    boost::system::error_code error;
    if (held_.empty()) {
      const auto used = parser_->put(boost::asio::const_buffer(in.data(), in.size()), error);
      in = in.subspan(used);
      if (error == http::error::need_more) {
        held_.append(base::as_text(in));
        in = {};
        return std::nullopt;
      }
    } else {
      const auto before = held_.size();
      held_.append(base::as_text(in));
      const auto used = parser_->put(boost::asio::const_buffer(held_.data(), held_.size()), error);
      if (error == http::error::need_more) {
        held_.erase(0, used);
        in = {};
        if (held_.size() > limits_.header_bytes_max) error = http::error::header_limit;
        else return std::nullopt;
      } else if (!error) {
        // It goes one step at a time, and what it had before was no whole step: what it has not used is of what came now.
        in = used >= before ? in.subspan(used - before) : base::ByteView();
        if (used >= before) held_.clear();
        else held_.erase(0, used);
      }
    }
    if (!error) return std::nullopt;
    return refuse(error);
  }

  static Taken refuse(const boost::system::error_code& error) {
    if (error == http::error::body_limit) return refuse(413, "a body is over http.body_bytes", "the body is larger than http.body_bytes allows");
    if (error == http::error::header_limit) {
      return refuse(431, "a header is over http.header_bytes", "request line and headers are larger than http.header_bytes allows");
    }
    return refuse(400, "what came is not HTTP/1.1", "not a request of HTTP/1.1: " + error.message());
  }

  static Taken refuse(int status, std::string_view reason, const std::string& detail) {
    const Code code = status == 413 ? Code::too_large : Code::invalid_argument;
    Response response = problem(status, "malformed-request", detail, status == 421 || status == 403 ? "" : code_name(code));
    return {.state = State::refused, .reply = encode(std::move(response), {.keep_alive = false}), .reason = reason};
  }

  std::optional<Taken> check_header() {
    const auto& message = parser_->get();
    std::size_t hosts = 0, encodings = 0, types = 0;
    bool length = false;
    for (const auto& field : message) {
      headers_.push_back({lower(std::string_view(field.name_string())), std::string(field.value())});
      hosts += field.name() == http::field::host ? 1 : 0;
      encodings += field.name() == http::field::transfer_encoding ? 1 : 0;
      types += field.name() == http::field::content_type ? 1 : 0;
      length = length || field.name() == http::field::content_length;
    }
    if (headers_.size() > limits_.headers_max) {
      return refuse(431, "a request has too many headers", fmt::format("more than {} headers", limits_.headers_max));
    }
    if (length && encodings > 0) {
      return refuse(400, "a request has both Content-Length and Transfer-Encoding", "Content-Length and Transfer-Encoding exclude one another");
    }
    // Of any other coding Beast would take no body, and its bytes for the next request.
    if (encodings > 1 || (encodings == 1 && (message.version() < 11 || lower(std::string_view(message[http::field::transfer_encoding])) != "chunked"))) {
      return refuse(400, "a request has a Transfer-Encoding that is not taken", "the only Transfer-Encoding is chunked, in HTTP/1.1");
    }
    if (std::string_view(message.target()).find('#') != std::string_view::npos) {
      return refuse(400, "a request's target has a fragment", "a target has no '#': a fragment is the client's own; in a name it is written %23");
    }
    if (types > 1) return refuse(400, "a request has several Content-Types", "a request has one Content-Type at most");
    if (hosts > 1 || (hosts == 0 && message.version() >= 11)) return refuse(400, "a request has no Host, or several", "a request has exactly one Host");
    if (info_.local) return std::nullopt;
    if (hosts == 1 && !is_ours(std::string_view(message[http::field::host]))) {
      return refuse(421, "a request asks for another host",
                    "this server does not go by the name in Host; if it should, add it to http.hosts");
    }
    // The name in a target that is a whole address counts more than that in Host (RFC 9112, section 3.2.2).
    const std::string_view target(message.target());
    if (const auto scheme = target.find("://"); !target.starts_with('/') && scheme != std::string_view::npos) {
      const std::string_view rest = target.substr(scheme + 3);
      if (!is_ours(rest.substr(0, rest.find_first_of("/?#")))) {
        return refuse(421, "a request asks for another host", "this server does not go by the name in the request's target; if it should, add it to http.hosts");
      }
    }
    // A browser says which page a request comes from; other clients do not (S22).
    const std::string_view origin(message[http::field::origin]);
    const auto scheme = origin.find("://");  // not in "null", which stands for pages that hide where they are from
    if (!origin.empty() && (scheme == std::string_view::npos || !is_ours(origin.substr(scheme + 3)))) {
      return refuse(403, "a request comes from a foreign page", "the page in Origin is not of this server; if it may use it, add its host to http.hosts");
    }
    return std::nullopt;
  }

  // With or without a port.
  [[nodiscard]] bool is_ours(std::string_view text) const {
    const std::string host = host_name(without_port(text));
    return is_loopback(host) || std::ranges::find(limits_.hosts, host) != limits_.hosts.end();
  }

  [[nodiscard]] bool expects_continue() const {
    return lower(std::string_view(parser_->get()[http::field::expect])) == "100-continue";
  }

  [[nodiscard]] Request make_request(http::request<GrowingBody> message) {
    Request request;
    request.method = std::string(message.method_string());
    request.target = std::string(message.target());
    request.local = info_.local;
    request.host = info_.host();
    request.http_1_0 = message.version() < 11;
    request.keep_alive = message.keep_alive();
    // Not of the message: that has what came behind the chunks, too, which nobody has checked.
    request.headers = std::exchange(headers_, {});
    request.body = std::move(message.body());
    return request;
  }

  const HttpHandler& handler_;
  const HttpLimits& limits_;
  const HttpTurn turn_;
  const net::ConnectionInfo info_;
  std::optional<Parser> parser_;  // while a request comes: a connection that waits has none
  std::string held_;              // what came and the parser wants more of
  std::vector<HeaderField> headers_;  // once they are there
  std::size_t came_ = 0;              // of the request
  bool continued_ = false;
  bool ended_ = false;            // a request was the client's last
};

}  // namespace

std::string host_name(std::string_view text) {
  std::string out = lower(text);
  if (out.ends_with('.')) out.pop_back();
  if (out.find(':') != std::string::npos && !out.starts_with('[')) out = '[' + out + ']';
  return out;
}

net::ProtocolFactory http(const HttpHandler& handler, const HttpLimits& limits, HttpTurn turn) {
  return [&handler, &limits, turn](const net::ConnectionInfo& info) { return std::make_unique<Http>(handler, limits, turn, info); };
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 507: return "Insufficient Storage";
    default: return "Unknown";
  }
}

}  // namespace baton::gateway
