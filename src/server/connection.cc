#include "server/connection.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"

namespace baton::server {
namespace {

constexpr std::int64_t kMillisecond = 1'000'000;
constexpr std::int64_t kSecond = 1'000 * kMillisecond;
constexpr std::uint64_t kSlowestBytesPerSecond = 64u << 10;
constexpr int kChunksInARow = 8;
constexpr std::int64_t kLinger = 2 * kSecond;
constexpr std::int64_t kLingerAtStop = 100 * kMillisecond;

std::int64_t ns(std::uint64_t ms) { return static_cast<std::int64_t>(ms) * kMillisecond; }

}  // namespace

// Whoever answers holds this, on whatever thread and for however long: it finds a closed connection, or none, when it is late.
struct Connection::Pending {
  Pending(std::weak_ptr<Connection> c, std::shared_ptr<Mailbox> m, std::shared_ptr<Budget> b, std::uint64_t n,
          std::uint64_t size)
      : connection(std::move(c)), mailbox(std::move(m)), budget(std::move(b)), number(n), bytes(size) {}
  ~Pending() {
    if (!answered.load()) answer(Error{Code::internal, "a request was dropped without an answer"});
  }
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;

  void answer(net::ReplyResult result) {
    BATON_CHECK(!answered.exchange(true), "a request was answered twice");
    let_go();
    if (mailbox->here()) {
      if (const auto alive = connection.lock()) alive->answer(number, std::move(result));
      return;
    }
    mailbox->post([weak = std::move(connection), number = number, result = std::move(result)]() mutable {
      if (const auto alive = weak.lock()) alive->answer(number, std::move(result));
    });
  }

  // Any thread; the second time nothing is left.
  void let_go() {
    if (const std::uint64_t held = bytes.exchange(0); held > 0) budget->release(held);
  }

