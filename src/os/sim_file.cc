// Open files of the simulated disk, and the file system that opens them.
#include <algorithm>
#include <limits>
#include <utility>

#include "base/try.h"
#include "os/sim_disk.h"

namespace baton::os {
namespace {

class SimMapping final : public Mapping {
 public:
  explicit SimMapping(base::Bytes bytes) : bytes_(std::move(bytes)) {}
  base::ByteView bytes() const override { return bytes_; }

 private:
  base::Bytes bytes_;
};

class SimSharedMapping final : public SharedMapping {
 public:
  SimSharedMapping(std::shared_ptr<SimProcess> process, std::shared_ptr<SimInode> node, std::shared_ptr<SharedRegion> region,
                   std::uint64_t offset, std::uint64_t length)
      : process_(std::move(process)), node_(std::move(node)), region_(std::move(region)), offset_(offset), length_(length) {
    ++process_->shared[node_];
  }
  ~SimSharedMapping() override {
    if (--process_->shared[node_] == 0) process_->shared.erase(node_);
    region_ = nullptr;
    if (node_->shared_only_by(0)) node_->pull_shared(true);
  }
  SimSharedMapping(const SimSharedMapping&) = delete;
  SimSharedMapping& operator=(const SimSharedMapping&) = delete;
  std::byte* data() const override { return region_->data() + offset_; }
  std::uint64_t size() const override { return length_; }

 private:
  std::shared_ptr<SimProcess> process_;
  std::shared_ptr<SimInode> node_;
  std::shared_ptr<SharedRegion> region_;
  std::uint64_t offset_;
  std::uint64_t length_;
};

Error not_found(std::string_view what, std::string_view path) {
  return {Code::not_found, std::string(what) + ' ' + std::string(path) + ": No such file or directory"};
}

}  // namespace

class SimFile final : public File {
 public:
  SimFile(SimDisk& disk, std::shared_ptr<SimProcess> process, std::shared_ptr<SimInode> node, std::string path, bool writable)
      : disk_(disk), process_(std::move(process)), node_(std::move(node)), path_(std::move(path)), writable_(writable), losses_known_(node_->losses_known_at_open()) {
    ++node_->handles;
    process_->files.insert(this);
  }
  ~SimFile() override {
    if (process_->files.erase(this) > 0 && process_->boot == disk_.boot_) close();
  }
  SimFile(const SimFile&) = delete;
  SimFile& operator=(const SimFile&) = delete;

  void close() {
    std::erase_if(node_->locks, [this](const SimLock& lock) { return lock.holder == this; });
    --node_->handles;
    disk_.release_space(*node_);
  }

  Result<std::size_t> read_at(std::uint64_t offset, base::MutableByteView out) const override {
    BATON_TRY(disk_.begin(*process_, SimDisk::Operation::read, node_->id ^ (offset << 16), out.size()));
    const bool fails = ++disk_.counters_.reads == disk_.faults.fail_read_at;
    if (fails || (disk_.faults.fail_read_per_mille > 0 && disk_.random_.chance(disk_.faults.fail_read_per_mille))) {
      return failed("read", "Input/output error");
    }
    return node_->read(offset, out);
  }

  Status write_at(std::uint64_t offset, base::ByteView data) override { return write_at(offset, std::span(&data, 1)); }

  Status write_at(std::uint64_t offset, std::span<const base::ByteView> pieces) override {
    if (!writable_) return failed("write", "Bad file descriptor");
    return disk_.write_file(*process_, *node_, offset, pieces, path_);
  }

  // The same to this disk: unsynced sectors, of which any may get there.
  Status write_direct(std::uint64_t offset, base::ByteView data) override {
    BATON_TRY(check_direct(offset, data));
    ++disk_.counters_.direct_writes;
    return write_at(offset, data);
  }

