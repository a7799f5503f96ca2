// MANIFEST: which runs an index consists of, and up to where they are complete (docs/formats/index.md, "Manifest").
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <baton/result.h>

#include "os/file.h"
#include "store/index_run.h"

namespace baton::store {

// Where the runs stand: every entry of a record below `next` is in them, and none of a record from `next` on.
struct IndexCovered {
  log::Offset next;             // 0: nothing is covered
  log::Epoch epoch{-1};         // of the batch that ends at `next`
  std::uint32_t batch_crc = 0;  // that batch's CRC field
  std::int64_t streams = 0;     // how many the caller had counted there
  friend bool operator==(const IndexCovered&, const IndexCovered&) = default;
};

struct IndexManifest {
  static constexpr std::string_view kName = "MANIFEST";
  static constexpr std::string_view kUnnamed = "MANIFEST.tmp";
  static constexpr std::size_t kRunsLimit = 4096;

  IndexCovered covered;
  std::uint64_t next_number = 1;  // of the next run: above all that were ever named
  std::vector<RunInfo> runs;      // oldest first; their offset ranges ascend and do not overlap
  friend bool operator==(const IndexManifest&, const IndexManifest&) = default;

  [[nodiscard]] base::Bytes encode() const;
  // corrupt: not what encode() makes, in any byte. unsupported_format: a newer version.
  [[nodiscard]] static Result<IndexManifest> decode(base::ByteView bytes);

  // not_found: there is none.
  [[nodiscard]] static Result<IndexManifest> read(os::FileSystem& fs, const std::string& directory);
  // Replaces the one in `directory` atomically and durably. After an error either may be in force, now or after a crash.
  [[nodiscard]] Status write(os::FileSystem& fs, const std::string& directory) const;
  // In two steps: the file under another name (not synced: the caller sees to it), and its name, which is durable when the directory is synced
  // next. What the manifest names must be durable before name().
  [[nodiscard]] Status write_unnamed(os::FileSystem& fs, const std::string& directory, bool sync) const;
  [[nodiscard]] static Status name(os::FileSystem& fs, const std::string& directory);
};

}  // namespace baton::store
