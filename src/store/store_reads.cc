#include "store/store_reads.h"

#include "base/try.h"
#include "store/context_reads.h"
#include "store/stream_list.h"
#include "store/stream_reader.h"

namespace baton::store {

template <typename T>
Result<T> StoreReads::if_alive(Result<T> answer) {
  if (Status status = still_alive(); !status) return std::move(status).error();
  return answer;
}

template <typename Read>
auto StoreReads::read_from(const std::string& context, const Read& read) -> decltype(read(std::shared_ptr<const ContextView>())) {
  constexpr int kTriesMax = 8;
  for (int tries = 1;; ++tries) {
    BATON_TRY_ASSIGN(auto found, find(context));
    auto answer = read(std::move(found));
    if (answer || answer.error().code != Code::removed || tries == kTriesMax) return if_alive(std::move(answer));
    BATON_TRY(refresh());
  }
}

Result<std::shared_ptr<const ContextView>> StoreReads::find(const std::string& context) {
  BATON_TRY_ASSIGN(const auto all, view());
  auto found = all->find(context);
  if (found == nullptr) return no_such_context(context);
  return found;
}

Result<std::vector<ContextInfo>> StoreReads::contexts() {
  BATON_TRY_ASSIGN(const auto all, view());
  std::vector<ContextInfo> out;
  for (const auto& context : all->contexts) {
    BATON_TRY_ASSIGN(auto info, describe(*context));
    out.push_back(std::move(info));
  }
  return out;
}

Status StoreReads::add_contexts(StoreInfo& info) {
  BATON_TRY_ASSIGN(info.contexts, contexts());
  for (const ContextInfo& context : info.contexts) {
    info.events += context.events;
    info.bytes += context.bytes;
  }
  return {};
}

Result<ContextInfo> StoreReads::context(const std::string& name) {
  BATON_TRY_ASSIGN(const auto found, find(name));
  return describe(*found);
}

Result<StreamPage> StoreReads::read_stream(const ReadStream& request) {
  return read_from(request.context, [&](const auto& found) { return store::read_stream(*found, request); });
}

Result<ContextPage> StoreReads::read_context(const ReadContext& request) {
  return read_from(request.context, [&](auto found) { return store::read_context(std::move(found), request); });
}

Result<Store::StreamsPage> StoreReads::streams(const std::string& context, const std::string& prefix, const std::string& after,
                                               std::size_t limit) {
  return read_from(context, [&](const auto& found) { return list_streams(*found, prefix, after, limit); });
}

Result<Store::StreamHead> StoreReads::stream_head(const std::string& context, const std::string& stream) {
  BATON_TRY_ASSIGN(const Head head, read_from(context, [&](const auto& found) { return store::stream_head(*found, stream); }));
  return StreamHead{.stream = stream, .last_version = head.last_version.value(), .deleted = head.deleted};
}

Result<std::unique_ptr<Subscription>> StoreReads::subscribe(const SubscribeOptions& options) {
  BATON_TRY_ASSIGN(auto found, find(options.context));
  return store::subscribe(source(), std::move(found), options);
}

Result<std::optional<Position>> StoreReads::checkpoint(const std::string& context, std::string_view name) {
  BATON_TRY(find(context));
  return source().checkpoints->load(name, context);
}

Result<std::int64_t> StoreReads::rank(const std::string& context, const Position& position) {
  BATON_TRY_ASSIGN(const auto found, find(context));
  return rank_of(*found, position);
}

Result<Position> StoreReads::position_at(const std::string& context, std::optional<Time> recorded) {
  return read_from(context, [&](const auto& found) { return store::position_at(*found, recorded); });
}

Result<Scanned> StoreReads::scan(const ReadContext& request, const std::function<bool(const EventView&)>& visit) {
  BATON_TRY_ASSIGN(auto found, find(request.context));
  const SubscriptionSource from = source();
  if (from.pace == nullptr) return scan_context(std::move(found), request, visit);
  const auto waiter = from.env->make_waiter();
  return scan_context(std::move(found), request, visit, [&](std::size_t bytes) -> Result<bool> {
    if (const std::int64_t rest_ns = from.pace->took(bytes); rest_ns > 0) (void)waiter->wait(rest_ns);
    return true;
  });
}

Result<Loaded> StoreReads::load(const std::string& context, const std::string& stream, const LoadOptions& options) {
  return read_from(context, [&](const auto& found) { return load_aggregate(*source().env, *found, stream, options); });
}

}  // namespace baton::store
