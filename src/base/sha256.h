// SHA-256 (FIPS 180-4), for the chain of sealed segments.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace baton::base {

using Sha256Digest = std::array<std::byte, 32>;

// A hash in progress: a value, which may be copied to go two ways from here.
class Sha256 {
 public:
  Sha256() noexcept;
  void update(ByteView data) noexcept;
  // The digest of all updates. The object then stands for nothing: assign Sha256{} to use it again.
  [[nodiscard]] Sha256Digest finish() noexcept;

 private:
  alignas(8) std::array<std::byte, 112> state_;  // libcrypto's SHA256_CTX, whose header stays in sha256.cc
};

[[nodiscard]] Sha256Digest sha256(ByteView data) noexcept;

}  // namespace baton::base
