// The live marks (docs/formats/live.md): how far other processes may read.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <baton/result.h>

#include "log/catalogue.h"
#include "log/types.h"
#include "os/env.h"

namespace baton::log {

struct LiveSlot {
  PartitionKey key;
  Epoch epoch;
  Offset log_start;
  Offset durable;
  Offset visible;
  Offset last_stable;
  Offset segment_base;
  std::uint64_t end_position = 0;
  std::uint64_t generation = 0;  // changes with the list of segments, and with their marks
};

enum class LiveState : std::uint32_t { open = 1, closed = 2, failed = 3 };

struct LiveHeader {
  StoreId store_id{};
  std::string boot_id;
  std::uint64_t writer_pid = 0;
  Epoch epoch;
  // What changes while the writer is open.
  std::uint32_t slot_count = 0;
  LiveState state = LiveState::open;
  std::uint64_t catalogue_bytes = 0;
};

// Whether a process has the store open for writing, or is opening it: it holds LOCK. Without that file there is none.
[[nodiscard]] Result<bool> writer_is_there(os::FileSystem& fs, const std::string& directory);

// The writer's side. [owner]
class LiveWriter {
 public:
  // Makes the file anew, under another name until show(): readers of the writer before keep theirs, and none finds it without its slots.
  static Result<std::unique_ptr<LiveWriter>> create(os::Env& env, const std::string& directory, const StoreId& store_id, Epoch epoch);
  [[nodiscard]] Status show(os::Env& env, const std::string& directory) const;

  [[nodiscard]] Result<std::size_t> add(const LiveSlot& slot);  // its number
  void publish(std::size_t number, const LiveSlot& slot);
  void set_catalogue_bytes(std::uint64_t bytes);
  void set_state(LiveState state);
  // Whether another process copies the store, and so wants no file removed (LiveReader::hold).
  [[nodiscard]] Result<bool> held() const;

 private:
  LiveWriter() = default;
  void publish_header();
  [[nodiscard]] std::byte* slot_at(std::size_t number) const;

  std::unique_ptr<os::File> file_;
  std::vector<std::unique_ptr<os::SharedMapping>> pages_;  // of 4096 bytes; the first is the header's
  LiveHeader header_;
};

// The other processes' side. One thread.
class LiveReader {
 public:
  // not_found: there is none.
  static Result<std::unique_ptr<LiveReader>> open(os::Env& env, const std::string& directory);

  // unavailable: the writer died in the middle of a change.
  [[nodiscard]] Result<LiveHeader> header() const;
  [[nodiscard]] Result<LiveSlot> slot(std::size_t number);
  // As long as this object lives, the writer removes nothing that the catalogue needs which is read after this call.
  [[nodiscard]] Status hold();

 private:
  LiveReader() = default;

  std::unique_ptr<os::File> file_;
  std::vector<std::unique_ptr<os::SharedMapping>> pages_;
  LiveHeader fixed_;
};

}  // namespace baton::log
