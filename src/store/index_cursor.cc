#include "store/index_cursor.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/check.h"
#include "base/try.h"
#include "store/index_state.h"

namespace baton::store {
namespace {

bool overlaps(const IndexRun& run, std::int64_t from, std::int64_t to) {
  return run.info().first < to && run.info().end > from;
}

// The newest entry of `hash` in [from, to) in a table.
std::optional<IndexHit> newest_in(const IndexTable* table, std::uint64_t hash, std::int64_t from, std::int64_t to) {
  if (table == nullptr) return std::nullopt;
  for (std::uint32_t number = table->newest(hash); number != IndexTable::kNone; number = table->older(number)) {
    const IndexEntry& entry = table->at(number);
    if (entry.offset() < from) return std::nullopt;
    if (entry.offset() < to) return entry.unpack();
  }
  return std::nullopt;
}

// The same in a run whose filter said that it may be there.
Result<std::optional<IndexHit>> newest_in(const IndexRun& run, std::uint64_t hash, std::int64_t from, std::int64_t to) {
  BATON_TRY_ASSIGN(const std::uint64_t past, run.lower_bound(hash, to));
  if (past == 0) return std::optional<IndexHit>{};
  BATON_TRY_ASSIGN(const IndexEntry entry, run.at(past - 1));
  if (entry.hash != hash || entry.offset() < from) return std::optional<IndexHit>{};
  return std::optional(entry.unpack());
}

std::optional<IndexHit> newest_in_tables(const IndexState& state, std::uint64_t hash, std::int64_t from, std::int64_t to) {
  if (auto hit = newest_in(state.active.get(), hash, from, to)) return hit;
  return newest_in(state.frozen.get(), hash, from, std::min(to, state.frozen_end));
}

// How many runs from the oldest on are left when the newest of the first `count` is the last whose filter knows `hash`; 0: none does.
Result<std::size_t> runs_up_to(const IndexState& state, std::uint64_t hash, std::int64_t from, std::int64_t to, std::size_t count) {
  for (; count > 0; --count) {
    const IndexRun& run = *state.runs[count - 1];
    if (!overlaps(run, from, to)) continue;
    BATON_TRY_ASSIGN(const bool may, run.may_contain(hash));
    if (may) break;
  }
  return count;
}

// In the first `count` runs, the last of which may know it.
Result<std::optional<IndexHit>> newest_in_runs(const IndexState& state, std::uint64_t hash, std::int64_t from, std::int64_t to,
                                               std::size_t count) {
  while (count > 0) {
    BATON_TRY_ASSIGN(const auto hit, newest_in(*state.runs[count - 1], hash, from, to));
    if (hit) return hit;
    BATON_TRY_ASSIGN(count, runs_up_to(state, hash, from, to, count - 1));
  }
  return std::optional<IndexHit>{};
}

Result<std::optional<IndexHit>> newest_in_runs(const IndexState& state, std::uint64_t hash, std::int64_t from,
                                               std::int64_t to) {
  for (const auto& run : state.runs) {
    if (overlaps(*run, from, to)) run->prefetch(hash);
  }
  BATON_TRY_ASSIGN(const std::size_t count, runs_up_to(state, hash, from, to, state.runs.size()));
  return newest_in_runs(state, hash, from, to, count);
}

constexpr std::size_t kAhead = 8;  // more would drive each other's lines out of the nearest cache

// newest() of up to kAhead hashes, step by step for all of them, so that each step's memory is on its way while the others are taken.
Status newest_of_few(const IndexState& state, std::span<const std::uint64_t> hashes, std::int64_t to, std::span<std::optional<IndexHit>> out) {
  std::array<std::size_t, kAhead> counts{};  // of runs to look into
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    state.active->prefetch(hashes[i]);
    if (state.frozen) state.frozen->prefetch(hashes[i]);
    // The hashes of a stream and of its system records have the same lines.
    if (i > 0 && (hashes[i] ^ hashes[i - 1]) == 1) continue;
    for (const auto& run : state.runs) run->prefetch(hashes[i]);
  }
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    out[i] = newest_in_tables(state, hashes[i], 0, to);
    if (out[i]) continue;
    BATON_TRY_ASSIGN(counts[i], runs_up_to(state, hashes[i], 0, to, state.runs.size()));
    if (counts[i] > 0) state.runs[counts[i] - 1]->prefetch_directory(hashes[i]);
  }
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    if (counts[i] > 0) state.runs[counts[i] - 1]->prefetch_block(hashes[i]);
  }
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    if (counts[i] == 0) continue;
    BATON_TRY_ASSIGN(out[i], newest_in_runs(state, hashes[i], 0, to, counts[i]));
  }
  return {};
}

template <typename T>
Result<T> reported(const IndexState& state, Result<T> result) {
  if (!result && state.damage) state.damage->found(result.error());
  return result;
}

}  // namespace

IndexCursor::IndexCursor(std::shared_ptr<const IndexState> state, std::uint64_t hash, std::int64_t from, std::int64_t to,
                         Direction direction)
    : state_(std::move(state)), hash_(hash), from_(from), to_(to), direction_(direction) {}

