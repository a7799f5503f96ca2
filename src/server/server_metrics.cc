// What the server counts, beside its HTTP API: sockets, store, topics, views.
#include <array>

#include "broker/broker.h"
#include "gateway/metrics.h"
#include "os/terminal.h"
#include "server/server.h"
#include "store/store_core.h"
#include "view/views.h"

namespace baton::server {
namespace {

using Kind = gateway::MetricsText::Kind;

void add_network(gateway::MetricsText& out, const NetworkCounts& n) {
  out.gauge("baton_connections", "Connections that are open, of all listeners.", n.connections);
  out.counter("baton_connections_accepted_total", "Connections that were accepted.", n.accepted);
  out.begin("baton_connections_refused_total", Kind::counter, "Connections that were refused, by the limit.");
  out.sample(n.refused_total, {{"limit", "connections"}});
  out.sample(n.refused_address, {{"limit", "connections_per_address"}});
  out.counter("baton_accept_delays_total", "Times that accepting paused: limits.connections_per_second.", n.delayed);
  out.counter("baton_accept_failures_total", "Times that the system had no descriptor or memory for a connection.", n.accept_failures);
  out.begin("baton_connections_closed_total", Kind::counter, "Connections that the server closed, by reason.");
  const std::array<std::pair<std::string_view, std::uint64_t>, 6> closed{{{"malformed", n.closed_malformed},
                                                                          {"handshake", n.closed_handshake},
                                                                          {"slow_sender", n.closed_slow_sender},
                                                                          {"slow_reader", n.closed_slow_reader},
                                                                          {"idle", n.closed_idle},
                                                                          {"protocol", n.closed_protocol}}};
  for (const auto& [reason, count] : closed) out.sample(count, {{"reason", reason}});
  out.counter("baton_requests_total", "Requests of all protocols.", n.requests);
  out.gauge("baton_request_bytes", "Bytes of the requests that are in flight.", n.frame_bytes);
  out.gauge("baton_requests_waiting", "Connections that wait for limits.total_frame_bytes.", n.waiting_for_budget);
  out.counter("baton_received_bytes_total", "Bytes received.", n.bytes_in);
  out.counter("baton_sent_bytes_total", "Bytes sent.", n.bytes_out);
}

void add_store(gateway::MetricsText& out, const store::StoreCounts& counts, std::int32_t epoch) {
  out.gauge("baton_store_epoch", "The epoch of this opening of the store.", static_cast<std::uint64_t>(epoch));
  out.counter("baton_store_rounds_total", "Rounds of the log that wrote; with fsync, each is one sync.", counts.rounds);
  out.counter("baton_store_requests_total", "Appends and record batches that were decided.", counts.requests);
  out.counter("baton_store_request_bytes_total", "What they held in memory.", counts.bytes);
  out.begin("baton_store_refused_total", Kind::counter, "Of these, those that were refused, by the error.");
  for (std::size_t i = 0; i < counts.refused.size(); ++i) {
    if (counts.refused[i] > 0) out.sample(counts.refused[i], {{"code", code_name(static_cast<Code>(i))}});
  }
}

// Each topic has a line: no more of them than a scrape can bear.
constexpr std::size_t kTopicsShown = 1'000;

void add_topics(gateway::MetricsText& out, const store::ReadView& view) {
  std::uint64_t topics = 0, contexts = 0, partitions = 0;
  for (const auto& topic : view.topics()) {
    if (broker::Broker::is_internal(topic->name)) continue;
    ++(topic->kind == log::TopicKind::event ? contexts : topics);
    partitions += topic->partitions.size();
  }
  out.begin("baton_topics", Kind::gauge, "Topics, by kind.");
  out.sample(topics, {{"kind", "plain"}});
  out.sample(contexts, {{"kind", "event"}});
  out.gauge("baton_partitions", "Partitions of all topics.", partitions);
  const auto each = [&](std::string_view name, std::string_view help, auto value) {
    out.begin(name, Kind::gauge, help);
    std::size_t shown = 0;
    for (const auto& topic : view.topics()) {
      if (broker::Broker::is_internal(topic->name) || ++shown > kTopicsShown) continue;
      std::uint64_t sum = 0;
      for (const auto& partition : topic->partitions) sum += value(*partition);
      out.sample(sum, {{"topic", topic->name}});
    }
  };
  each("baton_topic_end_offset", "The sum of the end offsets of a topic's partitions; the first 1,000 topics.",
       [](const log::PartitionReader& p) { return static_cast<std::uint64_t>(p.bounds().visible.value()); });
  each("baton_topic_start_offset", "The sum of their start offsets.",
       [](const log::PartitionReader& p) { return static_cast<std::uint64_t>(p.bounds().log_start.value()); });
}

void add_groups(gateway::MetricsText& out, broker::Broker& broker) {
  const auto stats = broker.group_stats();
  out.gauge("baton_fetch_waiting", "Fetches and streams of events that wait for records.", broker.fetch_waiters().size());
  out.gauge("baton_groups", "Consumer groups.", stats.groups);
  out.gauge("baton_group_offsets", "Offsets that groups have committed and that are kept.", stats.offsets);
  out.counter("baton_group_rebalances_total", "Generations that began.", stats.rebalances);
  out.counter("baton_group_commits_total", "Offsets that were committed.", stats.commits);
  out.counter("baton_group_expired_members_total", "Members that were taken for dead.", stats.expired_members);
  out.counter("baton_group_expired_offsets_total", "Offsets that were forgotten by age.", stats.expired_offsets);
  out.counter("baton_group_failed_writes_total", "Changes of groups that could not be written.", stats.failed_writes);
}

void add_views(gateway::MetricsText& out, view::ViewManager& views) {
  const auto list = views.list();
  if (!list) return;
  out.begin("baton_view_lag", Kind::gauge, "Offsets between a view and the end of its context.");
  for (const auto& view : *list) {
    if (view.lag) out.sample(static_cast<std::uint64_t>(*view.lag), {{"view", view.name}});
  }
  out.begin("baton_view_events_total", Kind::counter, "Events that a view has applied.");
  for (const auto& view : *list) out.sample(static_cast<std::uint64_t>(view.events), {{"view", view.name}});
  out.begin("baton_view_stopped", Kind::gauge, "1 when an event has stopped the view.");
  for (const auto& view : *list) out.sample(view.state == view::ViewInfo::State::stopped ? 1U : 0U, {{"view", view.name}});
}

}  // namespace

// [readers of the gateway]
void Server::add_metrics(gateway::MetricsText& out) {
  out.begin("baton_uptime_seconds", Kind::gauge, "Since the process began.");
  out.sample_of(static_cast<double>(env_.clock().monotonic_ns() - os::process_start_ns()) / 1e9);
  add_network(out, network_->counts());
  add_store(out, core_->counts(), epoch_);
  add_topics(out, *core_->view());
  add_groups(out, *broker_);
  if (views_) add_views(out, *views_);
}

}  // namespace baton::server
