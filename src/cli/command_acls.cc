// baton acls.
#include <algorithm>
#include <memory>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/try.h"
#include "cli/kafka_acls.h"
#include "cli/session.h"
#include "log/settings.h"

namespace baton::cli {
namespace {

constexpr const char* kClusterName = "kafka-cluster";  // as Kafka calls the only one

constexpr std::size_t kShownBytes = 249;  // of a name that is none

constexpr const char* kHiddenRefusal =
    "where a broker does not show its entries (no Describe on the cluster, or no access control at all), librdkafka 2.0 does not say so: there is none then, too";

struct AclsOptions {
  KafkaOptions kafka;
  std::vector<std::string> principals, hosts, operations, topics, groups;
  bool cluster = false, prefixed = false, applying = false;
  bool allow = false, deny = false;
  bool produce = false, consume = false;
  bool all = false, dry_run = false;
};

Result<std::unique_ptr<KafkaClient>> open(Session& session, const AclsOptions& o) {
  BATON_TRY_ASSIGN(auto client, KafkaClient::open(session.env(), o.kafka, KafkaClient::Kind::admin));
  BATON_TRY(client->topics());  // says so when no broker answers, and why
  return client;
}

Error usage(std::string text) { return {Code::invalid_argument, std::move(text)}; }

struct Resource {
  std::string type, name;
};
std::vector<Resource> resources(const AclsOptions& o) {
  std::vector<Resource> out;
  for (const auto& name : o.topics) out.push_back({"topic", name});
  for (const auto& name : o.groups) out.push_back({"group", name});
  if (o.cluster) out.push_back({"cluster", kClusterName});
  return out;
}

Status check_principals(const AclsOptions& o) {
  for (const auto& principal : o.principals) {
    if (const auto colon = principal.find(':'); colon == std::string::npos || colon == 0 || colon + 1 == principal.size())
      return usage(fmt::format("a principal is TYPE:NAME, as in User:alice, not '{}'", printable(principal)));
  }
  return {};
}

// An entry for a topic that there cannot be has no effect, and what it denies is allowed. A prefix is one if a name can begin so.
Status check_topics(const AclsOptions& o) {
  for (const auto& name : o.topics) {
    if (name == "*" && !o.prefixed) continue;
    const bool can_be = !name.empty() && log::check_topic(o.prefixed ? name + "x" : name, log::TopicKind::plain, 1).ok();
    if (!can_be) return usage(fmt::format("no topic can be named '{}'{}", printable(name.substr(0, kShownBytes)),
                                          o.prefixed ? ", nor begin so" : "; '*' is all of them, and --prefixed all that begin so"));
  }
  return {};
}

// The operations that are asked for on a resource of this type: those that are named, and Kafka's own sets for who produces and consumes.
Result<std::vector<std::string>> operations(const AclsOptions& o, const std::string& type) {
  std::vector<std::string> out;
  const auto known = acl_operations(type);
  for (const auto& text : o.operations) {
    BATON_TRY_ASSIGN(auto operation, parse_acl_operation(text));
    if (std::ranges::find(known, operation) == known.end())
      return usage(fmt::format("nobody asks for {} on a {}: an entry would have no effect; there is {}", operation, type, fmt::join(known, ", ")));
    out.push_back(std::move(operation));
  }
  const auto add = [&](std::initializer_list<const char*> more) { out.insert(out.end(), more.begin(), more.end()); };
  if (o.produce && type == "topic") add({"write", "describe", "create"});
  if (o.consume && type == "topic") add({"read", "describe"});
  if (o.consume && type == "group") add({"read"});
  put_in_order(out);
  return out;
}

Result<std::vector<AclEntry>> entries(const AclsOptions& o) {
  const auto on = resources(o);
  if (on.empty()) return usage("on what? --topic, --group or --cluster");
  if (o.operations.empty() && !o.produce && !o.consume) return usage("to do what? --operation, --produce or --consume");
  if (o.produce && o.topics.empty()) return usage("--produce needs a --topic");
  if (o.consume && o.topics.empty() && o.groups.empty()) return usage("--consume needs a --topic, a --group, or both");
  if (o.prefixed && o.cluster) return usage("--prefixed is for names: the cluster has none");
  const auto hosts = o.hosts.empty() ? std::vector<std::string>{"*"} : o.hosts;
  BATON_TRY(check_principals(o));
  BATON_TRY(check_topics(o));
  std::vector<AclEntry> out;
  for (const auto& resource : on) {
    BATON_TRY_ASSIGN(const auto to_do, operations(o, resource.type));
    if (to_do.empty()) return usage(fmt::format("--{} says nothing of a {}: name an --operation, or leave the {} out", o.produce ? "produce" : "consume", resource.type, resource.type));
    for (const auto& principal : o.principals)
      for (const auto& host : hosts)
        for (const auto& operation : to_do)
          out.push_back({resource.type, resource.name, o.prefixed ? "prefixed" : "literal", principal, host, operation, o.deny ? "deny" : "allow"});
  }
  put_in_order(out);
  return out;
}

// One filter for each combination of what is named.
Result<std::vector<AclEntryFilter>> filters(const AclsOptions& o) {
  if (o.prefixed && o.applying) return usage("--prefixed and --applying exclude each other");
  const auto on = resources(o);
  const char* const of_names = o.prefixed ? "--prefixed" : "--applying";
  if ((o.prefixed || o.applying) && o.topics.empty() && o.groups.empty()) return usage(fmt::format("{} needs a --topic or a --group", of_names));
  if ((o.prefixed || o.applying) && o.cluster) return usage(fmt::format("{} is for names: the cluster has none", of_names));
  BATON_TRY(check_principals(o));
  std::vector<std::string> operations;
  for (const auto& text : o.operations) {
    BATON_TRY_ASSIGN(auto operation, parse_acl_operation(text));
    operations.push_back(std::move(operation));
  }
  std::vector<AclEntryFilter> out(1);
  const auto by = [&](const auto& values, auto&& set) {
    if (values.empty()) return;
    std::vector<AclEntryFilter> more;
    for (const auto& filter : out)
      for (const auto& value : values) set(more.emplace_back(filter), value);
    out = std::move(more);
  };
  by(on, [&](AclEntryFilter& f, const Resource& r) {
    f.resource = r.type;
    f.name = r.name;
    f.pattern = o.prefixed ? "prefixed" : o.applying ? "match" : "literal";
  });
  by(o.principals, [](AclEntryFilter& f, const std::string& value) { f.principal = value; });
  by(o.hosts, [](AclEntryFilter& f, const std::string& value) { f.host = value; });
  by(operations, [](AclEntryFilter& f, const std::string& value) { f.operation = value; });
  for (auto& f : out) {
    if (o.allow) f.permission = "allow";
    if (o.deny) f.permission = "deny";
  }
  return out;
}

Result<std::vector<AclEntry>> matching(KafkaClient& client, const std::vector<AclEntryFilter>& filters) {
  std::vector<AclEntry> out;
  for (const auto& filter : filters) {
    BATON_TRY_ASSIGN(auto found, list_acls(client, filter));
    out.insert(out.end(), found.begin(), found.end());
  }
  put_in_order(out);
  return out;
}

void show(Output& out, const std::vector<AclEntry>& all) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& e : all) {
    if (out.json()) {
      out.line(fmt::format(R"({{"resource":{},"name":{},"pattern":{},"principal":{},"host":{},"operation":{},"permission":{}}})", json_string(e.resource), json_string(e.name),
                           json_string(e.pattern), json_string(e.principal), json_string(e.host), json_string(e.operation), json_string(e.permission)));
    } else {
      rows.push_back({e.resource, printable(e.name), e.pattern, printable(e.principal), printable(e.host), e.operation, e.permission});
    }
  }
  if (!rows.empty()) out.table({{"resource"}, {"name"}, {"pattern"}, {"principal"}, {"host"}, {"operation"}, {"permission"}}, rows);
}

