// DeleteTopics: what is named twice, or in two ways, is not removed: a mistake of the client must not cost a topic.
#include <map>
#include <set>

#include "kafka/errors.h"
#include "kafka/handlers/handlers.h"

namespace baton::kafka {
namespace {

using Asked = wire::DeleteTopicsRequest::DeleteTopicState;
using Result = wire::DeleteTopicsResponse::DeletableTopicResult;

// How often the topics of a request are named.
class Names {
 public:
  explicit Names(const std::vector<Asked>& asked) {
    for (const Asked& one : asked) {
      if (one.name) ++names_[*one.name];
      if (!one.name) ++ids_[from_wire(one.topic_id)];
    }
  }
  [[nodiscard]] std::optional<std::string> check(const Asked& asked) const {
    const bool by_id = asked.topic_id != wire::Uuid{};
    if (asked.name && by_id) return "a topic is named by its name or by its id, not by both";
    if (!asked.name && !by_id) return "neither a name nor an id";
    if (asked.name && names_.at(*asked.name) > 1) return "the topic is named more than once in this request";
    if (by_id && ids_.at(from_wire(asked.topic_id)) > 1) return "the topic's id is given more than once in this request";
    return std::nullopt;
  }
  // One of the request names it by its id, and another by its name.
  [[nodiscard]] bool both(const store::TopicView& topic) const {
    return names_.contains(topic.name) && ids_.contains(topic.id);
  }

 private:
  std::map<std::string_view, int> names_;
  std::map<log::TopicId, int> ids_;
};

void refuse(Result& out, wire::ErrorCode error, std::string message) {
  out.error_code = error;
  out.error_message = std::move(message);
}

}  // namespace

void handle(Session&, const CallPtr& call, wire::DeleteTopicsRequest request) {
  auto deletion = std::make_shared<SharedReply<wire::DeleteTopicsResponse>>(call);
  for (const std::string_view name : request.topic_names) request.topics.push_back({.name = name, .topic_id = {}});
  const Names names(request.topics);
  auto& responses = deletion->response.responses;
  responses.reserve(request.topics.size());  // completions keep where their slot is
  std::set<std::pair<std::string_view, log::TopicId>> answered;
  const auto view = call->broker().view();
  for (const Asked& asked : request.topics) {
    if (!answered.emplace(asked.name.value_or(std::string_view()), from_wire(asked.topic_id)).second) continue;
    auto& out = responses.emplace_back();
    out.name.reset();
    if (asked.name) out.name = std::string(*asked.name);
    out.topic_id = asked.topic_id;
    out.error_code = wire::ErrorCode::kafka_storage_error;  // until it is known
    if (auto wrong = names.check(asked)) {
      refuse(out, wire::ErrorCode::invalid_request, *std::move(wrong));
      continue;
    }
    const auto topic = view == nullptr ? nullptr : find_topic(*view, asked.name.value_or(std::string_view()), asked.topic_id);
    const std::string_view named = topic == nullptr ? asked.name.value_or(std::string_view()) : topic->name;
    const bool may_all = call->may(Operation::remove);  // on the cluster
    const bool may_know = may_all || named.empty() || call->may(Operation::describe, Resource::topic, named);
    if (!may_know) {
      refuse(out, wire::ErrorCode::topic_authorization_failed, "needs Describe on the topic");
      continue;
    }
    if (topic == nullptr) {
      refuse(out, asked.name ? wire::ErrorCode::unknown_topic_or_partition : wire::ErrorCode::unknown_topic_id,
             "there is no such topic");
      continue;
    }
    if (names.both(*topic)) {
      if (asked.name) {
        responses.pop_back();  // the one that gives the id is answered
      } else {
        out.name = topic->name;
        refuse(out, wire::ErrorCode::invalid_request, "the topic is named by its name and by its id in this request");
      }
      continue;
    }
    out.name = topic->name;
    if (!may_all && !call->may(Operation::remove, Resource::topic, topic->name)) {
      refuse(out, wire::ErrorCode::topic_authorization_failed, "needs Delete on the topic");
      continue;
    }
    out.topic_id = to_wire(topic->id);
    call->broker().delete_topic(topic->id, [deletion, &out](broker::TopicReply reply) {
      out.error_code = to_wire(reply.error);
      if (!reply.message.empty()) out.error_message = std::move(reply.message);
    });
  }
}

}  // namespace baton::kafka
