#include "base/crc32c.h"

#include <gtest/gtest.h>

#include <string>

namespace baton::base {
namespace {

Bytes sample(std::size_t size) {
  Bytes data(size);
  for (std::size_t i = 0; i < size; ++i) data[i] = static_cast<std::byte>(i * 131 + i / 7);
  return data;
}

// RFC 3720, appendix B.4.
TEST(Crc32c, GivesThePublishedValues) {
  EXPECT_EQ(crc32c(0, {}), 0U);
  EXPECT_EQ(crc32c(0, as_bytes("123456789")), 0xE3069283U);
  EXPECT_EQ(crc32c(0, as_bytes(std::string(32, '\0'))), 0x8A9136AAU);
  EXPECT_EQ(crc32c(0, as_bytes(std::string(32, '\xff'))), 0x62A8AB43U);
}

TEST(Crc32c, TheFastVariantEqualsThePortableOneAtEveryLengthAndAlignment) {
  const Bytes data = sample(14'000);
  for (std::size_t size = 0; size < 13'000; size += size < 700 ? 1 : 97) {
    const ByteView view = ByteView(data).subspan(size % 17, size);
    ASSERT_EQ(crc32c(0, view), internal::crc32c_portable(0, view)) << size;
    ASSERT_EQ(crc32c(0xDEADBEEF, view), internal::crc32c_portable(0xDEADBEEF, view)) << size;
  }
}

TEST(Crc32c, PiecesGiveTheChecksumOfTheWhole) {
  const Bytes data = sample(5000);
  const ByteView whole = data;
  for (std::size_t cut = 0; cut <= whole.size(); cut += 61) {
    const ByteView a = whole.first(cut);
    const ByteView b = whole.subspan(cut);
    ASSERT_EQ(crc32c(crc32c(0, a), b), crc32c(0, whole)) << cut;
    ASSERT_EQ(crc32c_combine(crc32c(0, a), crc32c(0, b), b.size()), crc32c(0, whole)) << cut;
    ASSERT_EQ(internal::crc32c_combine_portable(crc32c(0, a), crc32c(0, b), b.size()), crc32c(0, whole)) << cut;
  }
}

TEST(Crc32c, CombinesOverLengthsThatDoNotFitMemory) {
  for (std::uint64_t length = 1; length < (std::uint64_t{1} << 62); length *= 3) {
    ASSERT_EQ(crc32c_combine(0x12345678, 0x9ABCDEF0, length),
              internal::crc32c_combine_portable(0x12345678, 0x9ABCDEF0, length));
  }
}

}  // namespace
}  // namespace baton::base
