#include "base/varint.h"

#include <gtest/gtest.h>

#include <limits>

namespace baton::base {
namespace {

Bytes bytes_of(std::initializer_list<int> values) {
  Bytes out;
  for (const int v : values) out.push_back(static_cast<std::byte>(v));
  return out;
}

TEST(Varint, SignedValuesAreZigzagCoded) {
  Bytes out;
  put_varint(out, std::int32_t{0});
  put_varint(out, std::int32_t{-1});
  put_varint(out, std::int32_t{1});
  put_varint(out, std::int32_t{-65});
  put_varint(out, std::int64_t{300});
  EXPECT_EQ(out, bytes_of({0, 1, 2, 0x81, 0x01, 0xD8, 0x04}));
}

TEST(Varint, EveryWidthRoundTrips) {
  for (unsigned bit = 0; bit < 64; ++bit) {
    for (const std::int64_t sign : {1, -1}) {
      const auto v = static_cast<std::int64_t>((std::uint64_t{1} << bit) * static_cast<std::uint64_t>(sign));
      Bytes out;
      put_varint(out, v);
      EXPECT_EQ(out.size(), varint_size(v));
      Reader in(out);
      EXPECT_EQ(in.varint64(), v);
      EXPECT_TRUE(in.empty());
      const auto narrow = static_cast<std::int32_t>(v);
      out.clear();
      put_varint(out, narrow);
      EXPECT_EQ(out.size(), varint_size(narrow));
      EXPECT_EQ(Reader(out).varint32(), narrow);
    }
  }
  Bytes out;
  put_uvarint(out, std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(out.size(), kMaxVarint64Bytes);
  EXPECT_EQ(Reader(out).uvarint64(), std::numeric_limits<std::uint64_t>::max());
}

TEST(Varint, WhatDoesNotFitOrDoesNotEndIsRefusedAndTheCursorStays) {
  const Bytes cut = bytes_of({0x80, 0x80});
  const Bytes wide32 = bytes_of({0xFF, 0xFF, 0xFF, 0xFF, 0x10});
  const Bytes endless32 = bytes_of({0x80, 0x80, 0x80, 0x80, 0x80, 0x00});
  const Bytes wide64 = bytes_of({0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02});
  for (const Bytes& input : {cut, wide32, endless32, wide64, Bytes{}}) {
    Reader in(input);
    EXPECT_EQ(in.uvarint32(), std::nullopt);
    EXPECT_EQ(in.offset(), 0U);
  }
  EXPECT_EQ(Reader(wide64).uvarint64(), std::nullopt);
  EXPECT_EQ(Reader(cut).varint64(), std::nullopt);
  EXPECT_EQ(Reader(bytes_of({0xFF, 0xFF, 0xFF, 0xFF, 0x0F})).uvarint32(), 0xFFFFFFFFU);
}

TEST(Reader, NeverReadsPastItsEnd) {
  const Bytes data = bytes_of({1, 2, 3, 4, 5, 6, 7});
  Reader in(data);
  EXPECT_EQ(in.be<std::uint16_t>(), 0x0102);
  EXPECT_EQ(in.le<std::uint16_t>(), 0x0403);
  EXPECT_EQ(in.le<std::uint32_t>(), std::nullopt);
  EXPECT_EQ(in.bytes(4), std::nullopt);
  EXPECT_EQ(in.bytes(std::numeric_limits<std::uint64_t>::max()), std::nullopt);
  EXPECT_FALSE(in.skip(4));
  EXPECT_EQ(in.remaining(), 3U);
  EXPECT_EQ(in.bytes(2)->size(), 2U);
  EXPECT_EQ(in.rest().size(), 1U);
  EXPECT_TRUE(in.skip(1));
  EXPECT_EQ(in.le<std::uint8_t>(), std::nullopt);
  EXPECT_EQ(Reader().be<std::int64_t>(), std::nullopt);
}

}  // namespace
}  // namespace baton::base
