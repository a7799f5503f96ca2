// A consumer as the clients are, as far as its group sees it: joins, leads, asks for its assignment, sends heartbeats and commits, starts
// anew when it is told that it is nobody. Eager: gives up its partitions before it joins. Cooperative: keeps them, and gives up what its new
// assignment does not have, then joins again.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>

#include "broker/group.h"
#include "broker/group_messages.h"
#include "os/sim_random.h"

namespace baton::broker {

class SimNetwork {
 public:
  virtual ~SimNetwork() = default;
  virtual os::SeededRandom& random() = 0;
  virtual std::int64_t now_ms() = 0;
  virtual void after_ms(std::int64_t ms, std::move_only_function<void()> what) = 0;
  // An answer comes later, or never.
  virtual void join(JoinRequest request, Reply<JoinReply> reply) = 0;
  virtual void sync(SyncRequest request, Reply<SyncReply> reply) = 0;
  virtual void heartbeat(HeartbeatRequest request, Reply<HeartbeatReply> reply) = 0;
  virtual void leave(LeaveRequest request) = 0;
  virtual void commit(CommitRequest request, Reply<CommitReply> reply) = 0;
};

struct SimMemberOptions {
  std::string name;
  std::optional<std::string> instance;
  bool cooperative = false;
  std::int32_t partitions = 1;
  bool two_step = true;
  bool skips_assignment = true;
  std::uint32_t late_per_mille = 20;  // how often it takes seconds to ask for its assignment
};

[[nodiscard]] base::Bytes encode_partitions(const std::set<std::int32_t>& partitions);
[[nodiscard]] std::set<std::int32_t> decode_partitions(base::ByteView bytes);

class SimMember {
 public:
  static constexpr std::int32_t kSessionMs = 10'000;
  static constexpr std::int32_t kRebalanceMs = 5'000;

  SimMember(SimNetwork& network, SimMemberOptions options) : network_(network), options_(std::move(options)) {}

  void start();
  void crash();  // without a word
  void leave();
  [[nodiscard]] bool alive() const { return alive_; }
  [[nodiscard]] bool stable() const { return alive_ && stable_; }
  [[nodiscard]] const MemberId& id() const { return member_; }
  [[nodiscard]] GenerationId generation() const { return generation_; }
  [[nodiscard]] const std::set<std::int32_t>& owned() const { return owned_; }
  void set_calm() { options_.late_per_mille = 0; }

 private:
  void join();
  void join_later(std::int64_t ms);
  void on_join(const JoinReply& reply);
  void sync(const JoinReply& joined);
  void on_sync(const SyncReply& reply);
  void beat();
  void commit();
  void forget();  // it is nobody: no id, no partitions
  [[nodiscard]] std::optional<InstanceId> instance() const;
  [[nodiscard]] std::vector<SyncRequest::Assignment> distribute(const std::vector<JoinedMember>& members) const;

  SimNetwork& network_;
  SimMemberOptions options_;
  bool alive_ = false;
  bool stable_ = false;
  std::uint64_t step_ = 0;  // what was begun before the last one does not count any more
  MemberId member_;
  GenerationId generation_ = kNoGeneration;
  std::set<std::int32_t> owned_;
  std::int64_t last_ok_ms_ = 0;
};

}  // namespace baton::broker
