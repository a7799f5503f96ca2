// Named checkpoints of subscriptions (docs/formats/snapshots.md): one small file each, durable when save returns. Not derived: a damaged
// one is an error, never the beginning.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <baton/event.h>
#include <baton/result.h>

#include "os/file.h"

namespace baton::store {

inline constexpr std::size_t kCheckpointNameBytesMax = 100;

struct StoredCheckpoint {
  std::string name;
  std::string context;
  Position position;
};

class CheckpointStore {
 public:
  // `directory`: checkpoints, made by the first save. Any thread; two saves of one name at once are the caller's mistake.
  CheckpointStore(os::FileSystem& fs, std::string directory);

  // invalid_argument: a name that is empty, longer than 100 bytes or not UTF-8, or that belongs to another context. store_failed: a sync
  // failed before.
  [[nodiscard]] Status save(std::string_view name, std::string_view context, const Position& position);
  // Nothing when there is none. corrupt names the file; invalid_argument: it belongs to another context.
  [[nodiscard]] Result<std::optional<Position>> load(std::string_view name, std::string_view context) const;
  [[nodiscard]] Result<std::vector<StoredCheckpoint>> list() const;
  // The checkpoints that load() would refuse, each with its file's name in the directory. Changes nothing.
  struct Damaged {
    std::string file;
    std::string name;
  };
  [[nodiscard]] Result<std::vector<Damaged>> damaged() const;
  [[nodiscard]] Status remove(std::string_view name);

  // At open, after recovery: `lowered` gives what a checkpoint must become, or nothing when it stands.
  using Lowered = std::function<Result<std::optional<Position>>(const StoredCheckpoint&)>;
  // A damaged one is left alone.
  [[nodiscard]] Status lower(const Lowered& lowered);

 private:
  [[nodiscard]] std::string path(std::string_view name) const;
  [[nodiscard]] Result<std::vector<std::string>> names() const;
  [[nodiscard]] Result<std::optional<StoredCheckpoint>> read(std::string_view name) const;
  [[nodiscard]] Status write(const StoredCheckpoint& checkpoint);
  [[nodiscard]] bool is_durable(std::string_view name) const;

  os::FileSystem& fs_;
  std::string directory_;
  std::atomic<bool> made_{false};  // the directory is there
  std::mutex writing_;             // one at a time: the temporary file of a name is nobody else's
  mutable std::mutex mutex_;       // of what follows; taken within writing_, never the other way
  std::set<std::string, std::less<>> durable_;  // whose file this object has synced: one that a killed process left may not be
  Status failure_;
};

}  // namespace baton::store
