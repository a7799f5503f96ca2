#include "store/index_feed.h"

#include <algorithm>

#include "base/try.h"
#include "store/limits.h"

namespace baton::store {
namespace {

auto collector(std::vector<IndexEntry>& out) {
  return [&out](std::uint64_t hash, const IndexHit& hit) { out.push_back(IndexEntry::pack(hash, hit)); };
}

}  // namespace

void collect_event(std::vector<IndexEntry>& out, const IndexHit& hit, std::uint64_t stream_hash_value, std::uint64_t id_hash_value,
                   std::string_view bare_type, std::span<const std::string> tags) {
  entries_of_event(hit, stream_hash_value, id_hash_value, bare_type, tags, collector(out));
}

void feed_system(Index& index, const IndexHit& hit, std::string_view stream, std::string_view type) {
  std::vector<IndexEntry> entries;
  entries_of_system(hit, stream, type, collector(entries));
  index.add(entries);
}

IndexFeeder::IndexFeeder(const ContextView& context, PartitionView& partition)
    : partition_(partition),
      decoder_(context.name, nullptr, partition.key().partition),
      fetcher_(context, partition, nullptr) {}

Status IndexFeeder::feed_record(const EventView& event, IndexHit hit) {
  Index& index = partition_.index();
  if (event.system.empty()) {
    hit.version = StreamVersion(event.version);
    entries_.clear();
    entries_of_event(hit, stream_hash(event.stream), id_hash(event.stream, event.source, event.id), event.type,
                     std::span(event.tags, event.tag_count), collector(entries_));
    index.add(entries_);
    return {};
  }
  // A system record has no version of its own: its entry takes that of the event before it.
  BATON_TRY_ASSIGN(const Head head, find_head(partition_, index.snapshot(), fetcher_, event.stream,
                                              stream_hash(event.stream), hit.offset));
  hit.version = std::max(head.last_version, StreamVersion(0));
  feed_system(index, hit, event.stream, event.type);
  return {};
}

Status IndexFeeder::feed(base::ByteView batches, log::FilePosition position, log::Offset from, std::int64_t& streams) {
  const auto heads = partition_.heads();
  const log::Offset count_from = heads == nullptr ? log::Offset(0) : heads->offset();
  EventView event;
  while (!batches.empty()) {
    BATON_TRY(cursor_.start(batches));
    const log::BatchHeader& header = cursor_.header();
    while (cursor_.next()) {
      const log::RecordView& record = cursor_.record();
      if (record.offset < from) continue;
      BATON_TRY(decoder_.decode(record, header.epoch, event));
      if (event.version == 0 && record.offset >= count_from) ++streams;
      const bool packed = header.codec() != log::Codec::none;
      BATON_TRY(feed_record(event, {.offset = record.offset,
                                    .version = StreamVersion(0),
                                    .position = position,
                                    .record_delta = packed ? 0 : static_cast<std::uint32_t>(record.bytes.data() - batches.data())}));
    }
    BATON_TRY(cursor_.status());
    if (header.next_offset() > from) partition_.index().acknowledge(header.next_offset(), header.epoch, header.crc, streams);
    position = position.plus(header.total_bytes());
    batches = batches.subspan(header.total_bytes());
  }
  return {};
}

}  // namespace baton::store
