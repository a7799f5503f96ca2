// ExternalSorter: puts any number of records in order with a bounded amount of memory. Runs of sorted records go to files, packed, and are
// merged when they are read.
//
// A run is a sequence of blocks:  block := packed_size u32 | size u32 | crc32c u32 (of the packed bytes) | zstd frame
// and a block a sequence of:      record := size u32 | time i64 | place u64 | payload
// The files are temporary: nothing is synced, and a sorter begins by removing what an earlier one left.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <baton/result.h>

#include "os/env.h"

namespace baton::cli {

struct SortKey {
  std::int64_t time = 0;
  std::uint64_t place = 0;  // unique
  friend auto operator<=>(const SortKey&, const SortKey&) = default;
};

struct SortOptions {
  std::size_t run_bytes = 24u << 20;    // of records and their keys, in memory at once
  std::size_t block_bytes = 64u << 10;
  std::size_t fan_in = 128;             // runs merged at once: each holds one block
};

class SortedRecords {
 public:
  virtual ~SortedRecords() = default;
  // False at the end. `payload` lives until the next call. corrupt: a run is not what was written.
  [[nodiscard]] virtual Result<bool> next(SortKey& key, std::string_view& payload) = 0;
};

class ExternalSorter {
 public:
  // `directory` is the sorter's own: emptied at the start, removed with it.
  [[nodiscard]] static Result<std::unique_ptr<ExternalSorter>> open(os::Env& env, std::string directory, SortOptions options = {});
  ~ExternalSorter();

  [[nodiscard]] Status add(SortKey key, std::string_view payload);
  // No more records; frees the memory of add().
  [[nodiscard]] Status finish();
  // The records from the first on; one reader at a time, which the sorter must outlive.
  [[nodiscard]] Result<std::unique_ptr<SortedRecords>> read();
  [[nodiscard]] std::uint64_t records() const { return records_; }
  [[nodiscard]] std::size_t runs() const { return runs_.size(); }

 private:
  ExternalSorter(os::Env& env, std::string directory, SortOptions options) : env_(env), directory_(std::move(directory)), options_(options) {}
  [[nodiscard]] Status spill();
  [[nodiscard]] Status merge_some();
  [[nodiscard]] std::string new_path();
  [[nodiscard]] Result<std::unique_ptr<SortedRecords>> merge(const std::vector<std::string>& runs);

  struct Entry {
    SortKey key;
    std::uint32_t offset = 0, size = 0;  // in arena_
  };
  os::Env& env_;
  std::string directory_;
  SortOptions options_;
  std::vector<char> arena_;
  std::vector<Entry> entries_;
  std::vector<std::string> runs_;
  std::uint64_t records_ = 0, paths_ = 0;
};

}  // namespace baton::cli
