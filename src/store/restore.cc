// Restore of a backup.
#include <algorithm>
#include <array>
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

// What a restore that was killed has left is cleared: it is known by its directory, and has no catalogue yet. Whatever else is there is not touched.
Status clear_remains(os::FileSystem& fs, const std::string& target) {
  constexpr std::array<std::string_view, 4> kOfRestore = {"restoring", "journal", "topics", "checkpoints"};
  BATON_TRY_ASSIGN(const bool there, fs.exists(os::join(target, kStaging)));
  if (!there) return {};
  BATON_TRY_ASSIGN(const auto entries, fs.list(target));
  const auto is_ours = [&](const auto& entry) { return std::ranges::find(kOfRestore, entry.name) != kOfRestore.end(); };
  if (!std::ranges::all_of(entries, is_ours)) return {};
  for (const auto& entry : entries) {
    if (entry.name != kStaging) BATON_TRY(os::remove_tree(fs, os::join(target, entry.name)));
  }
  return os::remove_tree(fs, os::join(target, kStaging));  // last: it tells what the rest is
}

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
    if (entry.name == kCatalogueFile) continue;
    const std::string path = os::join(staging, entry.name);
    // Files are of the process that recovered it: its lock and marks.
    BATON_TRY(entry.is_directory ? fs.rename(path, os::join(target, entry.name)) : fs.remove(path));
  }
  BATON_TRY(fs.sync_directory(target));
  BATON_TRY(fs.sync_directory(staging));
  BATON_TRY(fs.rename(os::join(staging, kCatalogueFile), os::join(target, kCatalogueFile)));
  BATON_TRY(fs.sync_directory(target));
  BATON_TRY(fs.sync_directory(staging));
  BATON_TRY(fs.remove(staging));
  return fs.sync_directory(target);
}

}  // namespace

Status restore_store(os::Env& env, const std::string& backup, const std::string& target, const BackupProgress& progress) {
  BATON_TRY_ASSIGN(const bool there, env.fs().exists(os::join(backup, kCatalogueFile)));
  if (!there) return Error{Code::not_found, backup + " is not a complete backup: it has no file 'catalogue'"};
  BATON_TRY(clear_remains(env.fs(), target));
  BATON_TRY(need_empty(env.fs(), target));
  const Status restored = [&]() -> Status {
    CopiedFiles files;
    const std::string staging = os::join(target, kStaging);
    BATON_TRY(list_files(env.fs(), backup, "", files));
    BATON_TRY(os::make_directories(env.fs(), staging));
    BATON_TRY(FileCopier(env, backup, staging, progress).run(files));
    BATON_TRY(check_copy(env, backup, staging));
    BATON_TRY(open_once(env, staging));
    BATON_TRY(raise_epoch(env, staging));
    return move_up(env.fs(), staging, target);
  }();
  if (restored) return {};
  clear_directory(env.fs(), target);  // what is half there must not be taken for a store
  return restored;
}

}  // namespace baton::store

namespace baton {

Status restore(const std::string& backup_directory, const std::string& target_directory,
               const std::function<void(std::uint64_t done, std::uint64_t total)>& progress) {
  const auto env = os::make_posix_env();
  return store::restore_store(*env, backup_directory, target_directory, progress);
}

}  // namespace baton
