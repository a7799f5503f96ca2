// Reading a context backward: stretches of the log are read forward and handed out from their end.
#include <algorithm>

#include "base/try.h"
#include "store/context_scanner.h"
#include "store/postings.h"

namespace baton::store {
namespace {

constexpr std::int64_t kFirstStretch = 64;  // offsets; doubles, so that a page of one event reads little
constexpr std::int64_t kStretchMax = 4096;
constexpr std::size_t kChunkBytes = 1u << 20;

class BackwardScan {
 public:
  BackwardScan(const ContextView& context, const ReadContext& request, std::int64_t to, std::size_t max, const Visit& visit)
      : context_(context),
        partition_(*context.partitions.front()),
        filter_(context.name, request.filter),
        happened_by_(request.as_of.time),
        max_(max),
        examined_max_(std::max<std::size_t>(request.examined_max, 1)),
        visit_(visit),
        positions_(context.id, 1),
        decoder_(context.name, &positions_, partition_.key().partition),
        reached_(to) {}

  [[nodiscard]] bool done() const { return stopped_ || count_ == max_ || examined_ >= examined_max_; }
  [[nodiscard]] std::int64_t reached() const { return reached_; }

  // From the records that the index names. A damaged one gives corrupt, and scan() goes on from what was reached: the log has everything that
  // a retention has left.
  Status follow_postings(const IndexSnapshot& index, const Filter& filter, std::int64_t from) {
    std::vector<std::string> types;
    for (const std::string& type : filter.types) types.emplace_back(bare_type(context_.name, type));
    RecordFetcher fetcher(context_, partition_, &positions_);
    Postings postings(index, types, filter.tags, log::Offset(from), log::Offset(reached_),
                      Direction::backward);
    while (!done()) {
      BATON_TRY_ASSIGN(const auto hit, postings.next());
      if (!hit) {
        reached_ = from;
        return {};
      }
      BATON_TRY_ASSIGN(const EventView* const event, fetcher.fetch(*hit));
      reached_ = hit->offset.value();
      hand_out(*event);
    }
    return {};
  }

  Status scan(std::int64_t from) {
    for (std::int64_t stretch = kFirstStretch; !done() && reached_ > from; stretch = std::min(stretch * 2, kStretchMax)) {
      BATON_TRY(scan_stretch(std::max(from, reached_ - stretch), reached_));
    }
    return {};
  }

 private:
  void hand_out(const EventView& event) {
    ++examined_;
    if (!filter_.matches(event)) return;
    if (happened_by_ && *happened_by_ < event_time(event)) return;
    ++count_;
    if (!visit_(event)) stopped_ = true;
  }

  Status scan_stretch(std::int64_t from, std::int64_t to) {
    bytes_.clear();
    for (std::int64_t next = from; next < to;) {
      BATON_TRY_ASSIGN(const auto read, partition_.reader().read(log::Offset(next), kChunkBytes, bytes_, log::Offset(to)));
      if (!read.first) break;
      next = read.next.value();
    }
    std::vector<base::ByteView> batches;
    for (base::ByteView rest = bytes_; !rest.empty();) {
      BATON_TRY_ASSIGN(const log::BatchHeader header, log::parse_batch_header(rest));
      batches.push_back(rest.first(header.total_bytes()));
      rest = rest.subspan(header.total_bytes());
    }
    for (auto batch = batches.rbegin(); batch != batches.rend() && !done(); ++batch) BATON_TRY(scan_batch(*batch, from, to));
    if (!done()) reached_ = from;
    return {};
  }

  Status scan_batch(base::ByteView batch, std::int64_t from, std::int64_t to) {
    // The cursor's headers last until its next record only, so each record is kept with a copy of them.
    records_.clear();
    BATON_TRY(cursor_.start(batch));
    while (cursor_.next()) {
      const log::RecordView& record = cursor_.record();
      if (record.offset.value() < from || record.offset.value() >= to) continue;
      records_.push_back({record, std::vector<log::HeaderView>(record.headers.begin(), record.headers.end())});
    }
    BATON_TRY(cursor_.status());
    for (auto kept = records_.rbegin(); kept != records_.rend() && !done(); ++kept) {
      kept->record.headers = kept->headers;
      BATON_TRY(decoder_.decode(kept->record, cursor_.header().epoch, event_));
      reached_ = kept->record.offset.value();
      hand_out(event_);
    }
    return {};
  }

  struct Kept {
    log::RecordView record;
    std::vector<log::HeaderView> headers;
  };

  const ContextView& context_;
  const PartitionView& partition_;
  EventFilter filter_;
  std::optional<Time> happened_by_;
  std::size_t max_;
  std::size_t examined_max_;
  const Visit& visit_;
  PositionContext positions_;
  EventDecoder decoder_;
  EventView event_;
  log::RecordCursor cursor_;
  base::Bytes bytes_;
  std::vector<Kept> records_;
  std::size_t count_ = 0;
  std::size_t examined_ = 0;
  bool stopped_ = false;
  std::int64_t reached_;  // the lowest offset that was handed out or passed over; at the start the end
};

}  // namespace

Result<Position> scan_backward(const ContextView& context, const ReadContext& request, std::size_t max, const Visit& visit,
                               bool& at_end) {
  if (context.partitions.size() != 1) {
    return Error{Code::invalid_argument, "context " + context.name + " has " + std::to_string(context.partitions.size()) +
                                             " partitions, which have no order between them: it can only be read forward"};
  }
  BATON_TRY_ASSIGN(const auto ranges, ContextScanner::ranges(context, request, nullptr));
  auto [from, to] = ranges.front();
  const PartitionView& partition = *context.partitions.front();
  BackwardScan scan(context, request, to, max, visit);
  bool answered = false;
  const bool selective = !request.filter.tags.empty() || !request.filter.types.empty();
  if (const auto index = selective ? partition.index_snapshot() : std::nullopt) {
    const Status followed = scan.follow_postings(*index, request.filter, from);
    if (!followed && followed.error().code != Code::corrupt && followed.error().code != Code::removed) return followed.error();
    answered = followed.ok();
  }
  while (!answered) {
    Status scanned = scan.scan(from);
    answered = scanned.ok();
    if (answered) break;
    if (scanned.error().code != Code::removed) return std::move(scanned).error();
    // A retention was faster: what is left is all that there is.
    BATON_TRY_ASSIGN(const log::Offset start, partition.reader().find_start());
    if (start.value() <= from) return std::move(scanned).error();
    from = start.value();
  }
  at_end = scan.reached() <= from;
  if (scan.reached() >= to || to <= 0) return request.after;  // nothing was passed
  BATON_TRY_ASSIGN(const log::Epoch epoch, epoch_at(partition.reader(), log::Offset(scan.reached())));
  return make_position(context.id, epoch, scan.reached());
}

}  // namespace baton::store
