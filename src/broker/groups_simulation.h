// Random histories of one consumer group: members that come, crash, are late, leave and come back, a network that delays and loses, a log
// that fails, a coordinator that is killed and loses what was not durable; then calm, in which the group must settle.
//
// What must hold all the time:
//   - in a generation a partition has one owner, and a member has one assignment, which is what the leader gave it, also when it asks again
//     after a restart (F41)
//   - the number of a generation is given out once, and each is above all before it, across restarts
//   - an offset that was acknowledged is never older when it is read again; what is read was committed
//   - a commit of a generation below one that somebody was assigned in is refused (F40)
//   - a group whose last member was told that it has left is empty, also for the next coordinator, until somebody joins
//   - each request that reached a coordinator is answered exactly once, at the latest when it stops
// And after the storm: all members that live are in one stable generation, which assigns every partition once.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "broker/group_log_for_test.h"
#include "broker/groups.h"
#include "broker/sim_member_for_test.h"
#include "os/sim_env.h"

namespace baton::broker {

struct GroupsSimulationOptions {
  std::uint64_t seed = 1;
  std::size_t members = 0;      // 0: 2 to 8, by seed
  std::int32_t partitions = 0;  // 0: 1 to 8, by seed
  std::int64_t storm_ms = 60'000;
  std::int64_t calm_ms = 120'000;  // in which it must settle
  bool faults = true;              // of coordinator, log and network; members come and go in any case
};

class GroupsSimulation final : public SimNetwork {
 public:
  explicit GroupsSimulation(GroupsSimulationOptions options);
  ~GroupsSimulation() override;

  // Empty, or what went wrong.
  std::string run();
  [[nodiscard]] std::uint64_t trace_hash() const { return world_.trace_hash(); }
  [[nodiscard]] std::string summary() const;

  // SimNetwork
  os::SeededRandom& random() override { return world_.random(); }
  std::int64_t now_ms() override { return world_.now_ns() / 1'000'000; }
  void after_ms(std::int64_t ms, std::move_only_function<void()> what) override;
  void join(JoinRequest request, Reply<JoinReply> reply) override;
  void sync(SyncRequest request, Reply<SyncReply> reply) override;
  void heartbeat(HeartbeatRequest request, Reply<HeartbeatReply> reply) override;
  void leave(LeaveRequest request) override;
  void commit(CommitRequest request, Reply<CommitReply> reply) override;

 private:
  // Commits of one partition in the order in which a coordinator took them; the offset is the place in it, from 1.
  struct Commits {
    std::vector<bool> impossible;   // refused, or reported as failed
    std::int64_t acknowledged = 0;  // the highest
  };

  void start_server();
  void stop_server(bool crash);
  void storm();
  void act();
  [[nodiscard]] std::string settled() const;
  [[nodiscard]] DescribeReply describe() const;
  void check_offsets();
  void fail(const std::string& what);
  // A message takes its time, and may get lost.
  void deliver(std::move_only_function<void()> what);
  // Hands the request to the coordinator of that moment; `check` sees the answer when it gives it, `reply` when it arrives.
  template <typename T, typename Call, typename Check>
  void send(Reply<T> reply, Call call, Check check);
  void check_join(const JoinReply& reply);
  void check_sync(const SyncRequest& request, const SyncReply& reply);
  void check_commit(const CommitRequest& request, GenerationId assigned, const CommitReply& reply);

  GroupsSimulationOptions options_;
  os::SimWorld world_;
  std::unique_ptr<os::SimEnv> client_env_;
  std::unique_ptr<os::Executor> client_executor_;
  StoredGroupLog stored_;
  std::unique_ptr<os::SimEnv> env_;
  std::unique_ptr<os::Executor> executor_;
  std::unique_ptr<MemoryGroupLog> log_;
  std::unique_ptr<Groups> groups_;
  std::uint64_t incarnation_ = 0;
  std::vector<std::unique_ptr<SimMember>> members_;
  bool cooperative_ = false;
  std::uint32_t loss_per_mille_ = 0;
  std::uint32_t fail_per_mille_ = 0;
  std::string failure_;

  bool storming_ = false;
  bool stopping_ = false;
  bool left_empty_ = false;  // somebody was told that it has left and was the last, and nobody has asked to join since

  std::set<std::uint64_t> open_;  // requests of this coordinator that are not answered
  std::uint64_t last_request_ = 0;
  std::map<GenerationId, std::uint64_t> begun_;  // generations whose leader was told, by which coordinator
  GenerationId highest_{0};                      // that anybody was told
  GenerationId assigned_{0};                     // that anybody was assigned in
  std::map<std::pair<GenerationId, std::int32_t>, std::string> owners_;
  std::map<std::pair<GenerationId, std::string>, base::Bytes> assignments_;
  std::map<MemberId, std::string> identities_;                                     // the instance, or the id itself
  std::map<GenerationId, std::vector<std::map<std::string, base::Bytes>>> given_;  // by leaders, to whom
  std::map<std::int32_t, Commits> commits_;
  std::uint64_t restarts_ = 0, acknowledged_ = 0, refused_ = 0;
};

}  // namespace baton::broker
