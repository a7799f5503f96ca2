#include "broker/quotas.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>


namespace baton::broker {
namespace {

constexpr double kNsPerSecond = 1e9;
constexpr std::int64_t kForgetEveryNs = 10'000'000'000;
constexpr std::size_t kAccountsMax = 10'000;  // client ids are the clients' to choose
constexpr double kRateMax = 9e15;             // a whole number of bytes that a double tells from the next one

Error bad(std::string text) { return {Code::invalid_argument, std::move(text)}; }

std::string text_of(double value) {
  std::array<char, 64> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
}

double number_of(std::string_view text) {
  double value = 0;
  (void)std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

Result<log::Settings> changed_quota(const log::Settings& before, const QuotaChange& change) {
  log::Settings out = before;
  for (const auto& [key, value] : change) {
    if (key != kProducedRate && key != kConsumedRate) {
      constexpr std::array<std::string_view, 3> kNotKept = {"request_percentage", "controller_mutation_rate", "connection_creation_rate"};
      const bool known = std::ranges::find(kNotKept, key) != kNotKept.end();
      return bad(known ? "Baton has no quota '" + key + "': it has " + std::string(kProducedRate) + " and " + std::string(kConsumedRate)
                       : "Invalid configuration key " + key.substr(0, 100));
    }
    if (!value) {
      out.erase(key);
      continue;
    }
    if (!(*value > 0)) return bad("Quota " + key + " must be greater than 0");
    if (*value > kRateMax || *value != std::floor(*value)) return bad("Configuration " + key + " must be a Long value");
    out.insert_or_assign(key, text_of(*value));
  }
  return out;
}

Status check_quota_entity(const log::QuotaEntity& entity) {
  using Of = log::QuotaEntity::Of;
  for (const auto& [of, name, what] : {std::tuple(entity.user, &entity.user_name, "user"), std::tuple(entity.client, &entity.client_id, "client-id")}) {
    if (of != Of::named) continue;
    if (name->empty()) return bad(std::string("Invalid empty ") + what + " name");
    if (name->size() > kQuotaNameBytesMax) return bad(std::string("a ") + what + " has at most " + std::to_string(kQuotaNameBytesMax) + " bytes");
  }
  return {};
}

void Quotas::set(const log::QuotaTable& table) {
  Limits limits;
  for (const auto& [entity, values] : table) {
    for (const auto& [key, value] : values) {
      // What a newer program has written is not ours to keep to.
      const double rate = number_of(value);
      if (!(rate > 0)) continue;
      if (key == kProducedRate) limits[entity][Rate::produced] = rate;
      if (key == kConsumedRate) limits[entity][Rate::consumed] = rate;
    }
  }
  auto shown = std::make_shared<const log::QuotaTable>(table);
  const std::lock_guard lock(mutex_);
  table_ = std::move(shown);
  limits_ = std::move(limits);
  any_.store(!limits_.empty(), std::memory_order_relaxed);
}

std::shared_ptr<const log::QuotaTable> Quotas::table() const {
  const std::lock_guard lock(mutex_);
  return table_;
}

std::size_t Quotas::counted() const {
  const std::lock_guard lock(mutex_);
  return accounts_.size();
}

std::optional<Quotas::Limit> Quotas::find(Rate rate, std::string_view user, std::string_view client_id) const {
  using Of = log::QuotaEntity::Of;
  constexpr std::array<std::pair<Of, Of>, 8> kOrder = {{{Of::named, Of::named},
                                                        {Of::named, Of::others},
                                                        {Of::named, Of::any},
                                                        {Of::others, Of::named},
                                                        {Of::others, Of::others},
                                                        {Of::others, Of::any},
                                                        {Of::any, Of::named},
                                                        {Of::any, Of::others}}};
  for (const auto& [of_user, of_client] : kOrder) {
    const auto name = [](Of of, std::string_view text) { return of == Of::named ? std::string(text) : std::string(); };
    const auto found = limits_.find({.user = of_user, .client = of_client, .user_name = name(of_user, user), .client_id = name(of_client, client_id)});
    if (found == limits_.end()) continue;
    const auto value = found->second.find(rate);
    if (value == found->second.end()) continue;
    const bool by_user = of_user != Of::any, by_client = of_client != Of::any;
    return Limit{value->second, Key(rate, by_user, by_user ? user : "", by_client, by_client ? client_id : "")};
  }
  return std::nullopt;
}

std::int64_t Quotas::use(Rate rate, std::string_view user, std::string_view client_id, std::uint64_t bytes, std::int64_t now_ns) {
  if (!any_.load(std::memory_order_relaxed)) return 0;
  const std::lock_guard lock(mutex_);
  const auto limit = find(rate, user.substr(0, kQuotaNameBytesMax), client_id.substr(0, kQuotaNameBytesMax));
  if (!limit) return 0;
  forget_idle(now_ns);
  const double allowance = limit->bytes_a_second;
  const auto [at, fresh] = accounts_.try_emplace(limit->key, Account{.left = allowance, .since_ns = now_ns});
  Account& account = at->second;
  const double passed = static_cast<double>(std::max<std::int64_t>(now_ns - account.since_ns, 0)) / kNsPerSecond;
  account.left = std::min(allowance, account.left + passed * allowance) - static_cast<double>(bytes);
  account.since_ns = std::max(now_ns, account.since_ns);
  if (account.left >= 0) return 0;
  return static_cast<std::int64_t>(std::min<double>(std::ceil(-account.left / allowance * 1'000), kPauseMsMax));
}

// Who has its whole allowance is as if it had never come. Of those who do not, the number is bounded: the ones that owe least are forgotten.
void Quotas::forget_idle(std::int64_t now_ns) {
  const bool many = accounts_.size() >= kAccountsMax;
  if (!many && now_ns - forgotten_ns_ < kForgetEveryNs) return;
  forgotten_ns_ = now_ns;
  // A second after nothing is owed any more, all is there again.
  std::erase_if(accounts_, [&](const auto& one) {
    const auto& [key, account] = one;
    return account.left >= 0 && static_cast<double>(now_ns - account.since_ns) >= kNsPerSecond;
  });
  if (accounts_.size() < kAccountsMax) return;
  std::vector<std::pair<double, Key>> all;
  for (const auto& [key, account] : accounts_) all.emplace_back(account.left, key);
  const auto half = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
  std::ranges::nth_element(all, half, std::ranges::greater());
  for (auto one = all.begin(); one != half; ++one) accounts_.erase(one->second);
}

}  // namespace baton::broker
