#include "server/kafka_service.h"

#include <memory>
#include <optional>

#include "base/try.h"
#include "kafka/session.h"
#include "server/address.h"

namespace baton::server {
namespace {

struct Service {
  std::unique_ptr<broker::Broker> broker;
  std::optional<kafka::Node> node;
};

broker::GroupOptions group_options(const GroupSettings& settings) {
  broker::GroupOptions options;
  options.initial_rebalance_delay_ms = settings.initial_rebalance_delay_ms;
  options.session_timeout_min_ms = settings.session_timeout_min_ms;
  options.session_timeout_max_ms = settings.session_timeout_max_ms;
  options.offsets_retention_ms = settings.offsets_retention_ms;
  options.members_max = settings.members_max;
  return options;
}

broker::BrokerOptions broker_options(const Config& config) {
  return {.default_partitions = config.topics.default_partitions,
          .auto_create = config.topics.auto_create,
          .topics_max = config.topics.topics_max,
          .partitions_max = config.topics.partitions_max,
          .retention_ms = config.topics.retention_ms,
          .retention_check_ms = static_cast<std::int64_t>(config.topics.retention_check_ms),
          .groups = group_options(config.groups)};
}

}  // namespace

Result<kafka::HandlerFactory> make_kafka_service(const ServiceContext& context) {
  const auto service = std::make_shared<Service>();
  BATON_TRY_ASSIGN(service->broker, broker::Broker::make(context.core, broker_options(context.config)));
  const ListenAddress& kafka = context.config.kafka;
  service->node.emplace(kafka::Node{.broker = *service->broker,
                                    .clock = context.env.clock(),
                                    .id = 1,
                                    .limits = {},
                                    .listeners = "PLAINTEXT://" + host_and_port(kafka.address, kafka.port == 0 ? context.advertised_port : kafka.port)});
  const kafka::Endpoint advertised{context.advertised_host, context.advertised_port};
  return kafka::HandlerFactory([service, advertised](const kafka::ConnectionInfo& info) -> std::unique_ptr<kafka::FrameHandler> {
    return std::make_unique<kafka::Session>(*service->node, advertised, info);
  });
}

}  // namespace baton::server
