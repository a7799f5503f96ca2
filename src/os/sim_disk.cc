#include "os/sim_disk.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "base/try.h"

namespace baton::os {
namespace {

constexpr std::uint64_t kBlockSize = 4096;  // the unit in which space is given out
constexpr std::int64_t kOperationNs = 1'000;
constexpr std::int64_t kSyncNs = 100'000;
constexpr std::int64_t kSyncSpreadNs = 400'000;

std::uint64_t whole_blocks(std::uint64_t bytes) { return (bytes + kBlockSize - 1) / kBlockSize * kBlockSize; }

Error dead(std::string_view why) { return {Code::io_error, "crashed: " + std::string(why) + " in this simulation"}; }

}  // namespace

SimDisk::SimDisk(std::uint64_t seed, CrashOptions crash_options)
    : crash(crash_options),
      random_(seed ^ 0x6469736B),
      seeded_choices_(random_.next()),
      root_(std::make_shared<SimInode>(++last_node_, true)) {
  root_->links = 1;
}

// Names.

Result<SimDisk::Place> SimDisk::find(std::string_view path) const {
  Place place{nullptr, "", root_};
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t slash = std::min(path.find('/', at), path.size());
    const std::string_view name = path.substr(at, slash - at);
    at = slash + 1;
    if (name.empty() || name == ".") continue;
    if (place.node == nullptr || !place.node->is_directory) {
      return Error{Code::not_found, std::string(path) + ": no such file or directory"};
    }
    place.directory = std::move(place.node);
    place.name = name;
    const auto found = place.directory->entries.find(name);
    place.node = found != place.directory->entries.end() ? found->second : nullptr;
  }
  return place;
}

Result<SimDisk::Node> SimDisk::find_node(std::string_view path) const {
  BATON_TRY_ASSIGN(auto place, find(path));
  if (place.node == nullptr) return Error{Code::not_found, std::string(path) + ": no such file or directory"};
  return std::move(place.node);
}

// Whether `node` is `directory` or somewhere under it.
bool SimDisk::is_below(const SimInode& directory, const Node& node) {
  if (node.get() == &directory) return true;
  return std::ranges::any_of(directory.entries,
                             [&](const auto& entry) { return entry.second->is_directory && is_below(*entry.second, node); });
}

void SimDisk::set_name(const Node& directory, const std::string& name, Node target) {
  const auto found = directory->entries.find(name);
  if (found != directory->entries.end()) {
    --found->second->links;
    release_space(*found->second);
    if (target == nullptr) {
      directory->entries.erase(found);
      return;
    }
  } else if (target == nullptr) {
    return;
  }
  ++target->links;
  if (found != directory->entries.end()) {
    found->second = std::move(target);
  } else {
    directory->entries.emplace(name, std::move(target));
  }
}

void SimDisk::apply(Change change) {
  // What a rename names anew keeps a name throughout, so that its space is not given back in between.
  for (int i = change.count - 1; i >= 0; --i) set_name(change.edits[i].directory, change.edits[i].name, change.edits[i].target);
  pending_.push_back(std::move(change));
}

void SimDisk::make_durable(const Change& change) {
  for (int i = 0; i < change.count; ++i) {
    const Edit& edit = change.edits[i];
    if (edit.target != nullptr) {
      edit.directory->durable_entries[edit.name] = edit.target;
    } else {
      edit.directory->durable_entries.erase(edit.name);
    }
  }
}

// Makes the pending changes of the directories that are synced durable. A rename between two directories is durable once both
// are synced, or once a later change of one of its names is.
void SimDisk::sync_names(const std::function<bool(const SimInode& directory)>& synced, bool fail) {
  if (pending_.empty()) return;
  std::set<std::pair<const SimInode*, std::string_view>> needed;
  std::vector<bool> promoted(pending_.size());
  for (std::size_t i = pending_.size(); i-- > 0;) {
    Change& change = pending_[i];
    bool all_synced = true;
    bool is_needed = false;
    for (int e = 0; e < change.count; ++e) {
      Edit& edit = change.edits[e];
      edit.synced = edit.synced || synced(*edit.directory);
      all_synced = all_synced && edit.synced;
      is_needed = is_needed || needed.contains({edit.directory.get(), edit.name});
    }
    promoted[i] = all_synced || is_needed;
    if (!promoted[i]) continue;
    for (int e = 0; e < change.count; ++e) needed.emplace(change.edits[e].directory.get(), change.edits[e].name);
  }
  std::set<std::pair<const SimInode*, std::string>> forgotten;
  std::vector<Change> left;
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    Change& change = pending_[i];
    if (!promoted[i]) {
      left.push_back(std::move(change));
      continue;
    }
    bool keep = true;
    if (fail) {
      keep = choices_->pick(2) == 0;
      for (int e = 0; e < change.count; ++e)
        keep = keep && !forgotten.contains({change.edits[e].directory.get(), change.edits[e].name});
      if (!keep) {
        for (int e = 0; e < change.count; ++e) forgotten.emplace(change.edits[e].directory.get(), change.edits[e].name);
      }
    }
    if (keep) make_durable(change);
  }
  pending_ = std::move(left);
}

