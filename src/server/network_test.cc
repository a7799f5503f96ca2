#include "server/network.h"

#include <gmock/gmock.h>

#include <stdlib.h>

#include <set>

#include "server/network_test_support.h"

namespace baton::server {
namespace {

using namespace std::string_literals;
using testing::Optional;

TEST_F(NetworkTest, ARequestGetsItsReply) {
  start();
  auto client = connect();
  client.send_frame("ehello");
  EXPECT_THAT(client.receive(), Optional(std::string("hello")));
  client.send_frame("");
  EXPECT_THAT(client.receive(), Optional(std::string()));
}

TEST_F(NetworkTest, RepliesComeInTheOrderOfTheRequestsWhateverTheOrderOfTheAnswers) {
  start();
  auto client = connect();
  client.send(Client::framed("l1") + Client::framed("e2") + Client::framed("l3") + Client::framed("l4"));
  protocol_.answer("4");
  protocol_.answer("3");
  EXPECT_FALSE(client.readable_within(0));
  protocol_.answer("1");
  for (const std::string expected : {"1", "2", "3", "4"}) EXPECT_THAT(client.receive(), Optional(expected));
}

// What may be on its way together, by the turn of each; of the others the second waits for the first.
TEST_F(NetworkTest, ARequestBeginsWhenThoseBeforeItAreAnsweredThatItMustNotPass) {
  start();
  const std::string turns = "RACXf";  // a read, an append, a commit, one alone, and one that is free
  const std::set<std::string> beside = {"RR", "AA", "CC", "Rf", "fR", "fA", "fC", "fX", "ff"};
  for (const char first : turns) {
    for (const char second : turns) {
      const std::string both = {first, second};
      SCOPED_TRACE(both);
      auto client = connect();
      const std::string a = std::string(1, first) + "1";
      const std::string b = std::string(1, second) + "2";
      client.send(Client::framed("l" + a) + Client::framed("l" + b));
      protocol_.wait_until([&] { return protocol_.held.contains(a); });
      if (beside.contains(both)) {
        protocol_.wait_until([&] { return protocol_.held.contains(b); });
        protocol_.answer(b);
        protocol_.answer(a);
      } else {
        // The core has read both, and goes on to others: one that comes later is handled before the second.
        auto other = connect();
        for (int i = 0; i < 3; ++i) {
          other.send(Client::framed("eo"));
          EXPECT_THAT(other.receive(), Optional(std::string("o")));
        }
        protocol_.wait_until([&] { return !protocol_.held.contains(b); });
        protocol_.answer(a);
        protocol_.answer(b);
      }
      EXPECT_THAT(client.receive(), Optional(a));
      EXPECT_THAT(client.receive(), Optional(b));
    }
  }
}

TEST_F(NetworkTest, ARequestThatWaitsForItsTurnEndsWithItsConnectionAndIsAnsweredWhenTheClientSendsNoMore) {
  start();
  auto failed = connect();
  failed.send(Client::framed("lX3") + Client::framed("lX4"));
  protocol_.answer("X3", Error{Code::invalid_argument, "the test said so"});
  EXPECT_TRUE(failed.closed());
  wait_for([](const NetworkCounts& c) { return c.frame_bytes == 0; });
  protocol_.wait_until([&] { return !protocol_.held.contains("X4"); });

  // It has come, so it is done, whether its client is still there or not.
  auto gone = connect();
  gone.send(Client::framed("lX1") + Client::framed("lX2"));
  protocol_.wait_until([&] { return protocol_.held.contains("X1"); });
  gone.leave();
  protocol_.answer("X1");
  protocol_.answer("X2");
  wait_for([](const NetworkCounts& c) { return c.connections <= 1 && c.frame_bytes == 0; });

  auto client = connect();
  client.send(Client::framed("lX5") + Client::framed("lR6") + Client::framed("lR7") + Client::framed("e8"));
  client.send_no_more();
  for (const std::string name : {"X5", "R6", "R7"}) protocol_.answer(name);
  for (const std::string expected : {"X5", "R6", "R7", "8"}) EXPECT_THAT(client.receive(), Optional(expected));
  EXPECT_TRUE(client.closed());
}

TEST_F(NetworkTest, ARequestWithoutAReplyLeavesNoGap) {
  start();
  auto client = connect();
  client.send(Client::framed("n") + Client::framed("l1") + Client::framed("n") + Client::framed("e2"));
  protocol_.answer("1", std::optional<net::Reply>());
  EXPECT_THAT(client.receive(), Optional(std::string("2")));
}

TEST_F(NetworkTest, AnErrorClosesTheConnectionBehindTheRepliesBeforeIt) {
  start();
  auto client = connect();
  client.send(Client::framed("l1") + Client::framed("e2") + Client::framed("x") + Client::framed("l4") + Client::framed("e5"));
  protocol_.wait_until([&] { return protocol_.held.contains("4"); });
  protocol_.answer("1");
  EXPECT_THAT(client.receive(), Optional(std::string("1")));
  EXPECT_THAT(client.receive(), Optional(std::string("2")));
  EXPECT_TRUE(client.closed());
  wait_for([](const NetworkCounts& c) { return c.closed_protocol == 1; });
  EXPECT_TRUE(logged("reason=\"invalid_argument: the test said so\""));
  client.leave();
  wait_for([](const NetworkCounts& c) { return c.connections == 0; });
  protocol_.answer("4");
  wait_for([](const NetworkCounts& c) { return c.frame_bytes == 0; });
}

TEST_F(NetworkTest, AFrameMayComeInAnyPieces) {
  start();
  auto client = connect();
  const auto frames = Client::framed("eabc") + Client::framed("edefgh");
  for (const char c : frames) client.send(std::string(1, c));
  EXPECT_THAT(client.receive(), Optional(std::string("abc")));
  EXPECT_THAT(client.receive(), Optional(std::string("defgh")));
}

TEST_F(NetworkTest, ThousandsOfRequestsInOneWriteAreAllAnswered) {
  limits_.requests = 3;
  start();
  auto client = connect();
  std::string all;
  for (int i = 0; i < 5'000; ++i) all += Client::framed("e" + std::to_string(i));
  client.send(all);
  for (int i = 0; i < 5'000; ++i) ASSERT_THAT(client.receive(), Optional(std::to_string(i)));
  EXPECT_EQ(counts().requests, 5'000u);
  EXPECT_EQ(counts().frame_bytes, 0u);
}

TEST_F(NetworkTest, NoMoreRequestsAreInFlightThanAllowed) {
  limits_.requests = 4;
  start();
  auto client = connect();
  for (int i = 0; i < 12; ++i) client.send_frame("l" + std::to_string(i));
  protocol_.wait_until([&] { return protocol_.open == 4; });
  for (int i = 0; i < 12; ++i) {
    protocol_.answer(std::to_string(i));
    EXPECT_THAT(client.receive(), Optional(std::to_string(i)));
  }
  EXPECT_EQ(protocol_.open_max, 4u);
}

TEST_F(NetworkTest, LargeRequestsAndRepliesAreWhole) {
  start();
  auto client = connect();
  std::string large(30 << 20, '\0');
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 7 + i / 4096);
  std::thread sender([&] { client.send_frame("e" + large); });
  const auto reply = client.receive();
  sender.join();
  ASSERT_TRUE(reply);
  EXPECT_TRUE(*reply == large);
}

// Frames are read in place when there is more of them to come than is worth a read, else together with what is behind them.
TEST_F(NetworkTest, FramesOfEverySizeBehindEachOtherAreWhole) {
  start();
  auto client = connect();
  std::vector<std::string> frames;
  for (const std::size_t around : {std::size_t{16} << 10, std::size_t{64} << 10, std::size_t{80} << 10, std::size_t{1} << 20}) {
    for (std::size_t size = around - 6; size < around + 6; ++size) {
      std::string& frame = frames.emplace_back(size, 'e');
      for (std::size_t i = 1; i < size; ++i) frame[i] = static_cast<char>(i * 31 + size + i / 4096);
    }
  }
  std::string all;
  for (const auto& frame : frames) all += Client::framed(frame);
  std::thread sender([&] { client.send(all); });
  for (const auto& frame : frames) {
    const auto reply = client.receive();
    EXPECT_TRUE(reply && *reply == frame.substr(1)) << frame.size();
  }
  sender.join();
}

TEST_F(NetworkTest, AConnectionStaysOnOneThreadAndConnectionsAreSpread) {
  start(2);
  std::vector<Client> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(connect());
    clients.back().send_frame("e");
    EXPECT_TRUE(clients.back().receive());
  }
  EXPECT_EQ(protocol_.threads.size(), 2u);
}

// A quota: what was read is answered, what comes later waits.
TEST_F(NetworkTest, AConnectionThatPausesIsNotReadAndGoesOnLater) {
  limits_.idle_ms = 250;  // less than the pauses
  start();
  auto client = connect();
  client.send_frame("lslow");
  protocol_.answer("slow", [] {
    auto reply = TestProtocol::text_reply("slow");
    (*reply)->pause_ms = 400;
    return reply;
  }());
  EXPECT_THAT(client.receive(), Optional(std::string("slow")));
  client.send_frame("elater");
  EXPECT_FALSE(client.readable_within(100)) << "it is not closed for being idle, either";
  auto other = connect();
  other.send_frame("enow");
  EXPECT_THAT(other.receive(), Optional(std::string("now")));
  EXPECT_THAT(client.receive(), Optional(std::string("later")));
  // The same with a request that has no reply.
  client.send_frame("lquiet");
  net::Reply silent;
  silent.silent = true;
  silent.pause_ms = 300;
  protocol_.answer("quiet", std::optional(std::move(silent)));
  wait_for([](const NetworkCounts& c) { return c.frame_bytes == 0; });
  client.send_frame("eagain");
  EXPECT_FALSE(client.readable_within(100));
  EXPECT_THAT(client.receive(), Optional(std::string("again")));
}

TEST_F(NetworkTest, AnAnswerThatComesWhenTheClientHasGoneIsDropped) {
  start();
  {
    auto client = connect();
    client.send(Client::framed("l1") + Client::framed("l2"));
    protocol_.wait_until([&] { return protocol_.open == 2; });
  }
  protocol_.answer("1");
  wait_for([](const NetworkCounts& c) { return c.connections == 0; });
  protocol_.answer("2");
  EXPECT_EQ(counts().frame_bytes, 0u);
}

TEST_F(NetworkTest, AnAnswerThatComesWhenTheServerHasGoneIsDropped) {
  start();
  auto client = connect();
  client.send(Client::framed("l1") + Client::framed("l2"));
  protocol_.wait_until([&] { return protocol_.open == 2; });
  EXPECT_FALSE(network_->stop(0));
  protocol_.answer("1");
  network_.reset();
  EXPECT_EQ(protocol_.handlers, 0u);
  protocol_.answer("2");
  EXPECT_TRUE(client.closed());
}

TEST_F(NetworkTest, ARequestThatIsDroppedUnansweredClosesItsConnection) {
  start();
  auto client = connect();
  client.send(Client::framed("e1") + Client::framed("d"));
  EXPECT_THAT(client.receive(), Optional(std::string("1")));
  EXPECT_TRUE(client.closed());
}

TEST_F(NetworkTest, AClientThatSendsNoMoreGetsItsReplies) {
  start();
  auto client = connect();
  client.send(Client::framed("l1") + Client::framed("e2") + "\0\0"s);
  client.send_no_more();
  protocol_.answer("1");
  EXPECT_THAT(client.receive(), Optional(std::string("1")));
  EXPECT_THAT(client.receive(), Optional(std::string("2")));
  EXPECT_TRUE(client.closed());
  wait_for([](const NetworkCounts& c) { return c.connections == 0 && c.frame_bytes == 0; });
}

TEST_F(NetworkTest, AStopLetsRequestsInFlightEnd) {
  start();
  auto client = connect(), idle = connect();
  client.send(Client::framed("l1") + Client::framed("l2"));
  protocol_.wait_until([&] { return protocol_.open == 2; });
  bool all = false;
  std::thread stopping([&] { all = network_->stop(20'000); });
  EXPECT_TRUE(idle.closed());
  client.send_frame("e3");
  protocol_.answer("2");
  protocol_.answer("1");
  EXPECT_THAT(client.receive(), Optional(std::string("1")));
  EXPECT_THAT(client.receive(), Optional(std::string("2")));
  EXPECT_EQ(client.receive(), std::nullopt);
  client.leave();
  stopping.join();
  EXPECT_TRUE(all);
  EXPECT_EQ(protocol_.frames, 2u);
}

TEST_F(NetworkTest, APortThatIsListenedOnIsRefusedAndSaysSo) {
  start();
  Network other(*env_, logger_, limits_, 1);
  const auto bound = other.bind("kafka", "127.0.0.1", port_);
  ASSERT_FALSE(bound.ok());
  EXPECT_THAT(bound.error().detail, testing::HasSubstr("listener kafka: cannot listen on 127.0.0.1:" + std::to_string(port_) +
                                                       ": Address already in use"));
  EXPECT_EQ(other.bind("kafka", "192.0.2.1", 0).error().code, Code::unavailable);
}

class Files : public NetworkTest {
 protected:
  Files() {
    std::string pattern = testing::TempDir() + "baton-net-XXXXXX";
    path_ = ::mkdtemp(pattern.data());
    content_.resize(3 << 20);
    for (std::size_t i = 0; i < content_.size(); ++i) content_[i] = static_cast<char>(i * 13 + i / 1000);
    auto file = env_->fs().open(path_ + "/f", {.write = true, .create = true});
    EXPECT_TRUE((*file)->write_at(0, base::as_bytes(content_)).ok());
    file_ = std::move(*file);
  }
  ~Files() override { (void)os::remove_tree(env_->fs(), path_); }

  // Two slices with bytes before, between and behind them.
  void reply_with(std::shared_ptr<const os::File> file) {
    protocol_.file_reply = [file] {
      const auto bytes = [](std::string_view text) {
        return base::Bytes(base::as_bytes(text).begin(), base::as_bytes(text).end());
      };
      net::Reply reply{.head = bytes("head")};
      reply.slices.push_back({.file = file, .offset = 5, .length = 2 << 20, .after = bytes("middle")});
      reply.slices.push_back({.file = file, .offset = 0, .length = 0, .after = {}});
      reply.slices.push_back({.file = file, .offset = 1, .length = 3, .after = bytes("end")});
      return reply;
    };
  }
  [[nodiscard]] std::string expected() const {
    return "head" + content_.substr(5, 2 << 20) + "middle" + content_.substr(1, 3) + "end";
  }

  std::string path_, content_;
  std::shared_ptr<os::File> file_;
};

TEST_F(Files, RangesOfAFileAreSentBetweenBytes) {
  reply_with(file_);
  start();
  auto client = connect();
  client.send(Client::framed("f") + Client::framed("e1") + Client::framed("f"));
  EXPECT_TRUE(client.receive() == expected());
  EXPECT_THAT(client.receive(), Optional(std::string("1")));
  EXPECT_TRUE(client.receive() == expected());
}

// Stands for a file of which the system cannot send.
class CopiedFile : public os::File {
 public:
  explicit CopiedFile(std::shared_ptr<os::File> file) : file_(std::move(file)) {}
  Result<std::size_t> read_at(std::uint64_t offset, base::MutableByteView out) const override {
    return file_->read_at(offset, out);
  }
  Status write_at(std::uint64_t, base::ByteView) override { return no(); }
  Status write_at(std::uint64_t, std::span<const base::ByteView>) override { return no(); }
  Status write_direct(std::uint64_t, base::ByteView) override { return no(); }
  Status sync_data() override { return no(); }
  Result<std::uint64_t> size() const override { return file_->size(); }
  Status truncate(std::uint64_t) override { return no(); }
  Status allocate(std::uint64_t, std::uint64_t) override { return no(); }
  Result<std::unique_ptr<os::Mapping>> map() const override { return no(); }
  Result<std::unique_ptr<os::SharedMapping>> map_shared(std::uint64_t, std::uint64_t) override { return no(); }
  Result<bool> try_lock(os::LockKind, std::uint64_t, std::uint64_t) override { return no(); }
  Status unlock(std::uint64_t, std::uint64_t) override { return no(); }
  Result<bool> is_locked(os::LockKind, std::uint64_t, std::uint64_t) const override { return no(); }
  void start_write_back(std::uint64_t, std::uint64_t) override {}
  void drop_cache(std::uint64_t, std::uint64_t) override {}

 private:
  static Error no() { return {Code::read_only, "not in this test"}; }
  std::shared_ptr<os::File> file_;
};

TEST_F(Files, AFileThatTheSystemCannotSendIsCopied) {
  reply_with(std::make_shared<CopiedFile>(file_));
  start();
  auto client = connect();
  client.send_frame("f");
  EXPECT_TRUE(client.receive() == expected());
}

TEST_F(Files, AFileThatIsShorterThanItsSliceClosesTheConnection) {
  for (const auto& file : {file_, std::shared_ptr<os::File>(std::make_shared<CopiedFile>(file_))}) {
    ASSERT_TRUE(file_->truncate(1 << 20).ok());
    reply_with(file);
    start();
    auto client = connect();
    client.send_frame("f");
    EXPECT_EQ(client.receive(), std::nullopt);
    wait_for([](const NetworkCounts& c) { return c.connections == 0; });
    EXPECT_TRUE(logged("corrupt: send a file: it ends before byte"));
    log_.clear();
  }
}

}  // namespace
}  // namespace baton::server
