#include "store/postings.h"

#include "base/try.h"
#include "store/index_entry.h"

namespace baton::store {

Postings::Postings(const IndexSnapshot& index, const std::vector<std::string>& types, const std::vector<std::string>& tags,
                   log::Offset from, log::Offset to, Direction direction)
    : direction_(direction), all_(!tags.empty()) {
  const auto add = [&](std::uint64_t hash) {
    sources_.push_back({.cursor = index.find(hash, from, to, direction), .head = std::nullopt, .loaded = false});
  };
  if (all_) {
    for (const std::string& tag : tags) add(tag_hash(tag));
  } else {
    for (const std::string& type : types) add(type_hash(type));
  }
}

Status Postings::load(Source& source) {
  if (source.loaded) return {};
  BATON_TRY_ASSIGN(source.head, source.cursor.next());
  source.loaded = true;
  return {};
}

Result<std::optional<IndexHit>> Postings::next_of_all() {
  // The source that is furthest decides; the others catch up with it until all stand at one offset.
  std::size_t agreed = 0;
  std::size_t i = 0;
  std::optional<IndexHit> target;
  while (agreed < sources_.size()) {
    Source& source = sources_[i];
    BATON_TRY(load(source));
    while (source.head && target && before(*source.head, *target)) {
      BATON_TRY_ASSIGN(source.head, source.cursor.next());
    }
    if (!source.head) return std::optional<IndexHit>();
    agreed = target && source.head->offset == target->offset ? agreed + 1 : 1;
    target = source.head;
    i = (i + 1) % sources_.size();
  }
  for (Source& source : sources_) source.loaded = false;
  return target;
}

Result<std::optional<IndexHit>> Postings::next_of_any() {
  Source* first = nullptr;
  for (Source& source : sources_) {
    BATON_TRY(load(source));
    if (source.head && (first == nullptr || before(*source.head, *first->head))) first = &source;
  }
  if (first == nullptr) return std::optional<IndexHit>();
  const IndexHit hit = *first->head;
  // A record that is in two of them (two types with one hash, or a tag that was indexed twice) is handed out once.
  for (Source& source : sources_) {
    if (source.head && source.head->offset == hit.offset) source.loaded = false;
  }
  return std::optional(hit);
}

Result<std::optional<IndexHit>> Postings::next() { return all_ ? next_of_all() : next_of_any(); }

}  // namespace baton::store
