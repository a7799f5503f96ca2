// F9 at the ends of the journal and of the catalogue: damage that looks like an end.
#include <algorithm>

#include "log/log_failures_for_test.h"

namespace baton::log {
namespace {

// Of a process that died the marks tell what it had acknowledged, as long as the machine runs: what looks like an end is none.
TEST_F(LogFailures, F9AcknowledgedRoundsThatAreMissingAtTheEndAreRefusedWhenOnlyTheProcessDied) {
  open();
  make_topic();
  for (const char* value : {"a", "b", "c"}) ASSERT_OK(append(value));
  const auto positions = record_positions();
  const auto path = journal();
  kill();
  const auto whole = *world_.disk().read(path);
  for (const std::uint64_t from : {positions[1], positions[2], positions[3], positions[3] + 70}) {
    for (const bool zeros : {true, false}) {
      auto bytes = whole;
      if (zeros) std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(from), bytes.end(), std::byte{0});
      else bytes.resize(from);
      world_.disk().write(path, bytes);
      const auto before = world_.disk().files();
      const auto opened = try_open();
      ASSERT_FALSE(opened.ok()) << from;
      EXPECT_EQ(opened.error().code, Code::corrupt) << opened.error().to_string();
      EXPECT_NE(opened.error().detail.find("journal/"), std::string::npos) << opened.error().detail;
      const auto report = verify(*env_, kDirectory, std::nullopt, {});
      ASSERT_OK(report);
      EXPECT_FALSE(report->findings.empty());
      stop();
    }
  }
  world_.disk().write(path, whole);
  open();
  EXPECT_EQ(values(), (Values{{0, "a"}, {1, "b"}, {2, "c"}}));
}

TEST_F(LogFailures, F9ACatalogueThatIsShorterThanItsWriterHadItIsRefused) {
  open();
  make_topic();
  const std::size_t with_topic = world_.disk().read("/data/catalogue")->size();
  ASSERT_OK(log_->create_topic("payments", TopicKind::event, 1, {}));  // nothing else tells of it
  for (const bool closed : {false, true}) {
    if (closed) {
      open();
      ASSERT_OK(append("a"));
      ASSERT_OK(log_->close());
    }
    kill();
    const auto whole = *world_.disk().read("/data/catalogue");
    for (std::size_t size = with_topic; size < whole.size(); size += 512) {
      world_.disk().write("/data/catalogue", base::ByteView(whole).first(size));
      for (const bool read_only : {false, true}) {
        const auto opened = try_open({.read_only = read_only});
        ASSERT_FALSE(opened.ok()) << size;
        EXPECT_EQ(opened.error().code, Code::corrupt) << opened.error().to_string();
        EXPECT_TRUE(opened.error().detail.starts_with("catalogue")) << opened.error().detail;
      }
      stop();
    }
    world_.disk().write("/data/catalogue", whole);
  }
}

TEST_F(LogFailures, F9ADamagedLastRecordOfTheCatalogueStaysAsItIsWhenTheOpenIsRefused) {
  open();
  make_topic();
  ASSERT_OK(log_->create_topic("payments", TopicKind::event, 1, {}));
  const std::size_t last = world_.disk().read("/data/catalogue")->size() - 512;
  // Beside the writer, and when it has died.
  flip("/data/catalogue", last + 40);
  for (const bool killed : {false, true}) {
    if (killed) kill();
    const auto damaged = *world_.disk().read("/data/catalogue");
    os::SimEnv beside(world_);
    const auto report = verify(beside, kDirectory, std::nullopt, {});
    ASSERT_OK(report);
    EXPECT_FALSE(report->findings.empty());
    if (killed) EXPECT_EQ(try_open().error().code, Code::corrupt);
    EXPECT_EQ(*world_.disk().read("/data/catalogue"), damaged);
  }
  EXPECT_TRUE(warnings_.empty());
}

// In any boot: its number would be given again.
TEST_F(LogFailures, F9ACatalogueThatLacksTheEpochOfTheJournalIsRefused) {
  open();
  make_topic();
  kill();
  const std::size_t before = world_.disk().read("/data/catalogue")->size();
  open();
  ASSERT_OK(append("a"));
  lose_power();
  const auto whole = *world_.disk().read("/data/catalogue");
  world_.disk().write("/data/catalogue", base::ByteView(whole).first(before));
  const auto opened = try_open();
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, Code::corrupt);
  EXPECT_TRUE(opened.error().detail.starts_with("catalogue: its end is missing")) << opened.error().detail;
  stop();
  world_.disk().write("/data/catalogue", whole);
  open();
  EXPECT_EQ(values(), (Values{{0, "a"}}));
}

}  // namespace
}  // namespace baton::log
