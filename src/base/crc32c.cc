// How the fast variant works. The processor's CRC instruction takes 8 bytes, can start every cycle, and answers after
// three. One chain of them would wait two cycles of three, so a piece of up to 6 KiB is cut into three lanes of equal length
// n, whose checksums are computed side by side. A checksum is a polynomial modulo P; appending n bytes multiplies it by
// x^(8n). So the whole is c0 * x^(16n) + c1 * x^(8n) + c2, which costs two carry-less multiplications and one more CRC
// instruction to reduce. The constants x^(8n - 33) mod P for each lane length are computed by the compiler; the 33
// comes from the instruction, which multiplies by x^32, and from the product of reflected words, which is short by one x.
#include "base/crc32c.h"

#include <algorithm>
#include <array>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#endif

namespace baton::base {
namespace {

constexpr std::uint32_t kPolynomial = 0x82F63B78;  // reflected: bit i stands for x^(31 - i)
constexpr std::uint32_t kOne = 0x80000000;         // x^0

// a * b mod P.
constexpr std::uint32_t multiply(std::uint32_t a, std::uint32_t b) {
  std::uint32_t product = 0;
  for (; a != 0; a <<= 1) {
    if ((a & kOne) != 0) product ^= b;
    b = (b >> 1) ^ ((b & 1) != 0 ? kPolynomial : 0);
  }
  return product;
}

// kPowers[k] = x^(2^k) mod P.
constexpr auto kPowers = [] {
  std::array<std::uint32_t, 67> powers{};
  powers[0] = kOne >> 1;
  for (std::size_t k = 1; k < powers.size(); ++k) powers[k] = multiply(powers[k - 1], powers[k - 1]);
  return powers;
}();

// Sarwate's tables, eight bytes at a time.
constexpr auto kTables = [] {
  std::array<std::array<std::uint32_t, 256>, 8> tables{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ ((c & 1) != 0 ? kPolynomial : 0);
    tables[0][i] = c;
  }
  for (std::size_t t = 1; t < 8; ++t) {
    for (std::size_t i = 0; i < 256; ++i) {
      const std::uint32_t c = tables[t - 1][i];
      tables[t][i] = (c >> 8) ^ tables[0][c & 0xFF];
    }
  }
  return tables;
}();

// The update functions take and give the register, which is the checksum inverted.
std::uint32_t update_portable(std::uint32_t crc, const std::byte* p, std::size_t size) {
  for (; size >= 8; size -= 8, p += 8) {
    const std::uint64_t word = load_le<std::uint64_t>(p) ^ crc;
    crc = 0;
    for (std::size_t i = 0; i < 8; ++i) crc ^= kTables[7 - i][(word >> (8 * i)) & 0xFF];
  }
  for (; size > 0; --size, ++p) crc = (crc >> 8) ^ kTables[0][(crc ^ static_cast<std::uint32_t>(*p)) & 0xFF];
  return crc;
}

#if defined(__x86_64__)

constexpr std::size_t kMaxLaneWords = 256;  // of 8 bytes

// kShift[n] multiplies by x^(8 * 8n), for the instruction pair described above: x^(64n - 33) mod P.
constexpr auto kShift = [] {
  std::array<std::uint32_t, 2 * kMaxLaneWords + 1> shift{};
  std::uint32_t value = kOne;
  for (int i = 0; i < 64 - 33; ++i) value = multiply(value, kPowers[0]);
  for (std::size_t n = 1; n < shift.size(); ++n) {
    shift[n] = value;
    value = multiply(value, kPowers[6]);
  }
  return shift;
}();

__attribute__((target("sse4.2,pclmul"))) inline std::uint64_t multiply_long(std::uint64_t a, std::uint32_t b) {
  const __m128i product =
      _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<long long>(a)), _mm_cvtsi32_si128(static_cast<int>(b)), 0);
  return static_cast<std::uint64_t>(_mm_cvtsi128_si64(product));
}

// x^(2^k - 33) mod P; x^(2^31 - 1) is 1, since P is x + 1 times a primitive polynomial of degree 31.
constexpr auto kPowersForLong = [] {
  std::uint32_t inverse = kOne;
  for (std::size_t k = 0; k < 31; ++k) {
    if ((((1U << 31) - 1 - 33) >> k & 1) != 0) inverse = multiply(inverse, kPowers[k]);
  }
  auto powers = kPowers;
  for (auto& power : powers) power = multiply(power, inverse);
  return powers;
}();

__attribute__((target("sse4.2,pclmul"))) std::uint32_t append_zeros_sse42(std::uint32_t crc, std::uint64_t count) {
  for (std::size_t k = 3; count != 0; ++k, count >>= 1) {
    if ((count & 1) != 0) crc = static_cast<std::uint32_t>(_mm_crc32_u64(0, multiply_long(crc, kPowersForLong[k])));
  }
  return crc;
}

