#include "log/producers.h"

#include <algorithm>
#include <array>

#include "base/crc32c.h"
#include "base/try.h"
#include "base/varint.h"

namespace baton::log {
namespace {

constexpr std::array kMagic = {'B', 'T', 'N', 'P', 'R', 'O', 'D', '1'};
constexpr std::size_t kPartitionBytes = 40;
constexpr std::size_t kProducerBytes = 20;
constexpr std::size_t kBatchBytes = 32;

std::int32_t following(std::int32_t sequence) { return sequence == INT32_MAX ? 0 : sequence + 1; }

// Sequences go round at 2^31.
std::int32_t last_sequence(const BatchHeader& header) {
  return static_cast<std::int32_t>((std::int64_t{header.base_sequence} + header.last_offset_delta) & INT32_MAX);
}

std::string producer_name(const BatchHeader& header) {
  return "producer " + std::to_string(header.producer_id) + ", epoch " + std::to_string(header.producer_epoch);
}

Error out_of_order(const BatchHeader& header, std::int32_t expected) {
  return {Code::out_of_order, producer_name(header) + ": expected sequence " + std::to_string(expected) + ", found " +
                                  std::to_string(header.base_sequence) + ": a batch before it is missing, or was refused"};
}

}  // namespace

Result<std::optional<ProducedBatch>> ProducerTable::check(const BatchHeader& header) const {
  const auto found = producers_.find(header.producer_id);
  if (found == producers_.end()) return std::optional<ProducedBatch>();
  const Producer& known = found->second;
  if (header.producer_epoch < known.epoch) {
    return Error{Code::fenced, producer_name(header) + ": a producer with the same id and epoch " + std::to_string(known.epoch) +
                                   " has taken over; this one must not go on"};
  }
  if (header.producer_epoch > known.epoch) {
    if (header.base_sequence != 0) return out_of_order(header, 0);
    return std::optional<ProducedBatch>();
  }
  const auto same = std::ranges::find_if(known.batches, [&](const ProducedBatch& batch) {
    return batch.first_sequence == header.base_sequence && batch.last_sequence == last_sequence(header);
  });
  if (same != known.batches.end()) return std::optional(*same);
  if (known.batches.empty()) return std::optional<ProducedBatch>();
  const std::int32_t expected = following(known.batches.back().last_sequence);
  if (header.base_sequence != expected) return out_of_order(header, expected);
  return std::optional<ProducedBatch>();
}

void ProducerTable::take(const BatchHeader& header, std::int64_t now_ms) {
  if (header.producer_id < 0) return;
  Producer& producer = producers_[header.producer_id];
  if (header.producer_epoch != producer.epoch) producer.batches.clear();
  producer.epoch = header.producer_epoch;
  producer.last_used_ms = now_ms;
  if (!header.control() && header.base_sequence >= 0) {
    if (producer.batches.size() == kProducerBatchesKept) producer.batches.erase(producer.batches.begin());
    producer.batches.push_back({.first_sequence = header.base_sequence,
                                .last_sequence = last_sequence(header),
                                .base_offset = header.base_offset,
                                .last_offset = header.last_offset(),
                                .timestamp = header.log_append_time() ? header.max_timestamp : -1});
  }
  if (producers_.size() > kProducersMax) forget_oldest();
}

// A tenth at once, so that it is not looked for again at once.
void ProducerTable::forget_oldest() {
  std::vector<std::pair<std::int64_t, std::int64_t>> used;  // when, id
  for (const auto& [id, producer] : producers_) used.emplace_back(producer.last_used_ms, id);
  const auto end = used.begin() + static_cast<std::ptrdiff_t>(kProducersMax / 10);
  std::ranges::nth_element(used, end);
  for (auto entry = used.begin(); entry != end; ++entry) producers_.erase(entry->second);
}

void ProducerTable::expire(std::int64_t now_ms) {
  std::erase_if(producers_, [&](const auto& entry) { return now_ms - entry.second.last_used_ms > kProducerIdleMsMax; });
}

std::map<std::int64_t, ProducerTable::Producer> ProducerTable::sorted() const { return {producers_.begin(), producers_.end()}; }

base::Bytes encode_producers(const StoreId& store_id, const std::vector<const ProducerSnapshot*>& entries) {
  base::Bytes out;
  base::put_bytes(out, std::as_bytes(std::span(kMagic)));
  base::put_bytes(out, std::as_bytes(std::span(store_id)));
  base::put_le<std::uint32_t>(out, static_cast<std::uint32_t>(entries.size()));
  for (const ProducerSnapshot* entry : entries) {
    base::put_bytes(out, std::as_bytes(std::span(entry->key.topic.bytes)));
    base::put_le<std::int32_t>(out, entry->key.partition.value());
    base::put_le<std::int64_t>(out, entry->next.value());
    base::put_le<std::int32_t>(out, entry->epoch.value());
    base::put_le<std::uint32_t>(out, entry->batch_crc);
    base::put_le<std::uint32_t>(out, static_cast<std::uint32_t>(entry->table.size()));
    for (const auto& [id, producer] : entry->table.sorted()) {
      base::put_le<std::int64_t>(out, id);
      base::put_le<std::int16_t>(out, producer.epoch);
      base::put_le<std::uint8_t>(out, 0);
      base::put_le<std::uint8_t>(out, static_cast<std::uint8_t>(producer.batches.size()));
      base::put_le<std::int64_t>(out, producer.last_used_ms);
      for (const ProducedBatch& batch : producer.batches) {
        base::put_le<std::int32_t>(out, batch.first_sequence);
        base::put_le<std::int32_t>(out, batch.last_sequence);
        base::put_le<std::int64_t>(out, batch.base_offset.value());
        base::put_le<std::int64_t>(out, batch.last_offset.value());
        base::put_le<std::int64_t>(out, batch.timestamp);
      }
    }
  }
  base::put_le<std::uint32_t>(out, base::crc32c(0, out));
  return out;
}

namespace {

// Sizes have been looked at before.
ProducedBatch read_batch(base::Reader& in) {
  ProducedBatch batch;
  batch.first_sequence = *in.le<std::int32_t>();
  batch.last_sequence = *in.le<std::int32_t>();
  batch.base_offset = Offset(*in.le<std::int64_t>());
  batch.last_offset = Offset(*in.le<std::int64_t>());
  batch.timestamp = *in.le<std::int64_t>();
  return batch;
}

bool read_producer(base::Reader& in, ProducerTable& table) {
  if (in.remaining() < kProducerBytes) return false;
  const std::int64_t id = *in.le<std::int64_t>();
  ProducerTable::Producer producer;
  producer.epoch = *in.le<std::int16_t>();
  const std::uint8_t zero = *in.le<std::uint8_t>();
  const std::uint8_t count = *in.le<std::uint8_t>();
  producer.last_used_ms = *in.le<std::int64_t>();
  if (id < 0 || zero != 0 || count > kProducerBatchesKept || in.remaining() < count * kBatchBytes) return false;
  for (int i = 0; i < count; ++i) producer.batches.push_back(read_batch(in));
  table.put(id, std::move(producer));
  return true;
}

bool read_partition(base::Reader& in, ProducerSnapshot& entry) {
  if (in.remaining() < kPartitionBytes) return false;
  std::memcpy(entry.key.topic.bytes.data(), in.bytes(entry.key.topic.bytes.size())->data(), entry.key.topic.bytes.size());
  entry.key.partition = PartitionId(*in.le<std::int32_t>());
  entry.next = Offset(*in.le<std::int64_t>());
  entry.epoch = Epoch(*in.le<std::int32_t>());
  entry.batch_crc = *in.le<std::uint32_t>();
  const std::uint32_t count = *in.le<std::uint32_t>();
  for (std::uint32_t i = 0; i < count; ++i) {
    if (!read_producer(in, entry.table)) return false;
  }
  return true;
}

}  // namespace

Result<std::vector<ProducerSnapshot>> decode_producers(const StoreId& store_id, base::ByteView bytes) {
  const auto corrupt = [](std::uint64_t position, const char* what) {
    return Error{Code::corrupt, "producers, position " + std::to_string(position) + ": " + what};
  };
  constexpr std::size_t kHeaderBytes = kMagic.size() + sizeof(StoreId) + 4;
  if (bytes.size() < kHeaderBytes + 4) return corrupt(0, "the file is too short");
  if (!std::ranges::equal(bytes.first(kMagic.size()), std::as_bytes(std::span(kMagic)))) return corrupt(0, "this is no such file");
  if (!std::ranges::equal(bytes.subspan(kMagic.size(), sizeof(StoreId)), std::as_bytes(std::span(store_id)))) {
    return corrupt(kMagic.size(), "the file is of another store");
  }
  const std::size_t crc_at = bytes.size() - 4;
  if (base::load_le<std::uint32_t>(bytes.data() + crc_at) != base::crc32c(0, bytes.first(crc_at))) return corrupt(crc_at, "the CRC does not match");
  base::Reader in(bytes.first(crc_at));
  (void)in.skip(kHeaderBytes - 4);
  const std::uint32_t count = *in.le<std::uint32_t>();
  std::vector<ProducerSnapshot> out;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (!read_partition(in, out.emplace_back())) return corrupt(in.offset(), "an entry goes past the end, or is none");
  }
  if (!in.empty()) return corrupt(in.offset(), "there are bytes behind the last entry");
  return out;
}

}  // namespace baton::log
