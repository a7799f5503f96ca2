// baton verify: the catalogue, the journal, every segment with its marks, the chain of seals and its root.
#include <algorithm>
#include <map>
#include <set>

#include "base/hex.h"
#include "base/try.h"
#include "log/journal_format.h"
#include "log/log.h"
#include "log/recovery.h"
#include "log/segment.h"
#include "log/settings.h"
#include "log/verify_segment.h"

namespace baton::log {
namespace {

std::string hex(const Hash256& hash) { return base::to_hex(std::as_bytes(std::span(hash))); }

// What is there of one partition, and how far it must reach.
struct Extent {
  Offset log_start;
  Offset end;
};

class Verifier {
 public:
  Verifier(os::Env& env, const std::string& directory, std::optional<Hash256> root,
           const std::function<void(std::uint64_t, std::uint64_t)>& progress)
      : env_(env), fs_(env.fs()), directory_(directory), root_(root), progress_(progress) {}

  Result<VerifyReport> run();

 private:
  [[nodiscard]] Status find_ends();
  [[nodiscard]] Result<bool> writer_is_there();
  [[nodiscard]] Status check_partition(const PartitionKey& key, const TopicInfo& topic, const Extent& extent);
  [[nodiscard]] Status check_segment(const PartitionKey& key, const TopicInfo& topic, Offset base, Offset end, bool last);
  void check_chain();
  void check_root();
  void count_bytes();
  void found(Finding finding) { report_.findings.push_back(std::move(finding)); }

