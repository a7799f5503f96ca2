#include "broker/group.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"
#include "broker/subscription.h"

namespace baton::broker {

const base::Bytes& metadata_of(const StoredMember& member, const std::string& protocol) {
  static const base::Bytes kNone;
  const auto found = std::ranges::find(member.protocols, protocol, &MemberProtocol::name);
  return found == member.protocols.end() ? kNone : found->metadata;
}

std::uint64_t bytes_of(const std::vector<MemberProtocol>& protocols) {
  std::uint64_t bytes = 0;
  for (const auto& p : protocols) bytes += p.name.size() + p.metadata.size();
  return bytes;
}

Member* Group::find(const MemberId& member) {
  const auto found = members.find(member);
  return found == members.end() ? nullptr : &found->second;
}

GroupError Group::check_member(const MemberId& member, const std::optional<InstanceId>& instance) const {
  if (instance) {
    const auto found = instances.find(*instance);
    if (found == instances.end()) return GroupError::unknown_member_id;
    if (found->second != member) return GroupError::fenced_instance_id;
  }
  return members.contains(member) ? GroupError::none : GroupError::unknown_member_id;
}

bool Group::supports(const std::string& type, const std::vector<MemberProtocol>& protocols) const {
  if (members.empty()) return !type.empty() && !protocols.empty();
  return type == protocol_type && std::ranges::any_of(protocols, [&](const MemberProtocol& p) {
           const auto found = protocol_counts_.find(p.name);
           return found != protocol_counts_.end() && found->second == members.size();
         });
}

std::string Group::select_protocol(const MemberId* replaced, const std::vector<MemberProtocol>* by) const {
  const auto protocols_of = [&](const MemberId& member) -> const std::vector<MemberProtocol>& {
    return replaced != nullptr && *replaced == member ? *by : members.at(member).stored.protocols;
  };
  std::map<std::string, std::size_t> support;
  for (const auto& [member, _] : members) {
    std::set<std::string_view> names;
    for (const auto& p : protocols_of(member)) {
      if (names.insert(p.name).second) ++support[p.name];
    }
  }
  std::map<std::string, std::size_t> votes;
  for (const auto& [member, _] : members) {
    const auto& protocols = protocols_of(member);
    const auto first =
        std::ranges::find_if(protocols, [&](const MemberProtocol& p) { return support[p.name] == members.size(); });
    if (first != protocols.end()) ++votes[first->name];
  }
  std::string best;
  std::size_t best_votes = 0;
  for (const auto& p : protocols_of(members.contains(leader) ? leader : members.begin()->first)) {
    const auto found = votes.find(p.name);
    if (found != votes.end() && found->second > best_votes) std::tie(best, best_votes) = std::pair(p.name, found->second);
  }
  return best;
}

std::int32_t Group::rebalance_timeout_ms() const {
  std::int32_t longest = 0;
  for (const auto& [_, member] : members) longest = std::max(longest, member.stored.rebalance_timeout_ms);
  return longest;
}

bool Group::subscribed(std::string_view topic) const {
  if (!reads_subscriptions()) return false;
  return std::ranges::any_of(members, [&](const auto& entry) {
    const auto topics = subscribed_topics(metadata_of(entry.second.stored, protocol));
    return !topics || std::ranges::find(*topics, topic) != topics->end();
  });
}

GenerationRecord Group::generation_record() const {
  GenerationRecord record{.group = id,
                          .generation = generation,
                          .since_ms = since_ms,
                          .protocol_type = protocol_type,
                          .protocol = protocol,
                          .leader = leader,
                          .members = {}};
  record.members.reserve(members.size());
  for (const auto& [_, member] : members) record.members.push_back(member.stored);
  return record;
}

std::vector<JoinedMember> Group::joined_members() const {
  std::vector<JoinedMember> out;
  out.reserve(members.size());
  for (const auto& [member, m] : members) {
    out.push_back({.id = member, .instance = m.stored.instance, .metadata = metadata_of(m.stored, protocol)});
  }
  return out;
}

void Group::count_protocols(const std::vector<MemberProtocol>& protocols, int by) {
  std::set<std::string_view> names;
  for (const auto& p : protocols) {
    if (!names.insert(p.name).second) continue;
    auto& count = protocol_counts_[p.name];
    count += static_cast<std::size_t>(by);
    if (count == 0) protocol_counts_.erase(p.name);
  }
  const std::uint64_t bytes = static_cast<std::uint64_t>(by) * bytes_of(protocols);
  protocol_bytes += bytes;
  all_protocol_bytes_ += bytes;
}

Member& Group::add(StoredMember stored) {
  if (stored.instance) instances[*stored.instance] = stored.id;
  count_protocols(stored.protocols, 1);
  const auto [at, inserted] = members.try_emplace(stored.id);
  BATON_CHECK(inserted, "a member is added twice");
  at->second.stored = std::move(stored);
  return at->second;
}

void Group::remove(const MemberId& member) {
  const auto found = members.find(member);
  BATON_CHECK(found != members.end(), "a member is removed that is not there");
  const auto& stored = found->second.stored;
  BATON_CHECK(!found->second.join && !found->second.sync, "a member is removed that waits for an answer");
  count_protocols(stored.protocols, -1);
  if (stored.instance) instances.erase(*stored.instance);
  members.erase(found);
  if (leader == member) leader = members.empty() ? MemberId{} : members.begin()->first;
}

void Group::set_protocols(Member& member, std::vector<MemberProtocol> protocols) {
  count_protocols(member.stored.protocols, -1);
  member.stored.protocols = std::move(protocols);
  count_protocols(member.stored.protocols, 1);
}

Member& Group::rename(const MemberId& from, const MemberId& to) {
  auto node = members.extract(from);
  BATON_CHECK(!node.empty() && node.mapped().stored.instance, "only a static member that is there takes another id");
  node.key() = to;
  node.mapped().stored.id = to;
  instances[*node.mapped().stored.instance] = to;
  if (leader == from) leader = to;
  return members.insert(std::move(node)).position->second;
}

void Group::set_offset(const TopicPartition& partition, StoredOffset offset) {
  remove_offset(partition);
  offset_bytes += encoded_size(partition.partition, offset);
  const auto at = offsets.emplace(partition, std::move(offset)).first;
  if (!beside_its_topic(at)) offset_bytes += topic_overhead(partition.topic);
}

void Group::remove_offset(const TopicPartition& partition) {
  const auto found = offsets.find(partition);
  if (found == offsets.end()) return;
  offset_bytes -= encoded_size(partition.partition, found->second);
  if (!beside_its_topic(found)) offset_bytes -= topic_overhead(partition.topic);
  offsets.erase(found);
}

bool Group::beside_its_topic(OffsetMap::const_iterator at) const {
  const auto next = std::next(at);
  return (next != offsets.end() && next->first.topic == at->first.topic) ||
         (at != offsets.begin() && std::prev(at)->first.topic == at->first.topic);
}

void Group::remove_offsets(const RemovedTopic& topic) {
  for (const auto partition : topic.partitions) remove_offset({topic.topic, partition});
  if (!topic.partitions.empty()) return;
  for (auto at = offsets.lower_bound({topic.topic, log::PartitionId(0)});
       at != offsets.end() && at->first.topic == topic.topic;) {
    remove_offset(TopicPartition((at++)->first));
  }
}

const StoredOffset* Group::find_offset(const TopicPartition& partition) const {
  const auto found = offsets.find(partition);
  return found == offsets.end() ? nullptr : &found->second;
}

bool Group::reads_subscriptions() const { return protocol_type == kConsumerProtocolType; }

std::uint64_t Group::snapshot_bytes() const {
  constexpr std::uint64_t kFixed = 16;  // the other record heads
  return kFixed + 2 * id.value.size() + recorded_generation.size() + offset_bytes;
}

void Group::record_static(GenerationId generation_then, StoredMember member) {
  auto decoded = decode_group_record(recorded_generation);
  BATON_CHECK(decoded, "what was recorded is not readable");
  auto& record = std::get<GenerationRecord>(*decoded);
  if (record.generation != generation_then) return;
  const auto found = std::ranges::find(record.members, member.instance, &StoredMember::instance);
  if (found == record.members.end()) return;
  if (record.leader == found->id) record.leader = member.id;
  member.assignment = std::move(found->assignment);
  *found = std::move(member);
  recorded_generation = encode_group_record(*decoded);
}

}  // namespace baton::broker