Status list(Session& session, const AclsOptions& o) {
  BATON_TRY_ASSIGN(const auto wanted, filters(o));
  BATON_TRY_ASSIGN(auto client, open(session, o));
  BATON_TRY_ASSIGN(const auto found, matching(*client, wanted));
  show(session.out(), found);
  if (found.empty()) {
    if (!session.out().json()) session.out().line("no entry");
    print_warning(kHiddenRefusal);
  }
  return {};
}

Status add(Session& session, const AclsOptions& o) {
  BATON_TRY_ASSIGN(const auto wanted, entries(o));
  BATON_TRY_ASSIGN(auto client, open(session, o));
  BATON_TRY_ASSIGN(auto done, add_acls(*client, wanted));
  show(session.out(), done.changed);
  const auto others = wanted.size() - done.changed.size() - 1;
  if (!done.refused && others > 0) return Error{done.refused.error().code, fmt::format("{}; and {} more", done.refused.error().detail, others)};
  return std::move(done.refused);
}

Status remove(Session& session, const AclsOptions& o) {
  const bool narrowed = !resources(o).empty() || !o.principals.empty() || !o.hosts.empty() || !o.operations.empty() || o.allow || o.deny;
  if (narrowed == o.all) return usage(o.all ? "--all removes every entry: nothing else can be named with it" : "which entries? Name what they have, or --all");
  BATON_TRY_ASSIGN(const auto wanted, filters(o));
  BATON_TRY_ASSIGN(auto client, open(session, o));
  ChangedAcls gone;
  if (o.dry_run) {
    BATON_TRY_ASSIGN(gone.changed, matching(*client, wanted));
  } else {
    BATON_TRY_ASSIGN(gone, remove_acls(*client, wanted));
  }
  if (gone.changed.empty() && gone.refused) {
    if (o.dry_run) print_warning(kHiddenRefusal);
    return Error{Code::not_found, "no entry is like that; 'baton acls list' shows what there is"};
  }
  auto& out = session.out();
  const auto count = gone.changed.size();
  show(out, gone.changed);
  if (!out.json()) out.line(o.dry_run ? "nothing was removed (--dry-run)" : fmt::format("{} removed", count == 1 ? "1 entry" : std::to_string(count) + " entries"));
  return std::move(gone.refused);
}

}  // namespace

