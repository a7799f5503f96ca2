#include "store/heads_snapshot.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "os/sim_env.h"

namespace baton::store {
namespace {

const log::PartitionKey kPartition{{{1, 2, 3}}, log::PartitionId(0)};

std::vector<StreamHead> make_heads(std::size_t count) {
  std::vector<StreamHead> heads;
  for (std::size_t i = 0; i < count; ++i) {
    heads.push_back({.name = "ride-" + std::to_string(i) + std::string(i % 7 == 0 ? 240 : i % 5, 'x'),
                     .last_version = StreamVersion(static_cast<std::int64_t>(i * i) - 1),
                     .truncated_before = StreamVersion(static_cast<std::int64_t>(i % 3)),
                     .deleted = i % 4 == 1,
                     .last_offset = log::Offset(static_cast<std::int64_t>(i * 10))});
  }
  std::ranges::sort(heads, {}, [](const StreamHead& head) { return std::pair(stream_hash(head.name), head.name); });
  return heads;
}

class HeadsTest : public ::testing::Test {
 protected:
  HeadsTest() { world_.disk().write("/d/keep", {}); }

  Status write(const std::vector<StreamHead>& heads, log::Offset offset = log::Offset(65536)) {
    auto writer = HeadsWriter::create(env_, "/d", kPartition, offset);
    if (!writer) return writer.error();
    for (const auto& head : heads) {
      if (auto added = (*writer)->add(head); !added) return added;
    }
    return (*writer)->finish();
  }
  std::vector<StreamHead> read_all(const HeadsReader& reader, Status& status) {
    std::vector<StreamHead> heads;
    status = reader.for_each([&](const StreamHead& head) {
      heads.push_back(head);
      return true;
    });
    return heads;
  }

