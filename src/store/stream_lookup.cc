#include "store/stream_lookup.h"

#include <algorithm>

#include "base/try.h"

namespace baton::store {
namespace {

// What the stream's newest system record hides: the first version that reads may show.
Result<StreamVersion> find_visible_from(const PartitionView& partition, const IndexSnapshot& index, RecordFetcher& fetcher,
                                        std::string_view stream, log::Offset to) {
  IndexCursor cursor =
      index.find(system_hash(stream), partition.reader().bounds().log_start, to, Direction::backward);
  while (true) {
    BATON_TRY_ASSIGN(const auto hit, cursor.next());
    if (!hit) return StreamVersion(0);
    BATON_TRY_ASSIGN(const EventView* const event, fetcher.fetch(*hit));
    if (event->stream != stream || event->system.empty()) continue;
    const auto before = truncated_before(event->system);
    return before ? StreamVersion(*before) : hit->version.plus(1);
  }
}

}  // namespace

std::uint64_t system_hash(std::string_view stream) { return id_hash(stream, {}, {}); }

Result<Head> find_head(const PartitionView& partition, const IndexSnapshot& index, RecordFetcher& fetcher,
                       std::string_view stream, std::uint64_t hash, log::Offset to) {
  BATON_TRY_ASSIGN(const auto newest, index.newest(hash, to));
  return find_head(partition, index, fetcher, stream, hash, to, newest);
}

Result<Head> find_head(const PartitionView& partition, const IndexSnapshot& index, RecordFetcher& fetcher,
                       std::string_view stream, std::uint64_t hash, log::Offset to,
                       const std::optional<IndexHit>& newest) {
  const log::Offset log_start = partition.reader().bounds().log_start;
  Head head;
  std::optional<IndexHit> hit = newest;
  while (hit && hit->offset >= log_start) {
    BATON_TRY_ASSIGN(const EventView* const event, fetcher.fetch(*hit));
    if (event->stream == stream) {
      head.last_version = hit->version;
      head.last_offset = hit->offset;
      head.deleted = !event->system.empty() && !truncated_before(event->system);
      break;
    }
    BATON_TRY_ASSIGN(hit, index.newest(hash, hit->offset));
  }
  if (head.last_version.value() >= 0) {
    BATON_TRY_ASSIGN(head.visible_from, find_visible_from(partition, index, fetcher, stream, to));
  }
  const auto snapshot = partition.heads();
  if (snapshot == nullptr) return head;
  // What is as of an offset past `to` would tell the future; then the stream's records were all removed, and nothing can be said.
  BATON_TRY_ASSIGN(const auto kept, snapshot->find(stream));
  if (!kept || kept->last_offset >= to) return head;
  head.visible_from = std::max(head.visible_from, kept->truncated_before);
  if (head.last_version.value() >= 0) return head;
  head.last_version = kept->last_version;
  head.last_offset = kept->last_offset;
  head.deleted = kept->deleted;
  if (kept->deleted) head.visible_from = kept->last_version.plus(1);
  return head;
}

}  // namespace baton::store
