#include "log/batch.h"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "base/crc32c.h"
#include "log/batch_for_test.h"
#include "os/env.h"

namespace baton::log {
namespace {

using base::as_bytes;

constexpr std::int64_t kTime = 1'700'000'000'000;
constexpr Codec kCodecs[] = {Codec::none, Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd};

// The batches in testdata were made by Apache Kafka's own classes: testdata/GoldenBatches.java says how.
base::Bytes golden(const std::string& name) {
  auto bytes = os::read_file(os::make_posix_env()->fs(), BATON_SOURCE_DIR "/src/log/testdata/" + name + ".batch", 1u << 20);
  EXPECT_TRUE(bytes.ok()) << bytes.error().to_string();
  return bytes.value_or(base::Bytes());
}

base::Bytes finish(BatchBuilder& builder, std::int64_t append_timestamp, const BatchHeader& h = {}) {
  auto batch = builder.finish(append_timestamp, h);
  EXPECT_TRUE(batch.ok()) << batch.error().to_string();
  return std::move(batch).value();
}

// The seven records of GoldenBatches.java, "mixed".
base::Bytes mixed(Codec codec) {
  BatchBuilder b(codec);
  const HeaderInput headers[] = {
      {"ce_type", as_bytes("rides.RideStarted")}, {"ce_id", as_bytes("1")}, {"empty", as_bytes("")}, {"null", std::nullopt}};
  const HeaderInput nameless[] = {{"", as_bytes("x")}};
  base::Bytes long_key(300);
  base::Bytes long_value(5000);
  for (std::size_t i = 0; i < long_value.size(); ++i) long_value[i] = static_cast<std::byte>(i * 7 % 251);
  std::copy_n(long_value.begin(), long_key.size(), long_key.begin());
  b.add(kTime, as_bytes("ride-1"), as_bytes("started"), headers);
  b.add(kTime - 1000, std::nullopt, as_bytes("no key"), {});
  b.add(kTime + 500, as_bytes("ride-1"), std::nullopt, {});
  b.add(kTime + 500, std::nullopt, std::nullopt, {});
  b.add(kTime + 501, as_bytes(""), as_bytes(""), nameless);
  b.add(kTime + 502, long_key, long_value, {});
  b.add(kTime + (std::int64_t{1} << 33), as_bytes("ride-2"), as_bytes("late"), {});
  base::Bytes batch = finish(b, -1);
  stamp_batch(batch, Offset(1000), Epoch(7));
  return batch;
}

base::Bytes gaps() {
  BatchBuilder b;
  for (const std::int32_t delta : {0, 3, 4, 200}) {
    b.add(kTime + 1000 + delta, as_bytes("k"), as_bytes("v" + std::to_string(1000 + delta)), {}, delta);
  }
  BatchHeader h;
  h.producer_id = 42;
  h.producer_epoch = 3;
  h.base_sequence = 17;
  h.attributes = 0x10;
  base::Bytes batch = finish(b, kTime + 9999, h);
  stamp_batch(batch, Offset(1000), Epoch(7));
  return batch;
}

TEST(BatchBuilder, MakesTheBytesThatKafkaMakes) { EXPECT_EQ(mixed(Codec::none), golden("mixed-none")); }

TEST(BatchBuilder, MakesTheBytesThatKafkaMakesOfATransactionWithGaps) { EXPECT_EQ(gaps(), golden("gaps")); }

TEST(BatchBuilder, MakesTheBytesThatKafkaMakesOfAControlBatch) {
  constexpr std::string_view kCommit("\0\0\0\1", 4);
  constexpr std::string_view kCoordinatorEpoch5("\0\0\0\0\0\5", 6);
  BatchBuilder b;
  b.add(kTime, as_bytes(kCommit), as_bytes(kCoordinatorEpoch5), {});
  BatchHeader h;
  h.producer_id = 42;
  h.producer_epoch = 3;
  h.attributes = 0x30;
  base::Bytes batch = finish(b, -1, h);
  stamp_batch(batch, Offset(1000), Epoch(7));
  EXPECT_EQ(batch, golden("control"));
  EXPECT_TRUE(check_batch(batch)->control());
  EXPECT_TRUE(check_batch(batch)->transactional());
}

TEST(BatchBuilder, MakesTheBytesThatKafkaMakesOfAnEmptyBatch) {
  BatchBuilder b(Codec::zstd);
  BatchHeader h;
  h.producer_id = 42;
  h.producer_epoch = 3;
  h.base_sequence = 17;
  h.last_offset_delta = 4;
  base::Bytes batch = finish(b, kTime, h);
  stamp_batch(batch, Offset(1000), Epoch(7));
  EXPECT_EQ(batch, golden("empty"));
  EXPECT_TRUE(records_of(batch).empty());
}

TEST(BatchBuilder, KeepsTheLastOffsetDeltaOfRecordsThatWereDropped) {
  BatchBuilder b;
  b.add(kTime, as_bytes("k"), as_bytes("v"), {}, 2);
  BatchHeader h;
  h.last_offset_delta = 9;
  const auto header = check_batch(finish(b, -1, h));
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header->last_offset_delta, 9);
  EXPECT_EQ(header->record_count, 1);
  EXPECT_EQ(header->next_offset(), Offset(10));
}

TEST(BatchBuilder, IsAsNewAfterClear) {
  BatchBuilder b;
  b.add(1, as_bytes("other"), as_bytes("other"), {}, 7);
  b.add(1, as_bytes("other"), as_bytes("other"), {}, 7);
  EXPECT_EQ(b.finish(-1).error().code, Code::invalid_argument) << "two records at one offset";
  b.clear();
  b.add(kTime, as_bytes("k"), as_bytes("v"), {});
  BatchBuilder fresh;
  fresh.add(kTime, as_bytes("k"), as_bytes("v"), {});
  EXPECT_EQ(b.bytes(), fresh.bytes());
  EXPECT_EQ(finish(b, 5), finish(fresh, 5));
  EXPECT_EQ(finish(b, 5).size(), b.bytes());
}

TEST(Batch, EveryCodecOfKafkaIsRead) {
  const auto expected = records_of(golden("mixed-none"));
  ASSERT_EQ(expected.size(), 7u);
  EXPECT_EQ(expected[0].headers[0].first, "ce_type");
  EXPECT_EQ(expected[0].headers[2].second, "");
  EXPECT_EQ(expected[0].headers[3].second, std::nullopt);
  EXPECT_EQ(expected[1].timestamp, kTime - 1000);
  EXPECT_EQ(expected[1].key, std::nullopt);
  EXPECT_EQ(expected[2].value, std::nullopt);
  EXPECT_EQ(expected[6].offset, 1006);
  for (const Codec codec : kCodecs) {
    const base::Bytes batch = golden("mixed-" + std::string(codec_name(codec)));
    const auto header = check_batch(batch);
    ASSERT_TRUE(header.ok()) << header.error().to_string();
    EXPECT_EQ(header->codec(), codec);
    EXPECT_EQ(header->last_offset(), Offset(1006));
    EXPECT_EQ(header->epoch, Epoch(7));
    EXPECT_EQ(records_of(batch), expected) << codec_name(codec);
  }
}

TEST(Batch, EveryCodecRoundTripsThroughTheBuilder) {
  const auto expected = records_of(mixed(Codec::none));
  for (const Codec codec : kCodecs) {
    const base::Bytes batch = mixed(codec);
    const auto header = check_batch(batch);
    ASSERT_TRUE(header.ok()) << header.error().to_string();
    EXPECT_EQ(header->codec(), codec);
    EXPECT_EQ(records_of(batch), expected) << codec_name(codec);
  }
}

TEST(Batch, WithLogAppendTimeARecordHasTheBatchsTimeAndItsClientsBeside) {
  const auto records = records_of(gaps());
  ASSERT_EQ(records.size(), 4u);
  EXPECT_EQ(records[1].offset, 1003);
  EXPECT_EQ(records[1].timestamp, kTime + 9999);
  EXPECT_EQ(records[1].client_timestamp, kTime + 1003);
}

TEST(Batch, StampingTheAppendTimeLeavesAValidBatch) {
  for (const Codec codec : kCodecs) {
    base::Bytes batch = mixed(codec);
    stamp_append_time(batch, kTime + 77);
    const auto header = check_batch(batch);
    ASSERT_TRUE(header.ok()) << header.error().to_string();
    EXPECT_TRUE(header->log_append_time());
    EXPECT_EQ(header->codec(), codec);
    EXPECT_EQ(header->max_timestamp, kTime + 77);
    EXPECT_EQ(records_of(batch)[1].client_timestamp, kTime - 1000);
  }
}

TEST(Batch, ARecordIsReadByItsPlaceAlone) {
  const base::Bytes batch = gaps();
  const auto header = parse_batch_fields(base::ByteView(batch).first(kBatchHeaderBytes));
  ASSERT_TRUE(header.ok());
  std::vector<HeaderView> headers;
  std::size_t at = kBatchHeaderBytes;
  for (const auto& expected : records_of(batch)) {
    const base::ByteView rest = base::ByteView(batch).subspan(at);
    const auto size = record_size(rest.first(5), rest.size());
    ASSERT_TRUE(size.ok() && size->has_value());
    const auto record = parse_record_at(rest.first(**size), *header, at, headers);
    ASSERT_TRUE(record.ok()) << record.error().to_string();
    EXPECT_EQ(own(*record), expected);
    EXPECT_EQ(record->bytes.size(), **size);
    EXPECT_EQ(parse_record_at(rest.first(**size - 1), *header, at, headers).error().code, Code::corrupt);
    at += **size;
  }
  EXPECT_EQ(at, batch.size());
  const base::Bytes packed = mixed(Codec::lz4);
  EXPECT_EQ(parse_record_at(packed, *parse_batch_header(packed), 61, headers).error().code, Code::corrupt);
}

TEST(Batch, TheSizeIsKnownFromTwelveBytesAndNeverBelieved) {
  base::Bytes batch = gaps();
  EXPECT_EQ(batch_size(base::ByteView(batch).first(11), 1u << 20).value(), std::nullopt);
  EXPECT_EQ(batch_size(base::ByteView(batch).first(12), 1u << 20).value(), batch.size());
  EXPECT_EQ(batch_size(batch, batch.size()).value(), batch.size());
  EXPECT_EQ(batch_size(batch, batch.size() - 1).error().code, Code::corrupt);
  for (const std::int32_t length : {48, 0, -1, std::numeric_limits<std::int32_t>::min()}) {
    base::store_be<std::int32_t>(batch.data() + 8, length);
    EXPECT_EQ(batch_size(batch, 1u << 20).error().code, Code::corrupt);
    EXPECT_EQ(parse_batch_header(batch).error().code, Code::corrupt);
  }
  EXPECT_EQ(batch_size(base::Bytes(61), 1u << 20).error().code, Code::corrupt) << "zeros are no batch";
}

TEST(Batch, CutAtAnyByteItIsRefused) {
  for (const Codec codec : kCodecs) {
    const base::Bytes batch = mixed(codec);
    for (std::size_t size = 0; size < batch.size(); size += size < 200 ? 1 : 37) {
      const base::Bytes cut(batch.begin(), batch.begin() + static_cast<std::ptrdiff_t>(size));  // its own memory, for ASan
      EXPECT_EQ(check_batch(cut).error().code, Code::corrupt);
      EXPECT_EQ(for_each_record(cut, {}, [](const RecordView&) { return Status(); }).error().code, Code::corrupt);
    }
  }
}

TEST(Batch, CutWithItsLengthAndCrcMadeToFitItIsRefused) {
  for (const Codec codec : kCodecs) {
    const base::Bytes batch = codec == Codec::none ? gaps() : mixed(codec);
    for (std::size_t size = kBatchHeaderBytes; size < batch.size(); ++size) {
      base::Bytes cut(batch.begin(), batch.begin() + static_cast<std::ptrdiff_t>(size));
      reseal(cut);
      const auto status = for_each_record(cut, {}, [](const RecordView&) { return Status(); });
      EXPECT_EQ(status.ok() ? Code::internal : status.error().code, Code::corrupt) << codec_name(codec) << " cut to " << size;
    }
  }
}

TEST(Batch, EveryFlippedBitThatTheCrcCoversIsRefused) {
  for (const Codec codec : kCodecs) {
    const base::Bytes batch = codec == Codec::none ? gaps() : mixed(codec);
    for (std::size_t bit = 0; bit < batch.size() * 8; ++bit) {
      const std::size_t at = bit / 8;
      base::Bytes flipped = batch;
      flipped[at] ^= static_cast<std::byte>(1u << (bit % 8));
      const bool covered = at >= 21 || (at >= 8 && at < 12) || (at >= 16 && at < 21);
      if (covered) {
        ASSERT_EQ(check_batch(flipped).ok(), false) << codec_name(codec) << " bit " << bit;
      }
      (void)for_each_record(flipped, {}, [](const RecordView&) { return Status(); });  // ASan: stays within its bytes
    }
  }
}

// Raw record bytes in a batch whose header and CRC are right.
base::Bytes batch_of(base::Bytes records, std::int32_t count, std::int32_t last_offset_delta) {
  BatchBuilder b;
  BatchHeader h;
  h.last_offset_delta = last_offset_delta;
  base::Bytes batch = finish(b, kTime, h);
  base::put_bytes(batch, records);
  base::store_be<std::int32_t>(batch.data() + 57, count);
  reseal(batch);
  return batch;
}

base::Bytes raw(std::initializer_list<int> values) {
  base::Bytes out;
  for (const int v : values) out.push_back(static_cast<std::byte>(v));
  return out;
}

TEST(Batch, ARecordThatLiesAboutItselfIsRefused) {
  const struct {
    const char* what;
    base::Bytes records;
    std::int32_t count = 1;
    std::int32_t last_offset_delta = 0;
    Code code = Code::corrupt;
  } kCases[] = {
      {"good: null key and value", raw({12, 0, 0, 0, 1, 1, 0}), 1, 0, Code{}},
      {"good: one header", raw({18, 0, 0, 0, 1, 1, 2, 2, 'a', 1}), 1, 0, Code{}},
      {"length past the end", raw({14, 0, 0, 0, 1, 1, 0})},
      {"length less than any record", raw({10, 0, 0, 0, 1, 1, 0})},
      {"negative length", raw({11, 0, 0, 0, 1, 1, 0})},
      {"length of more than 32 bits", raw({0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0, 0})},
      {"key longer than the record", raw({12, 0, 0, 0, 4, 1, 0})},
      {"key length -2", raw({12, 0, 0, 0, 3, 1, 0})},
      {"value of 2 GiB", raw({20, 0, 0, 0, 1, 0xFE, 0xFF, 0xFF, 0xFF, 0x0F, 0})},
      {"bytes behind the headers", raw({14, 0, 0, 0, 1, 1, 0, 0})},
      {"header count past the end", raw({12, 0, 0, 0, 1, 1, 2})},
      {"2^31 - 1 headers", raw({20, 0, 0, 0, 1, 1, 0xFE, 0xFF, 0xFF, 0xFF, 0x0F})},
      {"negative header count", raw({12, 0, 0, 0, 1, 1, 1})},
      {"null header key", raw({16, 0, 0, 0, 1, 1, 2, 1, 1})},
      {"offset above the batch's last", raw({12, 0, 0, 2, 1, 1, 0})},
      {"negative offset delta", raw({12, 0, 0, 1, 1, 1, 0})},
      {"bytes behind the last record", raw({12, 0, 0, 0, 1, 1, 0, 0})},
      {"fewer records than said", raw({12, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0}), 2, 1},
      {"two records at one offset", raw({12, 0, 0, 2, 1, 1, 0, 12, 0, 0, 2, 1, 1, 0}), 2, 1},
      {"more records than bytes", raw({12, 0, 0, 0, 1, 1, 0}), 2, 1},
      {"negative count", raw({12, 0, 0, 0, 1, 1, 0}), -1},
      {"more records than offsets", raw({12, 0, 0, 0, 1, 1, 0, 12, 0, 0, 2, 1, 1, 0}), 2, 0},
  };
  for (const auto& c : kCases) {
    const base::Bytes batch = batch_of(c.records, c.count, c.last_offset_delta);
    const auto status = for_each_record(batch, {}, [](const RecordView&) { return Status(); });
    EXPECT_EQ(status.ok() ? Code{} : status.error().code, c.code) << c.what;
    if (!status.ok()) EXPECT_NE(status.error().detail.find("base offset 0"), std::string::npos) << status.error().detail;
  }
}

TEST(Batch, AHeaderThatLiesAboutItselfIsRefused) {
  const auto refused = [](std::size_t at, auto value) {
    base::Bytes batch = gaps();
    base::store_be<decltype(value)>(batch.data() + at, value);
    reseal(batch);
    const auto header = check_batch(batch);
    return !header.ok() && header.error().code == Code::corrupt;
  };
  EXPECT_TRUE(refused(0, std::int64_t{-1})) << "base offset";
  EXPECT_TRUE(refused(0, std::numeric_limits<std::int64_t>::max() - 200)) << "offsets past 63 bits";
  EXPECT_TRUE(refused(16, std::int8_t{1})) << "magic";
  EXPECT_TRUE(refused(21, std::int16_t{5})) << "codec";
  EXPECT_TRUE(refused(23, std::int32_t{-1})) << "last offset delta";
}

TEST(Batch, TooManyHeadersAreRefusedByTheLimit) {
  std::vector<HeaderInput> headers(17, {"h", as_bytes("v")});
  BatchBuilder b;
  b.add(kTime, as_bytes("k"), as_bytes("v"), headers);
  const base::Bytes batch = finish(b, -1);
  EXPECT_EQ(records_of(batch)[0].headers.size(), 17u);
  BatchLimits limits;
  limits.headers_per_record_max = 16;
  const auto status = for_each_record(batch, limits, [](const RecordView&) { return Status(); });
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Code::too_large);
}

