#include "broker/batch_check.h"
#include "broker/cloud_event.h"

#include <gtest/gtest.h>

namespace baton::broker {
namespace {

constexpr std::int64_t kNowMs = 1'700'000'000'000;

log::TopicConfig config() {
  log::TopicConfig out;
  out.produced_bytes_max = 1u << 20;
  return out;
}

base::Bytes batch_of(int records, log::Codec codec = log::Codec::none, log::BatchHeader fields = {}, std::int64_t timestamp = kNowMs) {
  log::BatchBuilder builder(codec);
  for (int i = 0; i < records; ++i) builder.add(timestamp, base::as_bytes("key"), base::as_bytes("a value that is a value"), {});
  return builder.finish(-1, fields).value();
}

ProduceError check(base::ByteView batch, const log::TopicConfig& topic = config(), bool zstd = true) {
  BatchChecker checker;
  return checker.check(batch, topic, kNowMs, zstd).error;
}

TEST(BatchCheck, ABatchOfEachCodecIsGood) {
  for (const auto codec : {log::Codec::none, log::Codec::gzip, log::Codec::snappy, log::Codec::lz4, log::Codec::zstd}) {
    EXPECT_EQ(check(batch_of(10, codec)), ProduceError::none) << static_cast<int>(codec);
  }
  EXPECT_EQ(check(batch_of(1, log::Codec::zstd), config(), false), ProduceError::unsupported_compression_type);
}

TEST(BatchCheck, EveryCutIsRefused) {
  const base::Bytes batch = batch_of(3);
  for (std::size_t i = 0; i < batch.size(); ++i) EXPECT_EQ(check(base::ByteView(batch).first(i)), ProduceError::invalid_record) << i;
}

TEST(BatchCheck, EveryFlippedBitUnderTheCrcIsRefused) {
  const base::Bytes batch = batch_of(2);
  for (std::size_t i = log::kBatchCrcAt * 8; i < batch.size() * 8; ++i) {
    base::Bytes bad = batch;
    bad[i / 8] ^= std::byte{static_cast<unsigned char>(1u << (i % 8))};
    EXPECT_EQ(check(bad), ProduceError::corrupt_message) << i;
  }
}

TEST(BatchCheck, OldFormatsAndSecondBatchesAreRefused) {
  base::Bytes batch = batch_of(1);
  base::Bytes two = batch;
  base::put_bytes(two, batch);
  EXPECT_EQ(check(two), ProduceError::invalid_record);
  for (const int magic : {0, 1}) {
    batch[16] = static_cast<std::byte>(magic);
    EXPECT_EQ(check(batch), ProduceError::unsupported_version);
  }
}

TEST(BatchCheck, ABatchAboveTheTopicsLimitIsTooLarge) {
  log::TopicConfig small = config();
  small.produced_bytes_max = 100;
  EXPECT_EQ(check(batch_of(10), small), ProduceError::message_too_large);
}

// S16: a megabyte of zeros becomes a kilobyte, and what it would unpack to has a limit.
TEST(BatchCheck, ABatchThatUnpacksToTooMuchIsRefused) {
  log::BatchBuilder builder(log::Codec::gzip);
  const std::string zeros(4u << 20, '\0');
  for (int i = 0; i < 4; ++i) builder.add(kNowMs, std::nullopt, base::as_bytes(zeros), {});
  const base::Bytes batch = builder.finish(-1).value();
  BatchChecker checker(log::BatchLimits{.uncompressed_bytes_max = 8u << 20, .ratio_max = 1u << 20});
  EXPECT_EQ(checker.check(batch, config(), kNowMs, true).error, ProduceError::message_too_large);
}

TEST(BatchCheck, WhatOnlyTheBrokerWritesIsRefusedFromProducers) {
  log::BatchHeader control;
  control.attributes = 0x20;
  EXPECT_EQ(check(batch_of(1, log::Codec::none, control)), ProduceError::invalid_record);
  log::BatchHeader transactional;
  transactional.attributes = 0x10;
  transactional.producer_id = 7;
  transactional.producer_epoch = 0;
  transactional.base_sequence = 0;
  EXPECT_EQ(check(batch_of(1, log::Codec::none, transactional)), ProduceError::invalid_txn_state);
  log::BatchHeader without_sequence;
  without_sequence.producer_id = 7;
  without_sequence.producer_epoch = 0;
  EXPECT_EQ(check(batch_of(1, log::Codec::none, without_sequence)), ProduceError::invalid_record);
  log::BatchHeader longer;
  longer.last_offset_delta = 5;
  EXPECT_EQ(check(batch_of(1, log::Codec::none, longer)), ProduceError::invalid_record);
}

TEST(BatchCheck, TimesThatAreTooFarFromNowAreNamedRecordByRecord) {
  BatchChecker checker;
  const base::Bytes batch = batch_of(2, log::Codec::none, {}, kNowMs + 3'600'001);
  const BatchVerdict verdict = checker.check(batch, config(), kNowMs, true);
  EXPECT_EQ(verdict.error, ProduceError::invalid_timestamp);
  ASSERT_EQ(verdict.records.size(), 2u);
  EXPECT_EQ(verdict.records[1].record, 1);
  log::TopicConfig append_time = config();
  append_time.append_time = true;
  EXPECT_EQ(checker.check(batch, append_time, kNowMs, true).error, ProduceError::none);
}

TEST(BatchCheck, AConditionOnAPlainTopicIsRefused) {
  log::BatchBuilder builder;
  const std::string_view version = "no-stream";
  const log::HeaderInput condition{.key = kExpectedVersionHeader, .value = base::as_bytes(version)};
  builder.add(kNowMs, base::as_bytes("key"), base::as_bytes("value"), {});
  builder.add(kNowMs, base::as_bytes("key"), base::as_bytes("value"), {&condition, 1});
  const base::Bytes batch = builder.finish(-1, {}).value();
  BatchChecker checker;
  const BatchVerdict verdict = checker.check(batch, config(), kNowMs, true);
  EXPECT_EQ(verdict.error, ProduceError::invalid_record);
  ASSERT_EQ(verdict.records.size(), 1u);
  EXPECT_EQ(verdict.records[0].record, 1);
  log::TopicConfig context = config();
  context.kind = log::TopicKind::event;
  EXPECT_EQ(checker.check(batch, context, kNowMs, true).error, ProduceError::none);
}

TEST(BatchCheck, TimesAtTheEndsOfTheRangeAreFarToo) {
  log::TopicConfig topic = config();
  topic.timestamp_before_ms_max = 1'000;
  topic.timestamp_after_ms_max = INT64_MAX;
  for (const std::int64_t early : {INT64_MIN, INT64_MIN + 1, std::int64_t{0}}) {
    EXPECT_EQ(check(batch_of(1, log::Codec::none, {}, early), topic), ProduceError::invalid_timestamp) << early;
  }
  EXPECT_EQ(check(batch_of(1, log::Codec::none, {}, INT64_MAX), topic), ProduceError::none);
  topic.timestamp_before_ms_max = INT64_MAX;
  EXPECT_EQ(check(batch_of(1, log::Codec::none, {}, INT64_MIN + kNowMs + 1), topic), ProduceError::none);
}

}  // namespace
}  // namespace baton::broker
