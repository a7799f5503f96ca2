#include "store/record_fetcher.h"

#include <algorithm>
#include <string>

#include "base/try.h"

namespace baton::store {
namespace {

constexpr std::size_t kFirstRead = 1024;       // until it is known what records here are like
constexpr std::size_t kLeastRead = 256;
constexpr std::size_t kReadAheadMax = 64u << 10;
constexpr std::uint64_t kNearBytes = 4096;     // a record this near to its batch's header is read with it

}  // namespace

RecordFetcher::RecordFetcher(const ContextView& context, const PartitionView& partition, const PositionContext* positions)
    : reader_(partition.reader()), key_(partition.key()), decoder_(context.name, positions, partition.key().partition), likely_bytes_(kFirstRead) {}

Error RecordFetcher::misplaced(const IndexHit& hit) const {
  return {Code::corrupt, "partition " + std::to_string(key_.partition.value()) + " of topic " + key_.topic.to_hex() +
                             ": the index says that offset " + std::to_string(hit.offset.value()) + " lies at byte " +
                             std::to_string(hit.position.value()) + " + " + std::to_string(hit.record_delta) +
                             " of its segment, and it does not; delete the index directory, it is made again"};
}

void RecordFetcher::prefetch(const IndexHit& hit) const {
  if (!mapped_ || hit.offset < mapped_->begin || hit.offset >= mapped_->end) return;
  const auto fetch_lines = [&](std::uint64_t at, std::size_t bytes) {
    constexpr std::size_t kLine = 64;
    const std::uint64_t end = std::min<std::uint64_t>(at + bytes, mapped_->bytes.size());
    for (; at < end; at += kLine) __builtin_prefetch(mapped_->bytes.data() + at);
  };
  fetch_lines(hit.position.value(), log::kBatchHeaderBytes);
  fetch_lines(hit.position.value() + hit.record_delta, likely_bytes_);
}

void RecordFetcher::release() {
  if (!mapped_) return;
  mapped_.reset();
  has_batch_ = false;
}

Status RecordFetcher::choose_segment(const IndexHit& hit) {
  if (mapped_ && hit.offset >= mapped_->begin && hit.offset < mapped_->end) return {};
  if (mapped_) release();
  checked_to_ = 0;
  BATON_TRY_ASSIGN(mapped_, reader_.map(hit.offset));
  if (mapped_) has_batch_ = false;
  return {};
}

// At least `length` bytes of the segment from `at`, fewer only at its end.
Result<base::ByteView> RecordFetcher::window(const IndexHit& hit, std::uint64_t at, std::size_t length) {
  if (mapped_) {
    if (at >= mapped_->bytes.size()) return misplaced(hit);
    const base::ByteView rest = mapped_->bytes.subspan(at);
    const std::size_t wanted = std::min(length, rest.size());
    if (at < checked_from_ || at + wanted > checked_to_) {
      BATON_TRY_ASSIGN(const auto to, reader_.check(*mapped_, log::FilePosition(at), wanted));
      checked_from_ = at;
      checked_to_ = to.value();
    }
    return rest;
  }
  const bool inside = at >= window_position_ && at + length <= window_position_ + window_.size();
  if (!inside) {
    window_.clear();
    window_position_ = at;
    BATON_TRY(reader_.read_at(hit.offset, log::FilePosition(at), std::max(length, likely_bytes_ + read_ahead_), window_));
  }
  return base::ByteView(window_).subspan(static_cast<std::size_t>(at - window_position_));
}

Status RecordFetcher::load_header(const IndexHit& hit) {
  const bool same = has_batch_ && hit.position.value() == batch_position_ && hit.offset >= header_.base_offset &&
                    hit.offset <= header_.last_offset();
  if (same) {
    // Another record of the same batch: the next ones are likely near.
    read_ahead_ = std::min(std::max(read_ahead_ * 2, likely_bytes_), kReadAheadMax);
    return {};
  }
  has_batch_ = false;
  window_.clear();
  read_ahead_ = hit.record_delta <= kNearBytes ? hit.record_delta : 0;
  BATON_TRY_ASSIGN(const base::ByteView bytes, window(hit, hit.position.value(), log::kBatchHeaderBytes));
  if (bytes.size() < log::kBatchHeaderBytes) return misplaced(hit);
  BATON_TRY_ASSIGN(header_, log::parse_batch_fields(bytes));
  if (hit.offset < header_.base_offset || hit.offset > header_.last_offset()) return misplaced(hit);
  has_batch_ = true;
  batch_position_ = hit.position.value();
  return {};
}

Result<const EventView*> RecordFetcher::fetch_unpacked(const IndexHit& hit) {
  has_batch_ = false;
  window_.clear();
  BATON_TRY(reader_.read(hit.offset, 1, window_));
  BATON_TRY(cursor_.start(window_));
  while (cursor_.next()) {
    if (cursor_.record().offset != hit.offset) continue;
    BATON_TRY(decoder_.decode(cursor_.record(), cursor_.header().epoch, view_));
    return &view_;
  }
  BATON_TRY(cursor_.status());
  return misplaced(hit);
}

Result<const EventView*> RecordFetcher::fetch(const IndexHit& hit) {
  if (hit.record_delta == 0) return fetch_unpacked(hit);
  BATON_TRY(choose_segment(hit));
  BATON_TRY(load_header(hit));
  if (header_.codec() != log::Codec::none) return fetch_unpacked(hit);
  const std::uint64_t at = hit.position.value() + hit.record_delta;
  BATON_TRY_ASSIGN(base::ByteView bytes, window(hit, at, base::kMaxVarint32Bytes));
  BATON_TRY_ASSIGN(const auto size, log::record_size(bytes, log::kProducedBatchBytesMax));
  if (!size) return misplaced(hit);
  if (mapped_ || bytes.size() < *size) {
    BATON_TRY_ASSIGN(bytes, window(hit, at, *size));
    if (bytes.size() < *size) return misplaced(hit);
  }
  BATON_TRY_ASSIGN(const log::RecordView record, log::parse_record_at(bytes, header_, hit.record_delta, headers_));
  if (record.offset != hit.offset) return misplaced(hit);
  // The next one is likely not much longer. A copy costs more than the call that makes it.
  likely_bytes_ = std::max(kLeastRead, *size + *size / 8);
  BATON_TRY(decoder_.decode(record, header_.epoch, view_));
  return &view_;
}

}  // namespace baton::store
