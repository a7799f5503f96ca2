#include "store/server_client.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/try.h"

namespace baton::store {
namespace {

constexpr std::size_t kReceiveBytes = 64u << 10;
constexpr std::size_t kAnswerBytesMax = 256u << 20;

// "Content-Length: 12" among the lines of a head; 0 when there is none (204).
std::optional<std::size_t> content_length(std::string_view head) {
  static constexpr std::string_view kName = "\r\nContent-Length: ";
  const auto at = head.find(kName);
  if (at == std::string_view::npos) return 0;
  std::size_t length = 0;
  const char* const from = head.data() + at + kName.size();
  const auto [end, error] = std::from_chars(from, head.data() + head.size(), length);
  if (error != std::errc() || length > kAnswerBytesMax) return std::nullopt;
  return length;
}

std::optional<int> status_of(std::string_view head) {
  int status = 0;
  if (!head.starts_with("HTTP/1.1 ") || head.size() < 12) return std::nullopt;
  const auto [end, error] = std::from_chars(head.data() + 9, head.data() + 12, status);
  if (error != std::errc() || end != head.data() + 12) return std::nullopt;
  return status;
}

Error gone(const std::string& why) {
  return {Code::unavailable, "the server has gone (" + why + "), and what became of the request is not known: look, or send it again with the same event ids"};
}

}  // namespace

Result<std::unique_ptr<ServerClient>> ServerClient::connect(os::Env& env, const std::string& path, std::size_t pending_bytes_max) {
  BATON_TRY_ASSIGN(auto socket, os::LocalConnection::connect(path));
  std::unique_ptr<ServerClient> client(new ServerClient(env, path, pending_bytes_max));
  client->connection_ = std::make_shared<Connection>(Connection{std::move(socket), {}, {}});
  client->receiver_->post([self = client.get(), connection = client->connection_] { self->receive(connection); });
  return client;
}

ServerClient::ServerClient(os::Env& env, std::string path, std::size_t pending_bytes_max)
    : env_(env),
      path_(std::move(path)),
      pending_bytes_max_(pending_bytes_max),
      sender_(env.make_executor("baton-send")),
      receiver_(env.make_executor("baton-receive")),
      receiving_(receiver_.get()) {}

ServerClient::~ServerClient() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;  // also for completions, which are still to come
    if (connection_) connection_->socket->end();
  }
  sender_.reset();
  receiver_.reset();
}

void ServerClient::send(ServerRequest request, ServerDone done) {
  std::string text = request.method + " " + request.target + " HTTP/1.1\r\nHost: baton\r\nContent-Type: application/json\r\nContent-Length: " +
                     std::to_string(request.body.size()) + "\r\n\r\n";
  text += request.body;
  std::optional<Error> refused;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) {
      refused = Error{Code::cancelled, "the store is closed"};
    } else if (!connection_) {
      auto socket = os::LocalConnection::connect(path_);
      if (socket) {
        connection_ = std::make_shared<Connection>(Connection{*std::move(socket), {}, {}});
        receiver_->post([this, connection = connection_] { receive(connection); });
      } else {
        refused = Error{Code::unavailable, "the server has stopped: open the store again"};
      }
    }
    if (!refused && pending_ > 0 && pending_bytes_ + text.size() > pending_bytes_max_)
      refused = Error{Code::resource_exhausted, "too many requests are waiting for the server: wait for some of them"};
    if (!refused) {
      ++pending_;
      pending_bytes_ += text.size();
      connection_->pending.push_back({std::move(done), text.size()});
      // In the order of `pending`: both are queued under the lock.
      sender_->post([connection = connection_, text = std::move(text)] {
        if (!connection->socket->send(base::as_bytes(text))) connection->socket->end();  // the receiver learns of it
      });
    }
  }
  if (refused) done(*std::move(refused));
}

Result<ServerAnswer> ServerClient::ask(ServerRequest request) {
  if (receiving_->on_executor()) return Error{Code::invalid_argument, "a blocking call was made from a completion: use append_async there"};
  const auto waiter = env_.make_waiter();
  std::optional<Result<ServerAnswer>> answer;
  send(std::move(request), [&](Result<ServerAnswer> result) {
    answer = std::move(result);
    waiter->wake();
  });
  waiter->wait();
  return *std::move(answer);
}

Status ServerClient::close() {
  if (receiving_->on_executor()) return Error{Code::invalid_argument, "a blocking call was made from a completion"};
  const auto waiter = env_.make_waiter();
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    if (pending_ == 0) return {};
    quiet_.push_back(waiter.get());
  }
  waiter->wait();
  return {};
}

// [receiver] Until the connection ends.
void ServerClient::receive(const std::shared_ptr<Connection>& connection) {
  std::array<std::byte, kReceiveBytes> buffer;
  while (true) {
    const auto got = connection->socket->receive(buffer);
    if (!got || *got == 0) return fail_all(connection, got ? "it has closed the connection" : got.error().detail);
    connection->received += base::as_text(base::ByteView(buffer).first(*got));
    if (!take_answers(*connection)) return fail_all(connection, "what it sent is not understood");
  }
}

// False: what came is no answer.
bool ServerClient::take_answers(Connection& connection) {
  std::size_t from = 0;
  while (true) {
    const std::string_view in = std::string_view(connection.received).substr(from);
    const auto head_end = in.find("\r\n\r\n");
    if (head_end == std::string_view::npos) break;
    const auto head = in.substr(0, head_end);
    const auto status = status_of(head);
    const auto length = content_length(head);
    if (!status || !length) return false;
    if (in.size() - head_end - 4 < *length) break;
    Pending pending;
    {
      const std::lock_guard lock(mutex_);
      if (connection.pending.empty()) return false;
      pending = std::move(connection.pending.front());
      connection.pending.pop_front();
    }
    from += head_end + 4 + *length;
    pending.done(ServerAnswer{*status, std::string(in.substr(head_end + 4, *length))});
    answered(pending.bytes);
  }
  connection.received.erase(0, from);
  return connection.received.size() <= kAnswerBytesMax;
}

void ServerClient::fail_all(const std::shared_ptr<Connection>& connection, const std::string& why) {
  std::deque<Pending> pending;
  {
    const std::lock_guard lock(mutex_);
    pending.swap(connection->pending);
    if (connection_ == connection) connection_.reset();
  }
  for (auto& one : pending) {
    one.done(gone(why));
    answered(one.bytes);
  }
}

void ServerClient::answered(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  --pending_;
  pending_bytes_ -= bytes;
  if (pending_ > 0) return;
  for (auto* waiter : quiet_) waiter->wake();
  quiet_.clear();
}

}  // namespace baton::store
