#include "log/compression.h"

#include <random>

#include <gtest/gtest.h>

namespace baton::log {
namespace {

constexpr Codec kPacking[] = {Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd};

base::Bytes text(std::size_t size) {
  base::Bytes out(size);
  std::minstd_rand random(static_cast<unsigned>(size));
  for (auto& b : out) b = static_cast<std::byte>('a' + random() % 4);
  return out;
}

base::Bytes noise(std::size_t size) {
  base::Bytes out(size);
  std::minstd_rand random(7);
  for (auto& b : out) b = static_cast<std::byte>(random() >> 8);
  return out;
}

base::Bytes pack(Codec codec, base::ByteView in) {
  auto packed = compress(codec, in);
  EXPECT_TRUE(packed.ok()) << packed.error().to_string();
  return std::move(packed).value();
}

TEST(Compression, EverySizeRoundTripsInEveryCodec) {
  base::Bytes reused;
  for (const Codec codec : {Codec::none, Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd}) {
    for (const std::size_t size : {0, 1, 100, 4095, 4096, 4097, 32768, 32769, 65536, 65537, 1 << 20, (1 << 20) + 3}) {
      for (const base::Bytes& in : {text(size), noise(size), base::Bytes(size)}) {
        const base::Bytes packed = pack(codec, in);
        const auto unpacked = decompress(codec, packed, size);  // exactly at the cap
        ASSERT_TRUE(unpacked.ok()) << unpacked.error().to_string() << ", size " << size;
        ASSERT_EQ(*unpacked, in) << codec_name(codec) << " " << size;
        ASSERT_TRUE(decompress_into(codec, packed, size + 5000, reused).ok());
        ASSERT_EQ(reused, in);
        if (size == 0) continue;
        const auto over = decompress(codec, packed, size - 1);
        ASSERT_FALSE(over.ok()) << codec_name(codec) << " " << size;
        EXPECT_EQ(over.error().code, Code::too_large);
        EXPECT_NE(over.error().detail.find(std::to_string(size - 1)), std::string::npos) << over.error().detail;
      }
    }
  }
}

TEST(Compression, DataCutAtAnyByteIsRefused) {
  for (const Codec codec : kPacking) {
    const base::Bytes packed = pack(codec, text(3000));
    for (std::size_t size = 0; size < packed.size(); ++size) {
      const base::Bytes cut(packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(size));
      const auto unpacked = decompress(codec, cut, 1u << 20);
      // Framed snappy has no end mark: a stream without blocks is an empty one.
      if (codec == Codec::snappy && size == 16) continue;
      ASSERT_FALSE(unpacked.ok()) << codec_name(codec) << " cut to " << size;
      EXPECT_EQ(unpacked.error().code, Code::corrupt);
    }
  }
}

TEST(Compression, FlippedBitsNeverLeadOutOfBounds) {
  for (const Codec codec : kPacking) {
    const base::Bytes packed = pack(codec, text(400));
    for (std::size_t bit = 0; bit < packed.size() * 8; ++bit) {
      base::Bytes flipped = packed;
      flipped[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
      const auto unpacked = decompress(codec, flipped, 1u << 16);
      if (unpacked.ok()) EXPECT_LE(unpacked->size(), 1u << 16);
    }
  }
}

TEST(Compression, BytesBehindTheEndAreRefused) {
  for (const Codec codec : kPacking) {
    base::Bytes packed = pack(codec, text(100));
    packed.push_back(std::byte{1});
    EXPECT_EQ(decompress(codec, packed, 1u << 20).error().code, Code::corrupt) << codec_name(codec);
  }
}

TEST(Compression, AStreamOfSeveralGzipMembersIsOne) {
  base::Bytes packed = pack(Codec::gzip, text(100));
  base::put_bytes(packed, pack(Codec::gzip, text(50)));
  base::Bytes expected = text(100);
  base::put_bytes(expected, text(50));
  EXPECT_EQ(decompress(Codec::gzip, packed, 150).value(), expected);
}

TEST(Compression, SnappyIsFramedAsJavaWantsItAndReadRawToo) {
  const base::Bytes packed = pack(Codec::snappy, text(40'000));
  const unsigned char kStart[] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1};
  ASSERT_EQ(std::memcmp(packed.data(), kStart, sizeof kStart), 0);
  // The first block alone, without the framing, as librdkafka sends it: 32 KiB unpacked.
  const auto length = base::load_be<std::uint32_t>(packed.data() + sizeof kStart);
  const base::ByteView block = base::ByteView(packed).subspan(sizeof kStart + 4, length);
  const auto raw = decompress(Codec::snappy, block, 1u << 20);
  ASSERT_TRUE(raw.ok()) << raw.error().to_string();
  EXPECT_TRUE(std::ranges::equal(*raw, base::ByteView(text(40'000)).first(32'768)));
}

TEST(Compression, ASnappyBlockThatClaimsMoreThanItCanHoldIsRefusedBeforeAnyMemoryIsTaken) {
  base::Bytes claim;
  for (const int v : {0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0}) claim.push_back(static_cast<std::byte>(v));  // 4 GiB - 1
  EXPECT_EQ(decompress(Codec::snappy, claim, std::size_t{1} << 40).error().code, Code::corrupt);
}

TEST(Compression, CodecsHaveKafkasNames) {
  for (const Codec codec : {Codec::none, Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd}) {
    EXPECT_EQ(parse_codec(codec_name(codec)).value(), codec);
  }
  EXPECT_EQ(parse_codec("brotli").error().code, Code::invalid_argument);
  EXPECT_EQ(codec_name(static_cast<Codec>(7)), "unknown");
  EXPECT_FALSE(compress(static_cast<Codec>(5), {}).ok());
  EXPECT_FALSE(decompress(static_cast<Codec>(5), text(5), 100).ok());
}

}  // namespace
}  // namespace baton::log
