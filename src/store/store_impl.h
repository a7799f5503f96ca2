// The Store that callers hold: the public API over StoreCore (writes) and the readers. Any thread.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include <baton/store.h>

#include "os/env.h"
#include "store/checkpoint_store.h"
#include "store/store_core.h"
#include "store/store_reads.h"

namespace baton::store {

// Store::open on a given machine; `env` outlives the store. What Store::open is made of, and the simulation uses.
[[nodiscard]] Result<std::unique_ptr<Store>> open_store(os::Env& env, const std::string& directory, const Options& options,
                                                        const Pipelining& pipelining = {});

class StoreImpl final : public StoreReads {
 public:
  // `owned_env`, if any, is the core's.
  static Result<std::unique_ptr<Store>> make(std::unique_ptr<os::Env> owned_env, std::unique_ptr<StoreCore> core);
  ~StoreImpl() override;

  Status close() override;
  Result<Appended> append(Append request) override;
  void append_async(Append request, AppendDone done) override;
  Status create_context(const std::string& name, const ContextOptions& options) override;
  Status configure_context(const std::string& name, const ContextOptions& options) override;
  Status save_snapshot(const std::string& context, const std::string& stream, const Snapshot& snapshot) override;
  Result<Position> delete_stream(const std::string& context, const std::string& stream, Expect condition) override;
  Result<Position> truncate_stream(const std::string& context, const std::string& stream, std::int64_t before_version,
                                   Expect condition) override;
  Status backup(const std::string& target_directory,
                const std::function<void(std::uint64_t done, std::uint64_t total)>& progress) override;
  Result<StoreInfo> info() override;
  Status refresh() override;
  Status apply_retention() override;
  Status confirm_clock() override;

 protected:
  [[nodiscard]] Result<std::shared_ptr<const ReadView>> view() override;
  [[nodiscard]] SubscriptionSource source() override;
  [[nodiscard]] Status still_alive() override { return core_->health(); }

 private:
  StoreImpl(std::unique_ptr<os::Env> owned_env, std::unique_ptr<StoreCore> core);
  [[nodiscard]] Result<Appended> wait_for(std::unique_ptr<AppendRequest> request);

  std::unique_ptr<os::Env> owned_env_;
  std::unique_ptr<StoreCore> core_;
  CheckpointStore checkpoints_;
  std::mutex saving_snapshot_;  // one at a time: the temporary file of a stream is nobody else's
  ReplayPace pace_;
};

}  // namespace baton::store
