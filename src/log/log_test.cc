#include "log/log.h"

#include <atomic>
#include <filesystem>
#include <thread>

#include "log/log_test_support.h"

namespace baton::log {
namespace {

TEST_F(LogTest, WhatWasFlushedIsReadBackInOrder) {
  reopen();
  const auto key = make_topic("rides");
  for (int i = 0; i < 100; ++i) append(key, "v" + std::to_string(i));
  const auto values = read_all(*log_->reader(key));
  ASSERT_EQ(values.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(values[i], (std::pair<std::int64_t, std::string>(i, "v" + std::to_string(i))));
  EXPECT_OK(log_->close());
}

TEST_F(LogTest, WhatIsStagedIsNotVisibleBeforeItsRoundHasEnded) {
  reopen();
  const auto key = make_topic("rides");
  const auto staged = log_->stage(key, make_batch("a"));
  ASSERT_OK(staged);
  EXPECT_EQ(staged->place.base_offset, Offset(0));
  EXPECT_EQ(log_->reader(key)->bounds().visible, VisibleOffset(0));
  auto job = log_->begin_flush();
  ASSERT_OK(log_->stage(key, make_batch("b")));
  job->run();
  EXPECT_EQ(log_->reader(key)->bounds().visible, VisibleOffset(0));
  ASSERT_OK(log_->end_flush(std::move(job)));
  EXPECT_EQ(log_->reader(key)->bounds().visible, VisibleOffset(1));
  flush();
  EXPECT_EQ(read_all(*log_->reader(key)), (Values{{0, "a"}, {1, "b"}}));
}

TEST_F(LogTest, AStoreThatWasLetGoIsRecoveredFromItsJournal) {
  reopen();
  const auto key = make_topic("rides");
  const auto other = make_topic("payments");
  append(key, "a");
  append(other, "x");
  append(key, "b");
  reopen();
  EXPECT_EQ(log_->epoch(), Epoch(2));
  EXPECT_EQ(read_all(*log_->reader(key)), (Values{{0, "a"}, {1, "b"}}));
  EXPECT_EQ(read_all(*log_->reader(other)), (Values{{0, "x"}}));
  append(key, "c");
  reopen();
  settle();
  reopen();
  EXPECT_EQ(read_all(*log_->reader(key)), (Values{{0, "a"}, {1, "b"}, {2, "c"}}));
  const auto reader = log_->reader(key);
  EXPECT_EQ(*reader->epoch_of(Offset(1)), Epoch(1));
  EXPECT_EQ(*reader->epoch_of(Offset(2)), Epoch(2));
  EXPECT_EQ(reader->epoch_end(Epoch(1)), Offset(2));
  EXPECT_EQ(reader->epoch_end(Epoch(2)), Offset(3));
}

TEST_F(LogTest, AStoreThatWasClosedOpensWithoutRecovery) {
  reopen();
  const auto key = make_topic("rides");
  for (int i = 0; i < 10; ++i) append(key, "v" + std::to_string(i));
  ASSERT_OK(log_->close());
  reopen();
  EXPECT_EQ(read_all(*log_->reader(key)).size(), 10u);
  append(key, "after");
  EXPECT_EQ(read_all(*log_->reader(key)).size(), 11u);
  ASSERT_OK(log_->close());
  reopen();
  EXPECT_EQ(read_all(*log_->reader(key)).size(), 11u);
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(LogTest, ASegmentRollsAndIsSealedInOrder) {
  reopen();
  const auto key = make_topic("rides", TopicKind::event, {{"segment.bytes", "4096"}});
  const std::string value(1000, 'x');
  for (int i = 0; i < 40; ++i) {
    append(key, value + std::to_string(i));
    if (i % 7 == 0) settle();
  }
  settle();
  EXPECT_GE(log_->catalogue().seals.size(), 5u);
  EXPECT_EQ(read_all(*log_->reader(key)).size(), 40u);
  reopen();
  EXPECT_EQ(read_all(*log_->reader(key)).size(), 40u);
  ASSERT_OK(log_->close());
  reopen();
  EXPECT_EQ(read_all(*log_->reader(key)).size(), 40u);
}

TEST_F(LogTest, LargeRoundsAreSyncedInPlace) {
  LogOptions options{.in_place_bytes = 8192};
  reopen(options);
  const auto key = make_topic("rides");
  append(key, "small");
  append(key, std::string(20'000, 'x'));
  append(key, "small again");
  reopen(options);
  const auto values = read_all(*log_->reader(key));
  ASSERT_EQ(values.size(), 3u);
  EXPECT_EQ(values[1].second.size(), 20'000u);
}

TEST_F(LogTest, TheJournalBeginsGenerationsAndFreesThem) {
  LogOptions options{.journal_bytes = 64 << 10};
  reopen(options);
  const auto key = make_topic("rides");
  for (int i = 0; i < 400; ++i) {
    append(key, std::string(900, 'a') + std::to_string(i));
    if (i % 10 == 0) settle();
  }
  settle();
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory_.path() + "/journal")) files += entry.is_regular_file() ? 1 : 0;
  EXPECT_LE(files, 3u);
  EXPECT_EQ(read_all(*log_->reader(key)).size(), 400u);
  reopen(options);
  EXPECT_EQ(read_all(*log_->reader(key)).size(), 400u);
}

TEST_F(LogTest, MemoryAndIntervalTopicsAreReadBackAfterAKill) {
  reopen();
  const auto memory = make_topic("fast", TopicKind::plain, {{"durability", "memory"}});
  const auto interval = make_topic("soon", TopicKind::plain, {{"durability", "interval"}});
  append(memory, "m0");
  append(interval, "i0");
  append(memory, "m1");
  EXPECT_EQ(log_->reader(interval)->bounds().durable, DurableOffset(0));
  EXPECT_EQ(log_->reader(interval)->bounds().visible, VisibleOffset(1));
  reopen();
  EXPECT_EQ(read_all(*log_->reader(memory)), (Values{{0, "m0"}, {1, "m1"}}));
  EXPECT_EQ(read_all(*log_->reader(interval)), (Values{{0, "i0"}}));
}

TEST_F(LogTest, TwoLogsCannotHaveOneDirectory) {
  reopen();
  auto second = open();
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Code::locked);
}

TEST_F(LogTest, ReadsStartAnywhereAndStopAtTheirLimits) {
  reopen();
  const auto key = make_topic("rides");
  for (int i = 0; i < 200; ++i) append(key, std::string(500, 'a') + std::to_string(i));
  const auto reader = log_->reader(key);
  for (int from = 0; from < 200; from += 13) {
    base::Bytes bytes;
    const auto got = reader->read(Offset(from), 3000, bytes, Offset(150));
    ASSERT_OK(got);
    if (from >= 150) {
      EXPECT_FALSE(got->first.has_value());
      continue;
    }
    ASSERT_TRUE(got->first.has_value());
    EXPECT_EQ(got->first->base_offset, Offset(from));
    EXPECT_LE(bytes.size(), 3000u);
    EXPECT_EQ(values_of(bytes).back().first + 1, got->next.value());
    EXPECT_LE(got->next, Offset(150));
    base::Bytes again;
    ASSERT_OK(reader->read_at(got->first->base_offset, got->first->position, 61, again));
    EXPECT_TRUE(std::ranges::equal(again, base::ByteView(bytes).first(61)));
  }
}

TEST_F(LogTest, TimesAreFound) {
  reopen();
  const auto key = make_topic("rides", TopicKind::event, {{"segment.bytes", "4096"}});
  for (int i = 0; i < 50; ++i) {
    ASSERT_OK(log_->stage(key, make_batch(std::string(300, 'a'), 1000 + i * 10)));
    flush();
    if (i % 9 == 0) settle();
  }
  const auto reader = log_->reader(key);
  for (int i = 0; i < 50; ++i) {
    const auto found = reader->find_time(1000 + i * 10 - 5);
    ASSERT_OK(found);
    ASSERT_TRUE(found->has_value());
    EXPECT_EQ((*found)->offset, Offset(i));
  }
  EXPECT_FALSE(reader->find_time(5000)->has_value());
}

TEST_F(LogTest, UnknownSettingsAreRefusedWithTheNearestName) {
  reopen();
  const auto made = log_->create_topic("rides", TopicKind::plain, 1, {{"retention.mz", "5"}});
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code, Code::invalid_argument);
  EXPECT_NE(made.error().detail.find("retention.ms"), std::string::npos);
}

// What is open of a removed topic would keep its space on the disk.
TEST_F(LogTest, ARemovedTopicKeepsNoFileOpen) {
  reopen();
  const auto open_files = [&](const TopicId& topic) {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code gone;
      count += std::filesystem::read_symlink(entry.path(), gone).string().find(topic.to_hex()) != std::string::npos ? 1 : 0;
    }
    return count;
  };
  const auto key = make_topic("clicks", TopicKind::plain, {{"segment.bytes", "4096"}});
  for (int i = 0; i < 20; ++i) append(key, std::string(800, 'x'));
  settle();
  EXPECT_GT(open_files(key.topic), 0u);
  ASSERT_OK(log_->remove_topic(key.topic));
  settle();
  EXPECT_EQ(open_files(key.topic), 0u);

  const auto other = make_topic("taps", TopicKind::plain);
  append(other, "t");
  ASSERT_OK(log_->stage(other, make_batch("u")));
  auto flush = log_->begin_flush();
  ASSERT_NE(flush, nullptr);
  ASSERT_OK(log_->remove_topic(other.topic));
  flush->run();
  ASSERT_OK(log_->end_flush(std::move(flush)));
  settle();
  EXPECT_EQ(open_files(other.topic), 0u);
  // And the name is free.
  append(make_topic("clicks", TopicKind::plain), "again");
}

TEST_F(LogTest, RetentionRemovesWholeSegmentsAndNothingElse) {
  reopen();
  const auto key = make_topic("clicks", TopicKind::plain, {{"segment.bytes", "4096"}, {"retention.bytes", "9000"}});
  for (int i = 0; i < 40; ++i) append(key, std::string(800, 'x') + std::to_string(i));
  settle();
  ASSERT_OK(log_->apply_retention({}));
  settle();
  const auto reader = log_->reader(key);
  const auto start = reader->bounds().log_start;
  EXPECT_GT(start, Offset(20));
  EXPECT_GE(reader->bytes(), 9000u);
  EXPECT_EQ(read_all(*reader).size(), static_cast<std::size_t>(40 - start.value()));
  base::Bytes bytes;
  EXPECT_EQ(reader->read(Offset(0), 100, bytes).error().code, Code::removed);
  reopen();
  EXPECT_EQ(log_->reader(key)->bounds().log_start, start);
  EXPECT_EQ(read_all(*log_->reader(key)).size(), static_cast<std::size_t>(40 - start.value()));
  ASSERT_OK(log_->close());
  reopen();
  EXPECT_EQ(read_all(*log_->reader(key)).size(), static_cast<std::size_t>(40 - start.value()));
}

TEST_F(LogTest, ReadersInOtherThreadsSeeWholeRoundsInOrder) {
  reopen({.journal_bytes = 64 << 10});
  const auto key = make_topic("rides", TopicKind::event, {{"segment.bytes", "8192"}});
  const auto reader = log_->reader(key);
  std::atomic<bool> stop{false};
  std::atomic<std::int64_t> seen{0};
  const auto read_on = [&] {
    Offset from(0);
    while (!stop || from < Offset(reader->bounds().visible.value())) {
      base::Bytes bytes;
      const auto got = reader->read(from, 2000, bytes);
      if (!got.ok()) {
        ADD_FAILURE() << got.error().to_string();
        return;
      }
      for (const auto& [offset, value] : values_of(bytes)) EXPECT_EQ(value.substr(0, value.find(' ')), std::to_string(offset));
      (void)reader->find_time(static_cast<std::int64_t>(from.value()));
      (void)reader->epoch_of(from);
      if (got->first) (void)reader->read_at(got->first->base_offset, got->first->position, 61, bytes);
      from = got->next;
      seen = std::max(seen.load(), from.value());
    }
    EXPECT_EQ(from, Offset(300));
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) threads.emplace_back(read_on);
  for (int i = 0; i < 300; ++i) {
    append(key, std::to_string(i) + " " + std::string(300, 'x'));
    if (i % 20 == 0) settle();
  }
  stop = true;
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(seen, 300);
}

TEST_F(LogTest, RoundsRunElsewhereWhileTheOwnerStagesMore) {
  const auto owner = env_->make_executor("owner");
  const auto worker = env_->make_executor("worker");
  const auto flusher = env_->make_executor("flusher");
  const auto on = [](os::Executor& executor, auto&& task) {
    std::atomic<bool> done{false};
    executor.post([&] {
      task();
      done = true;
      done.notify_one();
    });
    done.wait(false);
  };
  std::unique_ptr<Log> log;
  PartitionKey key;
  int staged = 0;
  const auto stage = [&] {
    ASSERT_OK(log->stage(key, make_batch(std::to_string(staged) + std::string(400, 'x'), log->append_time_ms())));
    ++staged;
  };
  on(*owner, [&] {
    auto opened = Log::open(*env_, directory_.path(), {.journal_bytes = 64 << 10, .in_place_bytes = 1500}, *owner, *worker);
    ASSERT_OK(opened);
    log = std::move(*opened);
    key = {log->create_topic("rides", TopicKind::event, 1, {{"segment.bytes", "8192"}}).value(), PartitionId(0)};
    stage();
  });
  for (int i = 0; i < 200; ++i) {
    std::unique_ptr<FlushJob> job;
    on(*owner, [&] { job = log->begin_flush(); });
    std::atomic<bool> ran{false};
    flusher->post([&] {
      job->run();
      ran = true;
      ran.notify_one();
    });
    on(*owner, [&] {
      for (int n = i % 5; n >= 0; --n) stage();
    });
    ran.wait(false);
    on(*owner, [&] { ASSERT_OK(log->end_flush(std::move(job))); });
  }
  on(*owner, [&] {
    ASSERT_OK(log->close());
    EXPECT_EQ(read_all(*log->reader(key)).size(), static_cast<std::size_t>(staged));
    log.reset();
  });
}

// The bytes of a slice.
base::Bytes bytes_of(const PartitionReader::Slice& slice) {
  base::Bytes out(slice.length);
  const auto got = slice.file->read_at(slice.offset, out);
  EXPECT_TRUE(got && *got == slice.length);
  return out;
}

TEST_F(LogTest, ASliceHasTheBatchesThatAReadGives) {
  reopen({.segment_bytes = 64u << 10});
  const auto key = make_topic("rides");
  // Small batches and large ones, in several segments, of one record and of many.
  for (int i = 0; i < 300; ++i) {
    const std::string value(i % 7 == 0 ? 9'000 : 20 + i, static_cast<char>('a' + i % 26));
    ASSERT_OK(log_->stage(key, make_batch(value, log_->append_time_ms(), 1 + i % 3)));
    if (i % 5 == 0) flush();
  }
  flush();
  settle();
  for (const bool again : {false, true}) {
    if (again) reopen({.segment_bytes = 64u << 10});  // now others' marks are checked
    const auto reader = log_->reader(key);
    const Offset end(reader->bounds().visible.value());
    for (std::int64_t from = 0; from <= end.value(); from += 3) {
      for (const std::size_t bytes_max : {1u, 500u, 12'000u, 1u << 20}) {
        const Offset limit(std::min(end.value(), from + 200));
        base::Bytes read;
        const auto got = reader->read(Offset(from), bytes_max, read, limit);
        ASSERT_OK(got);
        const auto slice = reader->slice(Offset(from), bytes_max, limit);
        ASSERT_OK(slice);
        ASSERT_EQ(slice->has_value(), got->first.has_value()) << from;
        if (!*slice) continue;
        EXPECT_EQ((*slice)->next, got->next) << from << " " << bytes_max;
        EXPECT_TRUE(bytes_of(**slice) == read) << from << " " << bytes_max;
      }
    }
  }
}

TEST_F(LogTest, ASliceOfDamagedBytesIsRefusedAfterAnOpen) {
  reopen();
  const auto key = make_topic("rides");
  for (int i = 0; i < 50; ++i) append(key, std::string(500, 'x'));
  settle();
  ASSERT_OK(log_->close());
  log_.reset();
  const std::string file = directory_.path() + "/topics/" + key.topic.to_hex() + "/0/00000000000000000000.log";
  auto opened = env_->fs().open(file, {.write = true});
  ASSERT_OK(opened);
  const std::array<std::byte, 1> damage{std::byte{0x55}};
  ASSERT_OK((*opened)->write_at(1'000, damage));
  reopen();
  const auto slice = log_->reader(key)->slice(Offset(0), 1u << 20, Offset(50));
  ASSERT_FALSE(slice.ok());
  EXPECT_EQ(slice.error().code, Code::corrupt);
}

TEST_F(LogTest, ASliceOutlivesItsSegment) {
  reopen({.segment_bytes = 64u << 10});
  const auto key = make_topic("plain", TopicKind::plain, {{"retention.bytes", "1"}});
  for (int i = 0; i < 60; ++i) append(key, std::string(9'000, 'x'));
  settle();
  const auto slice = log_->reader(key)->slice(Offset(0), 20'000, Offset(60));
  ASSERT_OK(slice);
  const auto before = bytes_of(**slice);
  ASSERT_OK(log_->apply_retention({}));
  settle();
  ASSERT_GT(log_->reader(key)->bounds().log_start, Offset(0));
  EXPECT_TRUE(bytes_of(**slice) == before);
}

}  // namespace
}  // namespace baton::log
