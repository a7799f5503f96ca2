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

}  // namespace
}  // namespace baton::log
