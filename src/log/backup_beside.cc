#include "log/backup_beside.h"

#include <algorithm>

#include "base/try.h"
#include "log/recovery.h"
#include "log/segment.h"

namespace baton::log {
namespace {

constexpr int kTries = 20;  // a writer that has the lock and no marks yet is starting
constexpr std::int64_t kPauseNs = 100'000'000;
constexpr std::size_t kCopyBytes = 1u << 20;
constexpr std::uint64_t kCheckpointBytesMax = 1u << 20;
constexpr const char* kCatalogueName = "catalogue";

}  // namespace

Result<std::unique_ptr<BackupBeside>> BackupBeside::begin(os::Env& env, const std::string& directory) {
  const auto waiter = env.make_waiter();
  for (int i = 0; i < kTries; ++i) {
    std::unique_ptr<BackupBeside> backup(new BackupBeside(env, directory));
    BATON_TRY_ASSIGN(const bool taken, backup->take());
    if (taken) return backup;
    // Once more in any case: a writer may have come, and gone, between the reading of its marks and of the catalogue.
    BATON_TRY_ASSIGN(const bool writer, writer_is_there(env.fs(), directory));
    if (i > 0 && !writer && !backup->writer_changed()) break;
    (void)waiter->wait(kPauseNs);
  }
  return Error{Code::unavailable,
               directory + ": where the store ends is not known yet: open it for writing once, with any command that writes"};
}

Result<bool> BackupBeside::take() {
  BATON_TRY(take_checkpoints());
  BATON_TRY(take_producers());
  auto live = LiveReader::open(env_, directory_);
  if (!live && live.error().code == Code::unsupported_format) return live.error();
  if (live) {
    // Before the catalogue is read: what a catalogue from now on needs is removed no more.
    BATON_TRY((*live)->hold());
    live_ = *std::move(live);
  }
  BATON_TRY_ASSIGN(catalogue_, Catalogue::open(env_, directory_, true));
  catalogue_file_ = {kCatalogueName, {}, catalogue_->bytes()};
  BATON_TRY_ASSIGN(catalogue_file_.file, fs_.open(os::join(directory_, kCatalogueName), {}));
  std::map<PartitionKey, End> ends;
  BATON_TRY_ASSIGN(const bool known, take_ends(ends));
  if (!known) return false;
  BATON_TRY_ASSIGN(const bool heads, take_heads());
  if (!heads) return false;
  for (const auto& [id, topic] : catalogue_->state().topics) {
    for (std::int32_t p = 0; !topic.removed && p < topic.partitions; ++p) {
      const PartitionKey key{id, PartitionId(p)};
      const auto end = ends.find(key);
      BATON_TRY(take_partition(key, end == ends.end() ? End{} : end->second));  // not there yet: just made, and empty
    }
  }
  bytes_ += catalogue_file_.bytes;
  return true;
}

Result<bool> BackupBeside::take_ends(std::map<PartitionKey, End>& ends) {
  const auto& state = catalogue_->state();
  if (live_) {
    const auto header = live_->header();
    const bool usable =
        header && header->store_id == state.store_id && !header->boot_id.empty() && header->boot_id == env_.boot_id();
    if (usable && header->epoch >= state.epoch) {
      live_state_ = header->state;
      BATON_TRY(take_slots(*header, ends));
      if (header->epoch == state.epoch) return true;
      // The marks of a writer that had not begun its epoch: if it has not yet, it has appended nothing.
      BATON_TRY_ASSIGN(const bool begun, catalogue_->refresh());
      return !begun;
    }
    live_ = nullptr;
  }
  BATON_TRY_ASSIGN(const bool writer, writer_is_there(fs_, directory_));
  if (!state.clean_close || writer) return false;
  return take_closed(ends);
}

Status BackupBeside::take_slots(const LiveHeader& header, std::map<PartitionKey, End>& ends) {
  for (std::size_t i = 0; i < header.slot_count; ++i) {
    BATON_TRY_ASSIGN(const auto slot, live_->slot(i));
    End end{slot.visible, slot.segment_base, slot.end_position};
    if (header.state == LiveState::failed && slot.durable != slot.visible) end = {slot.durable, slot.durable, 0};
    ends[slot.key] = end;
  }
  return {};
}

Result<bool> BackupBeside::take_closed(std::map<PartitionKey, End>& ends) {
  const auto store = find_store(fs_, directory_, catalogue_->state(), {});
  if (!store) {
    const auto changed = catalogue_->refresh();
    BATON_TRY_ASSIGN(const bool writer, writer_is_there(fs_, directory_));
    if ((changed && *changed) || writer) return false;  // it has just come, or come and gone
    return store.error();
  }
  for (const auto& [key, found] : store->partitions) {
    ends[key] =
        found.open ? End{found.end, found.segments.back().base, found.segments.back().end} : End{found.end, found.end, 0};
  }
  return true;
}

// Into memory: they are small, and each is replaced by its next one.
Status BackupBeside::take_checkpoints() {
  const auto entries = fs_.list(os::join(directory_, "checkpoints"));
  if (!entries && entries.error().code == Code::not_found) return {};
  if (!entries) return entries.error();
  for (const auto& entry : *entries) {
    if (entry.is_directory || entry.name.ends_with(".tmp")) continue;
    const std::string name = os::join("checkpoints", entry.name);
    auto bytes = os::read_file(fs_, os::join(directory_, name), kCheckpointBytesMax);
    if (!bytes && bytes.error().code == Code::not_found) continue;  // just removed
    if (!bytes) return bytes.error();
    bytes_ += bytes->size();
    checkpoints_.emplace_back(name, *std::move(bytes));
  }
  return {};
}

// Derived, but to derive it again the whole log would have to be read.
Status BackupBeside::take_producers() {
  auto bytes = os::read_file(fs_, os::join(directory_, kProducersName), kProducersFileBytesMax);
  if (!bytes && bytes.error().code == Code::io_error) return bytes.error();
  if (!bytes) return {};
  bytes_ += bytes->size();
  producers_ = *std::move(bytes);
  return {};
}

// Those that the catalogue names. A newer one may take the place of each, so they are held open.
Result<bool> BackupBeside::take_heads() {
  const auto& state = catalogue_->state();
  for (const auto& [key, offset] : state.heads_snapshot) {
    const auto topic = state.topics.find(key.topic);
    if (offset.value() == 0 || topic == state.topics.end() || topic->second.removed) continue;
    Kept heads{os::join(partition_directory(key), "heads-" + decimal_name(static_cast<std::uint64_t>(offset.value()))), {}, 0};
    auto file = fs_.open(os::join(directory_, heads.name), {});
    if (!file && file.error().code == Code::not_found) {
      BATON_TRY_ASSIGN(const bool writer, writer_is_there(fs_, directory_));
      if (writer) return false;
      return Error{Code::corrupt, heads.name + ", position 0: the file is missing"};
    }
    if (!file) return file.error();
    heads.file = *std::move(file);
    BATON_TRY_ASSIGN(heads.bytes, heads.file->size());
    bytes_ += heads.bytes;
    heads_.push_back(std::move(heads));
  }
  return true;
}

Result<std::vector<Offset>> BackupBeside::segments_of(const PartitionKey& key, Offset below) const {
  std::vector<Offset> bases;
  const auto entries = fs_.list(os::join(directory_, partition_directory(key)));
  if (!entries && entries.error().code == Code::not_found) return bases;
  if (!entries) return entries.error();
  for (const auto& entry : *entries) {
    if (!entry.name.ends_with(".log")) continue;
    const auto number = parse_decimal_name(std::string_view(entry.name).substr(0, entry.name.size() - 4));
    if (!number) continue;
    if (const Offset base(static_cast<std::int64_t>(*number)); base < below) bases.push_back(base);
  }
  std::ranges::sort(bases);
  return bases;
}

// Its segments, and where the copy of each ends.
Status BackupBeside::take_partition(const PartitionKey& key, const End& end) {
  const auto& state = catalogue_->state();
  const auto known_start = state.log_start.find(key);
  const Offset log_start = known_start == state.log_start.end() ? Offset(0) : known_start->second;
  BATON_TRY_ASSIGN(const auto bases, segments_of(key, end.visible));
  CopiedPartition& partition = partitions_[key];
  partition.visible = end.visible;
  for (std::size_t i = 0; i < bases.size(); ++i) {
    const bool last = i + 1 == bases.size();
    const Offset following = last ? end.visible : bases[i + 1];
    if (!last && following <= log_start) continue;  // gone, or held back
    SegmentToCopy segment{
        .key = key, .base = bases[i], .until = following, .bytes = {}, .sealed = false, .epoch_max = state.epoch};
    if (bases[i] == end.segment_base && end.position > 0) segment.bytes = end.position;
    partition.segments.push_back(segment);
  }
  const bool some = !partition.segments.empty();
  if (end.visible > log_start && (!some || partition.segments.front().base > log_start)) {
    const Offset at = some ? partition.segments.front().base : end.visible;
    return Error{Code::corrupt, os::join(partition_directory(key), segment_file_name(at, ".log")) +
                                    ", position 0: the segment before this one is missing"};
  }
  for (const auto& seal : state.seals) {
    if (seal.partition != key) continue;
    const auto segment = std::ranges::find(partition.segments, seal.base_offset, &SegmentToCopy::base);
    if (segment == partition.segments.end()) continue;
    if (segment->until != seal.next_offset) {
      return Error{Code::corrupt, os::join(partition_directory(key), segment_file_name(seal.next_offset, ".log")) +
                                      ", position 0: the file is missing"};
    }
    segment->sealed = true;
    segment->bytes = seal.bytes;
  }
  for (const auto& segment : partition.segments) {
    std::uint64_t bytes = segment.bytes.value_or(0);
    if (!segment.bytes) {
      const auto file =
          fs_.open(os::join(directory_, os::join(partition_directory(key), segment_file_name(segment.base, ".log"))), {});
      if (!file) return file.error();
      BATON_TRY_ASSIGN(bytes, (*file)->size());
    }
    bytes_ += bytes;
  }
  return {};
}

bool BackupBeside::writer_changed() const {
  const auto catalogue = Catalogue::open(env_, directory_, true);
  if (!catalogue || (*catalogue)->state().epoch != catalogue_->state().epoch) return true;
  if (!live_) return false;
  const auto header = live_->header();
  return !header || (header->state == LiveState::failed && live_state_ != LiveState::failed);
}

Status BackupBeside::copy_to(const std::string& target, const std::function<void(std::uint64_t bytes)>& copied) {
  for (const auto& heads : heads_) {
    BATON_TRY(os::make_directories(fs_, os::join(target, os::parent(heads.name))));
    BATON_TRY(copy_kept(heads, os::join(target, heads.name), copied));
  }
  for (const auto& [key, partition] : partitions_) BATON_TRY(copy_partition(key, partition, target, copied));
  if (!checkpoints_.empty()) BATON_TRY(os::make_directories(fs_, os::join(target, "checkpoints")));
  for (const auto& [name, bytes] : checkpoints_) {
    BATON_TRY(os::replace_file(fs_, os::join(target, name), bytes));
    copied(bytes.size());
  }
  if (!producers_.empty()) {
    BATON_TRY(os::replace_file(fs_, os::join(target, kProducersName), producers_));
    copied(producers_.size());
  }
  BATON_TRY(write_journal(target));
  // A writer that fails may take back the last record of its catalogue.
  if (live_ && live_state_ != LiveState::failed) {
    BATON_TRY_ASSIGN(const auto header, live_->header());
    if (header.state == LiveState::failed) return Error{Code::unavailable, directory_ + ": its writer has failed meanwhile"};
  }
  const std::string temporary = os::join(target, std::string(kCatalogueName) + ".tmp");
  BATON_TRY(copy_kept(catalogue_file_, temporary, copied));
  BATON_TRY(fs_.rename(temporary, os::join(target, kCatalogueName)));
  return fs_.sync_directory(target);
}

Status BackupBeside::copy_partition(const PartitionKey& key, const CopiedPartition& partition, const std::string& target,
                                    const std::function<void(std::uint64_t)>& copied) {
  if (partition.visible.value() == 0) return {};
  Extent extent{key, partition.visible, 0, partition.visible, {}};
  const std::string directory = os::join(target, partition_directory(key));
  BATON_TRY(os::make_directories(fs_, directory));
  for (const auto& segment : partition.segments) {
    BATON_TRY_ASSIGN(auto copy, copy_segment(fs_, directory_, target, segment, env_.clock().wall_ms(), copied));
    last_append_ms_ = std::max(last_append_ms_, copy.arrival_ms);
    if (segment.until == partition.visible && !segment.sealed) {
      extent = {key, segment.base, copy.bytes, partition.visible, std::move(copy.lead)};
    }
  }
  extents_.push_back(std::move(extent));
  return fs_.sync_directory(directory);
}

Status BackupBeside::copy_kept(const Kept& kept, const std::string& to, const std::function<void(std::uint64_t)>& copied) {
  BATON_TRY_ASSIGN(const auto out, fs_.open(to, {.write = true, .create = true, .exclusive = true}));
  base::Bytes bytes;
  for (std::uint64_t at = 0; at < kept.bytes; at += bytes.size()) {
    bytes.resize(std::min<std::uint64_t>(kCopyBytes, kept.bytes - at));
    BATON_TRY_ASSIGN(const std::size_t got, kept.file->read_at(at, bytes));
    if (got != bytes.size()) {
      return Error{Code::corrupt, kept.name + ", position " + std::to_string(at + got) + ": the file ends here, and had " +
                                      std::to_string(kept.bytes) + " bytes before"};
    }
    BATON_TRY(out->write_at(at, bytes));
    copied(bytes.size());
  }
  return out->sync_data();
}

// Rounds are counted from the start: nothing but the journal itself remembers their numbers, unless the store was closed.
Status BackupBeside::write_journal(const std::string& target) {
  const auto& state = catalogue_->state();
  const Round round = state.clean_close ? state.clean_round : Round(0);
  BATON_TRY(os::make_directories(fs_, journal_directory(target)));
  Journal journal(env_, target, state.store_id, 0, 0);
  const RecordFixed base{.round = round, .durable_round = round, .append_ms = last_append_ms_, .epoch = state.epoch};
  return journal.begin(1, Round(round.value() + 1), base, extents_);
}

}  // namespace baton::log