  Status sync_data() override {
    BATON_TRY(synced_);
    BATON_TRY_ASSIGN(bool fails, disk_.begin_sync(*process_, SimDisk::Operation::sync, node_->id));
    if (fails) node_->fail_sync(*disk_.choices_);
    // As Linux does: what failed since this handle was opened is told to it, too, by whatever sync it failed.
    if (node_->losses() != losses_known_) fails = true;
    losses_known_ = node_->tell_losses();
    if (fails) {
      synced_ = failed("sync", "Input/output error");
      return synced_;
    }
    node_->sync();
    return {};
  }

  Result<std::uint64_t> size() const override {
    BATON_TRY(disk_.begin(*process_, SimDisk::Operation::read, node_->id, 0));
    return node_->size();
  }

  Status truncate(std::uint64_t size) override {
    if (!writable_) return failed("truncate", "Invalid argument");
    BATON_TRY(disk_.begin_change(*process_, SimDisk::Operation::truncate, node_->id, size));
    node_->set_size(size);
    disk_.cut_space(*node_, size);
    return {};
  }

  Status allocate(std::uint64_t offset, std::uint64_t length) override {
    if (length == 0) return {};
    if (!writable_) return failed("allocate space for", "Bad file descriptor");
    BATON_TRY(disk_.begin_change(*process_, SimDisk::Operation::allocate, node_->id ^ (offset << 16), length));
    return grow(offset + length);
  }

  Result<std::unique_ptr<Mapping>> map() const override {
    BATON_TRY(disk_.begin(*process_, SimDisk::Operation::map, node_->id, 0));
    base::Bytes content(node_->size());
    (void)node_->read(0, content);
    return std::unique_ptr<Mapping>(std::make_unique<SimMapping>(std::move(content)));
  }

  Result<std::unique_ptr<SharedMapping>> map_shared(std::uint64_t offset, std::uint64_t length) override {
    if (length == 0 || offset % 4096 != 0) {
      return Error{Code::invalid_argument, "map " + path_ + ": the range must start at a multiple of 4096 and not be empty"};
    }
    if (node_->size() < offset + length) {
      if (!writable_) return Error{Code::unavailable, "map " + path_ + ": the file is shorter; its writer may be starting"};
      BATON_TRY(disk_.begin_change(*process_, SimDisk::Operation::map_shared, node_->id ^ (offset << 16), length));
      BATON_TRY(grow(offset + length));
    } else {
      BATON_TRY(disk_.begin(*process_, SimDisk::Operation::map_shared, node_->id ^ (offset << 16), length));
    }
    return std::unique_ptr<SharedMapping>(
        std::make_unique<SimSharedMapping>(process_, node_, node_->share(offset + length), offset, length));
  }

  Result<bool> try_lock(LockKind kind, std::uint64_t start, std::uint64_t length) override {
    if (kind == LockKind::exclusive && !writable_) return failed("lock", "Bad file descriptor");
    BATON_TRY(disk_.begin(*process_, SimDisk::Operation::lock, node_->id ^ (start << 16), length));
    if (conflict(kind, start, end_of(start, length))) return false;
    drop_locks(start, end_of(start, length));
    node_->locks.push_back({this, kind, start, end_of(start, length)});
    return true;
  }

  Status unlock(std::uint64_t start, std::uint64_t length) override {
    BATON_TRY(disk_.begin(*process_, SimDisk::Operation::unlock, node_->id ^ (start << 16), length));
    drop_locks(start, end_of(start, length));
    return {};
  }

  Result<bool> is_locked(LockKind kind, std::uint64_t start, std::uint64_t length) const override {
    BATON_TRY(disk_.begin(*process_, SimDisk::Operation::lock, node_->id ^ (start << 16), length));
    return conflict(kind, start, end_of(start, length));
  }

  void start_write_back(std::uint64_t, std::uint64_t) override {}  // what is not synced may be on the disk at any time here
  void drop_cache(std::uint64_t, std::uint64_t) override {}

 private:
  [[nodiscard]] Error failed(std::string_view what, std::string_view reason) const {
    return {Code::io_error, std::string(what) + ' ' + path_ + ": " + std::string(reason)};
  }

