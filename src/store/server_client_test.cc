// The client of a server on this machine, against a socket that answers as the test says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <future>
#include <string>
#include <thread>

#include "base/bytes.h"
#include "store/server_client.h"

namespace baton::store {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string answer_text(std::string_view body, int status = 200) {
  return "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body);
}

class ServerClientTest : public testing::Test {
 protected:
  ServerClientTest() {
    char name[] = "/tmp/baton-client-XXXXXX";
    directory_ = ::mkdtemp(name);
    path_ = directory_ + "/socket";
    const auto bound = os::bind_local_socket(path_);
    EXPECT_TRUE(bound.ok());
    listening_ = *bound;
    EXPECT_EQ(::listen(listening_, 8), 0);
    auto client = ServerClient::connect(*env_, path_, 1000);
    EXPECT_TRUE(client.ok());
    client_ = *std::move(client);
    accept();
  }
  ~ServerClientTest() override {
    hang_up();
    client_.reset();
    if (listening_ >= 0) ::close(listening_);
    ::unlink(path_.c_str());
    ::rmdir(directory_.c_str());
  }
  void accept() {
    connection_ = ::accept(listening_, nullptr, nullptr);
    ASSERT_GE(connection_, 0);
  }
  void hang_up() {
    if (connection_ >= 0) ::close(std::exchange(connection_, -1));
  }
  // Up to the end of the next request's head; those of the tests have no body.
  std::string request() {
    std::string out;
    char c = 0;
    while (!out.ends_with("\r\n\r\n") && ::recv(connection_, &c, 1, 0) == 1) out += c;
    return out;
  }
  void say(std::string_view text) { ASSERT_EQ(::send(connection_, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size())); }

  using Answer = std::future<Result<ServerAnswer>>;
  Answer send(const std::string& target, std::string body = {}) {
    const auto promise = std::make_shared<std::promise<Result<ServerAnswer>>>();
    client_->send({"GET", target, std::move(body)}, [promise](Result<ServerAnswer> answer) { promise->set_value(std::move(answer)); });
    return promise->get_future();
  }
  static std::string body_of(Answer& answer) {
    auto result = answer.get();
    return result ? result->body : result.error().to_string();
  }

