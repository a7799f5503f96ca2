#include "log/producers.h"

#include "base/hex.h"
#include "log/log_test_support.h"

namespace baton::log {
namespace {

// A batch of `records` records of a producer.
base::Bytes batch_of(std::int64_t producer, std::int16_t epoch, std::int32_t sequence, int records = 1, std::string_view value = "v") {
  BatchBuilder builder;
  for (int i = 0; i < records; ++i) builder.add(1000, base::as_bytes("key"), base::as_bytes(value), {});
  BatchHeader fields;
  fields.producer_id = producer;
  fields.producer_epoch = epoch;
  fields.base_sequence = sequence;
  return builder.finish(1000, fields).value();
}

BatchHeader header_of(std::int64_t producer, std::int16_t epoch, std::int32_t sequence, int records = 1, std::int64_t offset = 0) {
  BatchHeader header = parse_batch_header(batch_of(producer, epoch, sequence, records)).value();
  header.base_offset = Offset(offset);
  return header;
}

TEST(ProducerTable, ABatchThatIsSentAgainIsADuplicateOfTheOneThatWasTaken) {
  ProducerTable table;
  ASSERT_FALSE(table.check(header_of(7, 0, 0, 3)).value().has_value());
  table.take(header_of(7, 0, 0, 3, 100), 1000);
  const auto again = table.check(header_of(7, 0, 0, 3));
  ASSERT_OK(again);
  ASSERT_TRUE(again->has_value());
  EXPECT_EQ((*again)->base_offset, Offset(100));
  EXPECT_EQ((*again)->last_offset, Offset(102));
}

TEST(ProducerTable, FiveBatchesAreRememberedAndTheSixthIsOutOfOrder) {
  ProducerTable table;
  for (int i = 0; i < 6; ++i) table.take(header_of(7, 0, i, 1, i), 1000);
  for (int i = 1; i < 6; ++i) EXPECT_TRUE(table.check(header_of(7, 0, i)).value().has_value()) << i;
  EXPECT_EQ(table.check(header_of(7, 0, 0)).error().code, Code::out_of_order);
}

TEST(ProducerTable, AGapIsRefusedAndChangesNothing) {
  ProducerTable table;
  table.take(header_of(7, 0, 0), 1000);
  EXPECT_EQ(table.check(header_of(7, 0, 2)).error().code, Code::out_of_order);
  EXPECT_OK(table.check(header_of(7, 0, 1)));
}

TEST(ProducerTable, AnOldEpochIsFencedAndANewOneBeginsAtZero) {
  ProducerTable table;
  table.take(header_of(7, 3, 0), 1000);
  EXPECT_EQ(table.check(header_of(7, 2, 1)).error().code, Code::fenced);
  EXPECT_EQ(table.check(header_of(7, 4, 1)).error().code, Code::out_of_order);
  ASSERT_OK(table.check(header_of(7, 4, 0)));
  table.take(header_of(7, 4, 0, 1, 9), 1000);
  EXPECT_EQ(table.check(header_of(7, 3, 1)).error().code, Code::fenced);
}

TEST(ProducerTable, SequencesGoRoundAfterTheLargestNumber) {
  ProducerTable table;
  table.take(header_of(7, 0, INT32_MAX - 1, 2), 1000);
  EXPECT_OK(table.check(header_of(7, 0, 0)));
  table.take(header_of(7, 0, 0, 1, 2), 1000);
  table.take(header_of(8, 0, INT32_MAX, 3), 1000);  // from the largest number to 1
  EXPECT_EQ(table.check(header_of(8, 0, 0)).error().code, Code::out_of_order);
  EXPECT_OK(table.check(header_of(8, 0, 2)));
}

TEST(ProducerTable, AProducerOfWhichNothingIsKnownMayGoOnWhereItWas) {
  const ProducerTable table;
  EXPECT_FALSE(table.check(header_of(7, 5, 1234)).value().has_value());
}

TEST(ProducerTable, TheProducersThatWereIdleForLongestLeaveWhenThereAreTooMany) {
  ProducerTable table;
  for (std::size_t i = 0; i <= kProducersMax; ++i) table.take(header_of(static_cast<std::int64_t>(i), 0, 0), static_cast<std::int64_t>(i));
  EXPECT_LE(table.size(), kProducersMax);
  EXPECT_FALSE(table.check(header_of(0, 0, 0)).value().has_value());
  EXPECT_TRUE(table.check(header_of(static_cast<std::int64_t>(kProducersMax), 0, 0)).value().has_value());
  table.expire(kProducerIdleMsMax + static_cast<std::int64_t>(kProducersMax));
  EXPECT_EQ(table.size(), 1u);
}

// The example of docs/formats/producers.md.
TEST(ProducersFile, TheExampleOfTheFormatIsReadAndWrittenByteForByte) {
  StoreId store{};
  ProducerSnapshot entry;
  for (std::size_t i = 0; i < 16; ++i) {
    store[i] = static_cast<std::uint8_t>(i);
    entry.key.topic.bytes[i] = static_cast<std::uint8_t>(0xa0 + i);
  }
  entry.next = Offset(3);
  entry.epoch = Epoch(2);
  entry.batch_crc = 0x11223344;
  entry.table.take(header_of((std::int64_t{1} << 32) + 1, 0, 0, 3), 1000);
  const base::Bytes bytes = encode_producers(store, {&entry});
  EXPECT_EQ(base::to_hex(bytes),
            "42544e50524f4431000102030405060708090a0b0c0d0e0f01000000"
            "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf000000000300000000000000020000004433221101000000"
            "010000000100000000000001e803000000000000"
            "000000000200000000000000000000000200000000000000e803000000000000"
            "adeabd5f");
  const auto read = decode_producers(store, bytes);
  ASSERT_OK(read);
  ASSERT_EQ(read->size(), 1u);
  EXPECT_EQ((*read)[0].key, entry.key);
  EXPECT_EQ((*read)[0].table.sorted(), entry.table.sorted());
}

TEST(ProducersFile, EveryCutAndEveryFlippedBitIsRefused) {
  ProducerSnapshot entry;
  entry.next = Offset(5);
  entry.table.take(header_of(7, 0, 0, 3), 1000);
  const base::Bytes bytes = encode_producers({}, {&entry});
  for (std::size_t i = 0; i < bytes.size(); ++i) EXPECT_EQ(decode_producers({}, base::ByteView(bytes).first(i)).error().code, Code::corrupt) << i;
  for (std::size_t i = 0; i < bytes.size() * 8; ++i) {
    base::Bytes bad = bytes;
    bad[i / 8] ^= std::byte{static_cast<unsigned char>(1u << (i % 8))};
    EXPECT_FALSE(decode_producers({}, bad).ok()) << i;
  }
  EXPECT_EQ(decode_producers(StoreId{1}, bytes).error().code, Code::corrupt);
}

class ProducersTest : public LogTest {
 protected:
  void reopen(bool close) {
    if (log_ && close) ASSERT_OK(log_->close());
    log_.reset();
    settle();
    LogOptions options;
    options.journal_bytes = 64u << 10;
    options.segment_bytes = 16u << 10;
    LogTest::reopen(options);
  }
  void make_topic() { key_ = LogTest::make_topic("t", TopicKind::plain); }
  // As a broker does it.
  Result<std::optional<ProducedBatch>> append(base::Bytes batch) {
    const auto known = log_->check_producer(key_, parse_batch_header(batch).value());
    if (!known || known->has_value()) return known;
    EXPECT_OK(log_->stage(key_, std::move(batch)));
    flush();
    settle();
    return known;
  }
  void expect_state_is_known() {
    const auto again = append(batch_of(7, 1, 398, 2));
    ASSERT_OK(again);
    ASSERT_TRUE(again->has_value());
    EXPECT_EQ((*again)->base_offset, Offset(398));
    EXPECT_EQ(append(batch_of(7, 1, 401)).error().code, Code::out_of_order);
    EXPECT_EQ(append(batch_of(7, 0, 400)).error().code, Code::fenced);
    const auto next = append(batch_of(7, 1, 400));
    ASSERT_OK(next);
    EXPECT_FALSE(next->has_value());
  }
  void write() {
    reopen(false);
    make_topic();
    for (int i = 0; i < 200; ++i) ASSERT_OK(append(batch_of(7, 1, 2 * i, 2, std::string(300, 'x'))));
  }

