// Runs of batches past the page cache, on the simulated disk.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "log/direct_writer.h"
#include "os/sim_env.h"

namespace baton::log {
namespace {

class DirectWriters : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = env_.fs().open("/file", {.write = true, .create = true});
    ASSERT_TRUE(opened.ok());
    file_ = std::move(*opened);
    ASSERT_TRUE(file_->allocate(0, kBytes).ok());
    ASSERT_TRUE(file_->write_at(0, base::as_bytes(expected_)).ok());
  }
  // Writes `pieces` behind what the file has up to `position`, and compares the whole file.
  void write(std::size_t position, const std::vector<std::string>& pieces) {
    std::vector<base::ByteView> views;
    std::size_t end = position;
    for (const auto& piece : pieces) {
      views.push_back(base::as_bytes(piece));
      expected_.replace(end, piece.size(), piece);
      end += piece.size();
    }
    const std::string lead = expected_.substr(position / 512 * 512, position % 512);
    if (end > position) {
      for (; end % 512 != 0; ++end) expected_[end] = '\0';
    }
    ASSERT_TRUE(writer_.write(*file_, position, base::as_bytes(lead), views).ok());
    base::Bytes content(kBytes);
    ASSERT_EQ(*file_->read_at(0, content), kBytes);
    ASSERT_EQ(base::as_text(content), expected_);
  }
  [[nodiscard]] std::uint64_t direct_writes() { return world_.disk().counters().direct_writes; }

  static constexpr std::size_t kBytes = 8u << 20;
  std::string expected_ = std::string(kBytes, '.');
  os::SimWorld world_;
  os::SimEnv env_{world_};
  std::unique_ptr<os::File> file_;
  DirectWriter writer_;
};

TEST_F(DirectWriters, APieceWithinOneSectorKeepsWhatIsBeforeIt) {
  write(0, {"first"});
  write(5, {"second", "", "third"});
  write(16, {std::string(496, 'x')});
  write(512, {"y"});
  EXPECT_EQ(direct_writes(), 4U);
}

TEST_F(DirectWriters, ALongRunIsWrittenInSteps) {
  write(700, {std::string(300'000, 'a'), std::string(3'000'000, 'b'), std::string(77, 'c')});
  EXPECT_EQ(direct_writes(), 4U);
}

TEST_F(DirectWriters, ARunThatEndsWithAStepHasNoRest) {
  write(0, {std::string(1u << 20, 'a'), std::string(1u << 20, 'b')});
  EXPECT_EQ(direct_writes(), 2U);
  write(2u << 20, {std::string(512, 'c')});
  EXPECT_EQ(direct_writes(), 3U);
}

TEST_F(DirectWriters, AnErrorOfTheDiskIsToldAndTheNextWriteIsWhole) {
  world_.disk().faults.capacity_bytes = world_.disk().used_bytes();
  const std::string beyond(1024, 'x');
  const base::ByteView piece = base::as_bytes(beyond);
  EXPECT_EQ(writer_.write(*file_, kBytes, {}, std::span(&piece, 1)).error().code, Code::no_space);
  write(0, {"again"});
}

}  // namespace
}  // namespace baton::log
