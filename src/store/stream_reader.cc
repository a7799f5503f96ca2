#include "store/stream_reader.h"

#include <algorithm>

#include "base/try.h"
#include "os/file.h"
#include "store/context_scanner.h"
#include "store/limits.h"
#include "store/snapshot_store.h"
#include "store/stream_lookup.h"

namespace baton::store {
namespace {

// Where a read ends: what is visible, or as of a position or an append time.
Result<log::Offset> end_of_read(const ContextView& context, std::string_view stream, const AsOf& as_of) {
  const log::PartitionId partition = context.partition_of(stream);
  const auto number = static_cast<std::size_t>(partition.value());
  if (!as_of.position && !as_of.recorded) {
    BATON_TRY(check_as_of(as_of));
    return context.partitions[number]->end();
  }
  BATON_TRY_ASSIGN(const auto ranges, ContextScanner::ranges(context, {.as_of = as_of}, nullptr));
  return log::Offset(ranges[number].end);
}

SnapshotStore snapshots_of(os::Env& env, const ContextView& context, std::string_view stream) {
  return {env.fs(), os::join(context.partition_for(stream).directory(), "snapshots")};
}

}  // namespace

StreamReader::StreamReader(const ContextView& context, const PartitionView& partition, std::string_view stream, log::Offset to)
    : stream_(stream),
      hash_(stream_hash(stream)),
      from_(partition.reader().bounds().log_start),
      to_(to),
      index_(partition.index().snapshot()),
      positions_(context.id, static_cast<std::int32_t>(context.partitions.size())),
      fetcher_(context, partition, &positions_) {}

Result<std::unique_ptr<StreamReader>> StreamReader::open(const ContextView& context, std::string_view stream, log::Offset to) {
  BATON_TRY(check_stream_name(stream));
  const PartitionView& partition = context.partition_for(stream);
  if (!partition.index_ready()) {
    return Error{Code::unavailable, "context " + context.name + ": its index is being rebuilt from the log; try again"};
  }
  std::unique_ptr<StreamReader> reader(new StreamReader(context, partition, stream, to));
  BATON_TRY_ASSIGN(reader->head_, find_head(partition, reader->index_, reader->fetcher_, stream, reader->hash_, to));
  return reader;
}

Result<const EventView*> StreamReader::event(const IndexHit& hit) {
  BATON_TRY_ASSIGN(const EventView* const event, fetcher_.fetch(hit));
  return event->stream == stream_ && event->system.empty() ? event : nullptr;
}

Result<std::vector<IndexHit>> StreamReader::find_from_start(std::int64_t first, std::int64_t last) const {
  std::vector<IndexHit> hits;
  IndexCursor cursor = index_.find(hash_, from_, to_, Direction::forward);
  while (true) {
    BATON_TRY_ASSIGN(const auto hit, cursor.next());
    if (!hit || hit->version.value() >= last) return hits;
    if (hit->version.value() >= first) hits.push_back(*hit);
  }
}

Result<std::vector<IndexHit>> StreamReader::find_from_end(std::int64_t first, std::int64_t last) const {
  std::vector<IndexHit> hits;
  IndexCursor cursor = index_.find(hash_, from_, to_, Direction::backward);
  while (true) {
    BATON_TRY_ASSIGN(const auto hit, cursor.next());
    if (!hit || hit->version.value() < first) break;
    if (hit->version.value() < last) hits.push_back(*hit);
  }
  std::ranges::reverse(hits);
  return hits;
}

Result<std::vector<IndexHit>> StreamReader::find(std::int64_t first, std::int64_t last) const {
  first = std::max(first, head_.visible_from.value());
  last = std::min(last, head_.last_version.value() + 1);
  if (first >= last) return std::vector<IndexHit>();
  // Versions ascend with offsets, except where two streams share a hash: then nothing may be concluded from one entry's version, and
  // both ways read on for as long as entries come. Such streams are made on purpose only, and stay correct for being read from the start.
  const bool near_the_end = head_.last_version.value() - first < last;
  return near_the_end ? find_from_end(first, last) : find_from_start(first, last);
}

Result<std::vector<IndexHit>> StreamReader::find_as_of(Time time) {
  std::vector<IndexHit> hits;
  head_ = Head{};
  IndexCursor cursor = index_.find(hash_, from_, to_, Direction::forward);
  while (true) {
    BATON_TRY_ASSIGN(const auto hit, cursor.next());
    if (!hit) return hits;
    BATON_TRY_ASSIGN(const EventView* const event, fetcher_.fetch(*hit));
    if (event->stream != stream_ || time < event_time(*event)) continue;
    head_.deleted = false;
    head_.last_offset = hit->offset;
    if (event->system.empty()) {
      head_.last_version = hit->version;
      hits.push_back(*hit);
      continue;
    }
    const auto before = truncated_before(event->system);
    head_.deleted = !before;
    head_.visible_from = before ? StreamVersion(*before) : hit->version.plus(1);
    std::erase_if(hits, [&](const IndexHit& kept) { return kept.version < head_.visible_from; });
  }
}

Result<StreamPage> read_stream(const ContextView& context, const ReadStream& request) {
  if (request.limit == 0) return Error{Code::invalid_argument, "a read needs a limit of at least 1"};
  BATON_TRY_ASSIGN(const log::Offset to, end_of_read(context, request.stream, request.as_of));
  BATON_TRY_ASSIGN(const auto reader, StreamReader::open(context, request.stream, to));
  const auto limit = static_cast<std::int64_t>(std::min<std::size_t>(request.limit, IndexEntry::kVersionLimit));

  std::vector<IndexHit> hits;
  if (request.as_of.time) {
    BATON_TRY_ASSIGN(hits, reader->find_as_of(*request.as_of.time));
    if (request.from_version >= 0) {
      std::erase_if(hits, [&](const IndexHit& hit) {
        return request.backward ? hit.version.value() > request.from_version : hit.version.value() < request.from_version;
      });
    }
  } else if (request.backward) {
    const std::int64_t last = reader->head().last_version.value();
    const std::int64_t from = request.from_version < 0 ? last : std::min(request.from_version, last);
    BATON_TRY_ASSIGN(hits, reader->find(from - limit, from + 1));
  } else {
    const std::int64_t from = std::max(request.from_version, reader->head().visible_from.value());
    // One more than asked for tells where to read on.
    BATON_TRY_ASSIGN(hits, reader->find(from, from + limit + 1));
  }
  if (request.backward) std::ranges::reverse(hits);

  StreamPage page;
  page.last_version = reader->head().last_version.value();
  page.deleted = reader->head().deleted;
  page.events.reserve(std::min(hits.size(), request.limit));
  for (const IndexHit& hit : hits) {
    BATON_TRY_ASSIGN(const EventView* const event, reader->event(hit));
    if (event == nullptr) continue;
    if (page.events.size() == request.limit) {
      page.next_version = event->version;
      break;
    }
    page.events.push_back(event->to_event());
  }
  return page;
}

Result<Head> stream_head(const ContextView& context, std::string_view stream) {
  BATON_TRY(check_stream_name(stream));
  BATON_TRY_ASSIGN(const auto reader, StreamReader::open(context, stream, context.partition_for(stream).end()));
  return reader->head();
}

Result<Loaded> load_aggregate(os::Env& env, const ContextView& context, std::string_view stream, const LoadOptions& options) {
  BATON_TRY(check_stream_name(stream));
  BATON_TRY_ASSIGN(const auto reader, StreamReader::open(context, stream, context.partition_for(stream).end()));
  const Head& head = reader->head();
  Loaded loaded;
  loaded.version = head.last_version.value();
  if (head.empty()) return loaded;
  // A snapshot of an earlier life of the stream, or of what is truncated since, is not a state of what can be seen.
  const auto confirm = [&](std::int64_t version, log::Offset offset) -> Result<bool> {
    if (version < head.visible_from.value()) return false;
    BATON_TRY_ASSIGN(const auto hits, reader->find(version, version + 1));
    for (const IndexHit& hit : hits) {
      BATON_TRY_ASSIGN(const EventView* const event, reader->event(hit));
      if (event != nullptr) return event->version == version && hit.offset == offset;
    }
    return false;
  };
  BATON_TRY_ASSIGN(loaded.snapshot,
                   snapshots_of(env, context, stream).load(stream, options.shape, loaded.version, confirm));
  BATON_TRY_ASSIGN(const auto hits, reader->find(loaded.snapshot ? loaded.snapshot->version + 1 : 0, loaded.version + 1));
  loaded.events.reserve(hits.size());
  for (const IndexHit& hit : hits) {
    BATON_TRY_ASSIGN(const EventView* const event, reader->event(hit));
    if (event != nullptr) loaded.events.push_back(event->to_event());
  }
  loaded.snapshot_due =
      options.snapshot_every > 0 && static_cast<std::int64_t>(loaded.events.size()) >= options.snapshot_every;
  return loaded;
}

Status save_aggregate(os::Env& env, const ContextView& context, std::string_view stream, const Snapshot& snapshot) {
  BATON_TRY(check_stream_name(stream));
  BATON_TRY_ASSIGN(const auto reader, StreamReader::open(context, stream, context.partition_for(stream).end()));
  BATON_TRY_ASSIGN(const auto hits, reader->find(snapshot.version, snapshot.version + 1));
  for (const IndexHit& hit : hits) {
    BATON_TRY_ASSIGN(const EventView* const event, reader->event(hit));
    if (event == nullptr) continue;
    return snapshots_of(env, context, stream).save(stream, snapshot, log::Epoch(event->epoch), hit.offset);
  }
  return Error{Code::invalid_argument, "stream " + std::string(stream) + " of context " + context.name + " has no event with version " +
                                           std::to_string(snapshot.version) + " that can be seen: a snapshot is of the state after one"};
}

}  // namespace baton::store
