// baton groups.
#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "base/try.h"
#include "cli/kafka_admin.h"
#include "cli/session.h"

namespace baton::cli {
namespace {

struct GroupsOptions {
  KafkaOptions kafka;
  std::string group, topic, to;
  std::vector<std::string> groups;
  std::vector<std::int32_t> partitions;
  bool dry_run = false;
};

std::string number_or(const std::optional<std::int64_t>& number, const char* none) {
  return number ? std::to_string(*number) : none;
}

// A client whose broker has answered.
Result<std::unique_ptr<KafkaClient>> open(Session& session, const GroupsOptions& o) {
  BATON_TRY_ASSIGN(auto client, KafkaClient::open(session.env(), o.kafka, KafkaClient::Kind::admin));
  BATON_TRY(client->topics());
  return client;
}

Status list(Session& session, GroupsOptions& o) {
  BATON_TRY_ASSIGN(auto client, open(session, o));
  BATON_TRY_ASSIGN(const auto groups, list_groups(*client));
  auto& out = session.out();
  std::vector<std::vector<std::string>> rows;
  for (const auto& group : groups) {
    if (out.json())
      out.line(fmt::format("{{\"group\":{},\"state\":{}}}", json_string(group.name), json_string(group.state)));
    else
      rows.push_back({group.name, group.state});
  }
  if (!out.json()) out.table({{"group"}, {"state"}}, rows);
  return {};
}

struct PartitionLag {
  TopicPartition place;
  std::optional<std::int64_t> committed;
  std::optional<OffsetSpan> span;  // nothing: the topic is gone
  const GroupMember* member = nullptr;
  [[nodiscard]] std::optional<std::int64_t> lag() const { return span ? lag_of(committed, *span) : std::nullopt; }
};

// What the group has committed or is assigned, in the order of topics and partitions.
Result<std::vector<PartitionLag>> lags(KafkaClient& client, const GroupDescription& group) {
  BATON_TRY_ASSIGN(const auto committed, group_offsets(client, group.name));
  std::map<TopicPartition, const GroupMember*> members;
  std::map<std::string, std::vector<std::int32_t>> wanted;
  for (const auto& [place, offset] : committed) members[place] = nullptr;
  for (const auto& member : group.members)
    for (const auto& place : member.partitions) members[place] = &member;
  for (const auto& [place, member] : members) wanted[place.first].push_back(place.second);
  std::map<TopicPartition, OffsetSpan> spans;
  for (const auto& [topic, partitions] : wanted) {
    auto found = client.spans(topic, partitions);
    if (!found && found.error().code == Code::not_found) continue;
    if (!found) return found.error();
    for (const auto& [partition, span] : *found) spans[{topic, partition}] = span;
  }
  std::vector<PartitionLag> result;
  for (const auto& [place, member] : members) {
    auto& lag = result.emplace_back(PartitionLag{.place = place, .member = member});
    if (const auto at = committed.find(place); at != committed.end()) lag.committed = at->second;
    if (const auto at = spans.find(place); at != spans.end()) lag.span = at->second;
  }
  return result;
}

std::string description_json(const GroupDescription& group, const std::vector<PartitionLag>& partitions) {
  auto text = fmt::format("{{\"group\":{},\"state\":{},\"assignor\":{},\"coordinator\":{},\"members\":[",
                          json_string(group.name), json_string(group.state), json_string(group.assignor), group.coordinator);
  for (std::size_t i = 0; i < group.members.size(); ++i) {
    const auto& m = group.members[i];
    text += fmt::format("{}{{\"id\":{},\"client\":{},\"host\":{},\"instance\":{},\"partitions\":[", i > 0 ? "," : "",
                        json_string(m.id), json_string(m.client), json_string(m.host),
                        m.instance.empty() ? "null" : json_string(m.instance));
    for (std::size_t j = 0; j < m.partitions.size(); ++j)
      text += fmt::format("{}{{\"topic\":{},\"partition\":{}}}", j > 0 ? "," : "", json_string(m.partitions[j].first),
                          m.partitions[j].second);
    text += "]}";
  }
  text += "],\"partitions\":[";
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    const auto& p = partitions[i];
    text += fmt::format("{}{{\"topic\":{},\"partition\":{},\"committed\":{},\"end\":{},\"lag\":{},\"member\":{}}}",
                        i > 0 ? "," : "", json_string(p.place.first), p.place.second, number_or(p.committed, "null"),
                        p.span ? std::to_string(p.span->end) : "null", number_or(p.lag(), "null"),
                        p.member == nullptr ? "null" : json_string(p.member->id));
  }
  return text + "]}";
}

Status describe(Session& session, GroupsOptions& o) {
  BATON_TRY_ASSIGN(auto client, open(session, o));
  BATON_TRY_ASSIGN(const auto group, describe_group(*client, o.group));
  BATON_TRY_ASSIGN(const auto partitions, lags(*client, group));
  auto& out = session.out();
  if (out.json()) {
    out.line(description_json(group, partitions));
    return {};
  }
  std::int64_t behind = 0;
  for (const auto& p : partitions) behind += p.lag().value_or(0);
  out.line(fmt::format("group {}: {}{}{}, {} behind", out.bold(printable(group.name)), group.state,
                       group.assignor.empty() ? "" : ", ", group.assignor, with_commas(static_cast<std::uint64_t>(behind))));
  using enum Output::Align;
  std::vector<std::vector<std::string>> rows;
  for (const auto& m : group.members) rows.push_back({m.id, m.client, m.host, std::to_string(m.partitions.size())});
  if (!rows.empty()) out.table({{"member"}, {"client"}, {"host"}, {"partitions", right}}, rows);
  rows.clear();
  for (const auto& p : partitions)
    rows.push_back({p.place.first, std::to_string(p.place.second), number_or(p.committed, "-"),
                    p.span ? std::to_string(p.span->end) : "gone", number_or(p.lag(), "-"),
                    p.member == nullptr ? "-" : p.member->id});
  out.table({{"topic"}, {"partition", right}, {"committed", right}, {"end offset", right}, {"lag", right}, {"member"}}, rows);
  return {};
}

Status reset(Session& session, GroupsOptions& o) {
  BATON_TRY_ASSIGN(const auto spec, parse_offset_spec(o.to, "--to"));
  BATON_TRY_ASSIGN(auto client, open(session, o));
  BATON_TRY_ASSIGN(const auto topic, client->topic(o.topic));
  std::vector<std::int32_t> partitions;
  for (const auto& p : topic.partitions)
    if (o.partitions.empty() || std::find(o.partitions.begin(), o.partitions.end(), p.id) != o.partitions.end())
      partitions.push_back(p.id);
  for (const auto id : o.partitions)
    if (std::find(partitions.begin(), partitions.end(), id) == partitions.end())
      return Error{Code::not_found,
                   fmt::format("topic '{}' has no partition {}; it has {}", o.topic, id, topic.partitions.size())};
  // A group that is not there yet is made by the commit: so a consumer can be told where to start before it runs.
  auto group = describe_group(*client, o.group);
  if (!group && group.error().code != Code::not_found) return group.error();
  if (group && !group->members.empty())
    return Error{
        Code::unavailable,
        fmt::format("group '{}' is {} with {} member{}; stop its consumers first, since they go on from where they are",
                    o.group, group->state, group->members.size(), group->members.size() == 1 ? "" : "s")};
  BATON_TRY_ASSIGN(const auto before, group_offsets(*client, o.group));
  BATON_TRY_ASSIGN(const auto spans, client->spans(o.topic, partitions));
  BATON_TRY_ASSIGN(const auto targets, client->resolve(o.topic, spans, spec));
  std::map<TopicPartition, std::int64_t> offsets;
  for (const auto& [partition, offset] : targets) offsets[{o.topic, partition}] = offset;
  if (!o.dry_run) BATON_TRY(set_group_offsets(*client, o.group, offsets));
  auto& out = session.out();
  std::vector<std::vector<std::string>> rows;
  for (const auto& [place, offset] : offsets) {
    const auto old = before.find(place);
    const auto was = old == before.end() ? std::nullopt : std::optional(old->second);
    const auto lag = lag_of(offset, spans.at(place.second));
    if (out.json())
      out.line(
          fmt::format("{{\"group\":{},\"topic\":{},\"partition\":{},\"before\":{},\"after\":{},\"lag\":{},\"dry_run\":{}}}",
                      json_string(o.group), json_string(o.topic), place.second, number_or(was, "null"), offset,
                      number_or(lag, "null"), o.dry_run));
    else
      rows.push_back({std::to_string(place.second), number_or(was, "-"), std::to_string(offset), number_or(lag, "-")});
  }
  using enum Output::Align;
  if (!out.json()) {
    out.table({{"partition", right}, {"before", right}, {"after", right}, {"lag", right}}, rows);
    if (o.dry_run) out.line("nothing was changed (--dry-run)");
  }
  return {};
}

Status remove(Session& session, GroupsOptions& o) {
  BATON_TRY_ASSIGN(auto client, open(session, o));
  for (const auto& name : o.groups) {
    auto deleted = delete_group(*client, name);
    if (!deleted && deleted.error().code == Code::not_found)
      deleted = Error{Code::not_found, "no group '" + name + "'; 'baton groups list' shows what there is"};
    BATON_TRY(std::move(deleted));
    session.out().line(session.out().json() ? "{\"deleted\":" + json_string(name) + "}"
                                            : "group '" + printable(name) + "' deleted");
  }
  return {};
}

}  // namespace

