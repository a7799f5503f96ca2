// The producers' states at open and at checkpoints (docs/formats/producers.md).
#include <algorithm>

#include "base/try.h"
#include "log/log_impl.h"

namespace baton::log {
namespace {

constexpr std::size_t kReadBytes = 1u << 20;

struct LastBatch {
  Epoch epoch;
  std::uint32_t crc = 0;
};

// Applies the batches from `from` to the end to the table; `last` becomes the last one.
Status read_batches(const Partition& partition, Offset from, std::int64_t now_ms, ProducerTable& table, LastBatch& last) {
  const Offset end(partition.bounds().visible.value());
  base::Bytes bytes;
  while (from < end) {
    bytes.clear();
    BATON_TRY_ASSIGN(const auto got, partition.read(from, kReadBytes, bytes, end));
    if (!got.first) break;
    for (base::ByteView rest(bytes); !rest.empty();) {
      BATON_TRY_ASSIGN(const BatchHeader header, parse_batch_header(rest));
      // When it was written is known where the append time was kept; a producer's own times are its own business.
      table.take(header, header.log_append_time() ? header.max_timestamp : now_ms);
      last = {header.epoch, header.crc};
      rest = rest.subspan(header.total_bytes());
    }
    from = got.next;
  }
  return {};
}

// The batch that ends at `next`, when there is one that can be read.
Result<std::optional<LastBatch>> batch_before(const Partition& partition, Offset next) {
  base::Bytes bytes;
  const auto got = partition.read(Offset(next.value() - 1), 1, bytes, std::nullopt);
  if (!got && got.error().code != Code::corrupt) return got.error();
  if (!got || !got->first) return std::optional<LastBatch>();
  BATON_TRY_ASSIGN(const BatchHeader header, parse_batch_header(bytes));
  if (header.next_offset() != next) return std::optional<LastBatch>();
  return std::optional(LastBatch{header.epoch, header.crc});
}

}  // namespace

// What is damaged or missing is read from the log again. io_error only.
Result<std::vector<ProducerSnapshot>> LogImpl::read_producers() const {
  std::vector<ProducerSnapshot> none;
  const auto bytes = os::read_state_file(fs_, path(kProducersName), kProducersFileBytesMax);
  if (!bytes && bytes.error().code == Code::io_error) return bytes.error();
  if (!bytes) return none;
  auto entries = decode_producers(catalogue_->state().store_id, *bytes);
  if (entries) return entries;
  if (options_.warn) options_.warn(entries.error().detail + ": the states of producers are read from the log again");
  return none;
}

Status LogImpl::recover_producers() {
  BATON_TRY_ASSIGN(auto entries, read_producers());
  for (const auto& [key, tail] : tails_) {
    const auto found = std::ranges::find(entries, key, &ProducerSnapshot::key);
    BATON_TRY(recover_producers_of(*tail, found == entries.end() ? nullptr : &*found));
  }
  return {};
}

Status LogImpl::recover_producers_of(PartitionTail& tail, ProducerSnapshot* known) {
  Offset from = tail.partition->bounds().log_start;
  LastBatch last;
  if (known != nullptr && known->next > from && known->next <= tail.ended) {
    BATON_TRY_ASSIGN(const auto at, batch_before(*tail.partition, known->next));
    if (at && at->epoch == known->epoch && at->crc == known->batch_crc) {
      tail.producers = std::move(known->table);
      last = *at;
      from = known->next;
    }
  }
  if (from != tail.ended) producers_stale_ = true;
  const Status read = read_batches(*tail.partition, from, clock_->now_ms(), tail.producers, last);
  // Damage is told to whoever reads the batch; it does not keep the store closed.
  if (!read && read.error().code != Code::corrupt) return read;
  if (!read && options_.warn) options_.warn(read.error().detail + ": what producers wrote behind it is not known");
  tail.ended_epoch = last.epoch;
  tail.ended_crc = last.crc;
  return {};
}

base::Bytes LogImpl::producers_file() const {
  std::vector<ProducerSnapshot> entries;
  std::vector<const ProducerSnapshot*> pointers;
  entries.reserve(tails_.size());
  for (const auto& [key, tail] : tails_) {
    ProducerSnapshot& entry = entries.emplace_back();
    entry.key = key;
    entry.next = tail->ended;
    entry.epoch = tail->ended_epoch;
    entry.batch_crc = tail->ended_crc;
    entry.table = tail->producers;
    entry.table.expire(clock_->now_ms());
  }
  for (const ProducerSnapshot& entry : entries) pointers.push_back(&entry);
  return encode_producers(catalogue_->state().store_id, pointers);
}

}  // namespace baton::log
