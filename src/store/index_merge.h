// Merging of runs: several neighbours in the order of offsets become one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <baton/result.h>

#include "os/file.h"
#include "store/index_run.h"

namespace baton::store {

// The newest runs that should become one: [result, runs.size()); nullopt: none. Runs belong to size classes, each `fan` times
// the one below, and a full table is in the middle of one. Looked at are rows of newest runs, each as long as no run of a class
// above k is met. A row is merged when it has `fan` runs of class k, or more than `fan` for each class in it (small runs that clean
// closes left between big ones). So an entry is written about once for each class, and there are fewer than `fan` runs of
// a class most of the time.
[[nodiscard]] std::optional<std::size_t> pick_merge(const std::vector<RunInfo>& runs, std::size_t fan,
                                                    std::size_t table_entries);

// One merge, in steps, so that the worker can do other work between them. Memory: the writer's buffers. The inputs are read
// through their mappings, each block's CRC checked.
class IndexMerge {
 public:
  // `inputs` are neighbours, oldest first. Entries of offsets below `log_start` are left out.
  IndexMerge(os::FileSystem& fs, std::string directory, std::vector<std::shared_ptr<const IndexRun>> inputs, std::uint64_t number,
             std::int64_t log_start);
  // Merges about `entries` more; true when all are written and synced. no_space, or another error of the disk; corrupt: a block of
  // an input is damaged.
  [[nodiscard]] Result<bool> step(std::uint64_t entries);
  // Complete after step() has said true; without entries there is no file.
  [[nodiscard]] const RunInfo& output() const { return info_; }
  [[nodiscard]] const std::vector<std::shared_ptr<const IndexRun>>& inputs() const { return inputs_; }

 private:
  using Key = unsigned __int128;  // hash << 64 | number of the input; greater than any other at the end of an input
  struct Cursor {
    const std::byte* next = nullptr;
    const std::byte* block_end = nullptr;
    std::uint64_t block = 0;
  };
  [[nodiscard]] Result<bool> count(std::uint64_t entries);
  [[nodiscard]] Status prepare();
  [[nodiscard]] Status enter_block(std::size_t input);
  [[nodiscard]] Key key_of(std::size_t input) const;

  os::FileSystem& fs_;
  const std::string directory_;
  std::vector<std::shared_ptr<const IndexRun>> inputs_;
  const std::int64_t log_start_;
  RunInfo info_;
  std::uint64_t read_max_ = 0;       // entries of all inputs
  std::size_t count_input_ = 0;      // the inputs before it have been counted,
  std::uint64_t count_block_ = 0;    // and of it the blocks before this one
  std::unique_ptr<RunWriter> writer_;
  std::vector<Cursor> cursors_;
  // A tree of losers: node n > 0 holds the key that lost between the two below it, node 0 the least of all.
  std::vector<Key> tree_;
  std::size_t leaves_ = 1;
  std::uint64_t done_ = 0;  // entries read
};

}  // namespace baton::store
