// What is asked of the group coordinator and what it answers, as plain values. Which version of which wire message has which field is
// known by kafka/; what a request of an old version lacks has a default here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "broker/group_types.h"

namespace baton::broker {

struct MemberProtocol {
  std::string name;      // "range"
  base::Bytes metadata;  // the client's own; for protocol type "consumer" a subscription
  friend bool operator==(const MemberProtocol&, const MemberProtocol&) = default;
};

struct JoinRequest {
  GroupId group;
  MemberId member;  // empty: not known yet
  std::optional<InstanceId> instance;
  std::string client_id;
  std::string client_host;
  std::string protocol_type;
  std::vector<MemberProtocol> protocols;  // the preferred one first
  std::int32_t session_timeout_ms = 0;
  std::int32_t rebalance_timeout_ms = -1;     // negative: the session timeout (JoinGroup v0)
  bool require_known_member_id = false;       // JoinGroup v4 and up: a new dynamic member is told its id first
  bool supports_skipping_assignment = false;  // JoinGroup v9 and up
};
struct JoinedMember {
  MemberId id;
  std::optional<InstanceId> instance;
  base::Bytes metadata;
};
struct JoinReply {
  GroupError error = GroupError::none;
  GenerationId generation = kNoGeneration;
  std::string protocol_type;
  std::string protocol;
  MemberId leader;
  MemberId member;  // with member_id_required: the id to come back with
  bool skip_assignment = false;
  std::vector<JoinedMember> members;  // for the leader only
};

struct SyncRequest {
  struct Assignment {
    MemberId member;
    base::Bytes assignment;
  };
  GroupId group;
  GenerationId generation;
  MemberId member;
  std::optional<InstanceId> instance;
  std::optional<std::string> protocol_type;
  std::optional<std::string> protocol;
  std::vector<Assignment> assignments;  // of the leader; of others nothing is looked at
};
struct SyncReply {
  GroupError error = GroupError::none;
  std::string protocol_type;
  std::string protocol;
  base::Bytes assignment;
};

struct HeartbeatRequest {
  GroupId group;
  GenerationId generation;
  MemberId member;
  std::optional<InstanceId> instance;
};
struct HeartbeatReply {
  GroupError error = GroupError::none;
};

struct LeaveRequest {
  struct Member {
    MemberId member;  // empty: whichever has the instance
    std::optional<InstanceId> instance;
  };
  GroupId group;
  std::vector<Member> members;
};
struct LeaveReply {
  GroupError error = GroupError::none;
  std::vector<GroupError> members;  // in the order of the request; empty when `error` is set
};

struct DescribeRequest {
  GroupId group;
};
struct DescribedMember {
  MemberId id;
  std::optional<InstanceId> instance;
  std::string client_id;
  std::string client_host;
  base::Bytes metadata;  // of the chosen protocol, in a stable group
  base::Bytes assignment;
};
struct DescribeReply {
  GroupError error = GroupError::none;  // group_id_not_found: before DescribeGroups v6 the wire says `Dead` without an error
  GroupState state = GroupState::dead;
  std::string protocol_type;
  std::string protocol;  // in a stable group
  std::vector<DescribedMember> members;
};

struct ListRequest {
  std::vector<std::string> states;  // names, in any case; none: all. One that is no state matches nothing
  std::vector<std::string> types;   // the same, of "classic"
};
struct ListedGroup {
  GroupId group;
  std::string protocol_type;
  GroupState state = GroupState::empty;
};
struct ListReply {
  GroupError error = GroupError::none;
  std::vector<ListedGroup> groups;  // by id; all are of type "classic"
};

struct DeleteRequest {
  GroupId group;
};
struct DeleteReply {
  GroupError error = GroupError::none;
};

struct CommitRequest {
  struct Entry {
    TopicPartition partition;
    log::TopicId topic_id;  // zero: not known
    log::Offset offset;
    LeaderEpoch leader_epoch = kNoLeaderEpoch;
    std::string metadata;
  };
  GroupId group;
  GenerationId generation =
      kNoGeneration;  // without one, and without member: a consumer that manages itself, or an admin's reset
  MemberId member;
  std::optional<InstanceId> instance;
  std::optional<std::int64_t> retention_ms;  // OffsetCommit v2 to v4: of these offsets, instead of the group's
  std::vector<Entry> entries;
};
struct CommitReply {
  std::vector<GroupError> errors;  // one an entry, in the order of the request
};

struct OffsetsRequest {
  GroupId group;
  std::optional<std::vector<TopicPartition>> partitions;  // nothing: all that have an offset
  // OffsetFetch v7 and up: an offset that an open transaction is about to change is not handed out. No transaction commits offsets
  // yet, so this changes no answer.
  bool require_stable = false;
};
struct FetchedOffset {
  TopicPartition partition;
  log::Offset offset = kNoOffset;  // -1: none is committed
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
  std::string metadata;
  log::TopicId topic_id;  // as it was committed; zero: not known
};
struct OffsetsReply {
  GroupError error = GroupError::none;
  std::vector<FetchedOffset> offsets;  // in the order of the request; all: by topic and partition
};

struct DeleteOffsetsRequest {
  GroupId group;
  std::vector<TopicPartition> partitions;
};
struct DeleteOffsetsReply {
  GroupError error = GroupError::none;
  std::vector<GroupError> errors;  // one a partition, in the order of the request; empty when `error` is set
};

}  // namespace baton::broker
