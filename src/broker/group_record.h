// The records of groups as values and as bytes: docs/formats/groups.md.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <baton/result.h>

#include "base/bytes.h"
#include "broker/group_messages.h"
#include "broker/group_types.h"

namespace baton::broker {

inline constexpr std::int64_t kNoExpiry = -1;

struct StoredMember {
  MemberId id;
  std::optional<InstanceId> instance;
  std::string client_id;
  std::string client_host;
  std::int32_t session_timeout_ms = 0;
  std::int32_t rebalance_timeout_ms = 0;
  std::vector<MemberProtocol> protocols;
  base::Bytes assignment;
  friend bool operator==(const StoredMember&, const StoredMember&) = default;
};

struct StoredOffset {
  log::TopicId topic_id;
  log::Offset offset;
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
  std::int64_t commit_ms = 0;
  std::int64_t expire_ms = kNoExpiry;
  std::string metadata;
  friend bool operator==(const StoredOffset&, const StoredOffset&) = default;
};
// One topic's offsets, of one topic id, as they lie in a record.
struct StoredTopic {
  std::string topic;
  log::TopicId topic_id;
  std::vector<std::pair<log::PartitionId, StoredOffset>> offsets;
  friend bool operator==(const StoredTopic&, const StoredTopic&) = default;
};
struct RemovedTopic {
  std::string topic;
  std::vector<log::PartitionId> partitions;  // none: all
  friend bool operator==(const RemovedTopic&, const RemovedTopic&) = default;
};

struct GenerationRecord {
  GroupId group;
  GenerationId generation;
  std::int64_t since_ms = 0;
  std::string protocol_type;
  std::string protocol;
  MemberId leader;
  std::vector<StoredMember> members;
  friend bool operator==(const GenerationRecord&, const GenerationRecord&) = default;
};
struct ReservedRecord {
  GroupId group;
  GenerationId generation;
  friend bool operator==(const ReservedRecord&, const ReservedRecord&) = default;
};
struct StaticMemberRecord {
  GroupId group;
  GenerationId generation;
  StoredMember member;
  friend bool operator==(const StaticMemberRecord&, const StaticMemberRecord&) = default;
};
struct OffsetsRecord {
  GroupId group;
  std::vector<StoredTopic> topics;
  friend bool operator==(const OffsetsRecord&, const OffsetsRecord&) = default;
};
struct OffsetsRemovedRecord {
  GroupId group;
  std::vector<RemovedTopic> topics;
  friend bool operator==(const OffsetsRemovedRecord&, const OffsetsRemovedRecord&) = default;
};
struct GroupRemovedRecord {
  GroupId group;
  friend bool operator==(const GroupRemovedRecord&, const GroupRemovedRecord&) = default;
};
using GroupRecord =
    std::variant<GenerationRecord, ReservedRecord, StaticMemberRecord, OffsetsRecord, OffsetsRemovedRecord, GroupRemovedRecord>;

[[nodiscard]] base::Bytes encode_group_record(const GroupRecord& record);
// corrupt: the bytes are no record; unsupported_format: of a kind or version that this program does not know.
[[nodiscard]] Result<GroupRecord> decode_group_record(base::ByteView bytes);

// What an offset takes in a record, and what a run of offsets of one topic and topic id takes besides (at most).
[[nodiscard]] std::size_t encoded_size(log::PartitionId partition, const StoredOffset& offset);
[[nodiscard]] std::size_t topic_overhead(const std::string& topic);

// The offsets as records of about `record_bytes` at most (one offset may take more), in the order of the map; adjacent offsets of one topic share
// its name.
using OffsetMap = std::map<TopicPartition, StoredOffset>;
[[nodiscard]] std::vector<base::Bytes> encode_offsets(const GroupId& group, const OffsetMap& offsets, std::size_t record_bytes);

}  // namespace baton::broker
