#include "store/index_walk.h"

#include <algorithm>

#include "base/try.h"
#include "store/index_state.h"

namespace baton::store {
namespace {

constexpr std::size_t kWindowEntries = 4096;

}  // namespace

IndexWalk::IndexWalk(IndexSnapshot index, std::uint64_t from, log::Offset first, log::Offset to, StreamVersion skipped)
    : index_(std::move(index)), from_(from), first_(first.value()), to_(to.value()), skipped_(skipped), window_from_(from) {}

bool IndexWalk::wanted(const IndexEntry& entry) const {
  const std::int64_t offset = entry.offset();
  return offset >= first_ && offset < to_ && entry.unpack().version != skipped_;
}

Status IndexWalk::advance(Source& source) {
  while (source.next < source.run->layout().entries) {
    BATON_TRY_ASSIGN(const IndexEntry entry, source.run->at(source.next++));
    if (!wanted(entry)) continue;
    source.head = entry;
    return {};
  }
  source.head = std::nullopt;
  return {};
}

Status IndexWalk::start() {
  started_ = true;
  for (const auto& run : index_.state_->runs) {
    Source source{.run = run.get()};
    BATON_TRY_ASSIGN(source.next, run->lower_bound(from_, 0));
    BATON_TRY(advance(source));
    runs_.push_back(source);
  }
  fill_from_tables();
  return {};
}

// The entries of the tables with the lowest hashes from window_from_ on, whole keys only.
void IndexWalk::fill_from_tables() {
  const IndexState& state = *index_.state_;
  std::vector<IndexEntry> kept;
  std::optional<IndexEntry> bound;  // what is above was dropped, or is from now on: all that is not is in `kept`
  const auto gather = [&](const IndexTable* table, std::int64_t end) {
    if (table == nullptr) return;
    const std::size_t count = table->size();
    for (std::size_t i = 0; i < count; ++i) {
      const IndexEntry& entry = table->at(static_cast<std::uint32_t>(i));
      if (entry.hash < window_from_ || entry.offset() >= end || !wanted(entry) || (bound && *bound < entry)) continue;
      kept.push_back(entry);
      if (kept.size() < 2 * kWindowEntries) continue;
      std::ranges::nth_element(kept, kept.begin() + kWindowEntries - 1);
      kept.resize(kWindowEntries);
      bound = kept.back();
    }
  };
  gather(state.frozen.get(), std::min(to_, state.frozen_end));
  gather(state.active.get(), to_);
  std::ranges::sort(kept);
  tables_done_ = !bound;
  if (bound) {
    // The last key may not be whole. One key alone that fills the window is taken as it is, from all of the tables.
    const std::uint64_t last = kept.back().hash;
    if (kept.front().hash != last) {
      while (kept.back().hash == last) kept.pop_back();
      window_from_ = last;
    } else {
      kept.clear();
      const auto gather_key = [&](const IndexTable* table, std::int64_t end) {
        if (table == nullptr) return;
        for (std::uint32_t n = table->newest(last); n != IndexTable::kNone; n = table->older(n)) {
          if (table->at(n).offset() < end && wanted(table->at(n))) kept.push_back(table->at(n));
        }
      };
      gather_key(state.frozen.get(), std::min(to_, state.frozen_end));
      gather_key(state.active.get(), to_);
      std::ranges::sort(kept);
      tables_done_ = last == UINT64_MAX;
      window_from_ = last + 1;
    }
  }
  table_entries_ = std::move(kept);
  std::ranges::reverse(table_entries_);
}

Result<std::optional<IndexEntry>> IndexWalk::pop() {
  if (pending_) return std::exchange(pending_, std::nullopt);
  if (table_entries_.empty() && !tables_done_) fill_from_tables();
  Source* first = nullptr;
  for (Source& source : runs_) {
    if (source.head && (first == nullptr || *source.head < *first->head)) first = &source;
  }
  const bool from_tables = !table_entries_.empty() && (first == nullptr || table_entries_.back() < *first->head);
  if (from_tables) {
    const IndexEntry entry = table_entries_.back();
    table_entries_.pop_back();
    return std::optional(entry);
  }
  if (first == nullptr) return std::optional<IndexEntry>();
  const IndexEntry entry = *first->head;
  BATON_TRY(advance(*first));
  return std::optional(entry);
}

Result<std::vector<IndexEntry>> IndexWalk::next() {
  auto entries = next_key();
  // The index is told, as by a look-up, so that it is made again.
  if (!entries && index_.state_->damage) index_.state_->damage->found(entries.error());
  return entries;
}

Result<std::vector<IndexEntry>> IndexWalk::next_key() {
  if (!started_) BATON_TRY(start());
  std::vector<IndexEntry> out;
  std::optional<IndexEntry> last;
  while (true) {
    BATON_TRY_ASSIGN(const auto entry, pop());
    if (!entry) break;
    if (last && entry->hash != last->hash) {
      pending_ = entry;
      break;
    }
    if (last && entry->unpack().version != last->unpack().version.plus(1)) out.push_back(*last);
    last = entry;
  }
  if (last) out.push_back(*last);
  return out;
}

}  // namespace baton::store
