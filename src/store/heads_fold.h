// Makes the heads snapshot that must be durable before a retention removes records: the snapshot before it, and what the records since then
// did to their streams. Bounded memory, whatever the number of streams.
#pragma once

#include <baton/result.h>

#include "log/types.h"
#include "os/env.h"
#include "store/read_view.h"

namespace baton::store {

// Writes `heads-<upto>` of a partition: the head of every stream that has records below `upto`, as of `upto`. Durable when it returns.
[[nodiscard]] Status fold_heads(os::Env& env, const ContextView& context, const PartitionView& partition, log::Offset upto);

// Removes the heads snapshots of a partition other than the one as of `keep`.
[[nodiscard]] Status remove_other_heads(os::Env& env, const PartitionView& partition, log::Offset keep);

}  // namespace baton::store
