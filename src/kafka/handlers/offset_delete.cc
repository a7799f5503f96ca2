#include "kafka/errors.h"
#include "kafka/handlers/groups.h"

namespace baton::kafka {
namespace {

using Response = wire::OffsetDeleteResponse;
using Partition = Response::OffsetDeleteResponsePartition;

// The partitions of topics that are there wait for the group's answer.
struct Deletion {
  CallPtr call;
  Response response;
  std::vector<Partition*> asked;

  void answer(const broker::DeleteOffsetsReply& reply) {
    if (reply.error != broker::GroupError::none) {
      response.topics.clear();
      response.error_code = to_wire(reply.error);
    } else {
      for (std::size_t i = 0; i < asked.size(); ++i) asked[i]->error_code = to_wire(reply.errors[i]);
    }
    call->reply(response);
  }
};

}  // namespace

void handle(Session&, const CallPtr& call, wire::OffsetDeleteRequest request) {
  if (!call->may(Operation::remove, Resource::group, request.group_id)) {
    Response refused;
    refused.error_code = wire::ErrorCode::group_authorization_failed;
    return call->reply(refused);
  }
  auto deletion = std::make_shared<Deletion>();
  deletion->call = call;
  broker::DeleteOffsetsRequest ask{.group = group_id(request.group_id), .partitions = {}};
  const auto view = call->broker().view();
  auto& topics = deletion->response.topics;
  topics.resize(request.topics.size());
  for (std::size_t t = 0; t < topics.size(); ++t) {
    const auto& asked = request.topics[t];
    const auto topic = view == nullptr ? nullptr : find_topic(*view, asked.name, {});
    topics[t].name = std::string(asked.name);
    topics[t].partitions.resize(asked.partitions.size());
    const bool may = call->may(Operation::read, Resource::topic, asked.name);
    for (std::size_t p = 0; p < asked.partitions.size(); ++p) {
      Partition& out = topics[t].partitions[p];
      out.partition_index = asked.partitions[p].partition_index;
      if (!may) {
        out.error_code = wire::ErrorCode::topic_authorization_failed;
        continue;
      }
      if (topic == nullptr || out.partition_index < 0 || static_cast<std::size_t>(out.partition_index) >= topic->partitions.size()) {
        out.error_code = wire::ErrorCode::unknown_topic_or_partition;
        continue;
      }
      deletion->asked.push_back(&out);
      ask.partitions.push_back({.topic = topic->name, .partition = log::PartitionId(out.partition_index)});
    }
  }
  call->broker().with_groups([deletion, ask = std::move(ask)](broker::Groups& groups) {
    groups.delete_offsets(ask, [deletion](const broker::DeleteOffsetsReply& reply) { deletion->answer(reply); });
  });
}

}  // namespace baton::kafka
