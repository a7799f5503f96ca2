// `baton import`: rows of a file become events, by a map (docs/formats/map.md).
//
// An import may be killed anywhere and run again with the same file and map: the events in the store, and their order, are those of one
// clean run. Memory is bounded whatever the size of the file: sorting spills to DIR/tmp, where the bytes of a pipe are kept, too, and at most 16 appends are in flight.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <baton/result.h>
#include <baton/store.h>

#include "os/env.h"

namespace baton::cli {

struct ImportOptions {
  std::string file;            // CSV or NDJSON; may be packed with gzip, xz or zstd; "-": standard input
  std::string map;             // the map file
  std::string data_directory;  // of the store that is handed in; DIR/tmp and DIR/checkpoints are used
  std::string rejects;         // where rows that do not fit go; empty: FILE.rejects.csv. Replaced by each import that rejects rows
  bool check_only = false;     // --check: read, convert and count everything, append nothing
  std::function<bool()> stop;  // asked often; true ends the import with `cancelled` (run it again to go on). May be empty

  // Tests make these small, to come to the edges with little data.
  std::size_t sort_bytes = 24u << 20;           // of a run
  std::size_t sort_fan_in = 128;
  std::size_t append_events = 200;              // of one append
  std::int64_t checkpoint_every_ms = 1000;
  std::uint64_t look_every = 256;               // rows or events between looks at the clock and at `stop`
};

// What is going on; handed out often, so whoever draws it draws rarely.
struct ImportProgress {
  enum class Phase { reading, merging, appending } phase = Phase::reading;
  std::uint64_t rows = 0;           // read so far
  std::uint64_t bytes = 0;          // of the file as it lies on the disk, packed or not
  std::uint64_t bytes_total = 0;
  std::uint64_t events = 0;         // durable so far, those that were there before included
  std::uint64_t events_total = 0;   // 0: not known yet (with order_by: row never)
};

struct ImportReport {
  struct Count {
    std::string name;
    std::uint64_t count = 0;
  };
  std::uint64_t rows = 0;
  std::uint64_t events = 0;         // that the accepted rows say
  std::uint64_t added = 0;          // of those: new
  std::uint64_t duplicates = 0;     // of those: there before, with equal content
  std::uint64_t skipped = 0;        // of the duplicates: known from an interrupted import's progress, and not compared again
  std::uint64_t rejected = 0;       // rows
  std::vector<Count> rejected_by;   // "zip_code: not an integer", most frequent first
  std::vector<Count> checks;        // in the order of the map, zeros included
  std::uint64_t folds = 0;          // local times that happen twice
  std::uint64_t gaps = 0;           // local times that never happen
  std::string rejects;              // the reject file; empty when there is none
  std::string context;
  double seconds = 0;
};

// The store; asked for when the map and the files are known to be good, so that a mistake makes none. With `check_only` it may be null:
// there is none yet.
using OpenStore = std::function<Result<Store*>()>;

// invalid_argument: the map is wrong (detail: `file:line:column: what`), or does not fit the file. not_found, corrupt: of the files.
// duplicate_mismatch: an id of the file is known with other content. cancelled: options.stop. Errors of the store as they come.
// Not from a completion. What was appended before an error stays; running the import again goes on from there.
Result<ImportReport> run_import(os::Env& env, const OpenStore& open, const ImportOptions& options,
                                const std::function<void(const ImportProgress&)>& progress);

// The report for people (several lines, without a newline at the end) and for programs (one JSON object).
[[nodiscard]] std::string report_text(const ImportReport& report);
[[nodiscard]] std::string report_json(const ImportReport& report);

}  // namespace baton::cli
