// A backup beside the writer, which goes on, in this process or another (docs/formats/live.md, "Backups").
//
// The order of reading makes the copy a consistent prefix: named checkpoints, then the catalogue, then the live marks. So every offset that
// checkpoints and catalogue speak of lies below the end that the marks give. Segments are copied up to that end; a journal with nothing but
// the ends is made for the copy, whatever generation the writer's is in.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <baton/result.h>

#include "base/bytes.h"
#include "log/copy_segment.h"
#include "log/journal.h"
#include "log/live_marks.h"
#include "os/env.h"

namespace baton::log {

class BackupBeside {
 public:
  // Finds out what there is to copy, and holds it. Waits for a writer that is starting. not_found: no store; corrupt;
  // unavailable: nobody writes, and what the last writer left needs recovery.
  static Result<std::unique_ptr<BackupBeside>> begin(os::Env& env, const std::string& directory);

  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }  // to copy; at most so many
  // Everything is durable when this returns; the catalogue comes last. `target` is an empty directory.
  [[nodiscard]] Status copy_to(const std::string& target, const std::function<void(std::uint64_t bytes)>& copied);
  // Since begin() the writer has failed, or another has come: what copy_to() complained about need not be damage. Begin again.
  [[nodiscard]] bool writer_changed() const;

 private:
  // Where a partition ends.
  struct End {
    Offset visible;
    Offset segment_base;         // of the segment that ends there,
    std::uint64_t position = 0;  // at this byte; 0: not known
  };
  struct Kept {  // a file that is copied as it is
    std::string name;
    std::unique_ptr<os::File> file;
    std::uint64_t bytes = 0;
  };
  struct CopiedPartition {
    Offset visible;
    std::vector<SegmentToCopy> segments;
  };

  BackupBeside(os::Env& env, std::string directory) : env_(env), fs_(env.fs()), directory_(std::move(directory)) {}
  // False: not now.
  [[nodiscard]] Result<bool> take();
  [[nodiscard]] Result<bool> take_ends(std::map<PartitionKey, End>& ends);
  [[nodiscard]] Status take_slots(const LiveHeader& header, std::map<PartitionKey, End>& ends);
  [[nodiscard]] Result<bool> take_closed(std::map<PartitionKey, End>& ends);
  [[nodiscard]] Status take_checkpoints();
  [[nodiscard]] Status take_producers();
  [[nodiscard]] Result<bool> take_heads();
  [[nodiscard]] Status take_partition(const PartitionKey& key, const End& end);
  [[nodiscard]] Result<std::vector<Offset>> segments_of(const PartitionKey& key, Offset below) const;
  [[nodiscard]] Status copy_partition(const PartitionKey& key, const CopiedPartition& partition, const std::string& target,
                                      const std::function<void(std::uint64_t)>& copied);
  [[nodiscard]] Status copy_kept(const Kept& kept, const std::string& to, const std::function<void(std::uint64_t)>& copied);
  [[nodiscard]] Status write_journal(const std::string& target);

  os::Env& env_;
  os::FileSystem& fs_;
  const std::string directory_;
  std::unique_ptr<LiveReader> live_;  // null: no writer has had the store open since this machine was started
  LiveState live_state_ = LiveState::closed;
  std::unique_ptr<Catalogue> catalogue_;
  Kept catalogue_file_;
  std::vector<Kept> heads_;
  std::vector<std::pair<std::string, base::Bytes>> checkpoints_;
  base::Bytes producers_;
  std::map<PartitionKey, CopiedPartition> partitions_;
  std::vector<Extent> extents_;
  std::int64_t last_append_ms_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace baton::log
