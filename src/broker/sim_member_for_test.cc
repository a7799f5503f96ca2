#include "broker/sim_member_for_test.h"

#include <algorithm>
#include <map>
#include <utility>

#include "broker/groups_for_test.h"

namespace baton::broker {
namespace {
constexpr std::int64_t kRequestTimeoutMs = 3'000;
constexpr std::int64_t kHeartbeatMs = 1'000;
}  // namespace

base::Bytes encode_partitions(const std::set<std::int32_t>& partitions) {
  base::Bytes out;
  for (const auto p : partitions) base::put_be<std::int32_t>(out, p);
  return out;
}

std::set<std::int32_t> decode_partitions(base::ByteView bytes) {
  std::set<std::int32_t> out;
  for (; bytes.size() >= 4; bytes = bytes.subspan(4)) out.insert(base::load_be<std::int32_t>(bytes.data()));
  return out;
}

std::optional<InstanceId> SimMember::instance() const {
  return options_.instance ? std::optional(InstanceId{*options_.instance}) : std::nullopt;
}

void SimMember::start() {
  alive_ = true;
  forget();
  join();
}

void SimMember::crash() {
  alive_ = false;
  ++step_;
  forget();
}

void SimMember::leave() {
  if (!member_.empty()) network_.leave({.group = {"g"}, .members = {{member_, instance()}}});
  crash();
}

void SimMember::forget() {
  member_ = {};
  generation_ = kNoGeneration;
  owned_.clear();
  stable_ = false;
}

void SimMember::join_later(std::int64_t ms) {
  stable_ = false;
  const auto step = ++step_;
  network_.after_ms(ms, [this, step] {
    if (step == step_) join();
  });
}

void SimMember::join() {
  stable_ = false;
  if (!options_.cooperative) owned_.clear();
  const auto step = ++step_;
  JoinRequest request{.group = {"g"}, .member = member_, .instance = instance()};
  request.client_id = options_.name;
  request.protocol_type = "consumer";
  auto metadata = subscription_to({"t"});
  base::put_bytes(metadata, encode_partitions(owned_));
  request.protocols.push_back({options_.cooperative ? "cooperative" : "eager", std::move(metadata)});
  request.session_timeout_ms = kSessionMs;
  request.rebalance_timeout_ms = kRebalanceMs;
  request.require_known_member_id = options_.two_step;
  request.supports_skipping_assignment = options_.skips_assignment;
  network_.join(std::move(request), [this, step](const JoinReply& reply) {
    if (step == step_) on_join(reply);
  });
  network_.after_ms(kRebalanceMs + kRequestTimeoutMs, [this, step] {
    if (step == step_) join();
  });
}

void SimMember::on_join(const JoinReply& reply) {
  switch (reply.error) {
    case GroupError::none:
      member_ = reply.member;
      generation_ = reply.generation;
      if (network_.random().chance(options_.late_per_mille)) {
        const auto step = ++step_;
        return network_.after_ms(static_cast<std::int64_t>(network_.random().below(8'000)), [this, step, reply] {
          if (step == step_) sync(reply);
        });
      }
      return sync(reply);
    case GroupError::member_id_required: member_ = reply.member; return join();
    case GroupError::fenced_instance_id: return crash();
    case GroupError::unknown_member_id: forget(); return join();
    default: return join_later(100);
  }
}

// Each partition to one member, in turn. Cooperative: what somebody else still has is given to nobody yet.
std::vector<SyncRequest::Assignment> SimMember::distribute(const std::vector<JoinedMember>& members) const {
  std::map<MemberId, std::set<std::int32_t>> given, has;
  const auto prefix = subscription_to({"t"}).size();
  for (const auto& member : members) has[member.id] = decode_partitions(base::ByteView(member.metadata).subspan(prefix));
  for (std::int32_t p = 0; p < options_.partitions; ++p) {
    const auto& to = members[static_cast<std::size_t>(p) % members.size()].id;
    const bool taken =
        std::ranges::any_of(has, [&](const auto& entry) { return entry.first != to && entry.second.contains(p); });
    if (!taken) given[to].insert(p);
  }
  std::vector<SyncRequest::Assignment> out;
  for (const auto& member : members) out.push_back({member.id, encode_partitions(given[member.id])});
  return out;
}

void SimMember::sync(const JoinReply& joined) {
  const auto step = ++step_;
  SyncRequest request{.group = {"g"}, .generation = generation_, .member = member_, .instance = instance()};
  if (joined.leader == member_ && !joined.skip_assignment) request.assignments = distribute(joined.members);
  network_.sync(std::move(request), [this, step](const SyncReply& reply) {
    if (step == step_) on_sync(reply);
  });
  network_.after_ms(kRebalanceMs + kRequestTimeoutMs, [this, step] {
    if (step == step_) join();
  });
}

void SimMember::on_sync(const SyncReply& reply) {
  switch (reply.error) {
    case GroupError::none: break;
    case GroupError::fenced_instance_id: return crash();
    case GroupError::unknown_member_id:
    case GroupError::illegal_generation: forget(); return join();
    case GroupError::rebalance_in_progress: return join();
    default: return join_later(100);
  }
  const auto assigned = decode_partitions(reply.assignment);
  const bool gives_up = !std::ranges::includes(assigned, owned_);
  owned_ = assigned;
  // It has given something up that others wait for: once more.
  if (options_.cooperative && gives_up) return join();
  stable_ = true;
  ++step_;
  last_ok_ms_ = network_.now_ms();
  beat();
  commit();
}

void SimMember::beat() {
  const auto step = step_;
  if (network_.now_ms() - last_ok_ms_ > kSessionMs) return join();
  HeartbeatRequest request{.group = {"g"}, .generation = generation_, .member = member_, .instance = instance()};
  network_.heartbeat(std::move(request), [this, step, sent = network_.now_ms()](const HeartbeatReply& reply) {
    if (step != step_) return;
    switch (reply.error) {
      case GroupError::none: last_ok_ms_ = std::max(last_ok_ms_, sent); return;
      case GroupError::rebalance_in_progress: return join();
      case GroupError::fenced_instance_id: return crash();
      case GroupError::unknown_member_id:
      case GroupError::illegal_generation: forget(); return join();
      default: return;
    }
  });
  network_.after_ms(kHeartbeatMs, [this, step] {
    if (step == step_) beat();
  });
}

void SimMember::commit() {
  const auto step = step_;
  for (const auto p : owned_) {
    if (network_.random().below(2) == 0) continue;
    CommitRequest request{.group = {"g"}, .generation = generation_, .member = member_, .instance = instance()};
    request.entries.push_back({.partition = {"t", log::PartitionId(p)}, .offset = log::Offset(0)});
    network_.commit(std::move(request), [](const CommitReply&) {});
  }
  network_.after_ms(200 + static_cast<std::int64_t>(network_.random().below(3'000)), [this, step] {
    if (step == step_) commit();
  });
}

}  // namespace baton::broker
