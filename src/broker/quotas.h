// Quotas: how many bytes a second clients may produce and consume (Kafka's client quotas: its documentation, "Quotas").
//
// Of all quotas that fit a client one counts, for each of the two rates: that of its user and client id, then of its user, then of its client id; at each step a
// name goes before "each that has none by name". Clients with the same user and client id share what a quota with both gives; a quota of users alone is shared
// by all client ids of a user, one of client ids alone by all who use that id.
//
// A client is never refused for its rate. What it has used is counted when it is used; who has used more than the rate allows is told for how long to pause, and
// its connection is not read meanwhile. What one second allows may be used at once.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <baton/result.h>

#include "log/catalogue.h"

namespace baton::broker {

enum class Rate : std::uint8_t { produced, consumed };
inline constexpr std::string_view kProducedRate = "producer_byte_rate";
inline constexpr std::string_view kConsumedRate = "consumer_byte_rate";

inline constexpr std::int64_t kPauseMsMax = 30'000;       // the rest of a longer pause is the next one
inline constexpr std::int64_t kDebtMsMax = 3'600'000;     // what is more is let off: a wrong quota locks nobody out for ever
inline constexpr std::size_t kQuotaNameBytesMax = 1'000;  // of a user or a client id

// One change: nullopt takes the key's value away.
using QuotaChange = std::map<std::string, std::optional<double>>;

// A rate as it is kept; 0: that is none.
[[nodiscard]] double rate_of(std::string_view text);
// The values that an entity has with a change. invalid_argument: a key that is unknown, a value that is no rate.
[[nodiscard]] Result<log::Settings> changed_quota(const log::Settings& before, const QuotaChange& change);
// invalid_argument: a name that is empty or too long.
[[nodiscard]] Status check_quota_entity(const log::QuotaEntity& entity);

class Quotas {
 public:
  // [any] The quotas from now on: nobody owes anything.
  void set(const log::QuotaTable& table);
  [[nodiscard]] std::shared_ptr<const log::QuotaTable> table() const;

  // [any] Counts `bytes`, and says for how many milliseconds the client is to pause: 0 to kPauseMsMax.
  [[nodiscard]] std::int64_t use(Rate rate, std::string_view user, std::string_view client_id, std::uint64_t bytes, std::int64_t now_ns);
  [[nodiscard]] std::size_t counted() const;  // who are remembered; for tests

 private:
  // Rate, and the user and the client id of those who share it ("" with false: whoever).
  using Key = std::tuple<Rate, bool, std::string, bool, std::string>;
  struct Limit {
    double bytes_a_second = 0;
    Key key;
  };
  using Limits = std::map<log::QuotaEntity, std::map<Rate, double>>;
  [[nodiscard]] std::optional<Limit> find(Rate rate, std::string_view user, std::string_view client_id) const;
  void forget_idle(std::int64_t now_ns);

  std::atomic<bool> any_{false};  // without quotas nothing is locked
  mutable std::mutex mutex_;
  std::shared_ptr<const log::QuotaTable> table_ = std::make_shared<const log::QuotaTable>();
  Limits limits_;
  std::map<Key, std::int64_t> full_ns_;  // when all of a second's allowance will be there again: more than a second from now is a debt
  std::int64_t forgotten_ns_ = 0;
};

}  // namespace baton::broker
