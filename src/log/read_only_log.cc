#include "log/read_only_log.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/try.h"
#include "log/live_check.h"

namespace baton::log {
namespace {

constexpr std::size_t kOpenFilesMax = 256;
constexpr int kStartTries = 20;  // a writer that has the lock and no marks yet is starting
constexpr std::int64_t kStartPauseNs = 100'000'000;

}  // namespace

ReadOnlyLog::ReadOnlyLog(os::Env& env, std::string directory, LogOptions options)
    : env_(env),
      directory_(std::move(directory)),
      options_(std::move(options)),
      open_files_(std::make_shared<OpenFiles>(kOpenFilesMax)) {}

Result<std::unique_ptr<Log>> ReadOnlyLog::open(os::Env& env, const std::string& directory, const LogOptions& options) {
  std::unique_ptr<ReadOnlyLog> log(new ReadOnlyLog(env, directory, options));
  BATON_TRY_ASSIGN(log->catalogue_, Catalogue::open(env, directory, true));
  const auto waiter = env.make_waiter();
  for (int i = 0; i < kStartTries; ++i) {
    BATON_TRY_ASSIGN(const bool taken, log->take_live({}));
    if (taken) return std::unique_ptr<Log>(std::move(log));
    BATON_TRY_ASSIGN(const bool writer, writer_is_there(env.fs(), directory));
    if (!writer) {
      const Status closed = log->take_closed({});
      if (closed) return std::unique_ptr<Log>(std::move(log));
      BATON_TRY_ASSIGN(const bool came, log->writer_came());
      if (!came) return closed.error();
    }
    (void)waiter->wait(kStartPauseNs);
  }
  BATON_TRY(log->take_closed({}));
  return std::unique_ptr<Log>(std::move(log));
}

// While what was found without one was read: then that is of two moments, and whatever is wrong with it is no damage.
Result<bool> ReadOnlyLog::writer_came() {
  BATON_TRY_ASSIGN(const bool changed, catalogue_->refresh());
  return changed ? Result<bool>(true) : writer_is_there(env_.fs(), directory_);
}

Status ReadOnlyLog::refresh(const Prepare& prepare) {
  BATON_TRY(catalogue_->refresh());
  for (int i = 1;; ++i) {
    BATON_TRY_ASSIGN(const bool taken, take_live(prepare));
    if (taken) return {};
    const Status closed = take_closed(prepare);
    if (closed || i == kStartTries) return closed;
    BATON_TRY_ASSIGN(const bool came, writer_came());
    if (!came) return closed;
    (void)env_.make_waiter()->wait(kStartPauseNs);
  }
}

// Behind the marks that are taken with it: every topic of theirs is in it, and every start of a log. False: take the marks again, for a file
// that it named has been replaced meanwhile.
Result<bool> ReadOnlyLog::take_catalogue(const Prepare& prepare, std::uint64_t& bytes) {
  BATON_TRY(catalogue_->refresh());
  Status prepared = prepare ? prepare(catalogue_->state()) : Status();
  if (prepared) return true;
  if (prepared.error().code != Code::not_found) return std::move(prepared).error();
  // What takes a file's place is named in the catalogue before the file goes.
  const std::uint64_t before = std::exchange(bytes, catalogue_->bytes());
  if (bytes == before) return Error{Code::corrupt, prepared.error().detail};
  return false;
}

// Nothing: there are none that may be used.
Result<std::optional<ReadOnlyLog::Marks>> ReadOnlyLog::read_marks() {
  // Anew each time: a writer that starts makes a new file.
  auto live = LiveReader::open(env_, directory_);
  if (!live) {
    if (live.error().code == Code::unsupported_format) return live.error();
    return std::optional<Marks>();
  }
  const auto header = (*live)->header();
  if (!header || header->store_id != catalogue_->state().store_id) return std::optional<Marks>();
  // What was written in another boot of the machine may never have reached the disk.
  if (header->boot_id.empty() || header->boot_id != env_.boot_id()) return std::optional<Marks>();
  Marks marks{*header, {}};
  for (std::size_t i = 0; i < header->slot_count; ++i) {
    BATON_TRY_ASSIGN(const auto slot, (*live)->slot(i));
    marks.slots.push_back(slot);
  }
  return std::optional(std::move(marks));
}

Result<bool> ReadOnlyLog::take_live(const Prepare& prepare) {
  std::optional<Marks> marks;
  std::optional<Epoch> older;
  bool together = false;
  for (std::uint64_t bytes = 0; !together;) {
    BATON_TRY_ASSIGN(marks, read_marks());
    if (!marks) return false;
    const Epoch epoch = marks->header.epoch;
    if (epoch.value() < epoch_.load(std::memory_order_relaxed)) return true;
    BATON_TRY_ASSIGN(together, take_catalogue(prepare, bytes));
    if (epoch >= catalogue_->state().epoch) continue;
    // A writer makes its marks before it raises the epoch: these were read too early. If there are no newer ones, nobody knows how far the
    // writer of the newer epoch went.
    if (older == epoch) return false;
    older = epoch;
    together = false;
  }
  BATON_TRY(check_catalogue_end(marks->header, *catalogue_));
  epoch_.store(marks->header.epoch.value(), std::memory_order_release);
  drop_removed();
  for (const auto& slot : marks->slots) BATON_TRY(take_slot(slot, marks->header.state == LiveState::failed));
  // What the catalogue names and the marks do not have yet is being made, or its writer died while it made it: there is nothing in it.
  for (const auto& [id, topic] : catalogue_->state().topics) {
    for (std::int32_t p = 0; !topic.removed && p < topic.partitions; ++p) {
      const PartitionKey key{id, PartitionId(p)};
      if (!views_.contains(key)) set_epochs(view_of(key), key, marks->header.epoch, Offset(0));
    }
  }
  return true;
}

ReadOnlyLog::View& ReadOnlyLog::view_of(const PartitionKey& key) {
  View& view = views_[key];
  if (view.partition) return view;
  view.partition = std::make_shared<Partition>(env_, directory_, key, kStoredBatchBytesMax);
  const std::lock_guard guard(readers_mutex_);
  readers_[key] = view.partition;
  return view;
}

void ReadOnlyLog::drop_removed() {
  std::erase_if(views_, [&](const auto& entry) {
    const auto topic = catalogue_->state().topics.find(entry.first.topic);
    if (topic != catalogue_->state().topics.end() && !topic->second.removed) return false;
    const std::lock_guard guard(readers_mutex_);
    readers_.erase(entry.first);
    return true;
  });
}

std::shared_ptr<Segment> ReadOnlyLog::segment_of_view(View& view, const PartitionKey& key, Offset base) {
  auto& segment = view.segments[base];
  if (!segment) {
    const std::string name = os::join(partition_directory(key), segment_file_name(base, ""));
    segment = std::make_shared<Segment>(env_.fs(), open_files_, directory_, name, key, base);
  }
  return segment;
}

void ReadOnlyLog::set_epochs(View& view, const PartitionKey& key, Epoch epoch, Offset visible) {
  const Epoch known_epoch = catalogue_->state().epoch;
  if (view.epoch == epoch && view.known_epoch == known_epoch) return;
  view.epoch = epoch;
  view.known_epoch = known_epoch;
  EpochTable table;
  const auto& epochs = catalogue_->state().epochs;
  if (const auto known = epochs.find(key); known != epochs.end()) table = known->second;
  if (known_epoch < epoch) {
    // Its writer has not begun it: all that is there is older.
    const Offset start = table.empty() ? Offset(0) : table.back().start;
    if (start < visible && (table.empty() || table.back().epoch < known_epoch)) table.push_back({known_epoch, start});
    table.push_back({epoch, visible});
  } else if (table.empty() || table.back().epoch != epoch) {
    table.push_back({epoch, table.empty() ? Offset(0) : table.back().start});
  }
  view.partition->set_epochs(epoch, std::move(table));
}

Status ReadOnlyLog::take_slot(const LiveSlot& slot, bool failed) {
  const auto topic = catalogue_->state().topics.find(slot.key.topic);
  if (topic == catalogue_->state().topics.end() || topic->second.removed) return {};
  View& view = view_of(slot.key);
  set_epochs(view, slot.key, slot.epoch, slot.visible);
  const Offset visible = failed ? slot.durable : slot.visible;
  // Never beyond what the segments will have.
  if (visible.value() < view.partition->bounds().visible.value()) view.partition->publish(visible, std::min(slot.durable, visible), visible);
  // As its writer does: the start moves before the segments below it leave. A writer that ended while it moved it has told the catalogue and
  // not its marks: the next one will begin there, as a backup does. (The catalogue may have been read after the slot.)
  const auto& starts = catalogue_->state().log_start;
  const auto known = starts.find(slot.key);
  view.partition->set_log_start(std::max(slot.log_start, known == starts.end() ? slot.log_start : std::min(known->second, visible)));
  const bool same = view.generation_epoch == slot.epoch && view.generation == slot.generation;
  if (!same || !view.segments.contains(slot.segment_base)) {
    BATON_TRY(take_segments(view, slot));
    view.generation = slot.generation;
    view.generation_epoch = slot.epoch;
  }
  if (slot.end_position > 0) segment_of_view(view, slot.key, slot.segment_base)->publish(slot.end_position, INT64_MAX);
  view.partition->publish(visible, slot.durable, visible);
  return {};
}

// The list of segments, and how far each reaches: by its seal, its marks, or the segment that follows. What is missing is told to who reads it.
Status ReadOnlyLog::take_segments(View& view, const LiveSlot& slot) {
  const auto entries = env_.fs().list(os::join(directory_, partition_directory(slot.key)));
  if (!entries && entries.error().code != Code::not_found) return entries.error();
  std::set<Offset> bases;
  for (const auto& entry : entries ? *entries : std::vector<os::DirectoryEntry>()) {
    if (!entry.name.ends_with(".log")) continue;
    const auto base = parse_decimal_name(std::string_view(entry.name).substr(0, entry.name.size() - 4));
    if (base && Offset(static_cast<std::int64_t>(*base)) < slot.segment_base) bases.emplace(static_cast<std::int64_t>(*base));
  }
  if (slot.end_position > 0) bases.insert(slot.segment_base);
  std::map<Offset, const Seal*> seals;
  for (const auto& seal : catalogue_->state().seals) {
    if (seal.partition != slot.key || seal.next_offset <= view.partition->bounds().log_start || seal.base_offset >= slot.segment_base) continue;
    seals[seal.base_offset] = &seal;
    bases.insert(seal.base_offset);
  }
  SegmentList list;
  for (auto base = bases.begin(); base != bases.end(); ++base) {
    // Retention is removing it.
    if (std::next(base) != bases.end() && *std::next(base) <= view.partition->bounds().log_start) continue;
    const auto segment = segment_of_view(view, slot.key, *base);
    list.push_back(segment);
    segment->forget_marks();
    const auto seal = seals.find(*base);
    if (seal != seals.end()) {
      segment->set_saved(seal->second->bytes);
      segment->set_offsets(seal->second->next_offset, kNoOffset);
      segment->publish(seal->second->bytes, seal->second->max_timestamp);
    } else {
      const auto next = std::next(base);
      BATON_TRY(take_marks(*segment, slot, next == bases.end() ? slot.visible : *next));
    }
  }
  std::erase_if(view.segments, [&](const auto& entry) { return std::ranges::find(list, entry.second) == list.end(); });
  view.partition->set_segments(std::move(list));
  return {};
}

// Of a segment that has no seal. `following`: where the next one begins.
Status ReadOnlyLog::take_marks(Segment& segment, const LiveSlot& slot, Offset following) {
  auto& fs = env_.fs();
  const bool open = segment.base() == slot.segment_base;
  const auto bytes = os::read_state_file(fs, segment.marks_path(), kMarksFileBytesMax);
  if (!bytes && bytes.error().code != Code::not_found) return bytes.error();
  const auto marks = bytes ? parse_marks(*bytes, slot.key, segment.base()) : Result<MarksContent>(bytes.error());
  if (!marks) segment.expect_marks();
  if (open) {
    std::uint64_t saved = 0;
    for (std::size_t i = 0; marks && i < marks->marks.size() && marks->marks[i].end_position <= slot.end_position; ++i) saved = marks->marks[i].end_position;
    if (marks) segment.set_saved(saved);
    segment.set_offsets(kNoOffset, kNoOffset);
    return {};
  }
  if (marks) segment.set_saved(marks->end.end_position);
  if (marks && marks->end.next_offset == following) {
    segment.set_offsets(following, kNoOffset);
    segment.publish(marks->end.end_position, marks->end.max_timestamp);
    return {};
  }
  const auto file = fs.open(segment.log_path(), {});
  const auto size = file ? (*file)->size() : Result<std::uint64_t>(file.error());
  if (!size && size.error().code != Code::not_found) return size.error();
  segment.set_offsets(kNoOffset, following);
  segment.publish(size ? *size : 1, INT64_MAX);
  return {};
}

// Without live marks: the store was closed, or nobody can say how far it may be read.
Status ReadOnlyLog::take_closed(const Prepare& prepare) {
  bool together = false;
  for (std::uint64_t bytes = 0; !together;) {
    BATON_TRY_ASSIGN(together, take_catalogue(prepare, bytes));
  }
  if (!catalogue_->state().clean_close) {
    return Error{Code::unavailable, directory_ + ": the machine was started again while the store was open, and its end is not "
                                    "known yet: open it for writing once, with any command that writes"};
  }
  BATON_TRY_ASSIGN(const auto store, find_store(env_.fs(), directory_, catalogue_->state(), options_));
  epoch_.store(catalogue_->state().epoch.value(), std::memory_order_release);
  drop_removed();
  for (const auto& [key, found] : store.partitions) {
    View& view = view_of(key);
    set_epochs(view, key, catalogue_->state().epoch, found.end);
    SegmentList list;
    for (const auto& recovered : found.segments) {
      const auto segment = segment_of_view(view, key, recovered.base);
      segment->set_saved(recovered.saved.end_position);
      const bool open = found.open && &recovered == &found.segments.back();
      segment->set_offsets(open ? kNoOffset : recovered.next_offset, kNoOffset);
      segment->publish(recovered.end, recovered.max_timestamp);
      list.push_back(segment);
    }
    view.partition->set_log_start(found.log_start);
    view.partition->set_segments(std::move(list));
    view.partition->publish(found.end, found.end, found.end);
  }
  return {};
}

std::shared_ptr<const PartitionReader> ReadOnlyLog::reader(const PartitionKey& key) const {
  const std::lock_guard guard(readers_mutex_);
  const auto found = readers_.find(key);
  return found == readers_.end() ? nullptr : found->second;
}

std::vector<PartitionStats> ReadOnlyLog::stats() const {
  std::vector<PartitionStats> out;
  for (const auto& [key, view] : views_) {
    out.push_back({key, view.partition->segments()->size(), view.partition->bytes(), view.partition->bounds()});
  }
  return out;
}

}  // namespace baton::log
