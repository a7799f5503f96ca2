// Session: the protocol's side of one connection. Finds the handler of each request; knows no sockets.
//
// Lives on its connection's core. Requests that wait (a fetch for new records) live as long as it does.
#pragma once

#include <list>
#include <memory>
#include <span>
#include <string>

#include "broker/batch_check.h"
#include "kafka/call.h"
#include "net/framing.h"

namespace baton::kafka {

// Something that goes on after handle() has returned, and ends with its connection.
class Ongoing {
 public:
  virtual ~Ongoing() = default;
  virtual void end() = 0;  // answers now
};

class Session final : public net::FrameHandler {
 public:
  Session(Node& node, Endpoint advertised, const net::ConnectionInfo& info);
  ~Session() override;

  [[nodiscard]] net::Turn turn(base::ByteView frame) const override;
  void handle(base::Buffer frame, std::function<void(net::ReplyResult)> done) override;
  void drain() override;

  // For handlers.
  [[nodiscard]] broker::BatchChecker& checker() { return checker_; }
  [[nodiscard]] broker::EventBatchReader& event_reader() { return event_reader_; }
  [[nodiscard]] const std::string& peer() const { return peer_; }
  void keep(std::shared_ptr<Ongoing> ongoing) { ongoing_.push_back(std::move(ongoing)); }
  void drop(const Ongoing* ongoing);

 private:
  Node& node_;
  const Endpoint advertised_;
  os::Executor& core_;
  const std::string peer_;
  const std::string host_;  // the peer's address
  broker::BatchChecker checker_;
  broker::EventBatchReader event_reader_;
  std::list<std::shared_ptr<Ongoing>> ongoing_;
};

// An API that is served: ApiVersions says so, and nothing else does.
struct Handler {
  wire::ApiKey key;
  wire::VersionRange versions;  // that are advertised
  net::Turn turn;
  void (*run)(Session& session, const std::shared_ptr<Call>& call);
};
// By key.
[[nodiscard]] std::span<const Handler> handlers();

}  // namespace baton::kafka
