// Copies the files of a store into another directory, for a restore: each durable, the catalogue last.
#pragma once

#include <string>
#include <vector>

#include <baton/result.h>

#include "base/bytes.h"
#include "os/env.h"
#include "store/backup.h"

namespace baton::store {

struct CopiedFile {
  std::string relative_path;
  std::uint64_t bytes = 0;
};
using CopiedFiles = std::vector<CopiedFile>;

inline constexpr const char* kCatalogueFile = "catalogue";

// Makes the directory if it is not there. already_exists: it is not empty.
[[nodiscard]] Status need_empty(os::FileSystem& fs, const std::string& target);

// Removes all that is in it, the catalogue first: a kill in here leaves no store either.
void clear_directory(os::FileSystem& fs, const std::string& directory);

class FileCopier {
 public:
  // `progress` may be empty; it outlives the copier.
  FileCopier(os::Env& env, std::string from, std::string to, const BackupProgress& progress);

  // Every file durable, its name too, and the catalogue last: before it is there, the target is no store.
  [[nodiscard]] Status run(const CopiedFiles& files);

 private:
  [[nodiscard]] Status copy(const std::string& from_name, const std::string& to_name, std::uint64_t bytes);

  os::FileSystem& fs_;
  std::string from_, to_;
  const BackupProgress& progress_;
  base::Bytes buffer_;
  std::vector<std::string> directories_;  // made, to be synced
  std::uint64_t done_ = 0, total_ = 0;
};

}  // namespace baton::store
