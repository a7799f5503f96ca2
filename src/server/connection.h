// Connection: one client of one protocol: requests in, replies out in their order, and every bound on both.
//
// It lives on one core from its first byte to its end, and only that core's thread touches it; answers from other threads come
// through the core's mailbox. The core owns it, and closes it at the latest when it ends; then the protocol is destroyed, whatever is unanswered.
//
// What stops it from reading on: a request that waits for its turn, requests in flight, replies that the client has not taken, the budget of all requests (Budget), a pause (a quota). What closes it:
// bytes that are no request, deadlines (see check_deadlines), an error from the protocol, the client.
#pragma once

#include <array>
#include <memory>
#include <optional>

#include "server/core.h"
#include "server/output.h"

namespace baton::server {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // Without an address: the client is local.
  Connection(Core& core, Socket socket, std::optional<asio::ip::address> address, net::ConnectionInfo info);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void start(const net::ProtocolFactory& factory);
  void check_deadlines(std::int64_t now_ns);
  // Sends what is ready, goes on reading if it may. Called by the core.
  void flush();
  // Reads no more, closes when all requests are answered and all replies are sent.
  void drain();
  void close();

  std::size_t index_on_core = 0;  // the core's

 private:
  struct Slot {
    std::optional<net::ReplyResult> answer;
    std::uint64_t expected_bytes = 0;  // while there is none
    std::optional<net::Turn> turn;     // likewise, when it has begun
  };
  // What a request's `done` holds.
  struct Pending;
  // Bytes that move, or should: too slow when within the limit neither all of them nor 64 KiB a second did.
  struct Transfer {
    std::int64_t since_ns = 0;
    std::uint64_t from = 0;
    void begin(std::int64_t now_ns, std::uint64_t bytes) {
      since_ns = now_ns;
      from = bytes;
    }
    [[nodiscard]] bool too_slow(std::int64_t now_ns, std::uint64_t limit_ms, std::uint64_t bytes);
  };

  void wait_readable();
  void on_readable();
  [[nodiscard]] bool ask_budget();
  void read_chunks();
  [[nodiscard]] bool read_chunk();
  [[nodiscard]] base::ByteView take(base::ByteView in);
  void took(net::Protocol::Taken taken);
  void refuse(const net::Protocol::Taken& taken);
  void ignore();
  void dispatch();
  void begin(std::shared_ptr<Pending> pending, net::Turn turn);
  void begin_waiting();
  [[nodiscard]] bool has_turn(net::Turn turn) const;
  void push_answered(net::Reply reply);
  void answer(std::uint64_t number, net::ReplyResult result);
  void pause(std::int64_t ms);
  void answer_no_more();
  void ask_stream();
  void take_piece(net::Stream::Piece piece);
  void queue_answers();
  void send();
  void read_on();
  void on_end_of_input();
  // No more requests; after the last reply is sent, the client is told, and given a moment to take it.
  void finish();
  void linger();
  void close_because(Count& count, const char* reason, std::uint64_t bytes);
  void log_close(LogLevel level, std::string_view reason, std::uint64_t bytes);

  [[nodiscard]] bool may_begin_request() const;
  [[nodiscard]] bool may_read() const { return !closed_ && !no_input_ && !stalled_ && held_.empty() && may_begin_request(); }
  [[nodiscard]] bool in_request() const { return request_bytes_ > 0; }
  [[nodiscard]] bool paused() const { return paused_until_ns_ > 0 && core_.now_ns() < paused_until_ns_; }
  // Nothing is to be answered or sent.
  [[nodiscard]] bool quiet() const { return slots_.empty() && output_.empty() && !stream_; }

  Core& core_;
  NetworkState& state_;
  Socket socket_;
  std::optional<asio::ip::address> address_;
  net::ConnectionInfo info_;
  std::unique_ptr<net::Protocol> protocol_;
  std::uint64_t reader_;

  // Input. How much has come of the next request, and bytes behind it that came with it while no further request may begin.
  std::uint64_t request_bytes_ = 0;
  base::Bytes held_;
  std::size_t held_from_ = 0;
  std::uint64_t unhanded_ = 0;  // bytes that count in the budget and the protocol does not handle yet

  // Requests in flight, oldest first; the first one has the number first_.
  Fifo<Slot> slots_;
  std::uint64_t first_ = 0;
  std::uint64_t answered_bytes_ = 0;  // replies that wait for an earlier one
  std::uint64_t expected_bytes_ = 0;  // of those that are to come
  std::array<std::uint32_t, net::kTurns> unanswered_{};  // of those that have begun, by their turn
  std::shared_ptr<Pending> waiting_;  // the newest one is complete, and waits for its turn: the protocol has it
  net::Turn waiting_turn_ = net::Turn::alone;

  Output output_;
  std::unique_ptr<net::Stream> stream_;  // the rest of the reply that is being sent
  bool stream_is_last_ = false;          // the connection closes behind it
  bool asked_stream_ = false;            // its next piece is to come

  bool reading_ = false;  // a wait for input is under way
  bool writing_ = false;
  bool stalled_ = false;   // waits for the budget
  bool flushing_ = false;  // the core will call flush()
  bool greeted_ = false;   // a whole request has come
  bool no_input_ = false;  // no more requests are taken
  bool lingering_ = false;
  bool closed_ = false;
  std::int64_t opened_ns_, active_ns_;
  std::int64_t stalled_ns_ = 0, ending_ns_ = 0;  // since when
  std::int64_t paused_until_ns_ = 0;             // no request begins before
  Transfer incoming_, outgoing_;                 // the request that has begun; the replies
};

}  // namespace baton::server
