// verify(): everything that is on the disk against everything that vouches for it. Changes nothing.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <map>

#include "base/crc32c.h"
#include "base/hex.h"
#include "base/sha256.h"
#include "base/try.h"
#include "log/live_marks.h"
#include "log/marks.h"
#include "log/recovery.h"
#include "log/segment.h"
#include "log/verify.h"

namespace baton::log {
namespace {

constexpr std::uint64_t kMarksFileBytesMax = 64u << 20;
constexpr std::size_t kStepBytes = 1u << 20;

// One segment, and what is expected of it.
struct Target {
  PartitionKey key;
  std::size_t batch_bytes_max = 0;
  Offset base;
  std::uint64_t end = UINT64_MAX;   // bytes; unknown for one that its writer has left and not sealed yet
  std::optional<Offset> following;  // where the next segment begins, or the partition ends
  const Seal* seal = nullptr;
  bool marked = true;  // its marks reach its end
  // What the journal has of the sector in which it ends. Later rounds were written there, so that a power cut may have torn it; an open takes these instead.
  struct Piece {
    std::uint64_t position;
    base::Bytes bytes;
  };
  std::vector<Piece> last_sector;
  [[nodiscard]] std::string name(std::string_view extension) const {
    return os::join(partition_directory(key), segment_file_name(base, extension));
  }
};

class Verifier {
 public:
  Verifier(os::Env& env, std::string directory, const std::function<void(std::uint64_t, std::uint64_t)>& progress,
           const VisitBatch& visit)
      : env_(env), fs_(env.fs()), directory_(std::move(directory)), progress_(progress), visit_(visit) {}

  Result<VerifyReport> run(std::optional<Hash256> root);

 private:
  struct Walk;
  [[nodiscard]] Result<bool> take_live();
  [[nodiscard]] Status take_disk();
  [[nodiscard]] Status take_journal(RecoveredStore& store);
  void take_last_sector(Target& target, const ParsedRecord::Part& part);
  [[nodiscard]] Status count_journalled(const RecoveredSegment& segment, const ParsedRecord::Part& part, std::uint64_t& counted_to);
  [[nodiscard]] Status take_slot(const LiveSlot& slot);
  [[nodiscard]] Status take_names(const PartitionKey& key);
  [[nodiscard]] Result<std::vector<Offset>> segments_of(const PartitionKey& key) const;
  [[nodiscard]] std::map<Offset, const Seal*> seals_of(const PartitionKey& key) const;
  void check_chain();
  void check_root(const std::optional<Hash256>& root);
  [[nodiscard]] Status check_segment(const Target& target);
  [[nodiscard]] Status walk(const Target& target, const os::File& file, Walk& state);
  void check_marks(const Target& target, Walk& state, base::ByteView run);
  void check_end(const Target& target, const Walk& state, std::uint64_t size);
  void found(std::string file, std::uint64_t position, std::string what) {
    report_.findings.push_back({std::move(file), position, std::move(what)});
  }
  void found(const Error& error);
  [[nodiscard]] std::string path(const std::string& relative) const { return os::join(directory_, relative); }