Result<std::optional<IndexHit>> IndexCursor::next() {
  while (source_ < state_->sources()) {
    if (!entered_) {
      entered_ = true;
      if (auto status = enter(); !status) {
        state_->damage->found(status.error());
        return status.error();
      }
    }
    auto entry = next_here();
    if (!entry) {
      state_->damage->found(entry.error());
      return entry.error();
    }
    if (*entry) return std::optional((*entry)->unpack());
    entered_ = false;
    ++source_;
  }
  return std::optional<IndexHit>{};
}

std::size_t IndexCursor::source() const {
  return direction_ == Direction::forward ? source_ : state_->sources() - 1 - source_;
}

// Puts the cursor before the first entry of the current source.
Status IndexCursor::enter() {
  place_ = kNowhere;
  pending_.clear();
  const std::size_t source = this->source();
  if (source < state_->runs.size()) {
    const IndexRun& run = *state_->runs[source];
    if (!overlaps(run, from_, to_)) return {};
    BATON_TRY_ASSIGN(const bool may, run.may_contain(hash_));
    if (!may) return {};
    if (direction_ == Direction::forward) {
      BATON_TRY_ASSIGN(place_, run.lower_bound(hash_, from_));
      if (place_ == run.layout().entries) place_ = kNowhere;
    } else {
      BATON_TRY_ASSIGN(place_, run.lower_bound(hash_, to_));
      place_ = place_ == 0 ? kNowhere : place_ - 1;
    }
    return {};
  }
  const IndexTable* table = state_->table(source);
  if (table == nullptr) return {};
  const std::int64_t end = state_->table_end(source, to_);
  std::uint32_t number = table->newest(hash_);
  while (number != IndexTable::kNone && table->at(number).offset() >= end) number = table->older(number);
  if (direction_ == Direction::backward) {
    if (number != IndexTable::kNone) place_ = number;
    return {};
  }
  for (; number != IndexTable::kNone && table->at(number).offset() >= from_; number = table->older(number)) {
    pending_.push_back(number);
  }
  return {};
}

Result<std::optional<IndexEntry>> IndexCursor::next_here() {
  const std::size_t source = this->source();
  const bool forward = direction_ == Direction::forward;
  if (source >= state_->runs.size() && forward) {
    if (pending_.empty()) return std::optional<IndexEntry>{};
    const std::uint32_t number = pending_.back();
    pending_.pop_back();
    return std::optional(state_->table(source)->at(number));
  }
  if (place_ == kNowhere) return std::optional<IndexEntry>{};
  IndexEntry entry{};
  if (source >= state_->runs.size()) {
    const IndexTable& table = *state_->table(source);
    const auto number = static_cast<std::uint32_t>(place_);
    entry = table.at(number);
    const std::uint32_t older = table.older(number);
    place_ = older == IndexTable::kNone ? kNowhere : older;
  } else {
    const IndexRun& run = *state_->runs[source];
    BATON_TRY_ASSIGN(entry, run.at(place_));
    if (forward) {
      place_ = place_ + 1 == run.layout().entries ? kNowhere : place_ + 1;
    } else {
      place_ = place_ == 0 ? kNowhere : place_ - 1;
    }
  }
  if (entry.hash == hash_ && entry.offset() >= from_ && entry.offset() < to_) return std::optional(entry);
  place_ = kNowhere;
  return std::optional<IndexEntry>{};
}

IndexSnapshot::IndexSnapshot(std::shared_ptr<const IndexState> state) : state_(std::move(state)) {}

IndexCursor IndexSnapshot::find(std::uint64_t hash, log::Offset from, log::Offset to, Direction direction) const {
  return {state_, hash, from.value(), to.value(), direction};
}

log::Offset IndexSnapshot::first() const {
  if (!state_->runs.empty()) return log::Offset(state_->runs.front()->info().first);
  for (const auto& table : {state_->frozen, state_->active}) {
    if (table != nullptr && table->size() > 0) return log::Offset(table->at(0).offset());
  }
  return log::Offset(std::numeric_limits<std::int64_t>::max());
}

Result<std::optional<IndexHit>> IndexSnapshot::newest(std::uint64_t hash, log::Offset to) const {
  if (auto hit = newest_in_tables(*state_, hash, 0, to.value())) return hit;
  return reported(*state_, newest_in_runs(*state_, hash, 0, to.value()));
}

Result<std::optional<IndexHit>> IndexSnapshot::newest_after(std::uint64_t hash, log::Offset after, log::Offset to) const {
  const std::int64_t from = after.value() + 1;
  if (auto hit = newest_in_tables(*state_, hash, from, to.value())) return hit;
  return reported(*state_, newest_in_runs(*state_, hash, from, to.value()));
}

Result<bool> IndexSnapshot::contains(std::uint64_t hash, log::Offset to) const {
  BATON_TRY_ASSIGN(const auto hit, newest(hash, to));
  return hit.has_value();
}

Status IndexSnapshot::newest(std::span<const std::uint64_t> hashes, log::Offset to,
                             std::span<std::optional<IndexHit>> out) const {
  BATON_CHECK(hashes.size() == out.size(), "as many answers as hashes");
  for (std::size_t i = 0; i < hashes.size(); i += kAhead) {
    const std::size_t count = std::min(kAhead, hashes.size() - i);
    Status status = newest_of_few(*state_, hashes.subspan(i, count), to.value(), out.subspan(i, count));
    if (status) continue;
    if (state_->damage) state_->damage->found(status.error());
    return status;
  }
  return {};
}

}  // namespace baton::store
