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

constexpr std::size_t kAhead = 4;  // events of a stream lie far from each other: so many are on their way from memory at a time
constexpr std::size_t kChunkBytes = 256u << 10;  // of a scan in place of the index

// Where a read ends: what is visible, or as of a position or an append time.
Result<log::Offset> end_of_read(const ContextView& context, std::string_view stream, const AsOf& as_of) {
  const log::PartitionId partition = context.partition_of(stream);
  const auto number = static_cast<std::size_t>(partition.value());
  if (!as_of.position && !as_of.recorded) {
    BATON_TRY(check_as_of(as_of));
    return context.partitions[number]->end();
  }
  BATON_TRY_ASSIGN(const auto ranges, ContextScanner::ranges(context, {.as_of = as_of}, nullptr, partition.value()));
  return log::Offset(ranges[number].end);
}

SnapshotStore snapshots_of(os::Env& env, const ContextView& context, std::string_view stream) {
  return {env.fs(), os::join(context.partition_for(stream).directory(), "snapshots")};
}

}  // namespace

StreamReader::StreamReader(const ContextView& context, const PartitionView& partition, std::string_view stream, log::Offset to)
    : context_(context),
      partition_(partition),
      stream_(stream),
      hash_(stream_hash(stream)),
      from_(partition.reader().bounds().log_start),
      to_(to),
      index_(partition.index_snapshot()),
      positions_(context.id, static_cast<std::int32_t>(context.partitions.size())),
      fetcher_(context, partition, &positions_) {}

Result<std::unique_ptr<StreamReader>> StreamReader::open(const ContextView& context, std::string_view stream, log::Offset to) {
  BATON_TRY(check_stream_name(stream));
  const PartitionView& partition = context.partition_for(stream);
  std::unique_ptr<StreamReader> reader(new StreamReader(context, partition, stream, to));
  BATON_TRY(reader->load_head());
  return reader;
}

Status StreamReader::load_head() {
  if (!index_) return scan_log();
  auto head = find_head(partition_, *index_, fetcher_, stream_, hash_, to_);
  if (!head && head.error().code == Code::corrupt) return scan_log();
  if (!head) return std::move(head).error();
  head_ = *head;
  return {};
}

Result<const EventView*> StreamReader::event(const IndexHit& hit) {
  BATON_TRY_ASSIGN(const EventView* const event, fetcher_.fetch(hit));
  return event->stream == stream_ && event->system.empty() ? event : nullptr;
}

// All records of the stream, without the index.
Status StreamReader::scan_log() {
  scanned_.emplace();
  head_ = Head{};
  EventDecoder decoder(context_.name, &positions_, partition_.key().partition);
  log::RecordCursor cursor;
  base::Bytes chunk;
  EventView event;
  if (const auto heads = partition_.heads()) {
    BATON_TRY_ASSIGN(const auto kept, heads->find(stream_));
    if (kept && kept->last_offset < to_) {
      head_ = {.last_version = kept->last_version,
               .visible_from = kept->truncated_before,
               .deleted = kept->deleted,
               .last_offset = kept->last_offset};
    }
  }
  for (log::Offset next = from_; next < to_;) {
    chunk.clear();
    const auto read = partition_.reader().read(next, kChunkBytes, chunk, to_);
    if (!read) return read.error();
    if (!read->first) break;
    log::FilePosition position = read->first->position;
    for (base::ByteView rest = chunk; !rest.empty(); rest = rest.subspan(cursor.header().total_bytes())) {
      BATON_TRY(cursor.start(rest));
      while (cursor.next()) {
        const log::RecordView& record = cursor.record();
        if (record.offset >= to_ || !record.key || base::as_text(*record.key) != stream_) continue;
        BATON_TRY(decoder.decode(record, cursor.header().epoch, event));
        const bool packed = cursor.header().codec() != log::Codec::none;
        IndexHit hit{.offset = record.offset,
                     .version = event.system.empty() ? StreamVersion(event.version) : head_.last_version,
                     .position = position,
                     .record_delta = packed ? 0 : static_cast<std::uint32_t>(record.bytes.data() - rest.data())};
        const auto before = truncated_before(event.system);
        if (event.system.empty()) {
          head_.last_version = hit.version;
        } else {
          head_.visible_from = std::max(head_.visible_from, before ? StreamVersion(*before) : head_.last_version.plus(1));
        }
        head_.deleted = !event.system.empty() && !before;
        head_.last_offset = hit.offset;
        scanned_->push_back(hit);
      }
      BATON_TRY(cursor.status());
      position = position.plus(cursor.header().total_bytes());
    }
    next = read->next;
  }
  return {};
}

