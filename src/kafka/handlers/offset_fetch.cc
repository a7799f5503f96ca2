// OffsetFetch: whatever the version, a request becomes a list of groups, and the answer is cut back to what the version can say at the end.
// Each group and each partition is answered once in a request, so that an answer is no larger than what there is.
#include <set>

#include "kafka/errors.h"
#include "kafka/handlers/groups.h"

namespace baton::kafka {
namespace {

using Asked = wire::OffsetFetchRequest::OffsetFetchRequestGroup;
using Response = wire::OffsetFetchResponse;
using Group = Response::OffsetFetchResponseGroup;
using Topic = Response::OffsetFetchResponseTopics;
using Partition = Response::OffsetFetchResponsePartitions;

constexpr std::int16_t kFirstWithError = 2;   // of the whole answer
constexpr std::int16_t kFirstWithGroups = 8;
constexpr std::int16_t kFirstWithIds = 10;

Partition none_committed(std::int32_t index, wire::ErrorCode error) {
  return {.partition_index = index, .committed_offset = broker::kNoOffset.value(), .committed_leader_epoch = -1, .metadata = "", .error_code = error};
}

void fill(Partition& out, broker::FetchedOffset& offset) {
  out.committed_offset = offset.offset.value();
  out.committed_leader_epoch = offset.leader_epoch.value();
  out.metadata = std::move(offset.metadata);
}

// Of a topic that had the same name, and is gone.
bool is_of_other(const broker::FetchedOffset& offset, const log::TopicId& id) { return offset.topic_id != log::TopicId{} && offset.topic_id != id; }

class OffsetFetch : public std::enable_shared_from_this<OffsetFetch> {
 public:
  OffsetFetch(CallPtr call, wire::OffsetFetchRequest request)
      : call_(std::move(call)), require_stable_(request.require_stable), asked_(std::move(request.groups)), view_(call_->broker().view()) {
    if (call_->version() >= kFirstWithGroups) return;
    Asked& one = asked_.emplace_back();
    one.group_id = request.group_id;
    if (!request.topics) one.topics.reset();
    for (auto& topic : request.topics.value_or(std::vector<wire::OffsetFetchRequest::OffsetFetchRequestTopic>())) {
      one.topics->push_back({.name = topic.name, .topic_id = {}, .partition_indexes = std::move(topic.partition_indexes)});
    }
  }
  ~OffsetFetch() { answer(); }

  // On the connection's core: what to ask, and a slot for each answer.
  void prepare() {
    response_.groups.resize(asked_.size());
    std::set<std::string_view> seen;
    for (std::size_t i = 0; i < asked_.size(); ++i) {
      Group& out = response_.groups[i];
      out.group_id = std::string(asked_[i].group_id);
      if (!seen.insert(asked_[i].group_id).second) {
        out.error_code = wire::ErrorCode::invalid_request;
        continue;
      }
      if (!call_->may(Operation::describe, Resource::group, out.group_id)) {
        if (asked_[i].topics) copy(*asked_[i].topics, out);
        refuse(out, wire::ErrorCode::group_authorization_failed);
        continue;
      }
      Question& question = questions_.emplace_back(&out);
      question.request.group = group_id(out.group_id);
      question.request.require_stable = require_stable_;
      if (asked_[i].topics) prepare(*asked_[i].topics, out, question.request.partitions.emplace());
    }
  }
  void ask(broker::Groups& groups) {
    was_asked_ = true;
    for (const Question& question : questions_) {
      groups.offsets(question.request, [self = shared_from_this(), &question](broker::OffsetsReply reply) {
        if (reply.error != broker::GroupError::none) {
          self->refuse(*question.out, reply.error);
        } else if (question.request.partitions) {
          self->fill_some(*question.out, std::move(reply));
        } else {
          self->fill_all(*question.out, std::move(reply));
        }
      });
    }
  }

 private:
  struct Question {
    explicit Question(Group* to) : out(to) {}
    Group* out;
    broker::OffsetsRequest request;
  };
  [[nodiscard]] bool by_id() const { return call_->version() >= kFirstWithIds; }

  // What was asked for, without an answer yet: versions without an error of the whole say it with each partition.
  static void copy(const std::vector<wire::OffsetFetchRequest::OffsetFetchRequestTopics>& asked, Group& out) {
    for (const auto& wanted : asked) {
      Topic& topic = out.topics.emplace_back();
      topic.name = std::string(wanted.name);
      for (const std::int32_t index : wanted.partition_indexes) topic.partitions.push_back(none_committed(index, wire::ErrorCode::none));
    }
  }

