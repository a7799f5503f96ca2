// How far an import has come: a small file, so that a resumed import need not compare what is there. It may be wrong or lost without harm:
// it counts only while the store still has its position, and the events that are passed over are those that were counted.
//
//   DIR/checkpoints/import-<16 hex digits>:
//     baton-import 1
//     events <decimal>        of the import's order, from the first on, that are durable
//     hash <16 hex digits>    over those events, one after the other
//     position <token>        of the last one
//     crc <8 hex digits>      CRC-32C of the lines before
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <baton/store.h>

#include "os/file.h"

namespace baton::cli {

struct ImportCheckpoint {
  std::uint64_t events = 0;
  std::uint64_t hash = 0;
  Position position;
};

class ImportCheckpointFile {
 public:
  // `identity`: of the map, the file and the context.
  ImportCheckpointFile(os::FileSystem& fs, std::string data_directory, std::uint64_t identity);
  // `temporary`: a file of this import alone, since two of one file may run side by side and the last one to save counts.
  [[nodiscard]] Status save(const ImportCheckpoint& checkpoint, const std::string& temporary);
  // Nothing when there is none, when it is damaged, or when the store does not know its position any more.
  [[nodiscard]] std::optional<ImportCheckpoint> load(Store& store, const std::string& context);
  // Fine when there is none.
  [[nodiscard]] Status remove();
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  os::FileSystem& fs_;
  std::string directory_, path_;
};

[[nodiscard]] std::string write_import_checkpoint(const ImportCheckpoint& checkpoint);
[[nodiscard]] std::optional<ImportCheckpoint> read_import_checkpoint(std::string_view text);

// The hash of a sequence, one event further.
[[nodiscard]] std::uint64_t hash_further(std::uint64_t hash, std::uint32_t event, std::int64_t time_ns, std::string_view payload);

}  // namespace baton::cli