Result<std::vector<IndexHit>> StreamReader::all_hits() const {
  if (scanned_) return *scanned_;
  std::vector<IndexHit> hits;
  IndexCursor cursor = index_->find(hash_, from_, to_, Direction::forward);
  while (true) {
    BATON_TRY_ASSIGN(const auto hit, cursor.next());
    if (!hit) return hits;
    hits.push_back(*hit);
  }
}

Result<std::vector<IndexHit>> StreamReader::find_from_start(std::int64_t first, std::int64_t last) const {
  std::vector<IndexHit> hits;
  IndexCursor cursor = index_->find(hash_, from_, to_, Direction::forward);
  while (true) {
    BATON_TRY_ASSIGN(const auto hit, cursor.next());
    if (!hit || hit->version.value() >= last) return hits;
    if (hit->version.value() >= first) hits.push_back(*hit);
  }
}

Result<std::vector<IndexHit>> StreamReader::find_from_end(std::int64_t first, std::int64_t last) const {
  std::vector<IndexHit> hits;
  IndexCursor cursor = index_->find(hash_, from_, to_, Direction::backward);
  while (true) {
    BATON_TRY_ASSIGN(const auto hit, cursor.next());
    if (!hit || hit->version.value() < first) break;
    if (hit->version.value() < last) hits.push_back(*hit);
  }
  std::ranges::reverse(hits);
  return hits;
}

// The records with first <= version < last, by offset; system records may be among them. Versions ascend with offsets in a stream, so a
// stretch is found from its nearer end; but two streams may share a hash, on purpose. What does not look like one stream is looked for among
// all entries of the hash.
Result<std::vector<IndexHit>> StreamReader::find(std::int64_t first, std::int64_t last) const {
  std::vector<IndexHit> hits;
  if (trust_versions_ && !scanned_) {
    const bool near_the_end = head_.last_version.value() - first < last;
    BATON_TRY_ASSIGN(hits, near_the_end ? find_from_end(first, last) : find_from_start(first, last));
    bool whole = !hits.empty() && hits.back().version.value() == last - 1;
    whole = whole && (hits.front().version.value() == first || from_.value() > 0);
    for (std::size_t i = 1; whole && i < hits.size(); ++i) {
      whole = hits[i].version == hits[i - 1].version || hits[i].version == hits[i - 1].version.plus(1);
    }
    if (whole) return hits;
  }
  BATON_TRY_ASSIGN(hits, all_hits());
  std::erase_if(hits, [&](const IndexHit& hit) { return hit.version.value() < first || hit.version.value() >= last; });
  return hits;
}

Status StreamReader::try_read(std::int64_t first, std::int64_t last, Direction direction, const Visit& visit, bool& again) {
  BATON_TRY_ASSIGN(auto hits, find(first, last));
  if (direction == Direction::backward) std::ranges::reverse(hits);
  for (std::size_t i = 0; i < hits.size(); ++i) {
    if (i + kAhead < hits.size()) fetcher_.prefetch(hits[i + kAhead]);
    BATON_TRY_ASSIGN(const EventView* const event, fetcher_.fetch(hits[i]));
    if (event->stream != stream_) {
      // Entries of two streams are mixed: what was found so far may lack some. Begin again, from all entries.
      if (!trust_versions_) continue;
      trust_versions_ = false;
      again = true;
      return {};
    }
    if (event->system.empty() && !visit(*event)) return {};
  }
  return {};
}

