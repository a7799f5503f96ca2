// RecordFetcher: reads the record that an index entry names, without the batch around it.
//
// One thread, one request; keeps its memory from record to record. Records of one batch that are fetched one after the other cost one
// look at the batch's header.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <baton/event.h>
#include <baton/result.h>

#include "base/bytes.h"
#include "log/batch.h"
#include "log/log.h"
#include "store/event_codec.h"
#include "store/index_entry.h"
#include "store/position_codec.h"
#include "store/read_view.h"

namespace baton::store {

class RecordFetcher {
 public:
  // Both outlive the fetcher, and `positions` the views too (EventView::position()).
  RecordFetcher(const ContextView& context, const PartitionView& partition, const PositionContext* positions);

  // The event at `hit`; valid until the next call. corrupt: there is no such record. incompatible: F31.
  [[nodiscard]] Result<const EventView*> fetch(const IndexHit& hit);
  // A hit that fetch() will soon be called with: its bytes are on their way from memory when they lie in the segment that is at hand.
  void prefetch(const IndexHit& hit) const;
  // Holds no segment any more, so that one which a retention removes gives its space back. For fetchers that live long.
  void release();

 private:
  [[nodiscard]] Status load_header(const IndexHit& hit);
  [[nodiscard]] Status choose_segment(const IndexHit& hit);
  [[nodiscard]] Result<base::ByteView> window(const IndexHit& hit, std::uint64_t at, std::size_t length);
  [[nodiscard]] Result<const EventView*> fetch_unpacked(const IndexHit& hit);
  [[nodiscard]] Error misplaced(const IndexHit& hit) const;

  const log::PartitionReader& reader_;
  log::PartitionKey key_;
  EventDecoder decoder_;
  EventView view_;
  std::vector<log::HeaderView> headers_;
  log::RecordCursor cursor_;

  // The batch that header_ is of, and the bytes from its segment that are at hand.
  bool has_batch_ = false;
  std::uint64_t batch_position_ = 0;
  log::BatchHeader header_;
  // Of a sealed segment all bytes are at hand.
  std::optional<log::PartitionReader::Mapped> mapped_;
  std::uint64_t checked_from_ = 0;
  std::uint64_t checked_to_ = 0;
  std::uint64_t window_position_ = 0;
  base::Bytes window_;
  std::size_t read_ahead_ = 0;
  std::size_t likely_bytes_;  // of a record
};

}  // namespace baton::store
