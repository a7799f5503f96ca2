// Staging and rounds.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/try.h"
#include "log/log_impl.h"
#include "log/recovery.h"

namespace baton::log {
namespace {

constexpr std::uint64_t kChunkBytesMin = 64u << 10;
constexpr std::uint64_t kChunkBytesMax = 16u << 20;
constexpr std::int64_t kTellFullNs = 60'000'000'000;
constexpr std::int64_t kLookAgainNs = 1'000'000'000;
constexpr std::size_t kSpareBatchesMax = 8192;  // that all spare vectors together have room for
constexpr std::size_t kSparePartsMax = 8192;

bool journalled(const PartitionTail& tail) { return tail.config->durability != Durability::memory; }

}  // namespace

Status check_room(os::FileSystem& fs, const std::string& directory, const LogOptions& options) {
  BATON_TRY(check_space(fs, directory, options.reserve_bytes, kChunkBytesMin));
  return check_space(fs, topics_directory(directory), options.reserve_bytes, kChunkBytesMin);
}

Status LogImpl::check_open() const {
  if (failed_) return Error{Code::store_failed, failure_.detail};
  if (closed_) return Error{Code::cancelled, "the log is closed"};
  return {};
}

Result<PartitionTail*> LogImpl::find_tail(const PartitionKey& key) const {
  const auto topic = by_topic_.find(key.topic);
  const auto number = static_cast<std::size_t>(key.partition.value());  // a negative one is beyond any
  if (topic != by_topic_.end() && number < topic->second.size() && topic->second[number] != nullptr) return topic->second[number];
  return Error{Code::not_found, "there is no partition " + partition_directory(key)};
}

Result<std::optional<ProducedBatch>> LogImpl::check_producer(const PartitionKey& key, const BatchHeader& header) const {
  BATON_TRY(check_open());
  BATON_TRY_ASSIGN(const PartitionTail* const tail, find_tail(key));
  return tail->producers.check(header);
}

Result<std::map<std::int64_t, ProducerTable::Producer>> LogImpl::producers(const PartitionKey& key) const {
  BATON_TRY(check_open());
  BATON_TRY_ASSIGN(const PartitionTail* const tail, find_tail(key));
  return tail->producers.sorted();
}

Result<Log::Staged> LogImpl::stage(const PartitionKey& key, base::OwnedBytes batch) {
  auto staged = stage_batch(key, std::move(batch));
  if (!staged && staged.error().code == Code::not_found) {  // of a file, perhaps
    look_at_place_ns_ = std::numeric_limits<std::int64_t>::min();
    if (const Status there = look_at_place(); !there) return fail(there.error()).error();
  }
  if (!staged && staged.error().code == Code::no_space) tell_full(staged.error());
  if (!staged && staged.error().code == Code::resource_exhausted) tell_refused(staged.error());
  if (staged && told_full_ && check_room(fs_, directory_, options_)) tell_room();
  return staged;
}

// An operator learns of a full disk once, and then once a minute at most: small batches may still fit where large ones do not.
void LogImpl::tell_full(const Error& cause) {
  ++refused_;
  const std::int64_t now = env_.clock().monotonic_ns();
  if (!options_.warn || now < tell_full_ns_) return;
  tell_full_ns_ = now + kTellFullNs;
  told_full_ = true;
  options_.warn("appends are refused: " + cause.detail);
}

// Of descriptors or memory: what has a segment open goes on, and what would open one is refused.
void LogImpl::tell_refused(const Error& cause) {
  ++refused_otherwise_;
  const std::int64_t now = env_.clock().monotonic_ns();
  if (!options_.warn || now < tell_refused_ns_) return;
  tell_refused_ns_ = now + kTellFullNs;
  options_.warn("appends are refused (" + std::to_string(std::exchange(refused_otherwise_, 0)) + " since this was told last): " + cause.detail);
}

void LogImpl::tell_room() {
  told_full_ = false;
  options_.warn("there is room on the disk again: " + std::to_string(std::exchange(refused_, 0)) + " batches were refused");
}

Result<Log::Staged> LogImpl::stage_batch(const PartitionKey& key, base::OwnedBytes batch) {
  BATON_TRY(check_open());
  BATON_TRY_ASSIGN(PartitionTail* const known, find_tail(key));
  PartitionTail& tail = *known;
  BATON_TRY_ASSIGN(BatchHeader header, parse_batch_header(batch));
  if (header.total_bytes() != batch.size() || header.last_offset_delta < 0) {
    return Error{Code::invalid_argument, "not one whole record batch"};
  }
  if (batch.size() > tail.config->batch_bytes_max) {
    return Error{Code::too_large, "a batch of " + std::to_string(batch.size()) + " bytes: this topic takes at most " +
                                      std::to_string(tail.config->batch_bytes_max)};
  }
  BATON_TRY(prepare_segment(tail, batch.size()));
  OpenSegment& segment = tail.open.back();
  const bool new_group = tail.staged.empty() || tail.staged.back().segment != &segment;
  if (journalled(tail)) {
    const std::uint64_t room = batch.size() + (new_group ? kPartOverheadBytes : 0) + (reserved_ == 0 ? kRecordOverheadBytes : 0);
    BATON_TRY(journal_->reserve(room, kept_free(tail)));
    reserved_ += room;
  }
  stamp_batch(batch.mutable_bytes(), tail.next, epoch_);
  // What goes in place is copied now: the round before may still be on its way to the disk.
  const bool copied = tail.config->durability == Durability::fsync && batch.size() >= options_.in_place_bytes && !segment.direct &&
                      !unread(tail, segment, new_group ? segment.staged_end : tail.staged.back().position);
  if (copied) {
    if (const Status written = segment.file->write_at(segment.staged_end, batch); !written) return fail(written.error()).error();
  }
  if (tail.staged.empty()) dirty_.push_back(&tail);
  if (new_group) tail.staged.push_back({.segment = &segment, .position = segment.staged_end, .batches = take_spare()});
  StagedGroup& group = tail.staged.back();
  const Staged staged{{tail.next, FilePosition(segment.staged_end)}, tail.next.plus(header.last_offset_delta + std::int64_t{1})};
  if (header.producer_id >= 0) {
    header.base_offset = tail.next;
    tail.producers.take(header, clock_->now_ms());
  }
  segment.staged_end += batch.size();
  group.length += batch.size();
  tail.next = staged.next;
  group.batches.push_back({std::move(batch), header.max_timestamp, staged.next, copied});
  return staged;
}

// An open segment with room for `bytes` more.
Status LogImpl::prepare_segment(PartitionTail& tail, std::uint64_t bytes) {
  const std::uint64_t segment_bytes = tail.config->segment_bytes;
  const bool full = !tail.open.empty() && tail.open.back().staged_end > 0 && tail.open.back().staged_end + bytes > segment_bytes;
  if (tail.open.empty() || tail.open.back().rolled || full) BATON_TRY(create_segment(tail));
  OpenSegment& segment = tail.open.back();
  if (!segment.file) {
    BATON_TRY_ASSIGN(segment.file, segment.segment->open_for_writing());
  }
  // One byte more than is used: a file that is as long as its batches has been sealed.
  return allocate_segment(segment, segment.staged_end + bytes + 1, segment_bytes, kept_free(tail));
}

// F14: groups commit their offsets when producers are refused already, and the rest is for what a close and the next opening must write.
std::uint64_t LogImpl::kept_free(const PartitionTail& tail) const { return tail.internal ? options_.reserve_bytes / 2 : options_.reserve_bytes; }

Status LogImpl::allocate_segment(OpenSegment& segment, std::uint64_t end, std::uint64_t segment_bytes, std::uint64_t kept_free) {
  if (end <= segment.allocated) return {};
  const std::uint64_t chunk = std::clamp(segment.allocated, kChunkBytesMin, kChunkBytesMax);
  const std::uint64_t wanted = std::max(end, std::min(segment.allocated + chunk, std::max(segment_bytes, end)));
  std::uint64_t target = wanted;
  if (!check_space(fs_, topics_directory(directory_), kept_free, wanted - segment.allocated)) {
    BATON_TRY(check_space(fs_, topics_directory(directory_), kept_free, end - segment.allocated));
    target = end;
  }
  auto status = segment.file->allocate(segment.allocated, target - segment.allocated);
  if (!status && status.error().code == Code::no_space && end < target) {
    target = end;
    status = segment.file->allocate(segment.allocated, target - segment.allocated);
  }
  if (status) segment.allocated = target;
  return status;
}

Status LogImpl::create_segment(PartitionTail& tail) {
  BATON_TRY(check_space(fs_, topics_directory(directory_), kept_free(tail), kChunkBytesMin));
  if (!tail.directory_made) {  // the disk was full when the topic was made
    BATON_TRY(fs_.make_directory(path(topic_directory(tail.key.topic))));
    BATON_TRY(fs_.make_directory(path(tail.directory)));
    new_directories_.push_back(path("topics"));
    new_directories_.push_back(path(topic_directory(tail.key.topic)));
    tail.directory_made = true;
  }
  const std::string name = os::join(tail.directory, segment_file_name(tail.next, ""));
  auto segment = std::make_shared<Segment>(fs_, open_files_, directory_, name, tail.key, tail.next);
  const auto make = [&]() -> Status {
    constexpr os::OpenOptions kFresh{.write = true, .create = true, .truncate = true};
    BATON_TRY_ASSIGN(const auto log_file, fs_.open(segment->log_path(), kFresh));
    BATON_TRY_ASSIGN(const auto marks_file, fs_.open(segment->marks_path(), kFresh));
    BATON_TRY(marks_file->allocate(0, kSectorBytes));
    return marks_file->write_at(0, encode_marks_header(tail.key, tail.next));
  };
  if (auto made = make(); !made) {
    (void)fs_.remove(segment->marks_path());
    (void)fs_.remove(segment->log_path());
    return made;
  }
  new_directories_.push_back(path(tail.directory));
  if (!tail.open.empty()) {
    tail.open.back().rolled = true;
    want_seals_ = true;
  }
  OpenSegment& open = tail.open.emplace_back(segment, start_of_marks(tail.key, tail.next));
  open.next_offset = tail.next;
  SegmentList list = *tail.partition->segments();
  list.push_back(std::move(segment));
  tail.partition->set_segments(std::move(list));
  tail.read_before = tail.partition->forget_reads();
  ++tail.list_changes;
  return {};
}

// Whether large batches at `position` go past the page cache: records that nobody is about to read, behind others that went in place or at a
// segment's start (a change from small to large ones costs a write of the page between them). Event topics are read to be sealed.
bool LogImpl::unread(const PartitionTail& tail, const OpenSegment& segment, std::uint64_t position) {
  return tail.config->kind == TopicKind::plain && !tail.read_before && !tail.partition->was_read() && position == segment.large_end;
}

// Empty, with the memory of one that a round has ended with.
std::vector<StagedBatch> LogImpl::take_spare() {
  if (spare_.empty()) return {};
  std::vector<StagedBatch> out = std::move(spare_.back());
  spare_.pop_back();
  spare_batches_ -= out.capacity();
  return out;
}

// With more partitions in a round than these have room for, the rest of them is freed and taken again.
void LogImpl::keep_spare(std::vector<StagedBatch> batches) {
  batches.clear();
  if (spare_batches_ + batches.capacity() > kSpareBatchesMax) return;
  spare_batches_ += batches.capacity();
  spare_.push_back(std::move(batches));
}

// In place, data and record are synced one after the other; in the journal, once, and the data is written twice. Where a large batch is among it, or it goes past
// the page cache, the first is the shorter way from in_place_bytes on; small batches have to be four times as much.
bool LogImpl::goes_in_place(const PartitionTail& tail, const StagedGroup& group) const {
  if (tail.config->durability != Durability::fsync || group.length < options_.in_place_bytes) return false;
  return group.length >= 4 * options_.in_place_bytes || unread(tail, *group.segment, group.position) ||
         std::ranges::any_of(group.batches, [&](const StagedBatch& batch) { return batch.bytes.size() >= options_.in_place_bytes; });
}

// The one that holds the last record of the rounds that have ended, when it is not sealed yet.
const OpenSegment* LogImpl::last_segment(const PartitionTail& tail) {
  const auto last = std::find_if(tail.open.rbegin(), tail.open.rend(),
                                 [&](const OpenSegment& s) { return s.end > 0 && s.next_offset == tail.ended; });
  return last == tail.open.rend() ? nullptr : &*last;
}

std::vector<Extent> LogImpl::extents() const {
  std::vector<Extent> out;
  for (const auto& [key, tail] : tails_) {  // `memory` topics, too: it is what a clean start expects of them
    if (const OpenSegment* last = last_segment(*tail)) {
      out.push_back({key, last->segment->base(), last->end, last->next_offset, tail->edge});
    } else if (tail->ended.value() > 0) {
      out.push_back({key, tail->ended, 0, tail->ended, {}});
    }
  }
  return out;
}

RoundPart LogImpl::make_part(PartitionTail& tail, StagedGroup group) {
  RoundPart part{.tail = &tail, .segment = group.segment, .file = group.segment->file, .journalled = journalled(tail)};
  if (group.position == 0) tail.edge.clear();
  const bool in_place = goes_in_place(tail, group);
  if (in_place) {
    const bool copied = std::ranges::any_of(group.batches, &StagedBatch::written);
    part.direct = !copied && unread(tail, *group.segment, group.position);
    if (part.direct) part.lead = tail.edge;
    group.segment->direct = part.direct;
  }
  if (group.length >= options_.in_place_bytes) group.segment->large_end = group.position + group.length;
  move_edge(tail.edge, group);
  part.part = {.key = tail.key,
               .segment_base = group.segment->segment->base(),
               .position = group.position,
               .length = static_cast<std::uint32_t>(group.length),
               .next_offset = group.batches.back().next_offset};
  if (in_place) {
    part.part.flags = JournalPart::kInPlace;
    part.part.edge_bytes = static_cast<std::uint16_t>(tail.edge.size());
    part.edge = tail.edge;
  }
  part.group = std::move(group);
  return part;
}

std::unique_ptr<RoundJob> LogImpl::make_round(bool empty_record, bool begin_generation, bool sync_only) {
  BATON_CHECK(in_flight_ == nullptr, "one round at a time");
  PendingRound round;
  round.parts = std::move(spare_parts_);
  round.directory = directory_;
  round.arrival_ms = clock_->now_ms();
  round.begin_generation = begin_generation;
  if (begin_generation) round.extents = extents();
  round.has_record = empty_record;
  round.sync = empty_record || sync_only;
  for (PartitionTail* tail : dirty_) {
    for (auto& group : tail->staged) round.parts.push_back(make_part(*tail, std::move(group)));
    tail->staged.clear();
    round.has_record = round.has_record || journalled(*tail);
    round.sync = round.sync || tail->config->durability == Durability::fsync;
  }
  dirty_.clear();
  std::ranges::sort(new_directories_);
  new_directories_.erase(std::ranges::unique(new_directories_).begin(), new_directories_.end());
  round.new_directories = std::move(new_directories_);
  new_directories_.clear();
  round.unsynced_before = durable_round_ < last_round_;
  round.fixed = {.round = Round(last_round_.value() + 1), .durable_round = durable_round_, .append_ms = round.arrival_ms, .epoch = epoch_};
  round.reserved = std::exchange(reserved_, 0);
  auto job = std::make_unique<RoundJob>(fs_, *journal_, direct_, std::move(round), std::move(buffer_));
  in_flight_ = job.get();
  return job;
}

std::unique_ptr<FlushJob> LogImpl::begin_flush() {
  if (failed_ || dirty_.empty()) return nullptr;
  const bool any_journalled = std::ranges::any_of(dirty_, [](const PartitionTail* tail) { return journalled(*tail); });
  return make_round(false, any_journalled && journal_->full() && !running_, false);
}

// What goes to files that have been removed, or moved away, is on no disk that the next open would look at. A round that begins a second or more
// after the last look is not acknowledged then; a look is a file opened and a lock asked for.
Status LogImpl::look_at_place() {
  const std::int64_t now = env_.clock().monotonic_ns();
  if (now < look_at_place_ns_) return {};
  look_at_place_ns_ = now + kLookAgainNs;
  const auto found = fs_.open(path("LOCK"), {});
  bool ours = found.ok();
  if (found) {
    const auto held = (*found)->is_locked(os::LockKind::exclusive, 0, 0);
    ours = !held || *held;
  } else {
    ours = found.error().code != Code::not_found;  // anything else says nothing of it
  }
  if (ours) return {};
  return Error{Code::io_error, "the data directory " + directory_ + " has been removed, moved or replaced: its LOCK is not the one that this process holds"};
}

Status LogImpl::end_flush(std::unique_ptr<FlushJob> flush) {
  BATON_CHECK(flush.get() == in_flight_ && in_flight_ != nullptr, "end_flush takes what begin_flush gave");
  RoundJob& job = *in_flight_;
  BATON_CHECK(job.ran(), "a round ends after it has run");
  in_flight_ = nullptr;
  buffer_ = job.take_buffer();
  if (failed_) return failure_;  // meanwhile
  if (!job.result()) return fail(job.result().error());
  if (const Status there = look_at_place(); !there) return fail(there.error());
  PendingRound& round = job.round();
  if (round.has_record) {
    last_round_ = round.fixed.round;
    last_record_ns_ = env_.clock().monotonic_ns();
    marked_ = round.parts.empty();
  }
  if (round.sync) {
    durable_round_ = last_round_;
    first_undurable_ns_ = -1;
    for (PartitionTail* tail : std::exchange(undurable_, {})) {
      tail->undurable = false;
      publish(*tail);
    }
  }
  for (auto& part : round.parts) end_part(part);
  removed_.clear();
  const bool has_parts = !round.parts.empty();
  if (round.parts.capacity() <= kSparePartsMax) {
    round.parts.clear();
    spare_parts_ = std::move(round.parts);
  }
  if (!undurable_.empty() && first_undurable_ns_ < 0) first_undurable_ns_ = last_record_ns_;
  if (job.generation_begun()) want_checkpoint_ = true;
  extents_stale_ = round.has_record || has_parts || (extents_stale_ && !job.generation_begun());
  if ((want_checkpoint_ || want_seals_) && !running_) start_checkpoint();
  return {};
}

void LogImpl::end_part(RoundPart& part) {
  PartitionTail& tail = *part.tail;
  OpenSegment& segment = *part.segment;
  for (const auto& piece : part.pieces) {
    if (segment.marks.add(piece)) segment.segment->add_mark(segment.marks.finished().back());
  }
  segment.dirty = true;
  segment.direct = false;
  if (segment.end == 0) segment.first_arrival_ms = part.pieces.front().arrival_ms;
  segment.end = part.part.end();
  segment.next_offset = tail.ended = part.part.next_offset;
  const base::ByteView last = part.group.batches.back().bytes;
  tail.ended_epoch = epoch_;
  tail.ended_crc = base::load_be<std::uint32_t>(last.data() + kBatchCrcAt);
  producers_stale_ = true;
  segment.segment->publish(segment.end, segment.marks.max_timestamp());
  keep_spare(std::move(part.group.batches));
  if (tail.removed) return;
  if (tail.config->durability == Durability::interval && durable_round_ != last_round_ && !tail.undurable) {
    tail.undurable = true;
    undurable_.push_back(&tail);
  }
  publish(tail);
}

// What readers see of a partition, here and in other processes: all rounds that have ended.
void LogImpl::publish(PartitionTail& tail) {
  const OpenSegment* const last = last_segment(tail);
  const Offset visible = tail.ended;
  const Bounds before = tail.partition->bounds();
  Offset durable = visible;
  if (tail.config->durability == Durability::memory) durable = Offset(std::min(before.durable.value(), visible.value()));
  if (tail.undurable) durable = Offset(std::min(std::max(before.durable.value(), tail.synced_to.value()), visible.value()));
  tail.partition->publish(visible, durable, visible);
  if (!live_) return;
  live_->publish(tail.live_slot, {.key = tail.key,
                                  .epoch = epoch_,
                                  .log_start = before.log_start,
                                  .durable = durable,
                                  .visible = visible,
                                  .last_stable = visible,
                                  .segment_base = last != nullptr ? last->segment->base() : visible,
                                  .end_position = last != nullptr ? last->end : 0,
                                  .generation = tail.list_changes});
}

// F12. Nothing above durable is served from now on.
Status LogImpl::fail(const Error& cause) {
  if (!failed_) {
    failed_ = true;
    failure_ = {Code::store_failed, "the store has ended, and must be opened again: " + cause.detail};
    if (options_.on_failure) options_.on_failure(failure_);
    for (const auto& [key, tail] : tails_) {
      if (!tail->undurable) continue;
      const Offset durable(tail->partition->bounds().durable.value());
      tail->partition->publish(durable, durable, durable);
    }
    if (live_) live_->set_state(LiveState::failed);
    if (options_.warn) options_.warn(failure_.detail);
    for (auto& done : std::exchange(waiting_, {})) done(failure_);
  }
  return failure_;
}

Status LogImpl::run_round(std::unique_ptr<RoundJob> job) {
  job->run();
  return end_flush(std::move(job));
}

}  // namespace baton::log
