// The second step of recovery: writing what the journal says.
#include <algorithm>
#include <set>

#include "base/try.h"
#include "log/recovery.h"
#include "log/segment.h"

namespace baton::log {
namespace {

constexpr std::size_t kOpenFilesMax = 128;
constexpr std::size_t kDirectoriesOneByOne = 16;  // more are made durable by one sync of the file system

class Replay {
 public:
  Replay(os::FileSystem& fs, std::string directory, RecoveredStore& store) : fs_(fs), directory_(std::move(directory)), store_(store) {}

  Status run();

 private:
  [[nodiscard]] Status take(RecoveredPartition& partition, const ParsedRecord::Part& part);
  [[nodiscard]] Result<os::File*> file_of(const RecoveredPartition& partition, Offset base);
  [[nodiscard]] Status restore(os::File& file, std::uint64_t position, base::ByteView bytes);
  [[nodiscard]] Status prepare_marks(const RecoveredPartition& partition, const RecoveredSegment& segment);
  [[nodiscard]] Status write_again(RecoveredPartition& partition, const RecoveredSegment& segment);
  [[nodiscard]] Status grow(RecoveredPartition& partition, const RecoveredSegment& segment);
  [[nodiscard]] Status sync_names();
  [[nodiscard]] Status remove_stale(const RecoveredPartition& partition);
  [[nodiscard]] std::string path(const std::string& relative) const { return os::join(directory_, relative); }

  os::FileSystem& fs_;
  const std::string directory_;
  RecoveredStore& store_;
  std::map<std::pair<PartitionKey, Offset>, std::unique_ptr<os::File>> files_;
};

// A process that was killed may have made directories and files and not synced their names.
Status Replay::sync_names() {
  std::set<std::string> directories;
  for (const auto& [key, partition] : store_.partitions) {
    directories.insert("topics");
    directories.insert(topic_directory(key.topic));
    if (std::ranges::any_of(partition.segments, &RecoveredSegment::touched)) directories.insert(partition.directory);
  }
  if (directories.size() > kDirectoriesOneByOne) return fs_.sync_all(topics_directory(directory_));
  for (const auto& name : directories) BATON_TRY(fs_.sync_directory(path(name)));
  return {};
}

Status Replay::run() {
  for (auto& [key, partition] : store_.partitions) {
    if (!partition.directory_there) {
      BATON_TRY(os::make_directories(fs_, path(partition.directory)));
      partition.directory_there = true;
    }
    BATON_TRY(remove_stale(partition));
    for (const auto& segment : partition.segments) {
      if (!segment.sealed && (segment.touched || !segment.marks_whole)) BATON_TRY(prepare_marks(partition, segment));
      if (!segment.sealed && segment.touched) BATON_TRY(grow(partition, segment));
      if (segment.scanned) BATON_TRY(write_again(partition, segment));
    }
  }
  if (store_.clean) return {};
  BATON_TRY(store_.journal->for_each([&](const JournalReader::Place&, const ParsedRecord& record) -> Status {
    for (const auto& part : record.parts) {
      const auto partition = store_.partitions.find(part.key);
      if (partition != store_.partitions.end() && partition->second.durability != Durability::memory) {
        BATON_TRY(take(partition->second, part));
      }
    }
    return {};
  }));
  return sync_names();
}

Status Replay::take(RecoveredPartition& partition, const ParsedRecord::Part& part) {
  const auto segment = std::ranges::find(partition.segments, part.segment_base, &RecoveredSegment::base);
  if (segment == partition.segments.end()) return {};  // removed by retention, or an empty one
  if (part.payload.empty() || part.end() > segment->end) return {};  // an extent of rounds that were lost with their file
  BATON_TRY_ASSIGN(os::File* const file, file_of(partition, part.segment_base));
  if (part.extent() || part.in_place()) return restore(*file, part.end() - part.payload.size(), part.payload);
  // What marks attest, and what was there when a later round was synced in place, is on the disk, but for the sector that was written
  // to later. The rest is written whatever a read says: after a failed sync the page cache may hold what the disk does not.
  const std::uint64_t known = std::max(segment->saved.end_position, segment->synced_end);
  const std::uint64_t trusted = std::clamp(known, part.position, part.end()) - part.position;
  BATON_TRY(restore(*file, part.position, part.payload.first(trusted)));
  return file->write_at(part.position + trusted, part.payload.subspan(trusted));
}

// A failed sync may have lost the size of the file as well: changed, it will be written.
Status Replay::grow(RecoveredPartition& partition, const RecoveredSegment& segment) {
  BATON_TRY_ASSIGN(os::File* const file, file_of(partition, segment.base));
  BATON_TRY_ASSIGN(const std::uint64_t size, file->size());
  return file->truncate(std::max(size, segment.end) + kSectorBytes);
}

// What was found by looking may be in the page cache only, for good if a sync has failed.
Status Replay::write_again(RecoveredPartition& partition, const RecoveredSegment& segment) {
  BATON_TRY_ASSIGN(os::File* const file, file_of(partition, segment.base));
  base::Bytes bytes;
  for (std::uint64_t at = 0; at < segment.end; at += bytes.size()) {
    bytes.resize(std::min<std::uint64_t>(1u << 20, segment.end - at));
    BATON_TRY_ASSIGN(const std::size_t got, file->read_at(at, bytes));
    if (got != bytes.size()) return Error{Code::io_error, partition.directory + ": a segment became shorter while it was read"};
    BATON_TRY(file->write_at(at, bytes));
  }
  return {};
}

Status Replay::restore(os::File& file, std::uint64_t position, base::ByteView bytes) {
  base::Bytes now(bytes.size());
  BATON_TRY_ASSIGN(const std::size_t got, file.read_at(position, now));
  if (got == now.size() && std::ranges::equal(now, bytes)) return {};
  return file.write_at(position, bytes);
}

Result<os::File*> Replay::file_of(const RecoveredPartition& partition, Offset base) {
  const std::pair id(partition.key, base);
  if (const auto found = files_.find(id); found != files_.end()) return found->second.get();
  if (files_.size() >= kOpenFilesMax) files_.clear();
  const std::string name = os::join(partition.directory, segment_file_name(base, ".log"));
  BATON_TRY_ASSIGN(auto file, fs_.open(path(name), {.write = true, .create = true}));
  return (files_[id] = std::move(file)).get();
}

// The file as far as it is relied on. What follows would be overwritten by the next marks; it is cut so that it need not be read again.
Status Replay::prepare_marks(const RecoveredPartition& partition, const RecoveredSegment& segment) {
  const std::string name = path(os::join(partition.directory, segment_file_name(segment.base, ".marks")));
  BATON_TRY_ASSIGN(const auto file, fs_.open(name, {.write = true, .create = true}));
  BATON_TRY_ASSIGN(const std::uint64_t size, file->size());
  if (segment.saved.end_position > 0) return size > segment.saved.file_bytes ? file->truncate(segment.saved.file_bytes) : Status();
  BATON_TRY(file->write_at(0, encode_marks_header(partition.key, segment.base)));
  return size > kSectorBytes ? file->truncate(kSectorBytes) : Status();
}

Status Replay::remove_stale(const RecoveredPartition& partition) {
  for (const auto& name : partition.stale) {
    if (auto removed = fs_.remove(path(name)); !removed && removed.error().code != Code::not_found) return removed;
  }
  return partition.stale.empty() ? Status() : fs_.sync_directory(path(partition.directory));
}

}  // namespace

Status apply_recovery(os::FileSystem& fs, const std::string& directory, RecoveredStore& store) {
  return Replay(fs, directory, store).run();
}

}  // namespace baton::log
