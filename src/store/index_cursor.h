// Look-ups in an index: a snapshot of its tables and runs, and cursors over the entries of one hash.
//
// Any thread; a snapshot may be shared by threads, a cursor may not. Every entry found may belong to another key with
// the same hash (one in 2^64 by chance, but keys are chosen by users): the caller compares the record and, when it is another
// key's, goes on to the next entry. An error is corrupt and names file and position; the index then asks its owner for a
// rebuild through on_failure, and the caller reads the log instead or answers with the error.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <baton/result.h>

#include "log/types.h"
#include "store/index_entry.h"

namespace baton::store {

struct IndexState;

enum class Direction : std::uint8_t { forward, backward };

// The entries of one hash within [from, to), by offset. Lazy: a run is touched when the cursor comes to it, and only if its
// offsets and its filter allow a hit. Memory: none to speak of; forward through a memory table, 4 bytes an entry of the key.
class IndexCursor {
 public:
  // The next entry; nullopt at the end, and ever after.
  [[nodiscard]] Result<std::optional<IndexHit>> next();

 private:
  friend class IndexSnapshot;
  IndexCursor(std::shared_ptr<const IndexState> state, std::uint64_t hash, std::int64_t from, std::int64_t to,
              Direction direction);
  [[nodiscard]] std::size_t source() const;
  [[nodiscard]] Status enter();
  [[nodiscard]] Result<std::optional<IndexEntry>> next_here();

  static constexpr std::uint64_t kNowhere = UINT64_MAX;

  std::shared_ptr<const IndexState> state_;
  std::uint64_t hash_;
  std::int64_t from_;
  std::int64_t to_;
  Direction direction_;
  std::size_t source_ = 0;              // runs and tables, counted from where the cursor starts
  bool entered_ = false;
  std::uint64_t place_ = kNowhere;      // of the next entry: its number in the run or table
  std::vector<std::uint32_t> pending_;  // forward through a table: entries still to come, newest first
};

class IndexSnapshot {
 public:
  // The entries of `hash` with from <= offset < to.
  [[nodiscard]] IndexCursor find(std::uint64_t hash, log::Offset from, log::Offset to, Direction direction) const;

  // The newest entry below `to`. If its record is another key's, ask again with its offset as `to`.
  [[nodiscard]] Result<std::optional<IndexHit>> newest(std::uint64_t hash, log::Offset to) const;

  // The newest entry with after < offset < to: touches only runs that end after `after`, so a condition 'nothing since
  // position P' costs about as much as what happened since.
  [[nodiscard]] Result<std::optional<IndexHit>> newest_after(std::uint64_t hash, log::Offset after, log::Offset to) const;

  // newest() for many hashes at once, several times faster a hash than one by one: memory is fetched ahead. `out` has the
  // size of `hashes`.
  [[nodiscard]] Status newest(std::span<const std::uint64_t> hashes, log::Offset to,
                              std::span<std::optional<IndexHit>> out) const;

  // Entries of lower offsets are not there: no record has them, or those that had are removed. The largest offset when there is no entry at all.
  [[nodiscard]] log::Offset first() const;

  // Whether there is any entry below `to`.
  [[nodiscard]] Result<bool> contains(std::uint64_t hash, log::Offset to) const;

 private:
  friend class Index;
  friend class IndexWalk;
  explicit IndexSnapshot(std::shared_ptr<const IndexState> state);
  std::shared_ptr<const IndexState> state_;
};

}  // namespace baton::store
