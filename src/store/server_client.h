// ServerClient: requests to a server on this machine, through the unix socket in its data directory (HTTP/1.1, docs/http.md), one behind the other on one
// connection without waiting for the answers (pipelining).
//
// Threads: any. Answers come on a thread of the client's, in the order of the requests.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <baton/result.h>

#include "os/env.h"
#include "os/socket.h"

namespace baton::store {

struct ServerRequest {
  std::string method, target;
  std::string body;
};
struct ServerAnswer {
  int status = 0;
  std::string body;
};
using ServerDone = std::function<void(Result<ServerAnswer>)>;

class ServerClient {
 public:
  // unavailable: nobody listens at `path`. `env` outlives the client.
  [[nodiscard]] static Result<std::unique_ptr<ServerClient>> connect(os::Env& env, const std::string& path, std::size_t pending_bytes_max);
  ~ServerClient();  // what is unanswered fails
  ServerClient(const ServerClient&) = delete;
  ServerClient& operator=(const ServerClient&) = delete;

  // `done` gets what the server says; or resource_exhausted (too much waits), or unavailable: the server has gone, and what became of the request
  // is not known.
  void send(ServerRequest request, ServerDone done);
  // Waits for the answer. Not from a completion: invalid_argument.
  [[nodiscard]] Result<ServerAnswer> ask(ServerRequest request);
  // Takes no more requests, and returns when all is answered. Not from a completion: invalid_argument.
  [[nodiscard]] Status close();

 private:
  struct Pending {
    ServerDone done;
    std::size_t bytes = 0;
  };
  // One connection and what is unanswered on it.
  struct Connection {
    std::unique_ptr<os::LocalConnection> socket;
    std::deque<Pending> pending;
    std::string received;
  };
  ServerClient(os::Env& env, std::string path, std::size_t pending_bytes_max);
  void receive(const std::shared_ptr<Connection>& connection);
  [[nodiscard]] bool take_answers(Connection& connection);
  void fail_all(const std::shared_ptr<Connection>& connection, const std::string& why);
  void answered(std::size_t bytes);

  os::Env& env_;
  const std::string path_;
  const std::size_t pending_bytes_max_;
  std::mutex mutex_;                       // of all below
  std::shared_ptr<Connection> connection_;  // null: it is lost, and the next request makes a new one
  std::size_t pending_ = 0, pending_bytes_ = 0;
  bool closed_ = false;
  std::vector<os::Env::Waiter*> quiet_;    // who waits until nothing is pending
  std::unique_ptr<os::Executor> sender_, receiver_;
  os::Executor* const receiving_;          // receiver_ for completions: the destructor empties the pointer before the last of them has ended
};

}  // namespace baton::store
