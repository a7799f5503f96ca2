// GroupLog: where the coordinator of groups keeps what must outlive it. A port: the records (docs/formats/groups.md) are bytes to whoever
// implements it, over the internal topic `__baton_groups`.
//
// All calls are made on the coordinator's executor, and so are all completions.
//
// What an implementation does:
//   append    puts the records on the log in one batch, in the order of the calls, each record's value as it is given, without key and
//             headers. All of them become durable, or none. Nothing of a later call is durable without all of an earlier one that was
//             reported as durable or is still open.
//   done      is called exactly once for each append, never within it, in the order of the appends: success when the batch is durable as
//             the store's durability says (`fsync`: always, for this topic), an error otherwise. After `no_space` later appends may
//             succeed; after `store_failed` none does. A batch that was reported as failed is not in the log, unless the store has failed:
//             then nobody knows, and the store ends. Before the log goes away each open `done` has been called, or the coordinator stopped.
//   at start  reads the topic once from its start, hands each value in order to Groups::load(), then calls Groups::start(). A load that
//             fails ends the start: what is durable must be readable.
//   snapshots begin_snapshot() notes the end of the log, P. When end_snapshot(true) comes, all that was appended between is durable and is,
//             with what came between of other groups, the whole state: records before P may be removed, by whole segments, at leisure.
//             end_snapshot(false): forget P. At most one is open. Nothing about it must survive a restart.
//   space     the reserve of the disk (F14) is for these records, too: offsets still commit when producers are refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include <baton/result.h>

#include "base/bytes.h"

namespace baton::broker {

inline constexpr std::size_t kGroupRecordBytesMax = 1u << 20;  // one record
inline constexpr std::size_t kGroupAppendBytesMax = 2u << 20;  // the records of one append together

class GroupLog {
 public:
  using Done = std::move_only_function<void(Status)>;
  virtual ~GroupLog() = default;
  // At least one record; within the limits above.
  virtual void append(std::vector<base::Bytes> records, Done done) = 0;
  virtual void begin_snapshot() = 0;
  virtual void end_snapshot(bool complete) = 0;
  // What a start would read now, in bytes: from the begin of the last complete snapshot, also while files still hold more. Cheap: asked
  // after every write.
  [[nodiscard]] virtual std::uint64_t bytes() const = 0;
  // The append time (log::Log::append_time_ms): milliseconds since 1970 that never go back and do not follow a wall clock that is set
  // while the log is open. What offsets age by.
  [[nodiscard]] virtual std::int64_t time_ms() = 0;
};

}  // namespace baton::broker