  std::weak_ptr<Connection> connection;
  std::shared_ptr<Mailbox> mailbox;
  std::shared_ptr<Budget> budget;
  std::uint64_t number;
  std::atomic<std::uint64_t> bytes;  // that count in the budget
  std::atomic<bool> answered{false};
};

bool Connection::Transfer::too_slow(std::int64_t now, std::uint64_t limit_ms, std::uint64_t bytes) {
  if (now - since_ns <= ns(limit_ms)) return false;
  if (bytes - from < kSlowestBytesPerSecond * limit_ms / 1'000) return true;
  begin(now, bytes);
  return false;
}

Connection::Connection(Core& core, Socket socket, std::optional<asio::ip::address> address, net::ConnectionInfo info)
    : core_(core),
      state_(core.state()),
      socket_(std::move(socket)),
      address_(std::move(address)),
      info_(std::move(info)),
      reader_(state_.budget->new_reader()),
      opened_ns_(core.now_ns()),
      active_ns_(opened_ns_) {}

Connection::~Connection() { BATON_CHECK(closed_, "a connection is closed by its core"); }

void Connection::start(const net::ProtocolFactory& factory) {
  protocol_ = factory(info_);
  BATON_CHECK(protocol_ != nullptr, "each connection has a protocol");
  wait_readable();
}

void Connection::wait_readable() {
  reading_ = true;
  // The bytes are read when they are there, into memory of the core: a connection that waits has none.
  socket_.async_wait(Socket::wait_read, [self = shared_from_this()](const error_code& error) {
    self->reading_ = false;
    if (self->closed_) return;
    if (error) return self->close();
    self->on_readable();
    self->core_.flush_now();
  });
}

void Connection::on_readable() {
  if (!lingering_ && !may_read()) return;  // read_on() will wait again
  if (lingering_) {
    error_code error;
    (void)socket_.read_some(asio::buffer(core_.scratch().data(), core_.scratch().size()), error);
    if (error && error != asio::error::would_block) return close();
    return wait_readable();
  }
  read_chunks();
}

// A grant to read one chunk now; else read_chunks() will be called with one.
bool Connection::ask_budget() {
  const bool granted = state_.budget->ask(
      reader_, core_.now_ns(), [weak = weak_from_this(), mailbox = core_.mailbox(), budget = state_.budget, reader = reader_] {
        mailbox->post([weak, budget, reader] {
          const auto self = weak.lock();
          if (!self || self->closed_) return budget->redeem(reader, 0);
          self->stalled_ = false;
          // A wait for the budget is not the client's.
          self->incoming_.since_ns += self->core_.now_ns() - self->stalled_ns_;
          if (self->read_chunk()) self->read_chunks();
        });
      });
  if (granted) return true;
  stalled_ = true;
  stalled_ns_ = core_.now_ns();
  return false;
}

// Goes on while there is plenty, but not for ever: others of this core want to be read, too.
void Connection::read_chunks() {
  for (int i = 0; i < kChunksInARow; ++i) {
    if (!ask_budget() || !read_chunk()) return;
  }
  read_on();
}

// With a grant. True when there may be more at once; else what comes next has been arranged.
bool Connection::read_chunk() {
  error_code error;
  // What belongs to a request that has begun goes where it is to be; what is behind it, to memory of the core.
  auto room = in_request() ? protocol_->room() : base::MutableByteView();
  room = room.first(std::min<std::size_t>(room.size(), Budget::kChunk));
  const auto scratch = core_.scratch().first(Budget::kChunk - room.size());
  const std::array into = {asio::buffer(room.data(), room.size()), asio::buffer(scratch.data(), scratch.size())};
  const auto got = socket_.read_some(into, error);
  state_.budget->redeem(reader_, got);
  const bool nothing = error == asio::error::would_block || error == asio::error::try_again;
  if (error == asio::error::eof) {
    on_end_of_input();
    return false;
  }
  if (error && !nothing) {
    close();
    return false;
  }
  if (!nothing) {
    unhanded_ += got;
    state_.bytes_in += got;
    active_ns_ = core_.now_ns();
    const auto in_place = std::min<std::size_t>(got, room.size());
    if (in_place > 0) {
      request_bytes_ += in_place;
      took(protocol_->filled(in_place));
    }
    const auto rest = take(scratch.first(got - in_place));
    if (!closed_ && !no_input_) held_.assign(rest.begin(), rest.end());
  }
  if (got == Budget::kChunk && may_read()) return true;
  read_on();
  return false;
}

// Goes through what was read, up to a request that may not begin yet: what is left.
base::ByteView Connection::take(base::ByteView in) {
  while (!in.empty() && !closed_ && !no_input_ && may_begin_request()) {
    if (!in_request()) incoming_.begin(active_ns_, 0);
    const auto before = in.size();
    auto taken = protocol_->take(in);
    request_bytes_ += before - in.size();
    took(std::move(taken));
  }
  return in;
}

void Connection::took(net::Protocol::Taken taken) {
  using State = net::Protocol::Taken::State;
  if (taken.reply) push_answered(*std::move(taken.reply));
  if (taken.state == State::complete) dispatch();
  if (taken.state == State::refused) refuse(taken);
  if (taken.state == State::ignored) ignore();
}

void Connection::refuse(const net::Protocol::Taken& taken) {
  ++state_.closed_malformed;
  log_close(LogLevel::warning, taken.reason, taken.bytes);
  finish();
  if (quiet()) linger();
}

// It is not the beginning of a request: nobody waits for the rest of it.
void Connection::ignore() {
  const auto bytes = std::exchange(request_bytes_, 0);
  unhanded_ -= bytes;
  state_.budget->hand_over(reader_, bytes);
  state_.budget->release(bytes);
}

void Connection::dispatch() {
  const auto bytes = std::exchange(request_bytes_, 0);
  unhanded_ -= bytes;
  state_.budget->hand_over(reader_, bytes);
  greeted_ = true;
  ++state_.requests;
  const auto number = first_ + slots_.size();
  const auto expected = protocol_->expected_reply_bytes();
  expected_bytes_ += expected;
  slots_.push({.answer = std::nullopt, .expected_bytes = expected, .turn = std::nullopt});
  auto pending = std::make_shared<Pending>(weak_from_this(), core_.mailbox(), state_.budget, number, bytes);
  const net::Turn turn = protocol_->turn();
  if (has_turn(turn)) return begin(std::move(pending), turn);
  waiting_ = std::move(pending);
  waiting_turn_ = turn;
}

bool Connection::has_turn(net::Turn turn) const {
  using net::Turn;
  for (const Turn other : {Turn::read, Turn::append, Turn::commit, Turn::alone}) {
    const bool beside = other != Turn::alone && (other == turn || (turn == Turn::free && other == Turn::read));
    if (!beside && unanswered_[static_cast<std::size_t>(other)] > 0) return false;
  }
  return true;
}

void Connection::begin(std::shared_ptr<Pending> pending, net::Turn turn) {
  slots_[pending->number - first_].turn = turn;
  ++unanswered_[static_cast<std::size_t>(turn)];
  protocol_->handle([pending](net::ReplyResult result) { pending->answer(std::move(result)); });
  if (turn == net::Turn::free) pending->let_go();
}

// When those before it have been answered. The server may be stopping by now: then nothing waits for something to happen.
void Connection::begin_waiting() {
  if (closed_ || !waiting_ || paused() || !has_turn(waiting_turn_)) return;
  begin(std::exchange(waiting_, nullptr), waiting_turn_);
  if (core_.draining()) protocol_->drain();
}

// A reply that no request waits for, in its place among those that are.
void Connection::push_answered(net::Reply reply) {
  const auto number = first_ + slots_.size();
  slots_.push({});
  answer(number, std::optional(std::move(reply)));
}

void Connection::answer(std::uint64_t number, net::ReplyResult result) {
  if (closed_ || number < first_) return;  // closed, or behind a request that failed
  const auto at = number - first_;
  if (at >= slots_.size()) return;
  if (result && *result) answered_bytes_ += (*result)->size();
  expected_bytes_ -= slots_[at].expected_bytes;
  if (const auto turn = std::exchange(slots_[at].turn, std::nullopt)) --unanswered_[static_cast<std::size_t>(*turn)];
  slots_[at].answer = std::move(result);
  if ((at == 0 || waiting_) && !std::exchange(flushing_, true)) core_.flush_later(*this);
}

void Connection::flush() {
  flushing_ = false;
  if (closed_) return;
  queue_answers();
  begin_waiting();
  send();
  read_on();
}

void Connection::queue_answers() {
  while (!stream_ && !slots_.empty() && slots_.front().answer) {
    auto answer = *slots_.pop().answer;
    ++first_;
    active_ns_ = core_.now_ns();
    const bool failed = !answer;
    if (failed) {
      ++state_.closed_protocol;
      log_close(LogLevel::warning, answer.error().to_string(), 0);
    }
    const bool last = failed || (*answer && (*answer)->last);
    if (!failed && *answer) answered_bytes_ -= (*answer)->size();
    if (last && (failed || !(*answer)->stream)) answer_no_more();
    if (failed || !*answer) continue;
    net::Reply& reply = **answer;
    if (reply.pause_ms > 0) pause(reply.pause_ms);
    if (reply.silent) continue;
    // Once the server is stopping, it has no end of its own: see drain().
    if (!core_.draining()) stream_ = std::move(reply.stream);
    stream_is_last_ = last;
    if (output_.empty()) outgoing_.begin(active_ns_, output_.total_sent());
    output_.push(std::move(reply));
  }
}

// What has come of a request is still read; the client is to wait, and is not closed for it.
void Connection::pause(std::int64_t ms) {
  paused_until_ns_ = std::max(paused_until_ns_, active_ns_ + ms * kMillisecond);
  (void)core_.executor().run_at(paused_until_ns_, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self || self->closed_ || self->paused()) return;
    self->active_ns_ = self->core_.now_ns();
    self->begin_waiting();
    self->read_on();
    self->core_.flush_now();
  });
}

