// Recovery (docs/formats/journal.md): what a data directory holds, found out in two steps. find() reads only, and refuses damage;
// apply() then writes what the journal says, and may be interrupted and done again at any point.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <baton/result.h>

#include "log/catalogue.h"
#include "log/journal_reader.h"
#include "log/marks.h"
#include "log/settings.h"

namespace baton::log {

struct RecoveredSegment {
  Offset base;
  MarksEnd saved;            // the marks that may be relied on
  bool marks_whole = true;   // the marks file ends there
  std::uint64_t synced_end = 0;  // of the last round that was synced in place
  std::uint64_t end = 0;
  Offset next_offset;        // after its last record
  std::int64_t max_timestamp = INT64_MIN;
  bool sealed = false;       // in the catalogue, or complete and of a plain topic
  bool touched = false;      // the journal holds data of it: the next checkpoint syncs it
  bool scanned = false;      // `memory`: the end was found by looking; the marks are made anew
};

struct RecoveredPartition {
  PartitionKey key;
  TopicKind kind = TopicKind::plain;
  Durability durability = Durability::fsync;
  std::size_t batch_bytes_max = 0;
  std::string directory;     // relative
  bool directory_there = false;
  std::vector<RecoveredSegment> segments;  // ascending
  bool open = false;         // the last one goes on
  std::vector<std::string> stale;          // files (relative) that are gone as far as anybody knows
  Offset log_start;
  Offset end;                // of the last record
};

struct RecoveredStore {
  std::map<PartitionKey, RecoveredPartition> partitions;
  std::optional<JournalReader> journal;
  std::uint64_t generation = 0;  // the newest; 0: none
  Round last_round;
  std::uint32_t last_crc = 0;    // of that round
  Round durable_round;           // rounds after it have to be written again
  std::int64_t last_append_ms = 0;
  bool clean = false;
  bool rounds_in_journal = false;
  std::vector<std::string> warnings;
};

[[nodiscard]] Result<RecoveredStore> find_store(os::FileSystem& fs, const std::string& directory, const CatalogueState& catalogue,
                                                const LogOptions& options);
[[nodiscard]] Status apply_recovery(os::FileSystem& fs, const std::string& directory, RecoveredStore& store);

// The data of a part that is in place: from the segment, with the tail that its record has. corrupt: the segment is shorter.
[[nodiscard]] Result<base::Bytes> read_in_place(const os::File& file, const std::string& name, const ParsedRecord::Part& part);

// Walks the batches of a segment from `position` to `end`, and hands each run of about kMarkRangeBytes of them to `piece`.
// corrupt: something else than batches with ascending offsets.
[[nodiscard]] Status walk_batches(const os::File& file, const std::string& name, std::uint64_t position, std::uint64_t end,
                                  Offset expected, std::size_t batch_bytes_max,
                                  const std::function<void(const MarkBuilder::Piece&)>& piece);

// What is synced as one file system, and may be another than the store's directory is on: all of it.
[[nodiscard]] std::string topics_directory(const std::string& directory);
[[nodiscard]] std::string topic_directory(const TopicId& topic);         // relative: "topics/<id>"
[[nodiscard]] std::string partition_directory(const PartitionKey& key);  // relative: "topics/<id>/<partition>"

}  // namespace baton::log
