#include <algorithm>

#include "kafka/errors.h"
#include "kafka/handlers/groups.h"

namespace baton::kafka {
namespace {

using Response = wire::OffsetCommitResponse;
using Partition = Response::OffsetCommitResponsePartition;

constexpr std::int16_t kFirstWithNotFound = 9;
constexpr std::int16_t kFirstWithIds = 10;
constexpr std::int64_t kRetentionMsMax = std::int64_t{1000} * 365 * 24 * 60 * 60 * 1000;  // a thousand years: a time plus this is a time

// The partitions that are there wait for the group's answer.
struct Commit {
  CallPtr call;
  Response response;
  std::vector<Partition*> asked;

  void answer(const broker::CommitReply& reply) {
    for (std::size_t i = 0; i < asked.size(); ++i) {
      // Versions of old clients have no word for a group that is not there.
      const bool no_group = reply.errors[i] == broker::GroupError::group_id_not_found && call->version() < kFirstWithNotFound;
      asked[i]->error_code = no_group ? wire::ErrorCode::illegal_generation : to_wire(reply.errors[i]);
    }
    call->reply(response);
  }
};

}  // namespace

void handle(Session&, const CallPtr& call, wire::OffsetCommitRequest request) {
  auto commit = std::make_shared<Commit>();
  commit->call = call;
  broker::CommitRequest ask{.group = group_id(request.group_id),
                            .generation = broker::GenerationId(request.generation_id_or_member_epoch),
                            .member = member_id(request.member_id),
                            .instance = instance_id(request.group_instance_id),
                            .retention_ms = std::nullopt,
                            .entries = {}};
  if (request.retention_time_ms >= 0) ask.retention_ms = std::min(request.retention_time_ms, kRetentionMsMax);
  const bool by_id = call->version() >= kFirstWithIds;
  const auto view = call->broker().view();
  auto& topics = commit->response.topics;
  topics.resize(request.topics.size());
  const bool may_use_group = call->may(Operation::read, Resource::group, request.group_id);
  for (std::size_t t = 0; t < topics.size(); ++t) {
    const auto& asked = request.topics[t];
    const auto topic = view == nullptr ? nullptr : find_topic(*view, by_id ? std::string_view() : asked.name, asked.topic_id);
    topics[t].name = std::string(asked.name);
    topics[t].topic_id = asked.topic_id;
    topics[t].partitions.resize(asked.partitions.size());
    const bool may = call->may(Operation::read, Resource::topic, topic == nullptr ? asked.name : topic->name);
    for (std::size_t p = 0; p < asked.partitions.size(); ++p) {
      const auto& given = asked.partitions[p];
      Partition& out = topics[t].partitions[p];
      out.partition_index = given.partition_index;
      if (!may_use_group) {
        out.error_code = wire::ErrorCode::group_authorization_failed;
      } else if (topic == nullptr && by_id) {
        out.error_code = wire::ErrorCode::unknown_topic_id;
      } else if (!may) {
        out.error_code = wire::ErrorCode::topic_authorization_failed;
      } else if (topic == nullptr || given.partition_index < 0 || static_cast<std::size_t>(given.partition_index) >= topic->partitions.size()) {
        out.error_code = wire::ErrorCode::unknown_topic_or_partition;
      } else {
        commit->asked.push_back(&out);
        ask.entries.push_back({.partition = {.topic = topic->name, .partition = log::PartitionId(given.partition_index)},
                               .topic_id = topic->id,
                               .offset = log::Offset(given.committed_offset),
                               .leader_epoch = broker::LeaderEpoch(given.committed_leader_epoch),
                               .metadata = std::string(given.committed_metadata.value_or(std::string_view()))});
      }
    }
  }
  if (ask.entries.empty()) return commit->answer({});
  call->broker().with_groups([commit, ask = std::move(ask)](broker::Groups& groups) mutable {
    groups.commit(std::move(ask), [commit](const broker::CommitReply& reply) { commit->answer(reply); });
  });
}

}  // namespace baton::kafka
