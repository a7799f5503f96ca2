// StoreReads: the reading half of the public API, the same for a store that writes and for one that only reads. Any thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <baton/store.h>

#include "os/env.h"
#include "store/read_view.h"
#include "store/subscription.h"

namespace baton::store {

class StoreReads : public Store {
 public:
  Result<std::vector<ContextInfo>> contexts() override;
  Result<ContextInfo> context(const std::string& name) override;
  Result<StreamPage> read_stream(const ReadStream& request) override;
  Result<ContextPage> read_context(const ReadContext& request) override;
  Result<StreamsPage> streams(const std::string& context, const std::string& prefix, const std::string& after,
                              std::size_t limit) override;
  Result<StreamHead> stream_head(const std::string& context, const std::string& stream) override;
  Result<std::unique_ptr<Subscription>> subscribe(const SubscribeOptions& options) override;
  Result<std::int64_t> rank(const std::string& context, const Position& position) override;
  Result<Position> position_at(const std::string& context, std::optional<Time> recorded) override;
  Result<std::optional<Position>> checkpoint(const std::string& context, std::string_view name) override;
  Result<Scanned> scan(const ReadContext& request, const std::function<bool(const EventView&)>& visit) override;
  Result<Loaded> load(const std::string& context, const std::string& stream, const LoadOptions& options) override;

 protected:
  // What can be read now; the error of a store that has ended or is closed.
  [[nodiscard]] virtual Result<std::shared_ptr<const ReadView>> view() = 0;
  // Asked after a read: an error when the store has ended meanwhile, and what was visible may have been taken back (F12).
  [[nodiscard]] virtual Status still_alive() { return {}; }
  // For subscriptions and scans. What it points to lives as long as the store.
  [[nodiscard]] virtual SubscriptionSource source() = 0;

  [[nodiscard]] Result<std::shared_ptr<const ContextView>> find(const std::string& context);
  // The sums over contexts in `info`.
  [[nodiscard]] Status add_contexts(StoreInfo& info);

 private:
  template <typename T>
  [[nodiscard]] Result<T> if_alive(Result<T> answer);
  // What `read` gives for the context as it is now. When a retention was faster, which takes what is read away, from what is left.
  template <typename Read>
  [[nodiscard]] auto read_from(const std::string& context, const Read& read) -> decltype(read(std::shared_ptr<const ContextView>()));
};

}  // namespace baton::store