// What is on it, directories included.
std::set<const SimInode*> SimDisk::file_system_of(const Node& node) const {
  std::set<const SimInode*> all = {root_.get()};
  each_node(*root_, [&](const SimInode& one) { all.insert(&one); });
  const auto at = mount.empty() ? Result<Node>(Node()) : find_node(mount);
  if (!at || *at == nullptr) return all;
  std::set<const SimInode*> mounted = {at->get()};
  each_node(**at, [&](const SimInode& one) { mounted.insert(&one); });
  if (mounted.contains(node.get())) return mounted;
  for (const SimInode* one : mounted) all.erase(one);
  return all;
}

// Space.

bool SimDisk::reserve(SimInode& node, std::uint64_t end) {
  const std::uint64_t wanted = whole_blocks(end);
  if (wanted <= node.reserved_end) return true;
  const std::uint64_t more = wanted - node.reserved_end;
  if (used_bytes_ + more > faults.capacity_bytes) return false;
  used_bytes_ += more;
  node.reserved_end = wanted;
  return true;
}

// How many bytes from `offset` on a write may still fill.
std::uint64_t SimDisk::reservable(const SimInode& node, std::uint64_t offset) const {
  const std::uint64_t left = faults.capacity_bytes - std::min(faults.capacity_bytes, used_bytes_);
  const std::uint64_t end = node.reserved_end + left / kBlockSize * kBlockSize;
  return end - std::min(end, offset);
}

void SimDisk::cut_space(SimInode& node, std::uint64_t size) {
  const std::uint64_t wanted = whole_blocks(size);
  if (wanted >= node.reserved_end) return;
  used_bytes_ -= node.reserved_end - wanted;
  node.reserved_end = wanted;
}

void SimDisk::release_space(SimInode& node) {
  if (node.links > 0 || node.handles > 0) return;
  used_bytes_ -= node.reserved_end;
  node.reserved_end = 0;
}

// Operations.

Status SimDisk::begin(SimProcess& process, Operation operation, std::uint64_t a, std::uint64_t b) {
  if (!alive(process)) return dead(process.killed ? "this process was killed" : "the power failed");
  *process.now_ns += kOperationNs;
  trace.note(static_cast<std::uint64_t>(operation) << 56 ^ static_cast<std::uint64_t>(process.id) << 40 ^ a);
  trace.note(b);
  return {};
}

Status SimDisk::begin_change(SimProcess& process, Operation operation, std::uint64_t a, std::uint64_t b, bool* dies) {
  BATON_TRY(begin(process, operation, a, b));
  ++counters_.mutations;
  ++process.mutations;
  if (counters_.mutations == faults.power_loss_at) cut_power();
  if (process.mutations == process.kill_at) kill(process);
  if (alive(process)) return {};
  if (dies != nullptr) *dies = true;
  return dead(process.killed ? "this process was killed" : "the power failed");
}

Result<bool> SimDisk::begin_sync(SimProcess& process, Operation operation, std::uint64_t a) {
  BATON_TRY(begin_change(process, operation, a, 0));
  *process.now_ns += kSyncNs + static_cast<std::int64_t>(random_.below(kSyncSpreadNs));
  if (operation == Operation::sync) ++counters_.data_syncs;
  const bool of_data = operation == Operation::sync && counters_.data_syncs == faults.fail_data_sync_at;
  return ++counters_.syncs == faults.fail_sync_at || of_data;
}

Status SimDisk::write_file(SimProcess& process, SimInode& node, std::uint64_t offset, std::span<const base::ByteView> pieces,
                           const std::string& path) {
  std::uint64_t length = 0;
  std::uint64_t content = 0;
  for (const auto piece : pieces) {
    length += piece.size();
    content = base::hash64(piece, content);
  }
  bool dies = false;
  Status status = begin_change(process, Operation::write, node.id ^ (offset << 16), content, &dies);
  if (!status && !dies) return status;
  std::uint64_t allowed = length;
  if (dies) {
    allowed = choices_->pick(length + 1);
  } else if (++counters_.writes == faults.fail_write_at) {
    allowed = choices_->pick(length);
    status = Error{Code::io_error, "write " + path + ": input/output error"};
  }
  if (allowed > 0 && !reserve(node, offset + allowed)) {
    allowed = std::min(allowed, reservable(node, offset));
    BATON_CHECK(allowed == 0 || reserve(node, offset + allowed), "what fits can be reserved");
    if (status.ok()) status = Error{Code::no_space, "write " + path + ": no space left on the simulated disk"};
  }
  counters_.bytes_written += allowed;
  for (const auto piece : pieces) {
    const std::uint64_t part = std::min<std::uint64_t>(piece.size(), allowed);
    node.write(offset, piece.first(part));
    offset += part;
    allowed -= part;
  }
  return status;
}

// Power.

void SimDisk::cut_power() {
  if (!powered_) return;
  powered_ = false;
  // What processes still write to shared memory after this moment is not on the disk.
  each_node(*root_, [](SimInode& node) { node.pull_shared(true); });
}

