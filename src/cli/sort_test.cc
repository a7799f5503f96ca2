#include "cli/sort.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "cli/sort_run.h"
#include "os/twins_for_test.h"

namespace baton::cli {
namespace {

struct Record {
  SortKey key;
  std::string payload;
  friend bool operator==(const Record&, const Record&) = default;
};

std::vector<Record> all(ExternalSorter& sorter) {
  std::vector<Record> out;
  auto records = sorter.read();
  EXPECT_TRUE(records);
  for (Record r;;) {
    std::string_view payload;
    const auto have = (*records)->next(r.key, payload);
    EXPECT_TRUE(have) << have.error().to_string();
    if (!have || !*have) return out;
    r.payload = payload;
    out.push_back(r);
  }
}

class Sorter : public os::OnBothTwins {
 protected:
  std::unique_ptr<ExternalSorter> open(SortOptions options) {
    auto out = ExternalSorter::open(env(), path("tmp/import"), options);
    EXPECT_TRUE(out);
    return *std::move(out);
  }
};

TEST_P(Sorter, GivesBackWhatItGotInOrder) {
  std::mt19937_64 random(7);
  for (const std::size_t fan_in : {2U, 3U, 16U}) {
    auto sorter = open({.run_bytes = 2000, .block_bytes = 256, .fan_in = fan_in});
    std::vector<Record> expected;
    for (std::uint64_t i = 0; i < 3000; ++i) {
      Record r{{static_cast<std::int64_t>(random() % 50) - 25, i}, std::string(random() % 60, static_cast<char>('a' + random() % 26))};
      ASSERT_TRUE(sorter->add(r.key, r.payload));
      expected.push_back(std::move(r));
    }
    std::ranges::sort(expected, {}, &Record::key);
    EXPECT_GT(sorter->runs(), 16U);
    ASSERT_TRUE(sorter->finish());
    EXPECT_LE(sorter->runs(), fan_in);
    EXPECT_EQ(sorter->records(), 3000U);
    EXPECT_EQ(all(*sorter), expected);
    EXPECT_EQ(all(*sorter), expected);  // a second time
  }
}

TEST_P(Sorter, TakesNothingAndWhatIsLargerThanARun) {
  {
    auto sorter = open({});
    ASSERT_TRUE(sorter->finish());
    EXPECT_TRUE(all(*sorter).empty());
  }
  auto sorter = open({.run_bytes = 100, .block_bytes = 64});
  const std::vector<Record> records = {{{1, 0}, std::string(100'000, 'x')}, {{2, 0}, ""}, {{3, 0}, std::string(300, 'y')}};
  for (const auto at : {2U, 0U, 1U}) ASSERT_TRUE(sorter->add(records[at].key, records[at].payload));
  ASSERT_TRUE(sorter->finish());
  EXPECT_EQ(all(*sorter), records);
}

TEST_P(Sorter, RemovesItsFilesAndThoseOfAnEarlierOne) {
  ASSERT_TRUE(os::make_directories(fs(), path("tmp/import")));
  ASSERT_TRUE(os::replace_file(fs(), path("tmp/import/run-7"), base::as_bytes("left")));
  {
    auto sorter = open({.run_bytes = 100});
    EXPECT_TRUE(fs().list(path("tmp/import"))->empty());
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(sorter->add({i, 0}, std::string(40, 'z')));
    EXPECT_FALSE(fs().list(path("tmp/import"))->empty());
  }
  EXPECT_FALSE(*fs().exists(path("tmp/import")));
}

TEST_P(Sorter, EveryDamagedByteIsFound) {
  auto sorter = open({});
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(sorter->add({i, 0}, "payload " + std::to_string(i)));
  ASSERT_TRUE(sorter->finish());
  const auto file = path("tmp/import/run-0");
  const auto good = *os::read_file(fs(), file, 1 << 20);
  const auto outcome = [&] {
    auto records = sorter->read();
    if (!records) return records.error().code;
    SortKey key;
    std::string_view payload;
    int count = 0;
    for (;; ++count) {
      const auto have = (*records)->next(key, payload);
      if (!have) return have.error().code;
      if (!*have) return count == 20 ? Code::internal : Code::not_found;
    }
  };
  EXPECT_EQ(outcome(), Code::internal);  // whole
  for (std::size_t i = 0; i < good.size(); ++i) {
    auto bad = good;
    bad[i] ^= std::byte{0x10};
    ASSERT_TRUE(os::replace_file(fs(), file, bad));
    EXPECT_EQ(outcome(), Code::corrupt) << "byte " << i;
    ASSERT_TRUE(os::replace_file(fs(), file, base::ByteView(good).first(i)));
    if (i > 0) EXPECT_EQ(outcome(), Code::corrupt) << "cut at " << i;
  }
}

BATON_ON_BOTH_TWINS(Sorter);

}  // namespace
}  // namespace baton::cli