  PartitionKey key_;
};

// F32.
TEST_F(ProducersTest, AStateSurvivesACleanRestart) {
  write();
  reopen(true);
  expect_state_is_known();
}

TEST_F(ProducersTest, AStateSurvivesAKill) {
  write();
  ASSERT_TRUE(std::filesystem::exists(directory_.path() + "/producers"));  // by a checkpoint: what follows it is read from the log
  reopen(false);
  expect_state_is_known();
}

TEST_F(ProducersTest, AStateIsReadFromTheLogWhenItsFileIsLost) {
  write();
  ASSERT_OK(log_->close());
  std::filesystem::remove(directory_.path() + "/producers");
  reopen(false);
  expect_state_is_known();
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(ProducersTest, AStateIsReadFromTheLogWhenItsFileIsDamaged) {
  write();
  ASSERT_OK(log_->close());
  std::filesystem::resize_file(directory_.path() + "/producers", 50);
  reopen(false);
  EXPECT_EQ(warnings_.size(), 1u);
  expect_state_is_known();
}

// What the file says of a tail that was lost, and written again by somebody else, does not count.
TEST_F(ProducersTest, AFileThatSpeaksOfOtherBatchesIsNotBelieved) {
  write();
  ASSERT_OK(log_->close());
  std::filesystem::copy_file(directory_.path() + "/producers", directory_.path() + "/kept");
  std::filesystem::remove_all(directory_.path() + "/topics");
  std::filesystem::remove_all(directory_.path() + "/journal");
  std::filesystem::remove_all(directory_.path() + "/catalogue");
  std::filesystem::remove_all(directory_.path() + "/producers");
  const PartitionKey before = key_;
  reopen(false);
  make_topic();
  for (int i = 0; i < 300; ++i) ASSERT_OK(append(batch_of(9, 0, 2 * i, 2, std::string(300, 'y'))));
  const auto store = log_->catalogue().store_id;
  ASSERT_OK(log_->close());
  const auto bytes = os::read_file(env_->fs(), directory_.path() + "/kept", 1 << 20).value();
  StoreId old{};
  std::memcpy(old.data(), bytes.data() + 8, old.size());
  auto entries = decode_producers(old, bytes).value();
  ASSERT_EQ(entries.size(), 1u);
  ASSERT_EQ(entries[0].key, before);
  entries[0].key = key_;  // the same partition, with a history that is not its own
  ASSERT_OK(os::replace_file(env_->fs(), directory_.path() + "/producers", encode_producers(store, {&entries[0]})));
  reopen(false);
  EXPECT_EQ(append(batch_of(9, 0, 601)).error().code, Code::out_of_order);
  const auto other = append(batch_of(7, 1, 17));
  ASSERT_OK(other);
  EXPECT_FALSE(other->has_value());  // not known here
}

}  // namespace
}  // namespace baton::log
