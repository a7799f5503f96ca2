#include "log/recovery.h"

#include <algorithm>
#include <array>

#include "base/crc32c.h"
#include "base/try.h"
#include "log/segment.h"

namespace baton::log {
namespace {


Error corrupt(const std::string& name, std::uint64_t position, std::string_view what) {
  return {Code::corrupt, name + ", position " + std::to_string(position) + ": " + std::string(what)};
}

// One partition while the journal is read.
struct Plan {
  RecoveredPartition found;
  std::map<Offset, const Seal*> seals;
  std::map<Offset, RecoveredSegment> segments;  // on disk, or in the journal
  std::vector<Offset> on_disk;                  // those with a .log, ascending
  std::vector<Offset> with_marks;               // those with a .marks
  // Where the partition ends, as far as the journal has been read.
  Offset at_base{-1};
  std::uint64_t at_end = 0;
  Offset at_next;

  [[nodiscard]] std::string name(Offset base, std::string_view extension) const {
    return os::join(found.directory, segment_file_name(base, extension));
  }
  [[nodiscard]] bool is_on_disk(Offset base) const { return std::ranges::binary_search(on_disk, base); }
  // Retention is removing it, and a crash may have left one of its files.
  [[nodiscard]] bool is_gone(Offset base, Offset next_offset) const {
    return next_offset <= found.log_start && (!is_on_disk(base) || !std::ranges::binary_search(with_marks, base));
  }
};

class Finder {
 public:
  Finder(os::FileSystem& fs, std::string directory, const CatalogueState& catalogue, const LogOptions& options)
      : fs_(fs), directory_(std::move(directory)), catalogue_(catalogue), options_(options) {}

  Result<RecoveredStore> find();

 private:
  // `memory` topics are not in the journal: unless they were closed, their end is found by looking.
  [[nodiscard]] bool is_scanned(const Plan& plan) const {
    return plan.found.durability == Durability::memory && !store_.clean;
  }
  [[nodiscard]] Status list_partitions();
  [[nodiscard]] Status check_removed(const PartitionKey& key, const JournalReader::Place& place) const;
  [[nodiscard]] Status check_epoch(const ParsedRecord& record, const JournalReader::Place& place) const;
  [[nodiscard]] Status list_segments(Plan& plan);
  [[nodiscard]] Status take_extent(Plan& plan, const JournalPart& part);
  [[nodiscard]] Status take_part(Plan& plan, const JournalReader::Place& place, const ParsedRecord::Part& part);
  [[nodiscard]] Status check_in_place(const Plan& plan, const ParsedRecord::Part& part);
  [[nodiscard]] Result<RecoveredSegment> load_end(const Plan& plan, Offset base);
  [[nodiscard]] Result<MarksContent> load_marks(const Plan& plan, Offset base);
  [[nodiscard]] Status give_up(Plan& plan, Offset base, bool below_start);
  [[nodiscard]] Status finish(Plan& plan);
  [[nodiscard]] Status finish_memory(Plan& plan);
  [[nodiscard]] Result<RecoveredSegment> complete_segment(Plan& plan, Offset base, Offset following);
  [[nodiscard]] Result<RecoveredSegment> scan_segment(const Plan& plan, Offset base, Epoch& epoch);
  [[nodiscard]] std::string path(const std::string& relative) const { return os::join(directory_, relative); }

