// Log: all partitions of one data directory, their journal, and their way through group commit, recovery, retention.
//
// A state machine without a thread of its own. Calls marked [owner] are made on the store's executor only; calls marked [any] from
// any thread. I/O of a round is a FlushJob that may run on the owner or elsewhere. Meanwhile more batches may be staged for the round after, tick() may be
// called, and what the worker has done may be taken in; nothing else of the Log changes.
//
//   stage(p, batch) ... stage(q, batch)        offsets assigned, space allocated, not durable, not visible
//   job = begin_flush(); job->run();           docs/formats/journal.md, "Order of a round"
//   end_flush(std::move(job))                  visible offsets move; after an error the Log has failed for good
//
// Formats: docs/formats/{directory,segment,journal,catalogue,live}.md.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <baton/result.h>

#include "base/buffer.h"
#include "log/batch.h"
#include "log/catalogue.h"
#include "log/producers.h"
#include "log/types.h"
#include "os/env.h"

namespace baton::log {

class Segment;       // segment.h: behind the readers
struct TopicConfig;  // settings.h

struct LogOptions {
  bool read_only = false;                        // beside a writer, or without one; changes nothing on disk
  std::uint64_t segment_bytes = 64u << 20;       // at most 2 GiB; a topic setting `segment.bytes` overrides it
  std::uint64_t journal_bytes = 64u << 20;       // of one generation
  std::uint64_t in_place_bytes = 256u << 10;     // a partition's share of a round from which it is synced in place; four times that of small batches
  std::uint64_t reserve_bytes = 32u << 20;       // F14: kept free on the disk for what must still be written
  Durability durability = Durability::fsync;     // fsync or interval, for topics that do not set `durability` themselves
  std::int64_t interval_ms = 100;                // of `interval`
  std::int64_t idle_mark_ms = 500;               // after so much idling the last round is put under a mark
  // Once, before what is not durable is taken out of sight: from now on failed(). The log is in the middle of something: post. [owner]
  std::function<void(const Error&)> on_failure;
  std::function<void(std::string)> warn;         // what a person should know (torn tail cut, clock behind, ...); any thread
};

// [any] no_space while appends that need more of the disk are refused (F13, F14).
[[nodiscard]] Status check_room(os::FileSystem& fs, const std::string& directory, const LogOptions& options = {});

// What readers may rely on. [any]
struct Bounds {
  Epoch epoch;
  Offset log_start;
  WrittenOffset written;
  DurableOffset durable;
  VisibleOffset visible;
  LastStableOffset last_stable;
};

// One partition as readers see it. Shared; lives as long as somebody holds it, also past the Log (then reads of removed files still work).
class PartitionReader {
 public:
  virtual ~PartitionReader() = default;
  [[nodiscard]] virtual PartitionKey key() const = 0;
  [[nodiscard]] virtual Bounds bounds() const = 0;  // [any]
  // Whole batches, starting with the one that holds `from` (or the next one after it), until `bytes_max` would be passed (the first
  // batch is returned whatever its size), never past `end` (exclusive; default: visible). Appended to `out`; `first` tells where the
  // first one lies. Empty: nothing there yet. Checks each batch's CRC and that offsets follow: corrupt names file and position, also of a
  // file that is missing. removed: `from` below the log's start; invalid_argument: above visible; not_found: the topic has been removed. [any]
  struct ReadResult {
    std::optional<BatchPlace> first;
    Offset next;  // where to read on
  };
  [[nodiscard]] virtual Result<ReadResult> read(Offset from, std::size_t bytes_max, base::Bytes& out,
                                                std::optional<Offset> end = std::nullopt) const = 0;
  // The batches that read() would give, as a range of a file, for a sender that needs no copy of them. Only headers are looked at: bytes of this
  // process's own writes are trusted, others are checked against their mark, once. Nothing: nothing there yet. As read() otherwise. [any]
  struct Slice {
    std::shared_ptr<const os::File> file;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    Offset next;  // where to read on
  };
  [[nodiscard]] virtual Result<std::optional<Slice>> slice(Offset from, std::size_t bytes_max, Offset end) const = 0;
  // `length` bytes from the segment that holds `within`, at `position`: for a record whose place an index knows. The range's mark is
  // checked once after open (corrupt otherwise); bytes of this process's own writes are trusted. Fewer bytes only at the segment's end. [any]
  [[nodiscard]] virtual Status read_at(Offset within, FilePosition position, std::size_t length, base::Bytes& out) const = 0;
  // The sealed segment that holds `within`, mapped, for a caller that reads many records of it: its bytes up to its end, for offsets from
  // `begin` to before `end`. Nothing when that segment is not sealed, or is the last one. check() is to be called for a range before it is
  // relied on: what read_at() checks; it returns how far the bytes are checked, which is at least the range. A media error behind the mapping ends the process (docs/decisions/004). [any]
  struct Mapped {
    std::shared_ptr<const Segment> segment;
    std::shared_ptr<const os::Mapping> mapping;
    base::ByteView bytes;
    Offset begin;
    Offset end;
  };
  [[nodiscard]] virtual Result<std::optional<Mapped>> map(Offset within) const = 0;
  [[nodiscard]] virtual Result<FilePosition> check(const Mapped& mapped, FilePosition position, std::size_t length) const = 0;
  // The first offset whose record timestamp is >= ms, and that timestamp; nullopt: none. [any]
  struct TimeResult {
    Offset offset;
    std::int64_t timestamp = 0;
  };
  [[nodiscard]] virtual Result<std::optional<TimeResult>> find_time(std::int64_t ms) const = 0;
  [[nodiscard]] virtual Result<std::optional<Epoch>> epoch_of(Offset offset) const = 0;
  // The epoch table: where `epoch` ended (the start of the next one, or visible). nullopt: unknown epoch.
  [[nodiscard]] virtual std::optional<Offset> epoch_end(Epoch epoch) const = 0;
  // The log's start as the catalogue has it now, which a process that only reads may not have heard of: where to read on after `removed`. Reads
  // the catalogue. [any]
  [[nodiscard]] virtual Result<Offset> find_start() const = 0;
  [[nodiscard]] virtual std::uint64_t bytes() const = 0;  // of all segments, as of now
};

class FlushJob {
 public:
  virtual ~FlushJob() = default;
  // Does the I/O of the round: steps 2 to 4 of journal.md. Any one thread. The outcome is kept for end_flush.
  virtual void run() = 0;
};

struct PartitionStats {
  PartitionKey key;
  std::size_t segments = 0;
  std::uint64_t bytes = 0;
  Bounds bounds;
};

class Log {
 public:
  // Opens or creates. Takes LOCK (locked within a second if another process has it), loads the catalogue, recovers, raises the
  // epoch durably. `worker` runs checkpoints, seals and retention; `owner` is where their results are posted. Both outlive the Log.
  static Result<std::unique_ptr<Log>> open(os::Env& env, const std::string& directory, const LogOptions& options,
                                           os::Executor& owner, os::Executor& worker);
  virtual ~Log() = default;

