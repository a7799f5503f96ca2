#include "log/catalogue.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "base/crc32c.h"
#include "base/hex.h"
#include "base/sha256.h"
#include "log/catalogue_for_test.h"
#include "log/catalogue_records.h"

namespace baton::log {
namespace {

Result<std::uint64_t> load(base::ByteView bytes, CatalogueState& state, CataloguePosition& position) {
  state = {};
  position = {};
  return load_records(bytes, position, state, "catalogue");
}

// As `hexdump -C`.
std::string dump(base::ByteView bytes) {
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += 16) {
    const base::ByteView line = bytes.subspan(at, std::min<std::size_t>(16, bytes.size() - at));
    char text[16];
    std::snprintf(text, sizeof text, "%08zx ", at);
    out += "    " + std::string(text);
    for (std::size_t i = 0; i < line.size(); ++i) out += (i == 8 ? "  " : " ") + base::to_hex(line.subspan(i, 1));
    out += "  |";
    for (const std::byte b : line) out += b >= std::byte{32} && b < std::byte{127} ? static_cast<char>(b) : '.';
    out += "|\n";
  }
  return out;
}

TEST(Catalogue, TheWorkedExampleOfTheDocumentIsTheFirstRecordOfAStore) {
  Machine m;
  const auto made = m.create();
  const base::Bytes content = m.content();
  ASSERT_EQ(content.size(), 512u);
  // The clock of the simulation has moved a little by then; the document shows a round time.
  const auto payload = store_payload(store_id(), 1'700'000'000'000, "baton").value();
  const auto record = encode_record({}, CatalogueRecord::store, payload);
  const std::string shown = dump(base::ByteView(record).first(kCatalogueFixedBytes + payload.size()));
  const auto text = os::read_file(os::make_posix_env()->fs(), BATON_SOURCE_DIR "/docs/formats/catalogue.md", 1u << 20);
  ASSERT_TRUE(text.ok());
  EXPECT_NE(base::as_text(*text).find(shown), std::string_view::npos) << "the document should show:\n" << shown;
  const auto same_time = store_payload(store_id(), made->state().created_ms, "baton").value();
  EXPECT_EQ(content, encode_record({}, CatalogueRecord::store, same_time));
}

TEST(Catalogue, WhatWasAppendedIsThereAfterOpening) {
  Machine m;
  const auto c = m.create();
  run_all(*c);
  const CatalogueState& s = c->state();
  EXPECT_EQ(s.store_id, store_id());
  EXPECT_EQ(s.epoch, Epoch(3));
  EXPECT_EQ(s.topics.at(topic_id(1)).settings,
            (Settings{{"retention.ms", "1000"}, {"baton.partitioner", "murmur2"}, {"x", ""}}));
  EXPECT_FALSE(s.topics.at(topic_id(1)).removed);
  EXPECT_TRUE(s.topics.at(topic_id(2)).removed);
  // What lay before the first listing was written in the epoch before it.
  EXPECT_EQ(s.epochs.at(partition(1)), (std::vector<EpochStart>{{Epoch(1), Offset(0)}, {Epoch(3), Offset(110)}}));
  ASSERT_EQ(s.seals.size(), 3u);
  EXPECT_EQ(s.seals[s.last_seal.at(partition(1))].next_offset, Offset(230));
  EXPECT_EQ(s.root, s.seals[2].root);
  EXPECT_EQ(s.log_start.at(partition(1)), Offset(100));
  EXPECT_EQ(s.heads_snapshot.at(partition(1)), Offset(100));
  EXPECT_EQ(s.quotas, (QuotaTable{{{.user = QuotaEntity::Of::others, .client = QuotaEntity::Of::named, .user_name = "", .client_id = "slow"}, {{"producer_byte_rate", "1024"}}}}));
  EXPECT_EQ(s.acls, (AclTable{acl("alice"), acl("carol"), acl("dave")}));
  EXPECT_TRUE(s.clean_close);
  EXPECT_EQ(s.clean_round, Round(77));
  EXPECT_EQ(m.state(true), s);
  EXPECT_EQ(m.content().size(), c->bytes());

  EXPECT_TRUE(c->add_note("again").ok());
  EXPECT_FALSE(c->state().clean_close) << "only the last record closes";
  EXPECT_EQ(m.state(true), c->state());
  EXPECT_EQ(m.state(), c->state());  // for writing, which makes the file anew: last, since `c` still has the old one
}

TEST(Catalogue, TheRootIsTheRunningHashOfTheSeals) {
  Machine m;
  const auto c = m.create();
  run_all(*c);
  Hash256 root{};
  for (const Seal& s : c->state().seals) {
    base::Bytes hashed;
    base::put_bytes(hashed, std::as_bytes(std::span(root)));
    base::put_bytes(hashed, seal_payload(s));
    root = std::bit_cast<Hash256>(base::sha256(hashed));
    EXPECT_EQ(s.root, root);
  }
  EXPECT_EQ(c->state().root, root);
}

TEST(Catalogue, CutAtAnyByteItOpensWithTheRecordsThatAreWholeAndGoesOn) {
  Machine m;
  std::vector<std::pair<std::size_t, CatalogueState>> whole;
  {
    const auto c = m.create();
    whole.emplace_back(c->bytes(), c->state());
    for (const auto& step : steps()) {
      ASSERT_TRUE(step(*c).ok());
      whole.emplace_back(c->bytes(), c->state());
    }
  }
  const base::Bytes content = m.content();
  for (std::size_t size = 0; size < content.size(); size += size % 512 < 64 || size % 512 > 500 ? 1 : 29) {
    m.set_content(base::ByteView(content).first(size));
    auto opened = m.open();
    if (size < 512) {
      ASSERT_EQ(opened.error().code, Code::corrupt) << "a store begins with a whole record";
      EXPECT_EQ(m.content().size(), size) << "and nothing is cut off that is not one";
      continue;
    }
    ASSERT_TRUE(opened.ok()) << opened.error().to_string();
    const auto& expected = *std::find_if(whole.rbegin(), whole.rend(), [&](const auto& w) { return w.first <= size; });
    ASSERT_EQ((*opened)->state(), expected.second) << "cut to " << size;
    EXPECT_EQ((*opened)->torn_bytes(), size - expected.first);
    EXPECT_EQ(m.content().size(), expected.first);
    ASSERT_TRUE((*opened)->add_note("on").ok());
    ASSERT_EQ(m.state(), (*opened)->state());
  }
}

TEST(Catalogue, AFlippedBitIsRefusedUnlessItLooksLikeATornLastRecord) {
  Machine m;
  {
    const auto c = m.create();
    run_all(*c);
  }
  const base::Bytes content = m.content();
  CatalogueState state;
  CataloguePosition position;
  ASSERT_EQ(load(content, state, position).value(), 0u);
  for (std::size_t bit = 0; bit < content.size() * 8; ++bit) {
    base::Bytes flipped = content;
    flipped[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    const auto left = load(flipped, state, position);
    if (bit / 8 >= content.size() - 512) {
      ASSERT_TRUE(left.ok());
      ASSERT_EQ(*left, 512u) << "bit " << bit;
    } else {
      ASSERT_EQ(left.ok() ? Code::internal : left.error().code, Code::corrupt) << "bit " << bit;
      ASSERT_NE(left.error().detail.find("at byte " + std::to_string(position.end)), std::string::npos) << left.error().detail;
    }
  }
}

TEST(Catalogue, DamageBelowTheLastRecordIsRefusedAndNothingIsChanged) {
  Machine m;
  {
    const auto c = m.create();
    run_all(*c);
  }
  m.world.disk().flip_bit(kFile, 512 * 3 + 40, 2);
  const base::Bytes before = m.content();
  for (const bool read_only : {false, true}) {
    const auto opened = m.open(read_only);
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code, Code::corrupt);
    EXPECT_NE(opened.error().detail.find("/store/catalogue, record 3 at byte 1536"), std::string::npos)
        << opened.error().detail;
  }
  EXPECT_EQ(m.content(), before);
}

TEST(Catalogue, AGoodRecordAtTheWrongPlaceIsRefused) {
  Machine m;
  {
    const auto c = m.create();
    run_all(*c);
  }
  const base::Bytes content = m.content();
  const auto sector = [&](std::size_t n) { return base::ByteView(content).subspan(n * 512, 512); };
  CatalogueState state;
  CataloguePosition position;
  const auto code = [&](std::initializer_list<std::size_t> sectors) {
    base::Bytes file;
    for (const std::size_t n : sectors) base::put_bytes(file, sector(n));
    const auto left = load(file, state, position);
    return left.ok() ? Code{} : left.error().code;
  };
  EXPECT_EQ(code({0, 1, 2}), Code{});
  EXPECT_EQ(code({0, 2}), Code::corrupt) << "one is missing";
  EXPECT_EQ(code({0, 1, 1}), Code::corrupt) << "twice";
  EXPECT_EQ(code({1}), Code::corrupt) << "no store record";
  EXPECT_EQ(code({0, 0}), Code::corrupt) << "two store records";

  // Another store's record at the right place: only the chain of CRCs tells.
  base::Bytes mixed(sector(0).begin(), sector(0).end());
  const CataloguePosition other{512, 1, 0x12345678};
  base::put_bytes(mixed, encode_record(other, CatalogueRecord::note, note_payload("from elsewhere").value()));
  EXPECT_EQ(load(mixed, state, position).error().code, Code::corrupt);
}

// A file of whole records of any type and payload.
base::Bytes file_of(const std::vector<std::pair<std::uint16_t, base::Bytes>>& records) {
  base::Bytes file;
  CataloguePosition position;
  for (const auto& [type, payload] : records) {
    const auto record = encode_record(position, static_cast<CatalogueRecord>(type), payload);
    move_behind(position, record);
    base::put_bytes(file, record);
  }
  return file;
}

TEST(Catalogue, ANewerFormatIsRefusedBeforeAnythingIsChanged) {
  base::Bytes newer;
  base::put_le<std::uint32_t>(newer, 2);
  base::put_bytes(newer, base::as_bytes("laid out as somebody will think of"));
  const base::Bytes store = store_payload(store_id(), 1, "baton").value();
  base::Bytes flagged = file_of({{1, store}, {9, note_payload("").value()}});
  flagged[512 + 14] = std::byte{1};
  base::store_le<std::uint32_t>(flagged.data() + 512 + 4, base::crc32c(0, base::ByteView(flagged).subspan(512 + 8, 26)));
  for (base::Bytes file : {file_of({{1, newer}}), file_of({{1, store}, {12, {}}}), file_of({{1, store}, {127, {}}}), flagged}) {
    base::put_bytes(file, base::as_bytes("a torn tail"));
    Machine m;
    m.set_content(file);
    for (const bool read_only : {false, true}) EXPECT_EQ(m.open(read_only).error().code, Code::unsupported_format);
    EXPECT_EQ(m.content(), file);
  }
  Machine m;
  m.set_content(file_of({{1, store}, {129, base::Bytes(600)}, {9, note_payload("after").value()}}));
  ASSERT_TRUE(m.open().ok()) << "from 128 on a type may be passed over";
  EXPECT_EQ((*m.open())->bytes(), 512u * 4);
}

TEST(Catalogue, AStoreIsCreatedOnceAndNotFoundBefore) {
  Machine m;
  EXPECT_EQ(m.open().error().code, Code::not_found);
  EXPECT_EQ(m.open(true).error().code, Code::not_found);
  (void)m.create();
  const base::Bytes before = m.content();
  EXPECT_EQ(Catalogue::create(*m.env, kDirectory, store_id()).error().code, Code::already_exists);
  EXPECT_EQ(m.content(), before);
}

TEST(Catalogue, WhatContradictsTheStateIsRefusedAndNotWritten) {
  Machine m;
  const auto c = m.create();
  run_all(*c);
  const base::Bytes before = m.content();
  const CatalogueState state = c->state();
  const auto code = [](const Status& s) { return s.ok() ? Code{} : s.error().code; };
  EXPECT_EQ(code(c->add_topic(topic(3, "rides"))), Code::already_exists);
  EXPECT_EQ(code(c->add_topic(topic(1, "other"))), Code::already_exists);
  EXPECT_EQ(code(c->add_topic(topic(3, ""))), Code::invalid_argument);
  EXPECT_EQ(code(c->add_topic(topic(3, "none", 0))), Code::invalid_argument);
  EXPECT_EQ(code(c->add_topic(topic(3, "minus", -1))), Code::invalid_argument);
  EXPECT_EQ(code(c->add_topic(topic(3, std::string(70'000, 'x')))), Code::too_large);
  EXPECT_EQ(code(c->set_topic(topic_id(9), {})), Code::not_found);
  EXPECT_EQ(code(c->set_topic(topic_id(2), {})), Code::not_found) << "removed";
  EXPECT_EQ(code(c->remove_topic(topic_id(2))), Code::not_found);
  EXPECT_EQ(code(c->raise_epoch(Epoch(3), 0, false, {})), Code::invalid_argument);
  EXPECT_EQ(code(c->raise_epoch(Epoch(-1), 0, false, {})), Code::invalid_argument);
  EXPECT_EQ(code(c->raise_epoch(Epoch(4), 0, false, {{partition(1), Offset(109)}})), Code::invalid_argument);
  EXPECT_EQ(code(c->raise_epoch(Epoch(4), 0, false, {{partition(1, 2), Offset(0)}})), Code::not_found);
  EXPECT_EQ(code(c->raise_epoch(Epoch(4), 0, false, {{partition(1), Offset(200)}, {partition(1), Offset(201)}})),
            Code::invalid_argument);
  EXPECT_EQ(code(c->add_seal(seal(partition(1), 230, 300, hash_of(7), 1))), Code::invalid_argument) << "the chain";
  EXPECT_EQ(code(c->add_seal(seal(partition(1), 229, 300, hash_of(8), 1))), Code::invalid_argument) << "overlap";
  EXPECT_EQ(code(c->add_seal(seal(partition(1), 240, 239, hash_of(8), 1))), Code::invalid_argument);
  EXPECT_EQ(code(c->add_seal(seal(partition(7), 0, 1, {}, 1))), Code::not_found);
  EXPECT_EQ(code(c->set_log_start(partition(1), Offset(99), true, Offset(0))), Code::invalid_argument);
  EXPECT_EQ(code(c->add_note(std::string(65'536, 'n'))), Code::too_large);
  EXPECT_EQ(code(c->add_partitions(topic_id(1), 2)), Code::invalid_argument) << "as many as there are";
  EXPECT_EQ(code(c->add_partitions(topic_id(1), -1)), Code::corrupt);
  EXPECT_EQ(code(c->add_partitions(topic_id(9), 5)), Code::not_found);
  EXPECT_EQ(code(c->set_quota({}, {{"producer_byte_rate", "1"}})), Code::invalid_argument) << "nobody's";
  EXPECT_EQ(code(c->set_quota({.user = QuotaEntity::Of::others, .user_name = "x"}, {})), Code::corrupt) << "a name that names nobody";
  EXPECT_EQ(code(c->change_acls({}, {acl(std::string(65'536, 'n'))})), Code::too_large);
  Acl unknown = acl("alice");
  unknown.operation = Acl::Operation(13);
  EXPECT_EQ(code(c->change_acls({}, {unknown})), Code::corrupt) << "an operation that there is not";
  EXPECT_EQ(c->state(), state);
  EXPECT_EQ(m.content(), before);
  EXPECT_TRUE(c->add_topic(topic(4, "payments")).ok()) << "the name of a removed topic is free again";
  EXPECT_EQ(m.state(), c->state());
}

TEST(Catalogue, AReaderBesideTheWriterSeesWhatWasAppendedAndChangesNothing) {
  Machine m;
  const auto writer = m.create();
  auto reader = m.open(true);
  ASSERT_TRUE(reader.ok());
  EXPECT_FALSE((*reader)->refresh().value());
  for (const auto& step : steps()) {
    ASSERT_TRUE(step(*writer).ok());
    EXPECT_TRUE((*reader)->refresh().value());
    EXPECT_EQ((*reader)->state(), writer->state());
  }
  EXPECT_EQ((*reader)->add_note("no").error().code, Code::read_only);
  EXPECT_FALSE(writer->refresh().value());

  // A record that is being written shows in parts.
  const base::Bytes before = m.content();
  ASSERT_TRUE(writer->add_note(std::string(1200, 'w')).ok());
  const base::Bytes after = m.content();
  for (std::size_t size = before.size(); size < before.size() + 1200; size += 100) {
    base::Bytes part(after.begin(), after.begin() + static_cast<std::ptrdiff_t>(size));
    part.resize(after.size());  // allocated, not written yet
    m.set_content(part);
    EXPECT_FALSE((*reader)->refresh().value());
    auto late = m.open(true);
    ASSERT_TRUE(late.ok());
    EXPECT_EQ((*late)->torn_bytes(), after.size() - before.size());
    EXPECT_EQ(m.content(), part);
  }
  m.set_content(after);
  EXPECT_TRUE((*reader)->refresh().value());
  EXPECT_EQ((*reader)->state(), writer->state());
  m.set_content(before);
  EXPECT_EQ((*reader)->refresh().error().code, Code::corrupt) << "shortened by somebody";
}

TEST(Catalogue, AFullDiskRefusesARecordAndChangesNothing) {
  Machine m;
  const auto c = m.create();
  ASSERT_TRUE(c->add_topic(topic(1, "rides")).ok());
  const CatalogueState state = c->state();
  m.world.disk().faults.capacity_bytes = m.world.disk().used_bytes();
  const Status full = c->add_note(std::string(60'000, 'f'));
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code, Code::no_space);
  EXPECT_EQ(c->state(), state);
  EXPECT_EQ(m.state(true), state);
  m.world.disk().faults.capacity_bytes = std::uint64_t{1} << 40;
  EXPECT_TRUE(c->add_note("room again").ok());
  EXPECT_EQ(m.state(), c->state());
}

TEST(Catalogue, AfterAFailedWriteOrSyncItTakesNothingMore) {
  for (const bool sync : {false, true}) {
    Machine m;
    const auto c = m.create();
    auto& disk = m.world.disk();
    if (sync) {
      disk.faults.fail_sync_at = disk.counters().syncs + 1;
    } else {
      disk.faults.fail_write_at = disk.counters().writes + 1;
    }
    const CatalogueState state = c->state();
    EXPECT_EQ(c->add_note("lost").error().code, Code::io_error);
    EXPECT_EQ(c->add_note("later").error().code, Code::store_failed);
    EXPECT_EQ(c->state(), state);
  }
}

}  // namespace
}  // namespace baton::log