  Status grow(std::uint64_t end) {
    if (!disk_.reserve(*node_, end)) {
      return Error{Code::no_space, "allocate space for " + path_ + ": No space left on device"};
    }
    if (end > node_->size()) node_->set_size(end);
    return {};
  }

  static std::uint64_t end_of(std::uint64_t start, std::uint64_t length) {
    return length == 0 ? std::numeric_limits<std::uint64_t>::max() : start + length;
  }

  [[nodiscard]] bool conflict(LockKind kind, std::uint64_t start, std::uint64_t end) const {
    return std::ranges::any_of(node_->locks, [&](const SimLock& lock) {
      return lock.holder != this && lock.start < end && start < lock.end &&
             (kind == LockKind::exclusive || lock.kind == LockKind::exclusive);
    });
  }

  // Takes [start, end) away from the locks of this handle, which may cut one in two.
  void drop_locks(std::uint64_t start, std::uint64_t end) {
    std::vector<SimLock> left;
    for (const SimLock& lock : node_->locks) {
      if (lock.holder != this || lock.end <= start || end <= lock.start) {
        left.push_back(lock);
        continue;
      }
      if (lock.start < start) left.push_back({this, lock.kind, lock.start, start});
      if (end < lock.end) left.push_back({this, lock.kind, end, lock.end});
    }
    node_->locks = std::move(left);
  }

