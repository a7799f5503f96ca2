#include "log/checkpoint.h"

#include <algorithm>
#include <bit>

#include "base/sha256.h"
#include "base/try.h"
#include "log/producers.h"
#include "log/recovery.h"

namespace baton::log {
namespace {

constexpr std::size_t kFilesOneByOne = 24;  // more are made durable by one sync of the file system
constexpr std::size_t kHashStepBytes = 1u << 20;

}  // namespace

void CheckpointJob::run(os::FileSystem& fs) {
  result_ = do_run(fs);
  lock.reset();
  done_.store(true, std::memory_order_release);
}

void CheckpointJob::again(std::shared_ptr<os::File> lock_file) {
  lock = std::move(lock_file);
  done_ = false;
  taken_ = false;
}

Status CheckpointJob::do_run(os::FileSystem& fs) {
  if (sync_journal) BATON_TRY(journal->sync());
  BATON_TRY(sync_segments(fs));
  BATON_TRY(write_marks(fs));
  BATON_TRY(write_producers(fs));
  if (free_before > 0) BATON_TRY(journal->free_before(free_before));
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (items[i].seal) BATON_TRY(finish_sealed(fs, i));
  }
  return {};
}

Status CheckpointJob::sync_segments(os::FileSystem& fs) {
  const auto dirty = static_cast<std::size_t>(std::ranges::count_if(items, &Item::dirty));
  if (dirty > kFilesOneByOne) return fs.sync_all(topics_directory(directory));
  for (const auto& item : items) {
    if (!item.dirty) continue;
    BATON_TRY_ASSIGN(const auto file, item.segment->open_for_writing());
    BATON_TRY(file->sync_data());
  }
  return {};
}

Status CheckpointJob::write_marks(os::FileSystem& fs) {
  std::vector<std::unique_ptr<os::File>> files;
  const auto count = static_cast<std::size_t>(std::ranges::count_if(items, [](const Item& item) { return !item.sectors.empty(); }));
  for (const auto& item : items) {
    if (item.sectors.empty()) continue;
    BATON_TRY_ASSIGN(auto file, fs.open(item.segment->marks_path(), {.write = true}));
    BATON_TRY(file->write_at(item.sectors_at, item.sectors));
    if (count <= kFilesOneByOne) files.push_back(std::move(file));
  }
  if (count > kFilesOneByOne) return fs.sync_all(topics_directory(directory));
  for (const auto& file : files) BATON_TRY(file->sync_data());
  return {};
}

Status CheckpointJob::write_producers(os::FileSystem& fs) {
  if (producers.empty()) return {};
  const Status written = os::replace_file(fs, os::join(directory, kProducersName), producers);
  // On a full disk the file before it stays, and the next open has more to read.
  if (!written && written.error().code == Code::no_space) return {};
  return written;
}

Status CheckpointJob::finish_sealed(os::FileSystem& fs, std::size_t index) {
  Item& item = items[index];
  BATON_TRY_ASSIGN(const auto file, fs.open(item.segment->log_path(), {.write = true}));
  BATON_TRY_ASSIGN(const std::uint64_t size, file->size());
  // Cut already, by a process whose sync may have failed: the size must change to be written.
  if (size == item.end) BATON_TRY(file->truncate(item.end + kSectorBytes));
  BATON_TRY(file->truncate(item.end));
  BATON_TRY(file->sync_data());
  if (!item.hash) return {};
  for (std::size_t i = 0; i < index; ++i) {
    if (items[i].hash && items[i].segment->key() == item.segment->key()) item.previous = items[i].result;
  }
  base::Sha256 sha;
  sha.update(std::as_bytes(std::span(item.previous)));
  base::Bytes bytes;
  for (std::uint64_t at = 0; at < item.end;) {
    bytes.resize(std::min<std::uint64_t>(kHashStepBytes, item.end - at));
    BATON_TRY_ASSIGN(const std::size_t got, file->read_at(at, bytes));
    if (got != bytes.size()) return item.segment->corrupt_at(at + got, "the segment is shorter than what was written");
    sha.update(bytes);
    at += got;
  }
  item.result = std::bit_cast<Hash256>(sha.finish());
  return {};
}

}  // namespace baton::log
