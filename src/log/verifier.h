// Verifier: one verify() at work. verify.cc finds out what there is and what vouches for it, verify_segment.cc checks a segment. One thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "log/catalogue.h"
#include "log/live_marks.h"
#include "log/recovery.h"
#include "log/verify.h"
#include "os/env.h"

namespace baton::log {


// One segment, and what is expected of it.
struct Target {
  PartitionKey key;
  std::size_t batch_bytes_max = 0;
  Offset base;
  std::uint64_t end = UINT64_MAX;   // bytes; unknown for one that its writer has left and not sealed yet
  std::optional<Offset> following;  // where the next segment begins, or the partition ends
  const Seal* seal = nullptr;
  bool marked = true;  // its marks reach its end
  // What the journal has of the sector in which it ends. Later rounds were written there, so that a power cut may have torn it; an open takes these instead.
  struct Piece {
    std::uint64_t position;
    base::Bytes bytes;
  };
  std::vector<Piece> last_sector;
  [[nodiscard]] std::string name(std::string_view extension) const {
    return os::join(partition_directory(key), segment_file_name(base, extension));
  }
};

class Verifier {
 public:
  Verifier(os::Env& env, std::string directory, const std::function<void(std::uint64_t, std::uint64_t)>& progress,
           const VisitBatch& visit)
      : env_(env), fs_(env.fs()), directory_(std::move(directory)), progress_(progress), visit_(visit) {}

  Result<VerifyReport> run(std::optional<Hash256> root);

 private:
  struct Walk;
  [[nodiscard]] Status take_targets();
  [[nodiscard]] Result<bool> take_live();
  [[nodiscard]] Status take_disk();
  [[nodiscard]] bool writer_came();
  [[nodiscard]] Result<bool> is_gone(const Target& target);
  [[nodiscard]] Status take_journal(RecoveredStore& store);
  void take_last_sector(Target& target, const ParsedRecord::Part& part);
  [[nodiscard]] Status count_journalled(const RecoveredSegment& segment, const ParsedRecord::Part& part, std::uint64_t& counted_to);
  [[nodiscard]] Status take_slot(const LiveSlot& slot);
  [[nodiscard]] Status take_names(const PartitionKey& key);
  [[nodiscard]] Result<std::vector<Offset>> segments_of(const PartitionKey& key) const;
  [[nodiscard]] std::map<Offset, const Seal*> seals_of(const PartitionKey& key) const;
  void check_chain();
  void check_root(const std::optional<Hash256>& root);
  [[nodiscard]] Status check_segment(const Target& target);
  [[nodiscard]] Status walk(const Target& target, const os::File& file, Walk& state);
  void check_marks(const Target& target, Walk& state, base::ByteView run);
  void check_end(const Target& target, const Walk& state, std::uint64_t size);
  void found(std::string file, std::uint64_t position, std::string what) {
    report_.findings.push_back({std::move(file), position, std::move(what)});
  }
  void found(const Error& error);
  [[nodiscard]] std::string path(const std::string& relative) const { return os::join(directory_, relative); }

  os::Env& env_;
  os::FileSystem& fs_;
  const std::string directory_;
  const std::function<void(std::uint64_t, std::uint64_t)>& progress_;
  const VisitBatch& visit_;
  std::unique_ptr<Catalogue> catalogue_;
  std::vector<Target> targets_;
  VerifyReport report_;
  std::uint64_t done_ = 0;
  std::uint64_t total_ = 0;
};

}  // namespace baton::log
