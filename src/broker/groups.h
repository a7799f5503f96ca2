// Groups: the coordinator of consumer groups, classic protocol. A state machine without threads, files or a wire format: it sees time through
// an executor, and keeps what must outlive it in a GroupLog (group_log.h, docs/formats/groups.md).
//
//   Groups groups(env, owner, log, options);
//   for (record of the log) BATON_TRY(groups.load(record));
//   groups.start();
//   groups.join(request, [](JoinReply reply) { ... });
//   groups.stop();
//
// Everything is called on the owner's executor. A completion is called exactly once, there: within the call or later, never while
// the coordinator is in the middle of something, so that it may call back in. Until start() the answer is
// COORDINATOR_LOAD_IN_PROGRESS, after stop() COORDINATOR_NOT_AVAILABLE.
//
// What is durable before which answer:
//   join            the number of the generation, so that none is used twice, also across restarts
//   sync            the generation: members with their metadata, leader, protocol, assignments; a static member's new id before its join
//   commit, delete, delete_offsets    what was asked for
// A write that fails gives COORDINATOR_NOT_AVAILABLE, and the state stays what the log says; clients come again.
//
// A restart starts no rebalance: a group that was stable is stable, in its generation, and each session starts anew. Timeouts go by the
// monotonic clock only; offsets age by the log's time. Neither follows a wall clock that is set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include <baton/result.h>

#include "broker/group.h"
#include "broker/group_log.h"
#include "broker/group_messages.h"
#include "os/env.h"

namespace baton::broker {

struct GroupOptions {
  // How long the first members of an empty group wait for others (group.initial.rebalance.delay.ms). Kafka's code says 3000, its shipped
  // server.properties and every test image 0, since a first consumer that waits three seconds is what people notice; so here 0.
  std::int32_t initial_rebalance_delay_ms = 0;
  std::int32_t session_timeout_min_ms = 6'000;        // group.min.session.timeout.ms
  std::int32_t session_timeout_max_ms = 1'800'000;    // group.max.session.timeout.ms
  std::int32_t new_member_join_timeout_ms = 300'000;  // a new member whose first rebalance takes longer is taken for gone
  std::int64_t offsets_retention_ms = 7LL * 24 * 60 * 60 * 1000;  // offsets.retention.minutes; 0 or less: for ever
  std::int64_t offsets_check_interval_ms = 600'000;               // offsets.retention.check.interval.ms

  // Limits. Kafka has the second and the third.
  std::size_t groups_max = 100'000;
  std::size_t members_max = 5'000;                // a group: group.max.size
  std::size_t offset_metadata_bytes_max = 4'096;  // an offset: offset.metadata.max.bytes
  std::size_t pending_members_max = 10'000;       // a group: have an id and have not joined
  std::size_t group_bytes_max = 1'000'000;        // a group: its generation as a record, with all metadata and assignments
  std::size_t members_bytes_max = 256u << 20;     // all groups: the metadata of their members
  std::size_t group_offsets_max = 100'000;        // a group
  std::size_t offsets_max = 2'000'000;            // all groups
  std::uint64_t state_bytes_max = 1u << 30;       // all groups: generations, offsets and their metadata, as records; beyond it offsets come in with little metadata only, and no new ones
  std::size_t name_bytes_max = 1'024;             // a group id, member id, instance id, client id, host, protocol, topic
  std::uint64_t compact_bytes_min = 1u << 20;     // below it the log is left as it is
};

struct GroupStats {
  std::size_t groups = 0;
  std::size_t offsets = 0;
  std::uint64_t rebalances = 0;  // generations that began
  std::uint64_t commits = 0;     // offsets that became durable
  std::uint64_t expired_members = 0;
  std::uint64_t expired_offsets = 0;
  std::uint64_t failed_writes = 0;
  std::uint64_t snapshots = 0;    // the state, written again to the end
  std::uint64_t state_bytes = 0;  // what it would take now, about
};

class Coordinator;

class Groups {
 public:
  // `env`, `executor` and `log` outlive it.
  Groups(os::Env& env, os::Executor& executor, GroupLog& log, GroupOptions options = {});
  ~Groups();  // as stop()

  // One record of the log, in its order, before start(). corrupt, or unsupported_format; the state is then not to be used.
  [[nodiscard]] Status load(base::ByteView record);
  void start();
  // Answers all that waits, and ends: timers are dropped, and a write that is on its way is not waited for (its outcome is unknown to its client).
  void stop();

  void join(JoinRequest request, Reply<JoinReply> reply);
  void sync(SyncRequest request, Reply<SyncReply> reply);
  void heartbeat(const HeartbeatRequest& request, Reply<HeartbeatReply> reply);
  void leave(const LeaveRequest& request, Reply<LeaveReply> reply);
  void describe(const DescribeRequest& request, Reply<DescribeReply> reply);
  void list(const ListRequest& request, Reply<ListReply> reply);
  void delete_group(const DeleteRequest& request, Reply<DeleteReply> reply);
  void commit(CommitRequest request, Reply<CommitReply> reply);
  void offsets(const OffsetsRequest& request, Reply<OffsetsReply> reply);
  void delete_offsets(const DeleteOffsetsRequest& request, Reply<DeleteOffsetsReply> reply);

  // Asks about each committed offset, after start(): what it should be, or nothing to remove it. For topics that were removed, or made anew,
  // while the removal of their offsets was not durable yet, and for partitions whose log ends before the offset.
  using Review = std::function<std::optional<log::Offset>(const TopicPartition&, const log::TopicId&, log::Offset)>;
  void review_offsets(const Review& review);
  // Forgets the offsets of a topic that was removed, in all groups. An error: not durably in all; a review at the next start finds the rest.
  void topic_removed(const std::string& topic, Reply<DeleteReply> reply);

  // The state is written again when, after a write, the log is more than four times the state and compact_bytes_min, and has grown by
  // compact_bytes_min since the last time. This starts it now, if it does not run.
  void compact();

  [[nodiscard]] GroupStats stats() const;

 private:
  std::shared_ptr<Coordinator> coordinator_;
};

}  // namespace baton::broker