  os::FileSystem& fs_;
  const std::string directory_;
  const CatalogueState& catalogue_;
  const LogOptions& options_;
  std::map<PartitionKey, Plan> plans_;
  RecoveredStore store_;
};

Result<RecoveredStore> Finder::find() {
  store_.clean = catalogue_.clean_close;
  BATON_TRY(list_partitions());
  BATON_TRY_ASSIGN(auto journal, JournalReader::open(fs_, directory_, catalogue_.store_id,
                                                     store_.clean ? std::optional(catalogue_.clean_round) : std::nullopt));
  const auto visit = [&](const JournalReader::Place& place, const ParsedRecord& record) -> Status {
    store_.rounds_in_journal = store_.rounds_in_journal || !place.base;
    BATON_TRY(check_epoch(record, place));
    for (const auto& part : record.parts) {
      const auto plan = plans_.find(part.key);
      if (plan == plans_.end()) {
        BATON_TRY(check_removed(part.key, place));
        continue;
      }
      if (is_scanned(plan->second)) continue;
      if (part.extent() && place.oldest) BATON_TRY(take_extent(plan->second, part));
      if (!part.extent()) BATON_TRY(take_part(plan->second, place, part));
    }
    return {};
  };
  BATON_TRY(journal.for_each(visit));
  // The first generation is durable before the first epoch is in the catalogue, and each later one before the one before it goes.
  if (journal.files().empty() && catalogue_.epoch.value() > 0) {
    return corrupt("journal", 0, journal.ignored().empty() ? "there is no journal, which holds what is not in the segments yet: restore its files, or the store from a backup"
                                                           : "no file of the journal holds a generation: restore its files, or the store from a backup");
  }
  for (auto& [key, plan] : plans_) {
    BATON_TRY(is_scanned(plan) ? finish_memory(plan) : finish(plan));
    store_.partitions.emplace(key, std::move(plan.found));
  }
  if (!journal.files().empty()) {
    store_.generation = journal.files().back().generation;
    store_.last_round = journal.last_round();
    store_.last_crc = journal.last_crc();
    store_.durable_round = journal.durable_round();
    store_.last_append_ms = journal.last_append_ms();
    if (journal.torn() && journal.torn()->bytes_there) {
      store_.warnings.push_back(journal.torn()->name + ", position " + std::to_string(journal.torn()->position) +
                                ": a round that was not acknowledged is incomplete and was cut");
    }
  }
  store_.journal = std::move(journal);
  return std::move(store_);
}

// A topic or partition is in the catalogue before anything is written to it, and a removed one stays there: one that is not tells that the
// catalogue is not whole.
Status Finder::check_removed(const PartitionKey& key, const JournalReader::Place& place) const {
  const auto topic = catalogue_.topics.find(key.topic);
  if (topic != catalogue_.topics.end() && (topic->second.removed || (key.partition.value() >= 0 && key.partition.value() < topic->second.partitions))) return {};
  return Error{Code::corrupt, "catalogue: its end is missing: " + place.file->name + ", position " + std::to_string(place.position) +
                                  ", tells of partition " + std::to_string(key.partition.value()) + " of topic " + key.topic.to_hex() +
                                  ", which the catalogue does not know: restore the store from a backup"};
}

// Nor is anything written in an epoch that is not in the catalogue yet: with it lost, the next one would have its number.
Status Finder::check_epoch(const ParsedRecord& record, const JournalReader::Place& place) const {
  if (record.fixed.epoch <= catalogue_.epoch) return {};
  return Error{Code::corrupt, "catalogue: its end is missing: " + place.file->name + ", position " + std::to_string(place.position) + ", is of epoch " +
                                  std::to_string(record.fixed.epoch.value()) + ", and its newest is " + std::to_string(catalogue_.epoch.value()) +
                                  ": restore the store from a backup"};
}

Status Finder::list_partitions() {
  for (const auto& [id, topic] : catalogue_.topics) {
    if (topic.removed) continue;
    const auto config = topic_config(topic.kind, topic.settings, options_);
    for (std::int32_t i = 0; i < topic.partitions; ++i) {
      const PartitionKey key{id, PartitionId(i)};
      Plan& plan = plans_[key];
      plan.found.key = key;
      plan.found.kind = topic.kind;
      plan.found.durability = config.durability;
      plan.found.batch_bytes_max = kStoredBatchBytesMax;
      plan.found.directory = partition_directory(key);
      const auto start = catalogue_.log_start.find(key);
      if (start != catalogue_.log_start.end()) plan.found.log_start = start->second;
      BATON_TRY(list_segments(plan));
    }
  }
  for (const auto& seal : catalogue_.seals) {
    if (const auto plan = plans_.find(seal.partition); plan != plans_.end()) plan->second.seals[seal.base_offset] = &seal;
  }
  return {};
}

Status Finder::list_segments(Plan& plan) {
  const auto entries = fs_.list(path(plan.found.directory));
  if (!entries && entries.error().code == Code::not_found) return {};
  if (!entries) return entries.error();
  plan.found.directory_there = true;
  for (const auto& entry : *entries) {
    const auto base = parse_decimal_name(std::string_view(entry.name).substr(0, entry.name.find('.')));
    if (!base) continue;
    const Offset offset(static_cast<std::int64_t>(*base));
    if (entry.name.ends_with(".log")) plan.on_disk.push_back(offset);
    if (entry.name.ends_with(".marks")) plan.with_marks.push_back(offset);
  }
  return {};
}

Result<MarksContent> Finder::load_marks(const Plan& plan, Offset base) {
  const std::string name = plan.name(base, ".marks");
  auto bytes = os::read_state_file(fs_, path(name), kMarksFileBytesMax);
  if (!bytes && bytes.error().code == Code::not_found) return Error{Code::corrupt, name + ": the file is missing"};
  if (!bytes) return bytes.error();
  auto content = parse_marks(*bytes, plan.found.key, base);
  if (!content) return Error{content.error().code, name + ", " + content.error().detail};
  return content;
}

// The end of the marks file, read from its last two sectors when they are good.
Result<RecoveredSegment> Finder::load_end(const Plan& plan, Offset base) {
  RecoveredSegment segment{.base = base};
  const auto file = fs_.open(path(plan.name(base, ".marks")), {});
  if (file) {
    BATON_TRY_ASSIGN(const std::uint64_t size, (*file)->size());
    if (size >= 2 * kSectorBytes && size % kSectorBytes == 0) {
      std::array<std::byte, 2 * kSectorBytes> last{};
      BATON_TRY_ASSIGN(const std::size_t got, (*file)->read_at(size - last.size(), last));
      if (auto end = parse_last_sectors(base::ByteView(last).first(got), size)) {
        segment.saved = *end;
        return segment;
      }
    }
  }
  BATON_TRY_ASSIGN(const auto content, load_marks(plan, base));
  segment.saved = content.end;
  segment.marks_whole = content.whole;
  return segment;
}

// An extent of the oldest generation: marks up to there were made durable before the generation before it was freed, and so they
// must be there. Later ones may be of a sync that failed; what they say stands in the journal.
Status Finder::take_extent(Plan& plan, const JournalPart& part) {
  plan.at_base = part.segment_base;
  plan.at_end = part.position;
  plan.at_next = part.next_offset;
  const bool gone = plan.is_gone(part.segment_base, part.next_offset);
  if (part.position == 0 || gone) return {};
  const std::string name = plan.name(part.segment_base, ".log");
  if (!plan.is_on_disk(part.segment_base)) return corrupt(name, 0, "the segment is missing");
  BATON_TRY_ASSIGN(auto segment, load_end(plan, part.segment_base));
  if (segment.saved.end_position != part.position || segment.saved.next_offset != part.next_offset) {
    BATON_TRY_ASSIGN(auto content, load_marks(plan, part.segment_base));
    if (!cut_marks(content, part.position)) {
      return corrupt(plan.name(part.segment_base, ".marks"), content.end.file_bytes,
                     "the marks end at position " + std::to_string(content.end.end_position) + " of the segment, and reached " +
                         std::to_string(part.position));
    }
    segment.saved = content.end;
    segment.marks_whole = content.whole;
  }
  BATON_TRY_ASSIGN(const auto file, fs_.open(path(name), {}));
  BATON_TRY_ASSIGN(const std::uint64_t size, file->size());
  if (size < segment.saved.end_position) return corrupt(name, size, "the segment is shorter than its marks say");
  plan.at_end = segment.saved.end_position;
  plan.at_next = segment.saved.next_offset;
  plan.segments[part.segment_base] = segment;
  return {};
}

Status Finder::take_part(Plan& plan, const JournalReader::Place& place, const ParsedRecord::Part& part) {
  auto& segment = plan.segments.try_emplace(part.segment_base, RecoveredSegment{.base = part.segment_base}).first->second;
  segment.touched = true;
  if (part.in_place()) segment.synced_end = std::max(segment.synced_end, part.end());
  const bool gone = plan.is_gone(part.segment_base, part.next_offset);
  if (part.segment_base < plan.at_base) return {};
  const bool follows = part.segment_base == plan.at_base ? part.position <= plan.at_end
                                                         : part.position == 0 && part.segment_base == plan.at_next;
  if (!follows && !gone) {
    return corrupt(plan.name(part.segment_base, ".log"), part.position,
                   "the journal (" + place.file->name + ", position " + std::to_string(place.position) +
                       ") goes on here, and what is before it is missing");
  }
  if (part.segment_base == plan.at_base && part.end() <= plan.at_end) return {};
  if (part.segment_base != plan.at_base && plan.at_base.value() >= 0) {
    auto& before = plan.segments[plan.at_base];
    before.base = plan.at_base;
    before.end = plan.at_end;
    before.next_offset = plan.at_next;
  }
  plan.at_base = part.segment_base;
  plan.at_end = part.end();
  plan.at_next = part.next_offset;
  return part.in_place() && !gone ? check_in_place(plan, part) : Status();
}

// The data was synced in the segment before the record was written; only its last sector may have suffered from what came after.
Status Finder::check_in_place(const Plan& plan, const ParsedRecord::Part& part) {
  const std::string name = plan.name(part.segment_base, ".log");
  BATON_TRY_ASSIGN(const auto file, fs_.open(path(name), {}));
  BATON_TRY_ASSIGN(const auto data, read_in_place(*file, name, part));
  if (base::crc32c(0, data) != part.data_crc) return corrupt(name, part.position, "the bytes of a durable round are damaged");
  return {};
}

// A segment that is followed by another: it must reach it.
Result<RecoveredSegment> Finder::complete_segment(Plan& plan, Offset base, Offset following) {
  const auto short_of = [&](std::uint64_t position) {
    return corrupt(plan.name(base, ".log"), position,
                   "the segment ends before offset " + std::to_string(following.value()) + ", where the next one begins");
  };
  RecoveredSegment segment{.base = base};
  if (const auto known = plan.segments.find(base); known != plan.segments.end() && known->second.end > 0) {
    segment = known->second;
    if (segment.next_offset != following) return short_of(segment.end);
    segment.max_timestamp = segment.saved.max_timestamp;
    if (const auto seal = plan.seals.find(base); seal != plan.seals.end()) {  // its marks were complete before
      if (seal->second->bytes != segment.end) return short_of(segment.end);
      segment.sealed = true;
      segment.touched = false;
      segment.saved.end_position = segment.end;
      segment.max_timestamp = seal->second->max_timestamp;
    }
    return segment;
  }
  if (const auto seal = plan.seals.find(base); seal != plan.seals.end()) {
    segment.end = segment.saved.end_position = seal->second->bytes;
    segment.next_offset = segment.saved.next_offset = seal->second->next_offset;
    segment.max_timestamp = seal->second->max_timestamp;
    segment.sealed = true;
  } else {
    BATON_TRY_ASSIGN(segment, load_end(plan, base));
    if (segment.saved.next_offset != following) {
      BATON_TRY_ASSIGN(const auto content, load_marks(plan, base));
      segment.saved = content.end;
    }
    segment.end = segment.saved.end_position;
    segment.next_offset = segment.saved.next_offset;
    segment.max_timestamp = segment.saved.max_timestamp;
    segment.sealed = plan.found.kind == TopicKind::plain && store_.clean;
  }
  if (segment.next_offset != following) return short_of(segment.end);
  return segment;
}

// Files that belong to nothing. A segment is made before its first round is durable, so an empty one may be there.
Status Finder::give_up(Plan& plan, Offset base, bool below_start) {
  if (!below_start) {
    const auto content = load_marks(plan, base);
    if (content && !content->marks.empty()) {
      return corrupt(plan.name(base, ".marks"), kSectorBytes, "the journal does not know this segment, which has marks");
    }
  }
  plan.found.stale.push_back(plan.name(base, ".log"));
  plan.found.stale.push_back(plan.name(base, ".marks"));
  return {};
}

Status Finder::finish(Plan& plan) {
  auto& found = plan.found;
  found.end = std::max(plan.at_next, found.log_start);
  const bool gone = plan.is_gone(plan.at_base, plan.at_next);
  const bool exists = plan.at_end > 0 && !gone;
  found.open = exists && !plan.seals.contains(plan.at_base);  // it may be sealed though nothing durable follows it
  if (exists) {
    auto& at = plan.segments[plan.at_base];
    at.base = plan.at_base;
    at.end = plan.at_end;
    at.next_offset = plan.at_next;
  }
  std::vector<Offset> bases;
  for (const Offset base : plan.on_disk) {
    if (base < plan.at_base || (base == plan.at_base && exists)) {
      bases.push_back(base);
    } else {
      BATON_TRY(give_up(plan, base, base <= plan.at_base && gone));
    }
  }
  for (const Offset base : plan.with_marks) {
    if (!plan.is_on_disk(base)) found.stale.push_back(plan.name(base, ".marks"));
  }
  if (exists && !plan.is_on_disk(plan.at_base)) bases.push_back(plan.at_base);
  for (std::size_t i = 0; i < bases.size(); ++i) {
    const bool last = found.open && i + 1 == bases.size();
    const Offset following = i + 1 < bases.size() ? bases[i + 1] : plan.at_next;
    if (!last && following <= found.log_start) {
      BATON_TRY(give_up(plan, bases[i], true));
      continue;
    }
    if (found.segments.empty() && bases[i] > found.log_start) {
      return corrupt(plan.name(bases[i], ".log"), 0, "the segment before this one is missing");
    }
    RecoveredSegment segment;
    if (last) {
      segment = plan.segments[bases[i]];
      segment.max_timestamp = segment.saved.max_timestamp;
    } else {
      BATON_TRY_ASSIGN(segment, complete_segment(plan, bases[i], following));
    }
    found.segments.push_back(segment);
  }
  if (found.segments.empty() && found.end > found.log_start) {
    return corrupt(found.directory, 0, "the segments of this partition are missing");
  }
  return {};
}

Status Finder::finish_memory(Plan& plan) {
  auto& found = plan.found;
  Epoch epoch{-1};
  bool cut = false;
  for (std::size_t i = 0; i < plan.on_disk.size(); ++i) {
    const Offset base = plan.on_disk[i];
    const bool last = i + 1 == plan.on_disk.size();
    const bool below_start = !last && plan.on_disk[i + 1] <= found.log_start;
    const bool joins = found.segments.empty() ? base <= found.log_start : found.segments.back().next_offset == base;
    if (cut || below_start || !joins) {
      cut = cut || !below_start;
      found.stale.push_back(plan.name(base, ".log"));
      found.stale.push_back(plan.name(base, ".marks"));
      continue;
    }
    const auto end = load_end(plan, base);
    RecoveredSegment segment{.base = base};
    BATON_TRY_ASSIGN(const auto file, fs_.open(path(plan.name(base, ".log")), {}));
    BATON_TRY_ASSIGN(const std::uint64_t size, file->size());
    // It was cut to its end after its marks were durable.
    const bool finished = end && end->saved.end_position == size;
    if (finished && !last && end->saved.next_offset == plan.on_disk[i + 1]) {
      segment = *end;
      segment.end = segment.saved.end_position;
      segment.next_offset = segment.saved.next_offset;
      segment.max_timestamp = segment.saved.max_timestamp;
      segment.sealed = true;
    } else {
      BATON_TRY_ASSIGN(segment, scan_segment(plan, base, epoch));
    }
    if (segment.end == 0) {
      cut = true;
      found.stale.push_back(plan.name(base, ".log"));
      found.stale.push_back(plan.name(base, ".marks"));
      continue;
    }
    found.segments.push_back(segment);
  }
  if (!found.segments.empty() && found.segments.back().next_offset < found.log_start) {  // what was to be kept is lost
    for (const auto& segment : found.segments) BATON_TRY(give_up(plan, segment.base, true));
    found.segments.clear();
  }
  found.end = found.segments.empty() ? found.log_start : found.segments.back().next_offset;
  found.open = !found.segments.empty() && !found.segments.back().sealed;
  return {};
}

// The longest run of valid batches from the start. `epoch`: of the batch before it. One of an older epoch was written there before a crash that took what
// stood before it.
Result<RecoveredSegment> Finder::scan_segment(const Plan& plan, Offset base, Epoch& epoch) {
  RecoveredSegment segment{.base = base, .next_offset = base, .touched = true, .scanned = true};
  BATON_TRY_ASSIGN(const auto file, fs_.open(path(plan.name(base, ".log")), {}));
  BATON_TRY_ASSIGN(const std::uint64_t size, file->size());
  base::Bytes bytes;
  std::size_t step = 1u << 20;
  while (segment.end < size) {
    bytes.resize(std::min<std::uint64_t>(step, size - segment.end));
    BATON_TRY_ASSIGN(const std::size_t got, file->read_at(segment.end, bytes));
    std::size_t at = 0;
    bool ended = got < bytes.size();
    while (at < got) {
      const auto rest = base::ByteView(bytes).subspan(at, got - at);
      const auto batch_bytes = batch_size(rest, plan.found.batch_bytes_max);
      ended = ended || !batch_bytes;
      if (!batch_bytes || !*batch_bytes || **batch_bytes > rest.size()) break;
      const auto header = check_batch(rest.first(**batch_bytes));
      if (!header || header->base_offset != segment.next_offset || header->epoch < epoch) {
        ended = true;
        break;
      }
      segment.next_offset = header->next_offset();
      segment.max_timestamp = std::max(segment.max_timestamp, header->max_timestamp);
      epoch = header->epoch;
      at += **batch_bytes;
    }
    segment.end += at;
    if (ended || bytes.size() + segment.end - at >= size) break;
    if (at == 0) step *= 2;
  }
  segment.saved.next_offset = base;
  return segment;
}

}  // namespace

std::string topics_directory(const std::string& directory) { return os::join(directory, "topics"); }
std::string topic_directory(const TopicId& topic) { return "topics/" + topic.to_hex(); }
std::string partition_directory(const PartitionKey& key) {
  return topic_directory(key.topic) + "/" + std::to_string(key.partition.value());
}

Result<RecoveredStore> find_store(os::FileSystem& fs, const std::string& directory, const CatalogueState& catalogue,
                                  const LogOptions& options) {
  return Finder(fs, directory, catalogue, options).find();
}

}  // namespace baton::log
