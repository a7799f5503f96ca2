// HeadCache: the heads of the streams that were appended to lately, in bounded memory, so that most appends need no look-up
// in the index.
//
// Two tables: look-ups move an entry to the young one, and when that is full, at the end of a round, the old one is dropped and
// they change places. What is in the old one was put before the round before ended. So what is staged is always known here, also when a round is made
// while another one is on its way. Belongs to one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "log/types.h"
#include "store/index_entry.h"

namespace baton::store {

// What an append must know of a stream.
struct Head {
  StreamVersion last_version{-1};
  StreamVersion visible_from{0};   // stream reads start here (truncated, or deleted and begun again)
  bool deleted = false;            // the last record is a delete
  log::Offset last_offset{-1};     // of its last record
  [[nodiscard]] bool empty() const { return last_version.value() < 0 || deleted; }
};

class HeadCache {
 public:
  // At most `entries` are kept between rounds.
  explicit HeadCache(std::size_t entries);

  // `hash` is stream_hash(stream).
  [[nodiscard]] std::optional<Head> find(std::uint64_t hash, std::string_view stream);
  // The memory that find() will look at is on its way.
  void prefetch(std::uint64_t hash) const;
  void put(std::uint64_t hash, std::string_view stream, const Head& head);
  void end_round();  // of one that has staged something
  void clear();

 private:
  struct Slot {
    std::uint64_t hash = 0;
    std::uint32_t name_at = 0;
    std::uint8_t name_size = 0;  // 0: free; a stream name has 1 to 255 bytes
    bool deleted = false;
    std::int64_t last_version = 0;
    std::int64_t visible_from = 0;
    std::int64_t last_offset = 0;
  };
  struct Table {
    std::vector<Slot> slots;
    std::string names;
    std::size_t used = 0;

    [[nodiscard]] std::size_t place(std::uint64_t hash, std::string_view stream) const;
    void grow();
    void clear();
  };

  std::size_t young_max_;
  Table young_;
  Table old_;
};

}  // namespace baton::store
