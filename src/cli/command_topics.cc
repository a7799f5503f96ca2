// baton topics.
#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "base/suggest.h"
#include "base/try.h"
#include "cli/kafka_admin.h"
#include "cli/kafka_record.h"
#include "cli/session.h"

namespace baton::cli {
namespace {

struct TopicsOptions {
  KafkaOptions kafka;
  NewTopic topic;
  std::vector<std::string> names, config, set, unset;
  std::string time;
  bool all = false, if_not_exists = false;
};

Result<std::unique_ptr<KafkaClient>> open(Session& session, const TopicsOptions& o) {
  return KafkaClient::open(session.env(), o.kafka, KafkaClient::Kind::admin);
}

std::string numbers(const std::vector<std::int32_t>& all) {
  std::string text;
  for (const auto n : all) text += (text.empty() ? "" : ",") + std::to_string(n);
  return text;
}

std::vector<std::int32_t> ids(const TopicInfo& topic) {
  std::vector<std::int32_t> result;
  for (const auto& partition : topic.partitions) result.push_back(partition.id);
  return result;
}

Status list(Session& session, const TopicsOptions& o) {
  BATON_TRY_ASSIGN(auto client, open(session, o));
  BATON_TRY_ASSIGN(const auto topics, client->topics());
  auto& out = session.out();
  std::vector<std::vector<std::string>> rows;
  for (const auto& topic : topics) {
    if (topic.name.starts_with("__") && !o.all) continue;
    if (out.json()) {
      out.line(fmt::format("{{\"topic\":{},\"partitions\":{}}}", json_string(topic.name), topic.partitions.size()));
    } else {
      rows.push_back({topic.name, std::to_string(topic.partitions.size())});
    }
  }
  if (!out.json()) out.table({{"topic"}, {"partitions", Output::Align::right}}, rows);
  return {};
}

std::string description_json(const TopicInfo& topic, const std::map<std::int32_t, OffsetSpan>& spans,
                             const std::vector<TopicSetting>& settings) {
  std::string text = "{\"topic\":";
  put_json_string(text, topic.name);
  text += ",\"partitions\":[";
  for (const auto& p : topic.partitions) {
    const auto span = spans.at(p.id);
    text += fmt::format("{}{{\"partition\":{},\"leader\":{},\"replicas\":[{}],\"in_sync\":[{}],\"first\":{},\"end\":{}}}",
                        text.ends_with('[') ? "" : ",", p.id, p.leader, numbers(p.replicas), numbers(p.in_sync), span.first,
                        span.end);
  }
  text += "],\"config\":{";
  bool first = true;
  for (const auto& setting : settings) {
    if (!setting.own) continue;
    if (!first) text.push_back(',');
    first = false;
    put_json_string(text, setting.name);
    text.push_back(':');
    put_json_string(text, setting.value.value_or(""));
  }
  return text + "}}";
}

Status describe(Session& session, const TopicsOptions& o) {
  BATON_TRY_ASSIGN(auto client, open(session, o));
  BATON_TRY_ASSIGN(const auto topic, client->topic(o.topic.name));
  for (const auto& p : topic.partitions)
    if (p.leader < 0) return kafka_error(p.error, fmt::format("topic '{}', partition {}", topic.name, p.id));
  BATON_TRY_ASSIGN(const auto spans, client->spans(topic.name, ids(topic)));
  BATON_TRY_ASSIGN(const auto settings, topic_settings(*client, topic.name));
  auto& out = session.out();
  if (out.json()) {
    out.line(description_json(topic, spans, settings));
    return {};
  }
  out.line(fmt::format("topic {}, {} partition{}", out.bold(printable(topic.name)), topic.partitions.size(),
                       topic.partitions.size() == 1 ? "" : "s"));
  for (const auto& setting : settings)
    if (setting.own) out.line(fmt::format("  {}={}", setting.name, printable(setting.value.value_or("(secret)"))));
  std::vector<std::vector<std::string>> rows;
  for (const auto& p : topic.partitions) {
    const auto span = spans.at(p.id);
    rows.push_back({std::to_string(p.id), std::to_string(p.leader), numbers(p.replicas), numbers(p.in_sync),
                    std::to_string(span.first), std::to_string(span.end)});
  }
  using enum Output::Align;
  out.table(
      {{"partition", right}, {"leader", right}, {"replicas"}, {"in sync"}, {"first offset", right}, {"end offset", right}},
      rows);
  return {};
}

Status create(Session& session, TopicsOptions& o) {
  for (const auto& text : o.config) {
    BATON_TRY_ASSIGN(auto pair, parse_pair(text, "--config"));
    o.topic.config.push_back(std::move(pair));
  }
  BATON_TRY_ASSIGN(auto client, open(session, o));
  BATON_TRY(client->topics());
  auto& out = session.out();
  const auto made = create_topic(*client, o.topic);
  const bool there = !made && made.error().code == Code::already_exists && o.if_not_exists;
  if (!made && !there) return made.error();
  out.line(out.json() ? fmt::format("{{\"topic\":{},\"created\":{}}}", json_string(o.topic.name), !there)
                      : fmt::format("topic '{}' {}", printable(o.topic.name), there ? "was there already" : "made"));
  return {};
}

Status alter(Session& session, TopicsOptions& o) {
  BATON_TRY_ASSIGN(auto client, open(session, o));
  BATON_TRY(client->topic(o.topic.name));
  BATON_TRY(add_partitions(*client, o.topic.name, o.topic.partitions));
  auto& out = session.out();
  out.line(out.json() ? fmt::format("{{\"topic\":{},\"partitions\":{}}}", json_string(o.topic.name), o.topic.partitions)
                      : fmt::format("topic '{}' has {} partitions", printable(o.topic.name), o.topic.partitions));
  return {};
}

Status remove(Session& session, const TopicsOptions& o) {
  BATON_TRY_ASSIGN(auto client, open(session, o));
  for (const auto& name : o.names) {
    BATON_TRY(client->topic(name));
    BATON_TRY(delete_topic(*client, name));
    session.out().line(session.out().json() ? "{\"deleted\":" + json_string(name) + "}"
                                            : "topic '" + printable(name) + "' deleted");
  }
  return {};
}

// The whole of a topic's own settings goes to the broker, since librdkafka 2.0 has no request that changes one of them. The names are
// checked here, so that a typo says what is near.
Status change_settings(KafkaClient& client, const TopicsOptions& o, const std::vector<TopicSetting>& current) {
  std::map<std::string, std::string> own;
  std::vector<std::string> known;
  for (const auto& setting : current) {
    known.push_back(setting.name);
    if (setting.own && !setting.read_only) own[setting.name] = setting.value.value_or("");
  }
  const auto check = [&](const std::string& name) -> Status {
    if (std::find(known.begin(), known.end(), name) != known.end()) return {};
    return Error{Code::invalid_argument, "a topic has no setting '" + name + "'; " + base::suggest(name, known)};
  };
  for (const auto& text : o.set) {
    BATON_TRY_ASSIGN(const auto pair, parse_pair(text, "--set"));
    BATON_TRY(check(pair.first));
    own[pair.first] = pair.second;
  }
  for (const auto& name : o.unset) {
    BATON_TRY(check(name));
    own.erase(name);
  }
  return set_topic_settings(client, o.topic.name, {own.begin(), own.end()});
}

Status settings(Session& session, const TopicsOptions& o) {
  BATON_TRY_ASSIGN(auto client, open(session, o));
  BATON_TRY(client->topic(o.topic.name));
  BATON_TRY_ASSIGN(auto settings, topic_settings(*client, o.topic.name));
  if (!o.set.empty() || !o.unset.empty()) {
    BATON_TRY(change_settings(*client, o, settings));
    BATON_TRY_ASSIGN(settings, topic_settings(*client, o.topic.name));
  }
  auto& out = session.out();
  std::vector<std::vector<std::string>> rows;
  for (const auto& setting : settings) {
    const char* source = setting.own ? "topic" : "default";
    if (!out.json()) {
      rows.push_back({setting.name, setting.value.value_or("(secret)"), source});
      continue;
    }
    out.line(fmt::format("{{\"name\":{},\"value\":{},\"source\":\"{}\",\"read_only\":{}}}", json_string(setting.name),
                         setting.value ? json_string(*setting.value) : "null", source, setting.read_only));
  }
  if (!out.json()) out.table({{"setting"}, {"value"}, {"from"}}, rows);
  return {};
}

Status offsets(Session& session, const TopicsOptions& o) {
  std::optional<OffsetSpec> time;
  if (!o.time.empty()) {
    BATON_TRY_ASSIGN(time, parse_offset_spec(o.time, "--time"));
    if (time->kind != OffsetSpec::Kind::time)
      return Error{Code::invalid_argument, "--time takes a time (RFC 3339), as in 2026-01-02T03:04:05Z, not '" + o.time + "'"};
  }
  BATON_TRY_ASSIGN(auto client, open(session, o));
  BATON_TRY_ASSIGN(const auto topic, client->topic(o.topic.name));
  BATON_TRY_ASSIGN(const auto spans, client->spans(topic.name, ids(topic)));
  std::map<std::int32_t, std::int64_t> at;
  if (time) {
    BATON_TRY_ASSIGN(at, client->resolve(topic.name, spans, *time));
  }
  auto& out = session.out();
  std::vector<std::vector<std::string>> rows;
  for (const auto& [partition, span] : spans) {
    if (out.json()) {
      auto text = fmt::format("{{\"partition\":{},\"first\":{},\"end\":{}", partition, span.first, span.end);
      if (time) text += fmt::format(",\"at_time\":{}", at.at(partition));
      out.line(text + "}");
    } else {
      rows.push_back({std::to_string(partition), std::to_string(span.first), std::to_string(span.end)});
      if (time) rows.back().push_back(std::to_string(at.at(partition)));
    }
  }
  using enum Output::Align;
  std::vector<Output::Column> columns = {{"partition", right}, {"first offset", right}, {"end offset", right}};
  if (time) columns.push_back({"at " + o.time, right});
  if (!out.json()) out.table(columns, rows);
  return {};
}

}  // namespace

void add_topics_commands(CLI::App& app, Session& session) {
  auto o = std::make_shared<TopicsOptions>();
  auto* topics =
      app.add_subcommand("topics", "Topics of Baton, or of any Kafka cluster: list, describe, create, alter, delete, config, offsets");
  topics->require_subcommand(1);
  o->kafka.add_to(*topics);
  const auto add = [&](const char* name, const char* text, Status (*body)(Session&, TopicsOptions&)) {
    auto* sub = topics->add_subcommand(name, text);
    sub->callback([&session, o, body] { session.run([&] { return body(session, *o); }); });
    return sub;
  };
  const auto named = [&](CLI::App* sub) {
    sub->add_option("topic", o->topic.name, "The topic")->required();
    return sub;
  };
  add("list", "The topics and how many partitions they have", [](Session& s, TopicsOptions& t) {
    return list(s, t);
  })->add_flag("--all", o->all, "Also those whose name begins with __");
  named(add("describe", "One topic: its settings; leader, replicas and offsets of each partition",
            [](Session& s, TopicsOptions& t) { return describe(s, t); }));
  auto* sub = named(add("create", "Make a topic", create));
  sub->add_option("--partitions", o->topic.partitions, "How many; else the broker's default")->check(at_least(1));
  sub->add_option("--replication", o->topic.replication, "Copies of each partition; else the broker's default")
      ->check(at_least(1));
  sub->add_option("--config", o->config, "NAME=VALUE of a topic, e.g. retention.ms=86400000, baton.kind=event; may be repeated")
      ->allow_extra_args(false);
  sub->add_flag("--if-not-exists", o->if_not_exists, "One that is there already is fine");
  sub = named(add("alter", "Give a topic more partitions", alter));
  sub->add_option("--partitions", o->topic.partitions, "How many it has in all then; what is in it stays where it is")->check(at_least(1))->required();
  add("delete", "Delete topics with all that is in them", [](Session& s, TopicsOptions& t) { return remove(s, t); })
      ->add_option("topic", o->names, "The topics")
      ->required();
  sub = named(
      add("config", "Show or change the settings of a topic", [](Session& s, TopicsOptions& t) { return settings(s, t); }));
  sub->add_option("--set", o->set, "NAME=VALUE; may be repeated")->allow_extra_args(false);
  sub->add_option("--unset", o->unset, "NAME: back to its default; may be repeated")->allow_extra_args(false);
  sub = named(add("offsets", "The first and the end offset of each partition",
                  [](Session& s, TopicsOptions& t) { return offsets(s, t); }));
  sub->add_option("--time", o->time, "And the offset of the first record of this time (RFC 3339) or later");
}

}  // namespace baton::cli
