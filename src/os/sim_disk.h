// SimDisk: a disk in memory that forgets what was not synced. SimFileSystem: one process's view of it.
//
// What a process writes goes to the cached image. sync_data makes a file's bytes and size durable, sync_directory the names in
// a directory, sync_all everything. When the power is lost, each unsynced sector, size and name meets a fate of its own
// (CrashOptions); when a process is only killed, the cached image survives, as the page cache does.
//
// Faults strike at counted operations, so that a test can go through all of them, and every other decision comes from the
// seed or from Choices. The disk lives in one SimWorld (sim_env.h) and on its thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "os/file.h"
#include "os/sim_inode.h"
#include "os/sim_random.h"

namespace baton::os {

// What is to go wrong. Operations are counted from 1 since the disk was made (SimDisk::counters); 0 means never.
struct DiskFaults {
  // The power fails in this mutating operation: a write, sync, truncate, allocate, rename, remove, make_directory, or an open
  // that makes or empties a file. Of a write a prefix may have reached the cache; anything else has not happened. From then on
  // every operation of every process fails and changes nothing, until SimDisk::restart().
  std::uint64_t power_loss_at = 0;
  std::uint64_t fail_sync_at = 0;   // this sync (of data, a directory, or all) fails and forgets what it did not write
  std::uint64_t fail_data_sync_at = 0;  // the same, counted in syncs of data only: after it, no name is in doubt
  std::uint64_t fail_write_at = 0;  // this write fails with io_error after a prefix
  std::uint64_t fail_read_at = 0;   // this read fails with io_error
  std::uint32_t fail_read_per_mille = 0;
  std::uint64_t capacity_bytes = std::uint64_t{1} << 40;  // writes and allocations beyond it meet no_space
};

struct DiskCounters {
  std::uint64_t mutations = 0;
  std::uint64_t syncs = 0;
  std::uint64_t data_syncs = 0;
  std::uint64_t writes = 0;
  std::uint64_t direct_writes = 0;  // of them
  std::uint64_t reads = 0;
  std::uint64_t bytes_written = 0;
};

class SimFile;

// A process as the disk knows it. Once it is killed, or the machine has gone down, each of its operations fails and changes
// nothing, so that what is left of it can be taken down in peace.
struct SimProcess {
  std::int64_t id = 0;
  std::uint64_t boot = 0;          // the boot of the machine in which it runs
  std::int64_t* now_ns = nullptr;  // the world's clock, which operations advance
  bool killed = false;
  std::uint64_t mutations = 0;                       // its own, counted as in DiskFaults
  std::uint64_t kill_at = 0;                         // it is killed in this one of them; the cached image survives
  std::set<SimFile*> files;                          // open; closed by a kill
  std::map<std::shared_ptr<SimInode>, long> shared;  // how many mappings of each file it shares
};

class SimDisk {
 public:
  explicit SimDisk(std::uint64_t seed, CrashOptions crash = {});

  DiskFaults faults;  // may be changed at any time
  CrashOptions crash;
  Trace trace;
  std::string mount;  // a directory: what is below is on a file system of its own, and sync_all reaches one of the two. Empty: there is one
  [[nodiscard]] const DiskCounters& counters() const { return counters_; }
  // Decides from now on instead of the seed; null: the seed again. Not owned.
  void decide_with(Choices* choices) { choices_ = choices != nullptr ? choices : &seeded_choices_; }

  // Power.
  void cut_power();
  [[nodiscard]] bool powered() const { return powered_; }
  [[nodiscard]] bool alive(const SimProcess& process) const { return powered_ && !process.killed && process.boot == boot_; }
  // After a power cut (cutting it first if need be): settles the fate of everything unsynced. Processes from before stay
  // dead; a new boot begins.
  void restart();
  [[nodiscard]] std::uint64_t boot() const { return boot_; }
  // SIGKILL: the process's locks go, its later operations fail, what it wrote stays in the cached image. A shared mapping of
  // its own is detached from the file; one that another process has mapped too goes on being shared.
  void kill(SimProcess& process);