  os::SimWorld world_{{.seed = 5}};
  os::SimEnv env_{world_};
  const std::string path_ = "/d/" + heads_file_name(log::Offset(65536));
};

TEST(HeadsFileName, IsReadBackAndNothingElseIs) {
  EXPECT_EQ(heads_file_name(log::Offset(65536)), "heads-00000000000000065536");
  EXPECT_EQ(parse_heads_file_name("heads-00000000000000065536"), log::Offset(65536));
  for (const char* other : {"heads-1", "heads-0000000000000006553x", "heads-00000000000000065536.tmp", "index", ""}) {
    EXPECT_EQ(parse_heads_file_name(other), std::nullopt) << other;
  }
}

TEST_F(HeadsTest, GivesBackEveryHeadAndNoOther) {
  for (const std::size_t count : {0, 1, 2, 5000}) {
    const auto heads = make_heads(count);
    ASSERT_TRUE(write(heads));
    const auto reader = HeadsReader::open(env_, path_, kPartition);
    ASSERT_TRUE(reader) << reader.error().to_string();
    EXPECT_EQ((*reader)->count(), count);
    EXPECT_EQ((*reader)->offset(), log::Offset(65536));
    Status status;
    EXPECT_EQ(read_all(**reader, status), heads);
    EXPECT_TRUE(status);
    for (const auto& head : heads) {
      const auto found = (*reader)->find(head.name);
      ASSERT_TRUE(found);
      EXPECT_EQ(*found, head);
      EXPECT_EQ(*(*reader)->find(head.name + "-"), std::nullopt);
    }
    EXPECT_EQ(*(*reader)->find("nobody"), std::nullopt);
  }
}

TEST_F(HeadsTest, RefusesHeadsOutOfOrderOrTwiceAndNamesOfTheWrongLength) {
  auto heads = make_heads(2);
  EXPECT_EQ(write({heads[1], heads[0]}).error().code, Code::invalid_argument);
  EXPECT_EQ(write({heads[0], heads[0]}).error().code, Code::invalid_argument);
  heads[0].name.clear();
  EXPECT_EQ(write({heads[0]}).error().code, Code::invalid_argument);
  heads[0].name = std::string(256, 'a');
  EXPECT_EQ(write({heads[0]}).error().code, Code::invalid_argument);
  EXPECT_EQ(world_.disk().files().size(), 1u) << "an unfinished snapshot stayed";
}

TEST_F(HeadsTest, IsTheOldOrTheNewFileAfterAPowerLossAnywhere) {
  const auto old_heads = make_heads(100);
  const auto new_heads = make_heads(3000);
  for (std::uint64_t n = 1;; ++n) {
    os::SimWorld world({.seed = n});
    world.disk().write("/d/keep", {});
    Status written;
    {
      os::SimEnv env(world);
      for (const auto& heads : {old_heads, new_heads}) {
        auto writer = HeadsWriter::create(env, "/d", kPartition, log::Offset(65536));
        if (writer) {
          for (const auto& head : heads) written = (*writer)->add(head);
          written = (*writer)->finish();
        } else {
          written = writer.error();
        }
        if (heads.size() == old_heads.size()) {
          world.disk().faults.power_loss_at = world.disk().counters().mutations + n;
        }
      }
    }
    world.disk().faults.power_loss_at = 0;
    world.disk().restart();
    os::SimEnv env(world);
    const auto reader = HeadsReader::open(env, path_, kPartition);
    ASSERT_TRUE(reader) << n << ": " << reader.error().to_string();
    Status status;
    const auto heads = read_all(**reader, status);
    ASSERT_TRUE(status);
    EXPECT_TRUE(heads == new_heads || (!written && heads == old_heads)) << n;
    if (written) {
      EXPECT_GT(n, 5u);
      break;
    }
  }
}

TEST_F(HeadsTest, OneUnderTheNameOfAnotherOffsetIsDamage) {
  ASSERT_TRUE(write(make_heads(20)));
  const auto reader = HeadsReader::open(env_, path_, kPartition);
  ASSERT_TRUE(reader);
  const std::string other = os::join(os::parent(path_), heads_file_name((*reader)->offset().plus(1)));
  world_.disk().write(other, *world_.disk().read(path_));
  const auto renamed = HeadsReader::open(env_, other, kPartition);
  ASSERT_FALSE(renamed);
  EXPECT_EQ(renamed.error().code, Code::corrupt);
}

TEST_F(HeadsTest, DamageOfAnyByteIsAnErrorAndNeverAnEmptyAnswer) {
  const auto heads = make_heads(20);
  ASSERT_TRUE(write(heads));
  const base::Bytes good = *world_.disk().read(path_);
  for (std::size_t at = 0; at < good.size(); at += at < 3000 || at > 65'500 ? 1 : 101) {
    base::Bytes bad = good;
    bad[at] ^= std::byte{0x10};
    world_.disk().write(path_, bad);
    const auto reader = HeadsReader::open(env_, path_, kPartition);
    if (!reader) {
      EXPECT_EQ(reader.error().code, Code::corrupt);
      continue;
    }
    Status status;
    (void)read_all(**reader, status);
    ASSERT_FALSE(status) << at;
    EXPECT_EQ(status.error().code, Code::corrupt);
    EXPECT_FALSE((*reader)->find("nobody")) << at;
  }
  for (std::size_t size = 0; size < good.size(); size += 97) {
    world_.disk().write(path_, base::ByteView(good).first(size));
    EXPECT_FALSE(HeadsReader::open(env_, path_, kPartition)) << size;
  }
}

TEST_F(HeadsTest, OfAnotherPartitionIsRefused) {
  ASSERT_TRUE(write(make_heads(3)));
  EXPECT_EQ(HeadsReader::open(env_, path_, {kPartition.topic, log::PartitionId(1)}).error().code, Code::corrupt);
  EXPECT_EQ(HeadsReader::open(env_, path_, {{{9}}, log::PartitionId(0)}).error().code, Code::corrupt);
  EXPECT_EQ(HeadsReader::open(env_, "/d/none", kPartition).error().code, Code::not_found);
}

}  // namespace
}  // namespace baton::store
