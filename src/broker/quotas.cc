#include "broker/quotas.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace baton::broker {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kNsPerSecond = 1'000 * kNsPerMs;
constexpr std::int64_t kForgetEveryNs = 10'000'000'000;
constexpr std::size_t kCountedMax = 10'000;  // client ids are the clients' to choose
constexpr double kRateMax = 9e15;             // a whole number of bytes that a double tells from the next one

Error bad(std::string text) { return {Code::invalid_argument, std::move(text)}; }

std::string text_of(double value) {
  std::array<char, 64> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
}

}  // namespace

double rate_of(std::string_view text) {
  double value = 0;
  (void)std::from_chars(text.data(), text.data() + text.size(), value);
  return value > 0 ? value : 0;
}

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
      const double rate = rate_of(value);
      if (rate == 0) continue;
      if (key == kProducedRate) limits[entity][Rate::produced] = rate;
      if (key == kConsumedRate) limits[entity][Rate::consumed] = rate;
    }
  }
  auto shown = std::make_shared<const log::QuotaTable>(table);
  const std::lock_guard lock(mutex_);
  table_ = std::move(shown);
  limits_ = std::move(limits);
  full_ns_.clear();
  any_.store(!limits_.empty(), std::memory_order_relaxed);
}

std::shared_ptr<const log::QuotaTable> Quotas::table() const {
  const std::lock_guard lock(mutex_);
  return table_;
}

std::size_t Quotas::counted() const {
  const std::lock_guard lock(mutex_);
  return full_ns_.size();
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
  std::int64_t& full = full_ns_[limit->key];
  const double takes = static_cast<double>(bytes) / limit->bytes_a_second * static_cast<double>(kNsPerSecond);
  constexpr std::int64_t kLongest = kNsPerSecond + kDebtMsMax * kNsPerMs;
  full = std::max(full, now_ns) + static_cast<std::int64_t>(std::min(takes, static_cast<double>(kLongest)));
  full = std::min(full, now_ns + kLongest);
  const std::int64_t debt = full - now_ns - kNsPerSecond;
  return debt <= 0 ? 0 : std::min((debt + kNsPerMs - 1) / kNsPerMs, kPauseMsMax);
}

// Who has the whole allowance is as if it had never come. Of the others, the number is bounded: those that owe least are forgotten.
void Quotas::forget_idle(std::int64_t now_ns) {
  if (full_ns_.size() < kCountedMax && now_ns - forgotten_ns_ < kForgetEveryNs) return;
  forgotten_ns_ = now_ns;
  std::erase_if(full_ns_, [&](const auto& one) { return one.second <= now_ns; });
  if (full_ns_.size() < kCountedMax) return;
  std::vector<std::int64_t> times;
  for (const auto& [key, full] : full_ns_) times.push_back(full);
  const auto half = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::ranges::nth_element(times, half);
  std::size_t left_over = times.size() / 2;  // also of many that owe the same
  std::erase_if(full_ns_, [&](const auto& one) { return left_over > 0 && one.second <= *half && left_over-- > 0; });
}

}  // namespace baton::broker