void SimDisk::kill(SimProcess& process) {
  if (process.killed) return;
  process.killed = true;
  trace.note(0x6B696C6C ^ static_cast<std::uint64_t>(process.id));
  if (!powered_ || process.boot != boot_) return;
  for (SimFile* file : std::exchange(process.files, {})) close_file(*file);
  for (const auto& [node, users] : process.shared) {
    if (node->shared_only_by(users)) node->pull_shared(true);
  }
}

// Decides which unsynced changes of names the disk kept.
void SimDisk::settle_names() {
  if (pending_.empty()) return;
  const bool subset = crash.directory_subsets && choices_->pick(2) == 0;
  const std::uint64_t prefix = subset ? 0 : choices_->pick(pending_.size() + 1);
  std::set<std::pair<const SimInode*, std::string_view>> lost;
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    const Change& change = pending_[i];
    bool keep = subset ? choices_->pick(2) == 0 : i < prefix;
    for (int e = 0; e < change.count; ++e)
      keep = keep && !lost.contains({change.edits[e].directory.get(), change.edits[e].name});
    if (keep) {
      make_durable(change);
    } else {
      for (int e = 0; e < change.count; ++e) lost.emplace(change.edits[e].directory.get(), change.edits[e].name);
    }
  }
  pending_.clear();
}

// Turns the durable tree below `directory` into the cached one.
void SimDisk::settle_below(SimInode& directory) {
  directory.entries = directory.durable_entries;
  for (const auto& [name, node] : directory.entries) {
    if (++node->links > 1) continue;  // a rename of which one half was kept left it under two names
    node->handles = 0;
    node->reserved_end = 0;
    if (node->is_directory) {
      settle_below(*node);
    } else {
      node->lose_power(*choices_, crash);
      used_bytes_ += node->reserved_end = whole_blocks(node->size());
    }
  }
}

void SimDisk::restart() {
  cut_power();
  settle_names();
  each_node(*root_, [](SimInode& node) { node.links = 0; });
  used_bytes_ = 0;
  settle_below(*root_);
  powered_ = true;
  ++boot_;
  trace.note(0x626F6F74 ^ boot_);
}

// Behind the processes' backs.

void SimDisk::flip_bit(std::string_view path, std::uint64_t offset, unsigned bit) {
  find_node(path).value()->flip_bit(offset, bit);
}

std::optional<SimDisk::FlippedBit> SimDisk::flip_random_bit(const std::function<bool(const std::string&)>& eligible) {
  std::vector<FileInfo> candidates = files();
  std::erase_if(candidates, [&](const FileInfo& file) { return !eligible(file.path); });
  std::uint64_t total = 0;
  for (const FileInfo& file : candidates) total += file.durable_size;
  if (total == 0) return std::nullopt;
  std::uint64_t at = random_.below(total);
  auto file = candidates.begin();
  for (; at >= file->durable_size; ++file) at -= file->durable_size;
  FlippedBit flipped{file->path, at, static_cast<unsigned>(random_.below(8))};
  flip_bit(flipped.path, flipped.offset, flipped.bit);
  return flipped;
}

void SimDisk::collect(const SimInode& directory, const std::string& path, std::vector<FileInfo>& out) {
  for (const auto& [name, node] : directory.entries) {
    const std::string child = join(path, name);
    if (node->is_directory) {
      collect(*node, child, out);
    } else {
      out.push_back({child, node->size(), node->durable_size(), node->dirty_sectors()});
    }
  }
}

std::vector<SimDisk::FileInfo> SimDisk::files() const {
  std::vector<FileInfo> found;
  collect(*root_, "/", found);
  std::ranges::sort(found, {}, &FileInfo::path);
  return found;
}

std::optional<base::Bytes> SimDisk::read(std::string_view path) const {
  const auto node = find_node(path);
  if (!node || (*node)->is_directory) return std::nullopt;
  base::Bytes content((*node)->size());
  (void)(*node)->read(0, content);
  return content;
}

void SimDisk::write(std::string_view path, base::ByteView content) {
  Node at = root_;
  for (std::size_t from = 0; from < path.size();) {
    const std::size_t slash = std::min(path.find('/', from), path.size());
    const std::string name(path.substr(from, slash - from));
    from = slash + 1;
    if (name.empty() || name == ".") continue;
    Node& next = at->entries[name];
    if (next == nullptr) {
      next = std::make_shared<SimInode>(++last_node_, from <= path.size());
      ++next->links;
    }
    at->durable_entries[name] = next;
    at = next;
  }
  BATON_CHECK(!at->is_directory, "a file is written, not a directory");
  at->set_size(0);
  at->write(0, content);
  BATON_CHECK(reserve(*at, content.size()), "the simulated disk is full");
  at->sync();
}

void SimDisk::truncate(std::string_view path, std::uint64_t size) {
  const auto node = find_node(path);
  (*node)->set_size(size);
  (*node)->sync();
}

void SimDisk::remove(std::string_view path) {
  const auto place = find(path);
  if (!place || place->node == nullptr || place->directory == nullptr) return;
  set_name(place->directory, place->name, nullptr);
  place->directory->durable_entries.erase(place->name);
}

}  // namespace baton::os
