#include "cli/input.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <random>

#include "cli/import_for_test.h"
#include "os/twins_for_test.h"

namespace baton::cli {
namespace {

std::string gzip(std::string_view text) {
  z_stream z{};
  deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&z, text.size()), '\0');
  z.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

std::string xz(std::string_view text) {
  std::string out(lzma_stream_buffer_bound(text.size()), '\0');
  std::size_t size = 0;
  (void)lzma_easy_buffer_encode(1, LZMA_CHECK_CRC64, nullptr, reinterpret_cast<const std::uint8_t*>(text.data()), text.size(),
                                reinterpret_cast<std::uint8_t*>(out.data()), &size, out.size());
  out.resize(size);
  return out;
}

std::string zstd(std::string_view text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 1));
  return out;
}

class Input : public os::OnBothTwins {
 protected:
  // The whole text, read in pieces of `piece`; or the error.
  Result<std::string> read(std::string_view content, std::size_t piece = 1000) {
    for_test::write_file(fs(), path("f"), content);
    auto input = InputStream::open(env(), path("f"));
    if (!input) return input.error();
    packing_ = (*input)->packing();
    std::string out;
    for (base::Bytes buffer(piece);;) {
      const auto got = (*input)->read(buffer);
      if (!got) return got.error();
      out += base::as_text(base::ByteView(buffer).first(*got));
      if (*got == 0) break;
    }
    base::Bytes one(1);
    EXPECT_EQ((*input)->read(one).value(), 0U);
    EXPECT_EQ((*input)->consumed(), content.size());
    EXPECT_EQ((*input)->total(), content.size());
    return out;
  }
  Packing packing_ = Packing::none;
};

std::string numbers(std::size_t size) {
  std::mt19937 random(3);
  std::string out;
  while (out.size() < size) out += std::to_string(random() % 5000) + ",";
  out.resize(size);
  return out;
}

TEST_P(Input, UnpacksWhatItsFirstBytesSay) {
  for (const std::size_t size : {0U, 1U, 999U, 1000U, 300'000U, 1'000'000U}) {
    const auto text = numbers(size);
    for (const std::size_t piece : {1000U, 65'536U}) {
      EXPECT_EQ(*read(text, piece), text);
      EXPECT_EQ(packing_, Packing::none);
      EXPECT_EQ(*read(gzip(text), piece), text);
      EXPECT_EQ(packing_, Packing::gzip);
      EXPECT_EQ(*read(xz(text), piece), text);
      EXPECT_EQ(packing_, Packing::xz);
      EXPECT_EQ(*read(zstd(text), piece), text);
      EXPECT_EQ(packing_, Packing::zstd);
    }
  }
}

TEST_P(Input, ReadsWhatWasPackedInSeveralParts) {
  const auto one = numbers(5000), two = numbers(700);
  EXPECT_EQ(*read(gzip(one) + gzip(two)), one + two);
  EXPECT_EQ(*read(xz(one) + xz(two)), one + two);
  EXPECT_EQ(*read(zstd(one) + zstd(two)), one + two);
}

TEST_P(Input, PassesOverPaddingAndFramesOfNoData) {
  const auto text = numbers(5000);
  for (const std::size_t zeros : {1U, 512U, 300'000U}) EXPECT_EQ(*read(gzip(text) + std::string(zeros, '\0')), text) << zeros;
  EXPECT_FALSE(read(gzip(text) + std::string(512, '\0') + "x"));
  EXPECT_FALSE(read(gzip(text) + std::string(512, '\0') + gzip(text)));
  const std::string skippable("\x5a\x2a\x4d\x18\x03\0\0\0abc", 11);
  EXPECT_EQ(*read(skippable + zstd(text)), text);
  EXPECT_EQ(packing_, Packing::zstd);
}

TEST_P(Input, SaysThatPackedDataIsDamagedOrCutOff) {
  const auto text = numbers(50'000);
  for (const auto& packed : {gzip(text), xz(text), zstd(text)}) {
    for (const std::size_t size : {packed.size() - 1, packed.size() / 2, std::size_t{20}}) {
      const auto out = read(std::string_view(packed).substr(0, size));
      ASSERT_FALSE(out) << size;
      EXPECT_EQ(out.error().code, Code::corrupt);
      EXPECT_THAT(out.error().detail, ::testing::HasSubstr(path("f")));
    }
    auto bad = packed;
    bad[packed.size() / 2] = static_cast<char>(bad[packed.size() / 2] ^ 0x55);
    const auto out = read(bad);
    // zstd carries no checksum here: damage may pass as other text, but never as the same.
    if (out) EXPECT_NE(*out, text);
    else EXPECT_EQ(out.error().code, Code::corrupt);
  }
  EXPECT_FALSE(read(gzip(text) + "trailing"));
}

TEST_P(Input, SaysThatThereIsNoFile) {
  const auto out = InputStream::open(env(), path("none"));
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error().code, Code::not_found);
}

BATON_ON_BOTH_TWINS(Input);

}  // namespace
}  // namespace baton::cli