  [[nodiscard]] virtual const CatalogueState& catalogue() const = 0;  // [owner]; read-only logs: after refresh()
  [[nodiscard]] virtual Epoch epoch() const = 0;                      // [any]

  // What the settings of a topic come to. [any]
  [[nodiscard]] virtual TopicConfig config_of(const TopicInfo& topic) const = 0;

  // [owner] Durable, directories made, when it returns. already_exists; invalid_argument for a bad name, count or setting.
  [[nodiscard]] virtual Result<TopicId> create_topic(const std::string& name, TopicKind kind, std::int32_t partitions,
                                                     const Settings& settings) = 0;
  [[nodiscard]] virtual Status set_topic(const TopicId& id, const Settings& changed) = 0;  // [owner]
  // [owner] A plain topic has `partitions` in all from now on, those that it had among them. Durable, directories made, when it returns.
  // not_found; invalid_argument: an event topic, whose streams are spread over what it has, or no more than there are.
  [[nodiscard]] virtual Status add_partitions(const TopicId& id, std::int32_t partitions) = 0;
  // [owner] All that the entity has from now on; nothing: it has none. Durable when it returns. too_large: there are too many.
  [[nodiscard]] virtual Status set_quota(const QuotaEntity& entity, const Settings& values) = 0;
  // [owner] Durable, both or neither, when it returns. too_large: there would be too many.
  [[nodiscard]] virtual Status change_acls(const AclTable& removed, const AclTable& added) = 0;
  [[nodiscard]] virtual Status remove_topic(const TopicId& id) = 0;                        // [owner]
  [[nodiscard]] virtual std::shared_ptr<const PartitionReader> reader(const PartitionKey& key) const = 0;  // [any]; null: unknown

  // The append time: monotone, design rule 9. Milliseconds since 1970. [owner]
  [[nodiscard]] virtual std::int64_t append_time_ms() = 0;

