// What another process reads, beside the writer or without one.
#include <filesystem>

#include "log/catalogue.h"
#include "log/log_test_support.h"

namespace baton::log {
namespace {

TEST_F(LogTest, AnotherProcessReadsBesideTheWriter) {
  reopen();
  const auto key = make_topic("rides", TopicKind::event, {{"segment.bytes", "4096"}});
  append(key, "a");
  auto beside = open({.read_only = true});
  ASSERT_OK(beside);
  EXPECT_EQ(read_all(*(*beside)->reader(key)), (Values{{0, "a"}}));
  for (int i = 0; i < 20; ++i) append(key, std::string(800, 'x'));
  EXPECT_EQ(read_all(*(*beside)->reader(key)).size(), 1u);
  ASSERT_OK((*beside)->refresh({}));
  EXPECT_EQ(read_all(*(*beside)->reader(key)).size(), 21u);
  settle();
  ASSERT_OK((*beside)->refresh({}));
  EXPECT_EQ(read_all(*(*beside)->reader(key)).size(), 21u);
  const auto second = make_topic("payments");
  append(second, "p");
  ASSERT_OK((*beside)->refresh({}));
  EXPECT_EQ(read_all(*(*beside)->reader(second)), (Values{{0, "p"}}));
  EXPECT_EQ((*beside)->stage(key, make_batch("no")).error().code, Code::read_only);
  ASSERT_OK(log_->close());
  log_.reset();
  ASSERT_OK((*beside)->refresh({}));
  EXPECT_EQ(read_all(*(*beside)->reader(key)).size(), 21u);
  reopen();
  append(key, "after");
  ASSERT_OK((*beside)->refresh({}));
  EXPECT_EQ(read_all(*(*beside)->reader(key)).size(), 22u);
}

// Each of them makes the reader look at the marks of the one segment once more.
TEST_F(LogTest, AReaderFollowsMoreWritersThanItMayHaveFilesOpen) {
  reopen();
  const auto key = make_topic("rides");
  append(key, "a");
  auto beside = open({.read_only = true});
  ASSERT_OK(beside);
  for (std::size_t writer = 1; writer <= 300; ++writer) {
    ASSERT_OK(log_->close());
    log_.reset();
    reopen();
    append(key, "b");
    ASSERT_OK((*beside)->refresh({}));
    ASSERT_EQ(read_all(*(*beside)->reader(key)).size(), writer + 1);
  }
}

TEST_F(LogTest, AClosedStoreIsReadWithoutAWriterAndItsMarks) {
  reopen();
  const auto key = make_topic("rides");
  append(key, "a");
  ASSERT_OK(log_->close());
  log_.reset();
  std::filesystem::remove(directory_.path() + "/live");
  auto closed = open({.read_only = true});
  ASSERT_OK(closed);
  EXPECT_EQ(read_all(*(*closed)->reader(key)), (Values{{0, "a"}}));
}

TEST_F(LogTest, AStoreThatNeedsRecoveryIsNotReadWithoutAWriter) {
  reopen();
  append(make_topic("rides"), "a");
  log_.reset();
  std::filesystem::remove(directory_.path() + "/live");  // as after a restart of the machine
  const auto opened = open({.read_only = true});
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, Code::unavailable);
}

TEST_F(LogTest, MarksOfAnOlderEpochThanTheCataloguesSayNothing) {
  reopen();
  const auto key = make_topic("rides");
  append(key, "a");
  append(key, "b");
  auto beside = open({.read_only = true});
  ASSERT_OK(beside);
  const Epoch epoch = log_->epoch();
  log_.reset();
  {
    // A writer that has found one event only, and whose marks nobody has seen.
    auto catalogue = Catalogue::open(*env_, directory_.path(), false);
    ASSERT_OK(catalogue);
    ASSERT_OK((*catalogue)->raise_epoch(epoch.plus(1), 0, false, {{key, Offset(1)}}));
  }
  const auto opened = open({.read_only = true});
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, Code::unavailable);
  EXPECT_EQ((*beside)->refresh({}).error().code, Code::unavailable);
  EXPECT_EQ(read_all(*(*beside)->reader(key)).size(), 2u);
}

