#include "log/catalogue_records.h"

#include <algorithm>
#include <limits>
#include <ranges>
#include <span>

#include "base/hex.h"
#include "base/try.h"
#include "base/varint.h"

namespace baton::log {
namespace {

constexpr std::size_t kMovedBytes = 28;      // topic id, partition, start offset
constexpr std::size_t kSettingBytesMin = 4;  // two lengths
constexpr std::size_t kTextBytesMax = std::numeric_limits<std::uint16_t>::max();

// ---- payloads: writing ----

class PayloadWriter {
 public:
  template <typename T>
  PayloadWriter& number(std::type_identity_t<T> v) {
    base::put_le<T>(out_, v);
    return *this;
  }
  template <std::size_t N>
  PayloadWriter& raw(const std::array<std::uint8_t, N>& v) {
    base::put_bytes(out_, std::as_bytes(std::span(v)));
    return *this;
  }
  PayloadWriter& text(std::string_view v) {
    fits_ = fits_ && v.size() <= kTextBytesMax;
    number<std::uint16_t>(static_cast<std::uint16_t>(v.size()));
    base::put_bytes(out_, base::as_bytes(v));
    return *this;
  }
  PayloadWriter& settings(const Settings& v) {
    fits_ = fits_ && v.size() <= std::numeric_limits<std::uint16_t>::max();
    number<std::uint16_t>(static_cast<std::uint16_t>(v.size()));
    for (const auto& [key, value] : v) text(key).text(value);
    return *this;
  }
  PayloadWriter& partition(const PartitionKey& v) {
    return raw(v.topic.bytes).number<std::uint32_t>(static_cast<std::uint32_t>(v.partition.value()));
  }
  PayloadWriter& offset(Offset v) { return number<std::uint64_t>(static_cast<std::uint64_t>(v.value())); }
  Result<base::Bytes> finish() {
    if (!fits_) {
      return Error{Code::too_large,
                   "catalogue record: a name, key or value has more than 65535 bytes, or there are more than "
                   "65535 settings"};
    }
    return std::move(out_);
  }

 private:
  base::Bytes out_;
  bool fits_ = true;
};

// ---- payloads: reading ----

// Takes field after field; what does not fit is zero, and good() says so at the end.
class PayloadReader {
 public:
  explicit PayloadReader(base::ByteView payload) : in_(payload) {}
  [[nodiscard]] bool good() const { return good_ && in_.empty(); }

  template <typename T>
  T number() {
    const auto v = in_.le<T>();
    good_ = good_ && v.has_value();
    return v.value_or(T{});
  }
  template <std::size_t N>
  std::array<std::uint8_t, N> raw() {
    std::array<std::uint8_t, N> v{};
    if (const auto bytes = take(N); !bytes.empty()) std::memcpy(v.data(), bytes.data(), N);
    return v;
  }
  std::string text() { return std::string(base::as_text(take(number<std::uint16_t>()))); }
  Settings settings() {
    Settings v;
    const std::size_t count = list<std::uint16_t>(kSettingBytesMin);
    for (std::size_t i = 0; i < count && good_; ++i) {
      std::string key = text();
      v.insert_or_assign(std::move(key), text());
    }
    return v;
  }
  TopicId topic() { return TopicId{raw<16>()}; }
  PartitionKey partition() {
    const TopicId id = topic();
    const auto v = number<std::uint32_t>();
    good_ = good_ && v <= static_cast<std::uint32_t>(std::numeric_limits<std::int32_t>::max());
    return {id, PartitionId(static_cast<std::int32_t>(v))};
  }
  Offset offset() {
    const auto v = number<std::uint64_t>();
    good_ = good_ && v <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    return Offset(static_cast<std::int64_t>(v));
  }
  // A count of things that have at least `bytes_each`: never more than there can be (S13).
  template <typename T>
  std::size_t list(std::size_t bytes_each) {
    const auto count = number<T>();
    if (count > in_.remaining() / bytes_each) good_ = false;
    return good_ ? count : 0;
  }

 private:
  base::ByteView take(std::size_t count) {
    const auto bytes = in_.bytes(count);
    good_ = good_ && bytes.has_value();
    return bytes.value_or(base::ByteView());
  }

