// InputStream: a file read from front to back, unpacked on the way. What it is packed with is told from its first bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <baton/result.h>

#include "base/bytes.h"
#include "os/env.h"

namespace baton::cli {

enum class Packing { none, gzip, xz, zstd };

// One thread at a time. Holds one buffer of 256 KiB and the state of the unpacking library (xz: at most 128 MiB, else too_large).
class InputStream {
 public:
  // Opens and looks at the first bytes. not_found, io_error.
  static Result<std::unique_ptr<InputStream>> open(os::Env& env, const std::string& path);
  virtual ~InputStream() = default;

  // Fills `out` from the front: at least one byte, and as many as a file has; those of a pipe as they arrive. 0: the end. corrupt: the packed
  // data is damaged or cut off.
  [[nodiscard]] virtual Result<std::size_t> read(base::MutableByteView out) = 0;
  [[nodiscard]] virtual Packing packing() const = 0;
  // Bytes of the file consumed so far, and in all: for progress.
  [[nodiscard]] virtual std::uint64_t consumed() const = 0;
  [[nodiscard]] virtual std::uint64_t total() const = 0;
};

}  // namespace baton::cli
