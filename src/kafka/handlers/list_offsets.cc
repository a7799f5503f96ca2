#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "kafka/errors.h"
#include "kafka/handlers/handlers.h"

namespace baton::kafka {
namespace {

using Partition = wire::ListOffsetsResponse::ListOffsetsPartitionResponse;

constexpr std::int64_t kLatest = -1;
constexpr std::int64_t kEarliest = -2;
constexpr std::int64_t kMaxTimestamp = -3;
constexpr std::int64_t kEarliestLocal = -4;   // with tiered storage: the same as the earliest, here
constexpr std::int64_t kLatestTiered = -5;    // nothing is tiered
constexpr std::int64_t kEarliestPendingUpload = -6;

// The first record with the largest timestamp (KIP-734).
Result<std::optional<log::PartitionReader::TimeResult>> find_max_timestamp(const log::PartitionReader& reader) {
  // Timestamps need not ascend: halving finds the largest one for which there is a record.
  auto best = reader.find_time(INT64_MIN + 1);
  if (!best || !*best) return best;
  std::int64_t low = (*best)->timestamp;
  std::int64_t high = INT64_MAX;
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2 + 1;
    auto found = reader.find_time(middle);
    if (!found) return found;
    if (*found) {
      best = found;
      low = (*found)->timestamp > middle ? (*found)->timestamp : middle;
    } else {
      high = middle - 1;
    }
  }
  return best;
}

// The first version that has such a question; nullopt: none has. A time is asked in every version.
std::optional<std::int16_t> first_version(std::int64_t timestamp) {
  switch (timestamp) {
    case kMaxTimestamp: return 7;
    case kEarliestLocal: return 8;
    case kLatestTiered: return 9;
    case kEarliestPendingUpload: return 11;
    default: return timestamp < kEarliestPendingUpload ? std::nullopt : std::optional<std::int16_t>(0);
  }
}

void look_up(const log::PartitionReader& reader, std::int64_t timestamp, bool committed_only, Partition& out) {
  const log::Bounds bounds = reader.bounds();
  out.leader_epoch = bounds.epoch.value();
  switch (timestamp) {
    case kLatest: out.offset = committed_only ? bounds.last_stable.value() : bounds.visible.value(); return;
    case kEarliest:
    case kEarliestLocal: {
      out.offset = bounds.log_start.value();
      const auto epoch = reader.epoch_of(bounds.log_start);
      if (epoch && *epoch) out.leader_epoch = (*epoch)->value();
      return;
    }
    case kLatestTiered:
    case kEarliestPendingUpload: out.leader_epoch = -1; return;
    default: break;
  }
  const auto found = timestamp == kMaxTimestamp ? find_max_timestamp(reader) : reader.find_time(timestamp);
  if (!found) {
    out.error_code = read_error(found.error());
    return;
  }
  out.leader_epoch = -1;
  if (!*found) return;  // offset and timestamp -1: there is none
  out.offset = (*found)->offset.value();
  out.timestamp = (*found)->timestamp;
  const auto epoch = reader.epoch_of((*found)->offset);
  if (epoch && *epoch) out.leader_epoch = (*epoch)->value();
}

bool is_time(std::int64_t timestamp) { return timestamp >= 0 || timestamp == kMaxTimestamp; }

bool asks_for_times(const wire::ListOffsetsRequest& request) {
  return std::ranges::any_of(request.topics, [](const auto& topic) {
    return std::ranges::any_of(topic.partitions, [](const auto& partition) { return is_time(partition.timestamp); });
  });
}

// Any thread. `with_times` false: who asks for one is to ask again.
void answer(const CallPtr& call, const wire::ListOffsetsRequest& request, bool with_times) {
  wire::ListOffsetsResponse response;
  const auto view = call->broker().view();
  std::map<std::pair<std::string_view, std::int32_t>, int> times_named;
  for (const auto& topic : request.topics) {
    for (const auto& partition : topic.partitions) ++times_named[{topic.name, partition.partition_index}];
  }
  for (const auto& asked : request.topics) {
    auto& topic = response.topics.emplace_back();
    topic.name = std::string(asked.name);
    const auto found = view == nullptr ? nullptr : find_topic(*view, asked.name, {});
    const bool may = call->may(Operation::describe, Resource::topic, asked.name);
    for (const auto& partition : asked.partitions) {
      const int named = std::exchange(times_named[{asked.name, partition.partition_index}], 0);
      if (named == 0) continue;  // it has been answered
      Partition& out = topic.partitions.emplace_back();
      out.partition_index = partition.partition_index;
      if (!may || named > 1) {
        out.error_code = may ? wire::ErrorCode::invalid_request : wire::ErrorCode::topic_authorization_failed;
        continue;
      }
      out.error_code = check_partition(found.get(), partition.partition_index, partition.current_leader_epoch, call->broker().epoch());
      if (out.error_code != wire::ErrorCode::none) continue;
      if (const auto first = first_version(partition.timestamp); !first || call->version() < *first) {
        out.error_code = wire::ErrorCode::unsupported_version;
      } else if (is_time(partition.timestamp) && !with_times) {
        out.error_code = wire::ErrorCode::request_timed_out;
      } else {
        look_up(*found->partitions[static_cast<std::size_t>(partition.partition_index)], partition.timestamp, request.isolation_level == 1, out);
        constexpr std::int16_t kFirstWithEpochs = 4;
        if (call->version() < kFirstWithEpochs) out.leader_epoch = -1;
      }
    }
    if (topic.partitions.empty() && !asked.partitions.empty()) response.topics.pop_back();  // an entry before has answered them all
  }
  call->reply(response);
}

}  // namespace

void handle(Session&, const CallPtr& call, wire::ListOffsetsRequest request) {
  net::Readers* const readers = call->node().cold_reads;
  if (readers == nullptr || !asks_for_times(request)) return answer(call, request, true);
  // A time is looked for in the records: not on this thread, which others wait for.
  const auto asked = std::make_shared<const wire::ListOffsetsRequest>(std::move(request));
  if (!readers->post([call, asked] { answer(call, *asked, true); })) answer(call, *asked, false);
}

}  // namespace baton::kafka
