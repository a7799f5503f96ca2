#include "server/server.h"

#include <fmt/format.h>

#include "base/try.h"
#include "os/terminal.h"
#include "server/address.h"
#include "store/store_impl.h"
#include "view/json_text.h"

namespace baton::server {

Server::Server(os::Env& env, Config config, KafkaService kafka)
    : env_(env),
      config_(std::move(config)),
      kafka_(std::move(kafka)),
      logger_(env.clock(), config_.log_level, config_.log_format),
      wake_(env.make_waiter()) {}

Server::~Server() { (void)stop(0); }

Status Server::bind() {
  network_ = std::make_unique<Network>(env_, logger_, config_.limits, config_.network_threads);
  if (!kafka_) return {};
  const auto& kafka = config_.kafka;
  BATON_TRY_ASSIGN(const auto port, network_->bind("kafka", kafka.address, kafka.port));
  listening_.push_back({.name = "kafka",
                        .address = kafka.address,
                        .advertised_host = kafka.advertised_host.empty() ? kafka.address : kafka.advertised_host,
                        .port = port,
                        .advertised_port = kafka.advertised_port == 0 ? port : kafka.advertised_port});
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
  BATON_TRY_ASSIGN(const auto info, store_->info());
  epoch_ = info.epoch;
  for (const auto& listening : listening_) {
    const ServiceContext context{.env = env_,
                                 .logger = logger_,
                                 .config = config_,
                                 .store = *store_,
                                 .core = *core_,
                                 .advertised_host = listening.advertised_host,
                                 .advertised_port = listening.advertised_port};
    BATON_TRY_ASSIGN(auto factory, kafka_(context));
    services_.push_back(factory);
    BATON_TRY(network_->listen(listening.name, std::move(factory)));
  }
  ready_ms_ = static_cast<double>(env_.clock().monotonic_ns() - os::process_start_ns()) / 1e6;
  return {};
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

Status Server::stop(std::uint64_t limit_ms) {
  if (network_ && !network_->stop(limit_ms) && limit_ms > 0)
    logger_.log(LogLevel::warning, "connections were cut off", {{"reason", "shutdown_ms"}, {"limit", limit_ms}});
  network_.reset();
  if (!store_) return {};
  const Status closed = store_->close();
  services_.clear();
  store_.reset();
  core_ = nullptr;
  return closed;
}

}  // namespace baton::server