Status StreamReader::read(std::int64_t first, std::int64_t last, Direction direction, const Visit& visit) {
  first = std::max(first, head_.visible_from.value());
  last = std::min(last, head_.last_version.value() + 1);
  // What was handed out before a new beginning is not handed out again.
  std::optional<std::int64_t> told;
  const Visit once = [&](const EventView& event) {
    if (told && (direction == Direction::forward ? event.version <= *told : event.version >= *told)) return true;
    told = event.version;
    return visit(event);
  };
  for (bool again = true; again && first < last;) {
    again = false;
    const Status status = try_read(first, last, direction, once, again);
    if (status) continue;
    if (scanned_ || status.error().code != Code::corrupt) return status;
    BATON_TRY(scan_log());
    again = true;
  }
  return {};
}

Status StreamReader::read_as_of(Time time, const std::function<void(const IndexHit&)>& keep) {
  std::vector<IndexHit> kept;
  BATON_TRY_ASSIGN(const auto hits, all_hits());
  head_ = Head{};
  for (const IndexHit& hit : hits) {
    BATON_TRY_ASSIGN(const EventView* const event, fetcher_.fetch(hit));
    if (event->stream != stream_ || time < event_time(*event)) continue;
    head_.deleted = false;
    head_.last_offset = hit.offset;
    if (event->system.empty()) {
      head_.last_version = hit.version;
      kept.push_back(hit);
      continue;
    }
    const auto before = truncated_before(event->system);
    head_.deleted = !before;
    head_.visible_from = before ? StreamVersion(*before) : hit.version.plus(1);
    std::erase_if(kept, [&](const IndexHit& k) { return k.version < head_.visible_from; });
  }
  for (const IndexHit& hit : kept) keep(hit);
  return {};
}

namespace {

// A page as of an event time.
Result<StreamPage> read_stream_as_of(StreamReader& reader, const ReadStream& request) {
  std::vector<IndexHit> hits;
  BATON_TRY(reader.read_as_of(*request.as_of.time, [&](const IndexHit& hit) { hits.push_back(hit); }));
  if (request.from_version >= 0) {
    std::erase_if(hits, [&](const IndexHit& hit) {
      return request.backward ? hit.version.value() > request.from_version : hit.version.value() < request.from_version;
    });
  }
  if (request.backward) std::ranges::reverse(hits);
  StreamPage page;
  page.last_version = reader.head().last_version.value();
  page.deleted = reader.head().deleted;
  for (const IndexHit& hit : hits) {
    BATON_TRY_ASSIGN(const EventView* const event, reader.event(hit));
    if (event == nullptr) continue;
    if (page.events.size() == request.limit) {
      page.next_version = event->version;
      break;
    }
    page.events.push_back(event->to_event());
  }
  return page;
}

}  // namespace