// What was asked behind the last answer gets none.
void Connection::answer_no_more() {
  first_ += slots_.size();
  slots_.clear();
  answered_bytes_ = expected_bytes_ = 0;
  unanswered_ = {};
  waiting_.reset();
  finish();
}

// The next piece of the reply that is being sent, when all before it has left.
void Connection::ask_stream() {
  if (!stream_ || asked_stream_ || !output_.empty()) return;
  asked_stream_ = true;
  stream_->next([weak = weak_from_this(), mailbox = core_.mailbox()](net::Stream::Piece piece) {
    mailbox->post([weak, piece = std::move(piece)]() mutable {
      if (const auto self = weak.lock()) self->take_piece(std::move(piece));
    });
  });
}

void Connection::take_piece(net::Stream::Piece piece) {
  if (closed_ || !stream_) return;
  asked_stream_ = false;
  active_ns_ = core_.now_ns();
  if (output_.empty()) outgoing_.begin(active_ns_, output_.total_sent());
  output_.push(std::move(piece.bytes));
  if (piece.last) {
    stream_.reset();
    if (stream_is_last_) answer_no_more();
  }
  if (!std::exchange(flushing_, true)) core_.flush_later(*this);
}

void Connection::send() {
  if (writing_ || closed_) return;
  const auto before = output_.total_sent();
  const auto all = output_.send(socket_);
  state_.bytes_out += output_.total_sent() - before;
  if (!all) {
    log_close(LogLevel::debug, all.error().to_string(), output_.bytes());
    return close();
  }
  if (*all) {
    if (no_input_ && quiet() && !lingering_) return linger();
    return ask_stream();
  }
  writing_ = true;
  socket_.async_wait(Socket::wait_write, [self = shared_from_this()](const error_code& error) {
    self->writing_ = false;
    if (self->closed_) return;
    if (error) return self->close();
    self->active_ns_ = self->core_.now_ns();
    self->send();
    self->read_on();
    self->core_.flush_now();
  });
}

