// A run: sorted index entries in one immutable file (docs/formats/index.md, "Run").
//
// The number of entries decides where everything lies, so a writer knows all positions before the first entry, and a reader
// trusts no number in the file that does not follow from it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <baton/result.h>

#include "os/file.h"
#include "store/index_entry.h"

namespace baton::store {

// What the manifest knows of a run.
struct RunInfo {
  std::uint64_t number = 0;      // in its file's name
  std::uint64_t entries = 0;
  std::int64_t first = 0;        // entries of offsets in [first, end)
  std::int64_t end = 0;
  std::uint32_t footer_crc = 0;  // tells it from an older file of the same name
  friend bool operator==(const RunInfo&, const RunInfo&) = default;
};

[[nodiscard]] std::string run_file_name(std::uint64_t number);  // "run-17.idx"
[[nodiscard]] std::optional<std::uint64_t> parse_run_file_name(std::string_view name);

struct RunLayout {
  static constexpr std::size_t kBlockBytes = 4096;
  static constexpr std::size_t kBlockEntries = 170;
  static constexpr std::size_t kLineBytes = 64;
  static constexpr std::size_t kPageLines = 63;  // of a filter page of 4096 bytes
  static constexpr std::size_t kFooterBytes = 256;
  static constexpr std::uint64_t kEntriesLimit = std::uint64_t{1} << 40;

  explicit RunLayout(std::uint64_t entries);
  std::uint64_t entries;
  std::uint64_t blocks;
  std::uint64_t lines;         // of the filter
  std::uint64_t filter_pages;
  std::uint64_t filter_position;
  std::uint64_t filter_bytes;
  std::uint64_t directory_position;
  std::uint64_t directory_bytes;
  std::uint64_t footer_position;
  std::uint64_t file_bytes;
};

// One line of the filter: 8 words of 64 bits; a key sets one bit of each.
using FilterLine = std::array<std::uint64_t, 8>;
[[nodiscard]] inline std::uint64_t filter_line_of(std::uint64_t hash, std::uint64_t lines) {
  return static_cast<std::uint64_t>(static_cast<unsigned __int128>(hash) * lines >> 64);
}
// Six bits of it for each word, from the lowest.
[[nodiscard]] inline std::uint64_t filter_bits_of(std::uint64_t hash) {
  return (hash ^ hash >> 32) * 0x9e3779b97f4a7c15u >> 16;
}

// Streams sorted entries into a new file, through buffers of 64 KiB. One thread. Destroyed before finish(), it leaves an
// unfinished file, which its creator removes.
class RunWriter {
 public:
  // no_space: there is no room for the file; none is left behind.
  [[nodiscard]] static Result<std::unique_ptr<RunWriter>> create(os::FileSystem& fs, const std::string& directory,
                                                                 const RunInfo& info);
  ~RunWriter();
  RunWriter(const RunWriter&) = delete;
  RunWriter& operator=(const RunWriter&) = delete;

  // The next entry, not below the one before. An error of the disk is kept and returned by status() and finish().
  void add(const IndexEntry& entry);
  [[nodiscard]] const Status& status() const { return status_; }
  // All entries are there. The file is synced when it returns, or else the caller sees to it; the directory is not.
  [[nodiscard]] Result<RunInfo> finish(bool sync);

 private:
  // A region of the file that is written from its start to its end.
  struct Region {
    std::uint64_t position = 0;
    base::Bytes buffer;
  };
  RunWriter(std::unique_ptr<os::File> file, const RunInfo& info);
  void finish_block();
  void finish_line();
  void finish_page();
  void flush(Region& region);
  std::byte* extend(Region& region, std::size_t bytes);

