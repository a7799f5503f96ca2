// Subscriptions: catch up with a context, then go on with what is appended, without a gap or a duplicate: one cursor reads both.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include <baton/result.h>
#include <baton/store.h>

#include "os/env.h"
#include "store/checkpoint_store.h"
#include "store/read_view.h"
#include "store/replay_pace.h"
#include "store/wake_list.h"

namespace baton::store {

// Where a subscription lives: the store that writes, or one that reads beside it. All of it outlives the subscription.
struct SubscriptionSource {
  os::Env* env = nullptr;
  // Says when there is more; null: another process writes, and the subscription looks by itself, every few milliseconds.
  WakeList* wake = nullptr;
  ReplayPace* pace = nullptr;              // null: no limit
  // Called before each look for more: the health of a store that writes, the refresh of one that reads. An error ends next().
  std::function<Status()> look;
  CheckpointStore* checkpoints = nullptr;  // null: there are none
  bool read_only = false;                  // they may be read, not saved
};

// not_found is the caller's: it has the context. position_lost, invalid_argument, corrupt (a damaged checkpoint).
[[nodiscard]] Result<std::unique_ptr<Subscription>> subscribe(const SubscriptionSource& source, std::shared_ptr<const ContextView> context,
                                                              const SubscribeOptions& options);

// The position before which a start lies: everything after it is wanted.
[[nodiscard]] Result<Position> start_position(const ContextView& context, const StartAt& start, const CheckpointStore* stored);

// At open, after recovery: lowers each checkpoint that lies past the recovered end of its context (docs/formats/snapshots.md).
[[nodiscard]] Status lower_checkpoints(CheckpointStore& checkpoints, const ReadView& view);

}  // namespace baton::store