bool Connection::may_begin_request() const {
  const auto& limits = state_.limits;
  if (waiting_) return false;
  if (in_request()) return true;
  return !paused() && slots_.size() < limits.requests && output_.bytes() + answered_bytes_ + expected_bytes_ < limits.reply_bytes;
}

// First what was held, then the socket.
void Connection::read_on() {
  if (!closed_ && !no_input_ && !held_.empty()) {
    const auto rest = take(base::ByteView(held_).subspan(held_from_)).size();
    held_from_ = held_.size() - rest;
    if (rest == 0) {
      held_ = base::Bytes();
      held_from_ = 0;
    }
  }
  if (may_read() && !reading_) wait_readable();
}

void Connection::on_end_of_input() {
  no_input_ = true;
  ending_ns_ = core_.now_ns();
  // Nobody waits for the rest of a stream.
  if (quiet() || stream_) return close();
  // It may still take its replies, or be gone: then the first reply that it refuses says so.
  socket_.async_wait(Socket::wait_error, [self = shared_from_this()](const error_code&) {
    self->close();
    self->core_.flush_now();
  });
}

void Connection::finish() {
  no_input_ = true;
  if (ending_ns_ == 0) ending_ns_ = core_.now_ns();
}

void Connection::linger() {
  // Closed with input unread, the socket would be reset, and the client might lose the replies that it has not read.
  lingering_ = true;
  ending_ns_ = core_.now_ns();
  protocol_.reset();
  error_code error;
  socket_.shutdown(Socket::shutdown_send, error);
  if (error) return close();
  if (!reading_) wait_readable();
}

void Connection::drain() {
  if (closed_) return;
  finish();
  if (protocol_) protocol_->drain();
  if (std::exchange(stream_, nullptr) && !std::exchange(flushing_, true)) core_.flush_later(*this);  // it has no end of its own
  if (quiet()) close();
}

void Connection::check_deadlines(std::int64_t now) {
  const auto& limits = state_.limits;
  if (closed_) return;
  // First of all, also of one whose client has said that it sends no more.
  if (state_.budget->must_go(reader_, now))
    return close_because(state_.closed_slow_sender, "limits.total_frame_bytes are used up by requests that are not complete, and this one holds many of them and does not go on", request_bytes_);
  if (lingering_) {
    if (now - ending_ns_ > (core_.draining() ? kLingerAtStop : kLinger)) close();
    return;
  }
  if (!output_.empty() && outgoing_.too_slow(now, limits.slow_reader_ms, output_.total_sent()))
    return close_because(state_.closed_slow_reader, "the client does not take its replies", output_.bytes());
  if (no_input_) {
    // The client has said that it sends no more, and may be gone; the server's own stop has its own limit.
    if (!core_.draining() && now - ending_ns_ > ns(limits.slow_reader_ms)) close();
    return;
  }
  if (stalled_) return;
  if (in_request() && incoming_.too_slow(now, limits.frame_ms, request_bytes_))
    return close_because(state_.closed_slow_sender, "a request does not become complete", request_bytes_);
  // A program beside the server may be quiet for as long as it likes, or its next append would meet the end of the connection.
  if (!quiet() || info_.local || paused()) return;
  if (!greeted_ && now - opened_ns_ > ns(limits.handshake_ms)) {
    close_because(state_.closed_handshake, "no request came", 0);
  } else if (!in_request() && now - std::max(active_ns_, paused_until_ns_) > ns(limits.idle_ms)) {
    close_because(state_.closed_idle, "idle", 0);
  }
}

void Connection::close_because(Count& count, const char* reason, std::uint64_t bytes) {
  ++count;
  log_close(&count == &state_.closed_idle ? LogLevel::debug : LogLevel::warning, reason, bytes);
  close();
}

void Connection::log_close(LogLevel level, std::string_view reason, std::uint64_t bytes) {
  state_.logger.limited(state_.log_closed, level, "connection closed",
                        {{"listener", info_.listener}, {"peer", info_.peer}, {"reason", reason}, {"bytes", bytes}});
}

void Connection::close() {
  if (std::exchange(closed_, true)) return;
  const auto self = shared_from_this();  // the core's may be the last one
  error_code error;
  socket_.close(error);
  protocol_.reset();
  state_.budget->leave(reader_, unhanded_);
  unhanded_ = 0;
  waiting_.reset();
  slots_.clear();
  output_.clear();
  stream_.reset();
  held_ = base::Bytes();
  if (address_) state_.leave(*address_);
  --state_.connections;
  core_.remove(*this);
}

}  // namespace baton::server
