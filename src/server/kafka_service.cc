#include "server/kafka_service.h"

#include <memory>

#include "broker/broker.h"
#include "kafka/session.h"
#include "server/address.h"

namespace baton::server {

Result<net::HandlerFactory> make_kafka_service(const ServiceContext& context) {
  const ListenAddress& kafka = context.config.kafka;
  const auto node = std::make_shared<kafka::Node>(
      kafka::Node{.broker = context.broker,
                  .clock = context.env.clock(),
                  .id = 1,
                  .limits = {},
                  .listeners = "PLAINTEXT://" + host_and_port(kafka.address, kafka.port == 0 ? context.advertised_port : kafka.port)});
  const kafka::Endpoint advertised{context.advertised_host, context.advertised_port};
  return net::HandlerFactory([node, advertised](const net::ConnectionInfo& info) -> std::unique_ptr<net::FrameHandler> {
    return std::make_unique<kafka::Session>(*node, advertised, info);
  });
}

}  // namespace baton::server
