// CreatePartitions: a plain topic gets more partitions, one topic of the request after the other.
#include <map>

#include "kafka/errors.h"
#include "kafka/handlers/handlers.h"

namespace baton::kafka {
namespace {

using Asked = wire::CreatePartitionsRequest::CreatePartitionsTopic;
using Result = wire::CreatePartitionsResponse::CreatePartitionsTopicResult;

// Where the new partitions shall lie, when the request says so: on the one broker that there is.
std::optional<std::string> check_placement(const Asked& asked, std::size_t now, std::int32_t node_id) {
  if (!asked.assignments || asked.count <= static_cast<std::int32_t>(now)) return std::nullopt;  // the count is refused then
  const std::size_t added = static_cast<std::size_t>(asked.count) - now;
  if (asked.assignments->size() != added) {
    return "an assignment for each of " + std::to_string(added) + " new partition(s) is needed, and there are " +
           std::to_string(asked.assignments->size());
  }
  for (const auto& assignment : *asked.assignments) {
    if (assignment.broker_ids != std::vector<std::int32_t>{node_id}) return "there is one broker, " + std::to_string(node_id);
  }
  return std::nullopt;
}

class Addition : public std::enable_shared_from_this<Addition> {
 public:
  Addition(CallPtr call, wire::CreatePartitionsRequest request) : call_(std::move(call)), request_(std::move(request)) {
    for (const auto& topic : request_.topics) ++times_named_[topic.name];
  }

  void go_on() {
    for (; at_ < request_.topics.size(); ++at_) {
      const Asked& asked = request_.topics[at_];
      const int times = std::exchange(times_named_[asked.name], 0);
      if (times == 0) continue;  // it has been answered
      Result& out = response_.results.emplace_back();
      out.name = std::string(asked.name);
      const auto view = call_->broker().view();
      const auto topic = view == nullptr ? nullptr : find_topic(*view, asked.name, {});
      if (times > 1) {
        refuse(out, wire::ErrorCode::invalid_request, "the topic is named more than once in this request");
      } else if (!call_->may(Operation::alter, Resource::topic, asked.name)) {
        out.error_code = wire::ErrorCode::topic_authorization_failed;
      } else if (topic == nullptr) {
        out.error_code = wire::ErrorCode::unknown_topic_or_partition;
      } else if (auto bad = check_placement(asked, topic->partitions.size(), call_->node().id)) {
        refuse(out, wire::ErrorCode::invalid_replica_assignment, std::move(*bad));
      } else {
        call_->broker().add_partitions(topic->id, asked.count, request_.validate_only,
                                       [self = shared_from_this()](broker::TopicReply reply) { self->added(std::move(reply)); });
        return;
      }
    }
    call_->reply(response_);
  }

 private:
  static void refuse(Result& out, wire::ErrorCode error, std::string message) {
    out.error_code = error;
    out.error_message = std::move(message);
  }
  void added(broker::TopicReply reply) {
    if (reply.error != broker::TopicError::none) refuse(response_.results.back(), to_wire(reply.error), std::move(reply.message));
    ++at_;
    go_on();
  }

  const CallPtr call_;
  const wire::CreatePartitionsRequest request_;  // of views into the call's frame
  wire::CreatePartitionsResponse response_;
  std::map<std::string_view, int> times_named_;
  std::size_t at_ = 0;
};

}  // namespace

void handle(Session&, const CallPtr& call, wire::CreatePartitionsRequest request) {
  std::make_shared<Addition>(call, std::move(request))->go_on();
}

}  // namespace baton::kafka
