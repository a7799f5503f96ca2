// Copies the files of a store into another directory, for backup and restore: each durable, the catalogue last.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <baton/result.h>

#include "base/bytes.h"
#include "log/log.h"
#include "os/env.h"
#include "store/backup.h"

namespace baton::store {

using CopiedFiles = std::vector<log::Log::BackupPlan::CopiedFile>;

inline constexpr const char* kCatalogueFile = "catalogue";

// Makes the directory if it is not there. already_exists: it is not empty.
[[nodiscard]] Status need_empty(os::FileSystem& fs, const std::string& target);

// Removes all that is in it, the catalogue first: a kill in here leaves no store either.
void clear_directory(os::FileSystem& fs, const std::string& directory);

class FileCopier {
 public:
  // `progress` and `pace` may be empty; all outlive it.
  FileCopier(os::Env& env, std::string from, std::string to, const BackupProgress& progress, ReplayPace* pace);

  // Every file durable, its name too, and the catalogue last: before it is there, the target is no store.
  [[nodiscard]] Status run(const CopiedFiles& files);

 private:
  [[nodiscard]] Status copy(const std::string& from_name, const std::string& to_name, std::uint64_t bytes);

  os::FileSystem& fs_;
  std::string from_, to_;
  const BackupProgress& progress_;
  ReplayPace* pace_;
  std::unique_ptr<os::Env::Waiter> waiter_;
  base::Bytes buffer_;
  std::vector<std::string> directories_;  // made, to be synced
  std::uint64_t done_ = 0, total_ = 0;
};

}  // namespace baton::store
