#include "broker/quotas.h"

#include <gtest/gtest.h>

#include <limits>

namespace baton::broker {
namespace {

using Entity = log::QuotaEntity;
using Of = log::QuotaEntity::Of;

constexpr std::int64_t kSecond = 1'000'000'000;

Entity user(std::string name) { return {.user = Of::named, .user_name = std::move(name)}; }
Entity client(std::string id) { return {.client = Of::named, .client_id = std::move(id)}; }
Entity both(std::string name, std::string id) { return {.user = Of::named, .client = Of::named, .user_name = std::move(name), .client_id = std::move(id)}; }
log::Settings produced(const std::string& rate) { return {{std::string(kProducedRate), rate}}; }

TEST(Quotas, WithoutAQuotaNobodyPauses) {
  Quotas quotas;
  EXPECT_EQ(quotas.use(Rate::produced, "u", "c", 1u << 30, 0), 0);
  quotas.set({{client("other"), produced("1")}});
  EXPECT_EQ(quotas.use(Rate::produced, "u", "c", 1u << 30, 0), 0);
  EXPECT_EQ(quotas.use(Rate::consumed, "u", "other", 1u << 30, 0), 0) << "the other rate";
  EXPECT_EQ(quotas.counted(), 0U);
}

TEST(Quotas, ASecondsWorthIsFreeAndWhatIsMoreIsWaitedFor) {
  Quotas quotas;
  quotas.set({{client("c"), produced("1000")}});
  EXPECT_EQ(quotas.use(Rate::produced, "u", "c", 1'000, 5 * kSecond), 0);
  EXPECT_EQ(quotas.use(Rate::produced, "u", "c", 500, 5 * kSecond), 500);
  // Half of the debt has been waited for, and as much again is used.
  EXPECT_EQ(quotas.use(Rate::produced, "u", "c", 250, 5 * kSecond + kSecond / 4), 500);
  EXPECT_EQ(quotas.use(Rate::produced, "u", "c", 0, 6 * kSecond), 0);
  // Rest is not saved up for more than a second.
  EXPECT_EQ(quotas.use(Rate::produced, "u", "c", 3'000, 100 * kSecond), 2'000);
}

// Over any time, no more than the rate allows, and a second's worth.
TEST(Quotas, WhoPausesAsToldHasItsRate) {
  Quotas quotas;
  quotas.set({{client("c"), produced("10000")}});
  std::int64_t now = 0;
  std::uint64_t sent = 0;
  for (int i = 0; i < 500; ++i) {
    const std::uint64_t bytes = 100 + static_cast<std::uint64_t>(i * 7919 % 5'000);
    sent += bytes;
    now += 1'000'000 * quotas.use(Rate::produced, "u", "c", bytes, now);
  }
  const double allowed = 10'000.0 * (static_cast<double>(now) / kSecond + 1);
  EXPECT_LE(static_cast<double>(sent), allowed + 1);
  EXPECT_GE(static_cast<double>(sent), allowed * 0.98);
}

TEST(Quotas, APauseIsBoundedAndTheRestOfTheDebtStays) {
  Quotas quotas;
  quotas.set({{client("c"), produced("1")}});
  EXPECT_EQ(quotas.use(Rate::produced, "u", "c", 61, 0), kPauseMsMax);
  EXPECT_EQ(quotas.use(Rate::produced, "u", "c", 0, 30 * kSecond), kPauseMsMax);
  EXPECT_EQ(quotas.use(Rate::produced, "u", "c", 0, 60 * kSecond), 0);
}

TEST(Quotas, ADebtIsBoundedAndAChangeLetsItOff) {
  Quotas quotas;
  quotas.set({{client("c"), produced("1")}});
  EXPECT_EQ(quotas.use(Rate::produced, "u", "c", UINT64_MAX, 0), kPauseMsMax);
  EXPECT_EQ(quotas.use(Rate::produced, "u", "c", UINT64_MAX, 1), kPauseMsMax);
  EXPECT_EQ(quotas.use(Rate::produced, "u", "c", 0, kDebtMsMax * 1'000'000 + 1), 0);
  EXPECT_EQ(quotas.use(Rate::produced, "u", "c", 1'000, kDebtMsMax * 1'000'000 + 2), kPauseMsMax);
  quotas.set({{client("c"), produced("2")}});
  EXPECT_EQ(quotas.use(Rate::produced, "u", "c", 1, kDebtMsMax * 1'000'000 + 3), 0);
}

TEST(Quotas, WhoHasPaidIsForgotten) {
  Quotas quotas;
  quotas.set({{{.client = Of::others}, produced("10")}});
  for (int i = 0; i < 100; ++i) EXPECT_GT(quotas.use(Rate::produced, "u", "c" + std::to_string(i), 100, 0), 0);
  (void)quotas.use(Rate::produced, "u", "late", 1, 5 * kSecond);
  EXPECT_EQ(quotas.counted(), 101U);
  (void)quotas.use(Rate::produced, "u", "late", 1, 20 * kSecond);
  EXPECT_EQ(quotas.counted(), 1U);
}

TEST(Quotas, TheNearestOfThoseThatFitCounts) {
  log::QuotaTable table = {
      {both("u", "c"), produced("1000")},
      {{.user = Of::named, .client = Of::others, .user_name = "u"}, produced("2000")},
      {user("v"), produced("3000")},
      {{.user = Of::others, .client = Of::named, .client_id = "c"}, produced("4000")},
      {{.user = Of::others, .client = Of::others}, produced("5000")},
  };
  // Who has used its allowance is told how long the same again takes: a second, whatever the rate.
  const auto rate = [&](const std::string& u, const std::string& c) {
    for (const std::uint64_t bytes : {1'000U, 2'000U, 3'000U, 4'000U, 5'000U, 6'000U, 7'000U, 8'000U}) {
      Quotas one;
      one.set(table);
      if (one.use(Rate::produced, u, c, bytes, 0) == 0 && one.use(Rate::produced, u, c, bytes, 0) == 1'000) return bytes;
    }
    return std::uint64_t{0};
  };
  EXPECT_EQ(rate("u", "c"), 1'000U);
  EXPECT_EQ(rate("u", "d"), 2'000U);
  EXPECT_EQ(rate("v", "c"), 3'000U) << "its user's goes before that of each user and this client id";
  EXPECT_EQ(rate("w", "c"), 4'000U);
  EXPECT_EQ(rate("w", "d"), 5'000U);
  table = {{{.user = Of::others}, produced("6000")}, {client("c"), produced("7000")}, {{.client = Of::others}, produced("8000")}};
  EXPECT_EQ(rate("u", "c"), 6'000U);
  table.erase({.user = Of::others});
  EXPECT_EQ(rate("u", "c"), 7'000U);
  EXPECT_EQ(rate("u", "d"), 8'000U);
  // A quota without this rate is none.
  table.insert_or_assign(both("u", "c"), log::Settings{{std::string(kConsumedRate), "1"}});
  EXPECT_EQ(rate("u", "c"), 7'000U);
}

TEST(Quotas, WhoSharesAQuotaIsCountedTogether) {
  Quotas quotas;
  quotas.set({{user("u"), produced("1000")}, {{.client = Of::others}, produced("1000")}});
  EXPECT_EQ(quotas.use(Rate::produced, "u", "a", 1'000, 0), 0);
  EXPECT_EQ(quotas.use(Rate::produced, "u", "b", 1'000, 0), 1'000) << "one user";
  EXPECT_EQ(quotas.use(Rate::produced, "v", "a", 1'000, 0), 0);
  EXPECT_EQ(quotas.use(Rate::produced, "w", "a", 1'000, 0), 1'000) << "one client id";
  EXPECT_EQ(quotas.use(Rate::produced, "v", "b", 1'000, 0), 0) << "each client id has its own";
}

TEST(Quotas, ClientsThatNameThemselvesAnewEachTimeFillNoMemory) {
  Quotas quotas;
  quotas.set({{{.client = Of::others}, produced("10")}});
  EXPECT_EQ(quotas.use(Rate::produced, "u", "greedy", 1'000'000, 0), kPauseMsMax);
  for (int i = 0; i < 50'000; ++i) (void)quotas.use(Rate::produced, "u", "c" + std::to_string(i), 100, i);
  EXPECT_LE(quotas.counted(), 10'000U);
  EXPECT_EQ(quotas.use(Rate::produced, "u", "greedy", 0, kSecond), kPauseMsMax) << "who owes most is remembered";
  (void)quotas.use(Rate::produced, "u", "c", 1, 1'000 * kSecond);
  EXPECT_LE(quotas.counted(), 10'000U);
}

TEST(Quotas, AChangeIsJudgedAsAWhole) {
  const log::Settings before = {{"consumer_byte_rate", "5"}};
  EXPECT_EQ(*changed_quota(before, {{"producer_byte_rate", 1024.0}}), (log::Settings{{"consumer_byte_rate", "5"}, {"producer_byte_rate", "1024"}}));
  EXPECT_EQ(*changed_quota(before, {{"consumer_byte_rate", std::nullopt}, {"producer_byte_rate", std::nullopt}}), log::Settings());
  const double not_a_number = std::numeric_limits<double>::quiet_NaN(), endless = std::numeric_limits<double>::infinity();
  for (const double wrong : {0.0, -1.0, 1.5, 1e300, endless, not_a_number}) {
    EXPECT_EQ(changed_quota(before, {{"producer_byte_rate", wrong}}).error().code, Code::invalid_argument) << wrong;
  }
  EXPECT_NE(changed_quota(before, {{"request_percentage", 50.0}}).error().detail.find("producer_byte_rate"), std::string::npos);
  EXPECT_EQ(changed_quota(before, {{"rate", 50.0}}).error().code, Code::invalid_argument);
  EXPECT_FALSE(check_quota_entity(user("")).ok());
  EXPECT_FALSE(check_quota_entity(client(std::string(1'001, 'x'))).ok());
  EXPECT_TRUE(check_quota_entity(both("u", "c")).ok());
}

}  // namespace
}  // namespace baton::broker
