#include "store/stream_lookup.h"

#include <algorithm>

#include "base/try.h"

namespace baton::store {
namespace {

// What the stream's newest system record hides: the first version that reads may show.
Result<StreamVersion> find_visible_from(const PartitionView& partition, const IndexSnapshot& index, RecordFetcher& fetcher,
                                        std::string_view stream, std::uint64_t hash, const std::optional<IndexHit>& newest) {
  const log::Offset log_start = partition.reader().bounds().log_start;
  std::optional<IndexHit> hit = newest;
  while (hit && hit->offset >= log_start) {
    BATON_TRY_ASSIGN(const EventView* const event, fetcher.fetch(*hit));
    if (event->stream == stream && !event->system.empty()) {
      const auto before = truncated_before(event->system);
      return before ? StreamVersion(*before) : hit->version.plus(1);
    }
    BATON_TRY_ASSIGN(hit, index.newest(system_hash(hash), hit->offset));
  }
  return StreamVersion(0);
}

}  // namespace

Result<Head> find_head(const PartitionView& partition, const IndexSnapshot& index, RecordFetcher& fetcher,
                       std::string_view stream, std::uint64_t hash, log::Offset to) {
  const std::uint64_t hashes[] = {hash, system_hash(hash)};
  std::optional<IndexHit> hits[2];
  BATON_TRY(index.newest(hashes, to, hits));
  return find_head(partition, index, fetcher, stream, hash, to, hits[0], hits[1]);
}

Result<Head> find_head(const PartitionView& partition, const IndexSnapshot& index, RecordFetcher& fetcher,
                       std::string_view stream, std::uint64_t hash, log::Offset to,
                       const std::optional<IndexHit>& newest, const std::optional<IndexHit>& newest_system) {
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
    BATON_TRY_ASSIGN(head.visible_from, find_visible_from(partition, index, fetcher, stream, hash, newest_system));
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
