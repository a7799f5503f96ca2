// Batches that go past the page cache (docs/decisions/003): gathered in memory that a disk can take, with what shares their first sector.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <span>

#include <baton/result.h>

#include "base/bytes.h"
#include "os/file.h"

namespace baton::log {

// One thread at a time. Holds 1 MiB from its first use on.
class DirectWriter {
 public:
  // Writes `pieces` one behind the other from `position`. `lead`: the bytes of the file from the sector boundary before `position` up to it, which
  // are written again. What follows the last piece in its sector becomes zeros; a file whose space
  // was allocated one byte further than its last piece has it. Errors of File::write_direct: an unknown
  // part is written.
  [[nodiscard]] Status write(os::File& file, std::uint64_t position, base::ByteView lead, std::span<const base::ByteView> pieces);

 private:
  static constexpr std::size_t kBytes = 1u << 20;
  static constexpr std::align_val_t kAlignment{4096};  // more than any disk asks for
  struct Free {
    void operator()(std::byte* memory) const { ::operator delete(memory, kAlignment); }
  };

  std::unique_ptr<std::byte, Free> memory_;
};

}  // namespace baton::log
