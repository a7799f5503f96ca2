// IndexWalk: the keys of an index in the order of their hashes, each with its newest entry: how all streams are listed.
//
// Any thread; one walk belongs to one. Sees the entries that were added before it was made. Memory: a few thousand entries at a time of
// what is in the tables; runs are read in place.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <baton/result.h>

#include "store/index_cursor.h"
#include "store/index_entry.h"

namespace baton::store {

class IndexRun;

class IndexWalk {
 public:
  // Keys with a hash of `from` or more, entries with offsets in [first, to) whose version is not `skipped`.
  IndexWalk(IndexSnapshot index, std::uint64_t from, log::Offset first, log::Offset to, StreamVersion skipped);

  // The newest entry of the next hash, and before it, by offset, each entry that is not followed by the next version: a system record, or the
  // last one before an entry of another key with the same hash. Empty at the end.
  [[nodiscard]] Result<std::vector<IndexEntry>> next();

 private:
  struct Source {
    const IndexRun* run = nullptr;
    std::uint64_t next = 0;                 // in the run
    std::optional<IndexEntry> head;
  };
  [[nodiscard]] Result<std::vector<IndexEntry>> next_key();
  [[nodiscard]] Status start();
  [[nodiscard]] Status advance(Source& source);
  [[nodiscard]] bool wanted(const IndexEntry& entry) const;
  void fill_from_tables();
  [[nodiscard]] Result<std::optional<IndexEntry>> pop();

  IndexSnapshot index_;
  std::uint64_t from_;
  std::int64_t first_;
  std::int64_t to_;
  StreamVersion skipped_;
  bool started_ = false;
  std::vector<Source> runs_;
  std::vector<IndexEntry> table_entries_;   // a window of hashes, ascending from its end
  std::uint64_t window_from_ = 0;
  bool tables_done_ = false;
  std::optional<IndexEntry> pending_;       // popped, of the next hash
};

}  // namespace baton::store