void add_acls_commands(CLI::App& app, Session& session) {
  auto o = std::make_shared<AclsOptions>();
  auto* acls = app.add_subcommand("acls", "Access control entries of Baton, or of any Kafka cluster: list, add, remove");
  acls->require_subcommand(1);
  o->kafka.add_to(*acls);
  const auto command = [&](const char* name, const char* text, Status (*body)(Session&, const AclsOptions&)) {
    auto* sub = acls->add_subcommand(name, text);
    sub->callback([&session, o, body] { session.run([&] { return body(session, *o); }); });
    sub->add_option("--topic", o->topics, "The topic of this name (a context is one); '*': an entry for all; may be repeated")->allow_extra_args(false);
    sub->add_option("--group", o->groups, "The consumer group of this name; may be repeated")->allow_extra_args(false);
    sub->add_flag("--cluster", o->cluster, "The cluster itself");
    sub->add_option("--host", o->hosts, "Clients at this address; may be repeated")->allow_extra_args(false);
    sub->add_option("--operation", o->operations, "read, write, create, delete, alter, describe, describe-configs, alter-configs, all; of the cluster also cluster-action, idempotent-write; may be repeated")->allow_extra_args(false);
    return sub;
  };
  const auto narrowing = [&](CLI::App* sub) {
    sub->add_option("--principal", o->principals, "Entries of this principal; may be repeated")->allow_extra_args(false);
    sub->add_flag("--allow", o->allow, "Entries that allow");
    sub->add_flag("--deny", o->deny, "Entries that deny")->excludes("--allow");
    sub->add_flag("--prefixed", o->prefixed, "The entries for all names that begin so, not that of the name itself");
    return sub;
  };
  narrowing(command("list", "The entries, or those with what is named", list))
      ->add_flag("--applying", o->applying, "All that apply to the named topics and groups: those of their names, of prefixes and of '*'");
  auto* sub = command("add", "Let a principal do something, or keep it from it; one that is there stays", add);
  sub->add_option("principal", o->principals, "Who: TYPE:NAME, as in User:alice; User:* is everybody")->required();
  sub->add_flag("--deny", o->deny, "Deny instead of allow; what denies goes before what allows");
  sub->add_flag("--prefixed", o->prefixed, "Names are prefixes: all topics and groups that begin so");
  sub->add_flag("--produce", o->produce, "write, describe and create on the topics");
  sub->add_flag("--consume", o->consume, "read and describe on the topics, read on the groups");
  sub = narrowing(command("remove", "Remove all entries with what is named", remove));
  sub->add_flag("--all", o->all, "Every entry there is");
  sub->add_flag("--dry-run", o->dry_run, "Show what it would remove");
}

}  // namespace baton::cli
