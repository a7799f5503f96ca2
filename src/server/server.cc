#include "server/server.h"

#include <fmt/format.h>

#include "base/try.h"
#include "broker/broker.h"
#include "engine/embedded.h"
#include "gateway/gateway.h"
#include "os/terminal.h"
#include "server/address.h"
#include "store/local_socket.h"
#include "store/store_impl.h"
#include "view/json_text.h"
#include "view/views.h"

namespace baton::server {

namespace {

broker::GroupOptions group_options(const GroupSettings& settings) {
  broker::GroupOptions options;
  options.initial_rebalance_delay_ms = settings.initial_rebalance_delay_ms;
  options.session_timeout_min_ms = settings.session_timeout_min_ms;
  options.session_timeout_max_ms = settings.session_timeout_max_ms;
  options.offsets_retention_ms = settings.offsets_retention_ms;
  options.members_max = settings.members_max;
  return options;
}

broker::RightsOptions rights_options(const AccessSettings& settings) {
  const auto super_users = split_list(settings.super_users);
  return {.enabled = settings.enabled,
          .allow_without_acl = settings.allow_without_acl,
          .super_users = {super_users.begin(), super_users.end()}};
}

broker::BrokerOptions broker_options(const Config& config) {
  return {.default_partitions = config.topics.default_partitions,
          .auto_create = config.topics.auto_create,
          .topics_max = config.topics.topics_max,
          .partitions_max = config.topics.partitions_max,
          .retention_ms = config.topics.retention_ms,
          .retention_check_ms = static_cast<std::int64_t>(config.topics.retention_check_ms),
          .groups = group_options(config.groups),
          .rights = rights_options(config.access)};
}

}  // namespace

Server::Server(os::Env& env, Config config, Services services)
    : env_(env),
      config_(std::move(config)),
      services_(std::move(services)),
      logger_(env.clock(), config_.log_level, config_.log_format),
      wake_(env.make_waiter()) {}

Server::~Server() { (void)stop(0); }

Status Server::bind() {
  network_ = std::make_unique<Network>(env_, logger_, config_.limits, config_.network_threads);
  if (services_.kafka) BATON_TRY(bind("kafka", config_.kafka));
  if (services_.http) BATON_TRY(bind("http", config_.http));
  return {};
}

Status Server::bind(const std::string& name, const ListenAddress& address) {
  BATON_TRY_ASSIGN(const auto port, network_->bind(name, address.address, address.port));
  listening_.push_back({.name = name,
                        .address = address.address,
                        .advertised_host = address.advertised_host.empty() ? address.address : address.advertised_host,
                        .port = port,
                        .advertised_port = address.advertised_port == 0 ? port : address.advertised_port});
  return {};
}

Status Server::open_store() {
  Options options = config_.store;
  options.on_warning = [this](const std::string& text) { logger_.log(LogLevel::warning, "store", {{"detail", text}}); };
  options.on_fatal = [this](const Error& error) {
    {
      const std::lock_guard guard(mutex_);
      if (!fatal_) fatal_ = error;
    }
    wake_->wake();
  };
  BATON_TRY_ASSIGN(auto core, store::StoreCore::open(env_, config_.data, options));
  core_ = core.get();
  BATON_TRY_ASSIGN(store_, store::StoreImpl::make(nullptr, std::move(core)));
  return {};
}

Status Server::start() {
  BATON_TRY(open_store());
  BATON_TRY_ASSIGN(broker_, broker::Broker::make(*core_, broker_options(config_)));
  const auto& access = config_.access;
  if (access.enabled && !access.allow_without_acl && access.super_users.empty() && broker_->rights().table()->empty()) {
    logger_.log(LogLevel::warning, "access control is on and nobody has a right",
                {{"hint", "access.super_users says who may make the first entries: User:ANONYMOUS@127.0.0.1"}});
  }
  BATON_TRY_ASSIGN(const auto info, store_->info());
  epoch_ = info.epoch;
  BATON_TRY(start_views());
  for (const auto& listening : listening_) BATON_TRY(listening.name == "http" ? start_http(listening) : start_kafka(listening));
  ready_ms_ = static_cast<double>(env_.clock().monotonic_ns() - os::process_start_ns()) / 1e6;
  return {};
}

Status Server::start_kafka(const Listening& listening) {
  const ServiceContext context{.env = env_,
                               .logger = logger_,
                               .config = config_,
                               .store = *store_,
                               .core = *core_,
                               .broker = *broker_,
                               .advertised_host = listening.advertised_host,
                               .advertised_port = listening.advertised_port};
  BATON_TRY_ASSIGN(auto factory, services_.kafka(context));
  factories_.push_back(factory);
  return network_->listen(listening.name, net::framed(std::move(factory), config_.limits.frame_bytes));
}

// The views of the configured files are kept up to date; others that are in the data directory can be asked.
Status Server::start_views() {
  if (!services_.http) return {};
  const std::string directory = os::join(config_.data, "views");
  const auto files = split_list(config_.views);
  BATON_TRY_ASSIGN(const bool there, env_.fs().exists(directory));
  if (files.empty() && !there) return {};
  engine_ = engine::make_embedded(*store_);
  view::ViewOptions options;
  options.on_warning = [this](const std::string& text) { logger_.log(LogLevel::warning, "views", {{"detail", text}}); };
  BATON_TRY_ASSIGN(views_, view::ViewManager::open(env_, engine_.get(), directory, options));
  for (const auto& file : files) {
    const auto loaded = views_->load_file(file);
    // A file that is missing is a wrong configuration, not a store that is missing.
    if (!loaded && loaded.error().code == Code::not_found) return Error{Code::invalid_argument, "'views': " + loaded.error().detail};
    if (!loaded) return loaded.error();
    for (const auto& view : *loaded) {
      if (!view.detail.empty()) logger_.log(LogLevel::warning, "views", {{"view", view.name}, {"detail", view.detail}});
      const Status started = views_->start(view.name);
      if (started) continue;
      // One that has stopped at an event is not applied, and is told of by whoever asks whether all is well; everything else is served.
      if (started.error().code != Code::incompatible) return started;
      logger_.log(LogLevel::warning, "views", {{"view", view.name}, {"detail", started.error().detail}});
    }
  }
  return {};
}

Status Server::start_http(const Listening& listening) {
  gateway::GatewayOptions options;
  options.http.header_bytes_max = config_.http_settings.header_bytes;
  options.http.body_bytes_max = config_.http_settings.body_bytes;
  options.http.hosts = split_list(config_.http_settings.hosts);
  options.http.hosts.push_back(listening.advertised_host);
  options.readers = config_.http_settings.readers;
  options.streams_max = config_.http_settings.event_streams;
  options.query_timeout_ms = config_.http_settings.query_timeout_ms;
  gateway_ = std::make_unique<gateway::Gateway>(env_, *store_, *broker_, views_.get(), std::move(options),
                                                [this](gateway::MetricsText& out) { add_metrics(out); });
  // The store's lock is held: no other server listens on the socket.
  local_path_ = os::join(config_.data, std::string(store::kLocalSocket));
  BATON_TRY(network_->bind_local("local", local_path_));
  BATON_TRY(network_->listen("local", gateway_->protocol()));
  return network_->listen(listening.name, gateway_->protocol());
}

std::string Server::ready_line(bool json) const {
  if (!json) {
    std::string listeners;
    for (const auto& l : listening_) {
      listeners += fmt::format("{} on {}", l.name, host_and_port(l.address, l.port));
      if (l.advertised_host != l.address || l.advertised_port != l.port)
        listeners += fmt::format(" (advertised as {})", host_and_port(l.advertised_host, l.advertised_port));
      listeners += ", ";
    }
    return fmt::format("ready in {:.1f} ms: {}data {}, epoch {}", ready_ms_, listeners.empty() ? "no listener, " : listeners,
                       config_.data, epoch_);
  }
  std::string out = fmt::format("{{\"ready_ms\":{:.1f},\"data\":", ready_ms_);
  view::put_json_text(out, config_.data);
  out += fmt::format(",\"epoch\":{},\"listeners\":[", epoch_);
  for (const auto& l : listening_) {
    out += fmt::format("{}{{\"name\":\"{}\",\"address\":\"{}\",\"port\":{},\"advertised_host\":",
                       &l == listening_.data() ? "" : ",", l.name, l.address, l.port);
    view::put_json_text(out, l.advertised_host);
    out += fmt::format(",\"advertised_port\":{}}}", l.advertised_port);
  }
  return out + "]}";
}

std::optional<Error> Server::fatal() {
  const std::lock_guard guard(mutex_);
  return fatal_;
}

Status Server::run() {
  os::wake_on_interrupt(wake_.get());
  while (!os::interrupted() && !fatal()) (void)wake_->wait();
  os::wake_on_interrupt(nullptr);
  if (const auto error = fatal()) {
    logger_.log(LogLevel::error, "the store has ended", {{"detail", error->to_string()}});
    (void)stop(0);
    return *error;
  }
  logger_.log(LogLevel::info, "stopping", {{"connections", network_->counts().connections}});
  return stop(config_.shutdown_ms);
}

// First those who ask, then what they ask: connections, the readers of HTTP, views, the store. Then nothing is unanswered, and all of it may go.
Status Server::stop(std::uint64_t limit_ms) {
  if (broker_) broker_->stop_groups();
  if (network_ && !network_->stop(limit_ms) && limit_ms > 0)
    logger_.log(LogLevel::warning, "connections were cut off", {{"reason", "shutdown_ms"}, {"limit", limit_ms}});
  if (!local_path_.empty()) (void)env_.fs().remove(std::exchange(local_path_, {}));
  if (gateway_) gateway_->stop();
  Status views;
  if (views_) views = views_->close();
  Status closed;
  if (store_) closed = store_->close();
  factories_.clear();
  gateway_.reset();
  views_.reset();
  engine_.reset();
  broker_.reset();
  store_.reset();
  core_ = nullptr;
  network_.reset();
  return closed ? views : closed;
}

}  // namespace baton::server