  base::Reader in_;
  bool good_ = true;
};

Error bad_payload(std::string_view name) {
  return Error{Code::corrupt, std::string(name) + " record: its fields and its size do not agree"};
}

std::string show(const PartitionKey& key) {
  return "partition " + key.topic.to_hex() + "/" + std::to_string(key.partition.value());
}

Result<TopicInfo*> find_topic(CatalogueState& state, const TopicId& id) {
  const auto found = state.topics.find(id);
  if (found == state.topics.end()) return Error{Code::not_found, "topic " + id.to_hex() + " is unknown"};
  if (found->second.removed) return Error{Code::not_found, "topic " + id.to_hex() + " was removed"};
  return &found->second;
}

// Partitions of removed topics are known too: what was begun for them may end.
Status check_partition(const CatalogueState& state, const PartitionKey& key) {
  const auto found = state.topics.find(key.topic);
  if (found == state.topics.end() || key.partition.value() < 0 || key.partition.value() >= found->second.partitions) {
    return Error{Code::not_found, show(key) + " is unknown"};
  }
  return {};
}

// ---- what each type does: read all, judge all, then change ----

Status apply_store(CatalogueState& state, PayloadReader in, bool change) {
  // First of all, and before the rest, which a newer format may lay out in another way.
  const auto format = in.number<std::uint32_t>();
  if (format > kStoreFormat) {
    return Error{Code::unsupported_format, "the store has format " + std::to_string(format) +
                                               ", and this program knows formats up to " + std::to_string(kStoreFormat) +
                                               ": use a newer one; nothing was changed"};
  }
  const StoreId id = in.raw<16>();
  const auto created_ms = in.number<std::int64_t>();
  (void)in.text();  // the tool that made it: for people
  if (!in.good() || format == 0) return bad_payload("store");
  if (!change) return {};
  state.format = format;
  state.store_id = id;
  state.created_ms = created_ms;
  return {};
}

Status apply_topic(CatalogueState& state, PayloadReader in, bool change) {
  TopicInfo topic;
  topic.id = in.topic();
  topic.name = in.text();
  const auto kind = in.number<std::uint8_t>();
  const auto partitions = in.number<std::uint32_t>();
  topic.settings = in.settings();
  if (!in.good()) return bad_payload("topic");
  if (kind > static_cast<std::uint8_t>(TopicKind::event)) {
    return Error{Code::unsupported_format,
                 "topic '" + topic.name + "' has kind " + std::to_string(kind) + ": use a newer program"};
  }
  if (topic.name.empty() || partitions == 0 ||
      partitions > static_cast<std::uint32_t>(std::numeric_limits<std::int32_t>::max())) {
    return Error{Code::invalid_argument, "topic '" + topic.name + "' with " + std::to_string(partitions) + " partitions"};
  }
  if (state.topics.contains(topic.id)) return Error{Code::already_exists, "topic id " + topic.id.to_hex() + " is taken"};
  if (std::ranges::any_of(state.topics, [&](const auto& t) { return !t.second.removed && t.second.name == topic.name; })) {
    return Error{Code::already_exists, "topic '" + topic.name + "' already exists"};
  }
  if (!change) return {};
  topic.kind = static_cast<TopicKind>(kind);
  topic.partitions = static_cast<std::int32_t>(partitions);
  state.topics.emplace(topic.id, std::move(topic));
  return {};
}

Status apply_topic_settings(CatalogueState& state, PayloadReader in, bool change) {
  const TopicId id = in.topic();
  const Settings changed = in.settings();
  if (!in.good()) return bad_payload("topic settings");
  BATON_TRY_ASSIGN(TopicInfo* const topic, find_topic(state, id));
  if (!change) return {};
  for (const auto& [key, value] : changed) topic->settings.insert_or_assign(key, value);
  return {};
}

Status apply_topic_removed(CatalogueState& state, PayloadReader in, bool change) {
  const TopicId id = in.topic();
  if (!in.good()) return bad_payload("topic removed");
  BATON_TRY_ASSIGN(TopicInfo* const topic, find_topic(state, id));
  if (change) topic->removed = true;
  return {};
}

Status apply_topic_partitions(CatalogueState& state, PayloadReader in, bool change) {
  const TopicId id = in.topic();
  const auto partitions = in.number<std::uint32_t>();
  if (!in.good() || partitions > static_cast<std::uint32_t>(std::numeric_limits<std::int32_t>::max())) return bad_payload("topic partitions");
  BATON_TRY_ASSIGN(TopicInfo* const topic, find_topic(state, id));
  if (static_cast<std::int32_t>(partitions) <= topic->partitions) {
    return Error{Code::invalid_argument, "topic '" + topic->name + "' has " + std::to_string(topic->partitions) + " partitions: " +
                                             std::to_string(partitions) + " would not be more"};
  }
  if (change) topic->partitions = static_cast<std::int32_t>(partitions);
  return {};
}

Status apply_epoch(CatalogueState& state, PayloadReader in, bool change) {
  const auto number = in.number<std::uint32_t>();
  (void)in.number<std::int64_t>();  // wall clock: for people
  const auto reason = in.number<std::uint8_t>();
  std::vector<std::pair<PartitionKey, Offset>> moved(in.list<std::uint32_t>(kMovedBytes));
  for (auto& [key, start] : moved) {
    key = in.partition();
    start = in.offset();
  }
  if (!in.good() || reason > 1) return bad_payload("epoch");
  const Epoch epoch(static_cast<std::int32_t>(number));
  if (epoch <= state.epoch) {
    return Error{Code::invalid_argument,
                 "epoch " + std::to_string(number) + " does not follow epoch " + std::to_string(state.epoch.value())};
  }
  std::ranges::sort(moved, {}, &std::pair<PartitionKey, Offset>::first);
  if (std::ranges::adjacent_find(moved, {}, &std::pair<PartitionKey, Offset>::first) != moved.end()) {
    return Error{Code::invalid_argument, "epoch " + std::to_string(number) + " lists a partition twice"};
  }
  for (const auto& [key, start] : moved) {
    BATON_TRY(check_partition(state, key));
    const auto known = state.epochs.find(key);
    if (known != state.epochs.end() && start < known->second.back().start) {
      return Error{Code::invalid_argument, show(key) + ": epoch " + std::to_string(number) + " starts at offset " +
                                               std::to_string(start.value()) + ", before the epoch that it follows"};
    }
  }
  if (!change) return {};
  // A partition is listed when its end has moved: what lies between its last listing and now was written in the epoch before this one.
  for (const auto& [key, start] : moved) {
    auto& table = state.epochs[key];
    const Offset from = table.empty() ? Offset(0) : table.back().start;
    if ((table.empty() || table.back().epoch < state.epoch) && from < start) table.push_back({state.epoch, from});
    table.push_back({epoch, start});
  }
  state.epoch = epoch;
  return {};
}

Status apply_seal(CatalogueState& state, base::ByteView payload, bool change) {
  PayloadReader in(payload);
  Seal seal;
  seal.partition = in.partition();
  seal.base_offset = in.offset();
  seal.next_offset = in.offset();
  seal.bytes = in.number<std::uint64_t>();
  seal.max_timestamp = in.number<std::int64_t>();
  const auto location = in.number<std::uint8_t>();
  const std::string key_id = in.text();
  seal.previous = in.raw<32>();
  seal.hash = in.raw<32>();
  if (!in.good()) return bad_payload("seal");
  const std::string where = show(seal.partition) + ", segment " + std::to_string(seal.base_offset.value()) + ": ";
  if (location != 0 || !key_id.empty()) {
    return Error{Code::unsupported_format, where + "it lies elsewhere or is encrypted: use a newer program"};
  }
  BATON_TRY(check_partition(state, seal.partition));
  const auto last = state.last_seal.find(seal.partition);
  const Seal* const before = last == state.last_seal.end() ? nullptr : &state.seals[last->second];
  if (seal.next_offset < seal.base_offset || (before != nullptr && seal.base_offset < before->next_offset)) {
    return Error{Code::invalid_argument, where + "its offsets do not follow those of the seal before"};
  }
  if (seal.previous != (before == nullptr ? Hash256{} : before->hash)) {
    return Error{Code::invalid_argument, where + "its seal does not name the hash of the segment before: the chain is broken"};
  }
  if (!change) return {};
  state.root = next_root(state.root, payload);
  seal.root = state.root;
  state.last_seal.insert_or_assign(seal.partition, state.seals.size());
  state.seals.push_back(seal);
  return {};
}

Status apply_start(CatalogueState& state, PayloadReader in, bool change) {
  const PartitionKey key = in.partition();
  const Offset start = in.offset();
  const auto reason = in.number<std::uint8_t>();
  const Offset heads = in.offset();
  if (!in.good() || reason > 1) return bad_payload("start");
  BATON_TRY(check_partition(state, key));
  if (const auto known = state.log_start.find(key); known != state.log_start.end() && start < known->second) {
    return Error{Code::invalid_argument, show(key) + ": the log start cannot go back from " +
                                             std::to_string(known->second.value()) + " to " + std::to_string(start.value())};
  }
  if (!change) return {};
  state.log_start.insert_or_assign(key, start);
  if (heads != Offset(0)) state.heads_snapshot.insert_or_assign(key, heads);
  return {};
}

Status apply_clean_close(CatalogueState& state, PayloadReader in, bool change) {
  const Round round(in.number<std::uint64_t>());
  if (!in.good()) return bad_payload("clean close");
  if (!change) return {};
  state.clean_close = true;
  state.clean_round = round;
  return {};
}

Status apply_quota(CatalogueState& state, PayloadReader in, bool change) {
  using Of = QuotaEntity::Of;
  QuotaEntity entity;
  const auto user = in.number<std::uint8_t>();
  entity.user_name = in.text();
  const auto client = in.number<std::uint8_t>();
  entity.client_id = in.text();
  Settings values = in.settings();
  constexpr auto kLast = static_cast<std::uint8_t>(Of::named);
  entity.user = static_cast<Of>(std::min(user, kLast));
  entity.client = static_cast<Of>(std::min(client, kLast));
  const bool agree = user <= kLast && client <= kLast && (entity.user == Of::named || entity.user_name.empty()) &&
                     (entity.client == Of::named || entity.client_id.empty());
  if (!in.good() || !agree) return bad_payload("quota");
  if (entity.user == Of::any && entity.client == Of::any) return Error{Code::invalid_argument, "a quota that is nobody's"};
  if (!change) return {};
  if (values.empty()) {
    state.quotas.erase(entity);
  } else {
    state.quotas.insert_or_assign(std::move(entity), std::move(values));
  }
  return {};
}

// A number that is one of an enumeration's, from `first` on; false: it is none.
template <typename E>
bool read_one_of(PayloadReader& in, E first, E last, E& out) {
  const auto value = in.number<std::uint8_t>();
  if (value < static_cast<std::uint8_t>(first) || value > static_cast<std::uint8_t>(last)) return false;
  out = static_cast<E>(value);
  return true;
}

bool read_acls(PayloadReader& in, AclTable& out) {
  constexpr std::size_t kBytesMin = 10;  // four numbers, three lengths
  const std::size_t count = in.list<std::uint32_t>(kBytesMin);
  for (std::size_t i = 0; i < count; ++i) {
    Acl acl;
    bool known = read_one_of(in, Acl::Resource::topic, Acl::Resource::transactional_id, acl.resource);
    known = read_one_of(in, Acl::Pattern::literal, Acl::Pattern::prefixed, acl.pattern) && known;
    acl.name = in.text();
    acl.principal = in.text();
    acl.host = in.text();
    known = read_one_of(in, Acl::Operation::all, Acl::Operation::idempotent_write, acl.operation) && known;
    known = read_one_of(in, Acl::Permission::deny, Acl::Permission::allow, acl.permission) && known;
    if (!known) return false;
    out.insert(std::move(acl));
  }
  return true;
}

Status apply_acls(CatalogueState& state, PayloadReader in, bool change) {
  AclTable removed;
  AclTable added;
  const bool known = read_acls(in, removed) && read_acls(in, added);
  if (!known || !in.good()) return bad_payload("acls");
  if (!change) return {};
  for (const Acl& acl : removed) state.acls.erase(acl);
  state.acls.merge(std::move(added));
  return {};
}

Status apply_known(CatalogueState& state, std::uint16_t type, base::ByteView payload, bool change) {
  PayloadReader in(payload);
  switch (static_cast<CatalogueRecord>(type)) {
    case CatalogueRecord::store: return apply_store(state, in, change);
    case CatalogueRecord::topic: return apply_topic(state, in, change);
    case CatalogueRecord::topic_settings: return apply_topic_settings(state, in, change);
    case CatalogueRecord::topic_removed: return apply_topic_removed(state, in, change);
    case CatalogueRecord::epoch: return apply_epoch(state, in, change);
    case CatalogueRecord::seal: return apply_seal(state, payload, change);
    case CatalogueRecord::start: return apply_start(state, in, change);
    case CatalogueRecord::clean_close: return apply_clean_close(state, in, change);
    case CatalogueRecord::note: (void)in.text(); return in.good() ? Status() : Status(bad_payload("note"));
    case CatalogueRecord::topic_partitions: return apply_topic_partitions(state, in, change);
    case CatalogueRecord::acls: return apply_acls(state, in, change);
    case CatalogueRecord::quota: return apply_quota(state, in, change);
  }
  if (type >= kFirstSkippableType) return {};
  return Error{Code::unsupported_format,
               "a record of type " + std::to_string(type) + ": use a newer program; nothing was changed"};
}

}  // namespace

Result<base::Bytes> store_payload(const StoreId& id, std::int64_t created_ms, std::string_view tool) {
  return PayloadWriter().number<std::uint32_t>(kStoreFormat).raw(id).number<std::int64_t>(created_ms).text(tool).finish();
}

Result<base::Bytes> topic_payload(const TopicInfo& topic) {
  return PayloadWriter()
      .raw(topic.id.bytes)
      .text(topic.name)
      .number<std::uint8_t>(static_cast<std::uint8_t>(topic.kind))
      .number<std::uint32_t>(static_cast<std::uint32_t>(topic.partitions))
      .settings(topic.settings)
      .finish();
}

Result<base::Bytes> settings_payload(const TopicId& id, const Settings& changed) {
  return PayloadWriter().raw(id.bytes).settings(changed).finish();
}

Result<base::Bytes> topic_removed_payload(const TopicId& id) { return PayloadWriter().raw(id.bytes).finish(); }

Result<base::Bytes> topic_partitions_payload(const TopicId& id, std::int32_t partitions) {
  return PayloadWriter().raw(id.bytes).number<std::uint32_t>(static_cast<std::uint32_t>(partitions)).finish();
}

Result<base::Bytes> epoch_payload(Epoch epoch, std::int64_t wall_ms, bool restore,
                                  const std::vector<std::pair<PartitionKey, Offset>>& moved) {
  PayloadWriter out;
  out.number<std::uint32_t>(static_cast<std::uint32_t>(epoch.value()))
      .number<std::int64_t>(wall_ms)
      .number<std::uint8_t>(restore ? 1 : 0)
      .number<std::uint32_t>(static_cast<std::uint32_t>(moved.size()));
  for (const auto& [key, start] : moved) out.partition(key).offset(start);
  return out.finish();
}

base::Bytes seal_payload(const Seal& seal) {
  return *PayloadWriter()
              .partition(seal.partition)
              .offset(seal.base_offset)
              .offset(seal.next_offset)
              .number<std::uint64_t>(seal.bytes)
              .number<std::int64_t>(seal.max_timestamp)
              .number<std::uint8_t>(0)  // location: in the data directory
              .text("")                 // key id: not encrypted
              .raw(seal.previous)
              .raw(seal.hash)
              .finish();
}

Result<base::Bytes> start_payload(PartitionKey partition, Offset start, bool asked, Offset heads_snapshot) {
  return PayloadWriter().partition(partition).offset(start).number<std::uint8_t>(asked ? 1 : 0).offset(heads_snapshot).finish();
}

Result<base::Bytes> clean_close_payload(Round round) { return PayloadWriter().number<std::uint64_t>(round.value()).finish(); }

Result<base::Bytes> note_payload(std::string_view text) { return PayloadWriter().text(text).finish(); }

Result<base::Bytes> acls_payload(const AclTable& removed, const AclTable& added) {
  PayloadWriter out;
  for (const AclTable* table : {&removed, &added}) {
    out.number<std::uint32_t>(static_cast<std::uint32_t>(table->size()));
    for (const Acl& acl : *table) {
      out.number<std::uint8_t>(static_cast<std::uint8_t>(acl.resource)).number<std::uint8_t>(static_cast<std::uint8_t>(acl.pattern));
      out.text(acl.name).text(acl.principal).text(acl.host);
      out.number<std::uint8_t>(static_cast<std::uint8_t>(acl.operation)).number<std::uint8_t>(static_cast<std::uint8_t>(acl.permission));
    }
  }
  return out.finish();
}

Result<base::Bytes> quota_payload(const QuotaEntity& entity, const Settings& values) {
  return PayloadWriter()
      .number<std::uint8_t>(static_cast<std::uint8_t>(entity.user))
      .text(entity.user_name)
      .number<std::uint8_t>(static_cast<std::uint8_t>(entity.client))
      .text(entity.client_id)
      .settings(values)
      .finish();
}

Status apply_record(CatalogueState& state, std::uint16_t type, base::ByteView payload, bool change) {
  BATON_TRY(apply_known(state, type, payload, change));
  if (change) state.clean_close = type == static_cast<std::uint16_t>(CatalogueRecord::clean_close);
  return {};
}

}  // namespace baton::log