TEST(Batch, WhatABatchUnpacksToIsCapped) {
  const base::Bytes zeros(8u << 20);
  for (const Codec codec : {Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd}) {
    BatchBuilder b(codec);
    b.add(kTime, std::nullopt, zeros, {});
    const base::Bytes batch = finish(b, -1);
    BatchLimits limits;
    limits.uncompressed_bytes_max = 1u << 20;
    RecordCursor cursor(limits);
    EXPECT_EQ(cursor.start(batch).error().code, Code::too_large) << codec_name(codec);
    EXPECT_FALSE(cursor.next());
    EXPECT_EQ(cursor.status().error().code, Code::too_large);
    limits.uncompressed_bytes_max = 64u << 20;
    limits.ratio_max = 10;
    EXPECT_EQ(RecordCursor(limits).start(batch).error().code, Code::too_large) << codec_name(codec);
    limits.ratio_max = 1 << 20;
    RecordCursor patient(limits);
    ASSERT_TRUE(patient.start(batch).ok());
    ASSERT_TRUE(patient.next());
    EXPECT_EQ(patient.record().value->size(), zeros.size());
    EXPECT_FALSE(patient.next());
    EXPECT_TRUE(patient.status().ok());
  }
}

// A megabyte of one letter is a few dozen bytes of zstd, and what a client puts into a batch by default.
TEST(Batch, WhatAClientPutsIntoABatchByDefaultIsTakenHoweverWellItIsPacked) {
  const base::Bytes same(1'000'000, std::byte{'a'});
  for (const Codec codec : {Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd}) {
    BatchBuilder b(codec);
    b.add(kTime, std::nullopt, same, {});
    RecordCursor cursor;
    const base::Bytes batch = finish(b, -1);
    ASSERT_TRUE(cursor.start(batch).ok()) << codec_name(codec);
    ASSERT_TRUE(cursor.next());
    EXPECT_EQ(cursor.record().value->size(), same.size());
  }
}