  std::unique_ptr<os::Env> env_ = os::make_posix_env();
  std::string directory_, path_;
  int listening_ = -1, connection_ = -1;
  std::unique_ptr<ServerClient> client_;
};

TEST_F(ServerClientTest, RequestsGoOutWithoutWaitingAndAnswersComeInTheirOrder) {
  auto first = send("/1"), second = send("/2"), third = send("/3");
  for (const std::string target : {"/1", "/2", "/3"}) EXPECT_THAT(request(), StartsWith("GET " + target + " HTTP/1.1\r\n"));
  say(answer_text("a") + answer_text("", 204) + answer_text("c", 404));
  EXPECT_EQ(body_of(first), "a");
  EXPECT_EQ(second.get()->status, 204);
  const auto last = third.get();
  EXPECT_EQ(last->status, 404);
  EXPECT_EQ(last->body, "c");
}

TEST_F(ServerClientTest, AnAnswerMayComeInAnyPieces) {
  auto first = send("/1"), second = send("/2");
  for (const char c : answer_text("hello") + answer_text("\r\n\r\n")) say(std::string(1, c));
  EXPECT_EQ(body_of(first), "hello");
  EXPECT_EQ(body_of(second), "\r\n\r\n");
}

TEST_F(ServerClientTest, WhatIsUnansweredWhenTheServerGoesIsNotKnownAndTheNextRequestFindsTheNextServer) {
  auto first = send("/1"), second = send("/2");
  (void)request();
  say(answer_text("a"));
  EXPECT_EQ(body_of(first), "a");
  hang_up();
  EXPECT_THAT(body_of(second), HasSubstr("what became of the request is not known"));
  auto third = send("/3");
  accept();
  EXPECT_THAT(request(), StartsWith("GET /3 "));
  say(answer_text("c"));
  EXPECT_EQ(body_of(third), "c");
  hang_up();
  ::close(std::exchange(listening_, -1));
  auto gone = send("/4");
  EXPECT_THAT(body_of(gone), StartsWith("unavailable: "));
}

TEST_F(ServerClientTest, WhatIsNoAnswerEndsTheConnection) {
  for (const std::string wrong : {"HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 2xx X\r\n\r\n", "HTTP/1.1 200 X\r\nContent-Length: 99999999999999999999\r\n\r\n"}) {
    auto answer = send("/1");
    (void)request();
    say(wrong);
    EXPECT_THAT(body_of(answer), HasSubstr("not understood")) << wrong;
    hang_up();
    auto next = send("/2");
    accept();
    (void)request();
    say(answer_text("b"));
    EXPECT_EQ(body_of(next), "b");
  }
}

TEST_F(ServerClientTest, TooMuchThatWaitsIsRefusedAndTheFirstNever) {
  auto large = send("/1", std::string(5000, 'x'));
  auto refused = send("/2");
  EXPECT_THAT(body_of(refused), StartsWith("resource_exhausted: "));
  say(answer_text("a"));
  EXPECT_EQ(body_of(large), "a");
}

TEST_F(ServerClientTest, ACompletionMaySendAndMayNotWait) {
  std::promise<std::string> asked, sent, closed;
  client_->send({"GET", "/1", ""}, [&](const Result<ServerAnswer>&) {
    asked.set_value(client_->ask({"GET", "/2", ""}).error().to_string());
    closed.set_value(client_->close().error().to_string());
    client_->send({"GET", "/3", ""}, [&](const Result<ServerAnswer>& answer) { sent.set_value(answer->body); });
  });
  say(answer_text("a") + answer_text("c"));
  EXPECT_THAT(asked.get_future().get(), StartsWith("invalid_argument: "));
  EXPECT_THAT(closed.get_future().get(), StartsWith("invalid_argument: "));
  EXPECT_EQ(sent.get_future().get(), "c");
}

TEST_F(ServerClientTest, ACloseWaitsForAnswersAndNothingIsTakenAfterIt) {
  auto first = send("/1");
  std::thread close([&] { EXPECT_TRUE(client_->close().ok()); });
  (void)request();
  say(answer_text("a"));
  close.join();
  EXPECT_EQ(body_of(first), "a");
  auto late = send("/2");
  EXPECT_THAT(body_of(late), StartsWith("cancelled: "));
  EXPECT_TRUE(client_->close().ok());
}

TEST_F(ServerClientTest, ACompletionThatSendsAgainWhileTheClientEndsIsRefused) {
  std::promise<std::string> again;
  ServerClient* const client = client_.get();
  client_->send({"GET", "/1", ""}, [&, client](const Result<ServerAnswer>&) {
    client->send({"GET", "/2", ""}, [&](const Result<ServerAnswer>& answer) { again.set_value(answer.error().to_string()); });
  });
  client_.reset();
  EXPECT_THAT(again.get_future().get(), StartsWith("cancelled: "));
}

TEST_F(ServerClientTest, ACompletionThatWouldWaitWhileTheClientEndsIsRefused) {
  // So many that the client's end has come to the thread of the completions before the last one.
  constexpr int kRequests = 10, kTimes = 10'000;
  int refused = 0;
  ServerClient* const client = client_.get();
  for (int i = 0; i < kRequests; ++i) {
    client->send({"GET", "/1", ""}, [&, client](const Result<ServerAnswer>&) {
      for (int j = 0; j < kTimes; ++j) refused += client->ask({"GET", "/2", ""}).error().code == Code::invalid_argument ? 1 : 0;
    });
  }
  client_.reset();
  EXPECT_EQ(refused, kRequests * kTimes);
}

}  // namespace
}  // namespace baton::store
