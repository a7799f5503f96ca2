// IndexTable: the entries that are not in a run yet, in memory.
//
// One thread adds, any number of threads look up meanwhile, without locks: an entry is written before the number that
// leads to it is published. Entries of one hash are a chain from the newest offset to the oldest; a table of slots leads from
// a hash to its chain. Nothing is ever moved or freed before the table is.
#pragma once

#include <array>
#include <atomic>
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

  // Memory is taken as entries come; `expected` entries decide how the slots grow.
  explicit IndexTable(std::size_t expected);

  // The one adding thread. The table holds fewer than kMaxEntries.
  void add(const IndexEntry& entry);

  // Any thread.
  [[nodiscard]] std::size_t size() const { return size_.load(std::memory_order_acquire); }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint32_t newest(std::uint64_t hash) const;   // the entry with the highest offset, or kNone
  [[nodiscard]] std::uint32_t older(std::uint32_t number) const;  // the next one of the same hash, or kNone
  [[nodiscard]] const IndexEntry& at(std::uint32_t number) const {
    return chunks_[number / kChunkEntries]->entries[number % kChunkEntries];
  }
  void prefetch(std::uint64_t hash) const;

  // Hands on all entries with an offset below `end`, sorted. Nobody adds meanwhile. Takes 24 bytes an entry for the time being.
  // False when `emit` said so, which ends it.
  bool sorted(std::int64_t end, const std::function<bool(const IndexEntry&)>& emit) const;
  [[nodiscard]] std::size_t count_below(std::int64_t end) const;

 private:
  static constexpr std::size_t kChunkEntries = 1u << 14;
  struct Chunk {
    std::array<IndexEntry, kChunkEntries> entries;
    std::array<std::uint32_t, kChunkEntries> older;
  };
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
  std::vector<std::unique_ptr<Chunk>> chunks_;  // of fixed size: readers use it while chunks are added
};

}  // namespace baton::store
