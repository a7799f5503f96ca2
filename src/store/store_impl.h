// The Store that callers hold: the public API over StoreCore (writes) and the readers. Any thread.
#pragma once

#include <memory>
#include <string>

#include <baton/store.h>

#include "os/env.h"
#include "store/store_core.h"

namespace baton::store {

// Store::open on a given machine; `env` outlives the store. What Store::open is made of, and the simulation uses.
[[nodiscard]] Result<std::unique_ptr<Store>> open_store(os::Env& env, const std::string& directory, const Options& options);

class StoreImpl final : public Store {
 public:
  StoreImpl(std::unique_ptr<os::Env> owned_env, std::unique_ptr<StoreCore> core);
  ~StoreImpl() override;

  Status close() override;
  Result<Appended> append(Append request) override;
  void append_async(Append request, AppendDone done) override;
  Status create_context(const std::string& name, const ContextOptions& options) override;
  Status configure_context(const std::string& name, const ContextOptions& options) override;
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
  Result<Position> scan(const ReadContext& request, const std::function<bool(const EventView&)>& visit) override;
  Result<Loaded> load(const std::string& context, const std::string& stream, const LoadOptions& options) override;
  Status save_snapshot(const std::string& context, const std::string& stream, const Snapshot& snapshot) override;
  Result<Position> delete_stream(const std::string& context, const std::string& stream, Expect condition) override;
  Result<Position> truncate_stream(const std::string& context, const std::string& stream, std::int64_t before_version,
                                   Expect condition) override;
  Status backup(const std::string& target_directory,
                const std::function<void(std::uint64_t done, std::uint64_t total)>& progress) override;
  Result<StoreInfo> info() override;
  Status refresh() override;
  Status apply_retention() override;

 private:
  [[nodiscard]] Result<std::shared_ptr<const ContextView>> find(const std::string& context) const;
  [[nodiscard]] Result<Appended> wait_for(std::unique_ptr<Request> request);

  std::unique_ptr<os::Env> owned_env_;
  std::unique_ptr<StoreCore> core_;
};

}  // namespace baton::store
