#include "store/verify_index.h"

#include <algorithm>
#include <array>

#include "base/hash.h"
#include "base/try.h"
#include "log/segment.h"
#include "os/file.h"
#include "store/index_feed.h"

namespace baton::store {
namespace {

constexpr std::int64_t kRangesMax = 4096;

}  // namespace

std::string index_finding(const std::string& what) {
  return "index: " + what + "; no event is lost: delete the directory index/ and it is rebuilt";
}

IndexCheck::IndexCheck(std::string name, const std::string& context, log::PartitionId partition, std::unique_ptr<Index> index,
                       std::shared_ptr<const HeadsReader> heads, std::uint64_t seed, Found found)
    : name_(std::move(name)),
      decoder_(context, nullptr, partition),
      index_(std::move(index)),
      heads_(std::move(heads)),
      seed_(seed),
      found_(std::move(found)) {
  if (index_ == nullptr) return;
  covered_ = index_->covered();
  snapshot_ = index_->snapshot();
  while (covered_.next.value() >> shift_ >= kRangesMax) ++shift_;
  ranges_.resize(static_cast<std::size_t>(covered_.next.value() >> shift_) + 1);
}

std::uint64_t IndexCheck::sum_of(const IndexEntry& entry) const {
  std::array<std::byte, IndexEntry::kBytes> bytes{};
  entry.save(bytes.data());
  return base::hash64(base::ByteView(bytes), seed_);
}

void IndexCheck::want(std::uint64_t hash, const IndexHit& hit) {
  Range& range = ranges_[static_cast<std::size_t>(hit.offset.value() >> shift_)];
  ++range.wanted;
  range.wanted_sum += sum_of(IndexEntry::pack(hash, hit));
}

// A system record has the version of the event before it, which the log says only to those who remember every stream. The index says it,
// too: it is right when an entry of the stream before it, or the heads snapshot, says the same.
Result<StreamVersion> IndexCheck::version_of_system(const EventView& event, log::Offset offset) const {
  const std::uint64_t hash = stream_hash(event.stream);
  BATON_TRY_ASSIGN(const auto entry, snapshot_->find(hash, offset, offset.plus(1), Direction::forward).next());
  if (!entry) return StreamVersion(0);  // it is missing, and will be found to be
  IndexCursor before = snapshot_->find(hash, log::Offset(0), offset, Direction::backward);
  bool any = false;
  while (true) {
    BATON_TRY_ASSIGN(const auto hit, before.next());
    if (!hit) break;
    any = true;
    if (hit->version == entry->version) return entry->version;
  }
  if (heads_ != nullptr) {
    BATON_TRY_ASSIGN(const auto head, heads_->find(event.stream));
    if (head && std::max(head->last_version, StreamVersion(0)) == entry->version) return entry->version;
    any = any || head.has_value();
  }
  if (!any) return StreamVersion(0);
  return StreamVersion(entry->version.value() == 0 ? 1 : 0);  // no such event: another than what the index says
}

void IndexCheck::want_all(const EventView& event, IndexHit hit) {
  const auto add = [&](std::uint64_t hash, const IndexHit& h) { want(hash, h); };
  if (event.system.empty()) {
    hit.version = StreamVersion(event.version);
    entries_of_event(hit, stream_hash(event.stream), id_hash(event.stream, event.source, event.id), event.type,
                     std::span(event.tags, event.tag_count), add);
    return;
  }
  const auto version = version_of_system(event, hit.offset);
  if (!version) {
    usable_ = false;  // a damaged block, which is found when all of them are read
    return;
  }
  hit.version = *version;
  entries_of_system(hit, event.stream, event.type, add);
}

void IndexCheck::add(const log::VerifiedBatch& batch) {
  const auto& header = batch.header;
  if (first_ && header.base_offset > next_) gaps_.emplace_back(next_, header.base_offset);
  if (!first_) first_ = header.base_offset;
  next_ = header.next_offset();
  if (next_ == covered_.next) belongs_ = header.epoch == covered_.epoch && header.crc == covered_.batch_crc;
  const bool packed = header.codec() != log::Codec::none;
  const auto bad = [&](std::string what) {
    found_({os::join(name_, log::segment_file_name(batch.segment_base, ".log")), batch.position.value(), std::move(what)});
  };
  if (const Status started = cursor_.start(batch.bytes); !started) return bad(started.error().detail);
  EventView event;
  while (cursor_.next()) {
    const log::RecordView& record = cursor_.record();
    if (const Status decoded = decoder_.decode(record, header.epoch, event); !decoded) {
      bad(decoded.error().detail);
      usable_ = false;
      continue;
    }
    if (event.version >= kNoStreamVersion.value() || record.offset.value() >= IndexEntry::kOffsetLimit) {
      bad("the version or the offset of the record is larger than any can be");
      usable_ = false;
      continue;
    }
    if (index_ == nullptr || record.offset >= covered_.next) continue;
    want_all(event, {.offset = record.offset,
                     .version = StreamVersion(0),
                     .position = batch.position,
                     .record_delta = packed ? 0 : static_cast<std::uint32_t>(record.bytes.data() - batch.bytes.data())});
  }
  if (!cursor_.status()) bad(cursor_.status().error().detail);
}

bool IndexCheck::was_read(log::Offset offset) const {
  if (!first_ || offset < *first_ || offset >= next_) return false;
  return std::ranges::none_of(gaps_, [&](const auto& gap) { return offset >= gap.first && offset < gap.second; });
}

void IndexCheck::bad_index(std::string what) {
  found_({os::join(name_, "index"), 0, index_finding(what)});
}

void IndexCheck::compare() {
  std::size_t different = 0;
  std::size_t first = 0;
  for (std::size_t i = ranges_.size(); i-- > 0;) {
    const Range& range = ranges_[i];
    if (range.wanted == range.there && range.wanted_sum == range.there_sum) continue;
    ++different;
    first = i;
  }
  if (different == 0) return;
  const std::int64_t from = static_cast<std::int64_t>(first) << shift_;
  const std::int64_t to = std::min(from + (std::int64_t{1} << shift_), std::max(covered_.next.value(), from + 1)) - 1;
  const std::string where = from == to ? "the record at offset " + std::to_string(from)
                                       : "the records at offsets " + std::to_string(from) + " to " + std::to_string(to);
  bad_index("the entries of " + where + " are not those that the log asks for (" + std::to_string(ranges_[first].there) +
            " instead of " + std::to_string(ranges_[first].wanted) + ")" +
            (different > 1 ? ", and so in " + std::to_string(different - 1) + " more ranges of offsets" : ""));
}

IndexCheck::Outcome IndexCheck::finish(bool whole, bool may_lose) {
  Outcome outcome;
  if (index_ == nullptr) return outcome;
  bool damaged = false;
  const Status verified = index_->verify(
      [&](const IndexEntry& entry) {
        ++outcome.entries;
        const log::Offset offset(entry.offset());
        if (offset >= covered_.next || !was_read(offset)) return;
        Range& range = ranges_[static_cast<std::size_t>(offset.value() >> shift_)];
        ++range.there;
        range.there_sum += sum_of(entry);
      },
      [&](const Index::Finding& f) {
        damaged = true;
        const auto slash = f.file.rfind('/');
        found_({os::join(os::join(name_, "index"), f.file.substr(slash == std::string::npos ? 0 : slash + 1)), f.position,
                index_finding(f.what)});
      });
  if (!verified) bad_index(verified.error().detail);
  if (damaged || !verified || covered_.next.value() == 0) return outcome;
  if (!first_ || covered_.next <= *first_) {
    outcome.note = name_ + "/index was not compared: the log holds nothing of what it covers";
    return outcome;
  }
  if (covered_.next > next_) {
    const std::string what = "it covers the offsets up to " + std::to_string(covered_.next.value()) +
                             ", and the log was read up to " + std::to_string(next_.value());
    if (whole && may_lose) {
      outcome.note = name_ + "/index was not compared: " + what + "; the records between were not durable, and the next open for writing makes the index anew";
      return outcome;
    }
    if (whole) {
      found_({os::join(name_, "index"), 0,
              "index: " + what + ": it is not this log's, or the records between are gone, as they may be after a power cut with store.durability interval; delete the "
                       "directory index/ and it is rebuilt"});
      return outcome;
    }
    outcome.note = name_ + "/index was compared in part: " + what;
  } else if (!belongs_ && was_read(covered_.next.plus(-1))) {
    bad_index("the batch that ends at offset " + std::to_string(covered_.next.value()) +
              " is not the one that it was made from");
    return outcome;
  }
  if (!usable_) {
    outcome.note = name_ + "/index was not compared: records were found that cannot be read";
    return outcome;
  }
  outcome.compared = true;
  compare();
  return outcome;
}

}  // namespace baton::store
