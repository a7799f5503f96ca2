#include "server/kafka_service.h"

#include <memory>

#include "broker/broker.h"
#include "kafka/session.h"
#include "server/address.h"

namespace baton::server {
namespace {
constexpr std::size_t kColdReadsMax = 1'024;  // fetches that wait for a reader; further ones read on their core
}

Result<net::HandlerFactory> make_kafka_service(const ServiceContext& context) {
  const ListenAddress& kafka = context.config.kafka;
  // Ends with the last connection, after its reads.
  const auto cold_reads = std::make_shared<net::Readers>(context.env, "kafka-read", 1, kColdReadsMax);
  const auto node = std::make_shared<kafka::Node>(
      kafka::Node{.broker = context.broker,
                  .clock = context.env.clock(),
                  .id = 1,
                  .limits = {},
                  .cold_reads = cold_reads.get(),
                  .listeners = "PLAINTEXT://" + host_and_port(kafka.address, kafka.port == 0 ? context.advertised_port : kafka.port)});
  const kafka::Endpoint advertised{context.advertised_host, context.advertised_port};
  return net::HandlerFactory([node, cold_reads, advertised](const net::ConnectionInfo& info) -> std::unique_ptr<net::FrameHandler> {
    return std::make_unique<kafka::Session>(*node, advertised, info);
  });
}

}  // namespace baton::server
