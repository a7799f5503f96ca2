#include "kafka/fetch_operation.h"
#include "kafka/handlers/handlers.h"

namespace baton::kafka {

void handle(Session& session, const CallPtr& call, wire::FetchRequest request) {
  wire::FetchResponse refused;
  // No reply opens a session (KIP-227), so that none can be gone on with.
  constexpr std::int32_t kFinalEpoch = -1;  // closes the session, and is answered like a fetch without one
  if (request.session_id != 0 && request.session_epoch != kFinalEpoch) {
    refused.error_code = wire::ErrorCode::fetch_session_id_not_found;
    return call->reply(refused);
  }
  if (request.replica_id >= 0 || request.replica_state.replica_id >= 0) {
    return call->close({Code::invalid_argument, "a follower asks for records: Baton has no followers"});
  }
  std::make_shared<FetchOperation>(session, call, request)->start();
}

}  // namespace baton::kafka
