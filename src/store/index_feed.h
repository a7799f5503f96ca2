// Which index entries a record has (docs/formats/index.md): its stream, its identity, its type, each of its tags.
//
// The same for an event that is being appended and for one that is read again from the log, so that a rebuilt index is equal.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <baton/event.h>
#include <baton/result.h>

#include "log/batch.h"
#include "log/log.h"
#include "store/event_codec.h"
#include "store/index.h"
#include "store/read_view.h"
#include "store/record_fetcher.h"
#include "store/stream_lookup.h"

namespace baton::store {

// The version field of entries that are not a stream's, so that a walk over all streams passes them by.
inline constexpr StreamVersion kNoStreamVersion{IndexEntry::kVersionLimit - 1};

// Calls add(hash, hit) for each entry of an event. `hit.version` is the event's.
template <typename Tag, typename Add>
void entries_of_event(IndexHit hit, std::uint64_t stream_hash_value, std::uint64_t id_hash_value, std::string_view bare_type,
                      std::span<const Tag> tags, const Add& add) {
  add(stream_hash_value, hit);
  hit.version = kNoStreamVersion;
  add(id_hash_value, hit);
  add(type_hash(bare_type), hit);
  for (auto tag = tags.begin(); tag != tags.end(); ++tag) {
    if (std::find(tags.begin(), tag, *tag) == tag) add(tag_hash(*tag), hit);
  }
}

// The same for a system record; `hit.version` is the version of the stream's last event.
template <typename Add>
void entries_of_system(const IndexHit& hit, std::string_view stream, std::string_view type, const Add& add) {
  add(stream_hash(stream), hit);
  add(system_hash(stream_hash(stream)), hit);
  IndexHit typed = hit;
  typed.version = kNoStreamVersion;
  add(type_hash(type), typed);
}

// Puts the entries of an event behind `out`. `stream_hash_value` and `id_hash_value` were needed for the checks already. `hit.version` is
// the event's.
void collect_event(std::vector<IndexEntry>& out, const IndexHit& hit, std::uint64_t stream_hash_value, std::uint64_t id_hash_value,
                   std::string_view bare_type, std::span<const std::string> tags);

// A system record; `hit.version` is the version of the stream's last event.
void feed_system(Index& index, const IndexHit& hit, std::string_view stream, std::string_view type);

// Reads records of one partition again and feeds its index. One thread, the one that owns the index.
class IndexFeeder {
 public:
  IndexFeeder(const ContextView& context, PartitionView& partition);

  // All records with an offset of `from` or more in `batches` (whole batches, the first of which lies at `position` of its segment), each
  // batch acknowledged. incompatible: a record that is not an event (F31). `streams` is raised by the streams that begin here, those that
  // the heads snapshot knows not counted again.
  [[nodiscard]] Status feed(base::ByteView batches, log::FilePosition position, log::Offset from, std::int64_t& streams);

 private:
  [[nodiscard]] Status feed_record(const EventView& event, IndexHit hit);

  PartitionView& partition_;
  EventDecoder decoder_;
  RecordFetcher fetcher_;
  log::RecordCursor cursor_;
  std::vector<IndexEntry> entries_;  // of one record
};

}  // namespace baton::store
