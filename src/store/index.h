// Index: finds the records of a stream, event id, tag or type in one partition of an event topic.
//
// Derived from the log and rebuilt from it whenever it does not match (F19). Entries go into a memory table; a full table is
// frozen, sorted and written as an immutable run by the worker; runs are merged, so that there are few. MANIFEST names the
// runs and says up to which offset they are complete. Formats: docs/formats/index.md.
//
//   index = Index::open(...)
//   if (!matches the log: index->covered()) index->reset(start)
//   for each record from index->covered().next: add(...); acknowledge(...) as with live appends; wait while full()
//   ... live: add() at stage, acknowledge() at the end of each round ...
//   index->flush() at a clean close
//
// Threads. [owner]: on the store's executor only. [any]: any thread. Owned by the store; its destructor does not wait for
// queued work, only for a step of the worker that is running (some milliseconds), and writes nothing (it removes the file of a
// merge that had not ended, and of a table that was not named yet): what only the table held is read again from the log at the next open. No callback runs after
// the destructor. Both executors outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include <baton/result.h>

#include "log/types.h"
#include "os/env.h"
#include "store/index_cursor.h"
#include "store/index_entry.h"
#include "store/index_group.h"
#include "store/index_manifest.h"

namespace baton::store {

inline constexpr std::size_t kTableEntriesMax = (1u << 20) - 1;

struct IndexOptions {
  bool read_only = false;              // for another process: reads what the writer wrote, changes nothing on disk
  std::size_t table_entries = 256u << 10;  // of one memory table; two of them may exist, about 36 bytes an entry each
  std::size_t merge_fan = 8;           // so many runs of one size class become one
  std::shared_ptr<IndexGroup> group;   // whose tables are written with this one's; null: it is alone
  // [owner] Damage that was found, and what is done about it; for a person.
  std::function<void(std::string)> warn;
  // [owner] After full() was true: it is false now.
  std::function<void()> on_room;
  // [owner] Once. corrupt: a block is not what was written; look-ups answer with that error until reset(). Otherwise a
  // write or sync failed: nothing is written any more, look-ups go on, and full() will become true for good.
  std::function<void(const Error&)> on_failure;
};

class Index {
 public:
  // Opens `directory`, creating it when writable. A missing or damaged manifest, and a run that is missing or whose footer or
  // directory is damaged, make the index empty (with a warning, unless there was none): covered().next is 0. The worker then
  // removes files that the manifest does not name. io_error only when the directory cannot be read or written.
  // The callbacks of `options` are posted to `owner`; runs are written and merged on `worker`. Read-only: both may be null,
  // and then no callback is called.
  [[nodiscard]] static Result<std::unique_ptr<Index>> open(os::Env& env, const std::string& directory,
                                                           const IndexOptions& options, os::Executor* owner,
                                                           os::Executor* worker);
  ~Index();
  Index(const Index&) = delete;
  Index& operator=(const Index&) = delete;

  // [any] What is on disk; after the power was cut that may be less, down to what it was before the last table. At open, compare it with the log: the batch that ends at `next` must have this epoch and
  // CRC. If it has, feed the records from `next` on; if not, reset() and feed from the start.
  [[nodiscard]] IndexCovered covered() const;

  // [owner] Forgets everything, on disk too, durably. The next record to be added has an offset of `start` or more: the log's
  // start, what is below being known from a heads snapshot. Earlier snapshots keep working. io_error: the store must end.
  [[nodiscard]] Status reset(log::Offset start = log::Offset(0));

  // [owner] The log holds nothing below `log_start` any more, durably: entries of what is below leave with the next merges, and runs of nothing
  // else at once. Look-ups bound themselves by the log's start, and read it no earlier than they take their snapshot: what is below is
  // known from a heads snapshot.
  void drop_below(log::Offset log_start);

  // [owner] Adds an entry. Look-ups find it from now on: readers bound themselves by the visible offset. The offset is at
  // least that of the last acknowledge() (and of covered()); in the order of offsets it is fastest, any order is right.
  // Never fails; past full() the table grows beyond its size, so the caller bounds what it adds then.
  // An entry cannot be taken back: what is staged either becomes acknowledgeable or the store ends.
  void add(std::uint64_t hash, const IndexHit& hit);
  // Several at once, which is cheaper: their places in memory are fetched side by side. In the order of their offsets.
  void add(std::span<const IndexEntry> entries);

  // [owner] All records below `next` have been added and may be written; `next` is the end of a batch with this epoch and CRC.
  // With transactions: min(acknowledgeable, last stable offset). May freeze the table at exactly this point.
  // `streams` is kept with the place, for the caller: how many streams it has counted up to there.
  void acknowledge(log::Offset next, log::Epoch epoch, std::uint32_t batch_crc, std::int64_t streams = 0);

  // [owner] True when both tables are full: stage nothing more until on_room. Acknowledge what is staged, as always.
  [[nodiscard]] bool full() const;

  // [owner] Writes all that is acknowledged, on the calling thread, so that covered() is the last acknowledge() and the next
  // open has nothing to read again. Merges are not waited for. Errors are those of the disk; no_space may be tried again.
  [[nodiscard]] Status flush();

  // [owner] Does on the calling thread what the worker would do next: one step of a merge. False when nothing is left. For
  // tools and tests; flush() first.
  [[nodiscard]] Result<bool> merge_step();

  // [owner] Read-only: takes up a newer manifest; true when there was one. Entries that were added by hand below its
  // covered() are dropped, the others kept. If the manifest cannot be used now: unavailable, and the old state stays.
  // In two steps: load() opens what is new and says what it covers (nullopt: nothing is new), and look-ups see none of it before publish().
  [[nodiscard]] Result<bool> refresh();
  [[nodiscard]] Result<std::optional<IndexCovered>> load();
  void publish();

  // [any] A consistent view for look-ups: every entry that was added before this call, and maybe later ones. Read the visible
  // offset before, and bound look-ups by it. About 20 ns. Holds its tables and runs in memory, so keep it for one request.
  [[nodiscard]] IndexSnapshot snapshot() const;

  // [any] Reads all runs: block CRCs, order, offset ranges, directory, and that the filter knows each entry; hands each
  // entry on in the order (run, hash, offset). Entries of the tables are not visited: flush() first for a full picture.
  // Goes on after damage; `found` gets file, byte position, and what is wrong. `visit` may be empty. Changes nothing.
  struct Finding {
    std::string file;
    std::uint64_t position = 0;
    std::string what;
  };
  [[nodiscard]] Status verify(const std::function<void(const IndexEntry&)>& visit,
                              const std::function<void(const Finding&)>& found) const;

  struct Stats {
    std::size_t runs = 0;
    std::uint64_t run_entries = 0;
    std::uint64_t run_bytes = 0;
    std::size_t table_entries = 0;      // active and frozen
    std::uint64_t table_bytes = 0;      // anonymous memory of both
    std::uint64_t written_bytes = 0;    // since open: runs and merges
    std::uint64_t merged_entries = 0;   // since open: written by merges
    std::uint64_t merges = 0;           // since open: finished
  };
  [[nodiscard]] Stats stats() const;  // [any]

  // [any] The reason, once on_failure has been (or will be) called.
  [[nodiscard]] Status health() const;

 private:
  class Core;
  explicit Index(std::shared_ptr<Core> core);
  std::shared_ptr<Core> core_;  // shared with tasks on the executors
};

}  // namespace baton::store
