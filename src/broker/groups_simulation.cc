#include "broker/groups_simulation.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "broker/groups_for_test.h"

namespace baton::broker {

GroupsSimulation::GroupsSimulation(GroupsSimulationOptions options) : options_(options), world_({.seed = options.seed}) {
  if (options_.members == 0) options_.members = 2 + random().below(7);
  if (options_.partitions == 0) options_.partitions = 1 + static_cast<std::int32_t>(random().below(8));
  cooperative_ = random().below(2) == 0;
  if (options_.faults && random().below(2) == 0) loss_per_mille_ = static_cast<std::uint32_t>(random().below(40));
  client_env_ = std::make_unique<os::SimEnv>(world_);
  client_executor_ = client_env_->make_executor("clients");
  for (std::size_t i = 0; i < options_.members; ++i) {
    SimMemberOptions m{.name = "c" + std::to_string(i), .cooperative = cooperative_, .partitions = options_.partitions};
    // Not both: a static member that comes back without what its metadata said it had does not give it up, and so nobody is given it before the
    // next rebalance. That is between clients; a broker of the classic protocol does not know what a client has.
    if (!cooperative_ && random().below(2) == 0) m.instance = "i" + std::to_string(i);
    m.two_step = random().below(4) != 0;
    m.skips_assignment = random().below(2) == 0;
    members_.push_back(std::make_unique<SimMember>(*this, std::move(m)));
  }
  start_server();
}

GroupsSimulation::~GroupsSimulation() {
  stop_server(false);
  client_executor_.reset();
}

void GroupsSimulation::fail(const std::string& what) {
  if (failure_.empty()) failure_ = what + " (at " + std::to_string(now_ms()) + " ms)";
}

void GroupsSimulation::start_server() {
  ++incarnation_;
  env_ = std::make_unique<os::SimEnv>(world_);
  executor_ = env_->make_executor("groups");
  log_ = std::make_unique<MemoryGroupLog>(world_, *env_, *executor_, stored_);
  log_->fails = [this] { return world_.random().chance(fail_per_mille_); };
  log_->round_ns = 50'000 + static_cast<std::int64_t>(random().below(3'000'000));
  GroupOptions options;
  options.compact_bytes_min = 4'000;
  options.initial_rebalance_delay_ms = random().below(3) == 0 ? 1'000 : 0;
  groups_ = std::make_unique<Groups>(*env_, *executor_, *log_, options);
  for (const auto& record : stored_.records) {
    if (const auto loaded = groups_->load(record); !loaded) fail(loaded.error().to_string());
  }
  groups_->start();
  if (left_empty_ && describe().state != GroupState::empty) fail("a member is back that was told that it has left");
  check_offsets();
}

void GroupsSimulation::stop_server(bool crash) {
  if (!groups_) return;
  ++restarts_;
  stopping_ = true;
  if (crash) log_->crash();
  groups_.reset();
  stopping_ = false;
  if (!open_.empty()) fail("a request was not answered when the coordinator stopped");
  open_.clear();
  if (!crash) log_->crash();
  log_.reset();
  executor_.reset();
  env_.reset();
}

void GroupsSimulation::after_ms(std::int64_t ms, std::move_only_function<void()> what) {
  (void)client_executor_->run_at(client_env_->clock().monotonic_ns() + ms * 1'000'000, std::move(what));
}

void GroupsSimulation::deliver(std::move_only_function<void()> what) {
  if (storming_ && random().chance(loss_per_mille_)) return;
  std::int64_t ns = 50'000 + static_cast<std::int64_t>(random().below(4'000'000));
  if (storming_ && random().chance(20)) ns = static_cast<std::int64_t>(random().below(2'000'000'000));
  (void)client_executor_->run_at(client_env_->clock().monotonic_ns() + ns, std::move(what));
}

template <typename T, typename Call, typename Check>
void GroupsSimulation::send(Reply<T> reply, Call call, Check check) {
  deliver([this, reply = std::move(reply), call = std::move(call), check = std::move(check)]() mutable {
    if (!groups_) return;
    const auto id = ++last_request_;
    open_.insert(id);
    call([this, id, reply = std::move(reply), check = std::move(check)](T value) mutable {
      if (open_.erase(id) == 0) fail("a request was answered twice");
      if (stopping_) return;
      world_.note(id);
      check(value);
      deliver([reply = std::move(reply), value = std::move(value)]() mutable { reply(std::move(value)); });
    });
  });
}

void GroupsSimulation::join(JoinRequest request, Reply<JoinReply> reply) {
  send<JoinReply>(
      std::move(reply),
      [this, request](Reply<JoinReply> to) {
        left_empty_ = false;
        groups_->join(request, std::move(to));
      },
      [this](const JoinReply& given) { check_join(given); });
}

void GroupsSimulation::sync(SyncRequest request, Reply<SyncReply> reply) {
  send<SyncReply>(
      std::move(reply),
      [this, request](Reply<SyncReply> to) {
        std::map<std::string, base::Bytes> given;
        for (const auto& [member, assignment] : request.assignments) given[identities_[member]] = assignment;
        if (!given.empty()) given_[request.generation].push_back(std::move(given));
        groups_->sync(request, std::move(to));
      },
      [this, request](const SyncReply& given) { check_sync(request, given); });
}

void GroupsSimulation::heartbeat(HeartbeatRequest request, Reply<HeartbeatReply> reply) {
  send<HeartbeatReply>(
      std::move(reply), [this, request](Reply<HeartbeatReply> to) { groups_->heartbeat(request, std::move(to)); },
      [](const HeartbeatReply&) {});
}

void GroupsSimulation::leave(LeaveRequest request) {
  send<LeaveReply>([](const LeaveReply&) {}, [this, request](Reply<LeaveReply> to) { groups_->leave(request, std::move(to)); },
                   [this, request](const LeaveReply& given) {
                     const bool left = given.error == GroupError::none && given.members.at(0) == GroupError::none;
                     if (!left || !identities_.contains(request.members[0].member)) return;
                     // Asked within an answer, it is answered behind it.
                     groups_->describe({.group = {"g"}}, [this](const DescribeReply& now) { left_empty_ = now.state == GroupState::empty; });
                   });
}

void GroupsSimulation::commit(CommitRequest request, Reply<CommitReply> reply) {
  const auto shared = std::make_shared<CommitRequest>(std::move(request));
  const auto assigned = std::make_shared<GenerationId>();
  send<CommitReply>(
      std::move(reply),
      [this, shared, assigned](Reply<CommitReply> to) {
        auto& entry = shared->entries[0];
        auto& commits = commits_[entry.partition.partition.value()];
        commits.impossible.push_back(false);
        entry.offset = log::Offset(static_cast<std::int64_t>(commits.impossible.size()));
        *assigned = assigned_;
        groups_->commit(*shared, std::move(to));
      },
      [this, shared, assigned](const CommitReply& given) { check_commit(*shared, *assigned, given); });
}

void GroupsSimulation::check_join(const JoinReply& reply) {
  if (reply.error != GroupError::none) return;
  const auto [begun, is_new] = begun_.try_emplace(reply.generation, incarnation_);
  if (is_new && reply.generation <= highest_) fail("a generation comes after a higher one");
  highest_ = std::max(highest_, reply.generation);
  for (const auto& member : reply.members) identities_[member.id] = member.instance ? member.instance->value : member.id.value;
  if (!reply.members.empty() && !reply.skip_assignment && begun->second != incarnation_) fail("a generation is begun twice");
}

void GroupsSimulation::check_sync(const SyncRequest& request, const SyncReply& reply) {
  if (reply.error != GroupError::none) return;
  if (request.generation < assigned_) fail("an assignment of an old generation");
  assigned_ = std::max(assigned_, request.generation);
  const std::string who = request.instance ? request.instance->value : request.member.value;
  const auto [had, first] = assignments_.try_emplace({request.generation, who}, reply.assignment);
  if (!first && had->second != reply.assignment) fail("a member has two assignments in one generation");
  const auto gave = [&](const auto& given) { return given.contains(who) && given.at(who) == reply.assignment; };
  if (std::ranges::none_of(given_[request.generation], gave)) fail("an assignment that no leader gave");
  for (const auto p : decode_partitions(reply.assignment)) {
    const auto [owner, taken] = owners_.try_emplace({request.generation, p}, who);
    if (!taken && owner->second != who) fail("a partition has two owners in one generation");
  }
}

void GroupsSimulation::check_commit(const CommitRequest& request, GenerationId assigned, const CommitReply& reply) {
  auto& commits = commits_[request.entries[0].partition.partition.value()];
  const auto place = request.entries[0].offset.value();
  if (reply.errors.at(0) != GroupError::none) {
    commits.impossible[static_cast<std::size_t>(place - 1)] = true;
    ++refused_;
    return;
  }
  ++acknowledged_;
  if (request.generation < assigned) fail("a commit of an old generation was taken");
  commits.acknowledged = std::max(commits.acknowledged, place);
}

DescribeReply GroupsSimulation::describe() const {
  DescribeReply described;
  groups_->describe({.group = {"g"}}, [&](DescribeReply reply) { described = std::move(reply); });
  return described;
}

void GroupsSimulation::check_offsets() {
  if (!groups_) return;
  OffsetsReply read;
  groups_->offsets({.group = {"g"}, .partitions = std::nullopt}, [&](OffsetsReply reply) { read = std::move(reply); });
  std::map<std::int32_t, std::int64_t> found;
  for (const auto& offset : read.offsets) found[offset.partition.partition.value()] = offset.offset.value();
  for (const auto& [partition, commits] : commits_) {
    const auto there = found.contains(partition) ? found[partition] : 0;
    if (there < commits.acknowledged) fail("an acknowledged offset is lost");
    if (there > static_cast<std::int64_t>(commits.impossible.size())) fail("an offset that nobody committed");
    if (there > 0 && commits.impossible[static_cast<std::size_t>(there - 1)]) fail("an offset whose commit was refused");
  }
}

void GroupsSimulation::act() {
  if (!storming_) return;
  after_ms(20 + static_cast<std::int64_t>(random().below(1'500)), [this] { act(); });
  auto& member = *members_[random().below(members_.size())];
  if (!member.alive()) {
    if (random().below(3) != 0) member.start();
  } else if (random().below(6) == 0) {
    random().below(2) == 0 ? member.crash() : member.leave();
  }
  if (!options_.faults || !groups_) return;
  switch (random().below(24)) {
    case 0:
    case 1: {
      stop_server(random().below(4) != 0);
      after_ms(static_cast<std::int64_t>(random().below(1'500)), [this] { start_server(); });
      break;
    }
    case 2: fail_per_mille_ = random().below(2) == 0 ? 0 : static_cast<std::uint32_t>(random().below(1'001)); break;
    case 3: groups_->compact(); break;
    case 4: log_->held = true; break;
    case 5:
    case 6: log_->release(); break;
    case 7: {
      // All leave, as clients do that are stopped together; and the coordinator ends about when it has told the last one.
      for (auto& each : members_) {
        if (each->alive()) each->leave();
      }
      after_ms(static_cast<std::int64_t>(random().below(8)), [this] {
        if (!groups_) return;
        stop_server(true);
        after_ms(static_cast<std::int64_t>(random().below(1'500)), [this] { start_server(); });
      });
      break;
    }
    default: check_offsets();
  }
}

std::string GroupsSimulation::settled() const {
  if (!groups_) return "the coordinator is not there";
  std::set<std::int32_t> owned;
  std::optional<GenerationId> generation;
  std::size_t alive = 0;
  for (const auto& member : members_) {
    if (!member->alive()) continue;
    ++alive;
    if (!member->stable()) return "a member is not stable";
    if (generation && *generation != member->generation()) return "two generations";
    generation = member->generation();
    for (const auto p : member->owned()) {
      if (!owned.insert(p).second) return "a partition has two owners";
    }
  }
  if (owned.size() != static_cast<std::size_t>(options_.partitions)) return "a partition has no owner";
  const DescribeReply described = describe();
  if (described.state != GroupState::stable) return "the group is " + std::string(state_name(described.state));
  return described.members.size() == alive ? "" : "the group has members that are gone";
}

std::string GroupsSimulation::run() {
  storming_ = true;
  act();
  world_.run_for(options_.storm_ms * 1'000'000);
  storming_ = false;
  fail_per_mille_ = 0;
  if (log_) log_->release();
  members_[0]->alive() ? void() : members_[0]->start();
  for (auto& member : members_) {
    member->set_calm();
    if (!member->alive() && random().below(2) == 0) member->start();
  }
  std::string open = "nothing has run";
  for (std::int64_t ms = 0; ms < options_.calm_ms && failure_.empty() && !open.empty(); ms += 500) {
    world_.run_for(500'000'000);
    // A static member's own join that comes late fences it, and it ends: somebody has to be there.
    if (std::ranges::none_of(members_, [](const auto& member) { return member->alive(); })) members_[0]->start();
    open = settled();
  }
  if (!open.empty()) fail("it does not settle: " + open);
  // What is acknowledged is found by yet another coordinator, which finds the group as it was.
  stop_server(true);
  start_server();
  world_.run_for(3'000'000'000);
  if (open = settled(); !open.empty()) fail("after a restart: " + open);
  check_offsets();
  return failure_.empty() ? "" : "seed " + std::to_string(options_.seed) + ": " + failure_;
}

std::string GroupsSimulation::summary() const {
  return std::to_string(highest_.value()) + " generations, " + std::to_string(restarts_) + " restarts, " +
         std::to_string(acknowledged_) + " commits, " + std::to_string(refused_) + " refused";
}

}  // namespace baton::broker