  // What the harness does behind the processes' backs. Paths as in FileSystem.
  void flip_bit(std::string_view path, std::uint64_t offset, unsigned bit);  // in what the disk holds, and in the cache
  struct FlippedBit {
    std::string path;
    std::uint64_t offset = 0;
    unsigned bit = 0;
  };
  // Flips one bit of a file whose path `eligible` accepts, each durable byte as likely as another; nothing when there is none.
  std::optional<FlippedBit> flip_random_bit(const std::function<bool(const std::string& path)>& eligible);
  struct FileInfo {
    std::string path;
    std::uint64_t size = 0;
    std::uint64_t durable_size = 0;
    std::size_t dirty_sectors = 0;
  };
  [[nodiscard]] std::vector<FileInfo> files() const;                           // sorted by path; files only
  [[nodiscard]] std::optional<base::Bytes> read(std::string_view path) const;  // the cached content
  void write(std::string_view path, base::ByteView content);  // replaces the content, durably; makes file and directories
  void truncate(std::string_view path, std::uint64_t size);   // durably
  void remove(std::string_view path);                         // a file or a tree, durably; fine if it is not there
  [[nodiscard]] std::uint64_t used_bytes() const { return used_bytes_; }
  [[nodiscard]] std::size_t pending_directory_changes() const { return pending_.size(); }

 private:
  friend class SimFile;
  friend class SimFileSystem;
  using Node = std::shared_ptr<SimInode>;

  // A change of names that happens as a whole: one edit, or the two of a rename.
  struct Edit {
    Node directory;
    std::string name;
    Node target;  // null: the name goes
    bool synced = false;
  };
  struct Change {
    Edit edits[2];
    int count = 0;
  };
  struct Place {
    Node directory;
    std::string name;
    Node node;  // null: there is no such name
  };
  enum class Operation : std::uint64_t {
    open = 1,
    read,
    write,
    sync,
    truncate,
    allocate,
    rename,
    remove,
    make_directory,
    sync_directory,
    sync_all,
    map,
    map_shared,
    lock,
    unlock
  };

  [[nodiscard]] Result<Place> find(std::string_view path) const;
  [[nodiscard]] Result<Node> find_node(std::string_view path) const;
  [[nodiscard]] static bool is_below(const SimInode& directory, const Node& node);
  // Before each operation: refuses the dead, spends time, notes the trace. For one that changes something, counts it and lets
  // the power or the process fail; `dies` then tells that it was alive until this very operation.
  [[nodiscard]] Status begin(SimProcess& process, Operation operation, std::uint64_t a, std::uint64_t b);
  [[nodiscard]] Status begin_change(SimProcess& process, Operation operation, std::uint64_t a, std::uint64_t b,
                                    bool* dies = nullptr);
  // As begin_change, for a sync: true when it is to fail.
  [[nodiscard]] Result<bool> begin_sync(SimProcess& process, Operation operation, std::uint64_t a);
  [[nodiscard]] Status write_file(SimProcess& process, SimInode& node, std::uint64_t offset,
                                  std::span<const base::ByteView> pieces, const std::string& path);
  [[nodiscard]] bool reserve(SimInode& node, std::uint64_t end);
  [[nodiscard]] std::uint64_t reservable(const SimInode& node, std::uint64_t offset) const;
  void cut_space(SimInode& node, std::uint64_t size);
  void release_space(SimInode& node);
  void set_name(const Node& directory, const std::string& name, Node target);
  void apply(Change change);
  void make_durable(const Change& change);
  void sync_names(const std::function<bool(const SimInode& directory)>& synced, bool fail);
  [[nodiscard]] std::set<const SimInode*> file_system_of(const Node& node) const;
  void settle_names();
  void settle_below(SimInode& directory);
  static void collect(const SimInode& directory, const std::string& path, std::vector<FileInfo>& out);
  void close_file(SimFile& file);
  template <typename F>
  static void each_node(const SimInode& directory, F&& visit) {
    for (const auto& [name, node] : directory.entries) {
      visit(*node);
      if (node->is_directory) each_node(*node, visit);
    }
  }

  SeededRandom random_;
  SeededChoices seeded_choices_;
  Choices* choices_ = &seeded_choices_;
  DiskCounters counters_;
  bool powered_ = true;
  std::uint64_t boot_ = 1;
  std::uint64_t used_bytes_ = 0;
  std::uint64_t last_node_ = 0;
  Node root_;
  std::vector<Change> pending_;  // in the order in which they were made
};

class SimFileSystem final : public FileSystem {
 public:
  SimFileSystem(SimDisk& disk, std::shared_ptr<SimProcess> process) : disk_(disk), process_(std::move(process)) {}

  Result<std::unique_ptr<File>> open(const std::string& path, OpenOptions options) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status make_directory(const std::string& path) override;
  Status sync_directory(const std::string& path) override;
  Result<std::vector<DirectoryEntry>> list(const std::string& path) override;
  Result<bool> exists(const std::string& path) override;
  Result<SpaceInfo> space(const std::string& path) override;
  Status sync_all(const std::string& path) override;

 private:
  SimDisk& disk_;
  std::shared_ptr<SimProcess> process_;
  Status synced_;  // of all calls of sync_all so far
};

}  // namespace baton::os
