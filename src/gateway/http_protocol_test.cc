// HTTP/1.1 as bytes: what is taken as a request however it comes in pieces, and what is refused (S20, S22).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "gateway/http_protocol.h"

namespace baton::gateway {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

class HttpProtocol : public testing::Test {
 protected:
  void begin() {
    protocol_ = http(handler_, limits_, [](std::string_view, std::string_view) { return net::Turn::free; })(net::ConnectionInfo{.peer = "127.0.0.1:1", .listener = "http", .local = local_});
    refused_ = false;
    out_.clear();
    requests_.clear();
  }

  // Gives the bytes as a connection does; answers of the handler come at once.
  void feed(std::string_view text) {
    auto in = base::as_bytes(text);
    while (!in.empty() && !refused_) {
      auto taken = protocol_->take(in);
      if (taken.reply) put(*taken.reply);
      refused_ = taken.state == net::Protocol::Taken::State::refused;
      if (taken.state == net::Protocol::Taken::State::complete) {
        protocol_->handle([this](net::ReplyResult result) { put(**result); });
      }
    }
  }
  void put(const net::Reply& reply) {
    out_ += base::as_text(reply.head);
    last_ = reply.last;
  }

  HttpLimits limits_;
  bool local_ = false;
  std::vector<Request> requests_;
  HttpHandler handler_ = [this](Request request, const net::ConnectionInfo&, const std::function<void(Response)>& respond) {
    Response response;
    response.content_type = "text/plain";
    response.body = request.method + " " + request.target + " " + request.body;
    requests_.push_back(std::move(request));
    respond(std::move(response));
  };
  std::unique_ptr<net::Protocol> protocol_;
  std::string out_;
  bool refused_ = false;
  bool last_ = false;
};

const std::string kGet = "GET /a?b=c HTTP/1.1\r\nHost: localhost:8081\r\nX-One: 1\r\n\r\n";
const std::string kPost = "POST /p HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n\r\nhello";
const std::string kChunked =
    "POST /c HTTP/1.1\r\nHost: [::1]:8081\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n4\r\ndefg\r\n0\r\nT: v\r\n\r\n";

TEST_F(HttpProtocol, WhatStandsAroundChunksHasALimit) {
  const std::string head = "POST /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
  begin();
  feed(head);
  for (int i = 0; i < 100'000; ++i) feed("1\r\nx\r\n");
  feed("0\r\n\r\n");
  ASSERT_EQ(requests_.size(), 1U) << out_;
  EXPECT_EQ(requests_[0].body.size(), 100'000U);
  begin();
  feed(head);
  const std::string chunk = "1;" + std::string(8'000, 'a') + "\r\nx\r\n";
  for (int i = 0; i < 20 && !refused_; ++i) feed(chunk);
  EXPECT_TRUE(refused_);
  EXPECT_THAT(out_, StartsWith("HTTP/1.1 400 "));
}

TEST_F(HttpProtocol, RequestsAreTheSameHoweverTheyComeInPieces) {
  const std::string all = kGet + kPost + kChunked + kGet;
  for (std::size_t piece = 1; piece <= all.size(); piece += piece < 40 ? 1 : 17) {
    begin();
    for (std::size_t at = 0; at < all.size(); at += piece) feed(std::string_view(all).substr(at, piece));
    ASSERT_EQ(requests_.size(), 4U) << "in pieces of " << piece;
    EXPECT_EQ(requests_[0].method, "GET");
    EXPECT_EQ(requests_[0].target, "/a?b=c");
    EXPECT_EQ(requests_[0].header("x-one"), "1");
    EXPECT_EQ(requests_[1].body, "hello");
    EXPECT_EQ(requests_[2].body, "abcdefg");
    EXPECT_FALSE(refused_);
  }
}

TEST_F(HttpProtocol, TwoPiecesMayMeetAnywhere) {
  const std::string all = kChunked + kPost;
  for (std::size_t cut = 1; cut < all.size(); ++cut) {
    begin();
    feed(std::string_view(all).substr(0, cut));
    feed(std::string_view(all).substr(cut));
    ASSERT_EQ(requests_.size(), 2U) << "cut at " << cut;
    EXPECT_EQ(requests_[0].body + requests_[1].body, "abcdefghello");
  }
}

TEST_F(HttpProtocol, TheResponseSaysHowLongItIs) {
  begin();
  feed(kGet);
  EXPECT_THAT(out_, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(out_, HasSubstr("Content-Length: 11\r\n"));
  EXPECT_THAT(out_, EndsWith("\r\n\r\nGET /a?b=c "));
  EXPECT_FALSE(last_);
}

TEST_F(HttpProtocol, HeadHasTheHeadersOfGetAndNoBody) {
  begin();
  feed("HEAD /x HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(out_, HasSubstr("Content-Length: 8\r\n"));
  EXPECT_THAT(out_, EndsWith("\r\n\r\n"));
}

TEST_F(HttpProtocol, AClientThatWantsToEndIsTheLastToBeAnswered) {
  begin();
  feed("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(last_);
  EXPECT_THAT(out_, HasSubstr("Connection: close\r\n"));
  begin();
  feed("GET / HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(last_);
}

TEST_F(HttpProtocol, AClientThatAsksWhetherToGoOnIsTold) {
  begin();
  feed("POST /p HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(out_, "HTTP/1.1 100 Continue\r\n\r\n");
  feed("ok");
  EXPECT_THAT(out_, EndsWith("POST /p ok"));
}

struct Refused {
  std::string name, bytes, status;
};
class Refusal : public HttpProtocol, public testing::WithParamInterface<Refused> {};

TEST_P(Refusal, IsTheLastAnswerAndNothingBehindItIsARequest) {
  limits_.body_bytes_max = 1000;
  limits_.header_bytes_max = 2000;
  limits_.headers_max = 20;
  limits_.hosts = {"events.example"};
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{100'000}}) {
    begin();
    const std::string all = GetParam().bytes + kGet;
    for (std::size_t at = 0; at < all.size(); at += piece) feed(std::string_view(all).substr(at, piece));
    EXPECT_TRUE(refused_) << piece;
    EXPECT_TRUE(requests_.empty()) << piece;
    EXPECT_THAT(out_, StartsWith("HTTP/1.1 " + GetParam().status + " ")) << piece;
    EXPECT_THAT(out_, HasSubstr("application/problem+json"));
    EXPECT_THAT(out_, HasSubstr("Connection: close"));
    EXPECT_TRUE(last_);
  }
}

std::string many_headers() {
  std::string out = "GET / HTTP/1.1\r\nHost: localhost\r\n";
  for (int i = 0; i < 30; ++i) out += "X-" + std::to_string(i) + ": 1\r\n";
  return out + "\r\n";
}

INSTANTIATE_TEST_SUITE_P(
    Each, Refusal,
    testing::Values(
        Refused{"Garbage", "\x16\x03\x01 hello \r\n\r\n", "400"}, Refused{"NoVersion", "GET /\r\nHost: localhost\r\n\r\n", "400"},
        Refused{"NoHost", "GET / HTTP/1.1\r\n\r\n", "400"}, Refused{"TwoHosts", "GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", "400"},
        Refused{"TwoContentTypes", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", "400"},
        Refused{"LengthAndEncoding", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
        Refused{"EncodingAndLength", "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", "400"},
        Refused{"AnotherEncoding", "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n" + kGet, "400"},
        Refused{"ChunkedInside", "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, identity\r\n\r\n" + kGet, "400"},
        Refused{"TwoCodings", "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "400"},
        Refused{"EncodingTwice", "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
        Refused{"EncodingInHttp10", "POST / HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
        Refused{"TwoLengths", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "400"},
        Refused{"NegativeLength", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", "400"},
        Refused{"HugeLength", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n", "400"},
        Refused{"BodyOverLimit", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001\r\n\r\n", "413"},
        Refused{"ChunksOverLimit", "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n" + std::string(0xfff, 'x') + "\r\n0\r\n\r\n", "413"},
        Refused{"ChunkSizeOverflow", "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\nx", "400"},
        Refused{"HeaderOverLimit", "GET / HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(3000, 'x') + "\r\n\r\n", "431"},
        Refused{"HeaderWithoutEnd", "GET /" + std::string(5000, 'x'), "431"}, Refused{"TooManyHeaders", many_headers(), "431"},
        Refused{"ForeignHost", "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "421"},
        Refused{"AlmostLoopback", "GET / HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n\r\n", "421"},
        Refused{"HostWithMoreThanAPort", "GET / HTTP/1.1\r\nHost: localhost:80@evil.example\r\n\r\n", "421"},
        Refused{"UserInHost", "GET / HTTP/1.1\r\nHost: localhost@evil.example\r\n\r\n", "421"},
        Refused{"BehindAnAddress", "GET / HTTP/1.1\r\nHost: [::1].evil.example\r\n\r\n", "421"},
        Refused{"HalfAnAddress", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", "421"},
        Refused{"TargetOfAnother", "GET http://evil.example/x HTTP/1.1\r\nHost: localhost\r\n\r\n", "421"},
        Refused{"TargetBehindAUser", "GET http://localhost@evil.example/x HTTP/1.1\r\nHost: localhost\r\n\r\n", "421"},
        Refused{"TargetOfAnotherWithoutAPath", "GET http://evil.example?/ HTTP/1.1\r\nHost: localhost\r\n\r\n", "421"},
        Refused{"Fragment", "GET /x?type=T#y HTTP/1.1\r\nHost: localhost\r\n\r\n", "400"},
        Refused{"PageBehindAUser", "POST / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost:1@evil.example\r\nContent-Length: 0\r\n\r\n", "403"},
        Refused{"ForeignPage", "POST / HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\nContent-Length: 0\r\n\r\n", "403"},
        Refused{"HiddenPage", "POST / HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\nContent-Length: 0\r\n\r\n", "403"}),
    [](const auto& info) { return info.param.name; });

TEST_F(HttpProtocol, AHostThatIsConfiguredIsServed) {
  limits_.hosts = {"events.example"};
  begin();
  feed("GET / HTTP/1.1\r\nHost: Events.Example:8081\r\nOrigin: http://events.example:8081\r\n\r\n");
  EXPECT_EQ(requests_.size(), 1U);
}

TEST_F(HttpProtocol, NamesAreComparedAsTheyAreMeant) {
  limits_.hosts = {host_name("Events.Example"), host_name("2001:DB8::5")};
  for (const std::string host : {"events.example.", "EVENTS.EXAMPLE:80", "[2001:db8::5]", "[2001:DB8::5]:8081", "localhost.", "LocalHost:1", "localhost:"}) {
    begin();
    feed("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
    EXPECT_EQ(requests_.size(), 1U) << host;
  }
}

// RFC 9112, section 9.6: nobody learns what became of it.
TEST_F(HttpProtocol, WhatComesBehindTheLastRequestIsNoRequest) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{100'000}}) {
    begin();
    const std::string all = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" + kPost + kGet;
    for (std::size_t at = 0; at < all.size(); at += piece) feed(std::string_view(all).substr(at, piece));
    EXPECT_EQ(requests_.size(), 1U);
    EXPECT_FALSE(refused_);
  }
}

// They have passed none of the checks, and whoever stands between may have passed them on unseen.
TEST_F(HttpProtocol, FieldsBehindTheChunksAreNoHeaders) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{100'000}}) {
    begin();
    const std::string all =
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nIf-Match: *\r\nHost: evil.example\r\n\r\n" + kGet;
    for (std::size_t at = 0; at < all.size(); at += piece) feed(std::string_view(all).substr(at, piece));
    ASSERT_EQ(requests_.size(), 2U);
    EXPECT_EQ(requests_[0].body, "ab");
    EXPECT_FALSE(requests_[0].has("if-match"));
    EXPECT_EQ(requests_[0].header("host"), "localhost");
    EXPECT_EQ(requests_[1].header("x-one"), "1");
  }
}

TEST_F(HttpProtocol, AClientOfHttp10ThatWantsToGoOnIsToldThatItMay) {
  begin();
  feed("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_FALSE(last_);
  EXPECT_THAT(out_, HasSubstr("Connection: keep-alive\r\n"));
}

TEST_F(HttpProtocol, AnyHostIsServedOnTheUnixSocket) {
  local_ = true;
  begin();
  feed("GET / HTTP/1.1\r\nHost: whatever\r\n\r\n");
  EXPECT_EQ(requests_.size(), 1U);
}

}  // namespace
}  // namespace baton::gateway
