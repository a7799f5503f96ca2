// DescribeLogDirs: there is one directory, and every partition is in it.
#include <algorithm>
#include <limits>
#include <set>

#include "kafka/handlers/handlers.h"

namespace baton::kafka {
namespace {

using Directory = wire::DescribeLogDirsResponse::DescribeLogDirsResult;

std::int64_t clamped(std::uint64_t bytes) {
  return static_cast<std::int64_t>(std::min<std::uint64_t>(bytes, std::numeric_limits<std::int64_t>::max()));
}

// `asked`: null for all. Partitions that are not there are left out.
void add_topic(Directory& out, const store::TopicView& topic, const std::vector<std::int32_t>* asked) {
  auto& described = out.topics.emplace_back();
  described.name = topic.name;
  const auto add = [&](std::int32_t partition) {
    if (partition < 0 || static_cast<std::size_t>(partition) >= topic.partitions.size()) return;
    described.partitions.push_back({.partition_index = partition, .partition_size = clamped(topic.partitions[static_cast<std::size_t>(partition)]->bytes())});
  };
  if (asked != nullptr) {
    for (const std::int32_t partition : std::set(asked->begin(), asked->end())) add(partition);
  } else {
    for (std::size_t i = 0; i < topic.partitions.size(); ++i) add(static_cast<std::int32_t>(i));
  }
  if (described.partitions.empty()) out.topics.pop_back();
}

}  // namespace

void handle(Session&, const CallPtr& call, wire::DescribeLogDirsRequest request) {
  wire::DescribeLogDirsResponse response;
  if (!call->may(Operation::describe)) {
    response.error_code = wire::ErrorCode::cluster_authorization_failed;
    return call->reply(response);
  }
  store::StoreCore& core = call->broker().core();
  Directory& out = response.results.emplace_back();
  out.log_dir = core.directory();
  if (const auto space = core.env().fs().space(core.directory())) {
    out.total_bytes = clamped(space->total_bytes);
    out.usable_bytes = clamped(space->available_bytes);
  }
  if (!call->broker().health()) out.error_code = wire::ErrorCode::kafka_storage_error;
  const auto view = call->broker().view();
  if (view == nullptr) return call->reply(response);
  if (!request.topics) {
    for (const auto& topic : view->topics()) {
      if (!broker::Broker::is_internal(topic->name)) add_topic(out, *topic, nullptr);
    }
    return call->reply(response);
  }
  for (const auto& asked : *request.topics) {
    const auto topic = asked.topic.empty() ? nullptr : find_topic(*view, asked.topic, {});
    if (topic != nullptr) add_topic(out, *topic, &asked.partitions);
  }
  call->reply(response);
}

}  // namespace baton::kafka
