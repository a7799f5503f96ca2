// A coordinator in a simulated world, asked in one line: t.join("g", {...}) runs the world until the answer is there.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "broker/group_log_for_test.h"
#include "broker/groups.h"
#include "os/sim_env.h"

namespace baton::broker {

inline base::Bytes bytes_of(std::string_view text) {
  const auto view = base::as_bytes(text);
  return {view.begin(), view.end()};
}
// A subscription as clients write it.
inline base::Bytes subscription_to(const std::vector<std::string>& topics) {
  base::Bytes out;
  base::put_be<std::int16_t>(out, 1);
  base::put_be<std::int32_t>(out, static_cast<std::int32_t>(topics.size()));
  for (const auto& topic : topics) {
    base::put_be<std::int16_t>(out, static_cast<std::int16_t>(topic.size()));
    base::put_bytes(out, base::as_bytes(topic));
  }
  base::put_be<std::int32_t>(out, -1);
  return out;
}

// An answer that may not be there yet.
template <typename T>
class Answer {
 public:
  Reply<T> reply() {
    return [state = state_](T value) {
      ++state->times;
      state->value = std::move(value);
    };
  }
  [[nodiscard]] bool there() const { return state_->value.has_value(); }
  [[nodiscard]] int times() const { return state_->times; }
  const T& operator*() const { return *state_->value; }
  const T* operator->() const { return &*state_->value; }

 private:
  struct State {
    std::optional<T> value;
    int times = 0;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

struct Joining {
  std::string member = {};
  std::optional<std::string> instance = std::nullopt;
  std::vector<std::string> topics = {"t"};
  std::vector<std::string> protocols = {"range"};
  std::string type = "consumer";
  std::int32_t session_ms = 10'000;
  std::int32_t rebalance_ms = 30'000;
  bool two_step = false;
  bool skips = false;
};

class GroupsBench {
 public:
  explicit GroupsBench(GroupOptions options = {}, std::uint64_t seed = 1)
      : options_(options), world({.seed = seed, .pause_per_mille = 0}) {
    start();
  }
  ~GroupsBench() { end(); }
  GroupsBench(const GroupsBench&) = delete;
  GroupsBench& operator=(const GroupsBench&) = delete;

  void start(bool serve = true) {
    env = std::make_unique<os::SimEnv>(world);
    executor = env->make_executor("groups");
    log = std::make_unique<MemoryGroupLog>(world, *env, *executor, stored);
    groups = std::make_unique<Groups>(*env, *executor, *log, options_);
    for (const auto& record : stored.records) BATON_CHECK(groups->load(record).ok(), "a record cannot be loaded");
    if (serve) groups->start();
  }
  void end() {
    groups.reset();
    log.reset();
    executor.reset();
    env.reset();
  }
  // A crash: what was not durable may be gone.
  void restart(bool serve = true) {
    log->crash();
    end();
    start(serve);
  }