TEST_F(LogTest, AReaderBeginsWhereTheCatalogueSaysWhenTheWriterDiedBeforeItToldItsMarks) {
  reopen();
  const auto key = make_topic("clicks");
  for (const char* value : {"a", "b", "c"}) append(key, value);
  log_.reset();
  const auto tell_the_catalogue = [&](Offset start) {
    auto catalogue = Catalogue::open(*env_, directory_.path(), false);
    ASSERT_OK(catalogue);
    ASSERT_OK((*catalogue)->set_log_start(key, start, true, Offset(0)));
  };
  tell_the_catalogue(Offset(2));
  auto beside = open({.read_only = true});
  ASSERT_OK(beside);
  EXPECT_EQ((*beside)->reader(key)->bounds().log_start, Offset(2));
  // Of a writer that has gone on since its marks were read: there is nothing yet behind what they show.
  tell_the_catalogue(Offset(9));
  ASSERT_OK((*beside)->refresh({}));
  EXPECT_EQ((*beside)->reader(key)->bounds().log_start, Offset(3));
}

namespace fs = std::filesystem;

// All that one can ask of a partition that lacks a file. Each answer is right, or is corrupt with the file's name.
void expect_damage_is_told(const PartitionReader& reader, std::int64_t count, const std::string& partition) {
  const auto expect_named = [&](const Error& error) {
    EXPECT_EQ(error.code, Code::corrupt) << error.to_string();
    EXPECT_TRUE(error.detail.starts_with(partition + "/")) << error.detail;
  };
  bool some = false;
  Offset from(0);
  while (from < Offset(count)) {  // as a scan does
    base::Bytes bytes;
    const auto got = reader.read(from, 4096, bytes);
    if (!got) {
      expect_named(got.error());
      some = true;
      break;
    }
    const auto values = values_of(bytes);
    ASSERT_FALSE(values.empty()) << "nothing at " << from.value();
    EXPECT_EQ(values.front().first, from.value());
    from = got->next;
  }
  EXPECT_TRUE(some) << "read to the end";
  for (some = false, from = Offset(0); from < Offset(count); from = from.plus(1)) {
    base::Bytes bytes;
    const auto got = reader.read(from, 1, bytes);
    if (got) {
      EXPECT_EQ(values_of(bytes).front().first, from.value());
    } else {
      expect_named(got.error());
      some = true;
    }
    const auto slice = reader.slice(from, 1, Offset(count));
    if (slice) {
      ASSERT_TRUE(slice->has_value());
      EXPECT_EQ((*slice)->next, from.plus(1));
    } else {
      expect_named(slice.error());
    }
    EXPECT_EQ(slice.ok(), got.ok()) << from.value();
  }
  EXPECT_TRUE(some);
  const auto found = reader.find_time(INT64_MAX);  // there is none, which only the whole log can tell
  if (!found) expect_named(found.error());
}

enum class Left { closed, killed, killed_later };  // later: behind a checkpoint

class MissingFiles : public LogTest, public testing::WithParamInterface<std::tuple<TopicKind, Left>> {};