Result<StreamPage> read_stream(const ContextView& context, const ReadStream& request) {
  if (request.limit == 0) return Error{Code::invalid_argument, "a read needs a limit of at least 1"};
  BATON_TRY_ASSIGN(const log::Offset to, end_of_read(context, request.stream, request.as_of));
  BATON_TRY_ASSIGN(const auto reader, StreamReader::open(context, request.stream, to));
  if (request.as_of.time) return read_stream_as_of(*reader, request);

  const Head& head = reader->head();
  const auto limit = static_cast<std::int64_t>(std::min<std::size_t>(request.limit, IndexEntry::kVersionLimit));
  StreamPage page;
  page.last_version = head.last_version.value();
  page.deleted = head.deleted;
  const Visit take = [&](const EventView& event) {
    if (page.events.size() == request.limit) {
      page.next_version = event.version;
      return false;
    }
    page.events.push_back(event.to_event());
    return true;
  };
  // One more than asked for tells where to read on. What a retention has removed lies anywhere among the versions: a stretch that does
  // not fill the page is followed by a longer one.
  const std::int64_t begin = head.visible_from.value();
  const std::int64_t end = head.last_version.value() + 1;
  std::int64_t length = limit + 1;
  if (request.backward) {
    std::int64_t last = request.from_version < 0 ? end : std::min(request.from_version, end - 1) + 1;
    for (; last > begin && !page.next_version; length *= 2) {
      BATON_TRY(reader->read(last - length, last, Direction::backward, take));
      last -= length;
    }
    return page;
  }
  std::int64_t first = std::max(request.from_version, begin);
  for (; first < end && !page.next_version; length *= 2) {
    BATON_TRY(reader->read(first, first + length, Direction::forward, take));
    first += length;
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
  loaded.deleted = head.deleted;
  if (head.empty()) return loaded;
  // A snapshot of an earlier life of the stream, or of what is truncated since, is not a state of what can be seen.
  const log::PartitionReader& log = context.partition_for(stream).reader();
  const auto confirm = [&](std::int64_t version, log::Epoch epoch, log::Offset offset) -> Result<bool> {
    bool good = false;
    BATON_TRY(reader->read(version, version + 1, Direction::backward, [&](const EventView& event) {
      good = event.offset == offset.value();
      return false;
    }));
    if (good || offset >= log.bounds().log_start) return good;
    // A retention has removed the event, and the state after it may be all that is left of it. The table of epochs tells whether it was ever there.
    const auto end = log.epoch_end(epoch);
    return version >= head.visible_from.value() && end && offset < *end;
  };
  BATON_TRY_ASSIGN(loaded.snapshot,
                   snapshots_of(env, context, stream).load(stream, options.shape, loaded.version, confirm));
  const std::int64_t first = loaded.snapshot ? loaded.snapshot->version + 1 : head.visible_from.value();
  constexpr std::int64_t kReservedMax = 1024;  // many more would be memory that bytes_max has not been asked for
  loaded.events.reserve(static_cast<std::size_t>(std::min(loaded.version + 1 - first, kReservedMax)));
  std::size_t bytes = 0;
  BATON_TRY(reader->read(first, loaded.version + 1, Direction::forward, [&](const EventView& event) {
    if (bytes >= options.bytes_max && !loaded.events.empty()) {
      loaded.next_version = event.version;
      return false;
    }
    loaded.events.push_back(event.to_event());
    bytes += sizeof(Event) + event.data.size() + event.stream.size() + event.id.size() + event.type.size() + event.source.size();
    return true;
  }));
  loaded.removed = std::max<std::int64_t>(0, (loaded.events.empty() ? loaded.version + 1 : loaded.events.front().version) - first);
  loaded.snapshot_due = options.snapshot_every > 0 && (static_cast<std::int64_t>(loaded.events.size()) >= options.snapshot_every || loaded.next_version);
  return loaded;
}

Status save_aggregate(os::Env& env, const ContextView& context, std::string_view stream, const Snapshot& snapshot) {
  BATON_TRY(check_stream_name(stream));
  BATON_TRY_ASSIGN(const auto reader, StreamReader::open(context, stream, context.partition_for(stream).end()));
  std::optional<Status> saved;
  const bool possible = snapshot.version >= 0 && snapshot.version <= reader->head().last_version.value();
  if (possible) BATON_TRY(reader->read(snapshot.version, snapshot.version + 1, Direction::backward, [&](const EventView& event) {
    saved = snapshots_of(env, context, stream).save(stream, snapshot, log::Epoch(event.epoch), log::Offset(event.offset));
    return false;
  }));
  if (saved) return *std::move(saved);
  return Error{Code::invalid_argument, "stream " + std::string(stream) + " of context " + context.name + " has no event with version " +
                                           std::to_string(snapshot.version) + " that can be seen: a snapshot is of the state after one"};
}

}  // namespace baton::store