  os::Env& env_;
  os::FileSystem& fs_;
  const std::string directory_;
  const std::function<void(std::uint64_t, std::uint64_t)>& progress_;
  const VisitBatch& visit_;
  std::unique_ptr<Catalogue> catalogue_;
  std::vector<Target> targets_;
  VerifyReport report_;
  std::uint64_t done_ = 0;
  std::uint64_t total_ = 0;
};

// Details have the form "file, position N: what", or "file, ... byte N: what"; the file may be named with the directory before it.
void Verifier::found(const Error& error) {
  const std::string& text = error.detail;
  const auto colon = text.find(": ");
  if (colon == std::string::npos) return found("", 0, text);
  std::string_view place = std::string_view(text).substr(0, colon);
  std::uint64_t position = 0;
  for (const std::string_view before : {", position ", " byte "}) {
    const auto at = place.find(before);
    if (at != std::string_view::npos) position = std::strtoull(text.c_str() + at + before.size(), nullptr, 10);
  }
  place = place.substr(0, place.find(','));
  if (place.starts_with(directory_)) place = place.substr(std::min(place.size(), directory_.size() + 1));
  found(std::string(place), position, text.substr(colon + 2));
}

Result<VerifyReport> Verifier::run(std::optional<Hash256> root) {
  auto opened = Catalogue::open(env_, directory_, true);
  if (!opened && opened.error().code == Code::corrupt) {
    found(opened.error());
    report_.notes.emplace_back("nothing else was looked at: without its catalogue a store has no meaning");
    return std::move(report_);
  }
  if (!opened) return opened.error();
  catalogue_ = std::move(*opened);
  check_chain();
  check_root(root);
  BATON_TRY_ASSIGN(const bool live, take_live());
  if (!live) BATON_TRY(take_disk());
  for (const auto& target : targets_) {
    const auto file = fs_.open(path(target.name(".log")), {});
    const auto size = file ? (*file)->size() : Result<std::uint64_t>(std::uint64_t{0});
    total_ += std::min(target.end, size ? *size : 0);
  }
  for (const auto& target : targets_) BATON_TRY(check_segment(target));
  return std::move(report_);
}

// The seals alone: each names the hash of the one before it.
void Verifier::check_chain() {
  std::map<PartitionKey, const Seal*> last;
  for (const auto& seal : catalogue_->state().seals) {
    const Seal*& before = last[seal.partition];
    if (seal.previous != (before == nullptr ? Hash256{} : before->hash)) {
      found("catalogue", 0,
            "the seal of " + partition_directory(seal.partition) + " at offset " + std::to_string(seal.base_offset.value()) +
                " does not name the hash of the one before");
    }
    const auto start = catalogue_->state().log_start.find(seal.partition);
    if (start != catalogue_->state().log_start.end() && seal.next_offset <= start->second) {
      report_.notes.push_back("removed by retention: " + partition_directory(seal.partition) + ", offsets " +
                              std::to_string(seal.base_offset.value()) + " to " + std::to_string(seal.next_offset.value() - 1) +
                              ", SHA-256 " + base::to_hex(std::as_bytes(std::span(seal.hash))));
    }
    before = &seal;
  }
}

void Verifier::check_root(const std::optional<Hash256>& root) {
  const auto& state = catalogue_->state();
  report_.root = state.root;
  report_.notes.emplace_back("the open segment of a partition is not covered by the root");
  if (!root || *root == Hash256{}) return;
  const auto at = std::ranges::find(state.seals, *root, &Seal::root);
  report_.root_found = at != state.seals.end();
  if (report_.root_found) {
    report_.notes.push_back("the root given covers " + std::to_string(at - state.seals.begin() + 1) + " of " +
                            std::to_string(state.seals.size()) + " sealed segments");
  } else {
    found("catalogue", 0, "no seal has the root given: this is not the history that it stands for");
  }
}

std::map<Offset, const Seal*> Verifier::seals_of(const PartitionKey& key) const {
  std::map<Offset, const Seal*> out;
  for (const auto& seal : catalogue_->state().seals) {
    if (seal.partition == key) out[seal.base_offset] = &seal;
  }
  return out;
}

// Beside a writer: as far as its marks say.
Result<bool> Verifier::take_live() {
  auto live = LiveReader::open(env_, directory_);
  if (!live) return false;
  const auto header = (*live)->header();
  if (!header || header->store_id != catalogue_->state().store_id || header->boot_id != env_.boot_id()) return false;
  if (header->state != LiveState::open) return false;
  const auto lock = fs_.open(path("LOCK"), {});
  if (!lock) return false;
  BATON_TRY_ASSIGN(const bool writer, (*lock)->is_locked(os::LockKind::shared, 0, 0));
  if (!writer) return false;
  std::vector<LiveSlot> slots;
  for (std::size_t i = 0; i < header->slot_count; ++i) {
    BATON_TRY_ASSIGN(const auto slot, (*live)->slot(i));
    slots.push_back(slot);
  }
  BATON_TRY(catalogue_->refresh());
  report_.notes.emplace_back(
      "a writer has the store open: what it had acknowledged when this began is covered, its journal is not");
  for (const auto& slot : slots) BATON_TRY(take_slot(slot));
  return true;
}

Result<std::vector<Offset>> Verifier::segments_of(const PartitionKey& key) const {
  std::vector<Offset> bases;
  const auto entries = fs_.list(path(partition_directory(key)));
  if (!entries && entries.error().code == Code::not_found) return bases;
  if (!entries) return entries.error();
  for (const auto& entry : *entries) {
    if (!entry.name.ends_with(".log")) continue;
    const auto number = parse_decimal_name(std::string_view(entry.name).substr(0, entry.name.size() - 4));
    if (number) bases.emplace_back(static_cast<std::int64_t>(*number));
  }
  std::ranges::sort(bases);
  return bases;
}

Status Verifier::take_slot(const LiveSlot& slot) {
  const auto topic = catalogue_->state().topics.find(slot.key.topic);
  if (topic == catalogue_->state().topics.end() || topic->second.removed) return {};
  BATON_TRY_ASSIGN(const auto bases, segments_of(slot.key));
  const auto seals = seals_of(slot.key);
  const std::size_t first = targets_.size();
  for (const Offset base : bases) {
    const bool open = base == slot.segment_base;
    if (base > slot.segment_base || (open && slot.end_position == 0)) continue;
    Target target{.key = slot.key, .batch_bytes_max = kStoredBatchBytesMax, .base = base, .following = slot.visible};
    if (targets_.size() > first) targets_.back().following = base;
    if (open) target.end = slot.end_position;
    target.marked = false;
    if (const auto seal = seals.find(base); seal != seals.end()) {
      target.seal = seal->second;
      target.end = seal->second->bytes;
      target.marked = true;
    }
    targets_.push_back(target);
  }
  // Retention may have begun to remove what is below the start.
  std::erase_if(targets_, [&](const Target& t) { return t.key == slot.key && t.following && *t.following <= slot.log_start; });
  return {};
}

// Where a partition ends cannot be found out: what its files say of themselves.
Status Verifier::take_names(const PartitionKey& key) {
  BATON_TRY_ASSIGN(const auto bases, segments_of(key));
  const auto seals = seals_of(key);
  const auto start = catalogue_->state().log_start.find(key);
  for (const auto& [base, seal] : seals) {
    const bool removed = start != catalogue_->state().log_start.end() && seal->next_offset <= start->second;
    if (removed || std::ranges::binary_search(bases, base)) continue;
    found(Target{.key = key, .base = base}.name(".log"), 0, "the file is missing");
  }
  for (std::size_t i = 0; i < bases.size(); ++i) {
    Target target{.key = key, .batch_bytes_max = kStoredBatchBytesMax, .base = bases[i]};
    if (i + 1 < bases.size()) target.following = bases[i + 1];
    if (const auto seal = seals.find(bases[i]); seal != seals.end()) {
      target.seal = seal->second;
      target.end = seal->second->bytes;
      target.following = seal->second->next_offset;
    } else if (!target.following) {
      const auto bytes = os::read_file(fs_, path(target.name(".marks")), kMarksFileBytesMax);
      const auto content = bytes ? parse_marks(*bytes, key, bases[i]) : Result<MarksContent>(bytes.error());
      target.end = content ? content->end.end_position : 0;
    }
    targets_.push_back(target);
  }
  return {};
}

// Nobody writes: the journal is read, too.
Status Verifier::take_disk() {
  auto store = find_store(fs_, directory_, catalogue_->state(), LogOptions{});
  if (!store && store.error().code != Code::corrupt) return store.error();
  if (!store) {
    found(store.error());
    report_.notes.emplace_back(
        "where the partitions end is not known, because of that damage: open segments were read as far as their marks say");
    report_.to_end = false;
    for (const auto& [id, topic] : catalogue_->state().topics) {
      for (std::int32_t p = 0; !topic.removed && p < topic.partitions; ++p) BATON_TRY(take_names({id, PartitionId(p)}));
    }
    return {};
  }
  if (store->rounds_in_journal)
    report_.notes.emplace_back("the store was not closed: the next writer takes its last rounds from the journal");
  for (const auto& [key, partition] : store->partitions) {
    const auto seals = seals_of(key);
    for (const auto& segment : partition.segments) {
      Target target{.key = key, .batch_bytes_max = kStoredBatchBytesMax, .base = segment.base};
      const auto seal = seals.find(segment.base);
      if (seal != seals.end()) target.seal = seal->second;
      // What is behind the marks comes from the journal, which was checked as it was read.
      const bool all = store->clean || segment.sealed || segment.saved.end_position == segment.end;
      target.end = all ? segment.end : segment.saved.end_position;
      if (all) target.following = segment.next_offset;
      report_.to_end = report_.to_end && all;
      if (target.end > 0) targets_.push_back(target);
    }
  }
  return store->clean ? Status() : take_journal(*store);
}

// Of the same parts as an open does (replay.cc).
Status Verifier::take_journal(RecoveredStore& store) {
  std::map<std::pair<PartitionKey, Offset>, Target*> known;
  std::map<std::pair<PartitionKey, Offset>, std::uint64_t> counted_to;
  for (Target& target : targets_) known[{target.key, target.base}] = &target;
  return store.journal->for_each([&](const JournalReader::Place&, const ParsedRecord& record) -> Status {
    for (const auto& part : record.parts) {
      const auto partition = store.partitions.find(part.key);
      if (partition == store.partitions.end()) continue;
      const auto segment = std::ranges::find(partition->second.segments, part.segment_base, &RecoveredSegment::base);
      if (segment == partition->second.segments.end() || part.end() > segment->end) continue;
      const std::pair place(part.key, part.segment_base);
      if (const auto target = known.find(place); target != known.end()) take_last_sector(*target->second, part);
      auto& counted = counted_to.try_emplace(place, segment->saved.end_position).first->second;
      if (!part.extent() && part.end() > counted) BATON_TRY(count_journalled(*segment, part, counted));
    }
    return {};
  });
}

void Verifier::take_last_sector(Target& target, const ParsedRecord::Part& part) {
  const std::uint64_t payload_at = part.end() - part.payload.size();
  const std::uint64_t begin = std::max(payload_at, target.end / kSectorBytes * kSectorBytes);
  const std::uint64_t end = std::min(part.end(), target.end);
  if (begin >= end) return;
  const auto bytes = part.payload.subspan(begin - payload_at, end - begin);
  target.last_sector.push_back({begin, base::Bytes(bytes.begin(), bytes.end())});
}

// The records of a round that are under no mark. The round's own CRC has been checked, that of its data in the segment, too (recovery.cc).
Status Verifier::count_journalled(const RecoveredSegment& segment, const ParsedRecord::Part& part, std::uint64_t& counted_to) {
  base::Bytes in_place;
  base::ByteView rest = part.payload;
  const std::string name = os::join(partition_directory(part.key), segment_file_name(segment.base, ".log"));
  if (part.in_place()) {
    BATON_TRY_ASSIGN(const auto file, fs_.open(path(name), {}));
    BATON_TRY_ASSIGN(in_place, read_in_place(*file, name, part));
    rest = in_place;
  }
  std::uint64_t position = part.position;
  while (!rest.empty()) {
    const auto header = check_batch(rest);
    if (!header) {
      found(name, position, header.error().detail);
      return {};
    }
    const std::uint64_t end = position + header->total_bytes();
    if (end > counted_to) report_.journal_records += static_cast<std::uint64_t>(header->record_count);
    counted_to = std::max(counted_to, end);
    rest = rest.subspan(header->total_bytes());
    position = end;
  }
  return {};
}

struct Verifier::Walk {
  std::vector<Mark> marks;
  std::size_t next_mark = 0;
  std::uint32_t range_crc = 0;
  std::int64_t max_timestamp = INT64_MIN;
  Epoch epoch;
  Offset expected;
  std::uint64_t position = 0;
  base::Sha256 sha;
  bool failed = false;
};

Status Verifier::check_segment(const Target& target) {
  const auto file = fs_.open(path(target.name(".log")), {});
  if (!file && file.error().code == Code::not_found) {
    BATON_TRY(catalogue_->refresh());
    const auto start = catalogue_->state().log_start.find(target.key);
    const bool gone = start != catalogue_->state().log_start.end() && target.following && *target.following <= start->second;
    if (!gone) found(target.name(".log"), 0, "the file is missing");
    return {};
  }
  if (!file) return file.error();
  ++report_.segments;
  Walk state;
  state.expected = target.base;
  const auto bytes = os::read_file(fs_, path(target.name(".marks")), kMarksFileBytesMax);
  if (!bytes && bytes.error().code != Code::not_found) return bytes.error();
  const auto content = bytes ? parse_marks(*bytes, target.key, target.base) : Result<MarksContent>(bytes.error());
  if (content) {
    state.marks = content->marks;
  } else {
    found(target.name(".marks"), 0, bytes ? content.error().detail : "the file is missing");
  }
  if (target.seal != nullptr) state.sha.update(std::as_bytes(std::span(target.seal->previous)));
  BATON_TRY(walk(target, **file, state));
  BATON_TRY_ASSIGN(const std::uint64_t size, (*file)->size());
  if (!state.failed) check_end(target, state, size);
  return {};
}

// Batch by batch, in steps of kStepBytes or of one batch that is larger.
Status Verifier::walk(const Target& target, const os::File& file, Walk& state) {
  base::Bytes bytes;
  std::size_t step = kStepBytes;
  const auto ended = [&] {
    return state.position >= target.end ||
           (target.end == UINT64_MAX && target.following && state.expected >= *target.following);
  };
  while (!ended() && !state.failed) {
    bytes.resize(std::min<std::uint64_t>(step, target.end - state.position));
    BATON_TRY_ASSIGN(const std::size_t got, file.read_at(state.position, bytes));
    bytes.resize(got);
    const std::uint64_t begin = state.position;
    for (const auto& piece : target.last_sector) {
      const std::uint64_t from = std::max(piece.position, begin);
      const std::uint64_t to = std::min(piece.position + piece.bytes.size(), begin + got);
      if (from < to) std::memcpy(bytes.data() + (from - begin), piece.bytes.data() + (from - piece.position), to - from);
    }
    while (!ended() && state.position - begin < got) {
      const auto rest = base::ByteView(bytes).subspan(state.position - begin);
      const auto size = batch_size(rest, target.batch_bytes_max);
      if (size && (!*size || **size > rest.size())) break;
      const auto header = size ? check_batch(rest.first(**size)) : Result<BatchHeader>(size.error());
      const auto bad = [&](const std::string& what) {
        found(target.name(".log"), state.position, what);
        state.failed = true;
      };
      if (!header) {
        bad(header.error().detail);
        break;
      }
      if (header->base_offset < state.expected) bad("offsets do not ascend");
      if (header->epoch < state.epoch || header->epoch > catalogue_->state().epoch) bad("the epoch does not follow");
      const auto records = for_each_record(rest.first(**size), {}, [&](const RecordView&) -> Status {
        ++report_.records;
        return {};
      });
      if (!records) bad(records.error().detail);
      if (state.failed) break;
      if (visit_) visit_({target.key, target.base, FilePosition(state.position), *header, rest.first(**size)});
      state.epoch = header->epoch;
      state.expected = header->next_offset();
      state.max_timestamp = std::max(state.max_timestamp, header->max_timestamp);
      state.position += **size;
      ++report_.batches;
      check_marks(target, state, rest.first(**size));
    }
    const std::uint64_t moved = state.position - begin;
    report_.bytes += moved;
    done_ += moved;
    progress_(done_, std::max(done_, total_));
    if (state.failed || moved > 0) continue;
    if (got < std::min<std::uint64_t>(step, target.end - begin) || got == target.end - begin) {
      found(target.name(".log"), begin + got, "the segment ends too early");
      state.failed = true;
    }
    step *= 4;
  }
  return {};
}

// `run` is the batch that was just passed. A mark ends where a batch ends.
void Verifier::check_marks(const Target& target, Walk& state, base::ByteView run) {
  state.range_crc = base::crc32c(state.range_crc, run);
  if (target.seal != nullptr) state.sha.update(run);
  if (state.next_mark == state.marks.size() || state.marks[state.next_mark].end_position > state.position) return;
  const Mark& mark = state.marks[state.next_mark];
  const std::uint64_t begin = state.next_mark == 0 ? 0 : state.marks[state.next_mark - 1].end_position;
  if (mark.end_position != state.position || mark.next_offset != state.expected) {
    found(target.name(".marks"), kSectorBytes, "mark " + std::to_string(state.next_mark) + " does not end where a batch ends");
  } else if (mark.range_crc != state.range_crc) {
    found(target.name(".log"), begin,
          "the bytes up to position " + std::to_string(mark.end_position) + " do not match their mark");
  } else if (mark.max_timestamp != state.max_timestamp) {
    found(target.name(".marks"), kSectorBytes,
          "mark " + std::to_string(state.next_mark) + " has another newest time than the batches");
  }
  state.range_crc = 0;
  ++state.next_mark;
}

void Verifier::check_end(const Target& target, const Walk& state, std::uint64_t size) {
  if (target.following && state.expected != *target.following) {
    found(target.name(".log"), state.position,
          "the segment ends at offset " + std::to_string(state.expected.value()) + ", and " +
              std::to_string(target.following->value()) + " is expected");
  }
  const std::uint64_t marked = state.next_mark == 0 ? 0 : state.marks[state.next_mark - 1].end_position;
  if (target.marked && marked < state.position) {
    found(target.name(".marks"), kSectorBytes,
          "the marks end at position " + std::to_string(marked) + " of " + std::to_string(state.position));
  }
  if (target.seal == nullptr) return;
  if (size != target.seal->bytes)
    found(target.name(".log"), std::min(size, target.seal->bytes), "the size differs from the seal's");
  base::Sha256 sha = state.sha;
  if (std::bit_cast<Hash256>(sha.finish()) != target.seal->hash) {
    found(target.name(".log"), 0, "the bytes do not have the SHA-256 of their seal");
  }
}

}  // namespace

Result<VerifyReport> verify_and_visit(os::Env& env, const std::string& directory, std::optional<Hash256> root,
                                      const std::function<void(std::uint64_t done, std::uint64_t total)>& progress,
                                      const VisitBatch& visit) {
  const std::function<void(std::uint64_t, std::uint64_t)> none = [](std::uint64_t, std::uint64_t) {};
  return Verifier(env, directory, progress ? progress : none, visit).run(root);
}

Result<VerifyReport> verify(os::Env& env, const std::string& directory, std::optional<Hash256> root,
                            const std::function<void(std::uint64_t done, std::uint64_t total)>& progress) {
  return verify_and_visit(env, directory, root, progress, {});
}

}  // namespace baton::log
