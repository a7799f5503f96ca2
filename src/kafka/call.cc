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

void Call::let_go() {
  if (header_.client_id) {
    client_id_ = std::string(*header_.client_id);
    header_.client_id = client_id_;
  }
  in_ = wire::Decoder(base::ByteView());
  frame_ = base::Buffer();
}

void Call::finish(const Status& encoded, wire::Encoder& out, std::vector<net::FileSlice> files) {
  if (!encoded) return end(encoded.error());
  if (out.elsewhere().empty()) return end(std::optional(net::Reply{.head = out.take()}));
  // The encoded bytes up to the first records, then each records' file and the bytes up to the next.
  net::Reply reply;
  const base::ByteView bytes = out.bytes();
  const auto places = out.elsewhere();
  base::put_bytes(reply.head, bytes.first(places.front().at));
  for (std::size_t i = 0; i < places.size(); ++i) {
    const std::size_t to = i + 1 < places.size() ? places[i + 1].at : bytes.size();
    net::FileSlice& slice = reply.slices.emplace_back(std::move(files[places[i].source]));
    base::put_bytes(slice.after, bytes.subspan(places[i].at, to - places[i].at));
  }
  end(std::optional(std::move(reply)));
}

void Call::end(net::ReplyResult result) {
  if (result && pause_ms_ > 0) {
    if (!*result) result->emplace().silent = true;
    (*result)->pause_ms = pause_ms_;
  }
  std::exchange(done_, nullptr)(std::move(result));
}

}  // namespace baton::kafka
