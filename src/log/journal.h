// The journal as it is written: generations, space allocated ahead, one record a round (docs/formats/journal.md).
//
// Owned by the Log. Each call says who makes it: [owner], [job] the thread that runs a round (one at a time), [worker].
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include <baton/result.h>

#include "log/journal_format.h"
#include "os/env.h"

namespace baton::log {

// F14: refuses an allocation that would leave less than `reserve_bytes` free.
[[nodiscard]] Status check_space(os::FileSystem& fs, const std::string& path, std::uint64_t reserve_bytes, std::uint64_t bytes);

// Where a partition ends, for a base record.
struct Extent {
  PartitionKey key;
  Offset segment_base;
  std::uint64_t position = 0;
  Offset next_offset;
  base::Bytes lead;  // the bytes of the segment from the last sector boundary to `position`
};

[[nodiscard]] inline std::string journal_directory(const std::string& directory) { return os::join(directory, "journal"); }
[[nodiscard]] inline std::string journal_path(const std::string& directory, std::uint64_t generation) {
  return os::join(journal_directory(directory), decimal_name(generation));
}

class Journal {
 public:
  Journal(os::Env& env, std::string directory, const StoreId& store_id, std::uint64_t journal_bytes, std::uint64_t reserve_bytes);

  // [job, or the opening thread] Begins a generation: header and base record, synced, and the directory too. `base.round` is that
  // of the last round before. no_space: the current generation goes on, and nothing has changed.
  [[nodiscard]] Status begin(std::uint64_t generation, Round first_round, RecordFixed base, std::span<const Extent> extents);
  // [the opening thread] Goes on with a generation that has no rounds: the store was closed.
  [[nodiscard]] Status resume(const JournalHeader& header, std::uint64_t position, std::uint32_t previous_crc);
  void set_reserve_bytes(std::uint64_t bytes) { reserve_bytes_ = bytes; }  // [the opening thread]
  // [owner] Makes sure that there is room for `bytes` more in the rounds to come.
  [[nodiscard]] Status reserve(std::uint64_t bytes, std::uint64_t kept_free);
  // [owner] The room goes back, since what it was for was refused.
  void unreserve(std::uint64_t bytes);
  // [job] Writes a record whose parts and payload are in place: `record` has room for whole sectors, `total` bytes are used.
  // `reserved` is what was reserved for it.
  [[nodiscard]] Status append(RecordFixed fixed, base::MutableByteView record, std::uint64_t total, std::uint64_t reserved);
  // [job] The record that was appended last is on its way to the disk, as far as the system can do that; sync() waits for it.
  void start_sync();
  [[nodiscard]] Status sync();  // [job]
  // [worker] The files of generations before `generation` are not needed any more; the directory is synced.
  [[nodiscard]] Status free_before(std::uint64_t generation);

  [[nodiscard]] std::uint64_t generation() const;       // any thread
  [[nodiscard]] bool full() const;                      // any thread: the next round should begin a generation
  [[nodiscard]] std::uint64_t position() const;         // any thread: the end of the last record
  [[nodiscard]] bool empty() const;                     // any thread: the generation has no rounds
  [[nodiscard]] std::uint32_t previous_crc() const { return previous_crc_; }  // [job]
  [[nodiscard]] std::shared_ptr<os::File> file() const;  // any thread

 private:
  struct Opened {
    std::shared_ptr<os::File> file;
    std::uint64_t allocated = 0;
  };
  [[nodiscard]] Result<Opened> make_file(std::uint64_t generation, std::uint64_t bytes);

  os::Env& env_;
  const std::string directory_;
  const StoreId store_id_;
  const std::uint64_t journal_bytes_;
  std::uint64_t reserve_bytes_;
  std::uint32_t previous_crc_ = 0;
  base::Bytes base_record_;

  std::mutex names_mutex_;  // over renames in the directory
  mutable std::mutex mutex_;
  std::shared_ptr<os::File> file_;
  std::uint64_t generation_ = 0;
  std::uint64_t last_bytes_ = 0;  // of the record that was appended last
  std::uint64_t trusted_from_ = UINT64_MAX;  // the first generation all of whose syncs are known to have succeeded
  std::uint32_t salt_ = 0;
  std::uint64_t first_position_ = 0;  // behind the base record
  std::uint64_t position_ = 0;
  std::uint64_t allocated_ = 0;
  std::uint64_t reserved_ = 0;
};

}  // namespace baton::log
