// Call: one request on its way. It owns the frame, so that a request may point into it, and it ends with exactly one of reply(), no_reply() and close().
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "net/protocol.h"
#include "kafka/node.h"
#include "kafka/wire/codec.h"

namespace baton::kafka {

class Session;

class Call : public std::enable_shared_from_this<Call> {
 public:
  using Done = std::function<void(net::ReplyResult)>;
  // `host`: the client's address.
  Call(Node& node, Endpoint advertised, std::string host, os::Executor& core, base::Buffer frame, Done done)
      : node_(node),
        advertised_(std::move(advertised)),
        host_(std::move(host)),
        core_(core),
        frame_(std::move(frame)),
        done_(std::move(done)),
        in_(frame_.bytes()) {}
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // Reads the request's header. An error: the connection cannot go on.
  [[nodiscard]] Status start();

  [[nodiscard]] Node& node() const { return node_; }
  [[nodiscard]] broker::Broker& broker() const { return node_.broker; }
  [[nodiscard]] const Endpoint& advertised() const { return advertised_; }
  // The connection's core: what is posted there runs while the connection is there, or never.
  [[nodiscard]] os::Executor& core() const { return core_; }
  [[nodiscard]] std::int16_t api() const { return header_.request_api_key; }
  [[nodiscard]] std::int16_t version() const { return header_.request_api_version; }
  // Who the client is: nobody in particular, as long as listeners do not ask.
  [[nodiscard]] static std::string_view user() { return "ANONYMOUS"; }
  // What the client may do: its rights (broker/rights.h).
  [[nodiscard]] bool may(broker::Operation operation, broker::Resource resource, std::string_view name) const {
    return broker().rights().may({broker::kAnonymous, host_}, operation, resource, name);
  }
  [[nodiscard]] bool may(broker::Operation operation) const { return may(operation, broker::Resource::cluster, broker::kClusterName); }
  [[nodiscard]] bool may_with_any(broker::Operation operation, broker::Resource resource) const {
    return broker().rights().may_with_any({broker::kAnonymous, host_}, operation, resource);
  }
  [[nodiscard]] std::int32_t operations(broker::Resource resource, std::string_view name, std::int32_t bits) const {
    return broker().rights().operations({broker::kAnonymous, host_}, resource, name, bits);
  }
  [[nodiscard]] std::string_view client_id() const { return header_.client_id.value_or(std::string_view()); }
  [[nodiscard]] base::ByteView frame() const { return frame_.bytes(); }
  // The request has been read, and waits for something: it points into the frame no more, which is not kept for it. The connection's core.
  void let_go();
  // A part of the frame, for one who keeps it, and the call with it, and may write to it; each part at most once.
  [[nodiscard]] base::OwnedBytes own(base::ByteView part) {
    return {frame_.bytes().subspan(static_cast<std::size_t>(part.data() - frame_.bytes().data()), part.size()), shared_from_this()};
  }

  // The body. An error names message, field and byte.
  template <typename Request>
  [[nodiscard]] Result<Request> parse() {
    return wire::decode<Request>(in_, version());
  }

  // Any thread. In the version of the request, unless another is given.
  template <typename Response>
  void reply(const Response& response, std::optional<std::int16_t> version = std::nullopt) {
    wire::Encoder out;
    finish(wire::encode_response(out, header_.correlation_id, version.value_or(this->version()), response), out);
  }
  // With records that lie in files: their `source` is a place in `files`, whose `after` is filled in.
  template <typename Response>
  void reply(const Response& response, std::vector<net::FileSlice> files) {
    wire::Encoder out;
    finish(wire::encode_response(out, header_.correlation_id, version(), response), out, std::move(files));
  }
  // Before the reply: the client has used more than its quota.
  void pause(std::int64_t ms) { pause_ms_ = std::max(pause_ms_, ms); }
  void no_reply() { end(std::optional<net::Reply>()); }
  void close(Error error) { end(std::move(error)); }

 private:
  void finish(const Status& encoded, wire::Encoder& out, std::vector<net::FileSlice> files = {});
  void end(net::ReplyResult result);

  Node& node_;
  const Endpoint advertised_;
  const std::string host_;
  os::Executor& core_;
  base::Buffer frame_;
  Done done_;
  std::int64_t pause_ms_ = 0;
  wire::Decoder in_;
  wire::RequestHeader header_;
  std::string client_id_;  // once the frame is gone
};

}  // namespace baton::kafka
