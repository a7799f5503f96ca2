// Backup and restore of a store's directory.
//
// A backup is a directory with the same layout (docs/formats/directory.md) that holds a prefix of the store: catalogue, segments, marks,
// heads snapshots and checkpoints, without what is derived. The catalogue is written last: a directory without one is no backup.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include <baton/result.h>

#include "log/log.h"
#include "os/env.h"
#include "store/replay_pace.h"

namespace baton::store {

using BackupProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

// Runs a task on the store's executor between two rounds and waits (StoreCore::run).
using RunOnOwner = std::function<Status(std::function<Status()>)>;

// Copies while appends go on, resting by `pace` (may be null): only the list of files is made on the executor.
// already_exists: the target is not empty.
[[nodiscard]] Status backup_store(os::Env& env, const std::string& directory, const std::string& target, log::Log& log,
                                  const RunOnOwner& run, const BackupProgress& progress, ReplayPace* pace);

// Copies what a process that may go on writing it has made visible, checking all of it, and writes nothing in `directory`. corrupt names
// file and position; unavailable: nobody writes, and the store needs recovery. already_exists: the target is not empty.
[[nodiscard]] Status backup_beside(os::Env& env, const std::string& directory, const std::string& target, const BackupProgress& progress);

// Copies, verifies, opens once and raises the epoch, so that positions issued after the backup are refused as lost.
// already_exists: the target is not empty. corrupt: the backup is damaged; the target is left empty.
[[nodiscard]] Status restore_store(os::Env& env, const std::string& backup, const std::string& target, const BackupProgress& progress);

}  // namespace baton::store