TEST(Batch, AnErrorOfTheVisitorEndsTheWalk) {
  int seen = 0;
  const auto status = for_each_record(gaps(), {}, [&](const RecordView&) -> Status {
    if (++seen == 2) return Error{Code::cancelled, "enough"};
    return {};
  });
  EXPECT_EQ(status.error().code, Code::cancelled);
  EXPECT_EQ(seen, 2);
}

TEST(Batch, ACursorIsUsedAgainForOtherBatches) {
  RecordCursor cursor;
  for (int round = 0; round < 3; ++round) {
    for (const Codec codec : kCodecs) {
      const base::Bytes batch = mixed(codec);
      ASSERT_TRUE(cursor.start(batch).ok());
      int count = 0;
      while (cursor.next()) ++count;
      EXPECT_TRUE(cursor.status().ok());
      EXPECT_EQ(count, 7);
      const base::Bytes bad = batch_of(raw({12, 0, 0, 2, 1, 1, 0}), 1, 0);
      ASSERT_TRUE(cursor.start(bad).ok());
      EXPECT_FALSE(cursor.next());
      EXPECT_FALSE(cursor.next());
      EXPECT_EQ(cursor.status().error().code, Code::corrupt);
    }
  }
}

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t below(std::uint64_t n) { return engine_() % n; }
  std::string text(std::size_t size_max) {
    std::string out(below(size_max + 1), '\0');
    for (char& c : out) c = static_cast<char>(below(7) == 0 ? below(256) : 'a' + below(4));
    return out;
  }
  std::optional<std::string> maybe_text(std::size_t size_max) {
    if (below(5) == 0) return std::nullopt;
    return text(size_max);
  }

 private:
  std::mt19937_64 engine_;
};

TEST(Batch, RandomBatchesRoundTrip) {
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    Random random(seed);
    const Codec codec = kCodecs[random.below(std::size(kCodecs))];
    BatchBuilder builder(codec);
    std::vector<OwnedRecord> expected(1 + random.below(40));
    std::int32_t delta = -1;
    for (auto& r : expected) {
      delta += 1 + static_cast<std::int32_t>(random.below(4) == 0 ? random.below(1000) : 0);
      r.offset = delta;
      r.timestamp = r.client_timestamp = kTime + static_cast<std::int64_t>(random.below(100'000)) - 50'000;
      r.key = random.maybe_text(40);
      r.value = random.maybe_text(random.below(10) == 0 ? 20'000 : 200);
      r.headers.resize(random.below(6));
      for (auto& [key, value] : r.headers) {
        key = random.text(20);
        value = random.maybe_text(60);
      }
      add(builder, r, delta);
    }
    const base::Bytes batch = finish(builder, -1);
    ASSERT_TRUE(check_batch(batch).ok()) << "seed " << seed;
    ASSERT_EQ(records_of(batch), expected) << "seed " << seed;
  }
}

}  // namespace
}  // namespace baton::log
