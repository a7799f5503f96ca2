#include "kafka/session.h"

#include <algorithm>

#include "kafka/handlers/handlers.h"

namespace baton::kafka {

Session::Session(Node& node, Endpoint advertised, const net::ConnectionInfo& info)
    : node_(node),
      advertised_(std::move(advertised)),
      core_(*info.core),
      peer_(info.peer),
      host_(info.host()),
      checker_(log::BatchLimits{.uncompressed_bytes_max = node.limits.unpacked_bytes_max}),
      event_reader_(log::BatchLimits{.uncompressed_bytes_max = node.limits.unpacked_bytes_max}) {}

Session::~Session() = default;

// By the API's key, with which a request begins.
net::Turn Session::turn(base::ByteView frame) const {
  if (frame.size() < sizeof(std::int16_t)) return net::Turn::alone;
  const auto known = std::ranges::find(handlers(), static_cast<wire::ApiKey>(base::load_be<std::int16_t>(frame.data())), &Handler::key);
  return known == handlers().end() ? net::Turn::alone : known->turn;
}

void Session::handle(base::Buffer frame, std::function<void(net::ReplyResult)> done) {
  const auto call = std::make_shared<Call>(node_, advertised_, host_, core_, std::move(frame), std::move(done));
  if (const Status started = call->start(); !started) {
    call->close(started.error());
    return;
  }
  const auto known = std::ranges::find(handlers(), static_cast<wire::ApiKey>(call->api()), &Handler::key);
  if (known != handlers().end() && known->versions.contains(call->version())) {
    known->run(*this, call);
    if (known->turn == net::Turn::free) call->let_go();
  } else if (call->api() == static_cast<std::int16_t>(wire::ApiKey::api_versions)) {
    refuse_api_versions(*call);  // KIP-511: the client learns what there is
  } else {
    // As Kafka does: a client that has asked for ApiVersions does not come here.
    call->close({Code::invalid_argument, "API " + std::to_string(call->api()) + ", version " + std::to_string(call->version()) +
                                             ", is not served: ApiVersions says what is"});
  }
}

void Session::drain() {
  const auto all = ongoing_;  // each takes itself off the list
  for (const auto& one : all) one->end();
}

void Session::drop(const Ongoing* ongoing) {
  const auto found = std::ranges::find(ongoing_, ongoing, [](const auto& one) { return static_cast<const Ongoing*>(one.get()); });
  if (found != ongoing_.end()) ongoing_.erase(found);
}

}  // namespace baton::kafka
