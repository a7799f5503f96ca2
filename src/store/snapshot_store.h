// Snapshots of aggregates (docs/formats/snapshots.md): two files a stream, of which a save replaces the older one. They may be lost at any
// time, so nothing is synced and nothing damaged is an error: it is as if it were not there (F20).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <baton/result.h>
#include <baton/store.h>

#include "log/types.h"
#include "os/file.h"

namespace baton::store {

class SnapshotStore {
 public:
  // `directory`: topics/<id>/<partition>/snapshots, made by the first save. Any thread; two saves of one stream at once: one of them is kept.
  SnapshotStore(os::FileSystem& fs, std::string directory);

  // `epoch` and `offset` of the event with the snapshot's version: they tie it to this log.
  [[nodiscard]] Status save(std::string_view stream, const Snapshot& snapshot, log::Epoch epoch, log::Offset offset);

  // The newest usable one: of this stream and shape, whole, at most `version_max`, and confirmed: `confirm` says whether the event
  // of the stream at `version` has, or had, that epoch and offset. An error of confirm is handed back.
  using Confirm = std::function<Result<bool>(std::int64_t version, log::Epoch epoch, log::Offset offset)>;
  [[nodiscard]] Result<std::optional<Snapshot>> load(std::string_view stream, std::int32_t shape, std::int64_t version_max,
                                                     const Confirm& confirm) const;
  // Removes what is kept of a stream.
  [[nodiscard]] Status remove(std::string_view stream);

 private:
  [[nodiscard]] std::string path(std::string_view stream, int slot) const;

  os::FileSystem& fs_;
  std::string directory_;
};

}  // namespace baton::store
