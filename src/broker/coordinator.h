// Coordinator: what is behind Groups. Its methods are in coordinator.cc (entries, writes, answers), group_join.cc and group_rebalance.cc
// (members and generations), group_members.cc (sync, heartbeat, leave, sessions), group_offsets.cc and group_expiry.cc, group_admin.cc
// (describe, list, delete), group_load.cc and group_compaction.cc.
//
// Two rules keep it simple. Answers are queued and given at the end of a turn, when the state is whole (Turn). And a Group* is used in the turn
// in which it was looked up, never kept: what happens later finds its group again by its id, and looks at its state again.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/deadlines.h"
#include "broker/groups.h"

namespace baton::broker {

// The state of a snapshot that is being written (group_compaction.cc).
struct Compaction {
  std::optional<GroupId> next;  // the first group that is not written; nothing: all are
  std::size_t waiting = 0;      // groups whose own writes are waited for
  std::size_t in_flight = 0;    // appends of the snapshot
  bool failed = false;
};

class Coordinator : public std::enable_shared_from_this<Coordinator> {
 public:
  Coordinator(os::Env& env, os::Executor& executor, GroupLog& log, GroupOptions options);

  Status load(base::ByteView record);
  void start();
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
  void review_offsets(const Groups::Review& review);
  void topic_removed(const std::string& topic, Reply<DeleteReply> reply);
  void compact();
  [[nodiscard]] GroupStats stats() const;

 private:
  // From an entry (a call, a timer, a completion of the log) to the answers that it gives.
  class Turn {
   public:
    explicit Turn(Coordinator& c) : c_(c), keep_(c.shared_from_this()) { ++c_.turns_; }
    ~Turn() {
      if (c_.turns_ == 1) c_.give_answers();
      --c_.turns_;
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    Coordinator& c_;
    std::shared_ptr<Coordinator> keep_;  // an answer may destroy Groups
  };

  template <typename T>
  void answer(Reply<T>& reply, T value) {
    if (!reply) return;
    answers_.push_back([reply = std::move(reply), value = std::move(value)]() mutable { reply(std::move(value)); });
    reply = nullptr;
  }
  void give_answers();
  // Why no request is served now; none: they are.
  [[nodiscard]] GroupError unready() const;
  [[nodiscard]] Group* find(const GroupId& group);
  // Makes it when it is not there; null at the limit.
  [[nodiscard]] Group* find_or_make(const GroupId& group);
  [[nodiscard]] bool name_fits(const std::string& name) const { return name.size() <= options_.name_bytes_max; }
  // A group that the log knows nothing of and that holds nothing is gone when its last request is.
  void forget_if_void(const GroupId& group);
  void erase(Group& group);
  void account(Group& group);  // what it holds has changed: the sums of all groups follow
  // Calls `what` with the group at that time, if it is still there.
  Deadlines::Key schedule(const Group& group, std::int64_t deadline_ns, std::move_only_function<void(Group&)> what);

  // Writes records about the group. `done` is called once: with the group (there is one while something of it is on its way) and the outcome.
  using Written = std::move_only_function<void(Group&, const Status&)>;
  void write(Group& group, std::vector<base::Bytes> records, Written done);
  void submit(Group& group, std::vector<base::Bytes> records, std::uint64_t write);
  void written(std::uint64_t write, const Status& status);

  // Joining (group_join.cc).
  [[nodiscard]] GroupError check_join(const JoinRequest& request) const;
  [[nodiscard]] Group& made(const GroupId& id);  // of a record
  [[nodiscard]] bool fits(const Group& group, std::uint64_t before, std::uint64_t now) const;
  [[nodiscard]] static bool accepts(Group& group, const MemberId& member, std::size_t members_max);
  void join_new(Group& group, JoinRequest request, Reply<JoinReply> reply);
  void join_known(Group& group, JoinRequest request, Reply<JoinReply> reply);
  void add_member(Group& group, const MemberId& id, bool id_known, JoinRequest request, Reply<JoinReply> reply);
  void replace_static(Group& group, const MemberId& id, JoinRequest request, Reply<JoinReply> reply);
  void finish_replace(Group& group, GenerationId generation, const MemberId& id, JoinRequest request, Reply<JoinReply> reply);
  void update(Group& group, Member& member, JoinRequest& request);
  void await_join(Group& group, Member& member, Reply<JoinReply> reply);
  void fail(Reply<JoinReply>& reply, GroupError error, MemberId member = {});
  [[nodiscard]] JoinReply current(const Group& group, const Member& member, bool with_members) const;
  [[nodiscard]] MemberId make_member_id(const JoinRequest& request);

