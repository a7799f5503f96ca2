#include "store/store_impl.h"

#include <utility>

#include "base/hex.h"
#include "base/try.h"
#include "store/context_reads.h"
#include "store/stream_reader.h"

namespace baton {

Result<std::unique_ptr<Store>> Store::open(const std::string& directory, Options options) {
  auto env = os::make_posix_env();
  if (options.read_only) return Error{Code::unavailable, "opening read-only is not there yet"};
  BATON_TRY_ASSIGN(auto core, store::StoreCore::open(*env, directory, options));
  return std::unique_ptr<Store>(std::make_unique<store::StoreImpl>(std::move(env), std::move(core)));
}

namespace store {
namespace {

std::unique_ptr<Request> system_request(Request::Kind kind, const std::string& context, const std::string& stream,
                                        Expect condition) {
  auto request = std::make_unique<Request>();
  request->kind = kind;
  request->append.context = context;
  request->append.streams.push_back({.stream = stream, .condition = condition, .events = {}});
  return request;
}

}  // namespace

Result<std::unique_ptr<Store>> open_store(os::Env& env, const std::string& directory, const Options& options) {
  BATON_TRY_ASSIGN(auto core, StoreCore::open(env, directory, options));
  return std::unique_ptr<Store>(std::make_unique<StoreImpl>(nullptr, std::move(core)));
}

StoreImpl::StoreImpl(std::unique_ptr<os::Env> owned_env, std::unique_ptr<StoreCore> core)
    : owned_env_(std::move(owned_env)), core_(std::move(core)) {}

StoreImpl::~StoreImpl() { (void)core_->close(); }

Status StoreImpl::close() { return core_->close(); }

Result<Appended> StoreImpl::wait_for(std::unique_ptr<Request> request) {
  if (core_->on_executor()) {
    return Error{Code::invalid_argument, "a blocking call was made from a completion: use append_async there"};
  }
  const auto waiter = core_->env().make_waiter();
  std::optional<Result<Appended>> answer;
  request->done = [&](Result<Appended> result) {
    answer = std::move(result);
    waiter->wake();
  };
  core_->submit(std::move(request));
  waiter->wait();
  return *std::move(answer);
}

Result<Appended> StoreImpl::append(Append append) {
  auto request = std::make_unique<Request>();
  request->append = std::move(append);
  return wait_for(std::move(request));
}

void StoreImpl::append_async(Append append, AppendDone done) {
  auto request = std::make_unique<Request>();
  request->append = std::move(append);
  request->done = std::move(done);
  core_->submit(std::move(request));
}

Result<Position> StoreImpl::delete_stream(const std::string& context, const std::string& stream, Expect condition) {
  BATON_TRY_ASSIGN(auto done, wait_for(system_request(Request::Kind::delete_stream, context, stream, condition)));
  return std::move(done.position);
}

Result<Position> StoreImpl::truncate_stream(const std::string& context, const std::string& stream,
                                            std::int64_t before_version, Expect condition) {
  auto request = system_request(Request::Kind::truncate_stream, context, stream, condition);
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

Result<std::shared_ptr<const ContextView>> StoreImpl::find(const std::string& context) const {
  BATON_TRY(core_->health());
  auto found = core_->view()->find(context);
  if (found == nullptr) return no_such_context(context);
  return found;
}

Result<std::vector<ContextInfo>> StoreImpl::contexts() {
  BATON_TRY(core_->health());
  std::vector<ContextInfo> out;
  for (const auto& context : core_->view()->contexts) {
    BATON_TRY_ASSIGN(auto info, describe(*context));
    out.push_back(std::move(info));
  }
  return out;
}

Result<ContextInfo> StoreImpl::context(const std::string& name) {
  BATON_TRY_ASSIGN(const auto context, find(name));
  return describe(*context);
}

Result<StreamPage> StoreImpl::read_stream(const ReadStream& request) {
  BATON_TRY_ASSIGN(const auto context, find(request.context));
  return store::read_stream(*context, request);
}

Result<ContextPage> StoreImpl::read_context(const ReadContext& request) {
  BATON_TRY_ASSIGN(auto context, find(request.context));
  return store::read_context(std::move(context), request);
}

Result<Store::StreamsPage> StoreImpl::streams(const std::string& context, const std::string& prefix, const std::string& after,
                                              std::size_t limit) {
  BATON_TRY_ASSIGN(const auto found, find(context));
  (void)prefix;
  (void)after;
  (void)limit;
  return Error{Code::unavailable, "listing streams is not there yet"};
}

Result<Store::StreamHead> StoreImpl::stream_head(const std::string& context, const std::string& stream) {
  BATON_TRY_ASSIGN(const auto found, find(context));
  BATON_TRY_ASSIGN(const Head head, store::stream_head(*found, stream));
  return StreamHead{.stream = stream, .last_version = head.last_version.value(), .deleted = head.deleted};
}

Result<std::unique_ptr<Subscription>> StoreImpl::subscribe(const SubscribeOptions& options) {
  BATON_TRY_ASSIGN(const auto found, find(options.context));
  return Error{Code::unavailable, "subscriptions are not there yet"};
}

Result<std::int64_t> StoreImpl::rank(const std::string& context, const Position& position) {
  BATON_TRY_ASSIGN(const auto found, find(context));
  return rank_of(*found, position);
}

Result<Position> StoreImpl::position_at(const std::string& context, std::optional<Time> recorded) {
  BATON_TRY_ASSIGN(const auto found, find(context));
  return store::position_at(*found, recorded);
}

Result<Position> StoreImpl::scan(const ReadContext& request, const std::function<bool(const EventView&)>& visit) {
  BATON_TRY_ASSIGN(auto context, find(request.context));
  return scan_context(std::move(context), request, visit);
}

Result<Loaded> StoreImpl::load(const std::string& context, const std::string& stream, const LoadOptions& options) {
  BATON_TRY_ASSIGN(const auto found, find(context));
  return load_aggregate(core_->env(), *found, stream, options);
}

Status StoreImpl::save_snapshot(const std::string& context, const std::string& stream, const Snapshot& snapshot) {
  BATON_TRY_ASSIGN(const auto found, find(context));
  return save_aggregate(core_->env(), *found, stream, snapshot);
}

Status StoreImpl::backup(const std::string& target_directory,
                         const std::function<void(std::uint64_t done, std::uint64_t total)>& progress) {
  (void)progress;
  return Error{Code::unavailable, "backup to " + target_directory + " is not there yet"};
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
  BATON_TRY_ASSIGN(info.contexts, contexts());
  for (const ContextInfo& context : info.contexts) {
    info.events += context.events;
    info.bytes += context.bytes;
  }
  return info;
}

Status StoreImpl::refresh() { return core_->health(); }

Status StoreImpl::apply_retention() {
  return core_->run([&] { return core_->apply_retention(); });
}

}  // namespace store
}  // namespace baton