void add_groups_commands(CLI::App& app, Session& session) {
  auto o = std::make_shared<GroupsOptions>();
  auto* groups =
      app.add_subcommand("groups", "Consumer groups of Baton, or of any Kafka cluster: list, describe, reset, delete");
  groups->require_subcommand(1);
  o->kafka.add_to(*groups);
  const auto add = [&](const char* name, const char* text, Status (*body)(Session&, GroupsOptions&)) {
    auto* sub = groups->add_subcommand(name, text);
    sub->callback([&session, o, body] { session.run([&] { return body(session, *o); }); });
    return sub;
  };
  add("list", "The groups and their states", list);
  add("describe", "One group: its members, and how far behind it is in each partition", describe)
      ->add_option("group", o->group, "The group")
      ->required();
  auto* sub = add("reset", "Set where a group goes on; it must have no members", reset);
  sub->add_option("group", o->group, "The group; it is made if it is not there")->required();
  sub->add_option("--topic", o->topic, "Of this topic")->required();
  sub->add_option("--partition", o->partitions, "Of this partition only; may be repeated")->allow_extra_args(false);
  sub->add_option("--to", o->to, "beginning, end, an offset, -N (N before the end), or a time (RFC 3339)")->required();
  sub->add_flag("--dry-run", o->dry_run, "Show what it would do");
  add("delete", "Delete groups with what they have committed", remove)
      ->add_option("group", o->groups, "The groups")
      ->required();
}

}  // namespace baton::cli