  os::Env& env_;
  os::FileSystem& fs_;
  const std::string& directory_;
  const std::optional<Hash256> root_;
  const std::function<void(std::uint64_t, std::uint64_t)>& progress_;
  std::unique_ptr<Catalogue> catalogue_;
  std::map<PartitionKey, Extent> extents_;
  std::map<std::pair<PartitionKey, Offset>, const Seal*> seals_;
  std::uint64_t done_ = 0;
  std::uint64_t total_ = 0;
  VerifyReport report_;
};

Result<bool> Verifier::writer_is_there() {
  auto lock = fs_.open(os::join(directory_, "LOCK"), {});
  if (!lock && lock.error().code == Code::not_found) return false;
  if (!lock) return lock.error();
  return (*lock)->is_locked(os::LockKind::shared, 0, 0);
}

// How far each partition reaches: by the live marks while they may be believed, else by what recovery would find.
Status Verifier::find_ends() {
  LogOptions options;
  options.read_only = true;
  BATON_TRY_ASSIGN(const bool writer, writer_is_there());
  if (!writer) {
    auto recovered = find_store(fs_, directory_, catalogue_->state(), options);
    if (!recovered && recovered.error().code != Code::corrupt) return recovered.error();
    if (!recovered) {
      found({"", 0, recovered.error().detail});
      report_.notes.push_back("the store cannot be opened; the segments were checked as far as their marks reach");
    } else {
      for (const auto& warning : recovered->warnings) report_.notes.push_back(warning);
      for (const auto& [key, partition] : recovered->partitions) {
        // What a power loss took from a segment is in the journal, and comes back at the next open; up to there the marks say.
        const bool behind = recovered->rounds_in_journal && !recovered->clean;
        Offset end = partition.log_start;
        for (const auto& segment : partition.segments) {
          const bool touched = behind && segment.touched && !segment.scanned;
          end = touched ? segment.saved.next_offset : segment.next_offset;
          if (touched && &segment != &partition.segments.back()) break;
        }
        extents_[key] = {partition.log_start, std::max(end, partition.log_start)};
      }
      if (recovered->rounds_in_journal && !recovered->clean) {
        report_.notes.push_back("the store was not closed: its newest rounds are in the journal, which is sound, and were not looked for in the segments");
      }
      return {};
    }
  }
  const auto owner = env_.make_executor("baton-verify");
  auto log = Log::open(env_, directory_, options, *owner, *owner);
  if (log) {
    for (const auto& partition : (*log)->stats()) {
      extents_[partition.key] = {partition.bounds.log_start, Offset(partition.bounds.visible.value())};
    }
    if (writer) report_.notes.push_back("the store is being written: checked up to what was visible when this began");
    return {};
  }
  if (writer) return log.error();
  for (const auto& [id, topic] : catalogue_->state().topics) {
    for (std::int32_t i = 0; !topic.removed && i < topic.partitions; ++i) extents_[{id, PartitionId(i)}] = {Offset(0), Offset(-1)};
  }
  return {};
}

Status Verifier::check_segment(const PartitionKey& key, const TopicInfo& topic, Offset base, Offset end, bool last) {
  const std::string directory = partition_directory(key);
  SegmentToVerify segment{.key = key, .base = base, .end = end};
  segment.log_name = os::join(directory, segment_file_name(base, ".log"));
  segment.marks_name = os::join(directory, segment_file_name(base, ".marks"));
  segment.batch_bytes_max = topic_config(topic.kind, topic.settings, {}).batch_bytes_max;
  segment.epoch_max = catalogue_->state().epoch;
  const auto seal = seals_.find({key, base});
  if (seal != seals_.end()) {
    segment.hashed = true;
    segment.bytes = seal->second->bytes;
    segment.end = seal->second->next_offset;
    segment.previous = seal->second->previous;
  } else if (end.value() < 0) {  // how far it should reach is not known: as far as its marks do
    const auto bytes = os::read_file(fs_, os::join(directory_, segment.marks_name), 64u << 20);
    const auto content = bytes ? parse_marks(*bytes, key, base) : Result<MarksContent>(bytes.error());
    segment.end = content ? std::max(content->end.next_offset, base) : base;
    if (content) segment.bytes = content->end.end_position;
  }
  const std::size_t before = report_.findings.size();
  auto verified = verify_segment(fs_, directory_, segment, [&](Finding finding) { found(std::move(finding)); },
                                 [&](std::uint64_t bytes) {
                                   done_ += bytes;
                                   if (progress_) progress_(done_, std::max(total_, done_));
                                 });
  if (!verified && verified.error().code == Code::not_found) {
    found({segment.log_name, 0, "the segment is missing"});
    return {};
  }
  if (!verified) return verified.error();
  if (segment.hashed && verified->hash != seal->second->hash && report_.findings.size() == before) {
    found({segment.log_name, 0, "the segment's hash is not the one that it was sealed with"});
  }
  if (!last && seal != seals_.end() && segment.end != end && end.value() >= 0) {
    found({segment.log_name, verified->bytes, "the next segment does not begin where this one was sealed"});
  }
  ++report_.segments;
  report_.batches += verified->batches;
  report_.records += verified->records;
  report_.bytes += verified->bytes;
  return {};
}

Status Verifier::check_partition(const PartitionKey& key, const TopicInfo& topic, const Extent& extent) {
  const std::string directory = partition_directory(key);
  const auto entries = fs_.list(os::join(directory_, directory));
  if (!entries && entries.error().code != Code::not_found) return entries.error();
  std::vector<Offset> bases;
  if (entries) {
    for (const auto& entry : *entries) {
      if (!entry.name.ends_with(".log")) continue;
      const auto base = parse_decimal_name(std::string_view(entry.name).substr(0, entry.name.size() - 4));
      if (base) bases.emplace_back(static_cast<std::int64_t>(*base));
    }
  }
  std::ranges::sort(bases);
  const bool known = extent.end.value() >= 0;
  if (known) std::erase_if(bases, [&](Offset base) { return base >= extent.end && extent.end > extent.log_start; });
  Offset reached = extent.log_start;
  for (std::size_t i = 0; i < bases.size(); ++i) {
    const bool last = i + 1 == bases.size();
    const Offset end = last ? extent.end : bases[i + 1];
    if (known && !last && end <= extent.log_start) continue;  // retention is about to remove it
    if (bases[i] > reached && known) {
      found({os::join(directory, segment_file_name(reached, ".log")), 0, "offsets " + std::to_string(reached.value()) + " to " +
                                                                          std::to_string(bases[i].value() - 1) + " are missing"});
    }
    BATON_TRY(check_segment(key, topic, bases[i], end, last));
    reached = end;
  }
  if (known && reached < extent.end) {
    found({directory, 0, "offsets " + std::to_string(reached.value()) + " to " + std::to_string(extent.end.value() - 1) + " are missing"});
  }
  return {};
}

// The hashes of one partition follow each other; what retention has removed is listed by its hash.
void Verifier::check_chain() {
  std::map<PartitionKey, Hash256> previous;
  for (const auto& seal : catalogue_->state().seals) {
    Hash256& expected = previous[seal.partition];
    const std::string name = os::join(partition_directory(seal.partition), segment_file_name(seal.base_offset, ".log"));
    if (seal.previous != expected) found({"catalogue", 0, "the seal of " + name + " does not continue the chain of its partition"});
    expected = seal.hash;
    const auto start = catalogue_->state().log_start.find(seal.partition);
    if (start != catalogue_->state().log_start.end() && seal.next_offset <= start->second) {
      report_.notes.push_back(name + " was removed by retention; it was sealed with hash " + hex(seal.hash));
    }
  }
}

void Verifier::check_root() {
  report_.root = catalogue_->state().root;
  std::uint64_t covered = catalogue_->state().seals.size();
  if (root_) {
    const auto& seals = catalogue_->state().seals;
    const auto at = std::ranges::find(seals, *root_, &Seal::root);
    const bool beginning = *root_ == Hash256{};
    report_.root_found = beginning || at != seals.end();
    covered = at == seals.end() ? 0 : static_cast<std::uint64_t>(at - seals.begin()) + 1;
  }
  if (report_.root_found) report_.notes.push_back("the root covers " + std::to_string(covered) + " sealed segments; the open tails behind them are checked, and not covered by it");
}

void Verifier::count_bytes() {
  for (const auto& [key, extent] : extents_) {
    const std::string directory = os::join(directory_, partition_directory(key));
    const auto entries = fs_.list(directory);
    if (!entries) continue;
    for (const auto& entry : *entries) {
      if (!entry.name.ends_with(".log")) continue;
      const auto file = fs_.open(os::join(directory, entry.name), {});
      if (!file) continue;
      if (const auto size = (*file)->size()) total_ += *size;
    }
  }
}

Result<VerifyReport> Verifier::run() {
  auto catalogue = Catalogue::open(env_, directory_, true);
  if (!catalogue && catalogue.error().code == Code::corrupt) {
    found({"catalogue", 0, catalogue.error().detail});
    report_.notes.push_back("without its catalogue nothing else of the store can be checked");
    return std::move(report_);
  }
  if (!catalogue) return catalogue.error();
  catalogue_ = *std::move(catalogue);
  if (catalogue_->torn_bytes() > 0) report_.notes.push_back("the catalogue ends with a record that is incomplete; the next open cuts it");
  for (const auto& seal : catalogue_->state().seals) seals_[{seal.partition, seal.base_offset}] = &seal;
  BATON_TRY(find_ends());
  count_bytes();
  for (const auto& [key, extent] : extents_) {
    const auto topic = catalogue_->state().topics.find(key.topic);
    if (topic == catalogue_->state().topics.end() || topic->second.removed) continue;
    BATON_TRY(check_partition(key, topic->second, extent));
  }
  check_chain();
  check_root();
  return std::move(report_);
}

}  // namespace

Result<VerifyReport> verify(os::Env& env, const std::string& directory, std::optional<Hash256> root,
                            const std::function<void(std::uint64_t done, std::uint64_t total)>& progress) {
  return Verifier(env, directory, root, progress).run();
}

}  // namespace baton::log
