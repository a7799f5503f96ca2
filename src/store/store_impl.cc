#include "store/store_impl.h"

#include <utility>

#include "base/hex.h"
#include "base/try.h"
#include "store/backup.h"
#include "store/beside_server.h"
#include "store/local_socket.h"
#include "store/read_only_store.h"
#include "store/stream_reader.h"

namespace baton {

Result<std::unique_ptr<Store>> Store::open(const std::string& given, Options options) {
  if (given.empty()) return Error{Code::invalid_argument, "a store needs the name of its directory"};
  if (options.interval_ms < 1) return Error{Code::invalid_argument, "Options::interval_ms is at least 1, not " + std::to_string(options.interval_ms)};
  // The program may change its working directory while the store is open.
  BATON_TRY_ASSIGN(const std::string directory, os::absolute_path(given));
  auto env = os::make_posix_env();
  if (options.read_only) return store::open_read_only(std::move(env), directory, options);
  // A server that has it open answers at once, while a lock that is held is waited for.
  if (env->fs().exists(os::join(directory, std::string(store::kLocalSocket))).value_or(false)) {
    if (auto beside = store::open_beside_server(os::make_posix_env(), directory, options)) return beside;
  }
  auto core = store::StoreCore::open(*env, directory, options);
  if (core) return store::StoreImpl::make(std::move(env), *std::move(core));
  if (core.error().code != Code::locked) return std::move(core).error();
  // Another process writes. If it is a server, it takes requests.
  auto beside = store::open_beside_server(std::move(env), directory, options);
  if (beside || beside.error().code != Code::unavailable) return beside;
  return std::move(core).error();
}

namespace store {
namespace {

std::unique_ptr<AppendRequest> system_request(AppendRequest::Kind kind, const std::string& context, const std::string& stream,
                                        Expect condition) {
  auto request = std::make_unique<AppendRequest>();
  request->kind = kind;
  request->append.context = context;
  request->append.streams.push_back({.stream = stream, .condition = condition, .events = {}});
  return request;
}

}  // namespace

Result<std::unique_ptr<Store>> open_store(os::Env& env, const std::string& directory, const Options& options, const Pipelining& pipelining) {
  if (options.read_only) return open_read_only(env, directory, options);
  BATON_TRY_ASSIGN(auto core, StoreCore::open(env, directory, options, pipelining));
  return StoreImpl::make(nullptr, std::move(core));
}

Result<std::unique_ptr<Store>> StoreImpl::make(std::unique_ptr<os::Env> owned_env, std::unique_ptr<StoreCore> core) {
  std::unique_ptr<StoreImpl> store(new StoreImpl(std::move(owned_env), std::move(core)));
  BATON_TRY(lower_checkpoints(store->checkpoints_, *store->core_->view()));
  return std::unique_ptr<Store>(std::move(store));
}

StoreImpl::StoreImpl(std::unique_ptr<os::Env> owned_env, std::unique_ptr<StoreCore> core)
    : owned_env_(std::move(owned_env)),
      core_(std::move(core)),
      checkpoints_(core_->env().fs(), os::join(core_->directory(), "checkpoints")),
      pace_(core_->env().clock(), core_->wake_list()) {}

StoreImpl::~StoreImpl() { (void)close(); }

Status StoreImpl::close() {
  const Status closed = core_->close();
  core_->wake_list().notify();  // subscriptions that wait learn of it
  return closed;
}

Result<std::shared_ptr<const ReadView>> StoreImpl::view() {
  BATON_TRY(core_->health());
  return core_->view();
}

SubscriptionSource StoreImpl::source() {
  return {.env = &core_->env(), .wake = &core_->wake_list(), .pace = &pace_, .look = [this] { return core_->health(); }, .checkpoints = &checkpoints_};
}

Result<Appended> StoreImpl::wait_for(std::unique_ptr<AppendRequest> request) {
  if (core_->on_executor()) {
    return Error{Code::invalid_argument, "a blocking call was made from a completion: use append_async there"};
  }
  const auto waiter = core_->env().make_waiter();
  std::optional<Result<Appended>> answer;
  request->done = [&](Result<Appended> result) {
    answer = std::move(result);
    waiter->wake();
  };
  core_->submit(std::move(request), StoreCore::Caller::waits);
  waiter->wait();
  return *std::move(answer);
}

Result<Appended> StoreImpl::append(Append append) {
  auto request = std::make_unique<AppendRequest>();
  request->append = std::move(append);
  return wait_for(std::move(request));
}

void StoreImpl::append_async(Append append, AppendDone done) {
  if (!done) done = [](const Result<Appended>&) {};
  auto request = std::make_unique<AppendRequest>();
  request->append = std::move(append);
  request->done = std::move(done);
  core_->submit(std::move(request));
}

Result<Position> StoreImpl::delete_stream(const std::string& context, const std::string& stream, Expect condition) {
  BATON_TRY_ASSIGN(auto done, wait_for(system_request(AppendRequest::Kind::delete_stream, context, stream, condition)));
  return std::move(done.position);
}

Result<Position> StoreImpl::truncate_stream(const std::string& context, const std::string& stream,
                                            std::int64_t before_version, Expect condition) {
  auto request = system_request(AppendRequest::Kind::truncate_stream, context, stream, condition);
  request->before_version = before_version;
  BATON_TRY_ASSIGN(auto done, wait_for(std::move(request)));
  return std::move(done.position);
}

Status StoreImpl::create_context(const std::string& name, const ContextOptions& options) {
  return core_->run([&] { return core_->create_context(name, options); });
}

Status StoreImpl::configure_context(const std::string& name, const ContextOptions& options) {
  return core_->run([&] { return core_->configure_context(name, options); });
}

Status StoreImpl::save_snapshot(const std::string& context, const std::string& stream, const Snapshot& snapshot) {
  BATON_TRY_ASSIGN(const auto found, find(context));
  const std::lock_guard saving(saving_snapshot_);
  return save_aggregate(core_->env(), *found, stream, snapshot);
}

Status StoreImpl::backup(const std::string& target_directory,
                         const std::function<void(std::uint64_t done, std::uint64_t total)>& progress) {
  BATON_TRY(core_->health());
  return backup_store(core_->env(), core_->directory(), target_directory, progress, &pace_);
}

Result<StoreInfo> StoreImpl::info() {
  StoreInfo info;
  BATON_TRY(core_->run([&]() -> Status {
    const log::CatalogueState& catalogue = core_->log().catalogue();
    info.store_id = base::to_hex(std::as_bytes(std::span(catalogue.store_id)));
    info.epoch = core_->log().epoch().value();
    info.root = base::to_hex(std::as_bytes(std::span(catalogue.root)));
    info.streams = core_->streams();
    return {};
  }));
  BATON_TRY(add_contexts(info));
  return info;
}

Status StoreImpl::refresh() { return core_->health(); }

Status StoreImpl::confirm_clock() {
  return core_->run([&] { return core_->confirm_clock(); });
}

Status StoreImpl::apply_retention() {
  return core_->run([&] { return core_->apply_retention(); });
}

}  // namespace store
}  // namespace baton
