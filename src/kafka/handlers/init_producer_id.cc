#include "kafka/handlers/handlers.h"

namespace baton::kafka {

void handle(Session&, const CallPtr& call, wire::InitProducerIdRequest request) {
  wire::InitProducerIdResponse response;
  response.producer_epoch = -1;
  if (request.transactional_id) {
    // There is no transaction coordinator yet; FindCoordinator says so, too.
    response.error_code = wire::ErrorCode::transactional_id_authorization_failed;
  } else {
    // An idempotent producer that has lost its sequence gets a new id as well, as from Kafka; it raises its epoch by itself (KIP-360).
    response.producer_id = call->broker().new_producer_id();
    response.producer_epoch = 0;
  }
  call->reply(response);
}

}  // namespace baton::kafka
