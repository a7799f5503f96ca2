#include "kafka/call.h"

#include <utility>

#include "base/try.h"

namespace baton::kafka {

// Whoever drops a call unanswered (a store that is destroyed, say) must not leave its connection waiting.
Call::~Call() {
  if (done_) end(Error{Code::cancelled, "the request was dropped: the server is stopping"});
}

Status Call::start() {
  BATON_TRY_ASSIGN(header_, wire::decode_request_header(in_));
  return {};
}

void Call::finish(const Status& encoded, wire::Encoder& out) {
  if (encoded) {
    end(std::optional(net::Reply{.head = out.take()}));
  } else {
    end(encoded.error());
  }
}

void Call::end(net::ReplyResult result) { std::exchange(done_, nullptr)(std::move(result)); }

}  // namespace baton::kafka
