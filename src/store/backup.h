// Backup and restore of a store's directory.
//
// A backup is a directory with the same layout (docs/formats/directory.md) that holds a prefix of the store: catalogue, segments, marks,
// heads snapshots and checkpoints, without what is derived. The catalogue is written last: a directory without one is no backup.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include <baton/result.h>

#include "os/env.h"
#include "store/replay_pace.h"

namespace baton::store {

using BackupProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

// Copies what the writer has made visible, checking all of it, and writes nothing in `directory`. The writer, in this process or another, goes
// on. Rests by `pace`, which may be null. corrupt names file and position; unavailable: nobody writes, and the store needs recovery.
// already_exists: the target is not empty.
[[nodiscard]] Status backup_store(os::Env& env, const std::string& directory, const std::string& target, const BackupProgress& progress,
                                  ReplayPace* pace);

// Copies, verifies, opens once and raises the epoch, so that positions issued after the backup are refused as lost.
// already_exists: the target is not empty. corrupt: the backup is damaged; the target is left empty.
[[nodiscard]] Status restore_store(os::Env& env, const std::string& backup, const std::string& target, const BackupProgress& progress);

}  // namespace baton::store