  // [owner] Judges the sequence of a batch with a producer id, before anything else is judged (design rule 3); changes nothing. A batch: this one
  // is a duplicate of it, which may still be on its way to the disk: it is answered when the round has ended. nullopt: stage it. fenced, out_of_order, not_found.
  [[nodiscard]] virtual Result<std::optional<ProducedBatch>> check_producer(const PartitionKey& key, const BatchHeader& header) const = 0;
  // [owner] The idempotent producers that have written to a partition, by id. not_found.
  [[nodiscard]] virtual Result<std::map<std::int64_t, ProducerTable::Producer>> producers(const PartitionKey& key) const = 0;
  // [owner] Puts a finished batch (its records' deltas from 0, its CRC right) on the tail: sets base offset and epoch, allocates space. no_space and
  // too_large refuse and change nothing; store_failed after a failure. The bytes are kept until the round has ended.
  struct Staged {
    BatchPlace place;
    Offset next;
  };
  [[nodiscard]] virtual Result<Staged> stage(const PartitionKey& key, base::OwnedBytes batch) = 0;
  [[nodiscard]] virtual bool has_staged() const = 0;  // [owner]
  // [owner] Takes all that is staged as one round; null when there is nothing. One job at a time.
  [[nodiscard]] virtual std::unique_ptr<FlushJob> begin_flush() = 0;
  // [owner] Makes the round visible. store_failed when the job's I/O failed: the log serves reads up to durable, and no more appends.
  [[nodiscard]] virtual Status end_flush(std::unique_ptr<FlushJob> job) = 0;

  // [owner] What must happen by time (idle mark, interval sync, clock). Returns when it wants to be called again (monotonic ns), or -1.
  [[nodiscard]] virtual std::int64_t tick() = 0;

  // [owner] Starts a checkpoint on the worker; `done` runs on the owner.
  virtual void checkpoint(std::function<void(Status)> done) = 0;

  // [owner] Retention: before segments of an event topic are removed, `keep_heads(key, new_start)` must have made a heads snapshot durable.
  // Applies retention.ms / retention.bytes of plain topics, and of event topics that set them; or an explicit start.
  using KeepHeads = std::function<Result<Offset>(const PartitionKey&, Offset new_start)>;
  [[nodiscard]] virtual Status apply_retention(const KeepHeads& keep_heads) = 0;
  [[nodiscard]] virtual Status remove_before(const PartitionKey& key, Offset start, const KeepHeads& keep_heads) = 0;

  // [owner] F12. True once a sync or a write failed; the reason.
  [[nodiscard]] virtual bool failed() const = 0;
  [[nodiscard]] virtual const Error& failure() const = 0;

  // [owner] An operator says that the wall clock is right though it contradicts the log (design rule 9): noted, and retention by
  // age goes on.
  [[nodiscard]] virtual Status confirm_clock() = 0;

  // [owner] Read-only logs: takes in new topics, segments and marks of the writer. `prepare`, which may be empty, is called before readers see
  // any of it, with a catalogue that names the heads of all that they will find gone. When it answers not_found (such a file has been
  // replaced meanwhile), it is called again with a newer catalogue; any other error ends the refresh.
  using Prepare = std::function<Status(const CatalogueState&)>;
  [[nodiscard]] virtual Status refresh(const Prepare& prepare) = 0;

  // [owner] Flushes, checkpoints, writes the clean mark, releases the lock. Idempotent. Without it the destructor only lets go (as a kill).
  [[nodiscard]] virtual Status close() = 0;

  [[nodiscard]] virtual std::vector<PartitionStats> stats() const = 0;  // [owner]
};

// `baton verify`: reads everything, changes nothing (beside a writer: up to its marks). Goes on after a finding.
struct Finding {
  std::string file;       // relative to the directory
  std::uint64_t position = 0;
  std::string what;
};
struct VerifyReport {
  std::vector<Finding> findings;         // empty: all good
  std::vector<std::string> notes;        // e.g. segments that retention has removed, the open tail not covered by a root
  std::uint64_t batches = 0, records = 0, bytes = 0, segments = 0;
  std::uint64_t journal_records = 0;     // besides these, of a store that was not closed: what is in the journal alone
  Hash256 root{};
  bool root_found = true;                // when a root was asked for
  bool to_end = true;                    // false: what is in the journal alone was not read, or the end is not known
};
[[nodiscard]] Result<VerifyReport> verify(os::Env& env, const std::string& directory, std::optional<Hash256> root,
                                          const std::function<void(std::uint64_t done, std::uint64_t total)>& progress);

}  // namespace baton::log
