// Restore of a backup.
#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

#include "base/bytes.h"
#include "base/try.h"
#include "log/catalogue.h"
#include "log/log.h"
#include "os/file.h"
#include "store/backup.h"
#include "store/copy_files.h"

namespace baton::store {
namespace {

// What a restore adds to the epoch, and up to as much again at random: more than the store that the backup is of is opened meanwhile, and
// not the same for two restores of one backup. So an epoch belongs to one history, and its positions are refused in another.
constexpr std::int32_t kEpochStep = 1 << 16;

// What a backup consists of; what is derived, or of the process that had it open, is left out.
Status list_files(os::FileSystem& fs, const std::string& root, const std::string& relative, CopiedFiles& files) {
  BATON_TRY_ASSIGN(const auto entries, fs.list(relative.empty() ? root : os::join(root, relative)));
  for (const auto& entry : entries) {
    const std::string name = relative.empty() ? entry.name : os::join(relative, entry.name);
    if (name == "LOCK" || name == "live" || name == "views" || entry.name == "index" || entry.name == "snapshots" ||
        entry.name.ends_with(".tmp")) {
      continue;
    }
    if (entry.is_directory) {
      BATON_TRY(list_files(fs, root, name, files));
      continue;
    }
    BATON_TRY_ASSIGN(const auto file, fs.open(os::join(root, name), {}));
    BATON_TRY_ASSIGN(const std::uint64_t size, file->size());
    files.push_back({name, size});
  }
  return {};
}

Status check_copy(os::Env& env, const std::string& backup, const std::string& target) {
  BATON_TRY_ASSIGN(const auto report, log::verify(env, target, std::nullopt, {}));
  if (report.findings.empty()) return {};
  const auto& first = report.findings.front();
  return Error{Code::corrupt, "the backup " + backup + " is damaged (" + std::to_string(report.findings.size()) + " findings): " + first.file +
                                  " at byte " + std::to_string(first.position) + ": " + first.what};
}

// Where a restore works, within the target. Before all is done there is nothing in the target itself that could be taken for a store.
constexpr const char* kStaging = "restoring";

constexpr std::array<std::string_view, 4> kOfRestore = {kStaging, "journal", "topics", "checkpoints"};  // in the target, before its catalogue is

// A restore's hold on its target: a locked file in its staging directory. Only the holder removes anything.
class Hold {
 public:
  // already_exists: the target holds something that is not what a killed restore has left, and nothing was changed. locked: another restore works there.
  // What one has left is cleared.
  static Result<Hold> take(os::FileSystem& fs, const std::string& target) {
    BATON_TRY(os::make_directories(fs, target));
    BATON_TRY(check_remains(fs, target));
    Hold hold(fs, target);
    BATON_TRY(os::make_directories(fs, hold.staging_));
    BATON_TRY_ASSIGN(hold.file_, fs.open(os::join(hold.staging_, kMark), {.write = true, .create = true}));
    BATON_TRY_ASSIGN(const bool taken, hold.file_->try_lock(os::LockKind::exclusive, 0, 0));
    if (!taken) return Error{Code::locked, "another restore is at work in " + target};
    // Again: the one that held it before may have come to its end meanwhile.
    if (const Status still = check_remains(fs, target); !still) {
      (void)fs.remove(os::join(hold.staging_, kMark));
      (void)fs.remove(hold.staging_);
      return still.error();
    }
    BATON_TRY(hold.clear());
    return hold;
  }

  // All of it, the catalogue first: a kill in here leaves no store, and the mark tells what is left.
  Status clear() {
    BATON_TRY(remove_all(target_, kStaging));
    return remove_all(staging_, kMark);
  }
  // At the end, or after clear(): of the restore itself nothing stays.
  Status release() {
    BATON_TRY(fs_->remove(os::join(staging_, kMark)));
    file_.reset();
    BATON_TRY(fs_->remove(staging_));
    return fs_->sync_directory(target_);
  }
  [[nodiscard]] const std::string& staging() const { return staging_; }

  static constexpr std::string_view kMark = "RESTORE";

 private:
  Hold(os::FileSystem& fs, const std::string& target) : fs_(&fs), target_(target), staging_(os::join(target, kStaging)) {}

