#include "cli/lookup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/import_for_test.h"
#include "os/twins_for_test.h"

namespace baton::cli {
namespace {

using ::testing::HasSubstr;

class Lookup : public os::OnBothTwins {
 protected:
  Result<LookupTable> load(std::string_view text, LookupDuplicates duplicates = LookupDuplicates::refuse, std::string name = "l.csv") {
    for_test::write_file(fs(), path(name), text);
    return LookupTable::load(env(), {.path = path(name), .key = "id", .columns = {"name", "city"}, .duplicates = duplicates, .rows_max = 5000, .bytes_max = 500'000});
  }
  static std::string answer(const LookupTable& table, std::string_view key) {
    const auto row = table.find(key);
    if (!row) return "nothing";
    return std::string(table.cell(*row, 0).text) + "/" + std::string(table.cell(*row, 1).text);
  }
};

TEST_P(Lookup, AnswersByKey) {
  const auto table = load("city,other,id,name\nA,x,1,One\nB,y,2,\nC,z,,Empty\n");
  ASSERT_TRUE(table) << table.error().detail;
  EXPECT_EQ(answer(*table, "1"), "One/A");
  EXPECT_EQ(answer(*table, "2"), "/B");
  EXPECT_EQ(answer(*table, ""), "Empty/C");
  EXPECT_EQ(answer(*table, "01"), "nothing");
}

TEST_P(Lookup, RefusesAKeyThatOccursTwiceUnlessTheMapSaysWhichWins) {
  const std::string text = "id,name,city\n1,a,x\n2,b,y\n1,c,z\n";
  const auto refused = load(text);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail, HasSubstr("row 3: the id '1' occurs twice"));
  EXPECT_EQ(answer(*load(text, LookupDuplicates::first), "1"), "a/x");
  EXPECT_EQ(answer(*load(text, LookupDuplicates::last), "1"), "c/z");
  EXPECT_EQ(load(text, LookupDuplicates::last)->rows(), 2U);
}

TEST_P(Lookup, ReadsNdjson) {
  const auto table = load("{\"id\":7,\"name\":\"n\"}\n{\"id\":\"8\",\"name\":null,\"city\":\"c\"}\n", LookupDuplicates::refuse, "l.ndjson");
  ASSERT_TRUE(table) << table.error().detail;
  EXPECT_EQ(answer(*table, "7"), "n/");
  EXPECT_EQ(table->cell(*table->find("7"), 1).kind, Cell::Kind::missing);
  EXPECT_EQ(table->cell(*table->find("8"), 0).kind, Cell::Kind::null);
  EXPECT_THAT(load("{\"name\":1}\n", LookupDuplicates::refuse, "l.ndjson").error().detail, HasSubstr("row 1 has no 'id'"));
}

TEST_P(Lookup, SaysWhatIsWrongWithItsFile) {
  EXPECT_THAT(load("id,nam,city\n").error().detail, HasSubstr("has no column 'name': did you mean 'nam'?"));
  EXPECT_THAT(load("id,name,city\n1\n").error().detail, HasSubstr("row 1: 1 fields where the header has 3"));
  EXPECT_EQ(LookupTable::load(env(), {.path = path("none"), .key = "id", .columns = {}}).error().code, Code::not_found);
}

TEST_P(Lookup, HasLimits) {
  std::string text = "id,name,city\n";
  for (int i = 0; i < 5000; ++i) text += std::to_string(i) + ",n" + std::to_string(i * 7) + ",c\n";
  const auto table = load(text);
  ASSERT_TRUE(table) << table.error().detail;
  for (int i = 0; i < 5000; ++i) ASSERT_EQ(answer(*table, std::to_string(i)), "n" + std::to_string(i * 7) + "/c");
  EXPECT_EQ(load(text + "5000,x,y\n").error().code, Code::too_large);
  EXPECT_EQ(load("id,name,city\n1," + std::string(600'000, 'x') + ",y\n").error().code, Code::too_large);
}

BATON_ON_BOTH_TWINS(Lookup);

}  // namespace
}  // namespace baton::cli