  void prepare(const std::vector<wire::OffsetFetchRequest::OffsetFetchRequestTopics>& asked, Group& out, std::vector<broker::TopicPartition>& partitions) const {
    std::set<broker::TopicPartition> seen;
    for (const auto& wanted : asked) {
      Topic& topic = out.topics.emplace_back();
      topic.name = std::string(wanted.name);
      topic.topic_id = wanted.topic_id;
      // By name, nobody asks whether the topic is there: without one there is no offset.
      const auto found = by_id() && view_ != nullptr ? find_topic(*view_, {}, wanted.topic_id) : nullptr;
      if (found != nullptr) topic.name = found->name;
      const bool may = call_->may(Operation::describe, Resource::topic, topic.name);
      for (const std::int32_t index : wanted.partition_indexes) {
        auto error = by_id() && found == nullptr ? wire::ErrorCode::unknown_topic_id : wire::ErrorCode::none;
        if (error == wire::ErrorCode::none && !may) error = wire::ErrorCode::topic_authorization_failed;
        broker::TopicPartition partition{.topic = topic.name, .partition = log::PartitionId(index)};
        if (error == wire::ErrorCode::none && !seen.insert(partition).second) error = wire::ErrorCode::invalid_request;
        if (error == wire::ErrorCode::none) partitions.push_back(std::move(partition));
        topic.partitions.push_back(none_committed(index, error));
      }
    }
  }

  void fill_some(Group& out, broker::OffsetsReply reply) const {
    auto next = reply.offsets.begin();
    for (Topic& topic : out.topics) {
      for (Partition& partition : topic.partitions) {
        if (partition.error_code != wire::ErrorCode::none) continue;
        if (!by_id() || !is_of_other(*next, from_wire(topic.topic_id))) fill(partition, *next);
        ++next;
      }
    }
  }

  void fill_all(Group& out, broker::OffsetsReply reply) const {
    std::shared_ptr<const store::TopicView> topic;
    const std::string* name = nullptr;
    for (auto& offset : reply.offsets) {
      if (name == nullptr || *name != offset.partition.topic) {
        name = &offset.partition.topic;
        topic = view_ == nullptr ? nullptr : find_topic(*view_, *name, {});
      }
      if (!call_->may(Operation::describe, Resource::topic, *name)) continue;
      if (by_id() && (topic == nullptr || is_of_other(offset, topic->id))) continue;
      if (out.topics.empty() || out.topics.back().name != *name) {
        out.topics.push_back({.name = *name, .topic_id = topic == nullptr ? wire::Uuid{} : to_wire(topic->id), .partitions = {}});
      }
      fill(out.topics.back().partitions.emplace_back(none_committed(offset.partition.partition.value(), wire::ErrorCode::none)), offset);
    }
  }

  void refuse(Group& out, broker::GroupError error) const {
    // A group whose removal is not durable yet may stay: its consumers ask again, instead of starting from nothing.
    if (error == broker::GroupError::group_id_not_found) error = broker::GroupError::coordinator_not_available;
    refuse(out, to_wire(error));
  }

  void refuse(Group& out, wire::ErrorCode error) const {
    out.error_code = error;
    if (call_->version() >= kFirstWithError) return out.topics.clear();
    for (Topic& topic : out.topics) {
      for (Partition& partition : topic.partitions) partition.error_code = out.error_code;
    }
  }

  void answer() {
    if (!was_asked_) return;  // the server is stopping: the call says so itself
    if (call_->version() < kFirstWithGroups) {
      Group& one = response_.groups.at(0);
      response_.error_code = one.error_code;
      for (Topic& topic : one.topics) {
        auto& out = response_.topics.emplace_back();
        out.name = std::move(topic.name);
        for (Partition& partition : topic.partitions) {
          out.partitions.push_back({.partition_index = partition.partition_index,
                                    .committed_offset = partition.committed_offset,
                                    .committed_leader_epoch = partition.committed_leader_epoch,
                                    .metadata = std::move(partition.metadata),
                                    .error_code = partition.error_code});
        }
      }
      response_.groups.clear();
    }
    call_->reply(response_);
  }

  CallPtr call_;
  const bool require_stable_;
  std::vector<Asked> asked_;
  const std::shared_ptr<const store::ReadView> view_;
  Response response_;
  std::vector<Question> questions_;
  bool was_asked_ = false;
};

}  // namespace

void handle(Session&, const CallPtr& call, wire::OffsetFetchRequest request) {
  auto fetch = std::make_shared<OffsetFetch>(call, std::move(request));
  fetch->prepare();
  call->broker().with_groups([fetch = std::move(fetch)](broker::Groups& groups) { fetch->ask(groups); });
}

}  // namespace baton::kafka