TEST_P(MissingFiles, AreToldWhateverIsReadAndNothingIsPassedOver_F9) {
  constexpr std::int64_t kCount = 22;
  const auto [kind, left] = GetParam();
  reopen();
  const auto key = make_topic("rides", kind, {{"segment.bytes", "4096"}});
  for (std::int64_t i = 0; i < kCount; ++i) {
    append(key, std::string(800, 'x'));
    if (i == kCount / 2 && left == Left::killed_later) settle();
  }
  if (left == Left::killed_later) settle();
  if (left == Left::closed) ASSERT_OK(log_->close());
  log_.reset();
  const std::string partition = "topics/" + key.topic.to_hex() + "/0";
  const fs::path directory = fs::path(directory_.path()) / partition;
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(directory)) {
    const auto extension = entry.path().extension();
    if (extension == ".log" || extension == ".marks") files.push_back(entry.path());
  }
  ASSERT_EQ(files.size(), 12u);
  files.push_back(directory);
  const fs::path aside = fs::path(directory_.path()) / "aside";
  for (const auto& file : files) {
    SCOPED_TRACE(file.filename());
    fs::rename(file, aside);
    auto opened = open({.read_only = true});
    ASSERT_OK(opened);
    expect_damage_is_told(*(*opened)->reader(key), kCount, partition);
    fs::rename(aside, file);
    // Nothing is remembered of it.
    ASSERT_OK((*opened)->refresh({}));
    auto again = open({.read_only = true});
    ASSERT_OK(again);
    EXPECT_EQ(read_all(*(*again)->reader(key)).size(), 22u);
  }
}

INSTANTIATE_TEST_SUITE_P(Each, MissingFiles,
                         testing::Combine(testing::Values(TopicKind::plain, TopicKind::event),
                                          testing::Values(Left::closed, Left::killed, Left::killed_later)));

// A reader that began without the marks of a writer, as of a restored store, goes on beside one.
TEST_F(LogTest, AWriterGoesOnWithTheSegmentThatAReaderFoundClosed) {
  for (const TopicKind kind : {TopicKind::event, TopicKind::plain}) {
    reopen();
    const auto key = make_topic(kind == TopicKind::event ? "rides" : "clicks", kind, {{"segment.bytes", "4096"}});
    for (int i = 0; i < 6; ++i) append(key, std::string(800, 'x'));
    ASSERT_OK(log_->close());
    log_.reset();
    fs::remove(directory_.path() + "/live");
    auto beside = open({.read_only = true});
    ASSERT_OK(beside);
    EXPECT_EQ(read_all(*(*beside)->reader(key)).size(), 6u);
    reopen();
    for (int i = 0; i < 12; ++i) {
      append(key, std::string(800, 'y'));
      if (i % 3 == 2) settle();
      ASSERT_OK((*beside)->refresh({}));
      EXPECT_EQ(read_all(*(*beside)->reader(key)).size(), static_cast<std::size_t>(7 + i));
      EXPECT_OK((*beside)->reader(key)->find_time(INT64_MAX));
    }
  }
}

// Its writer died before the marks had it, or a reader looks while it is made. It keeps nobody from the others.
TEST_F(LogTest, ATopicThatIsInTheCatalogueAndNotInTheMarksIsEmpty) {
  reopen();
  const auto key = make_topic("rides");
  append(key, "a");
  log_.reset();
  TopicInfo made{.id = {}, .name = "made", .kind = TopicKind::event, .partitions = 2, .settings = {}};
  made.id.bytes.fill(7);
  {
    auto catalogue = Catalogue::open(*env_, directory_.path(), false);
    ASSERT_OK(catalogue);
    ASSERT_OK((*catalogue)->add_topic(made));
  }
  auto beside = open({.read_only = true});
  ASSERT_OK(beside);
  for (const PartitionId p : {PartitionId(0), PartitionId(1)}) {
    const auto reader = (*beside)->reader({made.id, p});
    ASSERT_NE(reader, nullptr);
    EXPECT_EQ(reader->bounds().visible, VisibleOffset(0));
    EXPECT_TRUE(read_all(*reader).empty());
  }
  EXPECT_EQ(read_all(*(*beside)->reader(key)), (Values{{0, "a"}}));
}

