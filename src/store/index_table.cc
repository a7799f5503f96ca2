#include "store/index_table.h"

#include <algorithm>
#include <bit>

namespace baton::store {
namespace {

constexpr std::uint32_t kNumberBits = 22;
constexpr std::uint32_t kNumberMask = (1u << kNumberBits) - 1;

std::uint32_t tag_of(std::uint64_t hash) { return static_cast<std::uint32_t>(hash << kNumberBits); }

std::uint32_t load(std::uint32_t& word) {
  return std::atomic_ref(word).load(std::memory_order_acquire);
}
void publish(std::uint32_t& word, std::uint32_t value) {
  std::atomic_ref(word).store(value, std::memory_order_release);
}

// The slots grow by four, so that those outgrown take a third of the last at most; the last one is half full at most
// with `expected` keys.
unsigned first_slot_bits(std::size_t expected) {
  auto bits = static_cast<unsigned>(std::bit_width(std::max<std::size_t>(expected, 8) * 2 - 1));
  while (bits >= 14) bits -= 2;
  return bits;
}

// Sorts a few entries that are nearly in order. False when that was not so and the work is not done.
bool insertion_sort(std::span<IndexEntry> entries) {
  std::size_t budget = entries.size() * 16 + 1024;
  for (std::size_t i = 1; i < entries.size(); ++i) {
    const IndexEntry entry = entries[i];
    std::size_t at = i;
    for (; at > 0 && entry < entries[at - 1]; --at) entries[at] = entries[at - 1];
    entries[at] = entry;
    if (i - at > budget) return false;
    budget -= i - at;
  }
  return true;
}

}  // namespace

IndexTable::IndexTable(std::size_t expected)
    : first_bits_(std::clamp(static_cast<unsigned>(std::bit_width(std::max<std::size_t>(expected, 1) - 1)), kFirstBitsMin, kFirstBitsMax)) {
  all_slots_.push_back(std::make_unique<Slots>(first_slot_bits(expected)));
  slots_.store(all_slots_.back().get(), std::memory_order_release);
  bytes_.fetch_add(4ull << all_slots_.back()->bits, std::memory_order_relaxed);
}

void IndexTable::add(const IndexEntry& entry) {
  const std::size_t count = size_.load(std::memory_order_relaxed);
  BATON_CHECK(count < kMaxEntries, "the index table was fed on although it said that it was full");
  const auto number = static_cast<std::uint32_t>(count);
  const auto [chunk_number, place] = place_of(number);
  Chunk& chunk = chunks_[chunk_number];
  if (place == 0) {
    const std::size_t room = std::size_t{1} << (first_bits_ + chunk_number);
    chunk = Chunk(room);
    bytes_.fetch_add(room * kChunkEntryBytes, std::memory_order_relaxed);
  }
  chunk.entries[place] = entry;
  chunk.older[place] = kNone;

  Slots* slots = slots_.load(std::memory_order_relaxed);
  if (keys_ * 4 >= (slots->mask() + 1) * 3) {
    grow_slots();
    slots = slots_.load(std::memory_order_relaxed);
  }
  const std::uint32_t word = tag_of(entry.hash) | (number + 1);
  for (std::size_t i = slots->first(entry.hash);; i = (i + 1) & slots->mask()) {
    const std::uint32_t found = slots->words[i];
    if (found == 0) {
      ++keys_;
      publish(slots->words[i], word);
      break;
    }
    if ((found ^ word) >> kNumberBits != 0) continue;
    std::uint32_t newer = (found & kNumberMask) - 1;
    if (at(newer).hash != entry.hash) continue;
    if (at(newer) <= entry) {
      chunk.older[place] = newer;
      publish(slots->words[i], word);
      break;
    }
    // Added out of order: between two that are there.
    while (older(newer) != kNone && entry < at(older(newer))) newer = older(newer);
    chunk.older[place] = older(newer);
    publish(older_word(newer), number);
    break;
  }
  size_.store(count + 1, std::memory_order_release);
}

void IndexTable::grow_slots() {
  const Slots& old = *slots_.load(std::memory_order_relaxed);
  auto grown = std::make_unique<Slots>(old.bits + 2);
  for (std::size_t i = 0; i <= old.mask(); ++i) {
    const std::uint32_t word = old.words[i];
    if (word == 0) continue;
    std::size_t to = grown->first(at((word & kNumberMask) - 1).hash);
    while (grown->words[to] != 0) to = (to + 1) & grown->mask();
    grown->words[to] = word;
  }
  bytes_.fetch_add(4ull << grown->bits, std::memory_order_relaxed);
  all_slots_.push_back(std::move(grown));
  slots_.store(all_slots_.back().get(), std::memory_order_release);
}

std::uint32_t IndexTable::newest(std::uint64_t hash) const {
  Slots& slots = *slots_.load(std::memory_order_acquire);
  const std::uint32_t tag = tag_of(hash);
  for (std::size_t i = slots.first(hash);; i = (i + 1) & slots.mask()) {
    const std::uint32_t found = load(slots.words[i]);
    if (found == 0) return kNone;
    if ((found ^ tag) >> kNumberBits != 0) continue;
    const std::uint32_t number = (found & kNumberMask) - 1;
    if (at(number).hash == hash) return number;
  }
}

std::uint32_t IndexTable::older(std::uint32_t number) const {
  return load(older_word(number));
}

void IndexTable::prefetch(std::uint64_t hash) const {
  const Slots& slots = *slots_.load(std::memory_order_acquire);
  __builtin_prefetch(&slots.words[slots.first(hash)]);
}

std::size_t IndexTable::count_below(std::int64_t end) const {
  std::size_t count = 0;
  for (std::size_t i = 0, n = size(); i < n; ++i) count += at(static_cast<std::uint32_t>(i)).offset() < end ? 1 : 0;
  return count;
}

// One distribution by the hash's upper 10 bits through main memory, then each bucket, which fits a near cache, by the next
// 8 bits, then a few neighbours by comparison. Each step keeps the order of equal hashes, which is nearly that of offsets.
bool IndexTable::sorted(std::int64_t end, const std::function<bool(const IndexEntry&)>& emit) const {
  constexpr unsigned kBuckets = 1024;
  constexpr unsigned kSmall = 256;
  const std::size_t n = size();
  std::array<std::uint32_t, kBuckets + 1> start{};
  for (std::size_t i = 0; i < n; ++i) {
    const IndexEntry& entry = at(static_cast<std::uint32_t>(i));
    if (entry.offset() < end) ++start[(entry.hash >> 54) + 1];
  }
  for (unsigned b = 0; b < kBuckets; ++b) start[b + 1] += start[b];
  const auto distributed = std::make_unique_for_overwrite<IndexEntry[]>(start[kBuckets]);
  auto next = start;
  for (std::size_t i = 0; i < n; ++i) {
    const IndexEntry& entry = at(static_cast<std::uint32_t>(i));
    if (entry.offset() < end) distributed[next[entry.hash >> 54]++] = entry;
  }
  std::vector<IndexEntry> bucket;
  for (unsigned b = 0; b < kBuckets; ++b) {
    const std::span<const IndexEntry> from(&distributed[start[b]], start[b + 1] - start[b]);
    if (bucket.size() < from.size()) bucket.resize(from.size());
    std::array<std::uint32_t, kSmall + 1> place{};
    for (const IndexEntry& entry : from) ++place[(entry.hash >> 46 & 0xff) + 1];
    for (unsigned s = 0; s < kSmall; ++s) place[s + 1] += place[s];
    for (const IndexEntry& entry : from) bucket[place[entry.hash >> 46 & 0xff]++] = entry;
    const std::span<IndexEntry> to(bucket.data(), from.size());
    if (!insertion_sort(to)) std::ranges::sort(to);
    for (const IndexEntry& entry : to) {
      if (!emit(entry)) return false;
    }
  }
  return true;
}

}  // namespace baton::store
