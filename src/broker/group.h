// Group: one group's members, its generation and its offsets, as the coordinator keeps them, and what can be said about them without
// doing anything: who may join, which protocol wins, whether all have come. What happens when is in coordinator.h.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "broker/deadlines.h"
#include "broker/group_log.h"
#include "broker/group_messages.h"
#include "broker/group_record.h"
#include "broker/group_types.h"

namespace baton::broker {

template <typename T>
using Reply = std::move_only_function<void(T)>;

struct Member {
  StoredMember stored;
  bool is_new = true;     // has not been in a generation yet
  bool id_known = false;  // its client came with its id, so it can come back with it
  bool synced = true;     // has asked for its assignment in this generation
  bool supports_skipping_assignment = false;
  Reply<JoinReply> join;            // waits for a generation
  Reply<SyncReply> sync;            // waits for an assignment
  std::int64_t session_end_ns = 0;  // no earlier than this it is taken for dead
  Deadlines::Key session_timer;     // at or before it
};

class Group {
 public:
  // `all_protocol_bytes`: the sum of protocol_bytes of all groups.
  Group(GroupId group, std::uint64_t& all_protocol_bytes) : id(std::move(group)), all_protocol_bytes_(all_protocol_bytes) {}

  GroupId id;
  GroupState state = GroupState::empty;
  GenerationId generation{0};  // of the members as they are
  GenerationId told{0};        // the highest number that any member may have heard of
  GenerationId reserved{0};    // durably: numbers up to it are not given out again after a restart
  bool reserving = false;
  bool storing = false;           // the assignment of this generation is on its way to the log
  bool recorded = false;          // something of it is in the log, or on its way
  bool members_recorded = false;  // the log has members for it, or may have
  std::int64_t since_ms = 0;      // when it became empty or stable, by the log's time
  std::string protocol_type;
  std::string protocol;  // chosen for this generation; empty: none
  MemberId leader;
  std::map<MemberId, Member> members;
  std::map<InstanceId, MemberId> instances;
  std::map<MemberId, Deadlines::Key> pending;  // have been told an id and not joined yet, with the timers that forget them

  // While it prepares a rebalance.
  std::size_t joining = 0;            // members with a join that waits
  bool join_deadline_passed = false;  // no waiting for the others any more
  std::int64_t delay_left_ms = -1;    // of the first generation's delay, that it may be prolonged by; -1: there is no delay
  bool joined_in_delay = false;
  Deadlines::Key join_timer;
  Deadlines::Key sync_timer;

  OffsetMap offsets;
  std::size_t offsets_in_flight = 0;
  std::uint64_t offset_bytes = 0;  // in a snapshot
  // The last generation as the log has it, whatever has happened to the members since: what a snapshot says.
  base::Bytes recorded_generation;
  std::uint64_t protocol_bytes = 0;          // of all members' names and metadata
  std::uint64_t static_bytes_in_flight = 0;  // what the recorded generation may grow by
  std::uint64_t accounted_bytes = 0;         // what the sums of all groups hold of this one
  std::size_t accounted_offsets = 0;

  // What is on its way to the log, and what waits for a snapshot of this group (compaction.cc).
  struct HeldWrite {
    std::vector<base::Bytes> records;
    std::uint64_t write;
  };
  // Who made the group empty, until the write that says so begins: told the outcome of that write.
  std::vector<std::move_only_function<void(const Status&)>> when_empty;
  std::size_t in_flight = 0;
  bool snapshot_waits = false;
  std::deque<HeldWrite> held;

  [[nodiscard]] Member* find(const MemberId& member);
  // Who asks: none, unknown_member_id or fenced_instance_id.
  [[nodiscard]] GroupError check_member(const MemberId& member, const std::optional<InstanceId>& instance) const;
  // Whether a member with these protocols could be in the group.
  [[nodiscard]] bool supports(const std::string& type, const std::vector<MemberProtocol>& protocols) const;
  // The protocol that most members prefer, among those that all have; of equals the one that the leader prefers. `replaced` counts with
  // `by` in place of its own.
  [[nodiscard]] std::string select_protocol(const MemberId* replaced = nullptr,
                                            const std::vector<MemberProtocol>* by = nullptr) const;
  [[nodiscard]] std::int32_t rebalance_timeout_ms() const;  // the longest of its members
  [[nodiscard]] bool is_leader(const MemberId& member) const { return !leader.empty() && leader == member; }
  // Whether the topic is in a member's subscription: for protocol type `consumer`. Unreadable metadata is taken for subscribed to all.
  [[nodiscard]] bool subscribed(std::string_view topic) const;
  [[nodiscard]] GenerationRecord generation_record() const;
  [[nodiscard]] std::vector<JoinedMember> joined_members() const;  // with their metadata of the chosen protocol
  [[nodiscard]] std::uint64_t snapshot_bytes() const;
  [[nodiscard]] bool reads_subscriptions() const;  // of protocol type `consumer`
  [[nodiscard]] const StoredOffset* find_offset(const TopicPartition& partition) const;

  Member& add(StoredMember stored);
  void remove(const MemberId& member);
  void set_protocols(Member& member, std::vector<MemberProtocol> protocols);
  // The member takes another id and keeps its place: assignment, lead, protocols.
  Member& rename(const MemberId& from, const MemberId& to);
  void set_offset(const TopicPartition& partition, StoredOffset offset);
  void remove_offset(const TopicPartition& partition);
  void remove_offsets(const RemovedTopic& topic);
  // The log has put `member` in the place of the member of its instance, in the last recorded generation if that is `generation`.
  void record_static(GenerationId generation_then, StoredMember member);

 private:
  [[nodiscard]] bool beside_its_topic(OffsetMap::const_iterator at) const;
  void count_protocols(const std::vector<MemberProtocol>& protocols, int by);
  std::map<std::string, std::size_t> protocol_counts_;  // how many members have it
  std::uint64_t& all_protocol_bytes_;
};

[[nodiscard]] const base::Bytes& metadata_of(const StoredMember& member, const std::string& protocol);  // empty: it has none
[[nodiscard]] std::uint64_t bytes_of(const std::vector<MemberProtocol>& protocols);

}  // namespace baton::broker
