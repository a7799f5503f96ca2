#include <map>
#include <set>

#include "kafka/errors.h"
#include "kafka/handlers/configs.h"
#include "kafka/handlers/handlers.h"

namespace baton::kafka {
namespace {

using Asked = wire::CreateTopicsRequest::CreatableTopic;
using Result = wire::CreateTopicsResponse::CreatableTopicResult;

// What of a request has no meaning for one broker.
std::optional<std::pair<wire::ErrorCode, std::string>> check_placement(const Asked& asked, std::int32_t node_id) {
  if (!asked.assignments.empty()) {
    if (asked.num_partitions != -1 || asked.replication_factor != -1) {
      return {{wire::ErrorCode::invalid_request, "with an assignment, partitions and replication factor are -1"}};
    }
    std::set<std::int32_t> partitions;
    for (const auto& assignment : asked.assignments) partitions.insert(assignment.partition_index);
    if (partitions.size() != asked.assignments.size() || *partitions.begin() != 0 ||
        *partitions.rbegin() != static_cast<std::int32_t>(partitions.size()) - 1) {
      return {{wire::ErrorCode::invalid_replica_assignment, "the partitions of an assignment are 0, 1, and so on, each once"}};
    }
    for (const auto& assignment : asked.assignments) {
      if (assignment.broker_ids != std::vector<std::int32_t>{node_id}) {
        return {{wire::ErrorCode::invalid_replica_assignment, "there is one broker, " + std::to_string(node_id)}};
      }
    }
    return std::nullopt;
  }
  if (asked.replication_factor != -1 && asked.replication_factor != 1) {
    const bool valid = asked.replication_factor > 0;
    return {{wire::ErrorCode::invalid_replication_factor,
             valid ? "Unable to replicate the partition " + std::to_string(asked.replication_factor) + " time(s): there is one broker"
                   : "Replication factor must be larger than 0, or -1 to use the default value."}};
  }
  return std::nullopt;
}

const wire::CreateTopicsRequest::CreatableTopicConfig* find_without_value(const Asked& asked) {
  const auto found = std::ranges::find_if(asked.configs, [](const auto& config) { return !config.value; });
  return found == asked.configs.end() ? nullptr : &*found;
}

// One topic after the other.
class Creation : public std::enable_shared_from_this<Creation> {
 public:
  Creation(CallPtr call, wire::CreateTopicsRequest request) : call_(std::move(call)), request_(std::move(request)) {
    for (const auto& topic : request_.topics) ++times_named_[topic.name];
  }

  void go_on() {
    while (at_ < request_.topics.size()) {
      const Asked& asked = request_.topics[at_];
      if (times_named_.at(asked.name) == 0) {  // of those that are named more than once, the first is answered
        ++at_;
        continue;
      }
      Result& out = response_.topics.emplace_back();
      out.name = std::string(asked.name);
      out.error_message.reset();
      if (times_named_.at(asked.name) > 1) {
        refuse(out, wire::ErrorCode::invalid_request, "the topic is named more than once in this request");
        times_named_[asked.name] = 0;
      } else if (!call_->may(Operation::create) && !call_->may(Operation::create, Resource::topic, asked.name)) {
        refuse(out, wire::ErrorCode::topic_authorization_failed, "Authorization failed.");
      } else if (const auto bad = check_placement(asked, call_->node().id)) {
        refuse(out, bad->first, bad->second);
      } else if (const auto* empty = find_without_value(asked)) {
        refuse(out, wire::ErrorCode::invalid_config, "a setting has a value: " + std::string(empty->name));
      } else {
        create(asked);
        return;
      }
      ++at_;
    }
    call_->reply(response_);
  }

 private:
  static void refuse(Result& out, wire::ErrorCode error, std::string message) {
    out.error_code = error;
    out.error_message = std::move(message);
  }
  void create(const Asked& asked) {
    broker::NewTopic topic{.name = std::string(asked.name), .partitions = asked.num_partitions, .settings = {}};
    if (!asked.assignments.empty()) topic.partitions = static_cast<std::int32_t>(asked.assignments.size());
    for (const auto& config : asked.configs) {
      topic.settings[std::string(config.name)] = std::string(*config.value);
    }
    settings_ = topic.settings;
    partitions_ = topic.partitions == -1 ? call_->broker().options().default_partitions : topic.partitions;
    call_->broker().create_topic(std::move(topic), request_.validate_only,
                                 [self = shared_from_this()](const broker::TopicReply& reply) { self->created(reply); });
  }
  void created(const broker::TopicReply& reply) {
    Result& out = response_.topics.back();
    out.error_code = to_wire(reply.error);
    if (reply.error == broker::TopicError::none) {
      out.topic_id = to_wire(reply.id);
      out.num_partitions = partitions_;
      out.replication_factor = 1;
      if (call_->version() >= 5) describe(out, reply.id);
    } else {
      out.error_message = reply.message;
    }
    ++at_;
    go_on();
  }

  // A topic that is not made, since the request only asks whether it could be, would have the settings of the request.
  void describe(Result& out, const log::TopicId& id) const {
    if (!call_->may(Operation::describe_configs, Resource::topic, out.name)) {
      out.topic_config_error_code = wire::ErrorCode::topic_authorization_failed;
      out.num_partitions = -1;
      out.replication_factor = -1;
      out.configs.reset();
      return;
    }
    const broker::Broker& broker = call_->broker();
    const auto view = broker.view();
    const auto topic = view == nullptr ? nullptr : view->find_topic(id);
    log::Settings settings = topic == nullptr ? settings_ : topic->settings;
    log::TopicKind kind = log::TopicKind::plain;
    if (topic != nullptr) kind = topic->kind;
    if (const auto given = settings.find("baton.kind"); given != settings.end()) {
      if (given->second == "event") kind = log::TopicKind::event;
      settings.erase(given);
    }
    for (Config& config : topic_configs(broker, kind, settings)) {
      auto& entry = out.configs->emplace_back();
      entry.name = std::move(config.name);
      entry.value = std::move(config.value);
      entry.read_only = config.read_only;
      entry.config_source = static_cast<std::int8_t>(config.source);
    }
  }

  CallPtr call_;
  const wire::CreateTopicsRequest request_;
  std::map<std::string_view, std::size_t> times_named_;
  wire::CreateTopicsResponse response_;
  std::size_t at_ = 0;
  std::int32_t partitions_ = 0;
  log::Settings settings_;  // of the request
};

}  // namespace

void handle(Session&, const CallPtr& call, wire::CreateTopicsRequest request) {
  std::make_shared<Creation>(call, std::move(request))->go_on();
}

}  // namespace baton::kafka
