#include "kafka/handlers/handlers.h"

namespace baton::kafka {

void handle(Session&, const CallPtr& call, wire::DescribeClusterRequest request) {
  wire::DescribeClusterResponse response;
  constexpr std::int8_t kBrokers = 1;
  if (request.endpoint_type != kBrokers) {
    response.error_code = request.endpoint_type == 2 ? wire::ErrorCode::mismatched_endpoint_type : wire::ErrorCode::unsupported_endpoint_type;
    response.error_message = "this is the endpoint of a broker";
    return call->reply(response);
  }
  response.endpoint_type = kBrokers;
  if (request.include_cluster_authorized_operations) {
    const bool may = call->may(Operation::describe);
    response.cluster_authorized_operations = !may ? 0 : call->operations(Resource::cluster, broker::kClusterName, kClusterOperations);
  }
  response.cluster_id = call->node().cluster_id();
  response.controller_id = call->node().id;
  response.brokers.push_back({.broker_id = call->node().id, .host = call->advertised().host, .port = call->advertised().port, .rack = {}});
  call->reply(response);
}

}  // namespace baton::kafka
