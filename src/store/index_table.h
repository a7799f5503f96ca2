// IndexTable: the entries that are not in a run yet, in memory.
//
// One thread adds, any number of threads look up meanwhile, without locks: an entry is written before the number that
// leads to it is published. Entries of one hash are a chain from the newest offset to the oldest; a table of slots leads from
// a hash to its chain. Nothing is ever moved or freed before the table is.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "store/index_entry.h"

namespace baton::store {

class IndexTable {
 public:
  static constexpr std::uint32_t kNone = UINT32_MAX;
  static constexpr std::size_t kMaxEntries = (1u << 22) - 2;

  // Memory is taken as entries come; `expected` entries decide in which portions.
  explicit IndexTable(std::size_t expected);

  // The one adding thread. The table holds fewer than kMaxEntries.
  void add(const IndexEntry& entry);

  // Any thread.
  [[nodiscard]] std::size_t size() const { return size_.load(std::memory_order_acquire); }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint32_t newest(std::uint64_t hash) const;   // the entry with the highest offset, or kNone
  [[nodiscard]] std::uint32_t older(std::uint32_t number) const;  // the next one of the same hash, or kNone
  [[nodiscard]] const IndexEntry& at(std::uint32_t number) const {
    const Place place = place_of(number);
    return chunks_[place.chunk].entries[place.within];
  }
  void prefetch(std::uint64_t hash) const;

  // Hands on all entries with an offset below `end`, sorted. Nobody adds meanwhile. Takes 24 bytes an entry for the time being.
  // False when `emit` said so, which ends it.
  bool sorted(std::int64_t end, const std::function<bool(const IndexEntry&)>& emit) const;
  [[nodiscard]] std::size_t count_below(std::int64_t end) const;

 private:
  // The first has room for 1 << first_bits_ entries, each further one for twice as many as the one before. Neither is set to
  // anything before an entry comes.
  struct Chunk {
    explicit Chunk(std::size_t count)
        : entries(std::make_unique_for_overwrite<IndexEntry[]>(count)), older(std::make_unique_for_overwrite<std::uint32_t[]>(count)) {}
    Chunk() = default;
    std::unique_ptr<IndexEntry[]> entries;
    std::unique_ptr<std::uint32_t[]> older;
  };
  static constexpr std::size_t kChunkEntryBytes = sizeof(IndexEntry) + sizeof(std::uint32_t);
  struct Place {
    std::size_t chunk;
    std::size_t within;
  };
  [[nodiscard]] Place place_of(std::uint32_t number) const {
    const std::uint64_t n = number + (std::uint64_t{1} << first_bits_);
    const auto chunk = static_cast<std::size_t>(std::bit_width(n)) - 1 - first_bits_;
    return {.chunk = chunk, .within = static_cast<std::size_t>(n - (std::uint64_t{1} << (first_bits_ + chunk)))};
  }

  [[nodiscard]] std::uint32_t& older_word(std::uint32_t number) const {
    const Place place = place_of(number);
    return chunks_[place.chunk].older[place.within];
  }
  // Open addressing. A slot: 0, or 10 bits of the hash | number of the newest entry + 1 (22 bits).
  struct Slots {
    explicit Slots(unsigned bits_) : bits(bits_), words(std::make_unique<std::uint32_t[]>(std::size_t{1} << bits_)) {}
    unsigned bits;
    std::unique_ptr<std::uint32_t[]> words;
    [[nodiscard]] std::size_t mask() const { return (std::size_t{1} << bits) - 1; }
    [[nodiscard]] std::size_t first(std::uint64_t hash) const { return hash >> (64 - bits); }
  };

  void grow_slots();

  std::vector<std::unique_ptr<Slots>> all_slots_;  // those that were outgrown stay for readers that still probe them
  std::atomic<Slots*> slots_;
  std::size_t keys_ = 0;  // slots in use; the adding thread's
  std::atomic<std::size_t> size_{0};
  std::atomic<std::uint64_t> bytes_{0};
  static constexpr unsigned kFirstBitsMin = 6;
  static constexpr unsigned kFirstBitsMax = 14;
  static constexpr std::size_t kChunks = 22 - kFirstBitsMin + 1;  // room for kMaxEntries, whatever the first one's is
  const unsigned first_bits_;
  std::array<Chunk, kChunks> chunks_;  // of fixed size: readers use it while chunks are added
};

}  // namespace baton::store