  static Status check_remains(os::FileSystem& fs, const std::string& target) {
    const Error not_empty{Code::already_exists, target + " is not empty: name a new or an empty directory"};
    BATON_TRY_ASSIGN(const auto entries, fs.list(target));
    if (entries.empty()) return {};
    bool staging = false;
    for (const auto& entry : entries) {
      if (!entry.is_directory || std::ranges::find(kOfRestore, entry.name) == kOfRestore.end()) return not_empty;
      staging |= entry.name == kStaging;
    }
    if (!staging) return not_empty;
    BATON_TRY_ASSIGN(const auto inside, fs.list(os::join(target, kStaging)));
    if (inside.empty() && entries.size() == 1) return {};  // of one that was killed before it had made its mark
    return std::ranges::find(inside, kMark, &os::DirectoryEntry::name) != inside.end() ? Status() : not_empty;
  }

  Status remove_all(const std::string& directory, std::string_view but) {
    (void)fs_->remove(os::join(directory, kCatalogueFile));
    BATON_TRY_ASSIGN(const auto entries, fs_->list(directory));
    for (const auto& entry : entries) {
      if (entry.name != but) BATON_TRY(os::remove_tree(*fs_, os::join(directory, entry.name)));
    }
    return {};
  }

  os::FileSystem* fs_;
  std::string target_, staging_;
  std::unique_ptr<os::File> file_;
};

// Recovers the copy, which lists where every epoch ended, and closes it.
Status open_once(os::Env& env, const std::string& target) {
  const auto owner = env.make_executor("baton-restore");
  const auto worker = env.make_executor("baton-worker");
  const auto waiter = env.make_waiter();
  Status outcome;
  owner->post([&] {
    outcome = [&]() -> Status {
      BATON_TRY_ASSIGN(const auto log, log::Log::open(env, target, {}, *owner, *worker));
      return log->close();
    }();
    waiter->wake();
  });
  waiter->wait();
  return outcome;
}

Status raise_epoch(os::Env& env, const std::string& target) {
  BATON_TRY_ASSIGN(const auto catalogue, log::Catalogue::open(env, target, false));
  std::array<std::byte, 2> random{};
  env.random().fill(random);
  const log::Round round = catalogue->state().clean_round;
  const std::int32_t step = kEpochStep + base::load_le<std::uint16_t>(random.data());
  BATON_TRY(catalogue->raise_epoch(catalogue->state().epoch.plus(step), env.clock().wall_ms(), true, {}));
  return catalogue->mark_clean_close(round);
}

// The catalogue last: with it the target is a store.
Status move_up(os::FileSystem& fs, const std::string& staging, const std::string& target) {
  BATON_TRY_ASSIGN(const auto entries, fs.list(staging));
  for (const auto& entry : entries) {
    if (entry.name == kCatalogueFile || entry.name == Hold::kMark) continue;
    const std::string path = os::join(staging, entry.name);
    // Files are of the process that recovered it: its lock and marks.
    BATON_TRY(entry.is_directory ? fs.rename(path, os::join(target, entry.name)) : fs.remove(path));
  }
  BATON_TRY(fs.sync_directory(target));
  BATON_TRY(fs.sync_directory(staging));
  BATON_TRY(fs.rename(os::join(staging, kCatalogueFile), os::join(target, kCatalogueFile)));
  BATON_TRY(fs.sync_directory(target));
  return fs.sync_directory(staging);
}

}  // namespace

Status restore_store(os::Env& env, const std::string& backup, const std::string& target, const BackupProgress& progress) {
  BATON_TRY_ASSIGN(const bool there, env.fs().exists(os::join(backup, kCatalogueFile)));
  if (!there) return Error{Code::not_found, backup + " is not a complete backup: it has no file 'catalogue'"};
  BATON_TRY_ASSIGN(Hold hold, Hold::take(env.fs(), target));
  const Status restored = [&]() -> Status {
    CopiedFiles files;
    BATON_TRY(list_files(env.fs(), backup, "", files));
    BATON_TRY(FileCopier(env, backup, hold.staging(), progress).run(files));
    BATON_TRY(check_copy(env, backup, hold.staging()));
    BATON_TRY(open_once(env, hold.staging()));
    BATON_TRY(raise_epoch(env, hold.staging()));
    return move_up(env.fs(), hold.staging(), target);
  }();
  if (!restored && !hold.clear()) return restored;  // what is half there must not be taken for a store
  const Status released = hold.release();
  return restored ? released : restored;
}

}  // namespace baton::store

namespace baton {

Status restore(const std::string& backup_directory, const std::string& target_directory,
               const std::function<void(std::uint64_t done, std::uint64_t total)>& progress) {
  const auto env = os::make_posix_env();
  return store::restore_store(*env, backup_directory, target_directory, progress);
}

}  // namespace baton