  SimDisk& disk_;
  std::shared_ptr<SimProcess> process_;
  std::shared_ptr<SimInode> node_;
  std::string path_;
  bool writable_;
  Status synced_;  // of all syncs so far
  std::uint64_t losses_known_;  // of the file
};

void SimDisk::close_file(SimFile& file) { file.close(); }

Result<std::unique_ptr<File>> SimFileSystem::open(const std::string& path, OpenOptions options) {
  BATON_TRY(disk_.begin(*process_, SimDisk::Operation::open, 0, 0));
  auto place = disk_.find(path);
  if (!place) return not_found("open", path);
  if (place->node != nullptr && options.create && options.exclusive) {
    return Error{Code::already_exists, "open " + path + ": File exists"};
  }
  if (place->node != nullptr && place->node->is_directory) {
    return Error{Code::invalid_argument, "open " + path + ": it is a directory"};
  }
  if (place->node == nullptr) {
    if (!options.create) return not_found("open", path);
    BATON_TRY(disk_.begin_change(*process_, SimDisk::Operation::open, 1, 0));
    place->node = std::make_shared<SimInode>(++disk_.last_node_, false);
    SimDisk::Change change;
    change.edits[0] = {place->directory, place->name, place->node};
    change.count = 1;
    disk_.apply(std::move(change));
  } else if (options.truncate && place->node->size() > 0) {
    BATON_TRY(disk_.begin_change(*process_, SimDisk::Operation::open, 2, 0));
    place->node->set_size(0);
    disk_.cut_space(*place->node, 0);
  }
  return std::unique_ptr<File>(std::make_unique<SimFile>(disk_, process_, place->node, path, options.write));
}

Status SimFileSystem::rename(const std::string& from, const std::string& to) {
  BATON_TRY(disk_.begin_change(*process_, SimDisk::Operation::rename, 0, 0));
  const auto source = disk_.find(from);
  const auto target = disk_.find(to);
  const std::string what = "rename to " + to + " from";
  if (!source || source->node == nullptr || !target || source->directory == nullptr) return not_found(what, from);
  if (target->node == source->node) return {};
  if (source->node->is_directory && disk_.is_below(*source->node, target->directory)) {
    return Error{Code::invalid_argument, what + ' ' + from + ": a directory cannot move into itself"};
  }
  if (target->node != nullptr) {
    if (target->directory == nullptr || target->node->is_directory != source->node->is_directory ||
        !target->node->entries.empty()) {
      return Error{Code::io_error, what + ' ' + from + ": the target is another kind of file, or not empty"};
    }
  }
  SimDisk::Change change;
  change.edits[0] = {source->directory, source->name, nullptr};
  change.edits[1] = {target->directory, target->name, source->node};
  change.count = 2;
  disk_.apply(std::move(change));
  return {};
}

Status SimFileSystem::remove(const std::string& path) {
  BATON_TRY(disk_.begin_change(*process_, SimDisk::Operation::remove, 0, 0));
  const auto place = disk_.find(path);
  if (!place || place->node == nullptr || place->directory == nullptr) return not_found("remove", path);
  if (!place->node->entries.empty()) return Error{Code::io_error, "remove " + path + ": Directory not empty"};
  SimDisk::Change change;
  change.edits[0] = {place->directory, place->name, nullptr};
  change.count = 1;
  disk_.apply(std::move(change));
  return {};
}

Status SimFileSystem::make_directory(const std::string& path) {
  const auto place = disk_.find(path);
  if (place && place->node != nullptr) {
    BATON_TRY(disk_.begin(*process_, SimDisk::Operation::make_directory, 0, 0));
    if (place->node->is_directory) return {};
    return Error{Code::already_exists, "make directory " + path + ": File exists"};
  }
  BATON_TRY(disk_.begin_change(*process_, SimDisk::Operation::make_directory, 1, 0));
  if (!place) return not_found("make directory", path);
  SimDisk::Change change;
  change.edits[0] = {place->directory, place->name, std::make_shared<SimInode>(++disk_.last_node_, true)};
  change.count = 1;
  disk_.apply(std::move(change));
  return {};
}

Status SimFileSystem::sync_directory(const std::string& path) {
  const auto node = disk_.find_node(path);
  BATON_TRY_ASSIGN(const bool fails,
                   disk_.begin_sync(*process_, SimDisk::Operation::sync_directory, node.ok() ? (*node)->id : 0));
  if (!node || !(*node)->is_directory) return not_found("open directory", path);
  disk_.sync_names([&](const SimInode& directory) { return &directory == node->get(); }, fails);
  if (fails) return Error{Code::io_error, "sync directory " + path + ": Input/output error"};
  return {};
}

Result<std::vector<DirectoryEntry>> SimFileSystem::list(const std::string& path) {
  BATON_TRY(disk_.begin(*process_, SimDisk::Operation::open, 3, 0));
  const auto node = disk_.find_node(path);
  if (!node || !(*node)->is_directory) return not_found("list", path);
  std::vector<DirectoryEntry> entries;
  entries.reserve((*node)->entries.size());
  for (const auto& [name, child] : (*node)->entries) entries.push_back({name, child->is_directory});
  return entries;
}

Result<bool> SimFileSystem::exists(const std::string& path) {
  BATON_TRY(disk_.begin(*process_, SimDisk::Operation::open, 4, 0));
  return disk_.find_node(path).ok();
}

Result<SpaceInfo> SimFileSystem::space(const std::string& path) {
  BATON_TRY(disk_.begin(*process_, SimDisk::Operation::open, 5, 0));
  if (!disk_.find_node(path)) return not_found("ask for the space of", path);
  const std::uint64_t capacity = disk_.faults.capacity_bytes;
  return SpaceInfo{.available_bytes = capacity - std::min(capacity, disk_.used_bytes_), .total_bytes = capacity};
}

Status SimFileSystem::sync_all(const std::string& path) {
  BATON_TRY(synced_);
  BATON_TRY_ASSIGN(const bool fails, disk_.begin_sync(*process_, SimDisk::Operation::sync_all, 0));
  const auto found = disk_.find_node(path);
  if (!found) return not_found("stat", path);
  const auto reached = disk_.file_system_of(*found);
  SimDisk::each_node(*disk_.root_, [&](SimInode& node) {
    if (node.is_directory || !reached.contains(&node)) return;
    if (fails) {
      node.fail_sync(*disk_.choices_);
    } else {
      node.sync();
    }
  });
  disk_.sync_names([&](const SimInode& directory) { return reached.contains(&directory) || disk_.mount.empty(); }, fails);
  if (fails) synced_ = Error{Code::io_error, "sync the file system of " + path + ": Input/output error"};
  return synced_;
}

}  // namespace baton::os
