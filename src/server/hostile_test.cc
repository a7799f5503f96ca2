// What clients do that are broken, slow, greedy or hostile: F44, F45, S15, S17, S18.
#include <gmock/gmock.h>

#include <algorithm>

#include "server/network_test_support.h"

namespace baton::server {
namespace {

using testing::Optional;
using Hostile = NetworkTest;

TEST_F(Hostile, ALengthThatCannotBeClosesTheConnection) {
  limits_.frame_bytes = 1 << 20;
  start();
  std::uint64_t n = 0;
  for (const std::uint32_t length : {0xffffffffu, 0x80000000u, 0x7fffffffu, (1u << 20) + 1}) {
    auto client = connect();
    client.send(Client::framed("e1") + Client::length(length) + "e");
    EXPECT_THAT(client.receive(), Optional(std::string("1"))) << length;
    EXPECT_TRUE(client.closed()) << length;
    wait_for([&](const NetworkCounts& c) { return c.closed_malformed == n + 1; });
    ++n;
  }
  wait_for([&](const NetworkCounts& c) { return c.connections == 0; });
  auto client = connect();
  std::string largest(1 << 20, 'x');
  largest[0] = 'e';
  client.send_frame(largest);
  EXPECT_THAT(client.receive(), Optional(largest.substr(1)));
  EXPECT_TRUE(logged("reason=\"a request's length is negative or over limits.frame_bytes\" bytes=4294967295"));
  wait_for([&](const NetworkCounts& c) { return c.connections == 1 && c.frame_bytes == 0; });
}

TEST_F(Hostile, MemoryGrowsWithTheBytesThatCameNotWithTheLengthThatWasAnnounced) {
  limits_.frame_bytes = 1u << 30;
  limits_.total_frame_bytes = 4ull << 30;
  start();
  std::vector<Client> clients;
  const auto before = anonymous_memory();
  for (int i = 0; i < 200; ++i) {
    clients.push_back(connect());
    clients.back().send(Client::length(1u << 30) + "only this");
  }
  wait_for([&](const NetworkCounts& c) { return c.frame_bytes == 200 * 13; });
  EXPECT_LT(anonymous_memory(), before + (16u << 20));
  clients.clear();
  wait_for([&](const NetworkCounts& c) { return c.connections == 0 && c.frame_bytes == 0; });
}

TEST_F(Hostile, ATruncatedFrameIsForgotten) {
  start();
  for (const std::size_t cut : {1, 3, 4, 5, 9}) {
    auto client = connect();
    client.send(Client::framed("ehello").substr(0, cut));
    client.send_no_more();
    EXPECT_TRUE(client.closed()) << cut;
  }
  wait_for([&](const NetworkCounts& c) { return c.accepted == 5 && c.connections == 0 && c.frame_bytes == 0; });
  EXPECT_EQ(protocol_.frames, 0u);
}

// F44
TEST_F(Hostile, AFrameThatComesByteByByteIsClosedAtTheTimeLimit) {
  limits_.frame_ms = 200;
  start();
  auto client = connect();
  client.send_frame("e");
  EXPECT_TRUE(client.receive());
  client.send(Client::length(1'000));
  bool open = true;
  while (open && !client.readable_within(20)) open = client.try_send("x");
  EXPECT_TRUE(client.closed());
  EXPECT_EQ(counts().closed_slow_sender, 1u);
}

// F44, S17
TEST_F(Hostile, AClientThatTakesNoRepliesIsClosedAndWhatItAskedForIsNotAllMade) {
  limits_.slow_reader_ms = 300;
  limits_.reply_bytes = 1 << 20;
  start();
  auto client = connect(4096);
  for (int i = 0; i < 1'000; ++i) client.send(Client::framed("b" + Client::length(1 << 20)));
  wait_for([](const NetworkCounts& c) { return c.closed_slow_reader == 1 && c.connections == 0; });
  // What the kernel takes for the socket, a few MiB, and one or two more.
  EXPECT_LT(counts().requests, 20u);
  EXPECT_GE(counts().requests, 1u);
}

TEST_F(Hostile, AConnectionOnWhichNothingHappensIsClosed) {
  limits_.idle_ms = 100;
  start();
  auto idle = connect(), waiting = connect();
  waiting.send_frame("l1");
  protocol_.wait_until([&] { return protocol_.open == 1; });
  idle.send_frame("e");
  EXPECT_TRUE(idle.receive());
  EXPECT_TRUE(idle.closed());
  EXPECT_EQ(counts().closed_idle, 1u);
  // A request in flight is something that happens.
  protocol_.answer("1");
  EXPECT_THAT(waiting.receive(), Optional(std::string("1")));
  EXPECT_TRUE(waiting.closed());
  EXPECT_EQ(counts().closed_idle, 2u);
}

TEST_F(Hostile, AConnectionOnWhichNoRequestComesIsClosedSooner) {
  limits_.handshake_ms = 100;
  start();
  auto silent = connect(), slow = connect(), greeted = connect();
  greeted.send_frame("e");
  EXPECT_TRUE(greeted.receive());
  slow.send(Client::length(10) + "123");
  EXPECT_TRUE(silent.closed());
  EXPECT_TRUE(slow.closed());
  EXPECT_EQ(counts().closed_handshake, 2u);
  EXPECT_FALSE(greeted.readable_within(0));
}

// S18
TEST_F(Hostile, AnAddressHasSoManyConnectionsAndNoMore) {
  limits_.connections_per_address = 3;
  start();
  std::vector<Client> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(connect());
  wait_for([](const NetworkCounts& c) { return c.connections == 3; });
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(connect().closed());
  EXPECT_EQ(counts().refused_address, 50u);
  clients.pop_back();
  wait_for([](const NetworkCounts& c) { return c.connections == 2; });
  auto next = connect();
  next.send_frame("e1");
  EXPECT_THAT(next.receive(), Optional(std::string("1")));
  // Once a second at most.
  const std::lock_guard guard(log_mutex_);
  const auto lines = std::ranges::count_if(log_, [](const std::string& line) { return line.contains("connection refused"); });
  EXPECT_GE(lines, 1);
  EXPECT_LT(lines, 10);
}

TEST_F(Hostile, ThereAreSoManyConnectionsInAllAndNoMore) {
  limits_.connections = 2;
  start();
  auto one = connect(), two = connect();
  wait_for([](const NetworkCounts& c) { return c.connections == 2; });
  EXPECT_TRUE(connect().closed());
  EXPECT_EQ(counts().refused_total, 1u);
  EXPECT_TRUE(logged("reason=limits.connections\n"));
  one.leave();
  wait_for([](const NetworkCounts& c) { return c.connections == 1; });
  auto three = connect();
  three.send_frame("e1");
  EXPECT_THAT(three.receive(), Optional(std::string("1")));
}

TEST_F(Hostile, ConnectionsThatComeTooFastWaitAndAreServedLater) {
  limits_.connections_per_second = 20;
  start();
  const auto begun = env_->clock().monotonic_ns();
  std::vector<Client> clients;
  for (int i = 0; i < 30; ++i) {
    clients.push_back(connect());
    clients.back().send_frame("e1");
  }
  for (auto& client : clients) EXPECT_THAT(client.receive(), Optional(std::string("1")));
  EXPECT_GE(counts().delayed, 1u);
  // 20 at once, 10 at 20 a second.
  EXPECT_GE(env_->clock().monotonic_ns() - begun, 400'000'000);
  // Neither accepted in a loop nor asked for too often: no more pauses than there is time for.
  EXPECT_LT(counts().delayed, 60u);
}

// S15
TEST_F(Hostile, WhenAllBytesAreInFlightConnectionsWaitAndGoOnLater) {
  limits_.frame_bytes = 1 << 20;
  limits_.total_frame_bytes = 1 << 20;
  start();
  auto greedy = connect();
  // Exactly all of them, with the lengths.
  const auto with = [](const std::string& what, std::size_t bytes) {
    return Client::framed(what + std::string(bytes - what.size(), '.'));
  };
  greedy.send(with("lA1", 600'000) + with("lA2", (1 << 20) - 600'008));
  protocol_.wait_until([&] { return protocol_.open == 2; });
  std::vector<Client> others;
  for (int i = 0; i < 5; ++i) {
    others.push_back(connect());
    others.back().send_frame("e" + std::to_string(i));
  }
  wait_for([](const NetworkCounts& c) { return c.waiting_for_budget == 5; });
  EXPECT_EQ(protocol_.frames, 2u);
  const auto name = protocol_.held.begin()->first;
  protocol_.answer(name);
  for (int i = 0; i < 5; ++i) EXPECT_THAT(others[static_cast<std::size_t>(i)].receive(), Optional(std::to_string(i)));
  protocol_.answer(protocol_.held.begin()->first);
  wait_for([](const NetworkCounts& c) { return c.frame_bytes == 0; });
}

TEST_F(Hostile, FramesThatTogetherUseUpTheBudgetBeforeAnyIsCompleteAllBecomeComplete) {
  limits_.frame_bytes = 1 << 20;
  limits_.total_frame_bytes = 1 << 20;
  start();
  std::vector<Client> clients;
  const std::string frame = Client::framed("e" + std::string(900'000, 'x'));
  for (int i = 0; i < 4; ++i) {
    clients.push_back(connect());
    clients.back().send(frame.substr(0, 300'000));
  }
  wait_for([](const NetworkCounts& c) { return c.frame_bytes >= 1 << 20; });
  std::vector<std::thread> senders;
  for (auto& client : clients) {
    senders.emplace_back([&] {
      client.send(frame.substr(300'000));
      EXPECT_TRUE(client.receive() == frame.substr(5));
    });
  }
  for (auto& sender : senders) sender.join();
  EXPECT_EQ(counts().frame_bytes, 0u);
}

// A fetch or a join may wait for minutes.
TEST_F(Hostile, TheBytesOfARequestThatWaitsForSomethingDoNotCount) {
  limits_.frame_bytes = 1 << 20;
  limits_.total_frame_bytes = 1 << 20;
  start();
  auto waiting = connect();
  waiting.send_frame("l" + std::string((1 << 20) - 1, '.'));
  protocol_.wait_until([&] { return protocol_.open == 1; });
  auto other = connect();
  other.send_frame("e1");
  EXPECT_THAT(other.receive(), Optional(std::string("1")));
  EXPECT_EQ(counts().frame_bytes, 0u);
  protocol_.answer(protocol_.held.begin()->first);
  EXPECT_TRUE(waiting.receive());
}

// Each goes on fast enough not to be slow by itself.
TEST_F(Hostile, WhoHoldsMostOfTheBudgetIsClosedWhenOthersWaitForLong) {
  limits_.frame_bytes = 1 << 20;
  limits_.total_frame_bytes = 1 << 20;
  limits_.frame_ms = 300;
  limits_.handshake_ms = limits_.idle_ms = 60'000;
  start();
  const std::string frame = Client::framed("e" + std::string(1'000'000, 'x'));
  auto larger = connect(), smaller = connect();
  for (auto* one : {&larger, &smaller}) {
    one->send_frame("e0");
    EXPECT_TRUE(one->receive());
  }
  larger.send(frame.substr(0, 700'000));
  smaller.send(frame.substr(0, 500'000));
  wait_for([](const NetworkCounts& c) { return c.frame_bytes >= 1 << 20; });
  auto other = connect();
  other.send_frame("e1");
  EXPECT_THAT(other.receive(), Optional(std::string("1")));
  EXPECT_GE(counts().closed_slow_sender, 1u);
}

// A connection that waits for others' bytes to be released is not slow itself.
TEST_F(Hostile, WhoWaitsForTheBudgetIsNotClosedForIt) {
  limits_.frame_bytes = 1 << 20;
  limits_.total_frame_bytes = 1 << 20;
  limits_.frame_ms = limits_.handshake_ms = limits_.idle_ms = 300;
  start();
  auto greedy = connect();
  // Its large request may take longer than a first one may.
  greedy.send_frame("e");
  EXPECT_TRUE(greedy.receive());
  greedy.send_frame("lA" + std::string((1 << 20) - 2, '.'));
  protocol_.wait_until([&] { return protocol_.open == 1; });
  auto waiting = connect();
  waiting.send_frame("e1");
  wait_for([](const NetworkCounts& c) { return c.waiting_for_budget == 1; });
  EXPECT_FALSE(waiting.readable_within(1'000));
  protocol_.answer(protocol_.held.begin()->first);
  EXPECT_THAT(waiting.receive(), Optional(std::string("1")));
}

}  // namespace
}  // namespace baton::server
