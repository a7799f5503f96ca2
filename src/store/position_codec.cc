#include "store/position_codec.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "base/try.h"
#include "store/limits.h"

namespace baton::store {
namespace {

constexpr std::string_view kVersionPrefix = "p1.";
constexpr std::size_t kTopicDigits = 16;

Error malformed(const Position& position) {
  std::string shown = position.token.substr(0, 100);
  if (shown.size() < position.token.size()) shown += "...";
  return {Code::invalid_argument, "'" + shown + "' is not a position of this version of Baton. Use one that a call returned, unchanged."};
}

Error lost(const Position& position, std::string_view why) {
  std::string detail = "position " + position.token + ": ";
  ((detail += why) += ". Read again from the beginning, or from a time.");
  return {Code::position_lost, std::move(detail)};
}

void put_number(std::string& out, std::int64_t value) {
  char digits[20];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value);
  (void)error;  // 20 characters hold every 64-bit number
  out.append(digits, static_cast<std::size_t>(end - digits));
}

// One text a number: no sign, no leading zero.
template <typename T>
bool take_number(std::string_view text, T& out) {
  if (text.empty() || (text[0] == '0' && text.size() > 1) || text[0] == '-') return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

// The fields of a position: numbers, and '-' for a partition of which nothing was seen, '-<n>' for n of them in a row.
class Fields {
 public:
  explicit Fields(std::string& out) : out_(out) {}
  void put(std::int64_t offset) {
    if (offset == kNoOffset) {
      put_none(1);
      return;
    }
    end();
    separate();
    put_number(out_, offset);
  }
  void put_none(std::size_t count) { none_ += count; }
  void end() {
    if (none_ == 0) return;
    separate();
    out_ += '-';
    if (none_ > 1) put_number(out_, static_cast<std::int64_t>(none_));
    none_ = 0;
  }

 private:
  void separate() {
    if (!std::exchange(first_, false)) out_ += ',';
  }

  std::string& out_;
  std::size_t none_ = 0;
  bool first_ = true;
};

void put_offsets(std::string& out, std::span<const std::int64_t> offsets) {
  Fields fields(out);
  for (const std::int64_t offset : offsets) fields.put(offset);
  fields.end();
}

// A field, which may stand for several partitions.
bool take_field(std::string_view field, std::vector<std::int64_t>& offsets) {
  if (!field.starts_with('-')) return take_number(field, offsets.emplace_back());
  std::size_t count = 1;
  field.remove_prefix(1);
  if (!field.empty() && (!take_number(field, count) || count < 2)) return false;
  if (count > kPartitionsMax - std::min(offsets.size(), kPartitionsMax)) return false;
  offsets.insert(offsets.end(), count, kNoOffset);
  return true;
}

std::string prefix_of(const log::TopicId& topic) {
  std::string prefix(kVersionPrefix);
  prefix += topic_text(topic);
  return prefix += '.';
}

}  // namespace

std::string topic_text(const log::TopicId& topic) { return topic.to_hex().substr(0, kTopicDigits); }

Result<PositionParts> parse_position(const Position& position) {
  PositionParts parts;
  std::string_view text = position.token;
  if (text.empty()) return parts;
  if (text.size() > kPositionBytesMax || !text.starts_with(kVersionPrefix)) return malformed(position);
  text.remove_prefix(kVersionPrefix.size());
  if (text.size() < kTopicDigits + 1 || text[kTopicDigits] != '.') return malformed(position);
  parts.topic = text.substr(0, kTopicDigits);
  if (parts.topic.find_first_not_of("0123456789abcdef") != std::string::npos) return malformed(position);
  text.remove_prefix(kTopicDigits + 1);
  const auto dot = text.find('.');
  std::int32_t epoch = 0;
  if (dot == std::string_view::npos || !take_number(text.substr(0, dot), epoch)) return malformed(position);
  parts.epoch = log::Epoch(epoch);
  text.remove_prefix(dot + 1);
  for (;;) {
    const auto comma = text.find(',');
    if (!take_field(text.substr(0, comma), parts.offsets)) return malformed(position);
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

Position make_position(const log::TopicId& topic, log::Epoch epoch, std::span<const std::int64_t> offsets) {
  if (std::ranges::all_of(offsets, [](std::int64_t o) { return o == kNoOffset; })) return {};
  Position position{prefix_of(topic)};
  put_number(position.token, epoch.value());
  position.token += '.';
  put_offsets(position.token, offsets);
  return position;
}

std::int64_t epoch_end(std::span<const log::EpochStart> table, log::Epoch epoch, log::VisibleOffset visible) {
  const auto next = std::ranges::find_if(table, [&](const log::EpochStart& e) { return e.epoch > epoch; });
  return next == table.end() ? visible.value() : std::min(next->start.value(), visible.value());
}

Result<std::vector<std::int64_t>> check_position(const Position& position, const log::TopicId& topic, std::int32_t partitions,
                                                 log::Epoch newest, const EpochEnd& end_of) {
  auto parsed = parse_position(position);
  if (!parsed) return std::move(parsed).error();
  const PositionParts& parts = *parsed;
  std::vector<std::int64_t> next(static_cast<std::size_t>(partitions), 0);
  if (parts.is_beginning()) return next;
  if (parts.topic != topic_text(topic)) return lost(position, "it belongs to another context or another store");
  if (parts.offsets.size() != next.size()) return lost(position, "its context has another number of partitions");
  if (parts.epoch > newest) {
    return lost(position, "it was written in epoch " + std::to_string(parts.epoch.value()) + ", and this store has not come beyond epoch " +
                              std::to_string(newest.value()) + ": the store was restored from an older backup");
  }
  for (std::size_t i = 0; i < next.size(); ++i) {
    const std::int64_t offset = parts.offsets[i];
    if (offset == kNoOffset) continue;
    const std::int64_t end = end_of(static_cast<std::int32_t>(i), parts.epoch);
    if (offset >= end) {
      return lost(position, "epoch " + std::to_string(parts.epoch.value()) + " ends before offset " + std::to_string(end) +
                                " in partition " + std::to_string(i) + ": what came after was lost in a crash, or is not in the restored backup");
    }
    next[i] = offset + 1;
  }
  return next;
}

Result<std::vector<std::int64_t>> check_position(const Position& position, const log::TopicId& topic,
                                                 std::span<const std::shared_ptr<const log::PartitionReader>> readers) {
  std::vector<log::Bounds> bounds;
  bounds.reserve(readers.size());
  log::Epoch newest(std::numeric_limits<std::int32_t>::min());
  for (const auto& reader : readers) {
    bounds.push_back(reader->bounds());
    newest = std::max(newest, bounds.back().epoch);
  }
  return check_position(position, topic, static_cast<std::int32_t>(readers.size()), newest, [&](std::int32_t partition, log::Epoch epoch) {
    const auto i = static_cast<std::size_t>(partition);
    const std::int64_t visible = bounds[i].visible.value();
    const auto end = readers[i]->epoch_end(epoch);
    return end ? std::min(end->value(), visible) : std::int64_t{0};
  });
}

Result<log::Epoch> epoch_at(const log::PartitionReader& reader, log::Offset offset) {
  BATON_TRY_ASSIGN(const auto of_record, reader.epoch_of(offset));
  if (of_record) return *of_record;
  const log::Bounds bounds = reader.bounds();
  if (offset >= bounds.log_start) return bounds.epoch;
  BATON_TRY_ASSIGN(const auto of_first, reader.epoch_of(bounds.log_start));
  return of_first.value_or(bounds.epoch);
}

PositionContext::PositionContext(const log::TopicId& topic, std::int32_t partitions)
    : prefix_(prefix_of(topic)), seen_(static_cast<std::size_t>(partitions), kNoOffset) {}

void PositionContext::saw(log::PartitionId partition, std::int64_t offset, log::Epoch epoch) {
  any_seen_ = true;
  seen_[static_cast<std::size_t>(partition.value())] = offset;
  epoch_ = std::max(epoch_, epoch);
}

void PositionContext::resume(std::span<const std::int64_t> next, log::Epoch epoch) {
  any_seen_ = true;
  for (std::size_t i = 0; i < seen_.size() && i < next.size(); ++i) seen_[i] = next[i] - 1;  // 0 becomes kNoOffset
  epoch_ = epoch;
}

Position PositionContext::position() const {
  if (std::ranges::all_of(seen_, [](std::int64_t o) { return o == kNoOffset; })) return {};
  Position position{prefix_};
  put_number(position.token, epoch_.value());
  position.token += '.';
  put_offsets(position.token, seen_);
  return position;
}

Position PositionContext::position_of(std::int32_t partition, std::int64_t offset, std::int32_t epoch) const {
  Position position;
  position.token.reserve(prefix_.size() + 32);
  position.token = prefix_;
  put_number(position.token, std::max(epoch_.value(), epoch));
  position.token += '.';
  Fields fields(position.token);
  const auto at = static_cast<std::size_t>(partition);
  if (any_seen_) {
    for (std::size_t i = 0; i < seen_.size(); ++i) fields.put(i == at ? offset : seen_[i]);
  } else {
    fields.put_none(at);
    fields.put(offset);
    fields.put_none(seen_.size() - at - 1);
  }
  fields.end();
  return position;
}

}  // namespace baton::store
