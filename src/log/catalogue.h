// The catalogue log: what the store is (docs/formats/catalogue.md). Loaded whole at open, kept in memory, appended to rarely.
//
// Owned by the Log; called on the store's thread only. snapshot() may be handed to other threads.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <baton/result.h>

#include "base/bytes.h"
#include "log/types.h"
#include "os/env.h"

namespace baton::log {

using Hash256 = std::array<std::uint8_t, 32>;
using StoreId = std::array<std::uint8_t, 16>;
using Settings = std::map<std::string, std::string>;

struct TopicInfo {
  TopicId id;
  std::string name;
  TopicKind kind = TopicKind::plain;
  std::int32_t partitions = 1;
  Settings settings;
  bool removed = false;
};

struct EpochStart {
  Epoch epoch;
  Offset start;  // the first offset that this epoch could write
};

struct Seal {
  PartitionKey partition;
  Offset base_offset;
  Offset next_offset;
  std::uint64_t bytes = 0;
  std::int64_t max_timestamp = 0;
  Hash256 previous{};
  Hash256 hash{};
  Hash256 root{};  // the store's root after this seal (not stored: computed while loading)
};

// What the catalogue says, as plain data.
struct CatalogueState {
  std::uint32_t format = 1;
  StoreId store_id{};
  std::int64_t created_ms = 0;
  Epoch epoch;                                              // the newest
  std::map<TopicId, TopicInfo> topics;                      // removed ones stay, flagged
  std::map<PartitionKey, std::vector<EpochStart>> epochs;   // ascending
  std::vector<Seal> seals;                                  // in the order of the root
  std::map<PartitionKey, Offset> log_start;                 // absent: 0
  std::map<PartitionKey, Offset> heads_snapshot;            // newest snapshot named by a start record
  Hash256 root{};
  bool clean_close = false;                                 // the last record is a clean close
  Round clean_round;
};

class Catalogue {
 public:
  // Creates the first record of a new store. The file must not exist.
  static Result<std::unique_ptr<Catalogue>> create(os::Env& env, const std::string& directory, const StoreId& id);
  // Loads, cuts a torn tail (and syncs), refuses corruption and newer formats. read_only: changes nothing, ignores a torn tail.
  static Result<std::unique_ptr<Catalogue>> open(os::Env& env, const std::string& directory, bool read_only);

  [[nodiscard]] const CatalogueState& state() const { return state_; }

  // Each appends one record, synced before it returns. An error is io_error: the store must end.
  [[nodiscard]] Status add_topic(const TopicInfo& topic);
  [[nodiscard]] Status set_topic(const TopicId& id, const Settings& changed);
  [[nodiscard]] Status remove_topic(const TopicId& id);
  [[nodiscard]] Status raise_epoch(Epoch epoch, std::int64_t wall_ms, bool restore,
                                   const std::vector<std::pair<PartitionKey, Offset>>& moved);
  [[nodiscard]] Status add_seal(const Seal& seal);  // seal.root is filled in the state
  [[nodiscard]] Status set_log_start(PartitionKey partition, Offset start, bool asked, Offset heads_snapshot);
  [[nodiscard]] Status mark_clean_close(Round round);
  [[nodiscard]] Status add_note(std::string_view text);
  // For a reader beside the writer: takes in what was appended since. True when something was.
  [[nodiscard]] Result<bool> refresh();

 private:
  Catalogue() = default;
  [[nodiscard]] Status append(std::uint16_t type, base::ByteView payload);
  [[nodiscard]] Status apply(std::uint16_t type, base::ByteView payload);

  std::unique_ptr<os::File> file_;
  std::string path_;
  CatalogueState state_;
  std::uint64_t end_ = 0;       // bytes, a multiple of 512
  std::uint64_t sequence_ = 0;  // of the next record
  std::uint32_t previous_crc_ = 0;
};

[[nodiscard]] Hash256 next_root(const Hash256& root, base::ByteView seal_payload);

}  // namespace baton::log
