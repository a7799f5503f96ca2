// CRC-32C (Castagnoli, polynomial 0x1EDC6F41 reflected; RFC 3720 appendix B.4): the checksum of Kafka's record batches and
// of every structure that Baton writes. The check value of "123456789" is 0xE3069283.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace baton::base {

// The checksum of what `seed` is the checksum of, followed by `data`. The checksum of nothing is 0, so a first call takes
// seed 0, and crc32c(crc32c(0, a), b) is the checksum of a and b together.
[[nodiscard]] std::uint32_t crc32c(std::uint32_t seed, ByteView data) noexcept;

// The checksum of a and b together from the checksum of each; `length_b` in bytes.
// A few nanoseconds for each binary digit of the length.
[[nodiscard]] std::uint32_t crc32c_combine(std::uint32_t crc_a, std::uint32_t crc_b, std::uint64_t length_b) noexcept;

namespace internal {
// The variants without special instructions, so that a test can compare the two.
[[nodiscard]] std::uint32_t crc32c_portable(std::uint32_t seed, ByteView data) noexcept;
[[nodiscard]] std::uint32_t crc32c_combine_portable(std::uint32_t crc_a, std::uint32_t crc_b, std::uint64_t length_b) noexcept;
}  // namespace internal

}  // namespace baton::base
