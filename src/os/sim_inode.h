// SimInode: one file or directory of the simulated disk, twice: as the machine sees it (cached) and as the disk holds it
// (durable). Owned by the directories and handles that refer to it. Private to the simulated twin.
//
// A file's images are vectors of whole 512-byte sectors that reach to the highest sector ever written; between there and the
// size, a file reads as zeros, so that allocating a segment costs nothing.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "os/file.h"
#include "os/sim_random.h"

namespace baton::os {

inline constexpr std::uint64_t kSectorSize = 512;

// How often, relative to one another, a sector that was written and not synced ends in each way when the power is lost.
struct SectorFates {
  std::uint32_t lost = 6;     // as it was at the last sync
  std::uint32_t kept = 6;     // as it was written
  std::uint32_t torn = 2;     // the new bytes up to or from some byte, the old elsewhere
  std::uint32_t zeroed = 1;   // the bytes that were to change are zero
  std::uint32_t garbage = 1;  // they are anything
};

struct CrashOptions {
  SectorFates fates;
  // Each crash first draws a style: each sector by itself, all lost, all kept, all but one, or a prefix of the file.
  // Off: always each by itself (for ExhaustiveChoices).
  bool styles = true;
  // Zeroed and garbage touch only bytes that were being changed. Off: they take the whole sector, synced neighbours too,
  // as a disk without power-safe overwrite does.
  bool powersafe_overwrite = true;
  // Unsynced changes of directories are kept as a prefix of their order, or, when true, in half of the crashes as any subset
  // in which no change is kept without those that it builds on.
  bool directory_subsets = true;
};

// Memory that all mappings of one file share. Reserved large, so that it never moves when a later mapping reaches further.
class SharedRegion {
 public:
  static constexpr std::uint64_t kMaxBytes = 64 << 20;
  SharedRegion();
  ~SharedRegion();
  SharedRegion(const SharedRegion&) = delete;
  SharedRegion& operator=(const SharedRegion&) = delete;
  [[nodiscard]] std::byte* data() const { return data_; }
  std::uint64_t end = 0;  // mapped up to here

 private:
  std::byte* data_;
};

struct SimLock {
  const void* holder;  // the handle
  LockKind kind;
  std::uint64_t start;
  std::uint64_t end;  // one past the last byte
};

class SimInode {
 public:
  SimInode(std::uint64_t number, bool is_directory) : id(number), is_directory(is_directory) {}
  SimInode(const SimInode&) = delete;
  SimInode& operator=(const SimInode&) = delete;

  // Files, as the machine sees them.
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] std::size_t read(std::uint64_t offset, base::MutableByteView out);
  void write(std::uint64_t offset, base::ByteView data);
  void set_size(std::uint64_t size);
  // Joins the mappings of this file, making the region on the first call.
  std::shared_ptr<SharedRegion> share(std::uint64_t end);
  // Takes the region's bytes over into the file; with `release` new mappings get a new region.
  void pull_shared(bool release);
  [[nodiscard]] bool shared_only_by(long users) const { return region_ != nullptr && region_.use_count() == users + 1; }

  // Files, as the disk holds them.
  void sync();
  void fail_sync(Choices& choices);  // keeps some, forgets that the rest is dirty
  void lose_power(Choices& choices, const CrashOptions& options);
  void flip_bit(std::uint64_t offset, unsigned bit);
  [[nodiscard]] std::uint64_t durable_size() const { return durable_size_; }
  [[nodiscard]] std::size_t dirty_sectors();

  // How often a failed sync has lost something. A handle learns with its next sync of what was lost since it was opened, by whatever sync, and of
  // what was lost before if nobody had been told.
  [[nodiscard]] std::uint64_t losses() const { return losses_; }
  [[nodiscard]] std::uint64_t losses_known_at_open() const { return told_ ? losses_ : losses_ - 1; }
  std::uint64_t tell_losses() {
    told_ = true;
    return losses_;
  }

  const std::uint64_t id;
  const bool is_directory;

  // Directories.
  using Entries = std::map<std::string, std::shared_ptr<SimInode>, std::less<>>;
  Entries entries;
  Entries durable_entries;

  // Bookkeeping of the disk.
  std::vector<SimLock> locks;
  std::uint64_t reserved_end = 0;  // space is taken up to here
  int links = 0;                   // names, as the machine sees them
  int handles = 0;

 private:
  struct SizeChange {
    std::uint64_t size;
    std::uint64_t floor;  // the smallest size since the last sync: no byte of before lives beyond it
  };

  void note_size();
  void mark_dirty(std::uint64_t offset, std::uint64_t length);
  void cut_durable(std::uint64_t floor);
  void promote(std::uint64_t sector);
  void forget_pending();
  void apply_fate(std::uint64_t sector, std::uint64_t fate, Choices& choices, bool powersafe_overwrite);
  [[nodiscard]] bool is_dirty(std::uint64_t sector) const { return (dirty_[sector / 64] >> (sector % 64) & 1) != 0; }
  template <typename F>
  void each_dirty(F&& visit) const;

  base::Bytes cached_;
  base::Bytes durable_;
  std::vector<std::uint64_t> dirty_;  // a bit for each sector of cached_
  std::uint64_t size_ = 0;
  std::uint64_t durable_size_ = 0;
  std::vector<SizeChange> size_changes_;  // since the last sync
  bool diverged_ = false;                 // cached and durable may differ
  bool forgotten_ = false;                // a failed sync left differences that are not marked dirty
  std::uint64_t losses_ = 0;
  bool told_ = true;
  std::shared_ptr<SharedRegion> region_;
};

}  // namespace baton::os
