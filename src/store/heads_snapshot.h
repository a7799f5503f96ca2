// Stream heads snapshot: what must be known of every stream whose records a retention is about to remove, so that versions
// never restart (design rule 8). docs/formats/index.md, "Stream heads snapshot". Not derived: once records are gone this
// file is all there is, so a damaged one is an error and never an empty answer.
//
// Heads are written and kept in the order of (stream_hash(name), name).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <baton/result.h>

#include "log/types.h"
#include "os/env.h"
#include "store/index_entry.h"

namespace baton::store {

struct StreamHead {
  std::string name;                          // 1 to 255 bytes
  StreamVersion last_version;                // of the stream's last event, -1 when it never had one
  StreamVersion truncated_before;            // stream reads start here; 0: not truncated
  bool deleted = false;
  log::Offset last_offset;                   // of its last record, a system record included
  friend bool operator==(const StreamHead&, const StreamHead&) = default;
};

// "heads-00000000000000065536"
[[nodiscard]] std::string heads_file_name(log::Offset offset);
// The offset in such a name; nullopt for any other name.
[[nodiscard]] std::optional<log::Offset> parse_heads_file_name(std::string_view name);

// Writes one snapshot: create, add() in order, finish(). Until finish() has returned well the file has a temporary name, which
// the destructor removes. Memory: one block of 64 KiB and 8 bytes for each block. One thread.
class HeadsWriter {
 public:
  [[nodiscard]] static Result<std::unique_ptr<HeadsWriter>> create(os::Env& env, const std::string& directory,
                                                                   const log::PartitionKey& partition,
                                                                   log::Offset offset);
  ~HeadsWriter();
  HeadsWriter(const HeadsWriter&) = delete;
  HeadsWriter& operator=(const HeadsWriter&) = delete;

  // The head that follows the one before in the order of the file; invalid_argument otherwise.
  [[nodiscard]] Status add(const StreamHead& head);
  // Durable under its final name when it returns.
  [[nodiscard]] Status finish();

 private:
  struct State;
  explicit HeadsWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Reads one snapshot through a mapping. Any thread.
class HeadsReader {
 public:
  // corrupt: header, footer, size or directory are not what was written, or it is another partition's or offset's file.
  [[nodiscard]] static Result<std::shared_ptr<const HeadsReader>> open(os::Env& env, const std::string& path,
                                                                       const log::PartitionKey& partition);
  // In place of a file that open() has found damaged: whoever looks for a head gets `damage`, so that what needs none is still read.
  [[nodiscard]] static std::shared_ptr<const HeadsReader> damaged(log::Offset offset, Error damage);
  ~HeadsReader();

  [[nodiscard]] bool is_damaged() const;        // all of it; damage of a block is found when it is read
  [[nodiscard]] log::Offset offset() const;     // heads are as of this offset
  [[nodiscard]] std::uint64_t count() const;
  // One block is read, its CRC checked when it is touched first. corrupt names file and position.
  [[nodiscard]] Result<std::optional<StreamHead>> find(std::string_view stream) const;
  // All heads in the order of the file; every block's CRC is checked. `visit` may return false to stop.
  [[nodiscard]] Status for_each(const std::function<bool(const StreamHead&)>& visit) const;

 private:
  struct State;
  explicit HeadsReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace baton::store
