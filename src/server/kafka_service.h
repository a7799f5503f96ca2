// Kafka's protocol as a service of the server: a broker over the store, and a session a connection.
#pragma once

#include "server/server.h"

namespace baton::server {

[[nodiscard]] Result<net::HandlerFactory> make_kafka_service(const ServiceContext& context);

}  // namespace baton::server