// It tells who reads there, and keeps nobody from the other topics.
TEST_F(LogTest, DamagedMarksAreToldToWhoReadsWhatTheyAreFor) {
  reopen();
  const auto bad = make_topic("bad");
  const auto good = make_topic("good");
  append(bad, "b");
  append(good, "g");
  ASSERT_OK(log_->close());
  log_.reset();
  const std::string name = "topics/" + bad.topic.to_hex() + "/0/00000000000000000000.marks";
  const auto file = env_->fs().open(directory_.path() + "/" + name, {.write = true});
  ASSERT_OK(file);
  ASSERT_OK((*file)->write_at(0, base::Bytes(4, std::byte{'x'})));
  auto opened = open({.read_only = true});
  ASSERT_OK(opened);
  EXPECT_EQ(read_all(*(*opened)->reader(good)), (Values{{0, "g"}}));
  base::Bytes bytes;
  const auto read = (*opened)->reader(bad)->read(Offset(0), 4096, bytes);
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code, Code::corrupt);
  EXPECT_TRUE(read.error().detail.starts_with(name)) << read.error().detail;
}

TEST_F(LogTest, WhatARetentionHasRemovedMeanwhileIsNoDamage) {
  reopen();
  const auto key = make_topic("clicks", TopicKind::plain, {{"segment.bytes", "4096"}});
  const auto other = make_topic("taps", TopicKind::plain);
  for (int i = 0; i < 20; ++i) append(key, std::string(800, 'x'));
  append(other, "t");
  settle();
  auto beside = open({.read_only = true});
  ASSERT_OK(beside);
  ASSERT_OK(log_->remove_before(key, Offset(10), {}));
  ASSERT_OK(log_->remove_topic(other.topic));
  settle();
  base::Bytes bytes;
  const auto old = (*beside)->reader(key)->read(Offset(0), 4096, bytes);
  ASSERT_FALSE(old.ok());
  EXPECT_EQ(old.error().code, Code::removed) << old.error().to_string();
  const auto start = (*beside)->reader(key)->find_start();
  ASSERT_OK(start);
  EXPECT_EQ(*start, Offset(10));
  // A search by time passes over what has gone.
  const auto first = (*beside)->reader(key)->find_time(0);
  ASSERT_OK(first);
  ASSERT_TRUE(first->has_value());
  EXPECT_GE((*first)->offset, Offset(5));
  EXPECT_LE((*first)->offset, Offset(10));
  const auto gone = (*beside)->reader(other)->read(Offset(0), 4096, bytes);
  ASSERT_FALSE(gone.ok());
  EXPECT_EQ(gone.error().code, Code::not_found) << gone.error().to_string();
  ASSERT_OK((*beside)->refresh({}));
  EXPECT_EQ(read_all(*(*beside)->reader(key)).front().first, 10);
}

// Behind the marks a batch's CRC is all there is, and it leaves the offset out.
TEST_F(LogTest, AnOffsetThatWasChangedBehindTheMarksDoesNotEndTheLog) {
  reopen();
  const auto key = make_topic("rides");
  for (const char* value : {"a", "b", "c"}) append(key, value);
  log_.reset();
  const std::string name = "topics/" + key.topic.to_hex() + "/0/00000000000000000000.log";
  const std::string path = directory_.path() + "/" + name;
  const auto file = env_->fs().open(path, {.write = true});
  ASSERT_OK(file);
  const std::uint64_t second = make_batch("a").size();
  for (const int byte : {0, 3, 6, 7}) {  // of the second batch's offset, which is 1
    SCOPED_TRACE(byte);
    const std::uint64_t at = second + static_cast<std::uint64_t>(byte);
    base::Bytes before(1);
    ASSERT_OK((*file)->read_at(at, before));
    ASSERT_OK((*file)->write_at(at, base::Bytes{before[0] ^ std::byte{0x40}}));
    auto opened = open({.read_only = true});
    ASSERT_OK(opened);
    base::Bytes bytes;
    const auto first = (*opened)->reader(key)->read(Offset(0), 1, bytes);
    ASSERT_OK(first);
    const auto next = (*opened)->reader(key)->read(first->next, 1, bytes);
    ASSERT_FALSE(next.ok());
    EXPECT_EQ(next.error().code, Code::corrupt);
    EXPECT_TRUE(next.error().detail.starts_with(name + ", position " + std::to_string(second))) << next.error().detail;
    ASSERT_OK((*file)->write_at(at, before));
  }
}

}  // namespace
}  // namespace baton::log
