// Postings: the records that an index says may have all of some tags, or one of some types, in order of offset.
//
// Each entry may be another key's with the same hash, so every one is verified against its record. One thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <baton/result.h>

#include "log/types.h"
#include "store/index_cursor.h"

namespace baton::store {

class Postings {
 public:
  // Entries with from <= offset < to. When there are tags, types are not looked at: the record tells. `types` are bare.
  Postings(const IndexSnapshot& index, const std::vector<std::string>& types, const std::vector<std::string>& tags,
           log::Offset from, log::Offset to, Direction direction);

  [[nodiscard]] Result<std::optional<IndexHit>> next();

 private:
  struct Source {
    IndexCursor cursor;
    std::optional<IndexHit> head;
    bool loaded = false;
  };
  [[nodiscard]] Status load(Source& source);
  [[nodiscard]] bool before(const IndexHit& a, const IndexHit& b) const {
    return direction_ == Direction::forward ? a.offset < b.offset : b.offset < a.offset;
  }
  [[nodiscard]] Result<std::optional<IndexHit>> next_of_all();
  [[nodiscard]] Result<std::optional<IndexHit>> next_of_any();

  Direction direction_;
  bool all_;
  std::vector<Source> sources_;
};

}  // namespace baton::store