  // Sends, and does not wait.
  Answer<JoinReply> send_join(const std::string& group, const Joining& j) {
    JoinRequest request{.group = {group}, .member = {j.member}};
    if (j.instance) request.instance = InstanceId{*j.instance};
    request.client_id = "client";
    request.client_host = "/127.0.0.1";
    request.protocol_type = j.type;
    for (const auto& name : j.protocols) request.protocols.push_back({name, subscription_to(j.topics)});
    request.session_timeout_ms = j.session_ms;
    request.rebalance_timeout_ms = j.rebalance_ms;
    request.require_known_member_id = j.two_step;
    request.supports_skipping_assignment = j.skips;
    Answer<JoinReply> answer;
    groups->join(std::move(request), answer.reply());
    return answer;
  }
  Answer<SyncReply> send_sync(const std::string& group, const JoinReply& joined,
                              std::vector<std::pair<MemberId, std::string>> given = {},
                              std::optional<std::string> instance = std::nullopt) {
    SyncRequest request{.group = {group}, .generation = joined.generation, .member = joined.member};
    if (instance) request.instance = InstanceId{*instance};
    for (auto& [member, assignment] : given) request.assignments.push_back({member, bytes_of(assignment)});
    Answer<SyncReply> answer;
    groups->sync(std::move(request), answer.reply());
    return answer;
  }
  template <typename T>
  T wait(const Answer<T>& answer) {
    BATON_CHECK(world.run_until([&] { return answer.there(); }, 100'000), "no answer comes");
    settle();
    return *answer;
  }
  // Whatever is on its way arrives; no timeout passes.
  void settle() { world.run_for(2'000'000); }
  void run_ms(std::int64_t ms) { world.run_for(ms * 1'000'000); }

  JoinReply join(const std::string& group, const Joining& j = {}) { return wait(send_join(group, j)); }
  SyncReply sync(const std::string& group, const JoinReply& joined, std::vector<std::pair<MemberId, std::string>> given = {},
                 std::optional<std::string> instance = std::nullopt) {
    return wait(send_sync(group, joined, std::move(given), std::move(instance)));
  }
  GroupError heartbeat(const std::string& group, const JoinReply& joined, std::optional<std::string> instance = std::nullopt) {
    HeartbeatRequest request{
        .group = {group}, .generation = joined.generation, .member = joined.member, .instance = std::nullopt};
    if (instance) request.instance = InstanceId{*instance};
    Answer<HeartbeatReply> answer;
    groups->heartbeat(request, answer.reply());
    return wait(answer).error;
  }
  Answer<LeaveReply> send_leave(const std::string& group, std::vector<LeaveRequest::Member> members) {
    Answer<LeaveReply> answer;
    groups->leave({.group = {group}, .members = std::move(members)}, answer.reply());
    return answer;
  }
  std::vector<GroupError> leave(const std::string& group, std::vector<LeaveRequest::Member> members) {
    return wait(send_leave(group, std::move(members))).members;
  }
  DescribeReply describe(const std::string& group) {
    Answer<DescribeReply> answer;
    groups->describe({.group = {group}}, answer.reply());
    BATON_CHECK(answer.there(), "describe answers at once");
    return *answer;
  }
  GroupState state(const std::string& group) { return describe(group).state; }
  static CommitRequest committing(const std::string& group, std::int64_t offset, GenerationId generation = kNoGeneration,
                                  MemberId member = {}, const std::string& topic = "t", std::int32_t partition = 0) {
    CommitRequest request{.group = {group}, .generation = generation, .member = std::move(member)};
    request.entries.push_back({.partition = {topic, log::PartitionId(partition)}, .offset = log::Offset(offset)});
    return request;
  }
  Answer<CommitReply> send_commit(CommitRequest request) {
    Answer<CommitReply> answer;
    groups->commit(std::move(request), answer.reply());
    return answer;
  }
  GroupError commit(CommitRequest request) { return wait(send_commit(std::move(request))).errors.at(0); }
  GroupError commit(const std::string& group, std::int64_t offset) { return commit(committing(group, offset)); }
  GroupError commit(const std::string& group, std::int64_t offset, const JoinReply& joined) {
    return commit(committing(group, offset, joined.generation, joined.member));
  }
  std::int64_t offset(const std::string& group, const std::string& topic = "t", std::int32_t partition = 0) {
    Answer<OffsetsReply> answer;
    groups->offsets({.group = {group}, .partitions = {{{topic, log::PartitionId(partition)}}}}, answer.reply());
    BATON_CHECK(answer.there() && answer->error == GroupError::none, "offsets are answered at once");
    return answer->offsets.at(0).offset.value();
  }
  GroupError remove(const std::string& group) {
    Answer<DeleteReply> answer;
    groups->delete_group({.group = {group}}, answer.reply());
    return wait(answer).error;
  }

  // One member alone, stable, with assignment "A".
  JoinReply alone(const std::string& group, Joining j = {}) {
    auto joined = join(group, j);
    BATON_CHECK(joined.error == GroupError::none, error_name(joined.error));
    BATON_CHECK(sync(group, joined, {{joined.member, "A"}}, j.instance).error == GroupError::none, "it does not sync");
    return joined;
  }
  // Two members, stable; the first one leads; assignments "A" and "B".
  std::pair<JoinReply, JoinReply> pair(const std::string& group, Joining first = {}, Joining second = {}) {
    const auto a = alone(group, first);
    auto b_join = send_join(group, second);
    first.member = a.member.value;
    const auto a2 = join(group, first);
    const auto b2 = wait(b_join);
    auto b_sync = send_sync(group, b2, {}, second.instance);
    BATON_CHECK(a2.leader == a2.member, "the first one does not lead");
    BATON_CHECK(sync(group, a2, {{a2.member, "A"}, {b2.member, "B"}}, first.instance).error == GroupError::none,
                "it does not sync");
    BATON_CHECK(wait(b_sync).assignment == bytes_of("B"), "the other is not assigned");
    return {a2, b2};
  }

 private:
  GroupOptions options_;

 public:
  os::SimWorld world;
  StoredGroupLog stored;
  std::unique_ptr<os::SimEnv> env;
  std::unique_ptr<os::Executor> executor;
  std::unique_ptr<MemoryGroupLog> log;
  std::unique_ptr<Groups> groups;
};

}  // namespace baton::broker
