#include "store/backup.h"

#include <algorithm>

#include "base/try.h"
#include "log/backup_beside.h"
#include "os/file.h"
#include "store/copy_files.h"

namespace baton::store {
namespace {

constexpr std::size_t kCopyBytes = 1u << 20;
constexpr int kWritersMax = 5;  // that may come and go before a backup beside them is given up

Status copy_beside(os::Env& env, const std::string& directory, const std::string& target, const BackupProgress& progress, ReplayPace* pace) {
  const auto waiter = env.make_waiter();
  for (int writers = 1;; ++writers) {
    BATON_TRY_ASSIGN(const auto backup, log::BackupBeside::begin(env, directory));
    std::uint64_t done = 0;
    const Status copied = backup->copy_to(target, [&](std::uint64_t bytes) {
      done += bytes;
      if (progress) progress(std::min(done, backup->bytes()), backup->bytes());
      if (pace == nullptr) return;
      if (const std::int64_t rest_ns = pace->took(bytes); rest_ns > 0) (void)waiter->wait(rest_ns);
    });
    if (copied && progress) progress(backup->bytes(), backup->bytes());
    if (copied || writers == kWritersMax || !backup->writer_changed()) return copied;
    clear_directory(env.fs(), target);
  }
}

}  // namespace

Status need_empty(os::FileSystem& fs, const std::string& target) {
  BATON_TRY_ASSIGN(const bool there, fs.exists(target));
  if (!there) return os::make_directories(fs, target);
  BATON_TRY_ASSIGN(const auto entries, fs.list(target));
  if (entries.empty()) return {};
  return Error{Code::already_exists, target + " is not empty: name a new or an empty directory"};
}

void clear_directory(os::FileSystem& fs, const std::string& directory) {
  (void)fs.remove(os::join(directory, kCatalogueFile));
  if (const auto entries = fs.list(directory)) {
    for (const auto& entry : *entries) (void)os::remove_tree(fs, os::join(directory, entry.name));
  }
}

FileCopier::FileCopier(os::Env& env, std::string from, std::string to, const BackupProgress& progress)
    : fs_(env.fs()), from_(std::move(from)), to_(std::move(to)), progress_(progress), buffer_(kCopyBytes) {}

Status FileCopier::run(const CopiedFiles& files) {
  total_ = 0;
  for (const auto& file : files) total_ += file.bytes;
  for (const auto& file : files) {
    if (file.relative_path != kCatalogueFile) BATON_TRY(copy(file.relative_path, file.relative_path, file.bytes));
  }
  for (const auto& directory : directories_) BATON_TRY(fs_.sync_directory(directory));
  for (const auto& file : files) {
    if (file.relative_path != kCatalogueFile) continue;
    const std::string temporary = std::string(kCatalogueFile) + ".tmp";
    BATON_TRY(copy(kCatalogueFile, temporary, file.bytes));
    BATON_TRY(fs_.rename(os::join(to_, temporary), os::join(to_, kCatalogueFile)));
  }
  return fs_.sync_directory(to_);
}

Status FileCopier::copy(const std::string& from_name, const std::string& to_name, std::uint64_t bytes) {
  const std::string to_path = os::join(to_, to_name);
  const std::string directory = os::parent(to_path);
  if (std::ranges::find(directories_, directory) == directories_.end()) {
    BATON_TRY(os::make_directories(fs_, directory));
    directories_.push_back(directory);
  }
  BATON_TRY_ASSIGN(const auto in, fs_.open(os::join(from_, from_name), {}));
  BATON_TRY_ASSIGN(const auto out, fs_.open(to_path, {.write = true, .create = true, .exclusive = true}));
  for (std::uint64_t at = 0; at < bytes;) {
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(kCopyBytes, bytes - at));
    const auto piece = base::MutableByteView(buffer_).first(want);
    BATON_TRY_ASSIGN(const std::size_t got, in->read_at(at, piece));
    if (got != want) {
      return Error{Code::corrupt, os::join(from_, from_name) + " ends at byte " + std::to_string(at + got) + "; " + std::to_string(bytes) +
                                      " bytes belong to the store"};
    }
    BATON_TRY(out->write_at(at, piece));
    at += want;
    done_ += want;
    if (progress_) progress_(done_, total_);
  }
  return out->sync_data();
}

Status backup_store(os::Env& env, const std::string& directory, const std::string& target, const BackupProgress& progress, ReplayPace* pace) {
  BATON_TRY(need_empty(env.fs(), target));
  Status copied = copy_beside(env, directory, target, progress, pace);
  // What is half there is in nobody's way; unless somebody else has begun to write there, too.
  if (!copied && copied.error().code != Code::already_exists) clear_directory(env.fs(), target);
  return copied;
}

}  // namespace baton::store
