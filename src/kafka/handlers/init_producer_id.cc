#include "kafka/handlers/handlers.h"

namespace baton::kafka {

void handle(Session&, const CallPtr& call, wire::InitProducerIdRequest request) {
  wire::InitProducerIdResponse response;
  response.producer_epoch = -1;
  const bool has_id = request.producer_id != -1;
  const bool has_epoch = request.producer_epoch != -1;
  if (has_id != has_epoch || (request.transactional_id && request.transactional_id->empty())) {
    response.error_code = wire::ErrorCode::invalid_request;
  } else if (request.transactional_id) {
    // There is no transaction coordinator yet; FindCoordinator says so, too.
    response.error_code = wire::ErrorCode::transactional_id_authorization_failed;
  } else if (!call->may(Operation::idempotent_write) && !call->may_with_any(Operation::write, Resource::topic)) {
    response.error_code = wire::ErrorCode::cluster_authorization_failed;
  } else {
    // An idempotent producer that has lost its sequence gets a new id as well, as from Kafka; it raises its epoch by itself (KIP-360).
    response.producer_id = call->broker().new_producer_id();
    response.producer_epoch = 0;
  }
  call->reply(response);
}

}  // namespace baton::kafka
