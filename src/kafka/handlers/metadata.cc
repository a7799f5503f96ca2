// Metadata: this one broker leads every partition. Topics that a client asks for by name are made when it allows it.
#include <algorithm>
#include <set>

#include "kafka/errors.h"
#include "kafka/handlers/handlers.h"

namespace baton::kafka {
namespace {

using Topic = wire::MetadataResponse::MetadataResponseTopic;

Topic describe(const store::TopicView& topic, const Node& node) {
  Topic out;
  out.name = topic.name;
  out.topic_id = to_wire(topic.id);
  out.partitions.resize(topic.partitions.size());
  for (std::size_t i = 0; i < topic.partitions.size(); ++i) {
    auto& partition = out.partitions[i];
    partition.partition_index = static_cast<std::int32_t>(i);
    partition.leader_id = node.id;
    partition.leader_epoch = node.broker.epoch();
    partition.replica_nodes = {node.id};
    partition.isr_nodes = {node.id};
  }
  return out;
}

Topic missing(std::string_view name, const wire::Uuid& id, wire::ErrorCode error) {
  Topic out;
  out.error_code = error;
  out.name = std::string(name);
  out.topic_id = id;
  return out;
}

wire::MetadataResponse about_the_broker(const Call& call) {
  wire::MetadataResponse response;
  response.brokers.push_back({.node_id = call.node().id, .host = call.advertised().host, .port = call.advertised().port, .rack = {}});
  response.cluster_id = call.node().cluster_id();
  response.controller_id = call.node().id;
  return response;
}

void add_operations(wire::MetadataResponse& response, const Call& call, const wire::MetadataRequest& request) {
  if (request.include_cluster_authorized_operations) {
    const bool may = call.may(Operation::describe);
    response.cluster_authorized_operations = may ? call.operations(Resource::cluster, broker::kClusterName, kClusterOperations) : 0;
  }
  if (!request.include_topic_authorized_operations) return;
  for (Topic& topic : response.topics) {
    if (topic.error_code == wire::ErrorCode::topic_authorization_failed) continue;
    topic.topic_authorized_operations = call.operations(Resource::topic, topic.name.value_or(std::string()), kTopicOperations);
  }
}

// Makes the topics that are missing, one after the other, and answers when all are there or refused.
class MakeTopics : public std::enable_shared_from_this<MakeTopics> {
 public:
  MakeTopics(CallPtr call, wire::MetadataResponse response) : call_(std::move(call)), response_(std::move(response)) {}
  void go_on(std::size_t at = 0) {
    while (at < response_.topics.size() && response_.topics[at].error_code != wire::ErrorCode::leader_not_available) ++at;
    if (at == response_.topics.size()) {
      call_->reply(response_);
      return;
    }
    const std::string name = *response_.topics[at].name;
    call_->broker().create_topic({.name = name}, false, [self = shared_from_this(), at](const broker::TopicReply& reply) {
      self->made(at, reply);
    });
  }

 private:
  void made(std::size_t at, const broker::TopicReply& reply) {
    Topic& topic = response_.topics[at];
    const auto found = call_->broker().view()->find_topic(*topic.name);
    if (found != nullptr) {
      const std::int32_t operations = topic.topic_authorized_operations;
      topic = describe(*found, call_->node());
      topic.topic_authorized_operations = operations;
    } else {
      topic.error_code = to_wire(reply.error);
    }
    go_on(at + 1);
  }
  CallPtr call_;
  wire::MetadataResponse response_;
};

}  // namespace

void handle(Session&, const CallPtr& call, wire::MetadataRequest request) {
  wire::MetadataResponse response = about_the_broker(*call);
  const auto view = call->broker().view();
  if (view == nullptr) return call->close({Code::cancelled, "the store has ended"});
  const bool all = !request.topics || (call->version() == 0 && request.topics->empty());
  if (all) {
    for (const auto& topic : view->topics()) {
      if (broker::Broker::is_internal(topic->name) || !call->may(Operation::describe, Resource::topic, topic->name)) continue;
      response.topics.push_back(describe(*topic, call->node()));
    }
    add_operations(response, *call, request);
    return call->reply(response);
  }
  const bool may_make = call->broker().options().auto_create && request.allow_auto_topic_creation;
  bool makes = false;
  std::set<std::pair<std::optional<std::string_view>, log::TopicId>> answered;
  for (const auto& asked : *request.topics) {
    // Each is described once: by its name, or by its id where that is all that is given.
    if (!answered.emplace(asked.name, asked.name && !asked.name->empty() ? log::TopicId{} : from_wire(asked.topic_id)).second) continue;
    const std::string_view name = asked.name.value_or(std::string_view());
    const auto topic = find_topic(*view, name, asked.topic_id);
    const std::string_view known = topic == nullptr ? name : topic->name;
    if (!known.empty() && !call->may(Operation::describe, Resource::topic, known)) {
      response.topics.push_back(missing(name, asked.topic_id, wire::ErrorCode::topic_authorization_failed));
      if (!asked.name) response.topics.back().name.reset();  // who asks by an id does not learn whose it is
      if (call->version() < 12) response.topics.back().name = std::string(name);
    } else if (topic != nullptr) {
      response.topics.push_back(describe(*topic, call->node()));
    } else if (name.empty()) {
      response.topics.push_back(missing(name, asked.topic_id, asked.name ? wire::ErrorCode::invalid_topic_exception : wire::ErrorCode::unknown_topic_id));
      if (!asked.name) response.topics.back().name.reset();
      if (call->version() < 12) response.topics.back().name = std::string();
    } else if (!log::check_topic(std::string(name), log::TopicKind::plain, 1)) {
      response.topics.push_back(missing(name, {}, wire::ErrorCode::invalid_topic_exception));
    } else {
      if (may_make && !call->may(Operation::create) && !call->may(Operation::create, Resource::topic, name)) {
        response.topics.push_back(missing(name, {}, wire::ErrorCode::topic_authorization_failed));
        continue;
      }
      // LEADER_NOT_AVAILABLE marks those that are about to be made.
      response.topics.push_back(missing(name, {}, may_make ? wire::ErrorCode::leader_not_available : wire::ErrorCode::unknown_topic_or_partition));
      makes = makes || may_make;
    }
  }
  add_operations(response, *call, request);
  if (!makes) return call->reply(response);
  std::make_shared<MakeTopics>(call, std::move(response))->go_on();
}

}  // namespace baton::kafka
