// Where an import keeps what it needs while it runs: DIR/tmp/import-PID, gone when it ends. And its input, which is read more than once.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <baton/result.h>

#include "os/env.h"

namespace baton::cli {

// Two imports may run beside one server: each has a directory of its own, and holds a lock in it. What killed ones have left is removed by the next.
class ImportWork {
 public:
  [[nodiscard]] static Result<std::unique_ptr<ImportWork>> open(os::Env& env, const std::string& data_directory);
  ~ImportWork();
  ImportWork(const ImportWork&) = delete;
  ImportWork& operator=(const ImportWork&) = delete;
  [[nodiscard]] std::string path(std::string_view name) const { return os::join(directory_, name); }

 private:
  ImportWork(os::FileSystem& fs, std::string data_directory, std::string directory)
      : fs_(fs), data_directory_(std::move(data_directory)), directory_(std::move(directory)) {}
  os::FileSystem& fs_;
  std::string data_directory_, directory_;
  std::unique_ptr<os::File> lock_;
  bool made_ = false;  // the data directory, too
};

// The file of an import as it is read.
struct ImportInput {
  std::string path;         // where it is read: itself, or what was kept of a pipe
  std::string name;         // as it was given, for people and to tell one import from another
  std::string rejects;      // where rows that do not fit go when nobody says
};

// A pipe ("-" is standard input) gives its bytes once, and an import looks at them more than once: they are kept in `work`, which is made then.
// `stop` may be empty. not_found; cancelled.
[[nodiscard]] Result<ImportInput> open_import_input(os::Env& env, const std::string& file, const std::function<Result<ImportWork*>()>& work,
                                                    const std::function<bool()>& stop);

}  // namespace baton::cli
