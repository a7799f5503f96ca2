// verify(): everything that is on the disk against everything that vouches for it. Changes nothing.
#include <algorithm>
#include <map>

#include "base/hex.h"
#include "base/try.h"
#include "log/live_check.h"
#include "log/marks.h"
#include "log/segment.h"
#include "log/verifier.h"

namespace baton::log {
namespace {

constexpr std::int64_t kSettleNs = 10'000'000'000;  // so long short writers are got out of the way of
constexpr std::int64_t kSettleStepNs = 2'000'000;

}  // namespace

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
  BATON_TRY(take_targets());
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

// What there is at one moment. Without a writer the catalogue, the journal and the marks are read one after another: when one has come
// meanwhile, they are of different moments.
Status Verifier::take_targets() {
  const VerifyReport begun = report_;
  const auto waiter = env_.make_waiter();
  for (const std::int64_t until = env_.clock().monotonic_ns() + kSettleNs;;) {
    BATON_TRY_ASSIGN(const bool live, take_live());
    if (live) return {};
    const Status taken = take_disk();
    if (!writer_came()) return taken;
    if (env_.clock().monotonic_ns() >= until) {
      return Error{Code::unavailable, directory_ + ": one writer after another opens the store: it is never looked at in peace; try again"};
    }
    report_ = begun;
    targets_.clear();
    (void)waiter->wait(kSettleStepNs);
  }
}

// Since the catalogue was read last, or it is at its recovery.
bool Verifier::writer_came() {
  const auto changed = catalogue_->refresh();
  if (changed && *changed) return true;
  if (report_.findings.empty()) return false;
  const auto live = LiveReader::open(env_, directory_);
  const auto header = live ? (*live)->header() : Result<LiveHeader>(live.error());
  if (header && header->state == LiveState::failed) return false;  // it holds the lock, and writes no more
  const auto writer = writer_is_there(fs_, directory_);
  return writer && *writer;
}

// By retention, or with its topic: the catalogue says so before a file goes.
Result<bool> Verifier::is_gone(const Target& target) {
  BATON_TRY(catalogue_->refresh());
  const auto topic = catalogue_->state().topics.find(target.key.topic);
  if (topic == catalogue_->state().topics.end() || topic->second.removed) return true;
  const auto start = catalogue_->state().log_start.find(target.key);
  return start != catalogue_->state().log_start.end() && target.following && *target.following <= start->second;
}

// Beside a writer: as far as its marks say.
Result<bool> Verifier::take_live() {
  auto live = LiveReader::open(env_, directory_);
  if (!live) return false;
  const auto header = (*live)->header();
  if (!header || header->store_id != catalogue_->state().store_id || header->boot_id != env_.boot_id()) return false;
  if (header->state != LiveState::open) return false;
  BATON_TRY_ASSIGN(const bool writer, writer_is_there(fs_, directory_));
  if (!writer) return false;
  std::vector<LiveSlot> slots;
  for (std::size_t i = 0; i < header->slot_count; ++i) {
    BATON_TRY_ASSIGN(const auto slot, (*live)->slot(i));
    slots.push_back(slot);
  }
  BATON_TRY(catalogue_->refresh());
  if (const Status whole = check_catalogue_end(*header, *catalogue_); !whole) found(whole.error());
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
      const auto bytes = os::read_state_file(fs_, path(target.name(".marks")), kMarksFileBytesMax);
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
  if (store) {
    if (const Status whole = check_live(env_, directory_, *catalogue_, *store); !whole) store = whole.error();
  }
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
