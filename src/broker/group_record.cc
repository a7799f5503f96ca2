#include "broker/group_record.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/try.h"
#include "base/varint.h"
#include "broker/group_log.h"

namespace baton::broker {
namespace {

constexpr std::uint8_t kVersion = 1;
// The order of GroupRecord's alternatives; kinds count from 1.
constexpr std::uint8_t kind_of(const GroupRecord& record) { return static_cast<std::uint8_t>(record.index() + 1); }

void put_text(base::Bytes& out, std::string_view text) {
  base::put_uvarint(out, text.size());
  base::put_bytes(out, base::as_bytes(text));
}
void put_blob(base::Bytes& out, const base::Bytes& blob) {
  base::put_uvarint(out, blob.size());
  base::put_bytes(out, blob);
}
void put_partition(base::Bytes& out, log::PartitionId partition) { base::put_varint(out, partition.value()); }
void put_topic_id(base::Bytes& out, const log::TopicId& id) { base::put_bytes(out, std::as_bytes(std::span(id.bytes))); }

void put_member(base::Bytes& out, const StoredMember& m) {
  put_text(out, m.id.value);
  base::put_uvarint(out, m.instance ? m.instance->value.size() + 1 : 0);
  if (m.instance) base::put_bytes(out, base::as_bytes(m.instance->value));
  put_text(out, m.client_id);
  put_text(out, m.client_host);
  base::put_varint(out, m.session_timeout_ms);
  base::put_varint(out, m.rebalance_timeout_ms);
  base::put_uvarint(out, m.protocols.size());
  for (const auto& protocol : m.protocols) {
    put_text(out, protocol.name);
    put_blob(out, protocol.metadata);
  }
  put_blob(out, m.assignment);
}

void put_body(base::Bytes& out, const GenerationRecord& r) {
  base::put_varint(out, r.generation.value());
  base::put_varint(out, r.since_ms);
  put_text(out, r.protocol_type);
  put_text(out, r.protocol);
  put_text(out, r.leader.value);
  base::put_uvarint(out, r.members.size());
  for (const auto& member : r.members) put_member(out, member);
}
void put_body(base::Bytes& out, const ReservedRecord& r) { base::put_varint(out, r.generation.value()); }
void put_body(base::Bytes& out, const StaticMemberRecord& r) {
  base::put_varint(out, r.generation.value());
  put_member(out, r.member);
}
void put_body(base::Bytes& out, const OffsetsRecord& r) {
  base::put_uvarint(out, r.topics.size());
  for (const auto& topic : r.topics) {
    put_text(out, topic.topic);
    put_topic_id(out, topic.topic_id);
    base::put_uvarint(out, topic.offsets.size());
    for (const auto& [partition, offset] : topic.offsets) {
      put_partition(out, partition);
      base::put_varint(out, offset.offset.value());
      base::put_varint(out, offset.leader_epoch.value());
      base::put_varint(out, offset.commit_ms);
      base::put_varint(out, offset.expire_ms);
      put_text(out, offset.metadata);
    }
  }
}
void put_body(base::Bytes& out, const OffsetsRemovedRecord& r) {
  base::put_uvarint(out, r.topics.size());
  for (const auto& topic : r.topics) {
    put_text(out, topic.topic);
    base::put_uvarint(out, topic.partitions.size());
    for (const auto partition : topic.partitions) put_partition(out, partition);
  }
}
void put_body(base::Bytes&, const GroupRemovedRecord&) {}

// Reads the parts of a record. After the first that is not there, or not valid, it is failed and gives empty values.
class Parts {
 public:
  explicit Parts(base::ByteView bytes) : reader_(bytes) {}

  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] bool at_end() const { return reader_.empty(); }
  void fail() { failed_ = true; }

  std::string text() { return std::string(base::as_text(view())); }
  base::Bytes blob() {
    const auto bytes = view();
    return {bytes.begin(), bytes.end()};
  }
  std::optional<InstanceId> instance() {
    const auto length = checked(reader_.uvarint64());
    if (length == 0) return std::nullopt;
    return InstanceId{std::string(base::as_text(checked(reader_.bytes(length - 1))))};
  }
  std::int32_t number32() { return checked(reader_.varint32()); }
  std::int64_t number64() { return checked(reader_.varint64()); }
  std::int32_t not_negative32() {
    const auto v = number32();
    if (v < 0) fail();
    return v;
  }
  // Each of what is counted takes at least a byte, so that a count alone never allocates more than the record has.
  std::size_t count() {
    const auto v = checked(reader_.uvarint64());
    if (v > reader_.remaining()) fail();
    return failed_ ? 0 : static_cast<std::size_t>(v);
  }
  log::TopicId topic_id() {
    log::TopicId id;
    const auto bytes = checked(reader_.bytes(id.bytes.size()));
    if (!failed_) std::ranges::transform(bytes, id.bytes.begin(), [](std::byte b) { return std::to_integer<std::uint8_t>(b); });
    return id;
  }

 private:
  template <typename T>
  T checked(std::optional<T> value) {
    if (!value) failed_ = true;
    return failed_ ? T{} : *value;
  }
  base::ByteView view() { return checked(reader_.bytes(checked(reader_.uvarint64()))); }

