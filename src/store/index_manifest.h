// MANIFEST: which runs an index consists of, and up to where they are complete (docs/formats/index.md, "Manifest").
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
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
  static constexpr std::size_t kRunsLimit = 4096;

  IndexCovered covered;
  std::uint64_t next_number = 1;  // of the next run: above all that were ever named
  std::vector<RunInfo> runs;      // oldest first; their offset ranges ascend and do not overlap
  friend bool operator==(const IndexManifest&, const IndexManifest&) = default;

  // One record. `chain`: the CRC of the record before it in its file, 0 for the first.
  [[nodiscard]] base::Bytes encode(std::uint32_t chain = 0) const;
  // A file of records, each of which says everything and begins with a sector: the last one that is whole and follows on those before it, as what comes behind it may be the beginning
  // of one that was never finished. corrupt: the first is not what encode() makes, in any byte. unsupported_format: it has another version.
  [[nodiscard]] static Result<IndexManifest> decode(base::ByteView file);
  // Of what encode() has returned.
  [[nodiscard]] static std::uint32_t crc(base::ByteView record);

  // How many bytes of a file are whole records and the zeros between them: all, unless a crash or a full disk has left a part of one
  // behind them, or they are damaged. 0: decode() cannot read it.
  [[nodiscard]] static std::size_t whole_bytes(base::ByteView file);

  // not_found: there is none.
  [[nodiscard]] static Result<IndexManifest> read(os::FileSystem& fs, const std::string& directory);
  [[nodiscard]] static Result<base::Bytes> read_bytes(os::FileSystem& fs, const std::string& directory);
};

// The file, for the one who writes it. A change appends a record, in sectors of its own: a crash while it is written does no harm to those before. The file is
// begun anew, under another name that then takes the place of the old one, by the first change after an open, whatever a crash has left at its end, when it has
// become long, and when somebody has removed it.
class IndexManifestFile {
 public:
  static constexpr std::string_view kName = "MANIFEST";
  static constexpr std::string_view kUnnamed = "MANIFEST.tmp";
  static constexpr std::size_t kLong = 16u << 10;  // bytes; a record that is longer than that has a file for itself

  IndexManifestFile(os::FileSystem& fs, std::string directory) : fs_(fs), directory_(std::move(directory)) {}

  // A change in two steps, with nothing else between them. prepare() writes what must be durable before put(), with all that the manifest names: `sync`
  // sees to the first, otherwise the caller does. After put() the manifest is in force, and durable with the next sync(). After an error of put() or
  // sync() either may be in force, now or after a crash; after no_space of put() it is the one before.
  [[nodiscard]] Status prepare(const IndexManifest& manifest, bool sync);
  [[nodiscard]] Status put(const IndexManifest& manifest);
  [[nodiscard]] Status sync();
  // All of it.
  [[nodiscard]] Status replace(const IndexManifest& manifest);
  // The file that was found may not be durable: the process before may have died ahead of its sync(). So the next sync() is to do something.
  void distrust() { data_unsynced_ = name_unsynced_ = true; }

 private:
  [[nodiscard]] bool begins_anew(const IndexManifest& manifest) const;

  os::FileSystem& fs_;
  const std::string directory_;
  bool begun_ = false;        // by this object
  bool prepared_ = false;     // kUnnamed is there
  std::uint64_t end_ = 0;     // of the last record: where the next one begins
  std::uint32_t chain_ = 0;   // its CRC
  bool data_unsynced_ = false;
  bool name_unsynced_ = false;
};

}  // namespace baton::store