  std::unique_ptr<os::File> file_;
  RunInfo info_;
  RunLayout layout_;
  Status status_;
  Region blocks_, filter_, directory_;
  std::array<std::byte, RunLayout::kBlockBytes> block_{};
  std::array<std::byte, RunLayout::kBlockBytes> page_{};
  FilterLine line_{};
  std::uint64_t line_number_ = 0;     // of line_
  std::uint64_t last_hash_ = 0;
  std::uint64_t written_ = 0;         // entries
  std::uint64_t block_entries_ = 0;
  std::uint64_t unsynced_bytes_ = 0;
  std::uint32_t directory_crc_ = 0;
};

// A run in use: mapped, shared, any thread. Each block and each filter page is checked when it is touched first.
class IndexRun {
 public:
  // Checks the file's size, footer and directory: corrupt, or not_found.
  [[nodiscard]] static Result<std::shared_ptr<const IndexRun>> open(os::FileSystem& fs, const std::string& directory,
                                                                    const RunInfo& info);

  [[nodiscard]] const RunInfo& info() const { return info_; }
  [[nodiscard]] const RunLayout& layout() const { return layout_; }
  [[nodiscard]] const std::string& path() const { return path_; }

  // Fetch into the cache what the next look-up of `hash` will read: of the filter; of the directory; of the block, where the directory has to
  // be read for it. Who looks up many keys does each of them for all, so that their waits for memory lie side by side.
  void prefetch(std::uint64_t hash) const;
  void prefetch_directory(std::uint64_t hash) const;
  void prefetch_block(std::uint64_t hash) const;
  // False: certainly no entry of this hash. True by mistake for about one hash in a hundred.
  [[nodiscard]] Result<bool> may_contain(std::uint64_t hash) const;
  // The number of the first entry that is not below (hash, offset); layout().entries when there is none.
  [[nodiscard]] Result<std::uint64_t> lower_bound(std::uint64_t hash, std::int64_t offset) const;
  // The entry of that number, which is below layout().entries.
  [[nodiscard]] Result<IndexEntry> at(std::uint64_t number) const;
  // A whole block, checked; its entries follow one another from the first byte.
  [[nodiscard]] Result<const std::byte*> block(std::uint64_t number) const;
  [[nodiscard]] std::size_t block_entries(std::uint64_t block) const;

  // Checks every byte; see Index::verify.
  void verify(const std::function<void(const IndexEntry&)>& visit,
              const std::function<void(std::uint64_t position, std::string what)>& found) const;

 private:
  IndexRun(std::unique_ptr<os::Mapping> mapping, std::string path, const RunInfo& info);
  [[nodiscard]] Status check_footer() const;
  [[nodiscard]] Error damaged(std::uint64_t position, std::string_view what) const;
  [[nodiscard]] bool check_page(std::uint64_t page) const;  // a block, or past the blocks a filter page
  [[nodiscard]] std::uint64_t first_hash(std::uint64_t block) const;
  void make_fences();
  struct BlockRange {
    std::uint64_t from;
    std::uint64_t to;
  };
  [[nodiscard]] BlockRange between_fences(std::uint64_t hash) const;        // what first_block_from() lies in, both ends included
  [[nodiscard]] std::uint64_t first_block_from(std::uint64_t hash) const;   // first_hash >= hash
  [[nodiscard]] std::uint64_t first_block_after(std::uint64_t hash, std::uint64_t from) const;  // first_hash > hash
  [[nodiscard]] std::size_t likely_place(std::uint64_t block, std::uint64_t hash) const;        // of the first entry of `hash` in a block

  std::unique_ptr<os::Mapping> mapping_;
  const std::byte* data_;
  std::string path_;
  RunInfo info_;
  RunLayout layout_;
  // Hashes fall into 2^fence_bits_ ranges of equal width: fences_[i] is the first block that begins in range i or behind it. A block
  // is 4096 bytes, and there is a fence for about 16 of them.
  unsigned fence_bits_ = 0;
  std::vector<std::uint64_t> fences_;
  mutable std::unique_ptr<std::atomic<std::uint64_t>[]> checked_;  // a bit for each page of 4096 bytes
};

}  // namespace baton::store