  base::Reader reader_;
  bool failed_ = false;
};

StoredMember read_member(Parts& in) {
  StoredMember m;
  m.id.value = in.text();
  m.instance = in.instance();
  m.client_id = in.text();
  m.client_host = in.text();
  m.session_timeout_ms = in.not_negative32();
  m.rebalance_timeout_ms = in.not_negative32();
  for (auto left = in.count(); left > 0 && !in.failed(); --left) {
    MemberProtocol protocol;
    protocol.name = in.text();
    protocol.metadata = in.blob();
    m.protocols.push_back(std::move(protocol));
  }
  m.assignment = in.blob();
  return m;
}

void read_body(Parts& in, GenerationRecord& r) {
  r.generation = GenerationId(in.not_negative32());
  r.since_ms = in.number64();
  r.protocol_type = in.text();
  r.protocol = in.text();
  r.leader.value = in.text();
  std::set<MemberId> ids;
  std::set<InstanceId> instances;
  for (auto left = in.count(); left > 0 && !in.failed(); --left) {
    r.members.push_back(read_member(in));
    const auto& member = r.members.back();
    if (!ids.insert(member.id).second) in.fail();
    if (member.instance && !instances.insert(*member.instance).second) in.fail();
  }
}
void read_body(Parts& in, ReservedRecord& r) { r.generation = GenerationId(in.not_negative32()); }
void read_body(Parts& in, StaticMemberRecord& r) {
  r.generation = GenerationId(in.not_negative32());
  r.member = read_member(in);
  if (!r.member.instance) in.fail();
}
void read_body(Parts& in, OffsetsRecord& r) {
  for (auto topics = in.count(); topics > 0 && !in.failed(); --topics) {
    StoredTopic topic;
    topic.topic = in.text();
    topic.topic_id = in.topic_id();
    for (auto left = in.count(); left > 0 && !in.failed(); --left) {
      const log::PartitionId partition(in.not_negative32());
      StoredOffset offset{.topic_id = topic.topic_id};
      offset.offset = log::Offset(in.number64());
      offset.leader_epoch = LeaderEpoch(in.number32());
      offset.commit_ms = in.number64();
      offset.expire_ms = in.number64();
      offset.metadata = in.text();
      topic.offsets.emplace_back(partition, std::move(offset));
    }
    r.topics.push_back(std::move(topic));
  }
}
void read_body(Parts& in, OffsetsRemovedRecord& r) {
  for (auto topics = in.count(); topics > 0 && !in.failed(); --topics) {
    RemovedTopic topic{.topic = in.text(), .partitions = {}};
    for (auto left = in.count(); left > 0 && !in.failed(); --left) topic.partitions.emplace_back(in.not_negative32());
    r.topics.push_back(std::move(topic));
  }
}
void read_body(Parts&, GroupRemovedRecord&) {}

template <typename Record>
Result<GroupRecord> read_record(Parts& in) {
  Record record;
  record.group.value = in.text();
  read_body(in, record);
  if (in.failed() || !in.at_end()) {
    return Error{Code::corrupt, "a record of the groups' log is not what docs/formats/groups.md describes"};
  }
  return GroupRecord(std::move(record));
}

}  // namespace

base::Bytes encode_group_record(const GroupRecord& record) {
  base::Bytes out;
  out.push_back(std::byte{kind_of(record)});
  out.push_back(std::byte{kVersion});
  std::visit(
      [&](const auto& r) {
        put_text(out, r.group.value);
        put_body(out, r);
      },
      record);
  return out;
}

Result<GroupRecord> decode_group_record(base::ByteView bytes) {
  if (bytes.size() < 2) return Error{Code::corrupt, "a record of the groups' log is shorter than its kind and version"};
  if (bytes.size() > kGroupRecordBytesMax)
    return Error{Code::corrupt, "a record of the groups' log is larger than any that is written"};
  const auto kind = std::to_integer<unsigned>(bytes[0]);
  const auto version = std::to_integer<unsigned>(bytes[1]);
  if (version != kVersion || kind < 1 || kind > std::variant_size_v<GroupRecord>) {
    return Error{Code::unsupported_format, "a record of the groups' log has kind " + std::to_string(kind) + ", version " +
                                               std::to_string(version) + ": it was written by a newer Baton; use that one"};
  }
  Parts in(bytes.subspan(2));
  switch (kind) {
    case 1: return read_record<GenerationRecord>(in);
    case 2: return read_record<ReservedRecord>(in);
    case 3: return read_record<StaticMemberRecord>(in);
    case 4: return read_record<OffsetsRecord>(in);
    case 5: return read_record<OffsetsRemovedRecord>(in);
    default: return read_record<GroupRemovedRecord>(in);
  }
}

std::size_t encoded_size(log::PartitionId partition, const StoredOffset& offset) {
  return base::varint_size(partition.value()) + base::varint_size(offset.offset.value()) +
         base::varint_size(offset.leader_epoch.value()) + base::varint_size(offset.commit_ms) +
         base::varint_size(offset.expire_ms) + base::uvarint_size(offset.metadata.size()) + offset.metadata.size();
}

std::size_t topic_overhead(const std::string& topic) {
  return topic.size() + sizeof(log::TopicId::bytes) + 2 * base::kMaxVarint32Bytes;
}

std::vector<base::Bytes> encode_offsets(const GroupId& group, const OffsetMap& offsets, std::size_t record_bytes) {
  std::vector<base::Bytes> out;
  OffsetsRecord record{.group = group, .topics = {}};
  std::size_t bytes = 0;
  const auto finish = [&] {
    if (!record.topics.empty()) out.push_back(encode_group_record(record));
    record.topics.clear();
    bytes = 0;
  };
  for (const auto& [key, offset] : offsets) {
    const auto size = encoded_size(key.partition, offset);
    if (bytes + size + topic_overhead(key.topic) > record_bytes) finish();
    bytes += size;
    if (record.topics.empty() || record.topics.back().topic != key.topic || record.topics.back().topic_id != offset.topic_id) {
      bytes += topic_overhead(key.topic);
      record.topics.push_back({.topic = key.topic, .topic_id = offset.topic_id, .offsets = {}});
    }
    record.topics.back().offsets.emplace_back(key.partition, offset);
  }
  finish();
  return out;
}

}  // namespace baton::broker
