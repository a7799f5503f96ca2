// Replies that have no end when they begin (net::Stream), and bytes behind the last request.
#include <gmock/gmock.h>

#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <future>

#include "os/socket.h"
#include "server/network_test_support.h"

namespace baton::server {
namespace {

using testing::Optional;

class Streams : public NetworkTest {};

TEST_F(Streams, PiecesAreSentAsTheyComeAndRequestsBehindThemWaitForTheirEnd) {
  start();
  auto client = connect();
  client.send(Client::framed("e0") + Client::framed("sbegin") + Client::framed("e1") + Client::framed("sagain") + Client::framed("e2"));
  EXPECT_THAT(client.receive(), Optional(std::string("0")));
  EXPECT_THAT(client.receive(), Optional(std::string("begin")));
  for (const std::string piece : {"a", "b", "c"}) {
    protocol_.give(piece);
    EXPECT_THAT(client.receive(), Optional(piece));
  }
  protocol_.wait_until([&] { return protocol_.frames == 5; });
  EXPECT_FALSE(client.readable_within(0));
  protocol_.give("d", true);
  for (const std::string reply : {"d", "1", "again"}) EXPECT_THAT(client.receive(), Optional(reply));
  protocol_.give("", true);
  for (const std::string reply : {"", "2"}) EXPECT_THAT(client.receive(), Optional(reply));
  protocol_.wait_until([&] { return protocol_.streams == 0; });
}

TEST_F(Streams, ThePieceBehindIsAskedForWhenTheClientHasTakenWhatIsBeforeIt) {
  start();
  auto client = connect(4096);
  client.send_frame("sbegin");
  EXPECT_THAT(client.receive(), Optional(std::string("begin")));
  const std::string large(32 << 20, 'x');
  protocol_.give(large);
  // Another client is served meanwhile, on the same core or another.
  auto other = connect();
  other.send_frame("e1");
  EXPECT_THAT(other.receive(), Optional(std::string("1")));
  protocol_.wait_until([&] { return protocol_.asked == nullptr; });
  EXPECT_TRUE(client.receive() == large);
  protocol_.wait_until([&] { return protocol_.asked != nullptr; });
}

TEST_F(Streams, AStreamEndsWithItsClientAndALatePieceIsDropped) {
  start();
  auto client = connect();
  client.send(Client::framed("sbegin") + Client::framed("e1"));
  EXPECT_THAT(client.receive(), Optional(std::string("begin")));
  protocol_.wait_until([&] { return protocol_.asked != nullptr; });
  client.leave();
  wait_for([](const NetworkCounts& c) { return c.connections == 0; });
  protocol_.wait_until([&] { return protocol_.streams == 0; });
  protocol_.give("late");
}

TEST_F(Streams, AClientThatSendsNoMoreHasLeft) {
  start();
  auto client = connect();
  client.send_frame("sbegin");
  EXPECT_THAT(client.receive(), Optional(std::string("begin")));
  protocol_.wait_until([&] { return protocol_.asked != nullptr; });
  client.send_no_more();
  EXPECT_TRUE(client.closed());
}

TEST_F(Streams, AStreamThatIsTheLastReplyClosesTheConnectionAtItsEnd) {
  start();
  auto client = connect();
  client.send(Client::framed("l1") + Client::framed("e2"));
  protocol_.answer("1", protocol_.stream_reply("begin", true));
  EXPECT_THAT(client.receive(), Optional(std::string("begin")));
  protocol_.give("a");
  EXPECT_THAT(client.receive(), Optional(std::string("a")));
  protocol_.give("z", true);
  EXPECT_THAT(client.receive(), Optional(std::string("z")));
  EXPECT_TRUE(client.closed());
}

TEST_F(Streams, AClientThatOnlyListensIsNotIdle) {
  limits_.idle_ms = 20;
  limits_.handshake_ms = 20;
  start();
  auto client = connect();
  client.send_frame("sbegin");
  EXPECT_THAT(client.receive(), Optional(std::string("begin")));
  // One that does nothing is closed meanwhile.
  EXPECT_TRUE(connect().closed());
  protocol_.give("a");
  EXPECT_THAT(client.receive(), Optional(std::string("a")));
}

TEST_F(Streams, AStopEndsAStreamAndAnswersWhatIsBehindIt) {
  start(1);
  auto client = connect();
  client.send(Client::framed("sbegin") + Client::framed("e1"));
  EXPECT_THAT(client.receive(), Optional(std::string("begin")));
  protocol_.wait_until([&] { return protocol_.frames == 2 && protocol_.asked != nullptr; });
  std::thread stop([&] { EXPECT_TRUE(network_->stop(20'000)); });
  EXPECT_THAT(client.receive(), Optional(std::string("1")));
  EXPECT_TRUE(client.closed());
  client.leave();
  stop.join();
}

TEST_F(Streams, AStreamThatWouldBeginDuringAStopEndsAtOnce) {
  start(1);
  auto client = connect(), witness = connect();
  witness.send_frame("e");
  EXPECT_TRUE(witness.receive());
  client.send_frame("l1");
  protocol_.wait_until([&] { return protocol_.held.contains("1"); });
  std::thread stop([&] { EXPECT_TRUE(network_->stop(20'000)); });
  EXPECT_TRUE(witness.closed());  // by the task that drains all of them
  protocol_.answer("1", protocol_.stream_reply("begin"));
  EXPECT_THAT(client.receive(), Optional(std::string("begin")));
  EXPECT_TRUE(client.closed());
  client.leave();
  stop.join();
}

TEST_F(Streams, AProgramBesideTheServerMayBeQuietForAsLongAsItLikes) {
  limits_.idle_ms = limits_.handshake_ms = 20;
  start(1);
  char directory[] = "/tmp/baton-network-XXXXXX";
  ASSERT_NE(::mkdtemp(directory), nullptr);
  const std::string path = std::string(directory) + "/socket";
  ASSERT_TRUE(network_->bind_local("local", path).ok());
  ASSERT_TRUE(network_->listen("local", net::framed(protocol_.factory(), limits_.frame_bytes)).ok());
  const auto local = os::LocalConnection::connect(path).value();
  for (int i = 0; i < 2; ++i) {
    wait_for([](const NetworkCounts& c) { return c.connections == 1; });
    EXPECT_TRUE(connect().closed());  // and one that comes through the net may not
    const auto frame = Client::framed("e" + std::to_string(i));
    ASSERT_TRUE(local->send(base::as_bytes(frame)).ok());
    std::array<std::byte, 5> reply{};
    const auto got = local->receive(reply);
    ASSERT_TRUE(got.ok());
    EXPECT_EQ(*got, reply.size());
    EXPECT_EQ(std::to_integer<char>(reply[4]), static_cast<char>('0' + i));
  }
  ::unlink(path.c_str());
  ::rmdir(directory);
}

// Takes one byte for its only request.
class OneRequest final : public net::Protocol {
 public:
  explicit OneRequest(std::promise<net::ReplyDone>& asked) : asked_(asked) {}
  Taken take(base::ByteView& in) override {
    in = in.subspan(done_ ? in.size() : 1);
    return {.state = done_ ? Taken::State::ignored : Taken::State::complete};
  }
  [[nodiscard]] net::Turn turn() const override { return net::Turn::alone; }
  void handle(net::ReplyDone done) override {
    done_ = true;
    asked_.set_value(std::move(done));
  }

 private:
  std::promise<net::ReplyDone>& asked_;
  bool done_ = false;
};

TEST_F(Streams, WhatComesBehindTheLastRequestCountsForNothing) {
  limits_.frame_ms = 20;
  network_ = std::make_unique<Network>(*env_, logger_, limits_, 1);
  port_ = network_->bind("test", "127.0.0.1", 0).value();
  std::promise<net::ReplyDone> asked;
  ASSERT_TRUE(network_->listen("test", [&](const net::ConnectionInfo&) { return std::make_unique<OneRequest>(asked); }).ok());
  auto client = connect();
  client.send("x" + std::string(1 << 20, 'y'));
  auto done = asked.get_future().get();
  wait_for([](const NetworkCounts& c) { return c.bytes_in == 1 + (1 << 20) && c.frame_bytes == 1; });
  // It is not a request that comes too slowly: others are closed meanwhile, and this one is answered.
  auto reply = TestProtocol::text_reply(Client::framed("end"));
  (*reply)->last = true;
  done(std::move(reply));
  EXPECT_THAT(client.receive(), Optional(std::string("end")));
  EXPECT_TRUE(client.closed());
}

}  // namespace
}  // namespace baton::server