__attribute__((target("sse4.2,pclmul"))) std::uint32_t update_sse42(std::uint32_t crc, const std::byte* p, std::size_t size) {
  std::uint64_t c0 = crc;
  while (size >= 192) {
    const std::size_t words = std::min(size / 24, kMaxLaneWords);
    const std::size_t lane = words * 8;
    std::uint64_t c1 = 0;
    std::uint64_t c2 = 0;
    const std::byte* const end = p + lane;
    for (; p != end; p += 8) {
      c0 = _mm_crc32_u64(c0, load_le<std::uint64_t>(p));
      c1 = _mm_crc32_u64(c1, load_le<std::uint64_t>(p + lane));
      c2 = _mm_crc32_u64(c2, load_le<std::uint64_t>(p + 2 * lane));
    }
    c0 = c2 ^ _mm_crc32_u64(0, multiply_long(c0, kShift[2 * words]) ^ multiply_long(c1, kShift[words]));
    p += 2 * lane;
    size -= 3 * lane;
  }
  for (; size >= 8; size -= 8, p += 8) c0 = _mm_crc32_u64(c0, load_le<std::uint64_t>(p));
  auto tail = static_cast<std::uint32_t>(c0);
  for (; size > 0; --size, ++p) tail = _mm_crc32_u8(tail, static_cast<unsigned char>(*p));
  return tail;
}

#elif defined(__aarch64__)

__attribute__((target("crc"))) std::uint32_t update_armv8(std::uint32_t crc, const std::byte* p, std::size_t size) {
  constexpr std::size_t kLane = 2048;
  constexpr std::uint32_t kShiftOne = kPowers[14];  // x^(8 * 2048)
  constexpr std::uint32_t kShiftTwo = kPowers[15];
  for (; size >= 3 * kLane; size -= 3 * kLane, p += 2 * kLane) {
    std::uint32_t c1 = 0;
    std::uint32_t c2 = 0;
    for (const std::byte* const end = p + kLane; p != end; p += 8) {
      crc = __crc32cd(crc, load_le<std::uint64_t>(p));
      c1 = __crc32cd(c1, load_le<std::uint64_t>(p + kLane));
      c2 = __crc32cd(c2, load_le<std::uint64_t>(p + 2 * kLane));
    }
    crc = multiply(crc, kShiftTwo) ^ multiply(c1, kShiftOne) ^ c2;
  }
  for (; size >= 8; size -= 8, p += 8) crc = __crc32cd(crc, load_le<std::uint64_t>(p));
  for (; size > 0; --size, ++p) crc = __crc32cb(crc, static_cast<std::uint8_t>(*p));
  return crc;
}

#endif

// The register after `count` more zero bytes, which is a multiplication by x^(8 * count).
std::uint32_t append_zeros_portable(std::uint32_t crc, std::uint64_t count) {
  for (std::size_t k = 3; count != 0; ++k, count >>= 1) {
    if ((count & 1) != 0) crc = multiply(crc, kPowers[k]);
  }
  return crc;
}

struct Variant {
  std::uint32_t (*update)(std::uint32_t, const std::byte*, std::size_t) = update_portable;
  std::uint32_t (*append_zeros)(std::uint32_t, std::uint64_t) = append_zeros_portable;
};

const Variant& variant() {
  static const Variant chosen = [] {
    Variant v;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul")) v = {update_sse42, append_zeros_sse42};
#elif defined(__aarch64__)
    constexpr unsigned long kHwcapCrc32 = 1UL << 7;
    if ((::getauxval(AT_HWCAP) & kHwcapCrc32) != 0) v.update = update_armv8;
#endif
    return v;
  }();
  return chosen;
}

}  // namespace

std::uint32_t crc32c(std::uint32_t seed, ByteView data) noexcept { return ~variant().update(~seed, data.data(), data.size()); }

std::uint32_t crc32c_combine(std::uint32_t crc_a, std::uint32_t crc_b, std::uint64_t length_b) noexcept {
  return variant().append_zeros(crc_a, length_b) ^ crc_b;
}

namespace internal {
std::uint32_t crc32c_portable(std::uint32_t seed, ByteView data) noexcept {
  return ~update_portable(~seed, data.data(), data.size());
}
std::uint32_t crc32c_combine_portable(std::uint32_t crc_a, std::uint32_t crc_b, std::uint64_t length_b) noexcept {
  return append_zeros_portable(crc_a, length_b) ^ crc_b;
}
}  // namespace internal

}  // namespace baton::base
