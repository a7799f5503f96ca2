#include "server/kafka_service.h"

#include <memory>

#include "kafka/session.h"

namespace baton::server {
namespace {

struct Service {
  Service(store::StoreCore& core, const Config& config, os::Clock& clock)
      : broker(core, broker::BrokerOptions{.default_partitions = config.topics.default_partitions,
                                           .auto_create = config.topics.auto_create,
                                           .topics_max = config.topics.topics_max,
                                           .partitions_max = config.topics.partitions_max}),
        node{.broker = broker, .clock = clock, .id = 1, .limits = {}} {}
  broker::Broker broker;
  kafka::Node node;
};

}  // namespace

Result<kafka::HandlerFactory> make_kafka_service(const ServiceContext& context) {
  const auto service = std::make_shared<Service>(context.core, context.config, context.env.clock());
  const kafka::Endpoint advertised{context.advertised_host, context.advertised_port};
  return kafka::HandlerFactory([service, advertised](const kafka::ConnectionInfo& info) -> std::unique_ptr<kafka::FrameHandler> {
    return std::make_unique<kafka::Session>(service->node, advertised, info);
  });
}

}  // namespace baton::server