  // Generations (group_rebalance.cc).
  void prepare_rebalance(Group& group);
  void reserve(Group& group);
  void maybe_complete_join(Group& group);
  void on_join_timer(Group& group);
  void start_join_timer(Group& group, std::int64_t ms);
  void complete_join(Group& group);
  void fail_joins(Group& group);
  void become_empty(Group& group);
  void record_empty(Group& group);
  void leave_preparing(Group& group);
  void fail_syncs(Group& group, GroupError error);
  void on_sync_timer(Group& group);

  // Members (group_members.cc).
  void store_assignments(Group& group, SyncRequest& request);
  void on_stored(Group& group, const std::map<MemberId, base::Bytes>& assignments, const Status& status);
  void touch(Group& group, Member& member);  // its session starts anew
  void start_session(Group& group, Member& member, std::int64_t ms);
  void on_session(Group& group, const MemberId& member);
  // It goes without a rebalance; what waits is answered with `error`.
  void drop(Group& group, const MemberId& member, GroupError error);
  // Members have gone; there were `before`.
  void after_departure(Group& group, std::size_t before);
  void add_pending(Group& group, const MemberId& member, std::int32_t session_timeout_ms);
  bool drop_pending(Group& group, const MemberId& member);
  [[nodiscard]] GroupError leave_one(Group& group, const LeaveRequest::Member& who);

  // Offsets (group_offsets.cc, group_expiry.cc).
  [[nodiscard]] GroupError check_commit(Group* group, const CommitRequest& request) const;
  [[nodiscard]] std::vector<GroupError> check_entries(const Group& group, const CommitRequest& request) const;
  // `done` is told whether all of it became durable.
  using Stored = std::move_only_function<void(Group&, bool ok)>;
  // False, and `done` is not called: more than one append may hold.
  bool store_offsets(Group& group, OffsetMap offsets, Stored done);
  void remove_offsets(Group& group, const std::vector<RemovedTopic>& topics, Stored done);
  void remove_group(Group& group, Reply<DeleteReply> reply);
  void sweep();
  void sweep(Group& group);
  [[nodiscard]] std::vector<RemovedTopic> expired(const Group& group, std::int64_t now_ms) const;

  // group_load.cc
  void apply(GenerationRecord& record);
  void apply(ReservedRecord& record);
  void apply(StaticMemberRecord& record);
  void apply(OffsetsRecord& record);
  void apply(OffsetsRemovedRecord& record);
  void apply(GroupRemovedRecord& record);

  // group_compaction.cc
  void maybe_compact();
  void compact_more();
  void write_snapshot(Group& group);
  void snapshot_written(const Status& status);

  friend class Turn;
  os::Env& env_;
  GroupLog& log_;
  const GroupOptions options_;
  enum class Phase : std::uint8_t { loading, running, stopped } phase_ = Phase::loading;
  std::uint64_t protocol_bytes_ = 0;   // of the members of all groups; before the groups, which change it
  std::map<GroupId, Group> groups_;
  std::size_t offsets_ = 0;            // of all groups, committed
  std::size_t offsets_in_flight_ = 0;  // on their way
  std::uint64_t state_bytes_ = 0;      // of a snapshot of all groups
  Deadlines deadlines_;
  int turns_ = 0;
  std::vector<std::move_only_function<void()>> answers_;

  struct OpenWrite {
    GroupId group;
    Written done;
  };
  std::map<std::uint64_t, OpenWrite> writes_;
  std::uint64_t last_write_ = 0;

  std::optional<Compaction> compaction_;
  std::optional<GroupId> sweep_from_;  // where a sweep goes on
  std::uint64_t compact_above_ = 0;    // after a snapshot: no other before the log has grown to this
  GroupStats counts_;                  // what only grows
};

}  // namespace baton::broker
